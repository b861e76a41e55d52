/* guest: vcpus=2 timeout=60 */
/*
 * Every grant operation races with every other: two vCPUs grant, map, unmap, copy, swap, change versions and memory at random, all that the domain grants to itself or, with
 * "peer" on the command line, to the domain other=N, which does the same. "dies": in the midst of it. In the end nothing is in use and no mark is left: what
 * came to pass meanwhile is said by operation, but not how often.
 */
#include "lib/grants.h"

#define STEPS 12000u /* of each vCPU */
#define FIRST_REF 8u
#define NR_REFS 16u
#define DATA 0x340ul /* gfns of what is granted */
#define NR_DATA 8u
#define WINDOW 0x360ul /* gfns where it is mapped; memory is 4 MiB */
#define MINE 8u	       /* mappings each vCPU remembers, each at a place of its own */
#define NR_WINDOW (2 * MINE)
#define PATIENCE 120000000000ull /* ns until the other domain must have let go */

enum operation { MAP, UNMAP, COPY, SWAP, SET_VERSION, GET_VERSION, QUERY, SETUP_TABLE, STATUS_FRAMES, NR_OPERATIONS };

static const char *const names[] = { "map",	    "unmap", "copy",	    "swap",	    "set_version",
				     "get_version", "query", "setup_table", "status frames" };

struct mapping {
	uint32_t handle;
	unsigned long addr; /* 0: none */
};

static struct racer {
	uint32_t seed;
	volatile struct mapping map[MINE];
	volatile unsigned came[NR_OPERATIONS];
	volatile uint32_t highest; /* handle */
	volatile bool done;
} racers[2];

static void *table;
static uint16_t me, other;
static bool dies;

static uint32_t chance(struct racer *r, uint32_t n)
{
	r->seed = r->seed * 1664525u + 1013904223u;
	return (r->seed >> 8) % n;
}

static long gnt(unsigned op, void *arg)
{
	return hypercall3(HC_grant_table_op, op, arg, 1);
}

static uint32_t some_ref(struct racer *r)
{
	return FIRST_REF + chance(r, NR_REFS);
}

/* Write an entry by the one layout or the other, whichever there is just now, or take the permission back. */
static void grant(struct racer *r)
{
	volatile struct entry *e1 = (volatile struct entry *)table + some_ref(r);
	volatile struct entry2 *e2 = (volatile struct entry2 *)table + some_ref(r);
	uint16_t flags = (uint16_t)(PERMIT | (chance(r, 3) ? 0 : READONLY));
	unsigned long gfn = DATA + chance(r, NR_DATA);

	switch (chance(r, 6)) {
	case 0 ... 2:
		e1->dom = other;
		e1->frame = (uint32_t)gfn;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		e1->flags = flags;
		break;
	case 3:
		e1->flags = 0;
		break;
	case 4:
		e2->dom = other;
		e2->frame = gfn;
		e2->off = (uint16_t)chance(r, 4096);
		e2->len = (uint16_t)chance(r, 4096);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		e2->flags = (uint16_t)(flags | (chance(r, 4) ? 0 : SUB_PAGE));
		break;
	default:
		e2->flags = 0;
	}
}

static void end(struct racer *r, const volatile struct mapping *mapping)
{
	struct unmap u = { mapping->addr, 0, mapping->handle, 77 };

	gnt(1, &u);
	r->came[UNMAP] += u.status == 0;
}

/* Map at a place of this vCPU's own; what is there has gone before, by whomever. */
static void map(struct racer *r)
{
	unsigned i = chance(r, MINE);
	volatile struct mapping *mine = &r->map[i];
	unsigned long gfn = WINDOW + i + (r == &racers[1] ? MINE : 0);
	struct map m = { gfn << 12, 2 | (chance(r, 2) ? 4 : 0), some_ref(r), other, 77, 0, 0 };

	if (mine->addr)
		end(r, mine);
	mine->addr = 0;
	gnt(0, &m);
	if (m.status)
		return;
	if (m.handle > r->highest)
		r->highest = m.handle;
	mine->handle = m.handle;
	mine->addr = (unsigned long)m.host_addr;
	r->came[MAP]++;
}

/* End a mapping of either vCPU, if it is still what is remembered. */
static void unmap(struct racer *r)
{
	const volatile struct mapping *mapping = &racers[chance(r, 2)].map[chance(r, MINE)];

	if (mapping->addr)
		end(r, mapping);
}

static void copy(struct racer *r)
{
	struct copy c = { { some_ref(r), other, (uint16_t)chance(r, 4000) },
			  { DATA + chance(r, NR_DATA), SELF, (uint16_t)chance(r, 4000) },
			  (uint16_t)chance(r, 96),
			  1,
			  77 };
	struct copy_end from = c.from;

	if (chance(r, 2)) {
		c.from = c.to;
		c.to = from;
		c.flags = 2;
	}
	gnt(5, &c);
	r->came[COPY] += c.status == 0;
}

/* The arguments of the rest: all begin with the domain's number, but for those of swap and set_version. */
union question {
	struct {
		uint32_t a, b;
		int16_t status;
	} swap;
	uint32_t version;
	struct {
		uint16_t dom;
		uint32_t version;
	} get_version;
	struct {
		uint16_t dom;
		uint32_t nr, max;
		int16_t status;
	} query;
	struct {
		uint16_t dom;
		uint32_t nr;
		int16_t status;
		unsigned long list;
	} setup;
	struct {
		uint32_t nr;
		uint16_t dom;
		int16_t status;
		uint64_t list;
	} status_frames;
};

static void ask(struct racer *r)
{
	uint64_t list[4];
	union question q;

	memset(&q, 0, sizeof(q));
	switch (chance(r, 6)) {
	case 0:
		q.swap.a = some_ref(r);
		q.swap.b = some_ref(r);
		q.swap.status = 77;
		gnt(11, &q);
		r->came[SWAP] += q.swap.status == 0;
		break;
	case 1:
		q.version = 1 + chance(r, 2);
		r->came[SET_VERSION] += gnt(8, &q) == 0;
		break;
	case 2:
		q.get_version.dom = SELF;
		r->came[GET_VERSION] += gnt(10, &q) == 0;
		break;
	case 3:
		q.query.dom = SELF;
		gnt(6, &q);
		r->came[QUERY] += q.query.status == 0;
		break;
	case 4:
		q.setup.dom = SELF;
		q.setup.nr = 1;
		q.setup.status = 77;
		q.setup.list = (unsigned long)list;
		gnt(2, &q);
		r->came[SETUP_TABLE] += q.setup.status == 0;
		break;
	default:
		q.status_frames.dom = SELF;
		q.status_frames.nr = 1;
		q.status_frames.status = 77;
		q.status_frames.list = (unsigned long)list;
		gnt(9, &q);
		r->came[STATUS_FRAMES] += q.status_frames.status == 0;
	}
}

/* A page that may be granted or mapped is given back, and another comes in its place. */
static void exchange(struct racer *r)
{
	unsigned long gfn = DATA + chance(r, NR_DATA);

	mem_extent(1, gfn, 0, SELF);
	mem_extent(6, gfn, 0, SELF);
}

static void race(struct racer *r)
{
	for (unsigned i = 0; i < STEPS; i++) {
		if (dies && r == &racers[0] && i == STEPS / 3)
			shut_down(3);
		switch (chance(r, 16)) {
		case 0 ... 4:
			grant(r);
			break;
		case 5 ... 7:
			map(r);
			break;
		case 8 ... 9:
			unmap(r);
			break;
		case 10 ... 12:
			copy(r);
			break;
		case 13 ... 14:
			ask(r);
			break;
		default:
			if (chance(r, 8) == 0)
				exchange(r);
		}
	}
	r->done = true;
}

static void second(void)
{
	race(&racers[1]);
	for (;;)
		asm volatile("cli; hlt");
}

/* Whatever each handle stands for, wherever that is. */
static void unmap_all(void)
{
	uint32_t highest = racers[0].highest > racers[1].highest ? racers[0].highest : racers[1].highest;
	struct unmap u[NR_WINDOW];

	for (uint32_t handle = 0; handle <= highest; handle++) {
		for (unsigned i = 0; i < NR_WINDOW; i++)
			u[i] = (struct unmap){ (WINDOW + i) << 12, 0, handle, 77 };
		hypercall3(HC_grant_table_op, 1, u, NR_WINDOW);
	}
}

static void clear(void)
{
	volatile uint16_t *e = table;

	for (unsigned i = 0; i < 2 * (FIRST_REF + NR_REFS); i++)
		for (unsigned k = 0; k < 4; k++)
			e[4 * i + k] = 0;
}

/* Nothing is in use any more: then the version can change. The other domain lets go when it gets here, or at its end. */
static long let_go(void)
{
	uint64_t end = now(0) + PATIENCE;
	uint32_t version;
	long rc;

	do {
		sched_op(0, 0);
		version = 2;
		rc = gnt(8, &version);
		version = 1;
		if (!rc)
			rc = gnt(8, &version);
	} while (rc && now(0) < end);
	return rc;
}

static bool has_word(const char *word)
{
	for (const char *s = cmdline(); *s; s++)
		if (!memcmp(s, word, strlen(word)))
			return true;
	return false;
}

void guest_main(void)
{
	unsigned marks = 0;

	if (has_word("nothing"))
		return;
	apic_enable();
	shared_info();
	me = my_domid();
	other = has_word("peer") ? other_domain() : me;
	dies = has_word("dies");
	table = page_alloc(1);
	if ((unsigned long)page_alloc(1) >= DATA << 12)
		say("WRONG: no room\n");
	check_eq("place the table", mem_add(SELF, 1, 0, gfn_of(table)), 0);
	for (unsigned i = 0; i < NR_WINDOW; i++)
		mem_extent(1, WINDOW + i, 0, SELF);
	racers[0].seed = 1 + me;
	racers[1].seed = 7919 + me;
	smp_start(1, second);
	race(&racers[0]);
	while (!racers[1].done)
		sched_op(0, 0);
	unmap_all();
	clear();
	check_eq("both versions in the end", let_go(), 0);
	for (unsigned i = FIRST_REF; i < FIRST_REF + NR_REFS; i++)
		marks += ((volatile struct entry *)table)[i].flags != 0;
	check_eq("marks left", marks, 0);
	for (unsigned i = 0; i < NR_OPERATIONS; i++)
		if (racers[0].came[i] + racers[1].came[i])
			say("%s came to pass\n", names[i]);
	say("RACE over\n");
}
