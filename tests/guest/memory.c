/* guest: memory=8 */
/* memory_op: mapping and unmapping of special pages, ballooning, orders, refusals, bad pointers. */
#include "lib/ops.h"

/* Gfns used are above RAM but below 4 GiB. */
#define HIGH 0x80000ul

static volatile unsigned long *at(unsigned long gfn)
{
	return (volatile unsigned long *)(gfn << 12);
}

static void special(void)
{
	volatile uint8_t *si = shared_info();

	show("shared_info again at the same place", mem_add(SELF, 0, 0, gfn_of(si)));
	si[2048] = 0xa5;
	show("shared_info moved above RAM", mem_add(SELF, 0, 0, HIGH));
	say("content moved: %x\n", (unsigned)(at(HIGH)[2048 / sizeof(long)] & 0xff));
	show("shared_info index 1", mem_add(SELF, 0, 1, HIGH + 1));
	show("remove it", mem_remove(SELF, HIGH));
	show("remove nothing", mem_remove(SELF, HIGH));
	say("nothing reads as %lx\n", at(HIGH)[0]);
	show("shared_info again", mem_add(SELF, 0, 0, HIGH));
	for (unsigned long i = 0; i < 3; i++)
		showf(mem_add(SELF, 1, i, HIGH + 16 + i), "grant frame %lu", i);
	show("grant frame 64", mem_add(SELF, 1, 64, HIGH + 20));
	show("grant frame -1", mem_add(SELF, 1, ~0ul, HIGH + 20));
	show("grant status frame 0", mem_add(SELF, 1, 0x80000000ul, HIGH + 21));
	for (unsigned s = 2; s < 8; s++)
		if (s != 3)
			showf(mem_add(SELF, s, 0xfffff0ul, HIGH + 22), "space %u bad index", s);
	show("space -1", mem_add(SELF, ~0u, 0, HIGH + 22));
	show("add for domain 0", mem_add(other_domain(), 0, 0, HIGH + 22));
	show("add for no domain", mem_add(0x1234, 0, 0, HIGH + 22));
	show("add for Xen", mem_add(0x7ff2, 0, 0, HIGH + 22));
	show("add at gfn -1", mem_add(SELF, 0, 0, ~0ul));
	show("remove for domain 0", mem_remove(other_domain(), HIGH));
	show("remove gfn -1", mem_remove(SELF, ~0ul));
}

static void gmfn(void)
{
	uint8_t *p = page_alloc(1);
	unsigned long gfn = gfn_of(p);

	p[0] = 0x77;
	show("gmfn moved", mem_add(SELF, 2, gfn, HIGH + 32));
	say("moved content %lx\n", at(HIGH + 32)[0]);
	say("old place %lx\n", at(gfn)[0]);
	show("gmfn back", mem_add(SELF, 2, HIGH + 32, gfn));
	say("content %x\n", p[0]);
	show("gmfn of nothing", mem_add(SELF, 2, HIGH + 32, HIGH + 33));
}

static void balloon(void)
{
	unsigned long gfn = gfn_of(page_alloc(8)), list[8];
	struct mem_reservation r = { list, 8, 0, 0, SELF };

	for (unsigned i = 0; i < 8; i++)
		list[i] = gfn + i;
	*at(gfn + 3) = 0x1234;
	show("decrease 8", mem_op(1, &r));
	say("gone: %lx\n", *at(gfn + 3));
	show("decrease them again", mem_op(1, &r));
	show("populate 8", mem_op(6, &r));
	check_eq("populated pages are ours", (*at(gfn + 3) = 0x4321, *at(gfn + 3)) == 0x4321, 1);
	show("populate populated", mem_extent(6, gfn, 0, SELF) >= 0 ? 0 : -1);
	list[4] = HIGH + 64;
	show("decrease with a hole", mem_op(1, &r));
	list[4] = gfn + 4;
	r.nr = 4;
	show("populate first half", mem_op(6, &r));
	list[3] = HIGH + 40;
	show("populate beyond the limit", mem_extent(6, HIGH + 64, 0, SELF) <= 1 ? 0 : -1);
	show("decrease order 1 unaligned", mem_extent(1, 0x601, 1, SELF));
	show("decrease order 9 of small pages", mem_extent(1, 0x400, 9, SELF));
	show("populate order 9", mem_extent(6, 0x400, 9, SELF));
	show("populate order 9 unaligned", mem_extent(6, 0x401, 9, SELF));
	show("populate order 10", mem_extent(6, HIGH, 10, SELF));
	show("populate order 18", mem_extent(6, HIGH, 18, SELF));
	show("populate order 32", mem_extent(6, HIGH, 32, SELF));
	show("populate order -1", mem_extent(6, HIGH, ~0u, SELF));
	show("decrease order 19", mem_extent(1, 0, 19, SELF));
	show("decrease order -1", mem_extent(1, 0, ~0u, SELF));
	show("decrease gfn -1", mem_extent(1, ~0ul, 0, SELF));
	show("populate gfn -1", mem_extent(6, ~0ul, 0, SELF));
	show("populate for domain 0", mem_extent(6, HIGH, 0, other_domain()));
	show("decrease for domain 0", mem_extent(1, HIGH, 0, other_domain()));
	show("populate for no domain", mem_extent(6, HIGH, 0, 0x1234));
	show("increase", mem_extent(0, HIGH, 0, SELF) >= 0 ? 0 : -1);
	r.nr = 1;
	r.extents = NOWHERE;
	show("populate list nowhere", mem_op(6, &r));
	show("decrease list nowhere", mem_op(1, &r));
	r.nr = 0;
	show("populate none", mem_op(6, &r));
	r.nr = ~0ul;
	show("populate -1 extents", mem_op(6, &r));
	show("decrease -1 extents", mem_op(1, &r));
	r.extents = 0;
	r.nr = 2;
	show("decrease NULL list", mem_op(1, &r) >= 0 ? 0 : -1);
}

static void queries(void)
{
	uint16_t dom = SELF;
	struct {
		uint32_t nr;
		void *buf;
	} map = { 0, 0 };
	static struct {
		uint64_t addr, size;
		uint32_t type;
	} __attribute__((packed)) e820[16];

	check_eq("maximum_ram_page > 0", mem_op(2, 0) > 0, 1);
	check_eq("current_reservation", mem_op(3, &dom) > 1900 && mem_op(3, &dom) < 2100, 1);
	check_eq("maximum_reservation", mem_op(4, &dom) >= 2048, 1);
	check_eq("maximum_gpfn", mem_op(14, &dom) > 2000, 1);
	dom = other_domain();
	show("current_reservation of 0", mem_op(3, &dom));
	show("maximum_gpfn of 0", mem_op(14, &dom));
	dom = 0x1234;
	show("current_reservation of nobody", mem_op(3, &dom));
	show("current_reservation nowhere", mem_op(3, NOWHERE));
	map.nr = 16;
	map.buf = e820;
	show("memory_map", mem_op(9, &map));
	check_eq("it has entries", map.nr > 0 && map.nr <= 16, 1);
	map.nr = 0;
	show("memory_map of no room", mem_op(9, &map));
	map.nr = 16;
	map.buf = NOWHERE;
	show("memory_map nowhere", mem_op(9, &map));
	map.nr = 1;
	show("machine_memory_map", mem_op(10, &map));
	show("memory_map from nowhere", mem_op(9, NOWHERE));
}

static void refused(void)
{
	static unsigned long arg[16];

	for (unsigned op = 10; op < 32; op++)
		if (op != 14 && op != 15) {
			memset(arg, 0, sizeof(arg));
			arg[0] = other_domain();
			showf(mem_op(op, arg), "op %u of domain 0", op);
		}
	for (unsigned op = 0; op < 32; op++)
		if (op != 2 && op != 18 && op != 19)
			showf(mem_op(op, NOWHERE), "op %u nowhere", op);
	show("op 63", mem_op(63, arg));
	show("op -1", mem_op(~0ul, arg));
}

void guest_main(void)
{
	special();
	gmfn();
	queries();
	balloon();
	refused();
}
