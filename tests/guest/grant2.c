/* Grant tables of version 2: status words, parts of pages, transitive entries, and what a change of version keeps. All grants go to the domain itself. */
#include "lib/grants.h"

#define ME 0x7fff	   /* stands for this domain's number in tables of cases */
#define STATUS 0x80000000u /* index of add_to_physmap: status frames */

static void *table;
static volatile uint16_t *status;

static volatile struct entry2 *entry2(unsigned ref)
{
	return (volatile struct entry2 *)table + ref;
}

static volatile struct entry *entry1(unsigned ref)
{
	return (volatile struct entry *)table + ref;
}

static long gnt(unsigned op, void *arg)
{
	return hypercall3(HC_grant_table_op, op, arg, 1);
}

static void set_version(uint32_t version)
{
	uint32_t v = version;

	showf(gnt(8, &v), "set_version %u", version);
	say("version now %u\n", v);
}

static void frames(void)
{
	struct {
		uint16_t dom, pad;
		uint32_t nr, max;
		int16_t status;
	} q = { .dom = SELF };

	gnt(6, &q);
	say("frames %u of %u\n", q.nr, q.max);
}

static void place(const char *what, unsigned long idx, void *at)
{
	showf(mem_add(SELF, 1, idx, gfn_of(at)), "place %s", what);
}

static void copies(uint8_t *from, uint8_t *to)
{
	static const struct {
		const char *what;
		uint16_t from_off, to_off, len, flags;
		uint32_t from_ref, to_ref;
	} cases[] = {
		{ "a whole page", 0, 0, 4096, 3, 20, 21 },
		{ "to a read-only grant", 0, 0, 64, 2, 0, 22 },
		{ "a part, all of it", 100, 0, 50, 1, 23, 0 },
		{ "the middle of a part", 110, 0, 20, 1, 23, 0 },
		{ "before a part", 99, 0, 50, 1, 23, 0 },
		{ "behind a part", 101, 0, 50, 1, 23, 0 },
		{ "nothing before a part", 99, 0, 0, 1, 23, 0 },
		{ "nothing at the end of a part", 150, 0, 0, 1, 23, 0 },
		{ "nothing behind a part", 151, 0, 0, 1, 23, 0 },
		{ "over the page's end of a part", 4090, 0, 50, 1, 23, 0 },
		{ "to a part", 0, 100, 50, 2, 0, 23 },
		{ "to behind a part", 0, 120, 50, 2, 0, 23 },
		{ "a part of no length", 0, 0, 1, 1, 24, 0 },
		{ "a part longer than the page", 4000, 0, 96, 1, 25, 0 },
		{ "a part of nothing", 0, 0, 1, 1, 26, 0 },
		{ "transitive to oneself", 0, 0, 64, 1, 30, 0 },
		{ "transitive to nobody", 0, 0, 64, 1, 31, 0 },
		{ "transitive to SELF", 0, 0, 64, 1, 32, 0 },
		{ "transitive for another", 0, 0, 64, 1, 33, 0 },
		{ "an entry for transfers", 0, 0, 64, 1, 34, 0 },
		{ "an unused entry", 0, 0, 64, 1, 35, 0 },
		{ "the last entry", 0, 0, 64, 1, 255, 0 },
		{ "an entry behind the last", 0, 0, 64, 1, 256, 0 },
		{ "an entry of a page far away", 0, 0, 64, 1, 36, 0 },
		{ "bad on both sides", 0, 0, 64, 3, 35, 256 },
		{ "beyond the page from a bad entry", 4000, 0, 400, 1, 35, 0 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct copy c = { { cases[i].flags & 1 ? cases[i].from_ref : gfn_of(from), SELF, cases[i].from_off },
				  { cases[i].flags & 2 ? cases[i].to_ref : gfn_of(to), SELF, cases[i].to_off },
				  cases[i].len,
				  cases[i].flags,
				  77 };
		unsigned same = 0;

		for (unsigned b = 0; b < 4096; b++)
			from[b] = (uint8_t)(b * 7 + i), to[b] = 0;
		showf(gnt(5, &c), "copy %s", cases[i].what);
		if (c.status == 0 && !(cases[i].flags & 2))
			while (same < c.len && to[c.to.offset + same] == from[c.from.offset + same])
				same++;
		say("copy %s: status %d same %u\n", cases[i].what, c.status, same);
	}
	for (unsigned ref = 20; ref < 37; ref++)
		if (status[ref] || entry2(ref)->flags & 0x18)
			say("entry %u is left with marks %x, flags %x\n", ref, status[ref], entry2(ref)->flags);
}

static void maps(uint8_t *page)
{
	static const uint32_t refs[] = { 23, 30, 34, 35, 256, 22 };

	for (unsigned i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		struct map m = { gfn_of(page) << 12, 2, refs[i], my_domid(), 77, 0, 0 };

		showf(gnt(0, &m), "map of entry %u", refs[i]);
		say("status %d marks %x\n", m.status, refs[i] < 256 ? status[refs[i]] : 0);
	}
}

static void swap(uint32_t a, uint32_t b)
{
	struct {
		uint32_t a, b;
		int16_t status;
	} s = { a, b, 77 };

	showf(gnt(11, &s), "swap %u %u", a, b);
	say("status %d, flags %x %x\n", s.status, entry2(a & 255)->flags, entry2(b & 255)->flags);
}

static void fill(uint8_t *from, uint8_t *to)
{
	uint16_t me = my_domid();

	*entry2(20) = (struct entry2){ PERMIT | READONLY, me, 0, 0, gfn_of(from) };
	*entry2(21) = (struct entry2){ PERMIT, me, 1, 2, gfn_of(to) };
	*entry2(22) = (struct entry2){ PERMIT | READONLY, me, 0, 0, gfn_of(to) };
	*entry2(23) = (struct entry2){ PERMIT | SUB_PAGE, me, 100, 50, gfn_of(from) };
	*entry2(24) = (struct entry2){ PERMIT | SUB_PAGE, me, 0, 0, gfn_of(from) };
	*entry2(25) = (struct entry2){ PERMIT | SUB_PAGE, me, 4000, 0xffff, gfn_of(from) };
	*entry2(26) = (struct entry2){ PERMIT | SUB_PAGE, me, 0, 10, 0xd0000 };
	*entry2(30) = (struct entry2){ TRANSITIVE, me, me, 0, 20 };
	*entry2(31) = (struct entry2){ TRANSITIVE, me, 0x1234, 0, 20 };
	*entry2(32) = (struct entry2){ TRANSITIVE, me, SELF, 0, 20 };
	*entry2(33) = (struct entry2){ TRANSITIVE, 0x1234, me, 0, 20 };
	*entry2(34) = (struct entry2){ ACCEPT, me, 0, 0, gfn_of(from) };
	*entry2(36) = (struct entry2){ PERMIT, me, 0, 0, 1ull << 44 };
}

/* What of the reserved entries survives, and that the others do not. */
static void versions(uint8_t *page)
{
	uint16_t me = my_domid();

	*entry2(7) = (struct entry2){ PERMIT | READONLY, me, 0, 0, gfn_of(page) };
	*entry2(6) = (struct entry2){ PERMIT | SUB_PAGE, me, 5, 6, gfn_of(page) };
	*entry2(5) = (struct entry2){ ACCEPT, me, 0, 0, gfn_of(page) };
	*entry2(4) = (struct entry2){ PERMIT, me, 0, 0, 1ull << 32 };
	set_version(1);
	*entry2(4) = (struct entry2){ TRANSITIVE, me, me, 0, 7 };
	set_version(1);
	*entry2(4) = (struct entry2){ 0, me, 0, 0, 1ull << 32 };
	set_version(1);
	for (unsigned ref = 4; ref < 8; ref++)
		say("entry %u: %x %u %u\n", ref, entry1(ref)->flags, entry1(ref)->dom == me,
		    entry1(ref)->frame == gfn_of(page));
	for (unsigned ref = 8; ref < 512; ref++)
		if (entry1(ref)->flags)
			say("entry %u: %x\n", ref, entry1(ref)->flags);
	say("status there: %u\n", status[0] != 0xffff);
	place("status frame 0 in version 1", STATUS, (void *)status);
	*entry1(5) = (struct entry){ TRANSITIVE | READONLY, me, 9 };
	*entry1(9) = (struct entry){ PERMIT, me, 9 };
	set_version(2);
	for (unsigned ref = 4; ref < 8; ref++)
		say("entry %u: %x %u %u\n", ref, entry2(ref)->flags, entry2(ref)->dom == me,
		    entry2(ref)->frame == gfn_of(page));
	say("entry 9: %x\n", entry2(9)->flags);
	place("status frame 0 again", STATUS, (void *)status);
	say("marks %x\n", status[7]);
}

void guest_main(void)
{
	uint8_t *from = page_alloc(1), *to = page_alloc(1), *other = page_alloc(1);

	table = page_alloc(1);
	status = page_alloc(1);
	place("status frame 0 before version 2", STATUS, (void *)status);
	place("the table", 0, table);
	*entry1(20) = (struct entry){ PERMIT, my_domid(), (uint32_t)gfn_of(from) };
	set_version(2);
	frames();
	say("entry 20: %x\n", entry2(10)->flags | entry2(20)->flags);
	place("status frame 0", STATUS, (void *)status);
	place("status frame 1", STATUS | 1, other);
	frames();
	place("status frame 7", STATUS | 7, other);
	frames();
	place("status frame 8", STATUS | 8, other);
	place("status frame -1", ~0u, other);
	place("table frame 63", 63, other);
	place("table frame 64", 64, other);
	fill(from, to);
	copies(from, to);
	maps(other);
	swap(20, 40);
	swap(23, 23);
	swap(23, 100000);
	swap(40, 20);
	versions(from);
}
