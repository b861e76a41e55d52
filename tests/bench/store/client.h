/* What the load generator's parts share: connections, clocks, the daemon's CPU time. */
#ifndef BENCH_STORE_CLIENT_H
#define BENCH_STORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/wire.h"

struct client {
	int fd;
	uint32_t req;
	uint64_t events; /* watch events seen so far */
	size_t have, out_len;
	char in[65536];
	char out[65536];
	void *state;
};

struct bench {
	const char *socket;
	const char *fake; /* directory of the fake hypervisor, or NULL */
	int pid;
	double seconds;
	bool echo; /* the floor: it answers anything */
};
extern struct bench bench;

double now(void);
/* Nanoseconds of CPU the daemon has used. */
uint64_t daemon_cpu(void);
/* Kilobytes of memory the daemon has. */
long daemon_rss(void);

struct client *client_open(void);
void client_close(struct client *c);
/* Add a request to the output: words are strings (with their NUL), then @len bytes of @value. */
void put(struct client *c, uint32_t type, uint32_t tx, const char *a, const char *b, const void *value, size_t len);
void flush(struct client *c);
/* The next reply, counting events; its type, body at *@body. Blocks. */
uint32_t reply(struct client *c, const char **body, size_t *len);
/* If a whole reply is there already: true. Reads once at most when @wait. */
bool try_reply(struct client *c, bool wait, uint32_t *type, const char **body, size_t *len);
/* put, flush, reply. Dies on an error unless it is @allow. False if the answer was that error. */
bool ask(struct client *c, uint32_t type, uint32_t tx, const char *a, const char *b, const void *value, size_t len,
	 const char *allow);
uint32_t start(struct client *c);
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* One boot of a VM as toolstacks do it: requests 0 .. VM_REQUESTS-1, START and END not counted. */
#define VM_REQUESTS 85
void vm_request(struct client *c, uint32_t tx, unsigned vm, unsigned step);

/* Guests (guest.c). */
void guest_setup(void);
void guest_create(unsigned id);
void guest_destroy(unsigned id);
void work_ring_read(void);
void work_domains(unsigned n);
void work_destroy(unsigned n);

/* "name": value pairs of the result line. */
void result(const char *name, double value);

#endif
