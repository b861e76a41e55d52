/*
 * The instruction decoder: lengths and operands of known sequences, limits, and agreement with an independent decoder
 * (libcapstone, if installed) on random bytes. Protects every exit for which the hardware gives no next rip.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "emul/insn.h"
#include "hv/errno.h"
#include "hv/string.h"

#if defined(__has_include)
#if __has_include(<capstone/capstone.h>)
#include <capstone/capstone.h>
#define HAVE_CAPSTONE 1
#endif
#endif

enum m { R16, P16, P32, L64 };

static int decode(struct insn *i, const uint8_t *b, unsigned n, enum m m)
{
	static const enum cpu_mode modes[] = { CPU_MODE_REAL, CPU_MODE_PROT, CPU_MODE_PROT, CPU_MODE_LONG };

	return insn_decode(i, b, n, modes[m], m == P32);
}

/* Sequences whose length, or error, is known from the manuals. */
static const struct {
	enum m mode;
	const char *bytes;
	int want; /* length or error */
} known[] = {
	/* exits */
	{ L64, "0f 01 d9", 3 },
	{ P32, "0f 01 d9", 3 },
	{ P16, "0f 01 d9", 3 }, /* VMMCALL */
	{ L64, "0f 01 c1", 3 }, /* VMCALL */
	{ L64, "0f a2", 2 },
	{ L64, "48 0f a2", 3 },
	{ L64, "66 f3 48 0f a2", 5 }, /* CPUID */
	{ L64, "2e 2e 66 67 0f a2", 6 },
	{ L64, "f4", 1 },
	{ P32, "3e f4", 2 }, /* HLT */
	{ L64, "0f 32", 2 },
	{ L64, "0f 30", 2 },
	{ L64, "48 0f 30", 3 }, /* RDMSR, WRMSR */
	{ L64, "e4 60", 2 },
	{ L64, "e5 60", 2 },
	{ L64, "66 e7 60", 3 },
	{ L64, "ec", 1 },
	{ L64, "66 ed", 2 },
	{ L64, "ee", 1 },
	{ L64, "ef", 1 },
	{ L64, "f3 6c", 2 },
	{ L64, "f3 66 6f", 3 },
	{ R16, "67 f3 6e", 3 },
	{ L64, "0f 20 c0", 3 },
	{ L64, "0f 22 d8", 3 },
	{ L64, "44 0f 22 c0", 4 },
	{ P32, "f0 0f 20 c0", 4 }, /* MOV CRn */
	{ L64, "0f 20 00", 3 },
	{ L64, "0f 20 44", 3 },
	{ L64, "0f 20 5c", 3 }, /* mod is ignored, no SIB */
	{ L64, "0f 20 c8", -EINVAL },
	{ L64, "0f 20 e8", -EINVAL },
	{ L64, "f0 0f 20 d8", -EINVAL },
	{ L64, "0f 21 f8", 3 },
	{ L64, "0f 23 c0", 3 },
	{ L64, "44 0f 23 c0", -EINVAL },
	{ P32, "0f 24 c0", -EINVAL },
	{ L64, "0f 01 38", 3 },
	{ L64, "0f 01 7c 24 08", 5 },
	{ L64, "0f 01 3d 00 00 00 00", 7 }, /* INVLPG */
	{ L64, "0f 08", 2 },
	{ L64, "0f 09", 2 },
	{ L64, "f3 0f 09", 3 }, /* INVD, WBINVD, WBNOINVD */
	{ L64, "0f 01 d1", 3 },
	{ L64, "0f 01 d0", 3 }, /* XSETBV, XGETBV */
	{ L64, "0f 31", 2 },
	{ L64, "0f 01 f9", 3 },
	{ L64, "0f 33", 2 }, /* RDTSC, RDTSCP, RDPMC */
	{ L64, "f3 90", 2 },
	{ L64, "90", 1 }, /* PAUSE, NOP */
	{ L64, "0f 01 c8", 3 },
	{ L64, "0f 01 c9", 3 }, /* MONITOR, MWAIT */
	{ L64, "0f 06", 2 },
	{ L64, "0f 01 f0", 3 },
	{ L64, "0f 01 30", 3 },
	{ L64, "0f 01 e0", 3 }, /* CLTS LMSW SMSW */
	{ L64, "0f 01 d8", 3 },
	{ L64, "0f 01 dd", 3 },
	{ L64, "0f 01 f8", 3 }, /* VMRUN, CLGI, SWAPGS */
	{ L64, "0f 00 d8", 3 },
	{ R16, "0f 00 d8", -EINVAL },
	{ L64, "0f 00 f0", -EINVAL },
	{ L64, "0f 38 82 08", 4 },
	{ L64, "66 0f 38 82 08", 5 }, /* INVPCID */
	/* addressing */
	{ L64, "8b 05 00 00 00 00", 6 },
	{ L64, "8b 04 25 00 00 00 00", 7 },
	{ L64, "8b 44 24 01", 4 },
	{ L64, "67 8b 80 00 00 00 00", 7 },
	{ P32, "67 8b 80 00 00", 5 },
	{ P16, "8b 80 00 00", 4 },
	{ P16, "8b 06 00 00", 4 },
	{ P16, "8b 46 00", 3 },
	{ P16, "67 8b 04 25 00 00 00 00", 8 },
	{ L64, "a1 00 00 00 00 00 00 00 00", 9 },
	{ L64, "67 a1 00 00 00 00", 6 },
	{ P32, "a1 00 00 00 00", 5 },
	{ P16, "a1 00 00", 3 },
	{ P32, "67 a1 00 00", 4 },
	/* immediates */
	{ L64, "48 b8 00 00 00 00 00 00 00 00", 10 },
	{ L64, "b8 00 00 00 00", 5 },
	{ L64, "66 b8 00 00", 4 },
	{ L64, "48 c7 00 00 00 00 00", 7 },
	{ L64, "66 c7 00 00 00", 5 },
	{ L64, "66 48 c7 00 00 00 00 00", 8 },
	{ L64, "48 66 b8 00 00", 5 }, /* REX before a prefix is void */
	{ L64, "f6 00 00", 3 },
	{ L64, "f7 00 00 00 00 00", 6 },
	{ L64, "f7 10", 2 },
	{ L64, "f6 c8 00", 3 },
	{ L64, "c8 00 00 00", 4 },
	{ L64, "c2 00 00", 3 },
	{ P32, "9a 00 00 00 00 00 00", 7 },
	{ P16, "ea 00 00 00 00", 5 },
	{ L64, "ea 00 00 00 00 00 00", -EINVAL },
	{ L64, "68 00 00 00 00", 5 },
	{ L64, "e8 00 00 00 00", 5 },
	{ P32, "66 e8 00 00", 4 },
	{ L64, "0f 84 00 00 00 00", 6 },
	{ L64, "69 c0 00 00 00 00", 6 },
	{ L64, "6b c0 00", 3 },
	{ L64, "0f a4 c0 00", 4 },
	{ L64, "0f ba e0 00", 4 },
	{ L64, "0f 0f c0 bf", 4 },
	{ L64, "66 0f 78 c0 01 02", 6 },
	{ L64, "f2 0f 78 c0 01 02", 6 },
	/* maps and vector prefixes */
	{ L64, "0f 38 f0 00", 4 },
	{ L64, "66 0f 3a 0f c1 08", 6 },
	{ L64, "0f 3a 50 00 00", -EINVAL },
	{ L64, "c5 f8 77", 3 },
	{ L64, "c5 fc 28 00", 4 },
	{ L64, "c4 e2 7d 18 00", 5 },
	{ L64, "c4 e3 7d 04 c0 00", 6 },
	{ L64, "62 f1 7c 48 28 00", 6 },
	{ L64, "62 f3 7d 48 23 c0 00", 7 },
	{ L64, "62 f1 78 48 28 00", -EINVAL },
	{ L64, "8f e9 78 01 c8", 5 },
	{ L64, "8f ea 78 10 c0 00 00 00 00", 9 },
	{ L64, "8f 00", 2 },
	{ L64, "8f c8", -EAGAIN },
	{ L64, "66 c5 f8 77", -EINVAL },
	{ L64, "48 c5 f8 77", -EINVAL },
	{ P32, "c5 00", 2 },
	{ P32, "c4 00", 2 },
	{ P32, "c5 f8 77", 3 },
	{ P32, "62 00", 2 },
	{ R16, "c5 f8", -EINVAL },
	/* undefined */
	{ L64, "06", -EINVAL },
	{ P32, "06", 1 },
	{ L64, "0f 0b", -EINVAL },
	{ L64, "0f ff 00", -EINVAL },
	{ L64, "0f b9 00", -EINVAL },
	{ L64, "c6 08 00", -EINVAL },
	{ L64, "c7 f8 00 00 00 00", 6 },
	{ L64, "ff f8", -EINVAL },
	{ L64, "fe 10", -EINVAL },
	{ L64, "8d c0", -EINVAL },
	{ L64, "8e c8", -EINVAL },
	{ L64, "f0 90", -EINVAL },
	{ L64, "f0 01 00", 3 },
	{ L64, "f0 01 c0", -EINVAL },
	{ L64, "f0 38 00", -EINVAL },
	{ L64, "f0 0f b1 08", 4 },
	{ L64, "f0 0f c7 08", 4 },
	{ L64, "f0 0f ba 20 00", -EINVAL },
	{ L64, "f0 0f ba 28 00", 5 },
	{ L64, "f0 83 38 00", -EINVAL },
	{ L64, "f0 f7 18", 3 },
	{ L64, "f0 f7 20", -EINVAL },
	{ L64, "f0 87 00", 3 },
	{ L64, "f0 88 00", -EINVAL },
	{ L64, "f0 0f a2", -EINVAL },
	/* limits */
	{ L64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", 15 },
	{ L64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", -E2BIG },
	{ L64, "66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", 15 },
	{ L64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", -E2BIG },
	{ L64, "2e 2e 2e 2e 2e 2e 81 84 24 00 00 00 00 00 00 00 00", -E2BIG },
	{ L64, "", -EAGAIN },
	{ L64, "0f", -EAGAIN },
	{ L64, "48", -EAGAIN },
	{ L64, "8b 05 00 00 00", -EAGAIN },
};

static unsigned parse(const char *s, uint8_t *out)
{
	unsigned n = 0;

	for (char *end; *s; s = end)
		out[n++] = (uint8_t)strtoul(s, &end, 16);
	return n;
}

static void test_known(void **state)
{
	for (unsigned k = 0; k < ARRAY_SIZE(known); k++) {
		uint8_t b[32];
		unsigned n = parse(known[k].bytes, b);
		struct insn i;
		int rc = decode(&i, b, n, known[k].mode);

		if ((rc ?: i.len) != known[k].want)
			fail_msg("mode %d '%s': got %d, want %d", known[k].mode, known[k].bytes, rc ?: i.len,
				 known[k].want);
		if (rc)
			continue;
		/* Every shorter prefix of it asks for more. */
		assert_int_equal(i.len, n);
		for (unsigned cut = 0; cut < n; cut++) {
			uint8_t *exact = malloc(cut + !cut);

			memcpy(exact, b, cut);
			assert_int_equal(decode(&i, exact, cut, known[k].mode), -EAGAIN);
			free(exact);
		}
	}
}

static struct insn dec(enum m m, const char *s)
{
	uint8_t b[32];
	struct insn i;

	assert_int_equal(decode(&i, b, parse(s, b), m), 0);
	return i;
}

static void test_operands(void **state)
{
	struct insn i = dec(L64, "44 0f 22 c0");

	assert_int_equal(i.reg, 8);
	assert_int_equal(i.rm, REG_RAX);
	assert_int_equal(i.opsize, 8);
	assert_false(i.has_mem);
	i = dec(P32, "f0 0f 20 c3"); /* AMD's way to CR8 */
	assert_int_equal(i.reg, 8);
	assert_int_equal(i.rm, REG_RBX);
	i = dec(L64, "4a 8b 84 c8 78 56 34 12");
	assert_int_equal(i.opsize, 8);
	assert_int_equal(i.base, REG_RAX);
	assert_int_equal(i.index, 9);
	assert_int_equal(i.scale, 3);
	assert_int_equal(i.disp, 0x12345678);
	i = dec(L64, "65 48 c7 04 25 f0 ff ff ff ff ff ff ff");
	assert_int_equal(i.seg, SEG_GS);
	assert_int_equal(i.disp, -16);
	assert_int_equal(i.imm, -1);
	i = dec(L64, "64 2e 8b 00"); /* CS: is void in 64-bit mode */
	assert_int_equal(i.seg, SEG_FS);
	i = dec(P32, "8b 45 00");
	assert_int_equal(i.seg, SEG_SS);
	i = dec(P32, "3e 8b 45 00");
	assert_int_equal(i.seg, SEG_DS);
	i = dec(L64, "41 8b 45 00"); /* r13 */
	assert_int_equal(i.seg, SEG_DS);
	i = dec(L64, "f3 f2 a4");
	assert_int_equal(i.prefixes, INSN_REPNE);
	i = dec(P32, "9a 78 56 34 12 34 00");
	assert_int_equal(i.imm, 0x12345678);
	assert_int_equal(i.imm2, 0x34);
	i = dec(L64, "41 0f c8");
	assert_int_equal(i.rm, 8);
	assert_true(insn_is(&i, INSN_MAP_0F, 0xc8));
	i = dec(L64, "c4 c1 7c 28 00");
	assert_int_equal(i.base, 8);
	assert_int_equal(i.map, INSN_MAP_0F);
	assert_false(insn_is(&i, INSN_MAP_0F, 0x28));
}

static void test_ea(void **state)
{
	struct guest_regs r = { .rip = 0x1000 };
	struct segment segs[NR_SEGS] = { 0 };
	struct insn i;

	for (unsigned k = 0; k < 16; k++)
		r.gpr[k] = 0x100000001000UL * (k + 1);
	segs[SEG_FS].base = 0xffff888000000000UL;
	segs[SEG_DS].base = 0x10000;
	segs[SEG_SS].base = 0x20000;

	i = dec(L64, "8b 05 10 00 00 00");
	assert_int_equal(insn_ea(&i, &r, segs), 0x1016);
	i = dec(L64, "8b 44 c8 f8"); /* [rax + rcx * 8 - 8] */
	assert_int_equal(insn_ea(&i, &r, segs), r.gpr[0] + r.gpr[1] * 8 - 8);
	i = dec(L64, "67 8b 44 c8 f8");
	assert_int_equal(insn_ea(&i, &r, segs), (uint32_t)(r.gpr[0] + r.gpr[1] * 8 - 8));
	i = dec(L64, "64 8b 00");
	assert_int_equal(insn_ea(&i, &r, segs), segs[SEG_FS].base + r.gpr[0]);
	i = dec(P32, "8b 44 24 04");
	assert_int_equal(insn_ea(&i, &r, segs), (uint32_t)(r.gpr[REG_RSP] + 4 + 0x20000));
	i = dec(P16, "8b 42 ff"); /* [bp + si - 1] */
	assert_int_equal(insn_offset(&i, &r), (uint16_t)(r.gpr[REG_RBP] + r.gpr[REG_RSI] - 1));
	i = dec(P16, "8b 47 02"); /* [bx + 2] */
	assert_int_equal(insn_ea(&i, &r, segs), 0x10000 + (uint16_t)(r.gpr[REG_RBX] + 2));
	i = dec(P32, "a1 00 00 00 ff");
	assert_int_equal(insn_ea(&i, &r, segs), 0xff010000);
	i = dec(L64, "a1 00 00 00 00 80 88 ff ff");
	assert_int_equal(insn_ea(&i, &r, segs), 0xffff888000000000UL);
}

#ifdef HAVE_CAPSTONE
static struct {
	cs_err (*open)(cs_arch arch, cs_mode mode, csh *h);
	cs_err (*close)(csh *h);
	cs_insn *(*malloc)(csh h);
	void (*free)(cs_insn *i, size_t n);
	bool (*disasm)(csh h, const uint8_t **code, size_t *size, uint64_t *addr, cs_insn *i);
} cs;

static bool load_capstone(void)
{
	void *lib = dlopen("libcapstone.so.4", RTLD_NOW);

	if (!lib)
		return false;
	*(void **)&cs.open = dlsym(lib, "cs_open");
	*(void **)&cs.close = dlsym(lib, "cs_close");
	*(void **)&cs.malloc = dlsym(lib, "cs_malloc");
	*(void **)&cs.free = dlsym(lib, "cs_free");
	*(void **)&cs.disasm = dlsym(lib, "cs_disasm_iter");
	return cs.open && cs.close && cs.malloc && cs.free && cs.disasm;
}

static uint32_t random_next(uint64_t *s)
{
	*s = *s * 6364136223846793005UL + 1442695040888963407UL;
	return (uint32_t)(*s >> 33);
}

/* Random, but with prefixes and escapes as often as they matter. */
static void random_bytes(uint64_t *s, uint8_t *b)
{
	static const uint8_t special[] = { 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0x48, 0x41, 0xf0 };
	unsigned n = 0;

	for (unsigned k = 0; k < 16; k++)
		b[k] = (uint8_t)random_next(s);
	while (random_next(s) % 3 == 0 && n < 4)
		b[n++] = special[random_next(s) % sizeof(special)];
	if (random_next(s) % 2)
		b[n++] = 0x0f;
	if (b[n] == 0x38 || b[n] == 0x3a)
		return;
	if (n && b[n - 1] == 0x0f && random_next(s) % 8 == 0)
		b[n] = random_next(s) % 2 ? 0x38 : 0x3a;
}

/*
 * Where the other decoder is known to be older, laxer or stricter than the manuals, and where ours looks only at lengths:
 * it does not check the mandatory prefixes of vector instructions.
 */
static bool known_difference(const struct insn *i, int rc, unsigned cs_len)
{
	uint8_t op = i->opcode;
	bool legacy_1 = i->map == INSN_MAP_1 && !i->vex;

	/* Intel ignores 66 before near branches in 64-bit mode, AMD does not; a REX.W RET has no longer immediate. */
	if (rc == 0 && cs_len && legacy_1)
		return i->mode == CPU_MODE_LONG && (op == 0xe8 || op == 0xe9 || op == 0xc2 || op == 0xca);
	if (rc == 0 && cs_len)
		return i->map == INSN_MAP_0F && (op == 0x78 || ((op & 0xf0) == 0x80 && i->mode == CPU_MODE_LONG));
	if (rc == 0) {
		if (i->vex || i->map != INSN_MAP_1)
			return i->vex || i->map != INSN_MAP_0F || op == 0x0d || (op >= 0x10 && op <= 0x1f) ||
			       op == 0x01 || op == 0xb8 || (i->prefixes & INSN_LOCK && (op & 0xfd) == 0x20) ||
			       (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x7f) || op == 0xae ||
			       (op >= 0xc2 && op <= 0xc6) || (op >= 0xd0 && op <= 0xfe);
		/* x87: all lengths are ModRM's; REX.R names no segment register */
		return (op >= 0xd8 && op <= 0xdf) || op == 0x8e || op == 0x8c || i->moffs;
	}
	if (rc == -EINVAL && cs_len) {
		/* MOV to CS; repeated or misplaced prefixes before VEX */
		if (i->prefixes & INSN_LOCK || i->vex || (legacy_1 && (op == 0x8e || op == 0)))
			return true;
		/* UD0, UD1, UD2 have names; MOV CRn with n reserved; VIA's own; EXTRQ from memory */
		return i->map == INSN_MAP_0F && (op == 0xff || op == 0xb9 || op == 0x0b || (op & 0xfc) == 0x20 ||
						 op == 0xa6 || op == 0xa7 || op == 0x78);
	}
	return false;
}

static void compare(enum m m, cs_mode mode, uint64_t seed, unsigned rounds)
{
	unsigned bad = 0, both = 0;
	csh h;
	cs_insn *ci;

	assert_int_equal(cs.open(CS_ARCH_X86, mode, &h), CS_ERR_OK);
	ci = cs.malloc(h);
	for (unsigned k = 0; k < rounds; k++) {
		uint8_t b[16];
		const uint8_t *p = b;
		size_t n = 15;
		uint64_t addr = 0;
		struct insn i;
		unsigned len;
		int rc;

		random_bytes(&seed, b);
		rc = decode(&i, b, 15, m);
		len = cs.disasm(h, &p, &n, &addr, ci) ? ci->size : 0;
		both += rc == 0 && len;
		if ((rc ? 0 : i.len) == len || known_difference(&i, rc, len))
			continue;
		if (bad++ < 40) {
			fprintf(stderr, "mode %d:", m);
			for (unsigned x = 0; x < 15; x++)
				fprintf(stderr, " %02x", b[x]);
			fprintf(stderr, ": we %d, capstone %u (%s %s)\n", rc ?: i.len, len, len ? ci->mnemonic : "",
				len ? ci->op_str : "");
		}
	}
	cs.free(ci, 1);
	cs.close(&h);
	assert_int_equal(bad, 0);
	assert_true(both > rounds / 4); /* the comparison is about something */
}

static void test_against_capstone(void **state)
{
	if (!load_capstone())
		skip();
	compare(L64, CS_MODE_64, 1, 100000);
	compare(P32, CS_MODE_32, 2, 100000);
	compare(P16, CS_MODE_16, 3, 50000);
}
#else
static void test_against_capstone(void **state)
{
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_ea),
		cmocka_unit_test(test_against_capstone),
	};

	return cmocka_run_group_tests_name("insn", tests, NULL, NULL);
}
