/* guest: oracle=no compare=no */
/*
 * Guests that try to hurt the host. The first word of the command line says how: see modes[]. Every source of chance is seeded, so a run can be
 * repeated but for the order in which two vCPUs get their turns. What becomes of such a domain is its own business; the host
 * and the domain that only ticks must not notice.
 */
#include "lib/grants.h"

#ifdef __x86_64__

#define APIC_PAGE 0xfee00000ul
#define PLAY_GFN 0x340ul /* gfns that may come and go; memory is 4 MiB */
#define PLAY_NR 0x60u

static uint64_t seed;
static volatile bool stop;
static uint8_t *code, *data;

static uint32_t chance(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*s >> 33);
}

/* Running bytes that may raise exceptions ---------------------------------------------------- */

static uint64_t recover_ip, recover_sp;
static volatile unsigned vector_seen;

static void recover(struct frame *f)
{
	vector_seen = (unsigned)f->vector;
	f->ip = recover_ip;
	f->sp = recover_sp;
}

/* Call @at with the APIC's page in rbx, @c in rcx, @d in rdx; comes back by its RET or by an exception. */
static void run_at(const void *at, uint64_t a, uint64_t c, uint64_t d)
{
	register const void *r8 asm("r8") = at;
	uint64_t b = APIC_PAGE + 0x20, si = (uint64_t)data, di = (uint64_t)data + 2048;

	vector_seen = 0;
	asm volatile(
		"push %%rbp; push %%r15; lea 1f(%%rip), %%r15; mov %%r15, %[ip]; mov %%rsp, %[sp]; call *%%r8; 1: pop %%r15; pop %%rbp; cld"
		: "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), [ip] "=m"(recover_ip), [sp] "=m"(recover_sp)
		: "r"(r8)
		: "r9", "r10", "r11", "r12", "r13", "r14", "memory", "cc");
}

/* Random hypercalls -------------------------------------------------------------------------- */

static uint64_t odd_value(uint64_t *s)
{
	static const uint64_t fixed[] = { 0,
					  1,
					  2,
					  3,
					  ~0ull,
					  0x7ff0,
					  0x7ff1,
					  0x7ff2,
					  0x7fff,
					  4095,
					  4096,
					  0xd0000000,
					  0x100000000000,
					  0x800000000000,
					  0xffff800000000000,
					  1ull << 63,
					  0x7fffffff,
					  0xffffffff,
					  0xfee00000,
					  0xfeffc,
					  0xfefff };

	switch (chance(s) % 8) {
	case 0 ... 1:
		return chance(s) % 64;
	case 2:
		return fixed[chance(s) % (sizeof(fixed) / sizeof(fixed[0]))];
	case 3:
		return PLAY_GFN + chance(s) % PLAY_NR;
	case 4:
		return (uint64_t)data + chance(s) % 4096;
	case 5:
		return ram_end() - chance(s) % 64;
	case 6:
		return (uint64_t)chance(s) << 32 | chance(s);
	default:
		return (uint64_t)data + (chance(s) & 0xff8);
	}
}

static void random_calls(void)
{
	for (unsigned i = 0; i < 60000; i++) {
		unsigned nr = chance(&seed) % 8 ? chance(&seed) % 44 : chance(&seed), op = chance(&seed) % 36;
		uint64_t a[5];

		for (unsigned k = 0; k < 64; k++)
			((uint64_t *)data)[chance(&seed) % 512] = odd_value(&seed);
		for (unsigned k = 0; k < 5; k++)
			a[k] = odd_value(&seed);
		if (chance(&seed) % 4)
			a[0] = op;
		if (nr == HC_sched_op || nr == 6 || nr == HC_console_io || nr == HC_multicall)
			continue; /* ends or blocks this domain, or only talks */
		if (nr == HC_vcpu_op && (a[1] == 0 || (uint32_t)a[0] == 2))
			continue;
		hypercall(nr, a[0], a[1], a[2], a[3], a[4]);
	}
}

/* Odd instructions at odd places ------------------------------------------------------------- */

static const struct {
	uint8_t len, byte[15];
} odd[] = {
	{ 2, { 0x0f, 0xa2 } },
	{ 3, { 0x0f, 0x01, 0xd9 } },
	{ 2, { 0xe6, 0x80 } },
	{ 2, { 0x0f, 0x32 } },
	{ 2, { 0x0f, 0x30 } },
	{ 15, { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2 } },
	{ 13, { 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67, 0x66, 0x48, 0x40, 0x0f, 0x01, 0xd9 } },
	{ 8, { 0xf2, 0xf3, 0x66, 0x67, 0x2e, 0x65, 0x0f, 0x32 } },
	{ 4, { 0xf3, 0x67, 0x66, 0x6f } },		     /* rep outsw from [esi] */
	{ 3, { 0xf3, 0x48, 0x6c } },			     /* rep insb */
	{ 3, { 0xf0, 0xff, 0x03 } },			     /* lock inc dword [rbx] */
	{ 4, { 0x48, 0x0f, 0xb1, 0x0b } },		     /* cmpxchg [rbx], rcx */
	{ 4, { 0x0f, 0xc1, 0x4b, 0x01 } },		     /* xadd [rbx + 1], ecx */
	{ 4, { 0x0f, 0xc7, 0x0b, 0x90 } },		     /* cmpxchg8b [rbx] */
	{ 2, { 0xff, 0x33 } },				     /* push [rbx] */
	{ 2, { 0x8f, 0x03 } },				     /* pop [rbx] */
	{ 4, { 0x0f, 0xb6, 0x43, 0x03 } },		     /* movzx eax, byte [rbx + 3] */
	{ 5, { 0x66, 0x0f, 0xbe, 0x43, 0xff } },	     /* movsx ax, byte [rbx - 1] */
	{ 3, { 0x48, 0x8b, 0x03 } },			     /* mov rax, [rbx] */
	{ 3, { 0x48, 0x89, 0x03 } },			     /* mov [rbx], rax */
	{ 6, { 0xc7, 0x83, 0xdc, 0x0f, 0x00, 0x00 } },	     /* mov dword [rbx + fdc], next bytes */
	{ 7, { 0x48, 0x8b, 0x83, 0xdc, 0x0f, 0x00, 0x00 } }, /* mov rax, [rbx + fdc]: over the page's end */
	{ 7, { 0x48, 0x8b, 0x83, 0xdc, 0xff, 0xff, 0xff } }, /* mov rax, [rbx - 24]: over its start */
	{ 4, { 0x48, 0x0f, 0xab, 0x0b } },		     /* bts [rbx], rcx */
	{ 4, { 0x0f, 0xba, 0x2b, 0x05 } },		     /* bts dword [rbx], 5 */
	{ 3, { 0x0f, 0xae, 0x03 } },			     /* fxsave [rbx] */
	{ 3, { 0x0f, 0x28, 0x03 } },			     /* movaps xmm0, [rbx] */
	{ 2, { 0xd9, 0x03 } },				     /* fld dword [rbx] */
	{ 3, { 0x0f, 0x01, 0x03 } },			     /* sgdt [rbx] */
	{ 3, { 0x0f, 0x01, 0x3b } },			     /* invlpg [rbx] */
	{ 3, { 0x48, 0x87, 0x0b } },			     /* xchg [rbx], rcx */
	{ 2, { 0xf7, 0x33 } },				     /* div dword [rbx] */
	{ 3, { 0x80, 0x03, 0x01 } },			     /* add byte [rbx], 1 */
	{ 6, { 0x53, 0x5f, 0xf3, 0x48, 0xab, 0x90 } },	     /* push rbx; pop rdi; rep stosq */
	{ 6, { 0x53, 0x5e, 0xf3, 0xa4, 0x90, 0x90 } },	     /* push rbx; pop rsi; rep movsb */
	{ 2, { 0xff, 0xe3 } },				     /* jmp rbx: run the APIC's page */
	{ 3, { 0x0f, 0x08, 0x90 } },			     /* invd */
	{ 3, { 0x0f, 0x09, 0x90 } },			     /* wbinvd */
	{ 3, { 0x0f, 0x01, 0xd8 } },			     /* vmrun */
	{ 3, { 0x0f, 0x01, 0xdc } },			     /* stgi */
	{ 3, { 0x0f, 0x01, 0xd1 } },			     /* xsetbv */
	{ 3, { 0x0f, 0x01, 0xc8 } },			     /* monitor */
	{ 3, { 0x0f, 0x01, 0xc9 } },			     /* mwait */
	{ 3, { 0x0f, 0x22, 0xc0 } },			     /* mov cr0, rax */
	{ 3, { 0x0f, 0x22, 0xe0 } },			     /* mov cr4, rax */
	{ 4, { 0x44, 0x0f, 0x22, 0xc0 } },		     /* mov cr8, rax */
	{ 3, { 0x0f, 0x23, 0xf8 } },			     /* mov dr7, rax */
	{ 2, { 0x0f, 0x33 } },				     /* rdpmc */
	{ 3, { 0x0f, 0x01, 0xf9 } },			     /* rdtscp */
	{ 2, { 0xcd, 0x80 } },				     /* int 80 */
	{ 1, { 0xf1 } },				     /* icebp */
	{ 2, { 0x0f, 0xaa } },				     /* rsm */
};
#define NR_ODD (sizeof(odd) / sizeof(odd[0]))

/* xAPIC mode, in which the APIC's page works. */
static void xapic_mode(void)
{
	wrmsr(0x1b, rdmsr(0x1b) & ~0xc00ull);
	wrmsr(0x1b, (rdmsr(0x1b) & ~0x400ull) | 0x800);
}

/* The seed chooses the instruction, for one may well end its domain. */
static void odd_instructions(void)
{
	unsigned i = (unsigned)(seed % NR_ODD);

	xapic_mode();
	for (unsigned round = 0; round < 200; round++) {
		uint64_t a = odd_value(&seed), c = round & 1 ? 0x20 : odd_value(&seed);
		uint64_t d = round & 2 ? 0xe8 : odd_value(&seed) & 0xffff;

		if (odd[i].byte[0] == 0xf3 || odd[i].byte[2] == 0xf3)
			c &= 0x3f;
		memcpy(code, odd[i].byte, odd[i].len);
		code[odd[i].len] = 0xc3;
		if (i == 20)
			memcpy(code + 6, "\1\2\3\4\xc3", 5);
		run_at(code, a, c, d);
	}
}

/* The instruction @which begins @before bytes before the end of RAM: what follows is not there. */
static void at_the_end(unsigned which, unsigned before)
{
	uint8_t *at = (uint8_t *)ram_end() - before;

	memcpy(at, odd[which].byte, before < odd[which].len ? before : odd[which].len);
	say("at the end of RAM: instruction %u, %u bytes of it\n", which, before);
	run_at(at, 0, 0x10, 0xe8);
	say("came back by vector %u\n", vector_seen);
}

/* Page tables of our own: entry @i of level-4 table. */
extern uint64_t page_top[512];

static void map_high(uint64_t va, uint64_t pa)
{
	uint64_t *pdpt = page_alloc(1), *pd = page_alloc(1), *pt = page_alloc(1);

	if (page_top[va >> 39 & 511] & 1)
		pdpt = (uint64_t *)(page_top[va >> 39 & 511] & ~0xfffull);
	pdpt[va >> 30 & 511] = (uint64_t)pd | 3;
	pd[va >> 21 & 511] = (uint64_t)pt | 3;
	pt[va >> 12 & 511] = pa | 3;
	page_top[va >> 39 & 511] = (uint64_t)pdpt | 3;
	asm volatile("mov %0, %%cr3" : : "r"(page_top) : "memory");
}

static void at_the_edge(void)
{
	/* The last page below 4 GiB and the last canonical one below the hole: the next instruction is nowhere. */
	static const uint64_t last[] = { 0xfffff000, 0x7ffffffff000, 0xfffffffffffff000 };

	*(volatile uint8_t *)0 = 0xc3; /* where the last one leads to */
	for (unsigned i = 0; i < 3; i++) {
		map_high(last[i], (uint64_t)code);
		for (unsigned k = 0; k < 5; k++) {
			unsigned len = odd[k].len;

			memset(code, 0x90, 4096);
			memcpy(code + 4096 - len, odd[k].byte, len);
			run_at((void *)(last[i] + 4096 - len), 17, 0x10, 0xe8);
			memcpy(code + 4095, odd[k].byte, 1);
			run_at((void *)(last[i] + 4095), 17, 0x10, 0xe8);
		}
	}
}

static void page_table_loops(void)
{
	/* The top table is its own entry 256 and 511; others lead to nothing, to the APIC, beyond the physical address width. */
	page_top[256] = page_top[511] = (uint64_t)page_top | 3;
	page_top[300] = 0xd0000003;
	page_top[301] = 0xfee00003;
	page_top[302] = 0x000ffffffffff003;
	page_top[303] = (uint64_t)page_top | 0x83;
	asm volatile("mov %0, %%cr3" : : "r"(page_top) : "memory");
	for (unsigned i = 250; i < 512; i++)
		for (unsigned k = 0; k < 16; k++) {
			uint64_t va = 0xffff000000000000 | (uint64_t)i << 39 | (uint64_t)(i & (k & 1 ? 511 : 0)) << 30 |
				      (uint64_t)(i & (k & 2 ? 511 : 0)) << 21 |
				      (uint64_t)(i & (k & 4 ? 511 : 0)) << 12 | (k & 8 ? 0xff8 : 0);

			if (i != 256 && i != 511)
				hypercall2(HC_xen_version, 1, va); /* writes */
			hypercall2(HC_event_channel_op, EV_send, va);
			hypercall2(HC_multicall, va, 3);
			run_at((void *)va, 0, 0x10, 0xe8);
		}
	say("now without page tables\n");
	asm volatile("mov %0, %%cr3; vmmcall" : : "r"(0xd0000000ul), "a"(17ul), "D"(0ul) : "memory");
}

/* Two vCPUs at once -------------------------------------------------------------------------- */

static volatile unsigned rounds;

static void rewriter(void)
{
	static const uint8_t variant[][3] = { { 0x0f, 0xa2, 0x90 }, { 0x0f, 0x32, 0x90 }, { 0xee, 0x90, 0x90 },
					      { 0xec, 0x90, 0x90 }, { 0x0f, 0x01, 0xd9 }, { 0x8b, 0x03, 0x90 },
					      { 0x89, 0x03, 0x90 }, { 0x0f, 0x09, 0x90 }, { 0x87, 0x0b, 0x90 },
					      { 0x0f, 0x08, 0x90 }, { 0x0f, 0x31, 0x90 }, { 0x66, 0xee, 0x90 } };
	uint64_t s = seed + 1;

	while (!stop) {
		const uint8_t *v = variant[chance(&s) % 12];

		/* Byte by byte, so that mixtures are seen too. */
		for (unsigned i = 0; i < 3; i++)
			*(volatile uint8_t *)(code + 100 + i) = v[i];
		rounds++;
	}
	for (;;)
		asm volatile("cli; hlt");
}

static void rewritten_code(void)
{
	unsigned faults = 0, n = 0;

	memset(code, 0x90, 4096);
	memset(code + 103, 0xc3, 4096 - 103); /* a mixture may be longer than three bytes */
	smp_start(1, rewriter);
	xapic_mode();
	while (n < 150000) {
		run_at(code + 100, 17, 0x10, 0xe8);
		faults += vector_seen != 0;
		n++;
	}
	stop = true;
	say("rewritten %u times, ran %u times, %u faults\n", rounds, n, faults);
}

static void balloon_one(uint64_t *s)
{
	unsigned long gfns[16];
	struct mem_reservation r = { gfns, 1 + chance(s) % 16, 0, 0, SELF };

	for (unsigned i = 0; i < 16; i++)
		gfns[i] = PLAY_GFN + chance(s) % PLAY_NR;
	switch (chance(s) % 8) {
	case 0 ... 2:
		mem_op(1, &r); /* decrease */
		break;
	case 3 ... 4:
		mem_op(6, &r); /* populate */
		break;
	case 5:
		mem_add(SELF, chance(s) % 5, chance(s) % 4, gfns[0]);
		break;
	case 6:
		mem_add(SELF, 2, gfns[1], gfns[0]); /* move */
		break;
	default:
		mem_remove(SELF, gfns[0]);
		break;
	}
	*(volatile uint8_t *)data = 1;
}

static void balloon_other(void)
{
	uint64_t s = seed + 12345;

	while (!stop)
		balloon_one(&s);
	rounds = 1;
	for (;;)
		asm volatile("cli; hlt");
}

static void balloon(void)
{
	smp_start(1, balloon_other);
	for (unsigned i = 0; i < 60000; i++)
		balloon_one(&seed);
	stop = true;
	while (!rounds)
		asm volatile("pause");
}

/* Events and grants, against a peer that does the same ------------------------------------------ */

static volatile struct entry *table;

static long gnt(unsigned op, void *arg)
{
	return hypercall3(HC_grant_table_op, op, arg, 1);
}

static void peer_one(uint64_t *s)
{
	uint16_t other = chance(s) % 8 ? other_domain() : SELF;
	uint32_t ref = 8 + chance(s) % 16, port = chance(s) % 64;
	unsigned long gfn = PLAY_GFN + chance(s) % PLAY_NR;

	switch (chance(s) % 14) {
	case 0:
		ev_unbound(SELF, other);
		break;
	case 1:
		ev_interdomain(other, port);
		break;
	case 2:
		ev_port_op(EV_close, port);
		break;
	case 3:
		ev_ipi(chance(s) % 3);
		break;
	case 4 ... 5:
		ev_port_op(EV_send, port);
		break;
	case 6: {
		struct ev_bind_vcpu b = { port, chance(s) % 2 };

		ev_op(EV_bind_vcpu, &b);
		break;
	}
	case 7:
		if (chance(s) % 64 == 0) {
			uint16_t dom = SELF;

			ev_op(EV_reset, &dom);
		}
		break;
	case 8 ... 9:
		table[ref] = (struct entry){ (uint16_t)(chance(s) % 4 ? 1 | (chance(s) & 4) : chance(s)), other,
					     (uint32_t)gfn };
		break;
	case 10: {
		struct map m = { gfn << 12, 2 | (chance(s) & 5), ref, other, 77, 0, 0 };

		gnt(0, &m);
		if (m.status == 0 && chance(s) % 8) {
			struct unmap u = { gfn << 12, 0, m.handle, 77 };

			gnt(1, &u);
		}
		break;
	}
	case 11: {
		struct unmap u = { gfn << 12, 0, chance(s) % 8, 77 };

		gnt(1, &u);
		break;
	}
	case 12: {
		struct copy c = { { ref, other, (uint16_t)(chance(s) % 4097) },
				  { gfn, SELF, 0 },
				  (uint16_t)(chance(s) % 4097),
				  1,
				  77 };

		gnt(5, &c);
		break;
	}
	default:
		balloon_one(s);
	}
}

static void peer_other(void)
{
	uint64_t s = seed + 999;

	while (!stop)
		peer_one(&s);
	rounds = 1;
	for (;;)
		asm volatile("cli; hlt");
}

static void peers(void)
{
	table = page_alloc(1);
	mem_add(SELF, 1, 0, gfn_of(table));
	smp_start(1, peer_other);
	for (unsigned i = 0; i < 80000; i++)
		peer_one(&seed);
	stop = true;
	while (!rounds)
		asm volatile("pause");
}

/* The victim --------------------------------------------------------------------------------- */

static void tick(void)
{
	uint32_t port, *pattern = page_alloc(64);
	unsigned n = 0;

	shared_info();
	port = (uint32_t)ev_virq(0, 0);
	for (unsigned i = 0; i < 64 * 1024; i++)
		pattern[i] = i * 2654435761u;
	for (;;) {
		struct vcpu_singleshot t = { now(0) + 200000000, 0 };
		struct sched_poll p = { &port, 1, 0 };

		vcpu_op(8, 0, &t);
		while (!event_pending(port))
			sched_op(3, &p);
		event_clear(port);
		for (unsigned i = 0; i < 64 * 1024; i++)
			if (pattern[i] != i * 2654435761u) {
				say("WRONG: memory changed at %u\n", i);
				shut_down(3);
			}
		if (n++ % 5 == 0)
			say("TICK %u\n", n);
	}
}

static void end_insn_cpuid(void)
{
	at_the_end(0, 1);
}
static void end_insn_call(void)
{
	at_the_end(1, 2);
}
static void end_insn_out(void)
{
	at_the_end(2, 1);
}
static void end_insn_rdmsr(void)
{
	at_the_end(3, 1);
}
static void end_insn_whole(void)
{
	at_the_end(1, 3);
}
static void end_insn_prefixes(void)
{
	at_the_end(5, 14);
}
static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*fn)(void);
} modes[] = {
	{ "tick", tick },
	{ "calls", random_calls },
	{ "odd", odd_instructions },
	{ "edge", at_the_edge },
	{ "loops", page_table_loops },
	{ "code", rewritten_code },
	{ "balloon", balloon },
	{ "peer", peers },
	{ "end0", end_insn_cpuid },
	{ "end1", end_insn_call },
	{ "end2", end_insn_out },
	{ "end3", end_insn_rdmsr },
	{ "end4", end_insn_whole },
	{ "end5", end_insn_prefixes },
	{ "nothing", nothing },
};

void guest_main(void)
{
	const char *how = cmdline();

	for (const char *s = how; *s; s++)
		if (!memcmp(s, "seed=", 5))
			for (s += 5; *s >= '0' && *s <= '9'; s++)
				seed = seed * 10 + (uint64_t)(*s - '0');
	code = page_alloc(1);
	data = page_alloc(1);
	apic_enable();
	for (unsigned v = 0; v < 32; v++)
		if (v != 2 && v != 8 && memcmp(how, "tick", 4))
			set_vector(v, recover);
	set_vector(0x80, recover);
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!memcmp(how, modes[i].name, strlen(modes[i].name)) && (how[strlen(modes[i].name)] | 32) == ' ') {
			modes[i].fn();
			say("ENEMY %s done\n", modes[i].name);
			return;
		}
	say("WRONG: no such mode\n");
}

#else

void guest_main(void)
{
	say("only for 64 bits\n");
}

#endif
