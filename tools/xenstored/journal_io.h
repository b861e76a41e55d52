/* The journal as I/O, recovery and live update see it. */
#ifndef XENSTORED_JOURNAL_IO_H
#define XENSTORED_JOURNAL_IO_H

#include "journal.h"

/*
 * Start a new journal at @path with everything there is now, or go on with a recovered one. Without one the daemon runs as
 * well, but its death loses the store. 0 or an errno value.
 */
int journal_create(const char *path);
/*
 * The state in the journal at @path into an empty store; then go on writing it. What cannot be used has been reported.
 * ENOENT: there is none; EINVAL: none that can be used, the file was moved aside to <path>.bad.
 */
int journal_recover(const char *path);
/* The end: with @remove nothing is left for a successor. */
void journal_close(bool remove);
bool journal_active(void);
/* Another process goes on with the file: leave nothing half done beside it. */
void journal_quiesce(void);

/* A group needs no journal_begin() of its own for these: without one they are groups of their own. */
void journal_reply(const struct conn *c, uint32_t number, const void *data, size_t len);
/* How far input of @c was taken, with the bytes that are not a whole message yet. */
void journal_input(const struct conn *c);
/*
 * rsp_prod goes from @from to @to, and with it all replies up to number @done are out, but for the @rest of the one that is
 * cut there (or of an event).
 */
struct journal_output {
	uint32_t from, to, done, rest_len;
	const void *rest;
	bool rest_event;
};
void journal_output(const struct conn *c, const struct journal_output *o);
/* Ring of domain @domid starts afresh: no watches, no transactions, nothing in or out. */
void journal_reset(uint32_t domid);
/* Domain @domid is forgotten. */
void journal_domain_gone(uint32_t domid);

#endif
