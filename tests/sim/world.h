/*
 * The simulated hypervisor's two halves: world.c is the machine and its domain 0, over the hypervisor's own code; server.c
 * speaks with processes. Results: >= 0 or -errno.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_state;

#define WORLD_PORTS 4096u /* of a domain with event bitmaps */

/* A machine whose RAM is the file @fd, with a domain 0 of @dom0_pages (a multiple of 512). */
void world_init(int fd, uint64_t ram, unsigned cpus, uint64_t dom0_pages);
/* Let what the hypervisor put off happen. */
void world_settle(void);

/* Pages of domain 0 for a buffer. Its address; the frames to @mfns. */
int64_t world_alloc(unsigned client, uint64_t pages, uint64_t *mfns);
int world_free(unsigned client, uint64_t gpa, uint64_t pages);
void world_free_all(unsigned client);

int64_t world_call(uint64_t domid, uint64_t vcpu, uint64_t nr, const uint64_t args[5]);
/* The @skip-th call of domain 0 from now on that is @nr and @cmd (~0: any) answers -@error. */
void world_fail(uint64_t skip, int error, uint64_t nr, uint64_t cmd);

/* Domain 0 maps pages, as its kernel would. An id; frames, or SIM_BAD_PAGE and the error, to @mfns. */
int64_t world_map_foreign(unsigned client, uint64_t domid, const uint64_t *gfns, uint64_t nr, uint64_t *mfns);
int64_t world_map_resource(unsigned client, uint64_t domid, uint64_t type, uint64_t id, uint64_t frame, uint64_t nr,
			   uint64_t *mfns);
int64_t world_map_grants(unsigned client, uint64_t domid, const uint32_t *refs, uint64_t nr, bool write,
			 uint64_t *mfns);
int world_unmap(unsigned client, uint64_t id);
void world_unmap_all(unsigned client);

/* Event channels of @domid: one of enum sim_evtchn_op. */
int64_t world_evtchn(uint64_t domid, uint64_t op, uint64_t a, uint64_t b);
/* Take a port >= @from of @domid that is pending and unmasked: not pending any more, and masked if @mask. -1: none. */
int world_take_port(uint64_t domid, unsigned from, bool mask);
/* The port is pending after all. */
void world_return_port(uint64_t domid, unsigned port);

int64_t world_guest(uint64_t domid, uint64_t pages, uint64_t vcpus, bool serve);
int world_shutdown(uint64_t domid, uint64_t code);
/* Frame behind @gfn. */
int64_t world_page(uint64_t domid, uint64_t gfn);
int world_grant(uint64_t domid, uint64_t ref, uint64_t to, uint64_t gfn, bool readonly);
void world_state(struct sim_state *s);
void world_advance(uint64_t ns);
const char *world_log(void);
void world_take_memory(uint64_t left);

#endif
