/* Memory of a hardware domain without an IOMMU: only what can be given at the machine's own addresses. DESIGN: guest kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/launch/hwmap.h"
#include "hv/launch/internal.h"
#include "hv/mm.h"
#include "hv/p2m.h"

#define MIB (1UL << 20)
#define SIZE (128 * MIB)
#define BLOCK (2 * MIB)
#define ACPI 0x10000UL

static const struct e820_entry host[] = {
	{ 0, 0x9f000, E820_RAM },
	{ 0xf0000, 0x10000, E820_RESERVED },
	{ MIB, SIZE - MIB, E820_RAM },
	{ SIZE, 16 * MIB, E820_RESERVED },
};

static uint64_t ram_of(const struct hwmap *m)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->nr; i++)
		if (m->e[i].type == E820_RAM)
			sum += m->e[i].size;
	return sum;
}

static void holes_are_left_out(void **state)
{
	static struct e820_entry usable[HWMAP_MAX];
	static struct hwmap m;
	uint64_t want = 32 * MIB, before, hole;
	struct frame *f;
	struct domain *d;
	unsigned nr;

	host_machine(SIZE, 1);
	d = host_domain(3, 1, 0, ROLE_HARDWARE);
	d->max_pages = SIZE >> PAGE_SHIFT;
	/* Somebody sits in the middle of what would be given. */
	for (hole = 16 * MIB; !mm_block_free(paddr_to_mfn(hole), ORDER_2M); hole += BLOCK)
		;
	f = alloc_frames_at(NULL, mfn((hole >> PAGE_SHIFT) + 100), 0, 0);
	assert_non_null(f);
	before = mm_free_frames();
	nr = launch_identity_map(usable, host, 4, &want);
	assert_int_equal(want, 0x9f000 + 15 * BLOCK);
	assert_null(hwmap_make(&m, usable, nr, want, ACPI, 0xf0000000));
	assert_int_equal(ram_of(&m) + ACPI, want);
	for (unsigned i = 0; i < m.nr; i++) {
		const struct e820_entry *e = &m.e[i];

		if (e->type == E820_RAM && e->addr >= MIB) {
			assert_int_equal(e->addr % BLOCK, 0);
			assert_true(e->addr + e->size <= hole || e->addr > hole);
		}
	}
	assert_int_equal(launch_identity_reserve(&m), 0);
	assert_int_equal(mm_free_frames(), before - 15 * (BLOCK >> PAGE_SHIFT));
	assert_int_equal(launch_identity_reserve(&m), -ENOMEM); /* and takes nothing */
	assert_int_equal(mm_free_frames(), before - 15 * (BLOCK >> PAGE_SHIFT));
	launch_identity_release(&m);
	assert_int_equal(mm_free_frames(), before);
	assert_int_equal(launch_identity_reserve(&m), 0);
	assert_int_equal(launch_identity_populate(d, &m), 0);
	assert_true(d->direct_mapped);
	assert_int_equal(d->tot_pages, 15 * (BLOCK >> PAGE_SHIFT));
	for (unsigned i = 0; i < m.nr; i++)
		for (uint64_t at = m.e[i].addr; m.e[i].type == E820_RAM && at >= MIB && at < m.e[i].addr + m.e[i].size;
		     at += PAGE_SIZE)
			assert_int_equal(p2m_lookup(d, gfn(at >> PAGE_SHIFT), NULL, NULL).v, at >> PAGE_SHIFT);
	assert_int_equal(p2m_lookup(d, gfn(m.acpi >> PAGE_SHIFT), NULL, NULL).v, m.acpi >> PAGE_SHIFT);
	assert_false(mfn_valid_value(p2m_lookup(d, gfn(hole >> PAGE_SHIFT), NULL, NULL)));
	while (domain_kill(d) == -ERESTART)
		;
	free_frames(f, 0);
}

/* More is asked for than there is. */
static void too_much(void **state)
{
	static struct e820_entry usable[HWMAP_MAX];
	static struct hwmap m;
	uint64_t want = 1UL << 40;
	unsigned nr;

	host_machine(SIZE, 1);
	nr = launch_identity_map(usable, host, 4, &want);
	assert_null(hwmap_make(&m, usable, nr, want, ACPI, 0xf0000000));
	assert_true(ram_of(&m) < SIZE);
	assert_int_equal(launch_identity_reserve(&m), 0);
	assert_false(mm_block_free(paddr_to_mfn(m.start), ORDER_2M));
	launch_identity_release(&m);
	assert_true(mm_block_free(paddr_to_mfn(m.start), ORDER_2M));
}

/* The word that makes Linux copy others' pages on their way to devices. */
static void bounce(void **state)
{
	static const struct {
		const char *cmdline;
		enum launch_bounce want;
	} cases[] = { { "", LAUNCH_BOUNCE_MISSING },
		      { "root=/dev/sda ro", LAUNCH_BOUNCE_MISSING },
		      { "swiotlb=force", LAUNCH_BOUNCE_ASKED },
		      { "ro swiotlb=65536,force quiet", LAUNCH_BOUNCE_ASKED },
		      { "swiotlb=65536,2,force", LAUNCH_BOUNCE_ASKED },
		      { "swiotlb=65536", LAUNCH_BOUNCE_MISSING },
		      { "swiotlb=forced", LAUNCH_BOUNCE_MISSING },
		      { "xswiotlb=force", LAUNCH_BOUNCE_MISSING },
		      { "swiotlb=", LAUNCH_BOUNCE_MISSING },
		      { "ro -- swiotlb=force", LAUNCH_BOUNCE_MISSING },
		      { "swiotlb=noforce", LAUNCH_BOUNCE_NEVER },
		      { "swiotlb=force swiotlb=noforce", LAUNCH_BOUNCE_NEVER },
		      { "swiotlb=00000000000000000000000000000000000000000000000000000000000,force",
			LAUNCH_BOUNCE_MISSING } };
	char *args;

	host_machine(SIZE, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(launch_bounce(cases[i].cmdline), cases[i].want);
	args = launch_bounce_args("ro -- init=1");
	assert_string_equal(args, "swiotlb=force ro -- init=1");
	assert_int_equal(launch_bounce(args), LAUNCH_BOUNCE_ASKED);
	xfree(args);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(holes_are_left_out), cmocka_unit_test(too_much),
					    cmocka_unit_test(bounce) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
