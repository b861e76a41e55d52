/* The I/O half of a connection: its queue of messages out, its input so far, the lists it is on. Private to I/O and persistence. */
#ifndef XENSTORED_CONN_IO_H
#define XENSTORED_CONN_IO_H

#include "conn.h"
#include "loop.h"

struct xenstore_domain_interface;

/* One message in the queue. */
struct queue_item {
	uint64_t pos;	     /* place of its first byte in the stream of all bytes ever queued */
	uint32_t len;	     /* with its header */
	uint32_t hash;	     /* event: of the message; reply of a ring: its number in the journal */
	uint32_t stamp;	     /* loop_now() when it was queued */
	uint32_t cause_conn; /* the guest connection whose outstanding count it raised, 0: none */
	uint16_t cause_domain;
	bool event;
	struct owed
		*owed; /* no message: those of a change, to be put here when their turn comes. An event of length 0 */
};

/* Messages not yet taken. One array of bytes, so that one send() takes all; an array of items beside it. */
struct queue {
	char *bytes;
	size_t head, tail, size; /* [head, tail) waits; head is at stream position pos */
	uint64_t pos;
	struct queue_item *items;
	uint32_t first, nr, nr_max; /* items[first .. nr) */
	size_t owed_bytes;	    /* what the items without a message hold */
	uint32_t *index;	    /* hash table of the numbers of events, built when there are many */
	uint32_t index_size, index_used;
	uint32_t number; /* an item's place and this are its number: that stays when items are moved */
};

/* To be flushed; to be served, those who never wait for others and guests; to be looked at by the timer. */
enum conn_list { LIST_DIRTY, LIST_READY, LIST_GUESTS, LIST_BLOCKED, NR_CONN_LISTS };

struct conn_io {
	struct source source; /* sockets */
	struct conn *c;
	struct conn_io *next, **prev;		  /* all connections */
	struct conn_io *list_next[NR_CONN_LISTS]; /* see conn_list_add() */
	bool on_list[NR_CONN_LISTS];
	bool closing;	/* conn_close() was called: nothing goes in or out */
	bool dead;	/* to be freed at the end of the turn */
	bool ignored;	/* a ring that broke the protocol: kept until its domain goes or it reconnects */
	uint32_t error; /* XENSTORE_ERROR_* of conn_close() */
	struct queue out;
	char *in; /* input that did not make a whole message */
	uint32_t in_len, in_size;
	uint32_t in_skip;  /* sockets: bytes of it already served */
	bool held;	   /* input waits until what it caused has been taken by those it went to */
	uint64_t retry_at; /* input waits until then (conflict.h), 0: no */
	/* rings */
	struct xenstore_domain_interface *ring;
	uint32_t port; /* local, as hyper.h gave it, if bound */
	bool bound;
	uint32_t cons_page;    /* req_cons as the page has it */
	uint32_t cons;	       /* what has been taken of it */
	uint32_t seen;	       /* req_prod when it was last looked at */
	uint32_t reply_number; /* of the last reply queued */
	uint32_t reply_done;   /* of the last one put into the ring */
	bool notify;
	bool was_reset; /* while its own request was being served */
	bool cut_short; /* there is more input, and it could be served but for the others */
	uint8_t pieces; /* of its input served in a row, without an answer yet */
};

/* conn.c. NULL: out of memory. @id 0: a new one. */
struct conn *conn_new(enum conn_kind kind, struct domain *d, uint32_t id);
/* Drop its state and free it at the end of the turn. */
void conn_destroy(struct conn *c);
/* Whose request is served now; NULL: none. */
struct conn *conn_current(void);
/* Serve one message of @c: bookkeeping around request_handle(). */
void conn_serve(struct conn *c, const struct xsd_sockmsg *h, const char *body);
/* May more of its input be served in this turn? Sets retry_at. */
bool conn_may_serve(struct conn *c);
/* A reply or event caused by request of guest connection @id of @domain was taken. */
void conn_taken(uint32_t domain, uint32_t id);
struct conn_io *conn_first(void);
unsigned conn_count(void);
void conn_list_add(struct conn_io *io, enum conn_list list);
/* Something must be done for it later: its input may go on at retry_at, what it does not take grows old. */
void conn_blocked(struct conn_io *io);
struct conn_io *conn_list_pop(enum conn_list list); /* NULL: empty */
unsigned conn_list_count(enum conn_list list);
/* It may have input, or room for output: to be served in its turn. */
void conn_ready(struct conn_io *io);
/* A guest whose batch of requests was cut short: the next piece is its own, too. */
void conn_go_on(struct conn_io *io);
/*
 * Work for unprivileged guests is done in pieces, each about one ordinary request; between two of them the loop looks whether anybody else
 * wants something. So a request of those waits for one piece at most, however many guests there are and whatever they do.
 */
void conn_turn_begin(void);	/* nothing is left for guests until it is their turn */
void conn_turn_of_guests(void); /* a piece begins */
bool conn_turn_over(void);
void conn_guest_turn(struct conn_io *io);
/* Guests that broke the protocol and wait for the turn in which what they had is dropped: all of it now. */
void conn_finish_guests(void);
/* End of a turn: send what is queued, finish closed connections. The time in ms until something must be done, -1: none. */
void conn_flush_all(void);
int conn_timeout(void);
void conn_timers(void); /* if their time has come */
void conn_set_id_floor(uint32_t id);

/* queue.c */
void queue_init(struct queue *q);
/* Of whole messages. */
size_t queue_bytes(const struct queue *q);
bool queue_waits(const struct queue *q); /* anything at all */
/* Bytes of memory, which is what a client that does not read is judged by. */
size_t queue_load(const struct queue *q);
/*
 * What may go out now, at most @want bytes from the head: puts the events that are owed up to there in their places. No more of
 * them are made than are wanted, so what a client is owed costs when it is taken and as fast as it is taken.
 */
size_t queue_ready(struct conn *c, size_t want);
/* All bytes that are queued or owed, to be freed; events that exceed what may be held are left out. NULL: no memory. */
char *queue_export(const struct conn *c, size_t *len);
/* @n bytes of it went out. */
void queue_taken(struct conn *c, size_t n);
/* Drop all. */
void queue_clear(struct conn *c);
/* Drop events older than @ms that have not begun to go out, *most of them: they are deducted. True: something was dropped. */
bool queue_expire(struct conn *c, uint64_t ms, unsigned *most);
/* Put a message as it was (restart, update). 0 or ENOMEM. */
int queue_restore(struct conn *c, const void *data, size_t len, bool event, uint32_t number);
/* The first of all may have lost its beginning: that has gone out. */
int queue_restore_rest(struct conn *c, const void *data, size_t len, bool event, uint32_t number);
/* The last message was not meant to be said; none of it has gone out. */
void queue_drop_last(struct conn *c);
/* How many bytes of the message at the head have gone already. */
size_t queue_partial(const struct queue *q);

/* socket.c. @fd is non-blocking; taken over. NULL: refused. */
struct conn *socket_new(int fd, uint32_t id);
int socket_listen(const char *path); /* 0 or an errno value */
/* Does somebody answer there already? Two stores would be the end of both. */
bool socket_is_served(const char *path);
int socket_listen_fd(void);
void socket_listen_restore(int fd);
void socket_flush(struct conn *c);
void socket_serve_rest(struct conn *c); /* input kept back may go on */
void socket_close(struct conn *c);
void socket_stop(void); /* remove the name */

/* ring.c */
/* Read what the ring has, answer, notify once. */
void ring_service(struct conn *c);
void ring_flush(struct conn *c);
/* It is to be served if there is something, whether or not its event has come: that may be behind those of many guests. */
void ring_look(struct conn *c);
/* Empty ring, no watches, no transactions, connected again. */
void ring_reset(struct conn *c);
/* First contact: features, state; does not touch what is in it unless the guest asked for a reconnect. */
void ring_start(struct conn *c);
/* Tell the guest why nothing more will come. */
void ring_fail(struct conn *c, uint32_t error);
/* A port of hyper.h fired. */
void ring_event(uint32_t port);
/* 0 or ENOMEM. */
int ring_bind(struct conn *c, uint32_t local_port);
/* Let go of its port, of its page. */
void ring_unbind(struct conn *c);
void ring_unmap(struct conn *c);

#endif
