/* From nothing to serving: what main() and the tests share. */
#ifndef XENSTORED_DAEMON_H
#define XENSTORED_DAEMON_H

/* Say why, and end. */
_Noreturn void daemon_die(const char *what, int err);
/* With @options set and the loop open: hypervisor, state of whoever served before, journal, socket, domains. Ends on failure. */
void daemon_start(void);

#endif
