/* From the 2-level ABI of event channels to FIFO and back, while others send. */
#include "abi/event_channel.h"
#include "evtchn_port.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define OPEN_MAX 64u /* ports that may have been opened while all were closed */

/*
 * The ABI of @d has just become another. Whoever still uses the one before holds the lock of a port or, a sender, of its peer: take them all once. What
 * was pending in 2-level form, if that was before, is noted for the other. The work is that of the ports that are open, which are the lowest, not of
 * all there ever were: this is not done in slices. Domain lock held.
 */
static void settle(struct domain *d, bool was_2l)
{
	struct evtchn_domain *e = d->evtchn;

	for (unsigned i = 1, open = e->nr_open; open && i < e->nr_ports; i++) {
		struct port *p = port_get(d, i), *peer = NULL;

		if (p->state <= PORT_RESERVED)
			continue;
		open--;
		if (p->state == PORT_INTERDOMAIN && p->u.peer.port != p)
			peer = p->u.peer.port;
		if (peer)
			ports_lock_both(p, peer);
		else
			spin_lock(&p->lock);
		if (was_2l && evtchn_2l.is_pending(d, i))
			evtchn_fifo_set_early(p);
		if (peer)
			ports_unlock_both(p, peer);
		else
			spin_unlock(&p->lock);
	}
}

/* The guest gives vCPU @op->vcpu its control block; with the first one the FIFO ABI is in force. -ENOENT no such vCPU, -EINVAL, -ENOMEM. */
int evtchn_fifo_init_control(struct domain *d, const struct evtchn_init_control *op)
{
	struct evtchn_domain *e = d->evtchn;
	int rc;

	if (op->vcpu >= d->max_vcpus || !d->vcpu[op->vcpu])
		return err(-ENOENT);
	if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || op->offset % 8)
		return err(-EINVAL);
	spin_lock(&e->lock);
	rc = evtchn_fifo_control(d, op);
	if (rc == 0 && e->abi != &evtchn_fifo) {
		__atomic_store_n(&e->abi, &evtchn_fifo, __ATOMIC_SEQ_CST);
		settle(d, true);
	}
	spin_unlock(&e->lock);
	return rc;
}

/* The guest gives the next page of event words. -EOPNOTSUPP without a control block, -ENOSPC, -EINVAL. */
int evtchn_fifo_expand(struct domain *d, uint64_t g)
{
	struct evtchn_domain *e = d->evtchn;
	evtchn_port_t first, end;
	int rc;

	spin_lock(&e->lock);
	rc = evtchn_fifo_add_page(d, g, &first, &end);
	for (evtchn_port_t i = first; rc == 0 && i < end && i < e->nr_ports; i++) {
		struct port *p = port_get(d, i);

		if (p->state <= PORT_RESERVED)
			continue;
		spin_lock(&p->lock);
		evtchn_fifo_raise_early(d, p);
		spin_unlock(&p->lock);
	}
	spin_unlock(&e->lock);
	return rc;
}

/* Back to the 2-level ABI, if it was left: the guest has its pages for itself again. */
int evtchn_fifo_end(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	struct evtchn_fifo *fifo;

	spin_lock(&e->lock);
	fifo = e->fifo;
	if (fifo && e->nr_open > OPEN_MAX) {
		spin_unlock(&e->lock);
		return -ERESTART;
	}
	if (fifo) {
		__atomic_store_n(&e->abi, &evtchn_2l, __ATOMIC_SEQ_CST);
		settle(d, false);
		e->fifo = NULL;
	}
	spin_unlock(&e->lock);
	evtchn_fifo_release(d, fifo);
	return 0;
}
