/* AMD's Secure Virtual Machine: bringing it up on a CPU, and entering guests. AMD APM vol. 2, chapter 15. */
#include "svm/svm.h"

#include "asm/cpuid.h"
#include "errata.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/trace.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"

#define VM_CR_SVMDIS (1UL << 4)

#define MSRPM_ORDER 1u /* 8 KiB: two bits per MSR, set = intercept */
#define IOPM_ORDER 2u  /* 12 KiB of the 16 are used: one bit per port */

/* While GIF is clear nothing at all interrupts this CPU (15.17). */
static void clgi(void)
{
	asm volatile("clgi" : : : "memory");
}

static void stgi(void)
{
	asm volatile("stgi" : : : "memory");
}

static struct {
	struct svm_features features;
	paddr_t msrpm_pa, iopm_pa; /* shared by all guests */
} svm;

const struct svm_features *svm_features(void)
{
	return &svm.features;
}

/* Boot CPU only. */
static const char *svm_probe(void)
{
	struct cpuid_regs r;

	if (cpuid(0x80000000).a < 0x8000000a)
		return "The processor has no AMD SVM.";
	if (!(cpuid(0x80000001).c & (1u << 2)))
		return "The processor has no AMD SVM.";
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return "SVM is switched off by the firmware: look for SVM or Virtualization in its setup.";
	r = cpuid(0x8000000a);
	if (!(r.d & 1))
		return "The processor's SVM lacks nested paging.";
	if (r.b < 2)
		return "The processor's SVM offers no address space identifiers.";
	svm.features.nr_asids = r.b;
	svm.features.nrips = r.d & (1u << 3);
	svm.features.flush_by_asid = r.d & (1u << 6);
	return NULL;
}

/* Let the guest access @msr without an exit: both bits clear (15.11). */
static void msrpm_pass(uint8_t *map, uint32_t msr)
{
	uint32_t bit = (msr & 0x1fff) * 2;

	if (msr >= 0xc0000000)
		bit += 0x800 * 8;
	map[bit / 8] &= (uint8_t) ~(3u << (bit % 8));
}

/* Only registers which VMLOAD and VMSAVE switch may pass. */
static int permission_maps_init(void)
{
	static const uint32_t pass[] = {
		0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
	};
	struct frame *msrpm = alloc_frames(NULL, MSRPM_ORDER, 0);
	struct frame *iopm = alloc_frames(NULL, IOPM_ORDER, 0);

	if (!msrpm || !iopm) {
		if (msrpm)
			free_frames(msrpm, MSRPM_ORDER);
		if (iopm)
			free_frames(iopm, IOPM_ORDER);
		return err(-ENOMEM);
	}
	memset(mfn_to_virt(frame_to_mfn(msrpm)), 0xff, PAGE_SIZE << MSRPM_ORDER);
	memset(mfn_to_virt(frame_to_mfn(iopm)), 0xff, PAGE_SIZE << IOPM_ORDER);
	for (unsigned i = 0; i < ARRAY_SIZE(pass); i++)
		msrpm_pass(mfn_to_virt(frame_to_mfn(msrpm)), pass[i]);
	svm.iopm_pa = mfn_to_paddr(frame_to_mfn(iopm));
	svm.msrpm_pa = mfn_to_paddr(frame_to_mfn(msrpm));
	return 0;
}

/* Each CPU, once its GS base and task register are final; the boot CPU first. -ENOMEM. */
static int svm_cpu_up(void)
{
	struct pcpu *p = this_pcpu();
	struct svm_cpu *c;
	void *host;
	int rc;

	if (!svm.msrpm_pa) {
		rc = permission_maps_init();
		if (rc)
			return rc;
	}
	c = xzalloc(struct svm_cpu);
	if (!c)
		return err(-ENOMEM);
	c->hsave = alloc_page();
	host = alloc_page();
	if (!c->hsave || !host) {
		if (c->hsave)
			free_page(c->hsave);
		if (host)
			free_page(host);
		xfree(c);
		return err(-ENOMEM);
	}
	c->host_pa = virt_to_paddr(host);
	c->next_asid = svm.features.nr_asids; /* the first entry starts generation 1 and flushes */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, virt_to_paddr(c->hsave));
	asm volatile("vmsave" : : "a"(c->host_pa) : "memory");
	p->arch.virt = c;
	return hvm_fpu_cpu_up();
}

static int svm_vcpu_init(struct vcpu *v)
{
	struct overhead *o = &v->domain->overhead;
	struct svm_vcpu *s = overhead_new(o, OVERHEAD_STATE, struct svm_vcpu);
	struct vmcb *b;

	if (!s)
		return err(-ENOMEM);
	b = overhead_page(o, OVERHEAD_STATE);
	if (!b) {
		overhead_free(o, OVERHEAD_STATE, s);
		return err(-ENOMEM);
	}
	s->vmcb = b;
	s->vmcb_pa = virt_to_paddr(b);
	s->cpu = NR_CPUS;
	svm_set_intercepts(b);
	b->iopm_pa = svm.iopm_pa;
	b->msrpm_pa = svm.msrpm_pa;
	b->np_enable = 1;
	b->vintr = VINTR_MASKING;
	v->arch.svm = s;
	svm_reset(v);
	return 0;
}

static void svm_vcpu_free(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;

	if (!s)
		return;
	overhead_page_free(&v->domain->overhead, OVERHEAD_STATE, s->vmcb);
	overhead_free(&v->domain->overhead, OVERHEAD_STATE, s);
	v->arch.svm = NULL;
}

/* As on Xen, the barrier at each exit, which costs most, is not for a domain that controls all others anyway. */
static uint32_t guards_for(const struct domain *d)
{
	return domain_has_role(d, ROLE_CONTROL) ? cpu_features.guards & ~(uint32_t)GUARD_BRANCHES : cpu_features.guards;
}

static void svm_load(struct vcpu *v)
{
	struct vmcb *b = v->arch.svm->vmcb;

	v->arch.svm->guards = guards_for(v->domain);
	b->n_cr3 = mfn_to_paddr(v->domain->p2m.root);
	b->iopm_pa = v->domain->arch.iopm ? virt_to_paddr(v->domain->arch.iopm) : svm.iopm_pa;
}

/* Everything is in the control block already. */
static void svm_save(struct vcpu *v)
{
}

static uint64_t svm_next_rip(struct vcpu *v)
{
	return svm.features.nrips ? v->arch.svm->vmcb->nrip : 0;
}

static void svm_flush_tlb(struct vcpu *v)
{
	v->arch.svm->flush = true;
}

/* tsc_delta may have been measured anew since the last entry. */
static void regs_in(struct vcpu *v, struct vmcb *b, const struct pcpu *p)
{
	b->tsc_offset = (uint64_t)(v->domain->arch.tsc_offset - p->arch.tsc_delta);
	b->rax = v->arch.regs.gpr[REG_RAX];
	b->rsp = v->arch.regs.gpr[REG_RSP];
	b->rip = v->arch.regs.rip;
	b->rflags = v->arch.regs.rflags;
}

static void regs_out(struct vcpu *v, const struct vmcb *b)
{
	v->arch.regs.gpr[REG_RAX] = b->rax;
	v->arch.regs.gpr[REG_RSP] = b->rsp;
	v->arch.regs.rip = b->rip;
	v->arch.regs.rflags = b->rflags;
}

/*
 * GIF is clear from the last look at softirqs until the exit: whoever sets one afterwards finds in_guest and sends an
 * interrupt, which stays pending and ends the guest's run at once. The same holds for interrupts posted to the vLAPIC, and for the
 * p2m: this CPU is in its running set before it looks at the epoch.
 */
static void svm_run(struct vcpu *v)
{
	struct pcpu *p = this_pcpu();
	struct svm_vcpu *s = v->arch.svm;
	struct p2m *p2m = &v->domain->p2m;
	struct vmcb *b = s->vmcb;
	uint8_t tpr;

	clgi();
	write_once(p->in_guest, true);
	cpumask_set_atomic(&p2m->running, p->id); /* also the barrier between in_guest and softirqs */
	if (unlikely(read_once(p->softirqs))) {
		cpumask_unset_atomic(&p2m->running, p->id);
		write_once(p->in_guest, false);
		stgi();
		return;
	}
	hvm_intr_prepare(v);
	if (unlikely((b->eventinj & EVENT_VALID) || s->iret_pending))
		svm_event_prepare(v);
	svm_asid_prepare(s, p->arch.virt, p->id, __atomic_load_n(&p2m->epoch, __ATOMIC_ACQUIRE));
	regs_in(v, b, p);
	tpr = svm_vmcb_tpr(b);
	trace_bare(TRC_HVM_VMENTRY);
	if (likely(!s->guards))
		svm_enter(s->vmcb_pa, &v->arch.regs, p->arch.virt->host_pa);
	else
		svm_enter_guarded(s->vmcb_pa, &v->arch.regs, p->arch.virt->host_pa, s->guards);
	regs_out(v, b);
	if (unlikely(((b->eventinj | b->exitintinfo) & EVENT_VALID) || s->virtual))
		svm_event_collect(v);
	cpumask_unset_atomic(&p2m->running, p->id);
	write_once(p->in_guest, false);
	stgi();
	if (unlikely(svm_vmcb_tpr(b) != tpr))
		vlapic_set_cr8(v->arch.vlapic, svm_vmcb_tpr(b));
	svm_exit(v);
}

const struct virt_ops svm_ops = {
	.name = "SVM",
	.probe = svm_probe,
	.cpu_up = svm_cpu_up,
	.vcpu_init = svm_vcpu_init,
	.vcpu_free = svm_vcpu_free,
	.load = svm_load,
	.save = svm_save,
	.run = svm_run,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_cr = svm_get_cr,
	.set_cr = svm_set_cr,
	.get_dr = svm_get_dr,
	.set_dr = svm_set_dr,
	.get_event = svm_get_event,
	.set_event = svm_set_event,
	.get_efer = svm_get_efer,
	.set_efer = svm_set_efer,
	.get_cpl = svm_get_cpl,
	.inject_exception = svm_inject_exception,
	.inject_interrupt = svm_inject_interrupt,
	.inject_nmi = svm_inject_nmi,
	.blocked = svm_blocked,
	.priority = svm_priority,
	.get_tpr = svm_get_tpr,
	.set_tpr = svm_set_tpr,
	.end_insn = svm_end_insn,
	.next_rip = svm_next_rip,
	.get_paging = svm_get_paging,
	.flush_tlb = svm_flush_tlb,
	.reset = svm_reset,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
};
