/*
 * One console: a ring shared with a domain, what was said there (history.h), and the terminal, log file and questions that
 * read it. Output goes from the ring to the history and from there to everything else at its own pace.
 */
#ifndef XENCONSOLED_CONSOLE_H
#define XENCONSOLED_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "loop.h"

struct domain;
struct history;
struct xencons_interface;

struct console {
	struct console *next; /* of the same domain */
	struct domain *d;
	uint32_t nr;   /* 0: the first one, whose records differ from those of the others */
	char path[64]; /* of its records */
	/* records.c */
	uint64_t serial;
	bool reading, again;
	bool recorded;		/* a toolstack told where its ring is */
	unsigned backend_state; /* of another than the first: as told last */

	struct xencons_interface *ring; /* NULL: not connected */
	bool granted;
	uint64_t place; /* the grant or the frame */
	uint32_t remote_port;
	int port; /* ours */

	struct history *history;
	struct log log;
	struct source pty; /* the master */
	int slave;
	char tty[64];
	uint64_t tty_at;
	bool input_full;

	/* Rate limit: events heard in this period. */
	unsigned heard;
	uint64_t period_end;
	bool held; /* its port stays masked until then */
	struct console *next_held;

	bool ended; /* its domain is gone; the terminal stays until it was read */
	uint64_t linger_until;
	struct console *next_lingering;
};

/* Start to serve event channels. */
void console_setup(void);
/* Console @nr of @d with a terminal and a history, not yet connected. */
struct console *console_new(struct domain *d, uint32_t nr);
/* Connect with a ring: by grant @grant, or (no such grant, and @gfn not ~0) by frame number. 0 or -errno. */
int console_connect(struct console *c, uint32_t grant, uint64_t gfn, uint32_t remote_port);
/* Connected once, but the other end of its port is gone. */
bool console_is_orphan(const struct console *c);
/* Take what is in the ring and let go of it. */
void console_disconnect(struct console *c);
/* The domain is gone. The console frees itself when its terminal was read, or after a while. */
void console_end(struct console *c);
/* The domain's name is known now, or the log was rotated. */
void console_open_log(struct console *c);

#endif
