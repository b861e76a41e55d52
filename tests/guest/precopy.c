/* guest: oracle=no compare=no */
/*
 * Live copy of a running domain: `role=writer` writes all over its memory, itself and through hypercalls that answer there. `role=copier`, a control domain, maps
 * that memory, has the writer's dirty pages logged, copies what is dirty round after round, pauses it and copies the rest: then the copy must be right.
 */
#include "lib/ops.h"

#define DOMCTL_VERSION 0x15u
#define DOMCTL_destroydomain 2u
#define DOMCTL_pausedomain 3u
#define DOMCTL_unpausedomain 4u
#define DOMCTL_shadow_op 10u
#define SHADOW_OFF 0u
#define SHADOW_ENABLE_LOGDIRTY 2u
#define SHADOW_CLEAN 11u
#define SHADOW_PEEK 12u
#define SPACE_foreign 4u

#define PAGES 1024u	 /* of the writer: 4 MiB */
#define WINDOW 0x80000ul /* gfn where the copier maps them */
#define ROUNDS 40u
#define WORDS (PAGE / 4)

struct domctl {
	uint32_t cmd, version;
	uint16_t domain, pad[3];
	struct {
		uint32_t op, mode, mb, pad;
		uint64_t bitmap, pages;
		uint32_t faults, dirty;
	} u;
	uint8_t rest[128];
} __attribute__((aligned(8)));

struct batch {
	uint16_t dom, space, size, foreign;
	unsigned long *idxs, *gpfns;
	int *errs;
};

static uint8_t dirty[PAGES / 8];

static void writer(void)
{
	enum { MINE = 600 };
	uint32_t *mine = page_alloc(MINE), seed = 1;

	say("writer: begins\n");
	for (uint32_t i = 1;; i++) {
		uint32_t *p;

		seed = seed * 1664525u + 1013904223u;
		/* Mostly a few pages, now and then any. */
		p = mine + (i % 512 ? seed >> 8 & 15 : (seed >> 8) % MINE) * WORDS;
		p[seed >> 20 & (WORDS - 1)] = i;
		if (i % 64 == 0) /* get_runstate_info: the hypervisor writes */
			hypercall3(HC_vcpu_op, 4, 0, mine + (seed >> 10) % MINE * WORDS);
	}
}

static long control(uint32_t cmd, struct domctl *c)
{
	c->cmd = cmd;
	c->version = DOMCTL_VERSION;
	c->domain = other_domain();
	return hypercall1(HC_domctl, c);
}

static long shadow(uint32_t op, uint64_t pages)
{
	struct domctl c = { .u = { .op = op, .bitmap = pages ? (unsigned long)dirty : 0, .pages = pages } };
	long rc = control(DOMCTL_shadow_op, &c);

	return rc ? rc : (long)(pages ? c.u.pages : c.u.dirty);
}

static void map_all(void)
{
	unsigned long *idx = page_alloc(2), *gpfn = page_alloc(2);
	int *err = page_alloc(1);
	struct batch b = { SELF, SPACE_foreign, PAGES, other_domain(), idx, gpfn, err };
	unsigned bad = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		idx[i] = i;
		gpfn[i] = WINDOW + i;
	}
	check_eq("map the writer", mem_op(23, &b), 0);
	for (unsigned i = 0; i < PAGES; i++)
		bad += err[i] != 0;
	/* The hole below 1 MiB is no memory. */
	check_eq("most pages are mapped", bad <= 96, 1);
	for (unsigned i = 0; i < PAGES; i++)
		if (err[i])
			gpfn[i] = 0;
}

static const void *theirs(unsigned i)
{
	return (const void *)((WINDOW + i) << 12);
}

static unsigned copy_dirty(uint8_t *copy)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES; i++)
		if (dirty[i / 8] >> i % 8 & 1) {
			memcpy(copy + i * PAGE, theirs(i), PAGE);
			n++;
		}
	return n;
}

/* Off the CPU: an emulator may run both domains in one thread. */
static void sleep_us(unsigned us)
{
	struct sched_poll p = { 0, 0, now(0) + us * 1000ull };

	check_eq("sleep", sched_op(3, &p), 0);
}

static void copier(void)
{
	uint8_t *copy = page_alloc(PAGES);
	struct domctl c;
	unsigned n = 0, wrong = 0, all = 0;

	shared_info();
	map_all();
	check_eq("clean before it is on", shadow(SHADOW_CLEAN, PAGES), -22);
	check_eq("enable", shadow(SHADOW_ENABLE_LOGDIRTY, 0), 0);
	check_eq("enable again", shadow(SHADOW_ENABLE_LOGDIRTY, 0), -22);
	memset(dirty, 0xff, sizeof(dirty));
	copy_dirty(copy);
	for (unsigned round = 0; round < ROUNDS; round++) {
		sleep_us(100);
		if (shadow(SHADOW_CLEAN, PAGES) != PAGES)
			say("WRONG clean in round %u\n", round);
		n = copy_dirty(copy);
		all += n;
	}
	memset(&c, 0, sizeof(c));
	check_eq("pause", control(DOMCTL_pausedomain, &c), 0);
	check_eq("peek", shadow(SHADOW_PEEK, PAGES), PAGES);
	n = copy_dirty(copy);
	check_eq("the last clean", shadow(SHADOW_CLEAN, PAGES), PAGES);
	check_eq("tells the same", copy_dirty(copy), n);
	for (unsigned i = 0; i < PAGES; i++)
		wrong += memcmp(copy + i * PAGE, theirs(i), PAGE) != 0;
	check_eq("pages that differ", wrong, 0);
	check_eq("something was dirty, not everything", all > ROUNDS && all < ROUNDS * PAGES / 2, 1);
	check_eq("nothing is dirty now", shadow(SHADOW_CLEAN, PAGES), PAGES);
	check_eq("bits", copy_dirty(copy), 0);
	check_eq("off", shadow(SHADOW_OFF, 0), 0);
	memset(&c, 0, sizeof(c));
	check_eq("unpause", control(DOMCTL_unpausedomain, &c), 0);
	sleep_us(20000);
	for (unsigned i = 0, moved = 0; i <= PAGES; i++) {
		if (i == PAGES)
			check_eq("it writes on", moved > 0, 1);
		else
			moved += memcmp(copy + i * PAGE, theirs(i), PAGE) != 0;
	}
	/* Destroyed while mapped here: what is mapped stays readable. */
	memset(&c, 0, sizeof(c));
	while ((n = (unsigned)control(DOMCTL_destroydomain, &c)) == (unsigned)-85)
		;
	check_eq("destroy", n, 0);
	check_eq("still mapped",
		 *(const volatile uint8_t *)theirs(PAGES - 1) == *(const volatile uint8_t *)theirs(PAGES - 1), 1);
	for (unsigned i = 0; i < PAGES; i++)
		mem_remove(SELF, WINDOW + i);
	check_eq("unmapped", *(const volatile uint8_t *)theirs(PAGES - 1), 0xff);
	say("precopy: done, %u pages copied\n", all);
}

void guest_main(void)
{
	for (const char *s = cmdline(); *s; s++) {
		if (!memcmp(s, "role=writer", 11))
			writer();
		if (!memcmp(s, "role=copier", 11))
			copier();
	}
}
