/*
 * Where hypercalls go: Linux's devices (linux.c) or the simulated hypervisor (sim.c). The rest of the library is written once
 * over these. Results as the public functions'.
 */
#ifndef HCALL_BACKEND_H
#define HCALL_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HCALL_PAGE 4096u

struct sim_link;
struct sim_map;

/* One per kind of handle; a back end uses what it needs. */
struct handle {
	const struct backend *b;
	int fd;		       /* linux: the device; sim: of event channels, the pipe */
	struct sim_link *link; /* sim: this handle's connection */
	uint64_t id;	       /* sim: of event channels */
	struct sim_map *maps;  /* sim */
};

struct backend {
	bool sim;

	int (*open_calls)(struct handle *h);
	int (*open_events)(struct handle *h);
	int (*adopt_events)(struct handle *h, int fd);
	int (*open_grants)(struct handle *h);
	void (*close)(struct handle *h);

	/* Calls. */
	long (*call)(struct handle *h, unsigned nr, const uint64_t a[5]);
	void *(*alloc)(struct handle *h, size_t pages); /* zeroed; NULL */
	void (*free)(struct handle *h, void *p, size_t pages);
	void *(*map_foreign)(struct handle *h, uint32_t domid, int prot, const uint64_t *gfns, size_t nr, int *errs);
	void *(*map_resource)(struct handle *h, uint32_t domid, unsigned type, unsigned id, uint64_t frame, size_t nr,
			      int prot);
	int (*unmap_foreign)(struct handle *h, void *p, size_t nr);

	/* Events. */
	int (*bind_interdomain)(struct handle *h, uint32_t domid, uint32_t port);
	int (*bind_virq)(struct handle *h, uint32_t virq);
	int (*alloc_unbound)(struct handle *h, uint32_t domid);
	int (*unbind)(struct handle *h, uint32_t port);
	int (*notify)(struct handle *h, uint32_t port);
	int (*unmask)(struct handle *h, const uint32_t *ports, unsigned nr);

	/* Grants. */
	void *(*map_grants)(struct handle *h, uint32_t domid, const uint32_t *refs, size_t nr, int prot);
	int (*unmap_grants)(struct handle *h, void *p, size_t nr);
};

extern const struct backend backend_linux, backend_sim;

/* The one this process uses. */
const struct backend *backend_choose(void);

#endif
