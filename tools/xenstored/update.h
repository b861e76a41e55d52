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

/* The whole state as a stream of @version 1 or 2 into @fd. 0 or an errno value. */
int update_write(int fd, unsigned version);
/* Take the state of a stream over into an empty daemon. 0 or an errno value; what was wrong has been reported by then. */
int update_read(const void *stream, size_t size);
/* -U: find the stream that the daemon before us left and take it over. 0 or an errno value. */
int update_take_over(void);

#endif
