/* What exits of an SVM guest, and that each such exit is handled: AMD APM vol. 2, 15.9, 15.12 and appendix C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/domain.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "svm/svm.h"

static struct {
	struct vcpu vcpu;
	struct vmcb vmcb;
	struct svm_vcpu svm;
	unsigned handled, undefined, crashed;
} t;

static const struct svm_features features = { .nr_asids = 8, .nrips = true };

const struct svm_features *svm_features(void)
{
	return &features;
}

void __wrap_domain_crash(struct domain *d, const char *fmt, ...);
void __wrap_domain_crash(struct domain *d, const char *fmt, ...)
{
	t.crashed++;
}

/* The shared handlers, which have tests of their own. */
#define HANDLER(name, ...) \
	void name(__VA_ARGS__) \
	{ \
		t.handled++; \
	}
HANDLER(hvm_exit_cpuid, struct vcpu *v)
HANDLER(hvm_exit_hlt, struct vcpu *v)
HANDLER(hvm_exit_msr, struct vcpu *v, bool write)
HANDLER(hvm_exit_xsetbv, struct vcpu *v)
HANDLER(hvm_exit_cache, struct vcpu *v, enum known_insn k)
HANDLER(hvm_exit_rdpmc, struct vcpu *v)
HANDLER(hvm_exit_hypercall, struct vcpu *v)
HANDLER(hvm_exit_io, struct vcpu *v, const struct port_exit *x)
HANDLER(hvm_exit_npf, struct vcpu *v, uint64_t gpa, uint32_t access, bool table)
HANDLER(hvm_triple_fault, struct vcpu *v)
HANDLER(hvm_intr_undelivered, struct vcpu *v, uint8_t vector)

void hvm_inject_ud(struct vcpu *v)
{
	t.undefined++;
}

static int setup(void **state)
{
	(void)state;
	__builtin_memset(&t, 0, sizeof(t));
	t.svm.vmcb = &t.vmcb;
	t.vcpu.arch.svm = &t.svm;
	svm_set_intercepts(&t.vmcb);
	svm_reset(&t.vcpu);
	return 0;
}

static void exit_with(uint64_t code)
{
	t.handled = t.undefined = t.crashed = 0;
	t.vmcb.exitcode = code;
	svm_exit(&t.vcpu);
}

/* Codes 60..7f belong to the bits of the first word, 80..8e to those of the second. Task switches end the domain, on purpose. */
static void every_intercept_is_handled(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 32; bit++) {
		if (t.vmcb.intercept1 >> bit & 1 && 1u << bit != INTERCEPT_TASK_SWITCH)
			exit_with(EXIT_INTR + bit);
		assert_int_equal(t.crashed, 0);
		if (t.vmcb.intercept2 >> bit & 1)
			exit_with(EXIT_VMRUN + bit);
		assert_int_equal(t.crashed, 0);
	}
	exit_with(EXIT_EXCEPTION + TRAP_DB);
	exit_with(EXIT_EXCEPTION + TRAP_AC);
	assert_int_equal(t.crashed, 0);
}

/* Instructions that no guest is offered run on any processor that has them, at any privilege level, unless they exit. */
static void not_offered_is_undefined(void **state)
{
	static const struct {
		uint32_t bit, code;
	} second[] = {
		{ INTERCEPT2_VMRUN, EXIT_VMRUN },     { INTERCEPT2_VMLOAD, EXIT_VMLOAD },
		{ INTERCEPT2_VMSAVE, EXIT_VMSAVE },   { INTERCEPT2_STGI, EXIT_STGI },
		{ INTERCEPT2_CLGI, EXIT_CLGI },	      { INTERCEPT2_SKINIT, EXIT_SKINIT },
		{ INTERCEPT2_MONITOR, EXIT_MONITOR }, { INTERCEPT2_MWAIT, EXIT_MWAIT },
		{ INTERCEPT2_RDPRU, EXIT_RDPRU }, /* the machine's own cycle counters */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(second); i++) {
		assert_int_equal(t.vmcb.intercept2 & second[i].bit, second[i].bit);
		exit_with(second[i].code);
		assert_int_equal(t.undefined, 1);
	}
}

#define BY_JUMP (1UL << 38)

static void task_switch(unsigned cpl, uint64_t selector, uint64_t info2, uint64_t event)
{
	t.vmcb.eventinj = 0;
	t.vmcb.cpl = (uint8_t)cpl;
	t.vmcb.exitinfo1 = selector;
	t.vmcb.exitinfo2 = info2;
	t.vmcb.exitintinfo = event;
	exit_with(EXIT_TASK_SWITCH);
}

/*
 * In 32-bit protected mode any process may set RFLAGS.NT and return from an interrupt that never was: the processor then asks for the switch before it looks
 * whether there is such a task (15.14.1). What Hospes does not switch is a fault as without SVM, and a process's alone.
 */
static void processes_cannot_switch_tasks(void **state)
{
	const uint64_t ts = EVENT_VALID | EVENT_EXCEPTION | EVENT_HAS_ERROR | TRAP_TS;

	(void)state;
	task_switch(3, 0, TASK_SWITCH_IRET, 0);
	assert_int_equal(t.crashed, 0);
	assert_int_equal(t.vmcb.eventinj, ts);
	task_switch(0, 0, TASK_SWITCH_IRET, 0); /* NT survives SYSENTER, so a kernel may meet it */
	assert_int_equal(t.crashed, 0);
	assert_int_equal(t.vmcb.eventinj, ts);
	task_switch(3, 0x2b, BY_JUMP, 0);
	assert_int_equal(t.crashed, 0);
	assert_int_equal(t.vmcb.eventinj, ts | 0x28UL << 32);
	/* A kernel that does it on purpose, or takes a double fault by a task of its own, ends here. */
	task_switch(0, 0x28, BY_JUMP, 0);
	assert_int_equal(t.crashed, 1);
	task_switch(3, 0x28, 0, EVENT_VALID | EVENT_EXCEPTION | EVENT_HAS_ERROR | TRAP_DF);
	assert_int_equal(t.crashed, 1);
}

/* Whatever else the processor says ends that domain and nothing more. */
static void unknown_exits(void **state)
{
	(void)state;
	for (uint64_t code = 0; code < 0x500; code++)
		if (code != EXIT_EXCEPTION + TRAP_MC)
			exit_with(code);
	exit_with(EXIT_INVALID);
	assert_int_equal(t.crashed, 1);
	exit_with(~0u);
	assert_int_equal(t.crashed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_intercept_is_handled, setup),
		cmocka_unit_test_setup(not_offered_is_undefined, setup),
		cmocka_unit_test_setup(processes_cannot_switch_tasks, setup),
		cmocka_unit_test_setup(unknown_exits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
