/*
 * Records of a vCPU's state, each way. The domain is paused: nothing is loaded on any CPU. Loading trusts its check, which is pure and
 * in vcpu_check.c.
 */
#include "abi/hvm_save.h"
#include "asm/cpuid.h"
#include "control.h"
#include "hv/arch.h"
#include "hv/context.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "hwdom/hwdom.h"
#include "hvm/vcpu_check.h"
#include "hvm/vlapic.h"
#include "policy.h"

#define FXSAVE_SIZE 512u
#define XSAVE_BV 512u

#define MSR_LIST_MAX 16u

static uint64_t get_msr(struct vcpu *v, uint32_t msr)
{
	uint64_t val = 0;

	return virt->get_msr(v, msr, &val) ? val : 0;
}

static void set_msr(struct vcpu *v, uint32_t msr, uint64_t val)
{
	bool known = virt->set_msr(v, msr, val);

	ASSERT(known);
}

/* CPU: registers ------------------------------------------------------------------------------- */

static void save_segments(struct vcpu *v, struct hvm_hw_cpu *c)
{
#define SAVE(name, seg) \
	do { \
		struct segment s = virt->get_segment(v, seg); \
		c->name##_sel = s.sel; \
		c->name##_limit = s.limit; \
		c->name##_base = s.base; \
		c->name##_arbytes = s.attr; \
	} while (0)
	SAVE(cs, SEG_CS);
	SAVE(ds, SEG_DS);
	SAVE(es, SEG_ES);
	SAVE(fs, SEG_FS);
	SAVE(gs, SEG_GS);
	SAVE(ss, SEG_SS);
	SAVE(tr, SEG_TR);
	SAVE(ldtr, SEG_LDTR);
#undef SAVE
	c->idtr_limit = virt->get_segment(v, SEG_IDTR).limit;
	c->idtr_base = virt->get_segment(v, SEG_IDTR).base;
	c->gdtr_limit = virt->get_segment(v, SEG_GDTR).limit;
	c->gdtr_base = virt->get_segment(v, SEG_GDTR).base;
}

/* Twelve bits of attributes are all there are; SS last but one, for it decides the privilege level. */
static void load_segments(struct vcpu *v, const struct hvm_hw_cpu *c)
{
#define LOAD(name, seg) \
	virt->set_segment(v, seg, \
			  (struct segment){ .sel = (uint16_t)c->name##_sel, \
					    .limit = c->name##_limit, \
					    .base = c->name##_base, \
					    .attr = c->name##_arbytes & 0xfff })
	LOAD(cs, SEG_CS);
	LOAD(ds, SEG_DS);
	LOAD(es, SEG_ES);
	LOAD(fs, SEG_FS);
	LOAD(gs, SEG_GS);
	LOAD(ss, SEG_SS);
	LOAD(tr, SEG_TR);
	LOAD(ldtr, SEG_LDTR);
#undef LOAD
	virt->set_segment(v, SEG_IDTR, (struct segment){ .limit = c->idtr_limit & 0xffff, .base = c->idtr_base });
	virt->set_segment(v, SEG_GDTR, (struct segment){ .limit = c->gdtr_limit & 0xffff, .base = c->gdtr_base });
}

/* The record's order of general registers is not the hardware's. */
static void save_registers(const struct guest_regs *r, struct hvm_hw_cpu *c)
{
	c->rax = r->gpr[REG_RAX];
	c->rbx = r->gpr[REG_RBX];
	c->rcx = r->gpr[REG_RCX];
	c->rdx = r->gpr[REG_RDX];
	c->rbp = r->gpr[REG_RBP];
	c->rsi = r->gpr[REG_RSI];
	c->rdi = r->gpr[REG_RDI];
	c->rsp = r->gpr[REG_RSP];
	memcpy(&c->r8, &r->gpr[8], 8 * sizeof(uint64_t));
	c->rip = r->rip;
	c->rflags = r->rflags;
}

#define RFLAGS_KNOWN 0x3f7fd5UL

static void load_registers(struct guest_regs *r, const struct hvm_hw_cpu *c)
{
	r->gpr[REG_RAX] = c->rax;
	r->gpr[REG_RBX] = c->rbx;
	r->gpr[REG_RCX] = c->rcx;
	r->gpr[REG_RDX] = c->rdx;
	r->gpr[REG_RBP] = c->rbp;
	r->gpr[REG_RSI] = c->rsi;
	r->gpr[REG_RDI] = c->rdi;
	r->gpr[REG_RSP] = c->rsp;
	memcpy(&r->gpr[8], &c->r8, 8 * sizeof(uint64_t));
	r->rip = c->rip;
	r->rflags = (c->rflags & RFLAGS_KNOWN) | RFLAGS_FIXED;
}

/* A vCPU that is down has no state yet. */
static size_t cpu_save(struct vcpu *v, void *buf)
{
	struct hvm_hw_cpu *c = buf;
	uint64_t event = virt->get_event(v);

	if (!v->initialised || __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) & VPF_DOWN)
		return 0;
	memset(c, 0, sizeof(*c));
	memcpy(c->fpu_regs, v->arch.fpu, FXSAVE_SIZE);
	c->flags = XEN_X86_FPU_INITIALISED;
	save_registers(&v->arch.regs, c);
	c->cr0 = virt->get_cr(v, 0);
	c->cr2 = virt->get_cr(v, 2);
	c->cr3 = virt->get_cr(v, 3);
	c->cr4 = virt->get_cr(v, 4);
	memcpy(&c->dr0, v->arch.dr, sizeof(v->arch.dr));
	c->dr6 = virt->get_dr(v, 6);
	c->dr7 = virt->get_dr(v, 7);
	save_segments(v, c);
	c->sysenter_cs = get_msr(v, MSR_SYSENTER_CS);
	c->sysenter_esp = get_msr(v, MSR_SYSENTER_ESP);
	c->sysenter_eip = get_msr(v, MSR_SYSENTER_EIP);
	c->shadow_gs = get_msr(v, MSR_KERNEL_GS_BASE);
	c->msr_lstar = get_msr(v, MSR_LSTAR);
	c->msr_star = get_msr(v, MSR_STAR);
	c->msr_cstar = get_msr(v, MSR_CSTAR);
	c->msr_syscall_mask = get_msr(v, MSR_SYSCALL_MASK);
	c->msr_efer = virt->get_efer(v);
	c->msr_tsc_aux = v->arch.tsc_aux;
	c->tsc = domain_tsc(v->domain);
	c->pending_event = (uint32_t)event;
	c->error_code = (uint32_t)(event >> 32);
	return sizeof(*c);
}

static int cpu_check(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_cpu c;

	if (len != sizeof(c))
		return err(-EINVAL);
	memcpy(&c, rec, sizeof(c));
	return hvm_cpu_check(v->domain->arch.policy, &c);
}

/* The domain has one TSC: the first vCPU's record sets it. */
static void cpu_load(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_cpu c;

	memcpy(&c, rec, sizeof(c));
	hvm_fpu_reset(v);
	if (c.flags & XEN_X86_FPU_INITIALISED)
		memcpy(v->arch.fpu, c.fpu_regs, FXSAVE_SIZE);
	load_registers(&v->arch.regs, &c);
	virt->set_cr(v, 0, c.cr0);
	virt->set_cr(v, 2, c.cr2);
	virt->set_cr(v, 3, c.cr3);
	virt->set_cr(v, 4, c.cr4);
	virt->set_efer(v, c.msr_efer);
	memcpy(v->arch.dr, &c.dr0, sizeof(v->arch.dr));
	virt->set_dr(v, 6, (uint32_t)c.dr6 | 0xffff0ff0);
	virt->set_dr(v, 7, (uint32_t)c.dr7 | 0x400);
	load_segments(v, &c);
	set_msr(v, MSR_SYSENTER_CS, c.sysenter_cs);
	set_msr(v, MSR_SYSENTER_ESP, c.sysenter_esp);
	set_msr(v, MSR_SYSENTER_EIP, c.sysenter_eip);
	set_msr(v, MSR_KERNEL_GS_BASE, c.shadow_gs);
	set_msr(v, MSR_LSTAR, c.msr_lstar);
	set_msr(v, MSR_STAR, c.msr_star);
	set_msr(v, MSR_CSTAR, c.msr_cstar);
	set_msr(v, MSR_SYSCALL_MASK, c.msr_syscall_mask);
	v->arch.tsc_aux = (uint32_t)c.msr_tsc_aux;
	if (v->id == 0)
		domain_set_tsc(v->domain, c.tsc);
	virt->set_event(v, c.pending_event | (uint64_t)c.error_code << 32);
	v->arch.init_pending = false;
	v->arch.sipi_vector = -1;
	v->arch.wait_sipi = false;
	v->initialised = true;
	if (__atomic_fetch_and(&v->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN)
		vcpu_wake(v);
}

/* LAPIC, LAPIC_REGS: two halves of one thing ------------------------------------------------------- */

static size_t lapic_save(struct vcpu *v, void *buf)
{
	memcpy(buf, &v->arch.vlapic->hw, sizeof(struct vlapic_hw));
	return sizeof(struct vlapic_hw);
}

static int lapic_check(struct vcpu *v, const void *rec, size_t len)
{
	struct vlapic_hw hw;

	if (len != sizeof(hw))
		return err(-EINVAL);
	memcpy(&hw, rec, sizeof(hw));
	return vlapic_hw_valid(&hw) ? 0 : err(-EINVAL);
}

/* The registers stay; they come with their own record. */
static void lapic_load(struct vcpu *v, const void *rec, size_t len)
{
	struct vlapic *l = v->arch.vlapic;
	struct vlapic_hw hw;
	int rc;

	memcpy(&hw, rec, sizeof(hw));
	rc = vlapic_load(l, &hw, &l->regs);
	ASSERT(rc == 0);
}

static size_t lapic_regs_save(struct vcpu *v, void *buf)
{
	struct vlapic_hw hw;

	vlapic_save(v->arch.vlapic, &hw, buf);
	return sizeof(struct vlapic_regs);
}

static int lapic_regs_check(struct vcpu *v, const void *rec, size_t len)
{
	return len == sizeof(struct vlapic_regs) ? 0 : err(-EINVAL);
}

static void lapic_regs_load(struct vcpu *v, const void *rec, size_t len)
{
	struct vlapic_hw hw = v->arch.vlapic->hw;
	int rc = vlapic_load(v->arch.vlapic, &hw, rec);

	ASSERT(rc == 0);
	virt->set_tpr(v, vlapic_get_cr8(v->arch.vlapic));
}

/* MTRR: memory types ---------------------------------------------------------------------------- */

static size_t mtrr_save(struct vcpu *v, void *buf)
{
	struct hvm_hw_mtrr *m = buf;
	uint64_t cap = 0;

	memset(m, 0, sizeof(*m));
	m->msr_pat_cr = get_msr(v, MSR_PAT);
	memcpy(m->msr_mtrr_var, v->arch.msrs.mtrr_phys, sizeof(m->msr_mtrr_var));
	memcpy(m->msr_mtrr_fixed, v->arch.msrs.mtrr_fixed, sizeof(m->msr_mtrr_fixed));
	if (policy_rdmsr(v->domain->arch.policy, &v->arch.msrs, MSR_MTRRCAP, &cap) == 0)
		m->msr_mtrr_cap = cap;
	m->msr_mtrr_def_type = v->arch.msrs.mtrr_def;
	return sizeof(*m);
}

static int mtrr_check(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_mtrr m;

	if (len != sizeof(m))
		return err(-EINVAL);
	memcpy(&m, rec, sizeof(m));
	return hvm_mtrr_check(v->domain->arch.policy, &m);
}

static void mtrr_load(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_mtrr m;

	memcpy(&m, rec, sizeof(m));
	set_msr(v, MSR_PAT, m.msr_pat_cr);
	memcpy(v->arch.msrs.mtrr_phys, m.msr_mtrr_var, sizeof(m.msr_mtrr_var));
	memcpy(v->arch.msrs.mtrr_fixed, m.msr_mtrr_fixed, sizeof(m.msr_mtrr_fixed));
	v->arch.msrs.mtrr_def = m.msr_mtrr_def_type;
}

/* CPU_XSAVE: extended state ----------------------------------------------------------------------- */

/* Components beyond the legacy area that are or were in use: those of XCR0, and those whose state is not initial. */
static uint64_t components_in_use(struct vcpu *v)
{
	uint64_t bv;

	memcpy(&bv, (const uint8_t *)v->arch.fpu + XSAVE_BV, sizeof(bv));
	return (v->arch.xcr0 | bv) & hvm_xcr0_mask();
}

static size_t xsave_save(struct vcpu *v, void *buf)
{
	const struct cpu_policy *p = v->domain->arch.policy;
	struct hvm_hw_cpu_xsave *x = buf;
	uint64_t bv;
	size_t len;

	if (!policy_has(p, FEAT_XSAVE) || !v->initialised)
		return 0;
	memset(x, 0, sizeof(*x));
	x->xfeature_mask = hvm_xcr0_mask();
	x->xcr0 = v->arch.xcr0;
	x->xcr0_accum = components_in_use(v) & p->xcr0_max;
	len = hvm_xsave_len(p, x->xcr0_accum);
	memcpy(x->save_area, v->arch.fpu, len - offsetof(struct hvm_hw_cpu_xsave, save_area));
	memcpy(&bv, x->save_area + XSAVE_BV, sizeof(bv));
	bv &= x->xcr0_accum;
	memcpy(x->save_area + XSAVE_BV, &bv, sizeof(bv));
	return len;
}

static int xsave_check(struct vcpu *v, const void *rec, size_t len)
{
	if (!policy_has(v->domain->arch.policy, FEAT_XSAVE))
		return err(-EOPNOTSUPP);
	return hvm_xsave_check(v->domain->arch.policy, hvm_xcr0_mask(), rec, len);
}

static void xsave_load(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_cpu_xsave x;

	memcpy(&x, rec, sizeof(x));
	hvm_fpu_reset(v);
	memcpy(v->arch.fpu, (const uint8_t *)rec + offsetof(struct hvm_hw_cpu_xsave, save_area),
	       len - offsetof(struct hvm_hw_cpu_xsave, save_area));
	v->arch.xcr0 = x.xcr0;
}

/* TSC_ADJUST: the register does not exist here, so its value is 0 and changes nothing ----------------- */

static size_t tsc_adjust_save(struct vcpu *v, void *buf)
{
	memset(buf, 0, sizeof(struct hvm_tsc_adjust));
	return sizeof(struct hvm_tsc_adjust);
}

static int tsc_adjust_check(struct vcpu *v, const void *rec, size_t len)
{
	return len == sizeof(struct hvm_tsc_adjust) ? 0 : err(-EINVAL);
}

static void nothing_to_load(struct vcpu *v, const void *rec, size_t len)
{
}

/* CPU_MSR: registers that are in no other record ------------------------------------------------------ */

static size_t msr_save(struct vcpu *v, void *buf)
{
	return 0;
}

/* Zero is what a register nobody wrote contains; more is taken where the guest itself could write it. */
static int msr_walk(struct vcpu *v, const void *rec, size_t len, struct msr_state *s)
{
	struct hvm_msr head;

	if (len < sizeof(head))
		return err(-EINVAL);
	memcpy(&head, rec, sizeof(head));
	if (head.count > MSR_LIST_MAX || len != sizeof(head) + head.count * sizeof(struct hvm_one_msr))
		return err(-EINVAL);
	for (uint32_t i = 0; i < head.count; i++) {
		struct hvm_one_msr m;

		memcpy(&m, (const uint8_t *)rec + sizeof(head) + i * sizeof(m), sizeof(m));
		if (m._rsvd)
			return err(-EOPNOTSUPP);
		if (m.val && policy_wrmsr(v->domain->arch.policy, s, m.index, m.val))
			return err(-ENXIO);
	}
	return 0;
}

static int msr_check(struct vcpu *v, const void *rec, size_t len)
{
	struct msr_state s = v->arch.msrs;

	return msr_walk(v, rec, len, &s);
}

static void msr_load(struct vcpu *v, const void *rec, size_t len)
{
	int rc = msr_walk(v, rec, len, &v->arch.msrs);

	ASSERT(rc == 0);
}

/* IOAPIC: one to a domain, told by its first vCPU ----------------------------------------------------- */

static size_t ioapic_save(struct vcpu *v, void *buf)
{
	return v->id == 0 ? hwdom_ioapic_save(v->domain, buf) : 0;
}

static int ioapic_check(struct vcpu *v, const void *rec, size_t len)
{
	return v->id == 0 ? hwdom_ioapic_check(v->domain, rec, len) : err(-EINVAL);
}

static void ioapic_load(struct vcpu *v, const void *rec, size_t len)
{
	hwdom_ioapic_load(v->domain, rec);
}

/* PCI and ISA interrupt lines, links and machine checks: Xen has records of them for PVH too. */
static const struct context_record records[] = {
	{ HVM_SAVE_CODE_CPU, sizeof(struct hvm_hw_cpu), cpu_save, cpu_check, cpu_load },
	{ HVM_SAVE_CODE_IOAPIC, sizeof(struct hvm_hw_vioapic), ioapic_save, ioapic_check, ioapic_load },
	{ HVM_SAVE_CODE_LAPIC, sizeof(struct hvm_hw_lapic), lapic_save, lapic_check, lapic_load },
	{ HVM_SAVE_CODE_LAPIC_REGS, sizeof(struct hvm_hw_lapic_regs), lapic_regs_save, lapic_regs_check,
	  lapic_regs_load },
	{ .code = 7 },
	{ .code = 8 },
	{ .code = 9 },
	{ HVM_SAVE_CODE_MTRR, sizeof(struct hvm_hw_mtrr), mtrr_save, mtrr_check, mtrr_load },
	{ CPU_XSAVE_CODE, offsetof(struct hvm_hw_cpu_xsave, save_area) + PAGE_SIZE, xsave_save, xsave_check,
	  xsave_load },
	{ .code = 18 },
	{ HVM_SAVE_CODE_TSC_ADJUST, sizeof(struct hvm_tsc_adjust), tsc_adjust_save, tsc_adjust_check, nothing_to_load },
	{ CPU_MSR_CODE, sizeof(struct hvm_msr) + MSR_LIST_MAX * sizeof(struct hvm_one_msr), msr_save, msr_check,
	  msr_load },
};

const struct context_record *arch_context_records(unsigned *nr)
{
	*nr = ARRAY_SIZE(records);
	return records;
}

void arch_context_header(const struct domain *d, struct hvm_save_header *h)
{
	*h = (struct hvm_save_header){
		.magic = HVM_FILE_MAGIC,
		.version = HVM_FILE_VERSION,
		.changeset = ~0UL,
		.cpuid = cpuid(1).a,
		.gtsc_khz = machine_tsc_khz(),
	};
}
