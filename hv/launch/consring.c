/*
 * The PV console ring (io/console.h of the ABI): the guest's output goes to the console by whole calls, typed bytes go
 * to the guest as it has room. The guest may write anything into the page at any time: indices are read once, distances beyond the ring's size
 * are taken as "nothing there" resp. "no room", and one notification moves at most one ring of bytes. A serial line takes milliseconds for what the lock is held for
 * once, so no vCPU waits for another one's.
 */
#include "hv/consring.h"

#include "hv/console.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "io_console.h"

#define CHUNK 64u	   /* a few milliseconds of a slow line */
#define LATER MILLISECS(1) /* when others wait for this CPU, the rest follows after this */

static struct xencons_interface *ring_of(const struct consring *c)
{
	return mfn_to_virt(frame_to_mfn(c->frame));
}

/* Copy some of the guest's output out: how many bytes. Lock held. */
static uint32_t drain_chunk(struct domain *d, struct consring *c)
{
	struct xencons_interface *r = ring_of(c);
	uint32_t cons = read_once(r->out_cons), prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
	uint32_t avail = prod - cons, n = 0;
	char buf[CHUNK];

	if (avail > sizeof(r->out))
		return 0;
	for (; n < avail && n < CHUNK; n++)
		buf[n] = read_once(r->out[MASK_XENCONS_IDX(cons + n, r->out)]);
	if (n) {
		console_guest_write(d, buf, n);
		__atomic_store_n(&r->out_cons, cons + n, __ATOMIC_RELEASE);
	}
	return n;
}

/* Move queued input into the ring as far as there is room. True if anything moved. Lock held. */
static bool push_input(struct consring *c)
{
	struct xencons_interface *r = ring_of(c);
	uint32_t prod = read_once(r->in_prod), cons = __atomic_load_n(&r->in_cons, __ATOMIC_ACQUIRE);
	uint32_t used = prod - cons, n = 0;

	if (used > sizeof(r->in))
		return false;
	for (; n < sizeof(r->in) - used && c->in_len; n++) {
		write_once(r->in[MASK_XENCONS_IDX(prod + n, r->in)], c->input[c->in_head]);
		c->in_head = (c->in_head + 1) % CONSRING_INPUT;
		c->in_len--;
	}
	if (n)
		__atomic_store_n(&r->in_prod, prod + n, __ATOMIC_RELEASE);
	return n != 0;
}

/* The guest has sent on its console port. Event channel callback: no lock held. */
static void guest_notified(struct domain *d, evtchn_port_t port)
{
	struct consring *c = d->consring;
	uint32_t n = 0, done = 0;
	bool moved = false;

	if (!c)
		return;
	do {
		if (!spin_trylock(&c->lock))
			break;
		n = c->frame ? drain_chunk(d, c) : 0;
		moved |= n || (c->frame && push_input(c));
		spin_unlock(&c->lock);
		done += n;
		if (!n)
			goto out;
	} while (done < CONSRING_OUTPUT && !hypercall_preempt_check());
	timer_set_here(&c->rest, now() + LATER);
out:
	if (moved)
		evtchn_notify_from_hv(d, port);
}

static void drain_rest(void *data)
{
	struct domain *d = data;

	guest_notified(d, d->consring->port);
}

/* Console input for @d; what exceeds the queue is dropped, as a UART would. */
static void input_typed(struct domain *d, const char *buf, size_t n)
{
	struct consring *c = d->consring;
	evtchn_port_t port = 0;

	if (!c)
		return;
	spin_lock(&c->lock);
	if (c->frame) {
		for (size_t i = 0; i < n && c->in_len < CONSRING_INPUT; i++)
			c->input[(c->in_head + c->in_len++) % CONSRING_INPUT] = buf[i];
		if (push_input(c))
			port = c->port;
	}
	spin_unlock(&c->lock);
	if (port)
		evtchn_notify_from_hv(d, port);
}

/* See hv/consring.h. */
int consring_open(struct domain *d, struct consring *c, gfn_t g, evtchn_port_t port)
{
	struct frame *f = p2m_get_frame(d, g, true);
	int rc;

	if (!f)
		return err(-EINVAL);
	rc = evtchn_attach_hv(d, port, guest_notified);
	if (rc) {
		frame_put(f);
		return rc;
	}
	/* Before the guest can be heard. */
	timer_init(&c->rest, drain_rest, d, this_cpu());
	spin_lock(&c->lock);
	c->frame = f;
	c->port = port;
	c->in_head = c->in_len = 0;
	c->last_words = CONSRING_OUTPUT;
	spin_unlock(&c->lock);
	d->consring = c;
	console_register_reader(d, input_typed);
	return 0;
}

/* See hv/consring.h. */
int consring_close(struct domain *d)
{
	struct consring *c = d->consring;
	struct frame *f;
	uint32_t n;

	if (!c)
		return 0;
	do {
		spin_lock(&c->lock);
		f = c->frame;
		n = f && c->last_words ? drain_chunk(d, c) : 0;
		c->last_words -= n < c->last_words ? n : c->last_words;
		if (!n)
			c->frame = NULL;
		spin_unlock(&c->lock);
		if (n && hypercall_preempt_check())
			return -ERESTART;
	} while (n);
	if (!f)
		return 0;
	timer_kill(&c->rest);
	evtchn_detach_hv(d, c->port);
	console_unregister(d);
	frame_put(f);
	return 0;
}
