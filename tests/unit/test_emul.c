/*
 * The MMIO emulator against the processor this runs on: each generated instruction is executed natively on ordinary memory
 * and emulated on a copy; registers, flags and memory must agree. Protects flags, partial registers, bit offsets, REP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "emul/mmio.h"
#include "hv/errno.h"
#include "hv/string.h"

#define BUF 4096
#define MID 2048

/* State the trampoline loads before and stores after the instruction: gpr[16], rflags. RSP is not loaded. */
struct native {
	uint64_t gpr[16], rflags;
};

extern const uint8_t tramp_head[], tramp_head_end[], tramp_tail[], tramp_tail_end[];
__asm__(".text\n"
	"tramp_head:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"push 128(%rdi); popfq\n"
	"mov (%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx; mov 40(%rdi), %rbp\n"
	"mov 48(%rdi), %rsi; mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
	"mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15; mov 56(%rdi), %rdi\n"
	"tramp_head_end:\n"
	"tramp_tail:\n"
	"xchg %rdi, (%rsp)\n"
	"mov %rax, (%rdi); mov %rcx, 8(%rdi); mov %rdx, 16(%rdi); mov %rbx, 24(%rdi); mov %rbp, 40(%rdi)\n"
	"mov %rsi, 48(%rdi); mov %r8, 64(%rdi); mov %r9, 72(%rdi); mov %r10, 80(%rdi); mov %r11, 88(%rdi)\n"
	"mov %r12, 96(%rdi); mov %r13, 104(%rdi); mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
	"pushfq; pop 128(%rdi); pop 56(%rdi); cld\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	"tramp_tail_end:\n");

static struct {
	uint64_t seed;
	uint8_t *code;
	uint8_t *mem;	   /* what the native instruction sees */
	uint8_t copy[BUF]; /* what the emulator sees, at the same addresses */
	unsigned reads, writes;
	int fail_after; /* accesses until an error, -1 never */
} t;

static uint64_t rnd(void)
{
	t.seed = t.seed * 6364136223846793005UL + 1442695040888963407UL;
	return t.seed >> 32 ^ t.seed << 17;
}

static int access_check(uint64_t addr, unsigned size)
{
	assert_true(addr >= (uintptr_t)t.mem && addr + size <= (uintptr_t)t.mem + BUF);
	assert_true(size == 1 || size == 2 || size == 4 || size == 8);
	if (t.fail_after == 0)
		return -EFAULT;
	t.fail_after -= t.fail_after > 0;
	return 0;
}

static int mem_read(void *ctx, uint64_t addr, unsigned size, uint64_t *val)
{
	if (access_check(addr, size))
		return -EFAULT;
	*val = 0;
	memcpy(val, t.copy + (addr - (uintptr_t)t.mem), size);
	t.reads++;
	return 0;
}

static int mem_write(void *ctx, uint64_t addr, unsigned size, uint64_t val)
{
	if (access_check(addr, size))
		return -EFAULT;
	memcpy(t.copy + (addr - (uintptr_t)t.mem), &val, size);
	t.writes++;
	return 0;
}

static const struct mmio_ops ops = { mem_read, mem_write };

static int setup(void **state)
{
	t.mem = mmap(NULL, BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t.code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t.seed = 42;
	t.fail_after = -1;
	return t.mem == MAP_FAILED || t.code == MAP_FAILED;
}

__attribute__((no_sanitize("undefined"))) static void run_native(struct native *n, const uint8_t *insn, unsigned len)
{
	uint8_t *p = t.code;

	memcpy(p, tramp_head, (size_t)(tramp_head_end - tramp_head));
	p += tramp_head_end - tramp_head;
	memcpy(p, insn, len);
	memcpy(p + len, tramp_tail, (size_t)(tramp_tail_end - tramp_tail));
	((void (*)(struct native *))(void *)t.code)(n);
}

/* Values near the edges are more interesting than random ones. */
static uint64_t interesting(void)
{
	static const uint64_t edges[] = { 0,
					  1,
					  0x7f,
					  0x80,
					  0xff,
					  0x7fff,
					  0x8000,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  0x7fffffffffffffff,
					  0x8000000000000000,
					  ~0UL };

	return rnd() % 2 ? edges[rnd() % ARRAY_SIZE(edges)] : rnd();
}

#define FLAGS 0x8d5UL
#define AF 0x10UL
#define CF 0x01UL

/* Run @len bytes of @code both ways from @start; compare, of the flags only @flags. */
static void both(const uint8_t *code, unsigned len, const struct native *start, uint64_t flags)
{
	struct native n = *start;
	struct guest_regs r = { .rip = 0x1000, .rflags = start->rflags };
	struct segment segs[NR_SEGS] = { 0 };
	struct insn i;
	int rc, rounds = 0;

	memcpy(r.gpr, start->gpr, sizeof(r.gpr));
	memcpy(t.copy, t.mem, BUF);
	rc = insn_decode(&i, code, len, CPU_MODE_LONG, true);
	if (rc || i.len != len)
		goto bad;
	do
		rc = mmio_emulate(&i, &r, segs, &ops, NULL);
	while (rc == 0 && r.rip == 0x1000 && rounds++ < 100);
	if (rc || r.rip != 0x1000 + len)
		goto bad;
	run_native(&n, code, len);
	n.gpr[REG_RSP] = r.gpr[REG_RSP];
	if (memcmp(n.gpr, r.gpr, sizeof(n.gpr)) || memcmp(t.mem, t.copy, BUF) || (n.rflags ^ r.rflags) & flags)
		goto bad;
	return;
bad:
	for (unsigned k = 0; k < len; k++)
		fprintf(stderr, "%02x ", code[k]);
	fprintf(stderr, ": rc %d len %u rip %lx flags native %lx emulated %lx start %lx mem differs %d\n", rc, i.len,
		r.rip, n.rflags & FLAGS, r.rflags & FLAGS, start->rflags & FLAGS, memcmp(t.mem, t.copy, BUF));
	for (unsigned k = 0; k < 16; k++)
		fprintf(stderr, "r%u: start %lx native %lx emulated %lx\n", k, start->gpr[k], n.gpr[k], r.gpr[k]);
	fail();
}

static struct native random_start(void)
{
	struct native n;

	for (unsigned k = 0; k < 16; k++)
		n.gpr[k] = interesting();
	n.gpr[REG_RDI] = (uintptr_t)t.mem + MID;
	n.rflags = 0x202 | (rnd() & FLAGS);
	for (unsigned k = 0; k < 16; k++) {
		uint64_t v = interesting();

		memcpy(t.mem + MID - 64 + 8 * k, &v, 8);
	}
	return n;
}

struct code {
	uint8_t b[16];
	unsigned n;
};

/* Prefixes for a random operand size; returns it. */
static unsigned size_prefix(struct code *c, bool byte, unsigned *reg)
{
	unsigned kind = rnd() % 3;
	uint8_t rex = 0;

	*reg = rnd() % 16;
	if (kind == 0 && !byte)
		c->b[c->n++] = 0x66;
	if (kind == 1 && !byte)
		rex = 0x48;
	if (*reg >= 8)
		rex |= 0x44;
	if (byte && rnd() % 2)
		rex |= 0x40;
	if ((*reg & 15) == REG_RSP && (!byte || rex)) /* the trampoline needs RSP */
		*reg = REG_RBP;
	if (rex)
		c->b[c->n++] = rex;
	return byte ? 1 : kind == 0 ? 2 : kind == 1 ? 8 : 4;
}

/* ModRM for [rdi], [rdi + disp8] or [rdi + disp32]. */
static void memory(struct code *c, unsigned reg)
{
	unsigned mod = rnd() % 3;
	int32_t disp = mod == 0 ? 0 : (int)(rnd() % 32) - 16;

	c->b[c->n++] = (uint8_t)(mod << 6 | (reg & 7) << 3 | REG_RDI);
	if (mod == 1)
		c->b[c->n++] = (uint8_t)disp;
	if (mod == 2) {
		memcpy(c->b + c->n, &disp, 4);
		c->n += 4;
	}
}

static void immediate(struct code *c, unsigned size)
{
	uint64_t v = interesting();

	size = size == 8 ? 4 : size;
	memcpy(c->b + c->n, &v, size);
	c->n += size;
}

/* One-byte opcode @op, extension @ext (-1: a register), immediate of operand size if @imm, of one byte if @imm8. */
static void try_1(uint8_t op, int ext, bool byte, bool imm, bool imm8, uint64_t flags)
{
	for (unsigned k = 0; k < 200; k++) {
		struct code c = { .n = 0 };
		struct native n = random_start();
		unsigned reg, size = size_prefix(&c, byte, &reg);

		c.b[c.n++] = op;
		memory(&c, ext < 0 ? reg : (unsigned)ext);
		if (imm || imm8)
			immediate(&c, imm8 ? 1 : size);
		both(c.b, c.n, &n, flags);
	}
}

static void test_alu(void **state)
{
	for (unsigned op = 0; op < 8; op++) {
		bool is_logic = op == 1 || op == 4 || op == 6;
		uint64_t flags = is_logic ? FLAGS & ~AF : FLAGS;

		for (unsigned form = 0; form < 4; form++)
			try_1((uint8_t)(op * 8 + form), -1, !(form & 1), false, false, flags);
		try_1(0x80, (int)op, true, true, false, flags);
		try_1(0x81, (int)op, false, true, false, flags);
		try_1(0x83, (int)op, false, false, true, flags);
	}
	try_1(0x84, -1, true, false, false, FLAGS & ~AF);
	try_1(0x85, -1, false, false, false, FLAGS & ~AF);
	for (int ext = 0; ext < 4; ext++) {
		try_1(0xf6, ext, true, ext < 2, false, ext < 2 ? FLAGS & ~AF : FLAGS);
		try_1(0xf7, ext, false, ext < 2, false, ext < 2 ? FLAGS & ~AF : FLAGS);
	}
	for (int ext = 0; ext < 2; ext++) {
		try_1(0xfe, ext, true, false, false, FLAGS);
		try_1(0xff, ext, false, false, false, FLAGS);
	}
}

static void test_mov(void **state)
{
	for (unsigned op = 0x86; op <= 0x8b; op++)
		try_1((uint8_t)op, -1, !(op & 1), false, false, FLAGS);
	try_1(0x63, -1, false, false, false, FLAGS);
	try_1(0xc6, 0, true, true, false, FLAGS);
	try_1(0xc7, 0, false, true, false, FLAGS);
	for (unsigned k = 0; k < 400; k++) {
		struct code c = { .n = 0 };
		struct native n = random_start();
		uint64_t addr = (uintptr_t)t.mem + MID;
		unsigned reg;
		bool byte = rnd() % 2;

		size_prefix(&c, byte, &reg);
		c.b[c.n++] = (uint8_t)(0xa0 + (rnd() % 2 ? 2 : 0) + !byte);
		memcpy(c.b + c.n, &addr, 8);
		c.n += 8;
		both(c.b, c.n, &n, FLAGS);
	}
}

static void try_0f(uint8_t op, int ext, bool byte, bool imm8, uint64_t flags)
{
	for (unsigned k = 0; k < 200; k++) {
		struct code c = { .n = 0 };
		struct native n = random_start();
		unsigned reg;

		size_prefix(&c, byte, &reg);
		c.b[c.n++] = 0x0f;
		c.b[c.n++] = op;
		if (ext < 0 && (op & 0xc7) == 0x83 && op < 0xc0) {
			/* BT family with a register: a bit within the buffer, rdi is the base itself */
			reg = reg == REG_RDI ? REG_RSI : reg;
			n.gpr[reg] = rnd() % 8192 - 4096;
			if (rnd() % 4 == 0) /* only 16 bits of it may count: keep them small */
				n.gpr[reg] = (n.gpr[reg] & 0xfff) | (rnd() << 32);
			if (c.b[0] != 0x66 && !(c.b[0] & 8 && c.b[0] >> 4 == 4))
				n.gpr[reg] = (n.gpr[reg] & 0xffffffff);
			else if (c.b[0] != 0x66)
				n.gpr[reg] = rnd() % 8192 - 4096;
		}
		memory(&c, ext < 0 ? reg : (unsigned)ext);
		if (imm8)
			c.b[c.n++] = (uint8_t)rnd();
		if ((op == 0xb0 || op == 0xb1) && rnd() % 2)
			memcpy(&n.gpr[REG_RAX], t.mem + MID, 8);
		both(c.b, c.n, &n, flags);
	}
}

static void test_0f(void **state)
{
	static const uint8_t bits[] = { 0xa3, 0xab, 0xb3, 0xbb };

	for (unsigned cc = 0; cc < 16; cc++)
		try_0f((uint8_t)(0x90 + cc), -1, true, false, FLAGS);
	for (unsigned k = 0; k < 4; k++) {
		try_0f(bits[k], -1, false, false, CF);
		try_0f(0xba, (int)k + 4, false, true, CF);
	}
	try_0f(0xb0, -1, true, false, FLAGS);
	try_0f(0xb1, -1, false, false, FLAGS);
	try_0f(0xc0, -1, true, false, FLAGS);
	try_0f(0xc1, -1, false, false, FLAGS);
	try_0f(0xb6, -1, false, false, FLAGS);
	try_0f(0xb7, -1, false, false, FLAGS);
	try_0f(0xbe, -1, false, false, FLAGS);
	try_0f(0xbf, -1, false, false, FLAGS);
}

static void test_strings(void **state)
{
	static const uint8_t opcodes[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad };

	for (unsigned k = 0; k < 3000; k++) {
		struct code c = { .n = 0 };
		struct native n = random_start();
		uint8_t op = opcodes[rnd() % 6];
		unsigned reg;

		n.gpr[REG_RSI] = (uintptr_t)t.mem + MID + (rnd() % 128) - 64; /* may overlap */
		n.gpr[REG_RCX] = rnd() % 200;
		if (rnd() % 2)
			n.rflags |= 0x400;
		if (rnd() % 2)
			c.b[c.n++] = rnd() % 2 ? 0xf3 : 0xf2;
		size_prefix(&c, !(op & 1), &reg);
		c.b[c.n++] = op;
		both(c.b, c.n, &n, FLAGS | 0x400);
	}
}

/* Errors of a callback leave registers alone, but keep what a REP has done; bounds of one call. */
static void test_errors(void **state)
{
	static const uint8_t add[] = { 0x01, 0x07 }, rep_movsb[] = { 0xf3, 0xa4 }, movaps[] = { 0x0f, 0x28, 0x07 };
	static const uint8_t push[] = { 0xff, 0x37 };
	struct native n = random_start();
	struct guest_regs r = { .rip = 7, .rflags = 2 }, before;
	struct segment segs[NR_SEGS] = { 0 };
	struct insn i;

	memcpy(r.gpr, n.gpr, sizeof(r.gpr));
	before = r;
	assert_int_equal(insn_decode(&i, add, sizeof(add), CPU_MODE_LONG, true), 0);
	for (t.fail_after = 0; t.fail_after < 2; t.fail_after++) {
		int left = t.fail_after;

		assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), -EFAULT);
		assert_memory_equal(&r, &before, sizeof(r));
		t.fail_after = left;
	}
	t.fail_after = -1;
	assert_int_equal(insn_decode(&i, movaps, sizeof(movaps), CPU_MODE_LONG, true), 0);
	assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), -EOPNOTSUPP);
	assert_int_equal(insn_decode(&i, push, sizeof(push), CPU_MODE_LONG, true), 0);
	assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), -EOPNOTSUPP);
	assert_memory_equal(&r, &before, sizeof(r));

	assert_int_equal(insn_decode(&i, rep_movsb, sizeof(rep_movsb), CPU_MODE_LONG, true), 0);
	r.gpr[REG_RSI] = (uintptr_t)t.mem;
	r.gpr[REG_RCX] = 1000;
	t.fail_after = 7; /* the write of the fourth element fails */
	assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), -EFAULT);
	assert_int_equal(r.gpr[REG_RCX], 997);
	assert_int_equal(r.gpr[REG_RSI], (uintptr_t)t.mem + 3);
	assert_int_equal(r.gpr[REG_RDI], (uintptr_t)t.mem + MID + 3);
	assert_int_equal(r.rip, 7);
	t.fail_after = -1;
	t.reads = 0;
	assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), 0);
	assert_int_equal(t.reads, MMIO_MAX_REPS);
	assert_int_equal(r.gpr[REG_RCX], 997 - MMIO_MAX_REPS);
	assert_int_equal(r.rip, 7);
}

static void test_legacy_modes(void **state)
{
	static const uint8_t mov32[] = { 0x8b, 0x07 }, stos[] = { 0x67, 0xf3, 0xab };
	struct guest_regs r = { .rip = 0xfffffffe };
	struct segment segs[NR_SEGS] = { 0 };
	struct insn i;

	memcpy(t.copy, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	segs[SEG_DS].base = (uintptr_t)t.mem; /* too high for 32 bits: only the arithmetic is looked at */
	assert_int_equal(insn_decode(&i, mov32, 2, CPU_MODE_PROT, true), 0);
	assert_int_equal(insn_ea(&i, &r, segs), (uint32_t)(uintptr_t)t.mem);
	r.gpr[REG_RCX] = 0x10000; /* CX = 0: nothing to do */
	r.gpr[REG_RDI] = 0x1ffff;
	assert_int_equal(insn_decode(&i, stos, 3, CPU_MODE_PROT, true), 0);
	assert_int_equal(mmio_emulate(&i, &r, segs, &ops, NULL), 0);
	assert_int_equal(r.rip, 1);
	assert_int_equal(r.gpr[REG_RDI], 0x1ffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alu),	cmocka_unit_test(test_mov),    cmocka_unit_test(test_0f),
		cmocka_unit_test(test_strings), cmocka_unit_test(test_errors), cmocka_unit_test(test_legacy_modes),
	};

	return cmocka_run_group_tests_name("emul", tests, setup, NULL);
}
