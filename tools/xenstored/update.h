/* Live update: the whole state into the documented migration stream, a new binary over this process, the state out of it. */
#ifndef XENSTORED_UPDATE_H
#define XENSTORED_UPDATE_H

#include "conn.h"

/*
 * CONTROL live-update. @args: the strings after "live-update", @len bytes with their NULs. Replies by itself (OK, BUSY or an
 * error text), at once or, for the reply to -s, from the new daemon.
 */
void update_control(struct conn *c, uint32_t req, uint32_t tx, const char *args, size_t len);

/* An update was ordered and its time has come: does not return on success. loop.c, between requests. */
void update_poll(void);
/* True while one waits for transactions to end: the loop must turn now and then. */
bool update_pending(void);
/* @c vanishes, and its session with it. */
void update_forget(const struct conn *c);

/* The whole state as a stream of @version 1 or 2 into @fd. 0 or an errno value. update_write.c */
int update_write(int fd, unsigned version);

/*
 * Take the state of a stream over into an empty daemon. 0 or an errno value; what was wrong has been reported by then.
 * update_read.c
 */
int update_read(const void *stream, size_t size);
/* -U: find the stream that the daemon before us left, so that hyper.h learns of the kept descriptor; then take it over. */
int update_load(void);
int update_take_over(void);

/* How the stream's descriptor is handed to the new daemon: in the environment, which others ignore. */
#define UPDATE_FD_VARIABLE "XENSTORED_UPDATE_FD"
/* Where the classic daemon leaves it, beside its socket. */
#define UPDATE_FILE "state_dump"

#endif
