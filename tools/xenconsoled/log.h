/* Files of what is said: one of each domain, one of the hypervisor. */
#ifndef XENCONSOLED_LOG_H
#define XENCONSOLED_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct log {
	int fd; /* -1: none */
	bool times, replace_escape;
	bool inside; /* a line has begun */
};

/* Open LOG_DIR/@name.log to append. */
void log_open(struct log *l, const char *name, bool times, bool replace_escape);
void log_close(struct log *l);
/* All or, on a full disk, as much as goes. */
void log_write(struct log *l, const void *bytes, size_t len);

#endif
