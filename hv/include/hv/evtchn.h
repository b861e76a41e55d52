/* Event channels. hv/core/evtchn.c sends, evtchn_ports.c opens and closes, evtchn_2l.c and evtchn_fifo.c are the two ways of telling the guest. */
#ifndef HV_EVTCHN_H
#define HV_EVTCHN_H

#include "hv/domain.h"
#include "hv/types.h"

#define EVTCHN_NO_PORTS (~0u) /* as @max_port, where 0 is the ABI's limit */
int evtchn_init(struct domain *d, unsigned max_port) must_check;
/* Close every port; peers become unbound. Slices: -ERESTART until done. */
int evtchn_destroy(struct domain *d) must_check;
void evtchn_free(struct domain *d);

/* Hypercall 32. @cmd EVTCHNOP_*, @arg guest address. */
long do_event_channel_op(struct vcpu *v, const uint64_t *args);

/* VIRQs from Hospes: per-vCPU ones to @v; global ones to the domain that holds the matching role. Any context but interrupts. */
void send_guest_vcpu_virq(struct vcpu *v, unsigned virq);
bool virq_is_global(unsigned virq);
void send_guest_global_virq(struct domain *d, unsigned virq);

/* For launch and the console: a port of @d open to @remote, as alloc_unbound. >=1 in *port. */
int evtchn_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port) must_check;
/* Link a port of @a with a port of @b (static links of a launch tree). Wanted numbers or 0 for any. */
int evtchn_link(struct domain *a, evtchn_port_t *pa, struct domain *b, evtchn_port_t *pb) must_check;
/*
 * A port of @d whose other end is Hospes: @notify(d, port) runs on each guest send, with no lock held. The guest may not close it from under Hospes:
 * EVTCHNOP_close answers -EINVAL as Xen does for its own consumers.
 */
int evtchn_attach_hv(struct domain *d, evtchn_port_t port,
		     void (*notify)(struct domain *d, evtchn_port_t port)) must_check;
void evtchn_detach_hv(struct domain *d, evtchn_port_t port); /* back to unbound towards its remote */
/* Hospes sends on such a port: marks it pending in @d. */
void evtchn_notify_from_hv(struct domain *d, evtchn_port_t port);

/* Raise an IPI port of @d, as one of its vCPUs would; others are left alone. */
void evtchn_raise_ipi(struct domain *d, evtchn_port_t port);
bool evtchn_is_ipi(struct domain *d, evtchn_port_t port);

/* vcpu_info moved (register_vcpu_info): every selector pending, upcall re-evaluated. */
void evtchn_vcpu_info_moved(struct vcpu *v);
/* Is the port pending in the guest's bitmap? For SCHEDOP_poll. -EINVAL for a bad port. */
int evtchn_port_pending(struct domain *d, evtchn_port_t port);
/* How many ports of @d are in use, for those who look for leaks. */
unsigned evtchn_ports_in_use(struct domain *d);
/* vcpu_info of @v has its upcall flag up. */
bool evtchn_upcall_pending(const struct vcpu *v);

#endif
