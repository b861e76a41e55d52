/* Where the daemon says what it does: the trace file of -T, and the system log for what an administrator must know. */
#ifndef XENSTORED_TRACE_H
#define XENSTORED_TRACE_H

#include <stdbool.h>

#include "conn.h"

/* True while a trace file is open and on: callers test it before they format anything costly. */
extern bool trace_on;
/* Open (append) the file and trace into it; NULL closes. 0 or an errno value. */
int trace_open(const char *path);
/* CONTROL log on|off. With "on" and no file yet: /var/log/xen/xenstored-trace.log. 0 or an errno value. */
int trace_set(bool on);
/* One line with the time, into the trace file only. */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One message in or out of a connection, as the -T file of the classic daemon shows it. */
void trace_io(const struct conn *c, bool out, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len);
/* For the administrator: to stderr (or the system log as a daemon) and the trace file. */
void notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
