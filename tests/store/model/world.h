/* The daemon as a process that can be killed, and links to it: sockets, and rings of guests we play. */
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/wire.h"

struct event {
	struct event *next;
	char path[128], token[32];
};

struct link {
	unsigned domid;
	int fd;					/* socket, or the guest's event FIFO */
	struct xenstore_domain_interface *ring; /* NULL: a socket */
	uint32_t req;
	struct event *events, **events_end;
	size_t have;
	char in[16384];
};

void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A directory for everything; the daemon's program and more arguments of it. */
void world_init(const char *daemon, char **args);
void world_start(void);
void world_kill(void);
/* End the daemon in good order, check the fake hypervisor's complaints, remove the directory. */
void world_end(void);
const char *world_socket(void);

void link_open_socket(struct link *l);
/* Map the ring of guest @domid, which must exist. */
void link_open_ring(struct link *l, unsigned domid);
void link_close(struct link *l);
void link_send(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len);
/* Only the first @part bytes of the message. */
void link_send_part(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len, size_t part);
/* The reply to the last request: its type and body (@body: 4097 bytes). False: the connection ended or nothing came. */
bool link_reply(struct link *l, uint32_t *type, char *body, size_t *len, int timeout_ms);
/* Wait for at least one more event. */
bool link_wait_event(struct link *l, int timeout_ms);
void link_forget_events(struct link *l);
/* An answer of any kind, or death. Returns the errno value of an ERROR. */
int link_ask(struct link *l, uint32_t type, uint32_t tx, const void *body, size_t len, char *out, size_t *out_len);

void guest_create(unsigned domid);
void guest_destroy(unsigned domid);

#endif
