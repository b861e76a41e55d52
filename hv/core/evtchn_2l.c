/*
 * The 2-level ABI: a bitmap of pending and one of masked ports in shared_info, and per vCPU a selector word naming
 * the words with something in them. A guest of 32 bits has 32 words of 32 bits, of 64 bits 64 of 64.
 *
 * All of it is writable by the guest: nothing read back is used as an index, and a wrong answer harms only that guest.
 */
#include "abi/event_channel.h"
#include "abi/xen.h"
#include "evtchn_port.h"

static unsigned nr_ports(const struct domain *d)
{
	return d->guest32 ? EVTCHN_2L_NR_CHANNELS_compat32 : EVTCHN_2L_NR_CHANNELS;
}

/* Bitmaps as bytes: a little-endian bit string has the same bytes whatever the word's width. */
static uint8_t *pending_byte(struct domain *d, evtchn_port_t port)
{
	uint8_t *base = d->guest32 ? (uint8_t *)((struct shared_info_compat32 *)d->shared_info)->evtchn_pending :
				     (uint8_t *)((struct shared_info *)d->shared_info)->evtchn_pending;
	return base + port / 8;
}

static uint8_t *mask_byte(struct domain *d, evtchn_port_t port)
{
	uint8_t *base = d->guest32 ? (uint8_t *)((struct shared_info_compat32 *)d->shared_info)->evtchn_mask :
				     (uint8_t *)((struct shared_info *)d->shared_info)->evtchn_mask;
	return base + port / 8;
}

static uint8_t bit_in_byte(evtchn_port_t port)
{
	return (uint8_t)(1u << (port % 8));
}

static bool test_bit(const uint8_t *byte, evtchn_port_t port)
{
	return __atomic_load_n(byte, __ATOMIC_SEQ_CST) & bit_in_byte(port);
}

static bool test_and_set(uint8_t *byte, evtchn_port_t port)
{
	return __atomic_fetch_or(byte, bit_in_byte(port), __ATOMIC_SEQ_CST) & bit_in_byte(port);
}

static bool test_and_clear(uint8_t *byte, evtchn_port_t port)
{
	return __atomic_fetch_and(byte, (uint8_t)~bit_in_byte(port), __ATOMIC_SEQ_CST) & bit_in_byte(port);
}

/* Can the guest see @port now? Its width may have shrunk since the port was opened. */
static bool visible(const struct domain *d, evtchn_port_t port)
{
	return d->shared_info && port < nr_ports(d);
}

/* Tell the notified vCPU that the word of @p has something. */
static void select_word(struct domain *d, const struct port *p)
{
	struct vcpu *v = d->vcpu[p->vcpu];
	void *info = v ? read_once(v->vcpu_info) : NULL;
	bool guest32 = read_once(d->guest32); /* another vCPU may change it just now */
	unsigned bits = guest32 ? 32 : 64, word = p->number / bits % bits;
	bool was;

	if (!info)
		return; /* registering one selects every word */
	if (guest32) {
		uint32_t *sel = &((struct vcpu_info_compat32 *)info)->evtchn_pending_sel;
		was = __atomic_fetch_or(sel, 1u << word, __ATOMIC_SEQ_CST) & (1u << word);
	} else {
		uint64_t *sel = &((struct vcpu_info *)info)->evtchn_pending_sel;
		was = __atomic_fetch_or(sel, 1UL << word, __ATOMIC_SEQ_CST) & (1UL << word);
	}
	if (!was)
		evtchn_mark_upcall(v);
}

static void set_pending(struct domain *d, struct port *p)
{
	if (!visible(d, p->number) || test_and_set(pending_byte(d, p->number), p->number))
		return;
	if (!test_bit(mask_byte(d, p->number), p->number))
		select_word(d, p);
	evtchn_wake_pollers(d, p->number);
}

static void clear_pending(struct domain *d, struct port *p)
{
	if (visible(d, p->number))
		(void)test_and_clear(pending_byte(d, p->number), p->number);
}

static void unmask(struct domain *d, struct port *p)
{
	if (!visible(d, p->number))
		return;
	if (test_and_clear(mask_byte(d, p->number), p->number) && test_bit(pending_byte(d, p->number), p->number))
		select_word(d, p);
}

static bool is_pending(struct domain *d, evtchn_port_t port)
{
	return visible(d, port) && test_bit(pending_byte(d, port), port);
}

const struct evtchn_abi evtchn_2l = {
	.nr_ports = nr_ports,
	.set_pending = set_pending,
	.clear_pending = clear_pending,
	.unmask = unmask,
	.is_pending = is_pending,
};
