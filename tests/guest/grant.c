/* grant_table_op: sizes, versions, mapping and copying with good and bad arguments. Grants go to the domain itself where real Xen allows. */
#include "lib/grants.h"

#define ME 0x7fff /* stands for this domain's number in tables of cases */

static volatile struct entry *table;

static long gnt(unsigned op, void *arg, unsigned n)
{
	return hypercall3(HC_grant_table_op, op, arg, n);
}

static long query(unsigned op, uint16_t dom)
{
	struct {
		uint16_t dom, pad;
		uint32_t value[2];
		int16_t status;
	} q = { .dom = dom };
	long rc = gnt(op, &q, 1);

	if (op == 6)
		say("op 6: frames %u max %u status %d\n", q.value[0], q.value[1], q.status);
	else
		say("op %u: value %u\n", op, q.value[0]);
	return rc;
}

static void sizes(void)
{
	uint32_t version;
	struct {
		uint16_t dom;
		uint32_t nr;
		int16_t status;
		unsigned long *frames;
	} setup = { SELF, 1, 0, 0 };
	static unsigned long frames[64];

	show("query_size", query(6, SELF));
	show("query_size of domain 0", query(6, other_domain()));
	show("query_size of nobody", query(6, 0x1234));
	show("get_version", query(10, SELF));
	show("get_version of nobody", query(10, 0x1234));
	for (version = 0; version < 4; version++) {
		uint32_t v = version;

		showf(gnt(8, &v, 1), "set_version %u", version);
		say("version now %u\n", v);
	}
	version = 1;
	show("set_version 1", gnt(8, &version, 1));
	setup.frames = frames;
	show("setup_table", gnt(2, &setup, 1));
	say("setup status %d\n", setup.status);
	setup.nr = 65;
	show("setup_table too many", gnt(2, &setup, 1));
	say("setup status %d\n", setup.status);
	setup.nr = 1;
	setup.dom = 0x1234;
	show("setup_table of nobody", gnt(2, &setup, 1));
	say("setup status %d\n", setup.status);
	setup.dom = other_domain();
	show("setup_table of domain 0", gnt(2, &setup, 1));
	say("setup status %d\n", setup.status);
}

static void copies(uint8_t *from, uint8_t *to)
{
	static const struct {
		const char *what;
		uint16_t from_off, to_off, len, flags;
		uint32_t from_ref, to_ref;
		uint16_t from_dom, to_dom;
	} cases[] = {
		{ "gfn to gfn", 0, 0, 64, 0, 0, 0, SELF, SELF },
		{ "grant to gfn", 0, 0, 64, 1, 20, 0, SELF, SELF },
		{ "gfn to grant", 0, 0, 64, 2, 0, 21, SELF, SELF },
		{ "grant to grant", 5, 9, 100, 3, 20, 21, SELF, SELF },
		{ "to a read-only grant", 0, 0, 64, 2, 0, 20, SELF, SELF },
		{ "of no bytes", 0, 0, 0, 3, 20, 21, SELF, SELF },
		{ "a whole page", 0, 0, 4096, 3, 20, 21, SELF, SELF },
		{ "over the end", 1, 0, 4096, 3, 20, 21, SELF, SELF },
		{ "to over the end", 0, 1, 4096, 3, 20, 21, SELF, SELF },
		{ "offset of a page", 4096, 0, 1, 3, 20, 21, SELF, SELF },
		{ "from an unused entry", 0, 0, 64, 1, 30, 0, SELF, SELF },
		{ "from entry 100000", 0, 0, 64, 1, 100000, 0, SELF, SELF },
		{ "from entry -1", 0, 0, 64, 1, ~0u, 0, SELF, SELF },
		{ "from a grant to another", 0, 0, 64, 1, 22, 0, SELF, SELF },
		{ "from a grant of nothing", 0, 0, 64, 1, 23, 0, SELF, SELF },
		{ "grant of nobody", 0, 0, 64, 1, 20, 0, 0x1234, SELF },
		{ "grant by number", 0, 0, 64, 1, 20, 0, ME, SELF },
		{ "to a grant by number", 0, 0, 64, 2, 0, 21, SELF, SELF },
		{ "unknown flag", 0, 0, 64, 0x8001, 20, 0, SELF, SELF },
	};
	struct copy c;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned same = 0;

		for (unsigned b = 0; b < 4096; b++)
			from[b] = (uint8_t)(b * 7 + i), to[b] = 0;
		c = (struct copy){ { cases[i].flags & 1 ? cases[i].from_ref : gfn_of(from),
				     cases[i].from_dom == ME ? my_domid() : cases[i].from_dom, cases[i].from_off },
				   { cases[i].flags & 2 ? cases[i].to_ref : gfn_of(to), cases[i].to_dom,
				     cases[i].to_off },
				   cases[i].len,
				   cases[i].flags,
				   77 };
		showf(gnt(5, &c, 1), "copy %s", cases[i].what);
		while (same < cases[i].len && cases[i].from_off + same < 4096 && cases[i].to_off + same < 4096 &&
		       to[cases[i].to_off + same] == from[cases[i].from_off + same])
			same++;
		say("copy %s: status %d copied %d\n", cases[i].what, c.status, same == cases[i].len && same);
	}
	say("flags %x %x\n", table[20].flags, table[21].flags);
	c.from.ref_or_gfn = 0xd0000;
	c.from.dom = SELF;
	c.flags = 0;
	show("copy from nothing", gnt(5, &c, 1));
	say("status %d\n", c.status);
}

static void maps(uint8_t *page)
{
	static const uint32_t flags[] = { 0, 1, 2, 3, 4, 6, 8, 10, 18, 34, 0x102 };
	struct map m;
	struct unmap u;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		m = (struct map){ gfn_of(page) << 12, flags[i], 30, my_domid(), 77, 0, 0 };
		showf(gnt(0, &m, 1), "map of an unused entry, flags %x", flags[i]);
		say("status %d\n", m.status);
	}
	m = (struct map){ gfn_of(page) << 12, 2, 100000, my_domid(), 77, 0, 0 };
	show("map of entry 100000", gnt(0, &m, 1));
	say("status %d\n", m.status);
	m = (struct map){ gfn_of(page) << 12, 2, 22, my_domid(), 77, 0, 0 };
	show("map of a grant to another", gnt(0, &m, 1));
	say("status %d\n", m.status);
	m = (struct map){ gfn_of(page) << 12, 2, 21, SELF, 77, 0, 0 };
	show("map by SELF", gnt(0, &m, 1));
	say("status %d\n", m.status);
	m = (struct map){ gfn_of(page) << 12, 2, 21, 0x1234, 77, 0, 0 };
	show("map of nobody's", gnt(0, &m, 1));
	say("status %d\n", m.status);
	m = (struct map){ gfn_of(page) << 12, 2, 21, 0x7ff2, 77, 0, 0 };
	show("map of Xen's", gnt(0, &m, 1));
	say("status %d\n", m.status);
	for (unsigned i = 0; i < 3; i++) {
		u = (struct unmap){ gfn_of(page) << 12, 0, i == 0 ? 0 : i == 1 ? 5000 : ~0u, 77 };
		showf(gnt(1, &u, 1), "unmap of handle %u", u.handle);
		say("status %d\n", u.status);
	}
}

static void bad(void)
{
	static uint64_t zero[32];

	for (unsigned op = 0; op < 16; op++)
		if (op != 4) {
			showf(gnt(op, NOWHERE, 1), "op %u nowhere", op);
			showf(gnt(op, UNMAPPED, 1), "op %u unmapped", op);
			showf(gnt(op, zero, 0), "op %u of none", op);
			if (op < 2 || op == 5 || op == 6 || op == 8 || op == 10 || op == 11)
				showf(gnt(op, zero, ~0u), "op %u of -1", op);
		}
	show("op -1", gnt(~0u, zero, 1));
}

void guest_main(void)
{
	uint8_t *from = page_alloc(1), *to = page_alloc(1), *window = page_alloc(1);

	sizes();
	table = page_alloc(1);
	check_eq("map the table", mem_add(SELF, 1, 0, gfn_of(table)), 0);
	show("query_size", query(6, SELF));
	/* Entries 0 and 1 belong to the toolstack. */
	say("entry 20 is %x\n", table[20].flags);
	table[20] = (struct entry){ 1 | 4, my_domid(), (uint32_t)gfn_of(from) };
	table[21] = (struct entry){ 1, my_domid(), (uint32_t)gfn_of(to) };
	table[22] = (struct entry){ 1, 0x1234, (uint32_t)gfn_of(to) };
	table[23] = (struct entry){ 1, my_domid(), 0xd0000 };
	copies(from, to);
	maps(window);
	bad();
}
