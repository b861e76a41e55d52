/*
 * The world around the store proper, for its unit tests: connections that queue to arrays, a table of domains, a journal that
 * keeps what it is told and is compared with the tree at the end of each test, a clock that stands still.
 */
#ifndef TESTS_STORE_FAKE_H
#define TESTS_STORE_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/xenstored/conn.h"

/* One message that went to a client. */
struct message {
	uint32_t type, req, tx;
	size_t len;
	char *data;
};

struct conn_io {
	struct message *messages;
	unsigned nr, room;
	unsigned read; /* how many the test has looked at with next_event() */
	bool closed;
	unsigned close_after; /* close in the middle of that many-th event from now */
};

/* Every test: an empty store with domain 0; at the end its invariants hold, the journal agrees, no memory is left. */
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* A client: domain 0 by a socket, or a guest (which then exists). */
struct conn *client(uint32_t domid);
void client_close(struct conn *c);
/* The hypervisor has it / has not. */
void domain_make(uint32_t domid);
void domain_kill(uint32_t domid);

/* Send one request; 0 or the errno value of the answer. The answer is in reply, reply_len (and NUL-terminated). */
int ask(struct conn *c, uint32_t tx, uint32_t type, const void *body, size_t len);
/* Called between the steps of a large commit (commit.h): privileged clients may do what they like there. */
extern void (*between_steps)(void);
extern char reply[8192];
extern size_t reply_len;
extern uint32_t reply_type;

/* Shorthands. Strings are sent with their NUL. */
int put(struct conn *c, uint32_t tx, const char *path, const char *value); /* WRITE */
int get(struct conn *c, uint32_t tx, const char *path);			   /* READ */
int make_dir(struct conn *c, uint32_t tx, const char *path);
int rm(struct conn *c, uint32_t tx, const char *path);
int ls(struct conn *c, uint32_t tx, const char *path); /* names joined by blanks in reply */
int get_perms(struct conn *c, uint32_t tx, const char *path);
int set_perms(struct conn *c, uint32_t tx, const char *path, const char *perms); /* "n1 r2 b3" */
/* A guest that owns its home; another client of domain 0 has made it. */
struct conn *guest_with_home(uint32_t id);
uint32_t start(struct conn *c);
int end(struct conn *c, uint32_t tx, bool commit);
int watch(struct conn *c, const char *path, const char *token); /* and take the first event */
int unwatch(struct conn *c, const char *path, const char *token);
int control(struct conn *c, const char *words); /* split at blanks */
/* Strings joined by NULs from words joined by blanks, for requests without a shorthand. */
int ask_words(struct conn *c, uint32_t tx, uint32_t type, const char *words);

/* The next event not looked at yet: "path token", or "" if there is none. */
const char *next_event(struct conn *c);
/* All of them, joined by ", ". */
const char *events(struct conn *c);
void no_events(struct conn *c);

#define assert_get(c, tx, path, value) \
	do { \
		assert_int_equal(get((c), (tx), (path)), 0); \
		assert_string_equal(reply, (value)); \
	} while (0)

/* The clock of the store, in ms. */
extern uint64_t fake_now;
/* Lines of notice(). */
extern unsigned notices;
extern char last_notice[1024];
/* How often journal_begin() was called in all; groups must be closed at the end of each request. */
extern unsigned journal_groups;
/* Nothing is kept while it is on: for changes that will be undone behind the store's back. */
extern bool journal_off;

/* Let the n-th allocation from now fail (0: the next), or none with -1. Returns how many there were since the last call. */
unsigned fail_allocation(int n);

#endif
