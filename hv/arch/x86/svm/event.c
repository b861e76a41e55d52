/* Exceptions and interrupts on their way into a guest: AMD APM vol. 2, 15.20 and 15.21. */
#include "hv/domain.h"
#include "hvm/hvm.h"
#include "svm/svm.h"

#define DR6_BS (1UL << 14)

/* Exceptions that make a double fault of each other: APM vol. 2, table 8-3. */
static bool contributory(unsigned vector)
{
	return vector == TRAP_DE || (vector >= TRAP_TS && vector <= TRAP_GP);
}

static uint64_t event_exception(unsigned vector, int error_code)
{
	uint64_t e = EVENT_VALID | EVENT_EXCEPTION | vector;

	if (error_code != NO_ERROR_CODE)
		e |= EVENT_HAS_ERROR | (uint64_t)(uint32_t)error_code << 32;
	return e;
}

void svm_inject_exception(struct vcpu *v, unsigned vector, int error_code)
{
	struct svm_vcpu *s = v->arch.svm;
	uint64_t old = s->vmcb->eventinj;

	if ((old & EVENT_VALID) && (old & EVENT_TYPE) == EVENT_EXCEPTION) {
		unsigned first = old & EVENT_VECTOR;

		if (first == TRAP_DF) {
			hvm_triple_fault(v);
			return;
		}
		if ((contributory(first) && contributory(vector)) ||
		    (first == TRAP_PF && (contributory(vector) || vector == TRAP_PF))) {
			vector = TRAP_DF;
			error_code = 0;
		}
	}
	s->vmcb->eventinj = event_exception(vector, error_code);
}

void svm_inject_interrupt(struct vcpu *v, uint8_t vector)
{
	v->arch.svm->vmcb->eventinj = EVENT_VALID | EVENT_INTR | vector;
}

/* NMIs stay blocked until the handler's IRET, which is intercepted as long as one runs. */
void svm_inject_nmi(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;

	s->vmcb->eventinj = EVENT_VALID | EVENT_NMI | 2;
	s->vmcb->intercept1 |= INTERCEPT_IRET;
	s->nmi_blocked = true;
}

/*
 * The exit comes before IRET has run. The next NMI waits at least until the next exit, so that it does not stack on this
 * handler's frame; svm_event_prepare() asks for that exit by an interrupt window.
 */
void svm_event_iret(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;

	s->vmcb->intercept1 &= ~INTERCEPT_IRET;
	s->nmi_blocked = false;
	s->iret_pending = true;
}

unsigned svm_blocked(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;
	unsigned b = 0;

	if (s->vmcb->eventinj & EVENT_VALID)
		b |= BLOCK_EVENT;
	if (s->vmcb->shadow & 1)
		b |= BLOCK_SHADOW;
	if (s->nmi_blocked || s->iret_pending)
		b |= BLOCK_NMI;
	return b;
}

static struct {
	bool equal_prio; /* this CPU takes a virtual interrupt whose priority only equals V_TPR: QEMU does */
} events;

/* A virtual interrupt that is intercepted when it could be taken, and never delivered itself. */
void svm_window(struct vcpu *v, int prio)
{
	struct vmcb *b = v->arch.svm->vmcb;

	b->vintr &= ~(VINTR_IRQ | VINTR_PRIO_MASK | VINTR_IGN_TPR);
	if (prio == WINDOW_NONE) {
		b->intercept1 &= ~INTERCEPT_VINTR;
		return;
	}
	b->intercept1 |= INTERCEPT_VINTR;
	if (prio >= WINDOW_ANY)
		b->vintr |= VINTR_IRQ | VINTR_IGN_TPR | VINTR_PRIO_MASK;
	else
		b->vintr |= VINTR_IRQ | (uint64_t)(prio - (prio && events.equal_prio)) << VINTR_PRIO_SHIFT;
}

/* A window must not open before V_TPR is below the priority (15.21.2); where it does, the next ones ask for one class less. */
void svm_window_exit(struct vcpu *v)
{
	uint64_t vintr = v->arch.svm->vmcb->vintr;

	if (!(vintr & VINTR_IGN_TPR) && (vintr & VINTR_TPR_MASK) >= (vintr & VINTR_PRIO_MASK) >> VINTR_PRIO_SHIFT)
		write_once(events.equal_prio, true);
	svm_window(v, WINDOW_NONE);
}

uint8_t svm_get_tpr(struct vcpu *v)
{
	return svm_vmcb_tpr(v->arch.svm->vmcb);
}

void svm_set_tpr(struct vcpu *v, uint8_t cr8)
{
	struct vmcb *b = v->arch.svm->vmcb;

	b->vintr = (b->vintr & ~0xffUL) | (cr8 & VINTR_TPR_MASK);
}

void svm_end_insn(struct vcpu *v)
{
	struct vmcb *b = v->arch.svm->vmcb;

	b->shadow &= ~1UL;
	if (unlikely(v->arch.regs.rflags & RFLAGS_TF)) {
		b->dr6 |= DR6_BS;
		svm_inject_exception(v, TRAP_DB, NO_ERROR_CODE);
	}
}

/* See asm/virt.h. Where there was no window and none is asked for, nothing changes. */
void svm_priority(struct vcpu *v, uint8_t cr8, int window)
{
	svm_set_tpr(v, cr8);
	if (window != WINDOW_NONE || (v->arch.svm->vmcb->intercept1 & INTERCEPT_VINTR))
		svm_window(v, window);
}

static bool interruptible(const struct vcpu *v, const struct vmcb *b)
{
	return !(b->shadow & 1) && (v->arch.regs.rflags & RFLAGS_IF);
}

/*
 * An interrupt that can be taken at once goes in as a virtual one, for the processor to take on entry (15.21.4). EVENTINJ would do on
 * hardware; QEMU delivers what came that way twice, the second time whenever something next stops it, even with interrupts off. A window is
 * wanted too if more waits: the field is taken, so the handler's IRET is the time to look again.
 */
static void make_virtual(struct vcpu *v, struct svm_vcpu *s)
{
	struct vmcb *b = s->vmcb;

	if (!interruptible(v, b))
		return;
	if (b->intercept1 & INTERCEPT_VINTR) {
		svm_window(v, WINDOW_NONE);
		b->intercept1 |= INTERCEPT_IRET;
	}
	b->vintr &= ~VINTR_VECTOR_MASK;
	b->vintr |= VINTR_IRQ | VINTR_IGN_TPR | VINTR_PRIO_MASK | (b->eventinj & EVENT_VECTOR) << VINTR_VECTOR_SHIFT;
	b->eventinj = 0;
	s->virtual = true;
}

void svm_event_prepare(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;
	struct vmcb *b = s->vmcb;

	if (unlikely(s->iret_pending)) {
		s->iret_pending = false;
		if (v->arch.nmi_pending)
			svm_window(v, WINDOW_ANY);
	}
	if ((b->eventinj & EVENT_VALID) && (b->eventinj & EVENT_TYPE) == EVENT_INTR)
		make_virtual(v, s);
}

/* The virtual interrupt of this entry goes back if the guest exited before it took it. */
static void take_back(struct vcpu *v, struct svm_vcpu *s)
{
	uint64_t vintr = s->vmcb->vintr;

	s->virtual = false;
	s->vmcb->vintr = vintr & ~VINTR_IRQ;
	if (vintr & VINTR_IRQ)
		hvm_intr_undelivered(v, (uint8_t)(vintr >> VINTR_VECTOR_SHIFT));
}

/*
 * Interrupts and NMIs go back where they came from, to be chosen anew: something more urgent may be waiting by then. Software interrupts
 * (INT n, INT3, INTO) are not queued again: rip is still on the instruction, which simply runs again.
 */
void svm_event_collect(struct vcpu *v)
{
	struct svm_vcpu *s = v->arch.svm;
	struct vmcb *b = s->vmcb;
	uint64_t e = b->exitintinfo;

	if (unlikely(s->virtual))
		take_back(v, s);
	b->eventinj = 0;
	if (likely(!(e & EVENT_VALID)))
		return;
	/* No exception has such a vector: QEMU's word for a virtual interrupt, which it leaves in V_IRQ as well. */
	if ((e & EVENT_TYPE) == EVENT_EXCEPTION && (e & EVENT_VECTOR) >= 32)
		e = (e & ~EVENT_TYPE) | EVENT_INTR;
	switch (e & EVENT_TYPE) {
	case EVENT_EXCEPTION:
		if ((e & EVENT_VECTOR) != 3 && (e & EVENT_VECTOR) != 4)
			b->eventinj = e;
		break;
	case EVENT_INTR:
		hvm_intr_undelivered(v, (uint8_t)e);
		break;
	case EVENT_NMI:
		s->nmi_blocked = false;
		b->intercept1 &= ~INTERCEPT_IRET;
		__atomic_store_n(&v->arch.nmi_pending, true, __ATOMIC_SEQ_CST);
		break;
	}
}
