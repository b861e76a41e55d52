/*
 * The loader's last word (hv/loader_abi.h). Its scratch frames are withdrawn from the top down in slices; the loader's own
 * pages, where the call returns to between slices, go last and at once, and the vCPU gets a fresh PVH entry state. From then on the
 * call does not exist any more for this domain.
 */
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/hypercall.h"
#include "hv/loader_abi.h"
#include "hv/memory.h"
#include "hv/printk.h"
#include "internal.h"

#define SLICE_MASK 63u

/* Take back the topmost scratch frame. What the loader itself unmapped or replaced is its domain's business. */
static void withdraw_one(struct launch_instance *in)
{
	in->scratch_pages--;
	if (physmap_release(in->d, gfn((LOADER_BASE >> PAGE_SHIFT) + in->scratch_pages)))
		return;
}

static long loader_done(struct vcpu *v, struct launch_instance *in, uint64_t entry)
{
	struct domain *d = v->domain;

	if (entry >= in->low_ram_end)
		return err(-EINVAL);
	while (in->scratch_pages > in->loader_pages) {
		withdraw_one(in);
		if ((in->scratch_pages & SLICE_MASK) == 0 && hypercall_preempt_check())
			return hypercall_again(v);
	}
	while (in->scratch_pages)
		withdraw_one(in);
	if (d == hardware_domain && launch_hwdom_ready(d))
		return 0;
	domain_set_max_pages(d, in->max_pages);
	in->in_loader = false;
	arch_vcpu_set_entry(v, (uint32_t)entry, in->start_info);
	v->hc.replaced = true;
	return 0;
}

static long loader_failed(struct domain *d, struct launch_instance *in, uint64_t message)
{
	char text[LOADER_MESSAGE_LEN];
	unsigned n = 0;

	/* Byte by byte: the sentence may end just before memory does. The loader maps addresses one to one. */
	while (n < sizeof(text) - 1 && copy_from_gpa(d, &text[n], message + n, 1) == 0 && text[n]) {
		if (text[n] < ' ' || text[n] > '~')
			text[n] = '?';
		n++;
	}
	text[n] = 0;
	printk(LOG_WARN, "launch: %s (d%u): %s\n", in->desc->name, d->id, n ? text : "the loader failed");
	in->hopeless = true;
	domain_shutdown(d, SHUTDOWN_CRASH);
	return 0;
}

/* The loader's part of hypercall HC_hospes_op: args[0] HOSPES_LOADER_*, args[1] its argument. -ENOSYS for any vCPU that is not in its loader. */
long launch_loader_op(struct vcpu *v, const uint64_t *args)
{
	struct launch_instance *in = v->domain->launch;

	if (!in || !in->in_loader || v->id != 0 || v->hc.in_multicall)
		return err(-ENOSYS);
	switch (args[0]) {
	case HOSPES_LOADER_DONE:
		return loader_done(v, in, args[1]);
	case HOSPES_LOADER_FAILED:
		return loader_failed(v->domain, in, args[1]);
	default:
		return err(-ENOSYS);
	}
}
