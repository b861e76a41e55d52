/*
 * Address space identifiers: one counter per CPU, in generations. A vCPU keeps its ASID while it stays on one CPU and the
 * counter has not wrapped; a fresh ASID has no translations, so "flush this vCPU" may simply be "take another".
 */
#include "svm/svm.h"

static void asid_new(struct svm_vcpu *s, struct svm_cpu *c, unsigned cpu)
{
	s->vmcb->tlb_control = TLB_KEEP;
	if (c->next_asid >= svm_features()->nr_asids) {
		c->generation++;
		c->next_asid = 1; /* 0 is the host's */
		s->vmcb->tlb_control = TLB_FLUSH_ALL;
	}
	s->asid = c->next_asid++;
	s->generation = c->generation;
	s->cpu = cpu;
	s->vmcb->asid = s->asid;
}

void svm_asid_renew(struct svm_vcpu *s, struct svm_cpu *c, unsigned cpu, uint64_t epoch)
{
	if (s->cpu == cpu && s->generation == c->generation && svm_features()->flush_by_asid)
		s->vmcb->tlb_control = TLB_FLUSH_ASID;
	else
		asid_new(s, c, cpu);
	s->epoch = epoch;
	s->flush = false;
}
