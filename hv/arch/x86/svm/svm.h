/* State of the SVM back end: per vCPU and per CPU. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "asm/virt.h"
#include "hv/types.h"
#include "svm/vmcb.h"

struct svm_vcpu {
	struct vmcb *vmcb;
	paddr_t vmcb_pa;
	/* ASID, valid while the vCPU stays on @cpu and that CPU's generation is @generation. */
	uint32_t asid;
	unsigned cpu;
	uint64_t generation;
	uint64_t epoch;	   /* of the p2m, as of the last entry */
	bool flush;	   /* drop translations before the next entry */
	bool nmi_blocked;  /* an NMI handler runs: until IRET */
	bool iret_pending; /* the IRET itself has not run yet */
	uint32_t guards;   /* GUARD_* of errata.h at each switch */
	bool virtual;	   /* this entry carries an interrupt as a virtual one */
};

struct svm_cpu {
	void *hsave;
	paddr_t host_pa; /* VMSAVE area with this CPU's own FS, GS, TR... */
	uint32_t next_asid;
	uint64_t generation;
};

/* What this machine's SVM offers (CPUID 8000000Ah); read by svm_probe(). */
struct svm_features {
	uint32_t nr_asids;
	bool nrips, flush_by_asid;
};
const struct svm_features *svm_features(void);

/* asid.c: svm_asid_prepare() of a vCPU whose ASID or translations must go. */
void svm_asid_renew(struct svm_vcpu *s, struct svm_cpu *c, unsigned cpu, uint64_t epoch);
/* Give the vCPU a valid ASID for this entry and set TLB_CONTROL; GIF is clear, the CPU is in the p2m's running set. */
static inline void svm_asid_prepare(struct svm_vcpu *s, struct svm_cpu *c, unsigned cpu, uint64_t epoch)
{
	if (unlikely(s->cpu != cpu || s->generation != c->generation || s->epoch != epoch || s->flush))
		svm_asid_renew(s, c, cpu, epoch);
	else
		s->vmcb->tlb_control = TLB_KEEP;
}
/* entry.S; the second with @guards of errata.h. */
void svm_enter(uint64_t vmcb_pa, struct guest_regs *regs, uint64_t host_pa);
void svm_enter_guarded(uint64_t vmcb_pa, struct guest_regs *regs, uint64_t host_pa, uint32_t guards);
/* exit.c: handle the exit described in the control block; interrupts are on. */
void svm_exit(struct vcpu *v);
/* state.c: register access for virt_ops. */
struct segment svm_get_segment(struct vcpu *v, enum seg_name n);
void svm_set_segment(struct vcpu *v, enum seg_name n, struct segment seg);
uint64_t svm_get_cr(struct vcpu *v, unsigned cr);
void svm_set_cr(struct vcpu *v, unsigned cr, uint64_t val);
uint64_t svm_get_dr(struct vcpu *v, unsigned dr);
void svm_set_dr(struct vcpu *v, unsigned dr, uint64_t val);
uint64_t svm_get_event(struct vcpu *v);
void svm_set_event(struct vcpu *v, uint64_t event);
uint64_t svm_get_efer(struct vcpu *v);
void svm_set_efer(struct vcpu *v, uint64_t val);
unsigned svm_get_cpl(struct vcpu *v);
void svm_get_paging(struct vcpu *v, struct guest_paging *p);
bool svm_get_msr(struct vcpu *v, uint32_t msr, uint64_t *val);
bool svm_set_msr(struct vcpu *v, uint32_t msr, uint64_t val);
/* What exits, for ever; windows for interrupts come and go beside it (event.c). */
void svm_set_intercepts(struct vmcb *b);
void svm_reset(struct vcpu *v);
/* event.c */
void svm_inject_exception(struct vcpu *v, unsigned vector, int error_code);
void svm_inject_interrupt(struct vcpu *v, uint8_t vector);
void svm_inject_nmi(struct vcpu *v);
unsigned svm_blocked(struct vcpu *v);
void svm_window(struct vcpu *v, int prio);
void svm_priority(struct vcpu *v, uint8_t cr8, int window);
/* The window asked for has come: close it. */
void svm_window_exit(struct vcpu *v);
static inline uint8_t svm_vmcb_tpr(const struct vmcb *b)
{
	return b->vintr & VINTR_TPR_MASK;
}
uint8_t svm_get_tpr(struct vcpu *v);
void svm_set_tpr(struct vcpu *v, uint8_t cr8);
void svm_end_insn(struct vcpu *v);
/* Just before an entry with something in EVENTINJ, or after an IRET: an interrupt that goes in takes the form the processor wants. */
void svm_event_prepare(struct vcpu *v);
/* Just after an exit, if something went in or was on its way in: keep the exception whose delivery the exit interrupted, give an interrupt or an NMI back. */
void svm_event_collect(struct vcpu *v);
/* The guest is about to execute IRET. */
void svm_event_iret(struct vcpu *v);

#endif
