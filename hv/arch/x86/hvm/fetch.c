/* The instruction at rip: where hardware does not tell how long it is, it is read again through the guest's page tables. */
#include "hv/errno.h"
#include "hv/string.h"
#include "hvm/hvm.h"

static const struct {
	uint8_t len;
	uint8_t map; /* enum insn_map */
	uint8_t opcode;
	uint8_t modrm;	/* of group 0F 01; 0 = none */
	uint32_t bytes; /* without prefixes, little endian */
	uint8_t also;	/* another opcode the same exit may stand for; 0 = none */
} known[NR_KNOWN_INSNS] = {
	[INSN_CPUID] = { 2, INSN_MAP_0F, 0xa2, 0, 0xa20f },
	[INSN_HLT] = { 1, INSN_MAP_1, 0xf4, 0, 0xf4 },
	[INSN_RDMSR] = { 2, INSN_MAP_0F, 0x32, 0, 0x320f },
	[INSN_WRMSR] = { 2, INSN_MAP_0F, 0x30, 0, 0x300f },
	[INSN_VMMCALL] = { 3, INSN_MAP_0F, 0x01, 0xd9, 0xd9010f },
	[INSN_XSETBV] = { 3, INSN_MAP_0F, 0x01, 0xd1, 0xd1010f },
	/* Some processors, QEMU's among them, report INVD as WBINVD. */
	[INSN_WBINVD] = { 2, INSN_MAP_0F, 0x09, 0, 0x090f, 0x08 },
	[INSN_INVD] = { 2, INSN_MAP_0F, 0x08, 0, 0x080f },
	[INSN_RDPMC] = { 2, INSN_MAP_0F, 0x33, 0, 0x330f },
};

/* Linear address of rip; offsets wrap at 4 GiB outside 64-bit mode. */
static uint64_t linear_rip(struct vcpu *v, const struct guest_paging *p, const struct segment *cs)
{
	if ((p->efer & EFER_LMA) && (cs->attr & SEG_ATTR_L))
		return v->arch.regs.rip;
	return (uint32_t)(cs->base + v->arch.regs.rip);
}

static enum cpu_mode code_mode(const struct guest_paging *p, const struct segment *cs)
{
	if ((p->efer & EFER_LMA) && (cs->attr & SEG_ATTR_L))
		return CPU_MODE_LONG;
	return (p->cr0 & CR0_PE) && !(p->rflags & RFLAGS_VM) ? CPU_MODE_PROT : CPU_MODE_REAL;
}

/* Decode at rip given the first @have bytes in @buf. As insn_fetch(), faults queued. */
static int decode(struct vcpu *v, const struct guest_paging *p, const struct segment *cs, uint64_t va, uint8_t *buf,
		  unsigned have, struct insn *insn)
{
	enum cpu_mode mode = code_mode(p, cs);
	bool d32 = cs->attr & SEG_ATTR_DB;
	int rc = insn_decode(insn, buf, have, mode, d32);

	if (rc == -EAGAIN && have < INSN_MAX_LEN) {
		uint32_t pfec;
		int more = guest_fetch(v, p, va + have, buf + have, INSN_MAX_LEN - have, &pfec);

		if (more < 0) {
			guest_fault(v, more, va + have, pfec);
			return -EAGAIN;
		}
		rc = insn_decode(insn, buf, have + (unsigned)more, mode, d32);
	}
	if (rc == -E2BIG) {
		hvm_inject_gp(v);
		return -EAGAIN;
	}
	return rc == -EAGAIN ? -EINVAL : rc;
}

unsigned insn_length(struct vcpu *v, enum known_insn k)
{
	uint64_t next = virt->next_rip(v), va;
	struct segment cs;
	struct guest_paging p;
	uint8_t buf[16] = { 0 };
	struct insn insn;
	uint32_t pfec, first;
	int n;

	if (next && next - v->arch.regs.rip <= INSN_MAX_LEN)
		return (unsigned)(next - v->arch.regs.rip);
	virt->get_paging(v, &p);
	cs = virt->get_segment(v, SEG_CS);
	va = linear_rip(v, &p, &cs);
	n = guest_fetch(v, &p, va, buf, INSN_MAX_LEN, &pfec);
	if (n < 0) {
		guest_fault(v, n, va, pfec);
		return 0;
	}
	__builtin_memcpy(&first, buf, sizeof(first));
	if (likely((unsigned)n >= known[k].len && (first & ((1u << known[k].len * 8) - 1)) == known[k].bytes))
		return known[k].len;
	if (decode(v, &p, &cs, va, buf, (unsigned)n, &insn) ||
	    (!insn_is(&insn, known[k].map, known[k].opcode) &&
	     (!known[k].also || !insn_is(&insn, known[k].map, known[k].also))) ||
	    (known[k].modrm && insn.modrm != known[k].modrm))
		return 0;
	return insn.len;
}

int insn_fetch(struct vcpu *v, struct insn *insn)
{
	struct segment cs = virt->get_segment(v, SEG_CS);
	struct guest_paging p;
	uint8_t buf[INSN_MAX_LEN];
	uint32_t pfec;
	uint64_t va;
	int n;

	virt->get_paging(v, &p);
	va = linear_rip(v, &p, &cs);
	n = guest_fetch(v, &p, va, buf, INSN_MAX_LEN, &pfec);
	if (n < 0) {
		guest_fault(v, n, va, pfec);
		return -EAGAIN;
	}
	return decode(v, &p, &cs, va, buf, (unsigned)n, insn);
}

void insn_done(struct vcpu *v, unsigned len)
{
	struct guest_regs *r = &v->arch.regs;

	r->rip += len;
	if (unlikely(r->rip >> 32) && !(virt->get_segment(v, SEG_CS).attr & SEG_ATTR_L))
		r->rip = (uint32_t)r->rip;
	r->rflags &= ~RFLAGS_RF;
	virt->end_insn(v);
}
