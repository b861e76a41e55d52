/*
 * Devices emulated for one domain: chains of address ranges. They only grow while the domain lives, at the front, so readers need no
 * lock and a later range goes before an earlier one.
 */
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hvm/hvm.h"

static int add(struct domain *d, struct hvm_handler **chain, uint64_t start, uint64_t end, const struct hvm_io_ops *ops,
	       void *ctx)
{
	struct hvm_handler *h = overhead_new(&d->overhead, OVERHEAD_STATE, struct hvm_handler);

	if (!h)
		return err(-ENOMEM);
	h->start = start;
	h->end = end;
	h->ops = ops;
	h->ctx = ctx;
	h->next = __atomic_load_n(chain, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(chain, &h->next, h, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return 0;
}

/* See hvm.h. */
int hvm_port_handler(struct domain *d, uint16_t first, uint16_t last, const struct hvm_io_ops *ops, void *ctx)
{
	return add(d, &d->arch.ports, first, (uint64_t)last + 1, ops, ctx);
}

/* See hvm.h. */
int hvm_mmio_handler(struct domain *d, uint64_t start, uint64_t size, const struct hvm_io_ops *ops, void *ctx)
{
	return add(d, &d->arch.mmio, start, start + size, ops, ctx);
}

/* See hvm.h. An access that leaves the range belongs to nobody. */
const struct hvm_handler *hvm_find_handler(struct hvm_handler *const *chain, uint64_t addr, unsigned size)
{
	const struct hvm_handler *h = __atomic_load_n(chain, __ATOMIC_ACQUIRE);

	while (h && (addr < h->start || addr >= h->end || size > h->end - addr))
		h = h->next;
	return h;
}

static void free_chain(struct domain *d, struct hvm_handler **chain)
{
	while (*chain) {
		struct hvm_handler *h = *chain;

		*chain = h->next;
		overhead_free(&d->overhead, OVERHEAD_STATE, h);
	}
}

/* See hvm.h. No vCPU of @d exists any more. */
void hvm_free_handlers(struct domain *d)
{
	free_chain(d, &d->arch.ports);
	free_chain(d, &d->arch.mmio);
}
