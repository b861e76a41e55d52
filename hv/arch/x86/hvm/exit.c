/* Exits that mean the same on every back end: CPUID, HLT, hypercalls and the instructions a guest does not get. */
#include "asm/iommu.h"
#include "asm/time.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/printk.h"
#include "hv/trace.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "hvm_params.h"
#include "policy.h"

#define XEN_TIME_LEAF 0x40000003u /* the only leaf that shows the clock */
#define XSTATE_LEAF 0xdu
#define HYPERVISOR_LEAVES 0x40000000u /* and up to 0x7fffffff */
#define MSR_HYPERCALL_PAGE 0x40000000u
#define REG_R8 8
#define REG_R9 9
#define REG_R10 10

void hvm_inject_ud(struct vcpu *v)
{
	virt->inject_exception(v, TRAP_UD, NO_ERROR_CODE);
}

void hvm_inject_gp(struct vcpu *v)
{
	virt->inject_exception(v, TRAP_GP, 0);
}

/* Leaf 40000003: how the clock reads, in the terms of the pvclock. */
static void cpuid_time(struct vcpu *v, struct cpuid_ctx *c)
{
	struct time_line l = time_line();

	c->tsc.khz = c->tsc.host_khz = time_tsc_khz();
	c->tsc.offset = (uint64_t)v->domain->arch.tsc_offset;
	c->tsc.mul = l.scale.mul;
	c->tsc.shift = l.scale.shift;
	if (time_tsc_reliable())
		c->tsc.flags |= 2;
	if (policy_has(v->domain->arch.policy, FEAT_RDTSCP))
		c->tsc.flags |= 4;
}

void hvm_exit_cpuid(struct vcpu *v)
{
	struct guest_regs *r = &v->arch.regs;
	uint32_t leaf = (uint32_t)r->gpr[REG_RAX];
	struct cpuid_ctx c = {
		.vcpu_id = v->id,
		.domid = v->domain->id,
		.direct_mapped = v->domain->direct_mapped,
		.hypercall_msr = MSR_HYPERCALL_PAGE,
	};
	struct cpuid_leaf out;
	unsigned len = insn_length(v, INSN_CPUID);

	if (!len)
		return;
	if (leaf == XEN_TIME_LEAF) {
		cpuid_time(v, &c);
	} else if (leaf >> 30 != HYPERVISOR_LEAVES >> 30) {
		/* The processor's own leaves mirror what is switched on. */
		c.cr4 = virt->get_cr(v, 4);
		c.apic_enabled = vlapic_hw_enabled(v->arch.vlapic);
		if (leaf == XSTATE_LEAF)
			c.xcr0 = hvm_get_xcr0(v);
	}
	policy_cpuid(v->domain->arch.policy, &c, leaf, (uint32_t)r->gpr[REG_RCX], &out);
	r->gpr[REG_RAX] = out.a;
	r->gpr[REG_RBX] = out.b;
	r->gpr[REG_RCX] = out.c;
	r->gpr[REG_RDX] = out.d;
	insn_done(v, len);
}

/* HLT with interrupts off can only end by NMI or INIT: a guest without power management switches off so. */
void hvm_exit_hlt(struct vcpu *v)
{
	unsigned len = insn_length(v, INSN_HLT);

	if (!len)
		return;
	insn_done(v, len);
	if (!(v->arch.regs.rflags & RFLAGS_IF) && !read_once(v->arch.nmi_pending) && !read_once(v->arch.init_pending)) {
		hvm_vcpu_down(v);
		return;
	}
	vcpu_block(v);
}

void hvm_exit_xsetbv(struct vcpu *v)
{
	struct guest_regs *r = &v->arch.regs;
	unsigned len = insn_length(v, INSN_XSETBV);

	if (!len)
		return;
	if (virt->get_cpl(v) || (uint32_t)r->gpr[REG_RCX] ||
	    hvm_set_xcr0(v, (uint32_t)r->gpr[REG_RAX] | r->gpr[REG_RDX] << 32)) {
		hvm_inject_gp(v);
		return;
	}
	insn_done(v, len);
}

/*
 * Only who drives the machine has devices that bypass the caches. Its lines may be on any CPU a vCPU of it has run on. INVD writes back too: what it may
 * throw away is not the guest's alone.
 */
void hvm_exit_cache(struct vcpu *v, enum known_insn k)
{
	unsigned len = insn_length(v, k);

	if (!len)
		return;
	if (v->domain->arch.hwdom)
		arch_cache_flush_all();
	insn_done(v, len);
}

/* No performance counters. */
void hvm_exit_rdpmc(struct vcpu *v)
{
	hvm_inject_gp(v);
}

/* Where a guest was when it fell: enough to find the instruction in its kernel's symbols. */
static void show_state(struct vcpu *v)
{
	const struct guest_regs *r = &v->arch.regs;
	struct guest_paging p;

	virt->get_paging(v, &p);
	printk(LOG_GUEST_DEBUG, "d%uv%u: cs:rip %04x:%016lx rsp %016lx rflags %08lx cpl %u\n", v->domain->id, v->id,
	       virt->get_segment(v, SEG_CS).sel, r->rip, r->gpr[REG_RSP], r->rflags, p.cpl);
	printk(LOG_GUEST_DEBUG, "d%uv%u: cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx efer %04lx\n", v->domain->id, v->id,
	       p.cr0, virt->get_cr(v, 2), p.cr3, p.cr4, virt->get_efer(v));
	printk(LOG_GUEST_DEBUG, "d%uv%u: gdt %016lx/%x idt %016lx/%x\n", v->domain->id, v->id,
	       virt->get_segment(v, SEG_GDTR).base, virt->get_segment(v, SEG_GDTR).limit,
	       virt->get_segment(v, SEG_IDTR).base, virt->get_segment(v, SEG_IDTR).limit);
	for (unsigned i = 0; i < 16; i += 4)
		printk(LOG_GUEST_DEBUG, "d%uv%u: r%u.. %016lx %016lx %016lx %016lx\n", v->domain->id, v->id, i,
		       r->gpr[i], r->gpr[i + 1], r->gpr[i + 2], r->gpr[i + 3]);
}

void hvm_triple_fault(struct vcpu *v)
{
	struct domain *d = v->domain;
	uint64_t reason = d->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON];

	show_state(v);

	if (reason > SHUTDOWN_MAX || reason == SHUTDOWN_CRASH) {
		domain_crash(d, "vCPU %u: triple fault at rip %lx", v->id, v->arch.regs.rip);
		return;
	}
	printk(LOG_GUEST_WARN, "d%uv%u: triple fault at rip %lx, shutting down with code %lu\n", d->id, v->id,
	       v->arch.regs.rip, reason);
	domain_shutdown(d, (enum shutdown_code)reason);
}

/* The arguments are in registers of the call's width. */
static void args_in(struct vcpu *v, bool is32)
{
	const uint64_t *r = v->arch.regs.gpr;
	uint64_t *a = v->hc.args;

	if (is32) {
		a[0] = (uint32_t)r[REG_RBX];
		a[1] = (uint32_t)r[REG_RCX];
		a[2] = (uint32_t)r[REG_RDX];
		a[3] = (uint32_t)r[REG_RSI];
		a[4] = (uint32_t)r[REG_RDI];
		a[5] = (uint32_t)r[REG_RBP];
		return;
	}
	a[0] = r[REG_RDI];
	a[1] = r[REG_RSI];
	a[2] = r[REG_RDX];
	a[3] = r[REG_R10];
	a[4] = r[REG_R8];
	a[5] = r[REG_R9];
}

/* A call that goes on later: the registers say where. The sixth argument is never progress, so it is left alone. */
static void args_out(struct vcpu *v, bool is32)
{
	static const uint8_t order64[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8 };
	static const uint8_t order32[] = { REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI };
	const uint8_t *order = is32 ? order32 : order64;

	for (unsigned i = 0; i < ARRAY_SIZE(order64); i++)
		v->arch.regs.gpr[order[i]] = is32 ? (uint32_t)v->hc.args[i] : v->hc.args[i];
	v->arch.regs.gpr[REG_RAX] = v->hc.nr;
}

void hvm_exit_hypercall(struct vcpu *v)
{
	unsigned len = insn_length(v, INSN_VMMCALL);
	bool again = false, is32;
	long rc;

	if (!len)
		return;
	if (virt->get_cpl(v) || (v->arch.regs.rflags & RFLAGS_VM)) {
		v->arch.regs.gpr[REG_RAX] = (uint64_t)-EPERM;
		insn_done(v, len);
		return;
	}
	is32 = arch_guest_is_32(v);
	v->hc.guest32 = is32;
	v->hc.nr = (uint32_t)v->arch.regs.gpr[REG_RAX];
	args_in(v, is32);
	trace(TRC_HVM_VMMCALL, v->hc.nr);
	v->arch.call = ++v->arch.nr_calls;
	rc = hypercall_dispatch(v, &again);
	v->arch.call = 0;
	if (unlikely(v->hc.replaced)) {
		v->hc.replaced = false;
		return;
	}
	if (again) {
		args_out(v, is32);
		return;
	}
	v->arch.regs.gpr[REG_RAX] = is32 ? (uint32_t)rc : (uint64_t)rc;
	insn_done(v, len);
}
