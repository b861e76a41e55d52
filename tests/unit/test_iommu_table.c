/*
 * I/O page tables of both formats against an array: random changes of all sizes, want of memory, units with fewer
 * levels, and that units which do not snoop see all. What an entry means to the hardware is checked in test_iommu.c.
 */
#include "mm_test.h"

#include "asm/iommu.h"

#include "hv/drivers/iommu/table.h"

#define RAM (32UL << 20)
#define FRAMES 4096u /* of the tested stretch, from the border of a 1 GiB region */
#define BASE ((1UL << 18) - FRAMES / 2)

static struct overhead account;
static uint8_t *shadow; /* what is in memory behind the caches */

void arch_cache_flush(const void *p, size_t len)
{
	size_t at = (size_t)((const uint8_t *)p - host_ram) & ~63UL;

	for (; at < (size_t)((const uint8_t *)p - host_ram) + len; at += 64)
		memcpy(shadow + at, host_ram + at, 64);
}

struct say {
	uint64_t m;
	unsigned access;
};

static void check(const struct io_table *t, const struct say *want)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		struct io_entry e = io_table_lookup(t, BASE + i, NULL);

		assert_int_equal(e.access, want[i].access);
		if (e.access)
			assert_int_equal(e.mfn.v, want[i].m);
	}
}

static void setup(const struct io_format *f, struct io_table *t, unsigned levels, bool incoherent)
{
	host_machine_ram(RAM, 1);
	memset(shadow, 0x5a, RAM);
	assert_int_equal(io_table_init(t, &account, f, levels, 2, incoherent), 0);
}

static void random_changes(const struct io_format *f, unsigned levels, bool tight)
{
	static struct say want[FRAMES];
	struct io_table t;
	uint64_t free_before;

	memset(want, 0, sizeof(want));
	host_machine_ram(RAM, 1);
	free_before = mm_free_frames();
	assert_int_equal(io_table_init(&t, &account, f, levels, 2, true), 0);
	memset(shadow, 0, RAM);
	memcpy(shadow, host_ram, RAM);
	for (unsigned n = 0; n < 1500; n++) {
		uint64_t at = rng(FRAMES), nr = 1UL << rng(12), m = rng(2) ? at + 0x40000 : rng(1UL << 30);
		unsigned access = (unsigned)rng(4);

		if (rng(3) == 0)
			at &= ~511UL;
		if (at + nr > FRAMES)
			nr = FRAMES - at;
		if (tight)
			host_take_memory(rng(3));
		if (access) {
			int rc = io_table_map(&t, BASE + at, mfn(m), nr, access);

			assert_true(rc == 0 || (tight && rc == -ENOMEM));
			for (uint64_t i = 0; i < nr && rc == 0; i++)
				want[at + i] = (struct say){ m + i, access };
		} else if (io_table_unmap(&t, BASE + at, nr)) {
			for (uint64_t i = 0; i < nr; i++)
				want[at + i].access = 0;
		} else {
			/* More went than was asked: never less. */
			assert_true(tight);
			for (unsigned i = 0; i < FRAMES; i++) {
				struct io_entry e = io_table_lookup(&t, BASE + i, NULL);

				assert_true(!e.access || (e.access == want[i].access && e.mfn.v == want[i].m));
				assert_false(e.access && i >= at && i < at + nr);
				want[i].access = e.access;
			}
		}
		if (tight)
			host_give_back();
		check(&t, want);
		/* A unit that walks now sees this. Pages that retired are not looked at. */
		io_table_reclaim(&t);
	}
	assert_true(io_table_unmap(&t, 0, io_table_frames(&t)));
	io_table_reclaim(&t);
	assert_int_equal(t.nr_tables, levels - 2); /* the fixed ones */
	io_table_destroy(&t);
	assert_int_equal(mm_free_frames(), free_before);
	assert_int_equal(account.used, 0);
}

static void against_an_array(void **state)
{
	rng_seed("test_iommu_table");
	random_changes(&amd_format, 4, false);
	random_changes(&vtd_format, 3, false);
}

static void with_little_memory(void **state)
{
	random_changes(&vtd_format, 4, true);
	random_changes(&amd_format, 3, true);
}

/* Walk with fewer levels than the table has, through what a unit without snooping sees. */
static uint64_t seen(const struct io_format *f, mfn_t table, unsigned levels, uint64_t dfn)
{
	for (unsigned l = levels - 1;; l--) {
		uint64_t pte;
		struct io_entry e;

		memcpy(&pte, shadow + mfn_to_paddr(table) + 8 * (dfn >> (9 * l) & 511), 8);
		e = f->decode(pte, l);
		if (!e.is_table)
			return e.access ? e.mfn.v + (dfn & ((1UL << 9 * l) - 1)) : ~0UL;
		table = e.mfn;
	}
}

static void narrow_units_and_caches(void **state)
{
	const struct io_format *formats[] = { &amd_format, &vtd_format };

	for (unsigned i = 0; i < 2; i++) {
		const struct io_format *f = formats[i];
		struct io_table t;

		setup(f, &t, 4, true);
		for (unsigned levels = 3; levels <= 4; levels++) {
			mfn_t root = io_table_root(&t, levels);

			assert_int_equal(io_table_map(&t, 0x1234, mfn(0x777), 1, IOMMU_READ), 0);
			assert_int_equal(seen(f, root, levels, 0x1234), 0x777);
			assert_int_equal(io_table_map(&t, 0x1000, mfn(0x2000), 512, IOMMU_READ | IOMMU_WRITE), 0);
			assert_int_equal(seen(f, root, levels, 0x11ff), 0x21ff);
			assert_true(io_table_unmap(&t, 0x1010, 2));
			assert_int_equal(seen(f, root, levels, 0x1010), ~0UL);
			assert_int_equal(seen(f, root, levels, 0x1012), 0x2012);
			assert_int_equal(io_table_map(&t, 1UL << 18, mfn(3UL << 18), 1UL << 18, IOMMU_WRITE), 0);
			assert_int_equal(seen(f, root, levels, (1UL << 18) + 5), (3UL << 18) + 5);
			/* All of it goes, the root of the narrow unit stays. */
			assert_true(io_table_unmap(&t, 0, io_table_frames(&t)));
			io_table_reclaim(&t);
			assert_true(mfn_eq(io_table_root(&t, levels), root));
			assert_int_equal(seen(f, root, levels, 0x1012), ~0UL);
		}
		io_table_destroy(&t);
	}
}

static void limits(void **state)
{
	struct io_table t;

	setup(&vtd_format, &t, 3, false);
	assert_int_equal(io_table_map(&t, 1UL << 27, mfn(1), 1, IOMMU_READ), -EINVAL);
	assert_int_equal(io_table_map(&t, (1UL << 27) - 1, mfn(1), 2, IOMMU_READ), -EINVAL);
	assert_int_equal(io_table_map(&t, 0, mfn(1), 1, 0), -EINVAL);
	assert_true(io_table_unmap(&t, 1UL << 40, 1));
	assert_true(io_table_unmap(&t, 0, 0));
	assert_int_equal(io_table_lookup(&t, 1UL << 27, NULL).access, 0);
	/* A domain cannot make tables without end. */
	t.max_tables = t.nr_tables + 2;
	assert_int_equal(io_table_map(&t, 0, mfn(1), 1, IOMMU_READ), 0);
	assert_int_equal(io_table_map(&t, 1UL << 20, mfn(1), 1, IOMMU_READ), -ENOMEM);
	assert_true(io_table_unmap(&t, 0, 1));
	assert_int_equal(io_table_map(&t, 1UL << 20, mfn(1), 1, IOMMU_READ), 0);
	io_table_destroy(&t);
	/* Without large entries there are none. */
	setup(&amd_format, &t, 4, false);
	t.max_leaf = 0;
	assert_int_equal(io_table_map(&t, 0, mfn(0), 1024, IOMMU_READ), 0);
	{
		unsigned level = 9;

		assert_int_equal(io_table_lookup(&t, 1023, &level).mfn.v, 1023);
		assert_int_equal(level, 0);
	}
	io_table_destroy(&t);
}

static int make_shadow(void **state)
{
	shadow = malloc(RAM);
	return 0;
}

static int drop_shadow(void **state)
{
	free(shadow);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_an_array),
		cmocka_unit_test(with_little_memory),
		cmocka_unit_test(narrow_units_and_caches),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, make_shadow, drop_shadow);
}
