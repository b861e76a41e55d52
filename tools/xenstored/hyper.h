/*
 * What the store needs of the hypervisor and nothing else. Real: hyper_xen.c (libxenevtchn-free: /dev/xen/evtchn, gntdev,
 * privcmd by their ioctls). Fake: hyper_fake.c, in which tests and the model play guests over shared memory and eventfds.
 */
#ifndef XENSTORED_HYPER_H
#define XENSTORED_HYPER_H

#include <stdbool.h>
#include <stdint.h>

struct xenstore_domain_interface;

struct hyper_domain {
	bool exists, dying, shutdown;
	uint8_t code;	 /* SHUTDOWN_* */
	uint64_t unique; /* changes when the id is reused; 0: the hypervisor cannot say */
	uint8_t handle[16];
};

struct hyper {
	const char *name;
	int (*open)(void);     /* 0 or errno */
	int (*event_fd)(void); /* readable when ports are pending */
	/* A pending port, now unmasked; -1: none, or enough for this turn (event_fd is readable again if there are more). */
	int (*next_port)(void);
	int (*notify)(uint32_t port);
	int (*bind)(uint32_t domid, uint32_t remote_port, uint32_t *local); /* 0 or errno */
	void (*unbind)(uint32_t local);
	int (*bind_dom_exc)(uint32_t *local);
	struct xenstore_domain_interface *(*map_ring)(uint32_t domid, uint64_t gfn); /* NULL and errno */
	void (*unmap_ring)(uint32_t domid, struct xenstore_domain_interface *ring);
	/* Where the ring of a domain is that nobody introduced yet, and its port. 0 or errno. */
	int (*store_place)(uint32_t domid, uint64_t *gfn, uint32_t *remote_port);
	/* The ring of the kernel we run under and its port; NULL: there is none (host tests, or a stub domain). */
	struct xenstore_domain_interface *(*kernel_ring)(uint32_t *remote_port);
	int (*domain_info)(uint32_t domid, struct hyper_domain *out);
	/* Existing domains with id >= first: how many were filled in (ids in @ids). */
	int (*list)(uint32_t first, uint32_t *ids, struct hyper_domain *out, unsigned max);
	/*
	 * Over an update event channels stay bound with their descriptor: which one it is (-1: none, bind anew), and, in the new
	 * daemon, use this one instead of opening another (before open()).
	 */
	int (*keep_fd)(void);
	void (*use_fd)(int fd);
};
/* Which one it will be is not known yet when an update's stream is read: all learn of the descriptor. */
void hyper_use_fd(int fd);
extern const struct hyper *hyper;
extern const struct hyper hyper_xen, hyper_fake, hyper_none;

#endif
