/* What is done about the faults of processors, by model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "errata.h"

#define LS_CFG 0xc0011020u
#define DE_CFG 0xc0011029u
#define BP_CFG 0xc001102eu
#define LFENCE_SERIALISES (1UL << 1)

#define IBPB (1u << 12)
#define STIBP (1u << 15)
#define AUTO_IBRS (1u << 8)
#define VERW_CLEARS (1u << 5)
#define SRSO_NO (1u << 29)

static const struct cpu_identity
	barcelona = { .family = 0x10, .model = 0x2 },
	llano = { .family = 0x12, .model = 0x1 }, jaguar = { .family = 0x16, .model = 0x0 },
	puma = { .family = 0x16, .model = 0x30 }, naples = { .family = 0x17, .model = 0x01, .ext8_b = IBPB },
	rome = { .family = 0x17, .model = 0x31, .microcode = 0x8301039, .ext8_b = IBPB | STIBP },
	milan = { .family = 0x19, .model = 0x01, .ext8_b = IBPB | STIBP, .ext21_a = VERW_CLEARS },
	genoa = { .family = 0x19, .model = 0x11, .ext8_b = IBPB | STIBP, .ext21_a = 1u << 2 | AUTO_IBRS | VERW_CLEARS },
	turin = { .family = 0x1a,
		  .model = 0x02,
		  .ext8_b = IBPB | STIBP,
		  .ext21_a = 1u << 2 | AUTO_IBRS | SRSO_NO,
		  .ext21_c = 6 };

/* The bits of @msr that are changed; those that become 0 in *@clear. */
static uint64_t bits_set(const struct cpu_identity *c, uint32_t msr, uint64_t *clear)
{
	struct msr_fix fix[MAX_MSR_FIXES];
	unsigned n = errata_fixes(c, fix);
	uint64_t set = 0;

	*clear = 0;
	assert_in_range(n, 0, MAX_MSR_FIXES);
	for (unsigned i = 0; i < n; i++) {
		if (fix[i].msr != msr)
			continue;
		set |= fix[i].set;
		*clear |= fix[i].clear;
	}
	return set;
}

static uint64_t set_in(const struct cpu_identity *c, uint32_t msr)
{
	uint64_t clear;

	return bits_set(c, msr, &clear);
}

/* Every guest of an AMD processor reads from DE_CFG that its LFENCE stops speculation: so it must. */
static void lfence_is_what_guests_are_told(void **state)
{
	const struct cpu_identity old = { .family = 0xf, .model = 0x41 }, griffin = { .family = 0x11, .model = 0x3 };

	(void)state;
	assert_true(set_in(&barcelona, DE_CFG) & LFENCE_SERIALISES);
	assert_true(set_in(&jaguar, DE_CFG) & LFENCE_SERIALISES);
	assert_true(set_in(&naples, DE_CFG) & LFENCE_SERIALISES);
	assert_true(set_in(&rome, DE_CFG) & LFENCE_SERIALISES);
	assert_true(set_in(&milan, DE_CFG) & LFENCE_SERIALISES);
	/* These do it always; the first two have no such register. */
	assert_int_equal(set_in(&old, DE_CFG), 0);
	assert_int_equal(set_in(&griffin, DE_CFG), 0);
	assert_int_equal(set_in(&genoa, DE_CFG), 0);
}

static void errata_by_model(void **state)
{
	uint64_t clear;

	(void)state;
	assert_true(set_in(&jaguar, LS_CFG) & 1UL << 15);
	assert_int_equal(set_in(&puma, LS_CFG), 0);
	assert_true(set_in(&barcelona, DE_CFG) & 1);
	assert_true(set_in(&llano, DE_CFG) & 1UL << 31);
	assert_int_equal(bits_set(&barcelona, 0xc0010055, &clear), 0);
	assert_int_equal(clear, 3UL << 27);
	assert_true(set_in(&genoa, BP_CFG) & 1UL << 5);
	assert_int_equal(set_in(&milan, BP_CFG), 0);
}

/* Zen 2 with too old microcode, or a model nobody knows good microcode of; no other. */
static void vector_registers_do_not_leak(void **state)
{
	struct cpu_identity c = rome;

	(void)state;
	assert_true(set_in(&c, DE_CFG) & 1UL << 9);
	c.microcode = 0x0830107a;
	assert_false(set_in(&c, DE_CFG) & 1UL << 9);
	c.model = 0x90;
	assert_true(set_in(&c, DE_CFG) & 1UL << 9);
	assert_false(set_in(&naples, DE_CFG) & 1UL << 9);
	assert_false(set_in(&milan, DE_CFG) & 1UL << 9);
}

static void guards_by_model(void **state)
{
	struct cpu_identity c = milan;

	(void)state;
	assert_int_equal(errata_guards(&barcelona), GUARD_RETURNS); /* no barrier to be had */
	assert_int_equal(errata_guards(&naples), GUARD_RETURNS | GUARD_BRANCHES | GUARD_DIVIDER);
	assert_int_equal(errata_guards(&rome), GUARD_RETURNS | GUARD_BRANCHES);
	assert_int_equal(errata_guards(&milan), GUARD_RETURNS | GUARD_BRANCHES | GUARD_BUFFERS);
	assert_int_equal(errata_guards(&genoa), GUARD_RETURNS | GUARD_BRANCHES | GUARD_BUFFERS);
	assert_int_equal(errata_guards(&turin), GUARD_RETURNS);
	c.ext21_a = 0; /* microcode that knows nothing of the buffers */
	assert_int_equal(errata_guards(&c), GUARD_RETURNS | GUARD_BRANCHES);
	assert_false(errata_automatic_ibrs(&milan));
	assert_true(errata_automatic_ibrs(&turin));
	assert_false(errata_shared_predictor(&naples));
	assert_true(errata_shared_predictor(&rome));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lfence_is_what_guests_are_told),
		cmocka_unit_test(errata_by_model),
		cmocka_unit_test(vector_registers_do_not_leak),
		cmocka_unit_test(guards_by_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
