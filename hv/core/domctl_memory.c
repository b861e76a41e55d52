/* Control: how much memory a domain may have, what is where in it, and which pages it wrote. */
#include "control.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/p2m.h"
#include "hv/printk.h"

#define PAGE_INFO_MAX 1024u
#define POOL_PAGES_MAX UINT32_MAX
#define MIB_PAGES (1UL << (20 - PAGE_SHIFT))

/* A limit below what the domain has now is fine: it can only shrink from here. */
long domctl_max_mem(struct domctl *c)
{
	domain_set_max_pages(c->d, min_u64(c->op.u.max_mem.max_memkb >> (PAGE_SHIFT - 10), UINT32_MAX));
	return 0;
}

/* What a save finds at a frame number: an ordinary page, a broken one, or nothing worth keeping. */
static uint64_t page_kind(struct domain *d, uint64_t g)
{
	enum p2m_type t;
	struct frame *f;

	p2m_lookup(d, gfn(g), &t, NULL);
	if (t == P2M_RAM_BROKEN)
		return XEN_DOMCTL_PFINFO_BROKEN;
	f = p2m_type_own_ram(t) ? p2m_get_frame(d, gfn(g), false) : NULL;
	if (!f)
		return XEN_DOMCTL_PFINFO_XTAB;
	frame_put(f);
	return XEN_DOMCTL_PFINFO_NOTAB;
}

/* Each frame number of the caller's array becomes its kind. -E2BIG, -EFAULT. */
long domctl_page_info(struct domctl *c)
{
	uint64_t num = c->op.u.getpageframeinfo3.num, array = c->op.u.getpageframeinfo3.array;

	if (read_once(c->d->dying))
		return err(-EINVAL);
	if (num > PAGE_INFO_MAX)
		return err(-E2BIG);
	for (uint64_t i = 0; array && i < num; i++) {
		uint64_t g;

		if (get_element(c->v, &g, array, i, LAYOUT_ulong))
			return err(-EFAULT);
		g = page_kind(c->d, g);
		if (put_element(c->v, array, i, &g, LAYOUT_ulong))
			return err(-EFAULT);
	}
	return 0;
}

/* Memory for the domain's translation tables, in pages: what a toolstack set, at least what is in use. */
static uint64_t pool_pages(struct domain *d)
{
	return max_u64(d->control.pool_pages, read_once(d->p2m.nr_tables));
}

/* -EINVAL beyond all measure, -ENOMEM below what the tables need already. */
static int set_pool_pages(struct domain *d, uint64_t pages)
{
	if (pages > POOL_PAGES_MAX)
		return err(-EINVAL);
	if (pages < read_once(d->p2m.nr_tables))
		return err(-ENOMEM);
	d->control.pool_pages = pages;
	return 0;
}

/* In bytes. */
long domctl_get_mempool(struct domctl *c)
{
	c->op.u.paging_mempool.size = pool_pages(c->d) << PAGE_SHIFT;
	c->copyback = true;
	return 0;
}

/* In whole pages: -EINVAL otherwise. */
long domctl_set_mempool(struct domctl *c)
{
	uint64_t size = c->op.u.paging_mempool.size;

	if (size & ~PAGE_MASK)
		return err(-EINVAL);
	return set_pool_pages(c->d, size >> PAGE_SHIFT);
}

struct bitmap_out {
	struct vcpu *v;
	uint64_t gva;
};

static int put_dirty(void *ctx, uint64_t at, const void *bytes, size_t len)
{
	const struct bitmap_out *o = ctx;

	return copy_to_guest(o->v, o->gva + at, bytes, len);
}

/*
 * Hand the dirty bitmap out, and forget it for CLEAN. Its progress stays with the domain; the second argument of the hypercall tells
 * a slice that follows from a new call.
 */
static long read_dirty(struct domctl *c)
{
	struct xen_domctl_shadow_op *s = &c->op.u.shadow_op;
	struct bitmap_out out = { c->v, s->dirty_bitmap };
	struct log_dirty_stats stats = { 0, 0 };
	bool clean = s->op == XEN_DOMCTL_SHADOW_OP_CLEAN;
	struct domain *d = c->d;
	int rc = 0;

	if (c->v->hc.args[1] != s->op || d->control.dirty_op != s->op)
		d->control.dirty_pos = 0;
	if (!s->dirty_bitmap && !clean)
		s->pages = 0;
	if (p2m_log_dirty_enabled(d) && clean)
		rc = p2m_log_dirty_clean(d, &d->control.dirty_pos, s->pages, s->dirty_bitmap ? put_dirty : NULL, &out,
					 &stats);
	else if (p2m_log_dirty_enabled(d))
		rc = p2m_log_dirty_peek(d, &d->control.dirty_pos, s->pages, s->dirty_bitmap ? put_dirty : NULL, &out,
					&stats);
	else if (s->dirty_bitmap && s->pages)
		rc = err(-EINVAL);
	if (rc == -ERESTART) {
		d->control.dirty_op = s->op;
		c->v->hc.args[1] = s->op;
		return hypercall_again(c->v);
	}
	d->control.dirty_op = 0;
	s->stats.fault_count = stats.faults;
	s->stats.dirty_count = stats.dirty;
	c->copyback = rc == 0;
	return rc;
}

static long set_dirty(struct domctl *c, bool on)
{
	int rc = on ? p2m_log_dirty_enable(c->d) : p2m_log_dirty_disable(c->d);

	return rc == -ERESTART ? hypercall_again(c->v) : rc;
}

/* Named after page tables that are not used here: logging of dirty pages, and memory for tables in MiB. */
long domctl_shadow(struct domctl *c)
{
	struct xen_domctl_shadow_op *s = &c->op.u.shadow_op;
	int rc;

	if (read_once(c->d->dying))
		return 0;
	switch (s->op) {
	case XEN_DOMCTL_SHADOW_OP_OFF:
		return set_dirty(c, false);
	case XEN_DOMCTL_SHADOW_OP_ENABLE:
		return s->mode & XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY ? set_dirty(c, true) : err(-EINVAL);
	case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
		return set_dirty(c, true);
	case XEN_DOMCTL_SHADOW_OP_CLEAN:
	case XEN_DOMCTL_SHADOW_OP_PEEK:
		return read_dirty(c);
	case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
		s->mb = (uint32_t)((pool_pages(c->d) + MIB_PAGES - 1) / MIB_PAGES);
		c->copyback = true;
		return 0;
	case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
		rc = set_pool_pages(c->d, s->mb * MIB_PAGES);
		c->copyback = rc == 0;
		return rc;
	default:
		return err(-EINVAL);
	}
}

/* Fill a page of the guest with the ways into Hospes, for kernels that expect their loader to. -EINVAL: no such page. */
long domctl_hypercall_init(struct domctl *c)
{
	struct frame *f = p2m_get_frame(c->d, gfn(c->op.u.hypercall_init.gmfn), true);

	if (!f)
		return err(-EINVAL);
	arch_fill_hypercall_page(mfn_to_virt(frame_to_mfn(f)));
	frame_put(f);
	p2m_mark_dirty(c->d, gfn(c->op.u.hypercall_init.gmfn));
	return 0;
}
