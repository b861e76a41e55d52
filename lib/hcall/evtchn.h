/* Event channels of this domain, bound to a descriptor. A port belongs to the handle it was bound on and goes with it. */
#ifndef HCALL_EVTCHN_H
#define HCALL_EVTCHN_H

#include <stdint.h>

struct evtchn;

/* NULL and errno. Uses /dev/xen/evtchn or the simulated hypervisor, as hcall_open(). */
struct evtchn *evtchn_open(void);
void evtchn_close(struct evtchn *e);
/* Readable when a port is pending. */
int evtchn_fd(const struct evtchn *e);

/* Local ports, or -errno. */
int evtchn_bind_interdomain(struct evtchn *e, uint32_t domid, uint32_t remote_port);
int evtchn_bind_virq(struct evtchn *e, uint32_t virq);
int evtchn_alloc_unbound(struct evtchn *e, uint32_t domid);
int evtchn_unbind(struct evtchn *e, uint32_t port);

int evtchn_notify(struct evtchn *e, uint32_t port);
/* A pending port, which stays masked until evtchn_unmask(); -EAGAIN: none. Never blocks. */
int evtchn_pending(struct evtchn *e);
int evtchn_unmask(struct evtchn *e, uint32_t port);

#endif
