/*
 * See errata.h. AMD: revision guides of the families by erratum; "Software Techniques for Managing Speculation on AMD Processors";
 * security bulletins by number; CPUID bits in APM vol. 3, E.4.
 */
#include "errata.h"

#define MSR_LS_CFG 0xc0011020u
#define MSR_DE_CFG 0xc0011029u
#define MSR_BP_CFG 0xc001102eu
#define MSR_INT_PENDING 0xc0010055u

#define BIT64(n) (1UL << (n))

/* CPUID 80000008 EBX */
#define EXT8_IBPB (1u << 12)
#define EXT8_STIBP (1u << 15)
/* CPUID 80000021 EAX and ECX */
#define EXT21_LFENCE (1u << 2) /* always holds up what follows */
#define EXT21_VERW (1u << 5)   /* VERW overwrites buffers */
#define EXT21_AUTO_IBRS (1u << 8)
#define EXT21_SRSO_NO (1u << 29)
#define EXT21_TSA_NO 0x6u

/* Known by family and model alone. */
static const struct {
	uint16_t family, first, last;
	struct msr_fix fix;
} by_model[] = {
	/* 721: a stack pointer may be wrong after a long chain of pushes and pops. */
	{ 0x10, 0x00, 0xff, { MSR_DE_CFG, BIT64(0), 0 } },
	{ 0x12, 0x00, 0xff, { MSR_DE_CFG, BIT64(0), 0 } },
	/* 400: halting may stop the local APIC's timer, which is what is to end the halt. */
	{ 0x10, 0x00, 0xff, { MSR_INT_PENDING, 0, BIT64(27) | BIT64(28) } },
	/* 665: an integer division may go wrong. */
	{ 0x12, 0x00, 0xff, { MSR_DE_CFG, BIT64(31), 0 } },
	/* 793: a locked access beside writes to write-combining memory may hang the processor; any guest can do that. */
	{ 0x16, 0x00, 0x0f, { MSR_LS_CFG, BIT64(15), 0 } },
	/* 1485: undefined instructions where none are, with predictions of sibling threads apart. */
	{ 0x19, 0x10, 0x1f, { MSR_BP_CFG, BIT64(5), 0 } },
	{ 0x19, 0x60, 0x7f, { MSR_BP_CFG, BIT64(5), 0 } },
	{ 0x19, 0xa0, 0xaf, { MSR_BP_CFG, BIT64(5), 0 } },
};

/* Bulletin 7008: any program reads others' vector registers on Zen 2, unless microcode is at least this. */
static const struct {
	uint8_t first, last;
	uint32_t microcode;
} vector_leak_fixed[] = {
	{ 0x30, 0x3f, 0x0830107a }, { 0x60, 0x67, 0x0860010b }, { 0x68, 0x6f, 0x08608105 },
	{ 0x70, 0x7f, 0x08701032 }, { 0xa0, 0xaf, 0x08a00008 },
};

/* Families 17h and its licensed sibling 18h are Zen 1 and 2, told apart by STIBP, which came with the second. */
static bool zen1(const struct cpu_identity *c)
{
	return (c->family == 0x17 || c->family == 0x18) && !(c->ext8_b & EXT8_STIBP);
}

static bool leaks_vectors(const struct cpu_identity *c)
{
	if (c->family != 0x17 || zen1(c))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(vector_leak_fixed); i++)
		if (c->model >= vector_leak_fixed[i].first && c->model <= vector_leak_fixed[i].last)
			return c->microcode < vector_leak_fixed[i].microcode;
	return true;
}

/* LFENCE holds up what follows only when asked to, and every guest is told that it does (policy.c: DE_CFG). */
static bool lfence_asked(const struct cpu_identity *c)
{
	return c->family >= 0x10 && c->family != 0x11 && !(c->ext21_a & EXT21_LFENCE);
}

unsigned errata_fixes(const struct cpu_identity *c, struct msr_fix fix[MAX_MSR_FIXES])
{
	unsigned n = 0;

	if (lfence_asked(c))
		fix[n++] = (struct msr_fix){ MSR_DE_CFG, BIT64(1), 0 };
	if (leaks_vectors(c))
		fix[n++] = (struct msr_fix){ MSR_DE_CFG, BIT64(9), 0 };
	for (unsigned i = 0; i < ARRAY_SIZE(by_model) && n < MAX_MSR_FIXES; i++)
		if (c->family == by_model[i].family && c->model >= by_model[i].first && c->model <= by_model[i].last)
			fix[n++] = by_model[i].fix;
	return n;
}

bool errata_automatic_ibrs(const struct cpu_identity *c)
{
	return c->ext21_a & EXT21_AUTO_IBRS;
}

bool errata_shared_predictor(const struct cpu_identity *c)
{
	return c->ext8_b & EXT8_STIBP;
}

/*
 * Returns are guarded on all: a guest's last calls are what the first returns of Hospes would be predicted by. A barrier for indirect branches at each exit
 * is what remains where the processor does not keep modes apart, and where returns can be steered by other branches (bulletins 1037 and 7005: up to
 * Zen 4). Bulletin 7007: Zen 1 leaves a quotient in its divider. Bulletin 7029: loads and stores of Zen 3 and 4 are held in buffers.
 */
uint32_t errata_guards(const struct cpu_identity *c)
{
	uint32_t guards = GUARD_RETURNS;

	if (!errata_automatic_ibrs(c) || !(c->ext21_a & EXT21_SRSO_NO))
		guards |= GUARD_BRANCHES;
	if (zen1(c))
		guards |= GUARD_DIVIDER;
	if (c->family == 0x19 && (c->ext21_c & EXT21_TSA_NO) != EXT21_TSA_NO)
		guards |= GUARD_BUFFERS;
	return guards & errata_possible(c);
}

uint32_t errata_possible(const struct cpu_identity *c)
{
	return GUARD_RETURNS | GUARD_DIVIDER | (c->ext8_b & EXT8_IBPB ? GUARD_BRANCHES : 0) |
	       (c->ext21_a & EXT21_VERW ? GUARD_BUFFERS : 0);
}
