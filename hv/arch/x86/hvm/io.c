/* Port accesses. A PVH guest has no legacy devices: a small table says what answers, all else reads ones and drops writes. */
#include "hv/console.h"
#include "hv/errno.h"
#include "hvm/hvm.h"

/* String instructions: elements done per exit; then the guest executes the rest again. */
#define STRING_BATCH 64u

struct port_range {
	uint16_t first, last;
	uint32_t (*read)(struct vcpu *v, uint16_t port, unsigned size);
	void (*write)(struct vcpu *v, uint16_t port, unsigned size, uint32_t val);
};

/* Debug console: Bochs' port, whose presence is told by reading back its own number. */
static uint32_t debug_read(struct vcpu *v, uint16_t port, unsigned size)
{
	return 0xe9;
}

static void debug_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t val)
{
	char c = (char)val;

	console_guest_write(v->domain, &c, 1);
}

static const struct port_range ports[] = {
	{ 0xe9, 0xe9, debug_read, debug_write },
};

static const struct port_range *find(uint16_t port)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		if (port >= ports[i].first && port <= ports[i].last)
			return &ports[i];
	return NULL;
}

static uint32_t port_read(struct vcpu *v, uint16_t port, unsigned size)
{
	const struct hvm_handler *h = hvm_find_handler(&v->domain->arch.ports, port, size);
	const struct port_range *r;

	if (h)
		return (uint32_t)h->ops->read(v, h->ctx, port, size);
	r = find(port);
	return r ? r->read(v, port, size) : ~0u;
}

static void port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t val)
{
	const struct hvm_handler *h = hvm_find_handler(&v->domain->arch.ports, port, size);
	const struct port_range *r;

	if (h) {
		h->ops->write(v, h->ctx, port, size, val);
		return;
	}
	r = find(port);
	if (r)
		r->write(v, port, size, val);
}

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? ~0UL : (1UL << size * 8) - 1;
}

/* Advance register @nr by @delta, in the width of the address size. */
static void reg_advance(struct guest_regs *r, unsigned nr, unsigned addrsize, int64_t delta)
{
	uint64_t mask = mask_of(addrsize), val = (r->gpr[nr] + (uint64_t)delta) & mask;

	r->gpr[nr] = addrsize == 2 ? (r->gpr[nr] & ~mask) | val : val;
}

/* Can @size bytes at @linear be written? As guest_copy(), without the copy: a device must not lose data to a fault. */
static int probe_write(struct vcpu *v, uint64_t linear, unsigned size, uint32_t user, uint64_t *fault, uint32_t *pfec)
{
	struct guest_paging p;
	uint64_t gpa;
	int rc;

	virt->get_paging(v, &p);
	*fault = linear;
	rc = guest_walk(v, &p, linear, PF_WRITE | user, &gpa, pfec);
	if (rc || (linear & ~PAGE_MASK) + size <= PAGE_SIZE)
		return rc;
	*fault = (linear + size - 1) & PAGE_MASK;
	return guest_walk(v, &p, *fault, PF_WRITE | user, &gpa, pfec);
}

/* One element between memory at @linear and the port. True when done; otherwise a fault is queued or the guest tries again. */
static bool string_element(struct vcpu *v, const struct port_exit *x, uint64_t linear, uint32_t user)
{
	uint32_t val = ~0u, pfec;
	uint64_t fault;
	int rc;

	if (x->in) {
		rc = probe_write(v, linear, x->size, user, &fault, &pfec);
		if (!rc) {
			val = port_read(v, x->port, x->size);
			rc = guest_copy(v, linear, &val, x->size, PF_WRITE | user, &fault, &pfec);
		}
	} else {
		rc = guest_copy(v, linear, &val, x->size, user, &fault, &pfec);
		if (rc == 0 || rc == -ENXIO)
			port_write(v, x->port, x->size, val);
	}
	if (rc == 0 || rc == -ENXIO) /* no memory there: ones, or nowhere */
		return true;
	guest_fault(v, rc, fault, pfec);
	return false;
}

/* INS and OUTS. Not all hardware names the segment of OUTS or the address size, so the instruction is decoded. */
static void io_string(struct vcpu *v, const struct port_exit *x)
{
	struct guest_regs *r = &v->arch.regs;
	unsigned reg = x->in ? REG_RDI : REG_RSI, left = 1;
	uint64_t mask;
	int64_t step = r->rflags & RFLAGS_DF ? -(int64_t)x->size : x->size;
	uint32_t user = virt->get_cpl(v) == 3 ? PF_USER : 0;
	struct segment segs[NR_SEGS] = { 0 };
	enum seg_name seg;
	struct insn insn;
	int rc = insn_fetch(v, &insn);

	if (rc) {
		if (rc == -EINVAL)
			hvm_inject_ud(v);
		return;
	}
	mask = mask_of(insn.addrsize);
	seg = x->in ? SEG_ES : (enum seg_name)insn.seg;
	segs[seg] = virt->get_segment(v, seg);
	if (x->rep)
		left = (unsigned)min_u64(r->gpr[REG_RCX] & mask, STRING_BATCH);
	while (left--) {
		if (!string_element(v, x, insn_linear(&insn, segs, seg, r->gpr[reg] & mask), user))
			return;
		reg_advance(r, reg, insn.addrsize, step);
		if (x->rep)
			reg_advance(r, REG_RCX, insn.addrsize, -1);
	}
	if (!x->rep || !(r->gpr[REG_RCX] & mask))
		insn_done(v, (unsigned)(x->next_rip - r->rip));
}

void hvm_exit_io(struct vcpu *v, const struct port_exit *x)
{
	struct guest_regs *r = &v->arch.regs;
	uint64_t *rax = &r->gpr[REG_RAX];

	if (unlikely(x->string)) {
		io_string(v, x);
		return;
	}
	if (x->in) {
		uint32_t val = port_read(v, x->port, x->size);

		*rax = x->size == 4 ? val : (*rax & ~mask_of(x->size)) | (val & mask_of(x->size));
	} else {
		port_write(v, x->port, x->size, (uint32_t)(*rax & mask_of(x->size)));
	}
	insn_done(v, (unsigned)(x->next_rip - r->rip));
}
