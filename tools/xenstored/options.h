/* What the command line and the environment set. */
#ifndef XENSTORED_OPTIONS_H
#define XENSTORED_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	bool no_domain_init; /* -D: no hypervisor, sockets only */
	bool no_fork;	     /* -N */
	bool print_pid;	     /* -P without a file */
	bool live_update;    /* -U: the state comes from the daemon before us */
	bool keep_orphans;   /* -K: leave the nodes of dead domains (dangerous; for debugging) */
	bool no_recovery;    /* -R: start empty even if there is a journal */
	bool journal;	     /* --no-journal clears it */
	bool keep_privileges;
	const char *pid_file;
	const char *trace_file;
	const char *rundir; /* XENSTORED_RUNDIR */
	const char *socket; /* XENSTORED_PATH or rundir/socket */
	const char *journal_file;
	const char *state_dir;
	const char *fake_dir;  /* --fake-hypervisor */
	int update_fd;	       /* the stream, with -U; -1: the classic daemon's file */
	uint32_t master_domid; /* -m: the domain that is privileged beside us */
	uint32_t priv_domid;   /* -p */
	uint32_t own_domid;    /* of the domain we run in: 0 unless --domid */
	int event_port;	       /* -e: the master domain's ring, -1 none */
	uint64_t event_timeout_ms;
	char **argv; /* as we were started, for an update */
};
extern struct options options;

/* Fill in @options and apply quotas; exits after --help and on a bad option. */
void options_parse(int argc, char **argv);

#endif
