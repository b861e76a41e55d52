/*
 * Nested page faults: a guest-physical address that has no memory for this access. The local APIC's page is emulated; elsewhere
 * nothing answers, so reads give ones and writes vanish.
 */
#include "emul/mmio.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "hwdom/hwdom.h"

/* One access inside a page, by guest-physical address. */
static uint64_t gpa_read(struct vcpu *v, uint64_t gpa, unsigned size)
{
	const struct hvm_handler *h;
	uint64_t val = ~0UL;

	if (vlapic_mmio_hit(v->arch.vlapic, gpa))
		return vlapic_mmio_read(v->arch.vlapic, (unsigned)(gpa & ~PAGE_MASK), size);
	h = hvm_find_handler(&v->domain->arch.mmio, gpa, size);
	if (h)
		return h->ops->read(v, h->ctx, gpa, size);
	if (copy_from_gpa(v->domain, &val, gpa, size))
		val = ~0UL;
	return val;
}

static void gpa_write(struct vcpu *v, uint64_t gpa, unsigned size, uint64_t val)
{
	const struct hvm_handler *h;

	if (vlapic_mmio_hit(v->arch.vlapic, gpa)) {
		vlapic_mmio_write(v->arch.vlapic, (unsigned)(gpa & ~PAGE_MASK), size, val);
		return;
	}
	h = hvm_find_handler(&v->domain->arch.mmio, gpa, size);
	if (h)
		h->ops->write(v, h->ctx, gpa, size, val);
	else if (copy_to_gpa(v->domain, gpa, &val, size))
		return; /* nothing there, or read-only */
}

/* Translate @linear for @access; -EFAULT with the fault queued. */
static int translate(struct vcpu *v, uint64_t linear, uint32_t access, uint64_t *gpa)
{
	struct guest_paging p;
	uint32_t pfec;
	int rc;

	virt->get_paging(v, &p);
	rc = guest_walk(v, &p, linear, access | (p.cpl == 3 ? PF_USER : 0), gpa, &pfec);
	if (rc)
		guest_fault(v, rc, linear, pfec);
	return rc ? -EFAULT : 0;
}

/* Bytes of an access of @size at @linear that lie in its first page. */
static unsigned first_part(uint64_t linear, unsigned size)
{
	return (unsigned)min_u64(size, PAGE_SIZE - (linear & ~PAGE_MASK));
}

static int mem_read(void *ctx, uint64_t linear, unsigned size, uint64_t *val)
{
	unsigned n = first_part(linear, size);
	uint64_t gpa, gpa2, r;

	if (translate(ctx, linear, 0, &gpa) || (n < size && translate(ctx, linear + n, 0, &gpa2)))
		return -EFAULT;
	r = gpa_read(ctx, gpa, n);
	if (n < size)
		r = (r & ((1UL << n * 8) - 1)) | gpa_read(ctx, gpa2, size - n) << n * 8;
	*val = size == 8 ? r : r & ((1UL << size * 8) - 1);
	return 0;
}

static int mem_write(void *ctx, uint64_t linear, unsigned size, uint64_t val)
{
	unsigned n = first_part(linear, size);
	uint64_t gpa, gpa2;

	if (translate(ctx, linear, PF_WRITE, &gpa) || (n < size && translate(ctx, linear + n, PF_WRITE, &gpa2)))
		return -EFAULT;
	gpa_write(ctx, gpa, n, val);
	if (n < size)
		gpa_write(ctx, gpa2, size - n, val >> n * 8);
	return 0;
}

static const struct mmio_ops ops = { mem_read, mem_write };

static void emulate(struct vcpu *v, uint64_t gpa)
{
	struct segment segs[NR_SEGS] = { 0 };
	uint64_t rip = v->arch.regs.rip;
	struct insn insn;
	int rc = insn_fetch(v, &insn);

	if (rc) {
		if (rc == -EINVAL)
			hvm_inject_ud(v);
		return;
	}
	for (unsigned s = SEG_ES; s <= SEG_GS; s++)
		segs[s] = virt->get_segment(v, (enum seg_name)s);
	rc = mmio_emulate(&insn, &v->arch.regs, segs, &ops, v);
	if (rc == -EOPNOTSUPP && virt->get_cpl(v) == 3)
		hvm_inject_ud(v); /* a process that maps a device: its kernel deals with it */
	else if (rc == -EOPNOTSUPP)
		domain_crash(v->domain, "vCPU %u: cannot emulate opcode %#x (map %u) at rip %lx on address %#lx", v->id,
			     insn.opcode, insn.map, rip, gpa);
	else if (!rc && v->arch.regs.rip != rip)
		virt->end_insn(v);
}

/* Memory of others and devices is mapped without the right to execute it. */
static bool never_executable(enum p2m_type type)
{
	return type == P2M_GRANT_MAP_RW || type == P2M_GRANT_MAP_RO || type == P2M_FOREIGN || type == P2M_MMIO_DIRECT;
}

/* Does the map now allow what faulted? Another CPU may have changed it meanwhile. */
static bool allowed_now(struct vcpu *v, uint64_t gpa, uint32_t access)
{
	enum p2m_type type;

	p2m_lookup(v->domain, gfn(gpa >> PAGE_SHIFT), &type, NULL);
	if (type == P2M_POD) {
		/* -EAGAIN is the guest's to try again, after whatever waits for this processor. */
		if (p2m_touch_pod(v->domain, gfn(gpa >> PAGE_SHIFT)) == -ENOMEM)
			p2m_pod_exhausted(v);
		return true;
	}
	if ((access & PF_FETCH) && never_executable(type))
		return false;
	/* Perhaps the first write since logging was armed. */
	if ((access & PF_WRITE) && read_once(v->domain->p2m.log.ever))
		return p2m_write_fault(v->domain, gfn(gpa >> PAGE_SHIFT));
	switch (type) {
	case P2M_RAM_RW:
	case P2M_GRANT_MAP_RW:
	case P2M_FOREIGN:
	case P2M_MMIO_DIRECT:
		return true;
	case P2M_RAM_LOGDIRTY:
	case P2M_RAM_RO:
	case P2M_GRANT_MAP_RO:
		return !(access & PF_WRITE);
	default:
		return false;
	}
}

void hvm_exit_npf(struct vcpu *v, uint64_t gpa, uint32_t access, bool table)
{
	if (table)
		access &= ~PF_FETCH; /* what is fetched lies elsewhere */
	if (allowed_now(v, gpa, access))
		return;
	if (access & PF_FETCH) {
		enum p2m_type type;

		p2m_lookup(v->domain, gfn(gpa >> PAGE_SHIFT), &type, NULL);
		if (never_executable(type)) {
			hvm_inject_gp(v); /* perhaps a process with a granted page: its kernel deals with it */
			return;
		}
		if (virt->get_cpl(v) == 3) {
			hvm_inject_ud(v); /* nothing there reads ones, which are no instruction */
			return;
		}
		domain_crash(v->domain, "vCPU %u: executes at address %#lx, where nothing is (rip %lx)", v->id, gpa,
			     v->arch.regs.rip);
		return;
	}
	if (table) {
		domain_crash(v->domain, "vCPU %u: page tables at address %#lx, where no writable memory is (rip %lx)",
			     v->id, gpa, v->arch.regs.rip);
		return;
	}
	if (!hwdom_map_mmio(v->domain, gpa))
		emulate(v, gpa);
}
