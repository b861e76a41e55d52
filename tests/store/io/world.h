/* The whole daemon in a test's process, over the fake hypervisor; each test in a process of its own. */
#ifndef TESTS_STORE_IO_WORLD_H
#define TESTS_STORE_IO_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/xenstored/conn_io.h"
#include "tools/xenstored/hyper.h"
#include "tools/xenstored/hyper_fake.h"

#define CHECK(cond) check((cond), #cond, __FILE__, __LINE__)
void check(bool ok, const char *what, const char *file, int line);

/* Run @fn in a child with a fresh directory: passes if it returns. For cmocka. */
void isolated(void (*fn)(void));
#define ISOLATED(name) \
	static void test_##name(void **state) \
	{ \
		isolated(name); \
	}
/* Run @fn, which ends with _exit(0), in a child of this process, as a daemon before or beside ours. */
void in_child(void (*fn)(void));
/* Only the directory and the machine in it, for fuzzers. */
void world_make(void);
extern char world_dir[];
extern struct fake_hyper *machine;

/* Silence what the daemon says for the administrator. */
void world_quiet(void);
/* Options as "xenstored -N --fake-hypervisor <dir>" sets them; then start. */
void world_options(void);
void world_start(void);
/* Turns of the loop until nothing moves. */
void world_settle(void);

/* A domain with ring and events, @start: where its indices begin. */
struct guest {
	uint32_t domid;
	struct xenstore_domain_interface *ring;
	int event;	/* its FIFO */
	char in[16384]; /* what it received */
	size_t in_len;
	uint32_t req;
};
struct guest *guest_new(uint32_t domid, uint32_t start);
void guest_kick(const struct guest *g);
/* @len bytes into the ring as they are, as far as they fit; no event. Returns how many. */
size_t guest_push(struct guest *g, const void *p, size_t len);
/* Take what the ring has into @in. */
size_t guest_pull(struct guest *g);
/*
 * The same two as Linux does them: the event is left out when the other side cannot be waiting for it, by its index as it is seen after the
 * own one was moved. Between two bytes that are pushed at once no event is due.
 */
size_t guest_say(struct guest *g, const void *p, size_t len);
size_t guest_hear(struct guest *g);
/* A message put together; returns its length. */
size_t message(void *out, uint32_t type, uint32_t req, uint32_t tx, const void *body, size_t len);
/* Send and wait for the answer: the type of the reply, its body in @body (4096), its length in *len. Events before it are dropped. */
uint32_t guest_ask(struct guest *g, uint32_t type, const void *body, size_t len, char *answer, size_t *answer_len);
/* Whole first message of @in, removed from it; false: there is none. */
bool guest_message(struct guest *g, struct xsd_sockmsg *h, char *body);

/* Requests of domain 0 by function call, outside of any I/O. 0 or an errno value. */
int ask0(uint32_t type, const void *body, size_t len, char *answer, size_t *answer_len);
int write0(const char *path, const char *value);
bool exists0(const char *path);

#endif
