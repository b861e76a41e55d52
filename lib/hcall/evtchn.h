/* Event channels of this domain, bound to a descriptor. A port belongs to the handle it was bound on and goes with it. */
#ifndef HCALL_EVTCHN_H
#define HCALL_EVTCHN_H

#include <stdint.h>

struct evtchn;

/* NULL and errno. Uses /dev/xen/evtchn or the simulated hypervisor, as hcall_open(). */
struct evtchn *evtchn_open(void);
/* Take over @fd, a descriptor evtchn_open() made before an exec; its ports are still bound. NULL and errno, @fd is the caller's. */
struct evtchn *evtchn_adopt(int fd);
void evtchn_close(struct evtchn *e);
/* Readable when a port is pending. */
int evtchn_fd(const struct evtchn *e);

/* Local ports, or -errno. */
int evtchn_bind_interdomain(struct evtchn *e, uint32_t domid, uint32_t remote_port);
int evtchn_bind_virq(struct evtchn *e, uint32_t virq);
int evtchn_alloc_unbound(struct evtchn *e, uint32_t domid);
int evtchn_unbind(struct evtchn *e, uint32_t port);

int evtchn_notify(struct evtchn *e, uint32_t port);
/* A pending port, which stays masked until evtchn_unmask(); -EAGAIN: none; another error: there will be no more. Never blocks. */
int evtchn_pending(struct evtchn *e);
int evtchn_unmask(struct evtchn *e, uint32_t port);
/* The same for many: how many pending ports were put into @ports, or -EAGAIN; unmask @nr of them. */
int evtchn_pending_many(struct evtchn *e, uint32_t *ports, unsigned max);
int evtchn_unmask_many(struct evtchn *e, const uint32_t *ports, unsigned nr);

#endif
