/* guest: oracle=no compare=no */
/*
 * Hypercalls at random, and the neighbour who must not notice. The first word of the command line says which: "calls seed=S number=N start=MS" makes N calls from system
 * time start on, one at a time and in multicalls, from a seed, so that a run can be repeated; before that it only computes for a while. "ticks number=N start=MS" measures how late its timer is
 * when it is alone, beside those that compute, and N times beside those that call.
 *
 * What the calls are given lies in the last pages of RAM, and those below this program are given back. So an array that is longer than what is behind its start ends with a fault:
 * it costs no more than some hundred elements, and its answers do not overwrite this program, which is to make all its calls.
 */
#include "lib/ops.h"

#ifdef __x86_64__

#define PLAY_GFN 0x340ul /* gfns that may come and go; memory is 4 MiB */
#define PLAY_NR 0x60u
#define FIRST_GFN 0x100ul /* of this program: guest.lds */
#define BATCH 63u
#define TICKS 400u
#define TICKS_MAX 16384u
#define COMPUTING 200000000ull /* nanoseconds before the calls begin */
#define ARENA_PAGES 4u
#define PROGRESS (1u << 20) /* calls from one line about it to the next */

static uint64_t seed, number, start;
static uint8_t *data, *memory_structures; /* in the arena at the end of RAM */

static uint32_t chance(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static uint64_t option(const char *name)
{
	uint64_t n = 0;

	for (const char *s = cmdline(); *s; s++)
		if (!memcmp(s, name, strlen(name)) && s[strlen(name)] == '=')
			for (s += strlen(name) + 1; *s >= '0' && *s <= '9'; s++)
				n = n * 10 + (uint64_t)(*s - '0');
	return n;
}

/* Random calls ----------------------------------------------------------------------------------- */

/* Calls of the hypervisor's table, and how many operations their first argument names; @not: those that would only end or stop this domain. */
static const struct {
	uint8_t nr, ops;
	uint64_t not ;
} calls[] = {
	{ 7, 1, 0 },
	{ HC_memory_op, 29, 0 },
	{ HC_multicall, 1, 0 },
	{ HC_set_timer_op, 1, 0 },
	{ HC_xen_version, 12, 0 },
	{ HC_console_io, 2, 1 << 0 },
	{ HC_grant_table_op, 14, 0 },
	{ HC_vm_assist, 3, 0 },
	{ HC_vcpu_op, 15, 1 << 2 },
	{ HC_sched_op, 9, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 },
	{ HC_event_channel_op, 15, 0 },
	{ HC_physdev_op, 34, 0 },
	{ HC_hvm_op, 26, 0 },
	{ HC_sysctl, 1, 0 },
	{ HC_domctl, 1, 0 },
	{ 41, 3, 0 },  /* dm_op */
	{ 42, 4, 0 },  /* hypfs_op */
	{ 63, 23, 0 }, /* hospes_op */
};
#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

static uint64_t called[NR_CALLS]; /* a bit for each operation */
static bool answered[NR_CALLS];	  /* with anything but -ENOSYS */

static uint64_t odd_value(void)
{
	static const uint64_t fixed[] = { 0,	      1,	  2,	      3,
					  ~0ull,      0x7ff0,	  0x7ff1,     0x7ff2,
					  4095,	      4096,	  0xd0000000, 0x100000000000,
					  1ull << 63, 0x7fffffff, 0xffffffff, 0xffff800000000000,
					  0x7fff };

	switch (chance(8)) {
	case 0 ... 1:
		return chance(64);
	case 2:
		return fixed[chance(sizeof(fixed) / sizeof(fixed[0]))];
	case 3:
		return PLAY_GFN + chance(PLAY_NR);
	case 4:
		return ram_end() - chance(64);
	case 5:
		return (uint64_t)chance(1u << 31) << 33 | chance(1u << 31);
	default:
		return (uint64_t)data + (chance(4096) & 0xff8);
	}
}

/*
 * Structures of memory_op lie apart, where nothing else is written and each is made as a whole: they would take this program's own memory away if not kept to a few
 * pages at a time, whichever operation comes to read them.
 */
static uint64_t memory_structure(void)
{
	uint64_t *words = (uint64_t *)memory_structures + chance(80) * 6;

	for (unsigned k = 0; k < 6; k++)
		words[k] = odd_value();
	((uint16_t *)words)[1] = (uint16_t)chance(4); /* gfns to move */
	((uint32_t *)words)[4] = chance(3);	      /* order of extents */
	return (uint64_t)words;
}

/* The next call: which of calls[], and its arguments. Its structure lies somewhere in the data page, where a few words change each time. */
static unsigned choose(uint64_t *a)
{
	unsigned i = chance(NR_CALLS), op = chance(calls[i].ops), at = chance(500);

	while (calls[i].not >> op & 1)
		op = chance(calls[i].ops);
	for (unsigned k = 0; k < 6; k++)
		((uint64_t *)data)[at + k] = odd_value();
	for (unsigned k = 0; k < 5; k++)
		a[k] = odd_value();
	if (calls[i].ops > 1)
		a[0] = op + (calls[i].nr == 63 ? 16 * (op < 16) : 0);
	if (chance(8))
		a[calls[i].ops > 1] = (uint64_t)data + at * 8;
	if (calls[i].nr == HC_memory_op)
		a[1] = chance(16) ? memory_structure() : (uint64_t)NOWHERE;
	if (calls[i].nr == HC_vcpu_op)
		a[1] = chance(4), a[2] = (uint64_t)data + at * 8;
	if (calls[i].nr == HC_grant_table_op && chance(4))
		a[2] = chance(8);	 /* a count that is worked off */
	if (calls[i].nr == HC_multicall) /* of what is not from here: only empty ones, and those that are nowhere */
		a[0] = (uint64_t)NOWHERE, a[1] = chance(3);
	called[i] |= 1ull << op;
	return i;
}

static void one_call(void)
{
	uint64_t a[5];
	unsigned i = choose(a);

	answered[i] |= hypercall(calls[i].nr, a[0], a[1], a[2], a[3], a[4]) != -38;
}

static void many_calls(void)
{
	static struct multicall m[BATCH];
	unsigned which[BATCH];

	for (unsigned k = 0; k < BATCH; k++) {
		uint64_t a[5];

		which[k] = choose(a);
		m[k] = (struct multicall){ calls[which[k]].nr, 0, { a[0], a[1], a[2], a[3], a[4] } };
	}
	hypercall2(HC_multicall, m, BATCH);
	for (unsigned k = 0; k < BATCH; k++)
		answered[which[k]] |= (long)m[k].result != -38;
}

/* Pages that the calls may lose lie below the arena, this program below both, and nothing below that. */
static void find_arena(void)
{
	uint64_t arena = ram_end() - ARENA_PAGES * PAGE;

	for (unsigned long g = 0; g < FIRST_GFN; g++)
		mem_extent(1, g, 0, SELF);
	if (arena < (PLAY_GFN + PLAY_NR + 4) * PAGE || (uint64_t)page_alloc(1) >= PLAY_GFN * PAGE) {
		say("WRONG: no room to play in\n");
		shut_down(3);
	}
	memory_structures = (uint8_t *)arena;
	data = memory_structures + PAGE;
}

/* As every kernel does: each time it gives way to others, its area is written, in the way that shows a half-written one. */
static void register_runstate(void)
{
	uint64_t area = (uint64_t)memory_structures;

	check_eq("runstate area", vcpu_op(5, 0, &area), 0);
	check_eq("its update flag", hypercall2(HC_vm_assist, 0, 5), 0);
}

static unsigned bits(uint64_t word)
{
	unsigned n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

static void make_calls(void)
{
	unsigned long first = (unsigned long)seed;
	unsigned ops = 0, reached = 0;

	find_arena();
	say("FUZZ seed %lu\n", first);
	register_runstate();
	sleep_until((uint32_t)ev_virq(0, 0), start - COMPUTING);
	while (now(0) < start)
		asm volatile("pause");
	for (uint64_t n = 0; n < number; n += BATCH + 1) {
		one_call();
		many_calls();
		if (n / PROGRESS != (n + BATCH + 1) / PROGRESS)
			say("FUZZ seed %lu made %lu calls\n", first, n + BATCH + 1);
	}
	for (unsigned i = 0; i < NR_CALLS; i++) {
		ops += calls[i].ops - bits(calls[i].not );
		reached += bits(called[i]);
	}
	say("FUZZ answered");
	for (unsigned i = 0; i < NR_CALLS; i++)
		if (answered[i])
			say(" %u", calls[i].nr);
	say("\nFUZZ seed %lu done: %lu calls, %u of %u operations\n", first, number, reached, ops);
}

/* The neighbour ------------------------------------------------------------------------------------ */

static uint32_t late[TICKS_MAX];

/* How many nanoseconds late each of @nr timers is that are a third of a millisecond apart. */
static void measure(unsigned nr, uint32_t port)
{
	for (unsigned i = 0; i < nr; i++)
		late[i] = sleep_until(port, now(0) + 300000 + chance(100000));
}

/* Smallest first: Shell's way. */
static void sort_late(unsigned nr)
{
	for (unsigned gap = nr / 2; gap; gap = gap > 2 ? gap * 5 / 11 : gap / 2)
		for (unsigned i = gap; i < nr; i++) {
			uint32_t l = late[i];
			unsigned k = i;

			for (; k >= gap && late[k - gap] > l; k -= gap)
				late[k] = late[k - gap];
			late[k] = l;
		}
}

static void measure_and_say(const char *when, unsigned nr, uint32_t port)
{
	measure(nr, port);
	sort_late(nr);
	say("LATE %s: half %u p99 %u most %u ns\n", when, late[nr / 2], late[nr * 99 / 100], late[nr - 1]);
}

static void ticks(void)
{
	uint64_t nr = option("number");
	uint32_t port;

	shared_info();
	port = (uint32_t)ev_virq(0, 0);
	measure(TICKS, port); /* what comes for the first time */
	measure_and_say("alone", TICKS, port);
	if (now(0) > start - COMPUTING)
		say("WRONG: the others compute already\n");
	sleep_until(port, start - COMPUTING);
	measure_and_say("quiet", TICKS, port);
	if (now(0) > start)
		say("WRONG: the others call already\n");
	sleep_until(port, start);
	measure_and_say("busy", nr < TICKS_MAX ? (unsigned)nr : TICKS_MAX, port);
}

static void nothing(struct frame *f)
{
}

void guest_main(void)
{
	seed = option("seed");
	number = option("number");
	start = option("start") * 1000000;
	shared_info();
	set_vector(2, nothing);
	for (unsigned v = 32; v < 256; v++)
		set_vector(v, nothing); /* what it asks for at random */
	if (!memcmp(cmdline(), "ticks", 5))
		ticks();
	else
		make_calls();
}

#else

void guest_main(void)
{
	say("only for 64 bits\n");
}

#endif
