/* Events on their way into an SVM guest: none is lost, none comes twice, whatever interrupts their delivery. AMD APM vol. 2, 15.20, 15.21. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/domain.h"
#include "hvm/hvm.h"
#include "svm/event.c"

#define VECTOR 0x51
#define INTR(vector) (EVENT_VALID | EVENT_INTR | (vector))

static struct {
	struct vcpu vcpu;
	struct vmcb vmcb;
	struct svm_vcpu svm;
	bool dead;
} t;

void hvm_triple_fault(struct vcpu *v)
{
	t.dead = true;
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

/* An entry with @vector going in; true if it goes in as a virtual interrupt. */
static bool enter_with(uint8_t vector)
{
	svm_window(&t.vcpu, WINDOW_NONE);
	svm_inject_interrupt(&t.vcpu, vector);
	svm_event_prepare(&t.vcpu);
	return t.vmcb.vintr & VINTR_IRQ;
}

/* The next entry, with nothing new. What goes in. */
static uint64_t enter(void)
{
	svm_window(&t.vcpu, WINDOW_NONE);
	svm_event_prepare(&t.vcpu);
	if (!(t.vmcb.intercept1 & INTERCEPT_VINTR) && (t.vmcb.vintr & VINTR_IRQ))
		return INTR(t.vmcb.vintr >> VINTR_VECTOR_SHIFT & EVENT_VECTOR);
	return t.vmcb.eventinj & EVENT_VALID ? t.vmcb.eventinj : 0;
}

/* The guest takes what was given to it, and exits. */
static void taken(void)
{
	t.vmcb.vintr &= ~VINTR_IRQ;
	t.vmcb.eventinj = 0;
	t.vmcb.exitintinfo = 0;
	svm_event_collect(&t.vcpu);
}

static void not_taken_goes_in_again(void **state)
{
	(void)state;
	assert_true(enter_with(VECTOR));
	svm_event_collect(&t.vcpu);
	assert_int_equal(svm_blocked(&t.vcpu) & BLOCK_EVENT, BLOCK_EVENT);
	assert_int_equal(enter(), INTR(VECTOR));
	taken();
	assert_int_equal(svm_blocked(&t.vcpu), 0);
	assert_int_equal(enter(), 0);
}

/* The push of the frame met a nested page fault: EXITINTINFO names the interrupt, in QEMU's words or the manual's; V_IRQ may still be up. */
static void interrupted_delivery_comes_once(void **state)
{
	static const uint64_t words[] = { INTR(VECTOR), EVENT_VALID | EVENT_EXCEPTION | VECTOR };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(enter_with(VECTOR));
		if (i & 2)
			t.vmcb.vintr &= ~VINTR_IRQ;
		t.vmcb.exitintinfo = words[i & 1];
		svm_event_collect(&t.vcpu);
		assert_int_equal(enter(), INTR(VECTOR));
		taken();
		assert_int_equal(svm_blocked(&t.vcpu), 0);
		assert_int_equal(enter(), 0);
	}
}

/* Another event was on its way when the interrupt had not been taken yet: both come, one after the other. */
static void the_other_waits(void **state)
{
	const uint64_t nmi = EVENT_VALID | EVENT_NMI | 2;

	(void)state;
	assert_true(enter_with(VECTOR));
	t.vmcb.exitintinfo = nmi;
	svm_event_collect(&t.vcpu);
	assert_int_equal(enter(), nmi);
	assert_int_equal(svm_blocked(&t.vcpu) & BLOCK_EVENT, BLOCK_EVENT);
	taken();
	assert_int_equal(enter(), INTR(VECTOR));
	taken();
	assert_int_equal(enter(), 0);
	assert_int_equal(svm_blocked(&t.vcpu), 0);
}

/* With interrupts off, or in the shadow of STI, an acknowledged interrupt waits behind a window. */
static void held_until_it_can_be_taken(void **state)
{
	(void)state;
	assert_true(enter_with(VECTOR));
	svm_event_collect(&t.vcpu);
	svm_inject_exception(&t.vcpu, TRAP_PF, 0);
	assert_int_equal(enter(), EVENT_VALID | EVENT_EXCEPTION | EVENT_HAS_ERROR | TRAP_PF);
	taken();
	t.vcpu.arch.regs.rflags = 0;
	assert_int_equal(enter(), 0);
	assert_int_equal(t.vmcb.intercept1 & INTERCEPT_VINTR, INTERCEPT_VINTR);
	taken();
	t.vcpu.arch.regs.rflags = RFLAGS_IF;
	t.vmcb.shadow = 1;
	assert_int_equal(enter(), 0);
	assert_int_equal(svm_blocked(&t.vcpu) & BLOCK_EVENT, BLOCK_EVENT);
	taken();
	t.vmcb.shadow = 0;
	assert_int_equal(enter(), INTR(VECTOR));
	taken();
	assert_int_equal(svm_blocked(&t.vcpu), 0);
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
		cmocka_unit_test_setup(not_taken_goes_in_again, setup),
		cmocka_unit_test_setup(interrupted_delivery_comes_once, setup),
		cmocka_unit_test_setup(the_other_waits, setup),
		cmocka_unit_test_setup(held_until_it_can_be_taken, setup),
		cmocka_unit_test_setup(faults_add_up, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
