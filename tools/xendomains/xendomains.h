/* xendomains: domains that start and stop with the host. */
#ifndef XENDOMAINS_H
#define XENDOMAINS_H

#include <stdbool.h>
#include <sys/types.h>

/* What /etc/default/xendomains says; texts are never NULL. */
struct settings {
	char *automatic, *save, *migrate, *shutdown, *sysrq;
	bool restore, auto_only;
	unsigned max_wait; /* seconds, 0: for ever */
};
/* Read lines NAME=value as a shell would. False: the file cannot be read. */
bool settings_read(struct settings *s, const char *path);

/* Runs of xl, several at a time. */
struct job {
	struct job *next;
	char *name; /* of the domain */
	char *file; /* for who began it, or NULL */
	pid_t pid;
	int output; /* a file of what it printed */
	long deadline;
	bool late; /* was ended at its deadline */
	void (*done)(struct job *j, bool ok);
};
/*
 * Start xl with the blank-separated @words and then @last (NULL: nothing); @done is called when it has ended, at the latest @max_wait seconds (0: for ever) from now.
 * With as many under way as may be it waits for one of them first.
 */
void job_start(const char *name, const char *file, unsigned max_wait, void (*done)(struct job *j, bool ok),
	       const char *words, const char *last);
/* Wait until all have ended. */
void jobs_wait(void);
/* What it printed, cut to its first lines; to be freed. */
char *job_output(const struct job *j);
/* Run xl now: its standard output, to be freed, or NULL if it failed. */
char *xl_output(const char *words, const char *last);

#endif
