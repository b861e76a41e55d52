/* guest: oracle=no compare=no only=64 */
/*
 * A domain with every role looks for what is not its own: all RAM of the machine that its map does not give it, what Hospes
 * drives itself, frames of the special domains, resources of nobody. limit=N on the command line: MiB of the machine's RAM.
 */
#include "lib/ops.h"

#ifdef __x86_64__

static unsigned long hole; /* a page of its own that it gave back */

struct memory_map {
	uint32_t nr;
	void *buf;
};
static struct {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed)) map[128];
static uint32_t nr_map;

static bool mapped_as(uint64_t at, uint32_t type)
{
	for (uint32_t i = 0; i < nr_map; i++)
		if (map[i].type == type && map[i].addr <= at && at < map[i].addr + map[i].size)
			return true;
	return false;
}

static unsigned long limit(void)
{
	unsigned long n = 0;

	for (const char *s = cmdline(); *s; s++)
		if (memcmp(s, "limit=", 6) == 0)
			for (s += 6; *s >= '0' && *s <= '9'; s++)
				n = 10 * n + (unsigned long)(*s - '0');
	return n << 20;
}

/* Pages of RAM it has no business with read ones and take no write. */
static void ram_of_others(void)
{
	unsigned long others = 0, seen = 0, end = limit();

	for (unsigned long at = 1ul << 20; at < end; at += PAGE) {
		volatile uint64_t *p = (volatile uint64_t *)at;

		if (!mapped_as(at, 5))
			continue;
		others++;
		seen += p[0] != ~0ul || p[511] != ~0ul;
		*p = 0;
		seen += *p != ~0ul;
	}
	check_eq("there is RAM of others", others > 1000, 1);
	check_eq("pages of it seen", (long)seen, 0);
}

static long foreign(uint16_t dom, unsigned long idx, unsigned long gpfn)
{
	int error = 0;
	struct {
		uint16_t dom, space, size, foreign;
		unsigned long *idx, *gpfn;
		int *errs;
	} x = { SELF, 4, 1, dom, &idx, &gpfn, &error };
	long rc = mem_op(23, &x);

	return rc ? rc : error;
}

static void frames_of_others(void)
{
	static const uint16_t doms[] = { SELF + 1, SELF + 2, SELF + 3, SELF + 4, 0x1234 };
	volatile uint64_t *at = (volatile uint64_t *)(hole << 12);
	unsigned long mapped = 0, seen = 0, tried = 0;

	check_eq("a page of another domain", foreign(other_domain(), 0x100, hole), 0);
	check_eq("it is there", *at != ~0ul, 1);
	check_eq("and let go", mem_remove(SELF, hole), 0);
	check_eq("gone", *at == ~0ul, 1);
	for (unsigned k = 0; k < sizeof(doms) / sizeof(doms[0]); k++)
		for (unsigned long idx = 0; idx < limit() >> 12; idx += 61, tried++) {
			mapped += foreign(doms[k], idx, hole) == 0;
			seen += *at != ~0ul;
		}
	check_eq("frames were asked for", tried > 1000, 1);
	check_eq("frames of special domains mapped", (long)mapped, 0);
	check_eq("and seen", (long)seen, 0);
	/* Its own map names no frame it has not got. */
	for (unsigned long gfn = 0x100; gfn < limit() >> 12; gfn += 61)
		if (mapped_as(gfn << 12, 5)) {
			mapped += mem_add(SELF, 2, gfn, hole) == 0;
			mapped += mem_add(SELF, 5, gfn, hole) == 0;
			mapped += mem_extent(6, gfn, 0, SELF) > 0 && ((volatile uint64_t *)(gfn << 12))[1] != 0;
		}
	check_eq("frames moved, mapped as a device's, populated with something", (long)mapped, 0);
}

static void resources_and_grants(void)
{
	static const uint16_t doms[] = { SELF + 1, SELF + 2, SELF + 3, 0x1234, SELF };
	unsigned long list = hole, got = 0;

	for (unsigned k = 0; k < sizeof(doms) / sizeof(doms[0]); k++)
		for (uint16_t type = 0; type < 4; type++) {
			struct {
				uint16_t dom, type;
				uint32_t id, nr, pad;
				uint64_t frame;
				unsigned long *frames;
			} r = { doms[k], type, 0, 1, 0, 0, &list };

			got += mem_op(28, &r) == 0;
		}
	for (unsigned k = 0; k < 4; k++)
		for (uint32_t ref = 0; ref < 600; ref += 7) {
			struct {
				uint64_t host;
				uint32_t flags, ref;
				uint16_t dom;
				int16_t status;
				uint32_t handle;
				uint64_t bus;
			} m = { hole << 12, 2, ref, doms[k], 0, 0, 0 };

			got += hypercall3(HC_grant_table_op, 0, &m, 1) == 0 && m.status == 0;
		}
	check_eq("resources and grants of nobody", (long)got, 0);
}

/* What Hospes drives itself. */
static void devices(void)
{
	volatile uint32_t *hpet = (volatile uint32_t *)0xfed00000ul, *iommu = (volatile uint32_t *)0xfed80000ul;

	check_eq("HPET reads ones", hpet[0] == ~0u && hpet[0xf0 / 4] == ~0u, 1);
	hpet[0x10 / 4] = 0; /* would stop its clock */
	check_eq("IOMMU reads ones", iommu[0] == ~0u && iommu[0x18 / 4] == ~0u, 1);
	iommu[0x18 / 4] = 0; /* would let devices go where they like */
	check_eq("COM1 reads ones", inb(0x3fd), 0xff);
	check_eq("PIC reads ones", inb(0x21), 0xff);
	check_eq("PIT reads ones", inb(0x40), 0xff);
}

void guest_main(void)
{
	struct memory_map m = { 128, map };

	check_eq("its map", mem_op(9, &m), 0);
	nr_map = m.nr;
	hole = gfn_of(page_alloc(1));
	check_eq("a hole", mem_extent(1, hole, 0, SELF), 1);
	ram_of_others();
	frames_of_others();
	resources_and_grants();
	devices();
	say("HOST done\n");
}

#else
void guest_main(void)
{
}
#endif
