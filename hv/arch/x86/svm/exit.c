/* Exits of SVM guests: what the control block says, translated for the shared handlers. AMD APM vol. 2, appendix C. */
#include "hv/domain.h"
#include "hv/trace.h"
#include "hvm/hvm.h"
#include "svm/svm.h"

typedef void exit_fn(struct vcpu *v, struct vmcb *b);

/* Nothing to do: the host's own handler has run as soon as GIF was set again. */
static void exit_none(struct vcpu *v, struct vmcb *b)
{
}

/*
 * Stopped between STI and HLT: the halt is as good as begun, and ends at once if something waits. Hardware would get there by itself, but
 * QEMU enters the guest again without the interrupt shadow the control block asks for: what comes would be delivered before the HLT,
 * which then sleeps through what it waits for. Where the hardware tells the next rip, it needs no such help.
 */
static void exit_intr(struct vcpu *v, struct vmcb *b)
{
	if (unlikely(b->shadow & 1) && !svm_features()->nrips && !(b->eventinj & EVENT_VALID))
		hvm_exit_hlt(v);
}

static void exit_vintr(struct vcpu *v, struct vmcb *b)
{
	svm_window_exit(v);
}

static void exit_cpuid(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_cpuid(v);
}

static void exit_hlt(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_hlt(v);
}

static void exit_msr(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_msr(v, b->exitinfo1 & 1);
}

static void exit_vmmcall(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_hypercall(v);
}

static void exit_ioio(struct vcpu *v, struct vmcb *b)
{
	uint32_t info = (uint32_t)b->exitinfo1;
	struct port_exit x = {
		.port = IOIO_PORT(info),
		.size = (uint8_t)IOIO_SIZE(info),
		.in = info & IOIO_IN,
		.string = info & IOIO_STRING,
		.rep = info & IOIO_REP,
		.next_rip = b->exitinfo2,
	};

	hvm_exit_io(v, &x);
}

/* EXITINFO1 has the page fault bits; bit 33 says the guest's own tables were being walked (15.25.6). */
static void exit_npf(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_npf(v, b->exitinfo2, (uint32_t)b->exitinfo1 & (PF_WRITE | PF_FETCH), b->exitinfo1 >> 33 & 1);
}

static void exit_iret(struct vcpu *v, struct vmcb *b)
{
	svm_event_iret(v);
}

static void exit_shutdown(struct vcpu *v, struct vmcb *b)
{
	hvm_triple_fault(v);
}

/* What an instruction asked for, rather than an exception or interrupt on its way through a task gate. */
static bool asked_by_insn(const struct vmcb *b)
{
	return !(b->exitintinfo & EVENT_VALID) || (b->exitintinfo & EVENT_TYPE) == EVENT_SOFT;
}

/*
 * No guest of today uses hardware task switching. The exit comes before the processor has looked whether there is such a task, and any process of a 32-bit
 * kernel gets here by an IRET with NT set: to it, and to a kernel that inherited NT, there is none. Else a kernel wants what it cannot have, or dies by
 * a task of its own for double faults.
 */
static void exit_task_switch(struct vcpu *v, struct vmcb *b)
{
	unsigned selector = (unsigned)(b->exitinfo1 & 0xffff);

	if (asked_by_insn(b) && ((b->exitinfo2 & TASK_SWITCH_IRET) || b->cpl == 3))
		svm_inject_exception(v, TRAP_TS, (int)(selector & ~3u));
	else
		domain_crash(v->domain, "vCPU %u: hardware task switch to selector %#x is not supported", v->id,
			     selector);
}

static void exit_ud(struct vcpu *v, struct vmcb *b)
{
	hvm_inject_ud(v);
}

static void exit_rdpmc(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_rdpmc(v);
}

static void exit_wbinvd(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_cache(v, INSN_WBINVD);
}

static void exit_invd(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_cache(v, INSN_INVD);
}

static void exit_xsetbv(struct vcpu *v, struct vmcb *b)
{
	hvm_exit_xsetbv(v);
}

/*
 * #DB and #AC are intercepted only because a guest could make their delivery raise them again for ever inside the processor;
 * one round through here lets the host's interrupts in.
 */
static void exit_db(struct vcpu *v, struct vmcb *b)
{
	svm_inject_exception(v, TRAP_DB, NO_ERROR_CODE);
}

static void exit_ac(struct vcpu *v, struct vmcb *b)
{
	svm_inject_exception(v, TRAP_AC, 0);
}

/* A machine check hit while the guest ran: hand it to the host's handler as if it had been ours. */
static void exit_mc(struct vcpu *v, struct vmcb *b)
{
	asm volatile("int $18");
}

static exit_fn *const exits[NR_LOW_EXITS] = {
	[EXIT_EXCEPTION + TRAP_DB] = exit_db,
	[EXIT_EXCEPTION + TRAP_AC] = exit_ac,
	[EXIT_EXCEPTION + TRAP_MC] = exit_mc,
	[EXIT_INTR] = exit_intr,
	[EXIT_NMI] = exit_intr,
	[EXIT_SMI] = exit_none,
	[EXIT_INIT] = exit_none,
	[EXIT_VINTR] = exit_vintr,
	[EXIT_RDPMC] = exit_rdpmc,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_IRET] = exit_iret,
	[EXIT_INVD] = exit_invd,
	[EXIT_HLT] = exit_hlt,
	[EXIT_INVLPGA] = exit_ud,
	[EXIT_IOIO] = exit_ioio,
	[EXIT_MSR] = exit_msr,
	[EXIT_TASK_SWITCH] = exit_task_switch,
	[EXIT_SHUTDOWN] = exit_shutdown,
	[EXIT_VMRUN] = exit_ud,
	[EXIT_VMMCALL] = exit_vmmcall,
	[EXIT_VMLOAD] = exit_ud,
	[EXIT_VMSAVE] = exit_ud,
	[EXIT_STGI] = exit_ud,
	[EXIT_CLGI] = exit_ud,
	[EXIT_SKINIT] = exit_ud,
	[EXIT_WBINVD] = exit_wbinvd,
	[EXIT_MONITOR] = exit_ud,
	[EXIT_MWAIT] = exit_ud,
	[EXIT_MWAIT_ARMED] = exit_ud,
	[EXIT_XSETBV] = exit_xsetbv,
	[EXIT_RDPRU] = exit_ud,
};

void svm_exit(struct vcpu *v)
{
	struct vmcb *b = v->arch.svm->vmcb;
	uint64_t code = b->exitcode;

	trace(TRC_HVM_VMEXIT64, (uint32_t)code, (uint32_t)b->rip, (uint32_t)(b->rip >> 32));
	if (code < NR_LOW_EXITS && exits[code])
		exits[code](v, b);
	else if (code == EXIT_NPF)
		exit_npf(v, b);
	else if (code == EXIT_INVALID)
		domain_crash(v->domain,
			     "vCPU %u: the processor refuses its state: cr0=%lx cr3=%lx cr4=%lx efer=%lx "
			     "rip=%lx eventinj=%lx",
			     v->id, b->cr0, b->cr3, b->cr4, b->efer, b->rip, b->eventinj);
	else
		domain_crash(v->domain, "vCPU %u: unexpected exit %#lx, info %lx %lx at rip %lx", v->id, code,
			     b->exitinfo1, b->exitinfo2, b->rip);
}
