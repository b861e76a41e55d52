/* Events on their way into an SVM guest: none is lost, none comes twice, whatever interrupts their delivery. AMD APM vol. 2, 15.20, 15.21. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/domain.h"
#include "hvm/hvm.h"
#include "svm/svm.h"

#define VECTOR 0x51
#define INTR(vector) (EVENT_VALID | EVENT_INTR | (vector))

static struct {
	struct vcpu vcpu;
	struct vmcb vmcb;
	struct svm_vcpu svm;
	unsigned undelivered[256];
	bool dead;
} t;

void hvm_triple_fault(struct vcpu *v)
{
	t.dead = true;
}

void hvm_intr_undelivered(struct vcpu *v, uint8_t vector)
{
	t.undelivered[vector]++;
}

static int setup(void **state)
{
	(void)state;
	__builtin_memset(&t, 0, sizeof(t));
	t.svm.vmcb = &t.vmcb;
	t.vcpu.arch.svm = &t.svm;
	t.vcpu.arch.regs.rflags = RFLAGS_IF;
	return 0;
}

/* An entry with VECTOR going in, and @window asked for beside it. */
static void enter_with_interrupt(int window)
{
	svm_inject_interrupt(&t.vcpu, VECTOR);
	svm_window(&t.vcpu, window);
	svm_event_prepare(&t.vcpu);
}

static bool goes_in_as_virtual(void)
{
	return (t.vmcb.vintr & VINTR_IRQ) && !(t.vmcb.intercept1 & INTERCEPT_VINTR) &&
	       !(t.vmcb.eventinj & EVENT_VALID) && (t.vmcb.vintr & VINTR_VECTOR_MASK) >> VINTR_VECTOR_SHIFT == VECTOR;
}

/* The guest takes what was given to it, and exits for another reason. */
static void taken(void)
{
	t.vmcb.vintr &= ~VINTR_IRQ;
	t.vmcb.exitintinfo = 0;
	svm_event_collect(&t.vcpu);
}

static void nothing_is_left(void)
{
	assert_int_equal(svm_blocked(&t.vcpu) & BLOCK_EVENT, 0);
	assert_int_equal(t.vmcb.vintr & VINTR_IRQ, 0);
	assert_int_equal(t.vmcb.eventinj, 0);
}

static void taken_is_through(void **state)
{
	(void)state;
	enter_with_interrupt(WINDOW_NONE);
	assert_true(goes_in_as_virtual());
	taken();
	nothing_is_left();
	assert_int_equal(t.undelivered[VECTOR], 0);
}

static void not_taken_goes_back(void **state)
{
	(void)state;
	enter_with_interrupt(WINDOW_NONE);
	svm_event_collect(&t.vcpu);
	nothing_is_left();
	assert_int_equal(t.undelivered[VECTOR], 1);
}

/* The push of the frame met a nested page fault: EXITINTINFO names the interrupt, in QEMU's words or the manual's; V_IRQ may still be up. */
static void interrupted_delivery_goes_back(void **state)
{
	static const uint64_t words[] = { INTR(VECTOR), EVENT_VALID | EVENT_EXCEPTION | VECTOR };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		enter_with_interrupt(WINDOW_NONE);
		if (i & 2)
			t.vmcb.vintr &= ~VINTR_IRQ;
		t.vmcb.exitintinfo = words[i & 1];
		t.undelivered[VECTOR] = 0;
		svm_event_collect(&t.vcpu);
		nothing_is_left();
		assert_true(t.undelivered[VECTOR] > 0); /* the second time nothing is in service any more */
	}
}

/* More waits than goes in: still not by EVENTINJ, and there is a moment to look again. */
static void the_window_makes_room(void **state)
{
	(void)state;
	enter_with_interrupt(WINDOW_ANY);
	assert_true(goes_in_as_virtual());
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_IRET, INTERCEPT_IRET);
	taken();
	svm_event_iret(&t.vcpu);
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_IRET, 0);
	t.vcpu.arch.regs.rflags = 0;
	svm_window(&t.vcpu, WINDOW_ANY);
	svm_event_prepare(&t.vcpu);
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_VINTR, INTERCEPT_VINTR);
}

static void nmi_goes_back(void **state)
{
	(void)state;
	svm_inject_nmi(&t.vcpu);
	svm_window(&t.vcpu, WINDOW_ANY);
	svm_event_prepare(&t.vcpu);
	assert_int_equal(t.vmcb.eventinj, EVENT_VALID | EVENT_NMI | 2);
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_VINTR, INTERCEPT_VINTR);
	t.vmcb.exitintinfo = t.vmcb.eventinj;
	svm_event_collect(&t.vcpu);
	assert_true(t.vcpu.arch.nmi_pending);
	assert_int_equal(svm_blocked(&t.vcpu), 0);
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_IRET, 0);
}

static void exceptions_stay(void **state)
{
	const uint64_t pf = EVENT_VALID | EVENT_EXCEPTION | EVENT_HAS_ERROR | TRAP_PF;

	(void)state;
	t.vmcb.exitintinfo = pf;
	svm_event_collect(&t.vcpu);
	assert_int_equal(t.vmcb.eventinj, pf);
	assert_int_equal(svm_blocked(&t.vcpu), BLOCK_EVENT);
	for (unsigned soft = 3; soft <= 4; soft++) {
		t.vmcb.exitintinfo = EVENT_VALID | EVENT_EXCEPTION | soft;
		svm_event_collect(&t.vcpu);
		nothing_is_left();
	}
}

static void faults_add_up(void **state)
{
	(void)state;
	svm_inject_exception(&t.vcpu, TRAP_PF, 0);
	svm_inject_exception(&t.vcpu, TRAP_GP, 0);
	assert_int_equal(t.vmcb.eventinj & EVENT_VECTOR, TRAP_DF);
	assert_false(t.dead);
	svm_inject_exception(&t.vcpu, TRAP_GP, 0);
	assert_true(t.dead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(taken_is_through, setup),
		cmocka_unit_test_setup(not_taken_goes_back, setup),
		cmocka_unit_test_setup(interrupted_delivery_goes_back, setup),
		cmocka_unit_test_setup(the_window_makes_room, setup),
		cmocka_unit_test_setup(nmi_goes_back, setup),
		cmocka_unit_test_setup(exceptions_stay, setup),
		cmocka_unit_test_setup(faults_add_up, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
