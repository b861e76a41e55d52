/* Guest registers that live in the control block. */
#include "hv/domain.h"
#include "hvm/hvm.h"
#include "svm/svm.h"

static struct vmcb *vmcb(struct vcpu *v)
{
	return v->arch.svm->vmcb;
}

struct segment svm_get_segment(struct vcpu *v, enum seg_name n)
{
	return vmcb(v)->seg[n];
}

/* SS decides the privilege level, which the control block holds on its own (15.5.1). */
void svm_set_segment(struct vcpu *v, enum seg_name n, struct segment seg)
{
	vmcb(v)->seg[n] = seg;
	if (n == SEG_SS)
		vmcb(v)->cpl = (seg.attr >> 5) & 3;
}

uint64_t svm_get_cr(struct vcpu *v, unsigned cr)
{
	switch (cr) {
	case 0:
		return vmcb(v)->cr0;
	case 2:
		return vmcb(v)->cr2;
	case 3:
		return vmcb(v)->cr3;
	default:
		return vmcb(v)->cr4;
	}
}

/* Translations depend on CR0, CR3 and CR4: changing one from outside the guest drops them. */
void svm_set_cr(struct vcpu *v, unsigned cr, uint64_t val)
{
	switch (cr) {
	case 0:
		vmcb(v)->cr0 = val;
		break;
	case 2:
		vmcb(v)->cr2 = val;
		return;
	case 3:
		vmcb(v)->cr3 = val;
		break;
	default:
		vmcb(v)->cr4 = val;
	}
	v->arch.svm->flush = true;
}

uint64_t svm_get_dr(struct vcpu *v, unsigned dr)
{
	return dr == 6 ? vmcb(v)->dr6 : vmcb(v)->dr7;
}

void svm_set_dr(struct vcpu *v, unsigned dr, uint64_t val)
{
	if (dr == 6)
		vmcb(v)->dr6 = val;
	else
		vmcb(v)->dr7 = val;
}

uint64_t svm_get_event(struct vcpu *v)
{
	uint64_t e = vmcb(v)->eventinj;

	return e & EVENT_VALID ? e : 0;
}

void svm_set_event(struct vcpu *v, uint64_t event)
{
	vmcb(v)->eventinj = event & EVENT_VALID ? event : 0;
}

/* VMRUN demands EFER.SVME (15.5.1); the guest has no SVM and never sees the bit. */
uint64_t svm_get_efer(struct vcpu *v)
{
	return vmcb(v)->efer & ~EFER_SVME;
}

void svm_set_efer(struct vcpu *v, uint64_t val)
{
	vmcb(v)->efer = val | EFER_SVME;
	v->arch.svm->flush = true;
}

unsigned svm_get_cpl(struct vcpu *v)
{
	return vmcb(v)->cpl;
}

void svm_get_paging(struct vcpu *v, struct guest_paging *p)
{
	const struct vmcb *b = vmcb(v);

	p->cr0 = b->cr0;
	p->cr3 = b->cr3;
	p->cr4 = b->cr4;
	p->efer = b->efer;
	p->rflags = v->arch.regs.rflags;
	p->cpl = b->cpl;
}

static uint64_t *msr_field(struct vmcb *b, uint32_t msr)
{
	switch (msr) {
	case 0x174:
		return &b->sysenter_cs;
	case 0x175:
		return &b->sysenter_esp;
	case 0x176:
		return &b->sysenter_eip;
	case 0x1d9:
		return &b->dbgctl;
	case 0x277:
		return &b->pat;
	case 0xc0000081:
		return &b->star;
	case 0xc0000082:
		return &b->lstar;
	case 0xc0000083:
		return &b->cstar;
	case 0xc0000084:
		return &b->sfmask;
	case 0xc0000100:
		return &b->seg[SEG_FS].base;
	case 0xc0000101:
		return &b->seg[SEG_GS].base;
	case 0xc0000102:
		return &b->kernel_gs_base;
	default:
		return NULL;
	}
}

bool svm_get_msr(struct vcpu *v, uint32_t msr, uint64_t *val)
{
	uint64_t *f = msr_field(vmcb(v), msr);

	if (f)
		*val = *f;
	return f;
}

bool svm_set_msr(struct vcpu *v, uint32_t msr, uint64_t val)
{
	uint64_t *f = msr_field(vmcb(v), msr);

	if (f)
		*f = val;
	return f;
}

/* What a guest may not do by itself. What is not offered counts too: processors run it whether or not CPUID tells a guest of it. */
void svm_set_intercepts(struct vmcb *b)
{
	b->intercept_exceptions = 1u << TRAP_DB | 1u << TRAP_AC | 1u << TRAP_MC;
	b->intercept1 = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT | INTERCEPT_RDPMC |
			INTERCEPT_CPUID | INTERCEPT_INVD | INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IOIO |
			INTERCEPT_MSR | INTERCEPT_TASK_SWITCH | INTERCEPT_SHUTDOWN;
	b->intercept2 = INTERCEPT2_VMRUN | INTERCEPT2_VMMCALL | INTERCEPT2_VMLOAD | INTERCEPT2_VMSAVE |
			INTERCEPT2_STGI | INTERCEPT2_CLGI | INTERCEPT2_SKINIT | INTERCEPT2_WBINVD | INTERCEPT2_MONITOR |
			INTERCEPT2_MWAIT | INTERCEPT2_MWAIT_ARMED | INTERCEPT2_XSETBV | INTERCEPT2_RDPRU;
}

/*
 * Contents after reset (APM vol. 2, table 14-1), except that CR0 leaves caches on: guests of Xen start so, and with caches
 * off the whole start of an AP would crawl.
 */
void svm_reset(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;
	struct vmcb *b = s->vmcb;
	static const struct segment data = { .attr = 0x93, .limit = 0xffff };
	static const struct segment table = { .attr = 0x82, .limit = 0xffff };

	for (unsigned n = SEG_ES; n <= SEG_GS; n++)
		b->seg[n] = data;
	b->seg[SEG_CS] = (struct segment){ .sel = 0xf000, .attr = 0x9b, .limit = 0xffff, .base = 0xffff0000 };
	b->seg[SEG_GDTR] = (struct segment){ .limit = 0xffff };
	b->seg[SEG_IDTR] = (struct segment){ .limit = 0xffff };
	b->seg[SEG_LDTR] = table;
	b->seg[SEG_TR] = (struct segment){ .attr = 0x8b, .limit = 0xffff };
	b->cpl = 0;
	b->efer = EFER_SVME;
	b->cr0 = CR0_ET;
	b->cr2 = b->cr3 = b->cr4 = 0;
	b->dr6 = 0xffff0ff0;
	b->dr7 = 0x400;
	b->star = b->lstar = b->cstar = b->sfmask = b->kernel_gs_base = 0;
	b->sysenter_cs = b->sysenter_esp = b->sysenter_eip = 0;
	b->pat = 0x0007040600070406UL;
	b->dbgctl = 0;
	b->eventinj = b->shadow = 0;
	svm_window(v, WINDOW_NONE);
	svm_set_tpr(v, 0);
	b->intercept1 &= ~INTERCEPT_IRET;
	s->nmi_blocked = s->iret_pending = false;
	s->flush = true;
}
