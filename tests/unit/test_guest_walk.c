/*
 * Walks of the guest's tables that are remembered: none is told again once one made anew would find something else, and what a hypercall has found of its
 * arguments holds until it ends, and no longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "emul/insn.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hvm/hvm.h"
#include "hvm/section.h"
#include "policy.h"

#define P 1UL
#define RW 2UL
#define US 4UL
#define A 0x20UL
#define D 0x40UL
#define NX (1UL << 63)
#define ALL (P | RW | A | D)

/* Pages of the guest: two top tables, one of each level below, another of the lowest, and what lies there. */
enum { ROOT, OTHER_ROOT, PDPT, PD, PT, OTHER_PT, DATA, NR_DATA = FAKE_PAGES - DATA };
#define VA 0x40000000UL /* entry 1 of the PDPT, 0 below */

struct fake_memory fake;

static struct {
	struct domain domain;
	struct cpu_policy policy;
	struct vcpu vcpu, fresh; /* the same but for what they remember */
	struct guest_paging paging;
	unsigned faults; /* injected */
} t;

/* What the walker calls ---------------------------------------------------------------------------- */

static void get_paging(struct vcpu *v, struct guest_paging *p)
{
	*p = t.paging;
}

static const struct virt_ops ops = { .get_paging = get_paging };
const struct virt_ops *virt = &ops;

static struct frame frames[FAKE_PAGES];

struct frame *p2m_get_frame(struct domain *d, gfn_t g, bool write)
{
	return g.v < FAKE_PAGES && !fake.gone[g.v] && !(write && fake.readonly[g.v]) ? &frames[g.v] : NULL;
}

/* A frame number whose place in the direct map is that of the array. */
mfn_t frame_to_mfn(const struct frame *f)
{
	return mfn(((uint64_t)fake.page[f - frames] - DIRECTMAP_START) >> PAGE_SHIFT);
}

void frame_put(struct frame *f)
{
}

void p2m_mark_dirty(struct domain *d, gfn_t g)
{
}

/* The guest ---------------------------------------------------------------------------------------- */

static uint64_t *entry(unsigned table, unsigned i)
{
	return (uint64_t *)fake.page[table] + i;
}

static uint64_t to(unsigned page, uint64_t bits)
{
	return (uint64_t)page << PAGE_SHIFT | bits;
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	memset(&fake, 0, sizeof(fake));
	t.policy.ext[8].a = 40;
	t.domain.arch.policy = &t.policy;
	t.domain.p2m.epoch = 1;
	t.vcpu.domain = t.fresh.domain = &t.domain;
	t.paging = (struct guest_paging){
		.cr0 = CR0_PG | CR0_WP, .cr3 = to(ROOT, 0), .cr4 = CR4_PAE, .efer = EFER_LMA | EFER_NXE
	};
	*entry(ROOT, 0) = *entry(OTHER_ROOT, 0) = to(PDPT, ALL);
	*entry(PDPT, 1) = to(PD, ALL);
	*entry(PD, 0) = to(PT, ALL);
	*entry(PD, 1) = to(OTHER_PT, ALL);
	for (unsigned i = 0; i < NR_DATA; i++) {
		*entry(PT, i) = to(DATA + i, ALL);
		*entry(OTHER_PT, i) = to(DATA + (i + 1) % NR_DATA, ALL);
		memset(fake.page[DATA + i], (int)(0x10 + i), PAGE_SIZE);
	}
	return 0;
}

static int read_byte(uint64_t va)
{
	uint8_t byte;
	int rc = arch_guest_read(&t.vcpu, &byte, va, 1);

	return rc ? rc : byte;
}

static int write_byte(uint64_t va, uint8_t byte)
{
	return arch_guest_write(&t.vcpu, va, &byte, 1);
}

static void begin_call(void)
{
	t.vcpu.arch.call = ++t.vcpu.arch.nr_calls;
}

static void end_call(void)
{
	t.vcpu.arch.call = 0;
}

/* Arguments of a hypercall --------------------------------------------------------------------------- */

/* Another vCPU rewrites the tables meanwhile: as with a processor's TLB that shows in the next call. */
static void test_holds_for_a_call(void **state)
{
	begin_call();
	assert_int_equal(read_byte(VA), 0x10);
	*entry(PT, 0) = to(DATA + 5, ALL);
	assert_int_equal(read_byte(VA + 100), 0x10);
	*entry(PT, 0) = 0;
	assert_int_equal(read_byte(VA + 200), 0x10);
	assert_int_equal(read_byte(VA + PAGE_SIZE), 0x11); /* of another page nothing was known */
	end_call();
	begin_call();
	assert_int_equal(read_byte(VA), -EFAULT);
	*entry(PT, 0) = to(DATA + 5, ALL);
	assert_int_equal(read_byte(VA), 0x15);
	end_call();
	/* Outside of calls nothing holds. */
	assert_int_equal(read_byte(VA), 0x15);
	*entry(PT, 0) = to(DATA + 6, ALL);
	assert_int_equal(read_byte(VA), 0x16);
}

/* What was found for reading is not for writing, which asks for other rights. */
static void test_found_for_reading(void **state)
{
	*entry(PT, 0) = to(DATA, P | A);
	begin_call();
	assert_int_equal(read_byte(VA), 0x10);
	assert_int_equal(write_byte(VA, 1), -EFAULT);
	assert_int_equal(read_byte(VA), 0x10);
	*entry(PT, 0) = to(DATA, P | A | RW);
	assert_int_equal(write_byte(VA, 1), 0);
	assert_true(*entry(PT, 0) & D);
	assert_int_equal(read_byte(VA), 1);
	/* What was found for writing is for both, once the tables had no bit to be set any more. */
	assert_int_equal(write_byte(VA, 1), 0);
	*entry(PT, 0) = to(DATA, P | A);
	assert_int_equal(write_byte(VA, 2), 0);
	assert_int_equal(read_byte(VA), 2);
	end_call();
	begin_call();
	assert_int_equal(write_byte(VA, 3), -EFAULT);
	end_call();
}

/* Where a page is in the guest's memory holds, not what lies there: that may go, or be read-only for a while. */
static void test_memory_is_looked_up(void **state)
{
	begin_call();
	assert_int_equal(write_byte(VA, 9), 0);
	fake.gone[DATA] = true;
	t.domain.p2m.epoch++;
	assert_int_equal(read_byte(VA), -EFAULT);
	assert_int_equal(write_byte(VA, 1), -EFAULT);
	fake.gone[DATA] = false;
	assert_int_equal(read_byte(VA), 9);
	fake.readonly[DATA] = true;
	t.domain.p2m.epoch++;
	assert_int_equal(write_byte(VA, 1), -EFAULT);
	assert_int_equal(read_byte(VA), 9);
	end_call();
}

/* Pages that share a place, and arguments that lie in two: each byte comes from where the tables say. */
static void test_places_are_shared(void **state)
{
	uint8_t two[2];

	begin_call();
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 3 * ARGUMENT_PAGES; i++)
			assert_int_equal(read_byte(VA + i * PAGE_SIZE + round), (int)(0x10 + i));
	assert_int_equal(arch_guest_read(&t.vcpu, two, VA + PAGE_SIZE - 1, 2), 0);
	assert_int_equal(two[0], 0x10);
	assert_int_equal(two[1], 0x11);
	/* The same page of a table that is elsewhere is another page. */
	assert_int_equal(read_byte(VA + (1UL << 21)), 0x11);
	end_call();
}

/* Walks ------------------------------------------------------------------------------------------- */

/* Every entry that was read is read again. */
static void test_every_level_counts(void **state)
{
	uint64_t *level[] = { entry(ROOT, 0), entry(PDPT, 1), entry(PD, 0), entry(PT, 0) };

	for (unsigned i = 0; i < 4; i++) {
		uint64_t was = *level[i];

		assert_int_equal(read_byte(VA), 0x10);
		*level[i] = was & ~P;
		assert_int_equal(read_byte(VA), -EFAULT);
		*level[i] = was;
		assert_int_equal(read_byte(VA), 0x10);
		*level[i] = was & ~(A | D);
		assert_int_equal(read_byte(VA), 0x10);
		assert_true(*level[i] & A);
		*level[i] = was;
	}
	assert_int_equal(read_byte(VA), 0x10);
	*entry(PD, 0) = to(OTHER_PT, ALL);
	assert_int_equal(read_byte(VA), 0x11);
	t.paging.cr3 = to(OTHER_ROOT, 0);
	*entry(OTHER_ROOT, 0) = 0;
	assert_int_equal(read_byte(VA), -EFAULT);
	/* A table that is not where it was. */
	t.paging.cr3 = to(ROOT, 0);
	assert_int_equal(read_byte(VA), 0x11);
	fake.gone[OTHER_PT] = true;
	t.domain.p2m.epoch++;
	assert_int_equal(read_byte(VA), -EFAULT);
}

/* Against a vCPU that remembers nothing ----------------------------------------------------------- */

static uint64_t rng_state;

static unsigned rng(unsigned below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (unsigned)(rng_state % below);
}

static void change_entry(void)
{
	static const uint64_t bits[] = { P, RW, US, A, D, NX, A | D, 1UL << 45 };
	uint64_t *e[] = {
		entry(ROOT, 0),		 entry(OTHER_ROOT, 0),	  entry(PDPT, 1),    entry(PD, rng(2)),
		entry(PT, rng(NR_DATA)), entry(PT, rng(NR_DATA)), entry(PT, rng(3)), entry(OTHER_PT, rng(3))
	};
	unsigned i = rng(8);

	if (rng(4) == 0)
		*e[i] = i == 3 ? to(PT + rng(2), ALL | US) :
			i > 3  ? to(DATA + rng(NR_DATA), ALL | US) :
				 *e[i] | ALL | US;
	else
		*e[i] ^= bits[rng(8)];
}

static void change_something(void)
{
	unsigned page = PT + rng(6);

	switch (rng(12)) {
	case 0:
		t.paging.cr3 = to(ROOT + rng(2), 0);
		break;
	case 1:
		t.paging.cr0 ^= CR0_WP;
		break;
	case 2:
		t.paging.cr4 ^= rng(2) ? CR4_SMEP : CR4_SMAP;
		break;
	case 3:
		t.paging.efer ^= EFER_NXE;
		break;
	case 4:
		t.paging.rflags ^= RFLAGS_AC;
		break;
	case 5:
		t.paging.cpl = 3 * rng(2);
		break;
	case 6: /* what narrows moves the epoch, what widens need not */
		fake.readonly[page] = !fake.readonly[page];
		t.domain.p2m.epoch += fake.readonly[page];
		break;
	case 7:
		fake.gone[page] = !fake.gone[page];
		t.domain.p2m.epoch += fake.gone[page];
		break;
	default:
		change_entry();
	}
}

struct outcome {
	int rc;
	uint64_t fault;
	uint32_t pfec;
	uint8_t bytes[32];
};

static struct outcome access_by(struct vcpu *v, unsigned kind, uint64_t va, unsigned len)
{
	struct outcome o = { .rc = 0 };

	memset(o.bytes, 0x77, sizeof(o.bytes));
	if (kind == 0)
		o.rc = guest_fetch(v, &t.paging, va, o.bytes, INSN_MAX_LEN, &o.pfec);
	else
		o.rc = guest_copy(v, va, o.bytes, len,
				  kind == 1 ? 0 :
				  kind == 2 ? PF_WRITE :
					      PF_USER,
				  &o.fault, &o.pfec);
	if (!o.rc)
		o.pfec = o.fault = 0; /* says nothing */
	return o;
}

/* Whatever changes in between, each access ends as if it were the first: answer, bytes, and what is in memory afterwards, down to accessed and dirty bits. */
static void test_as_if_new(void **state)
{
	static struct fake_memory before, after;
	const char *seed = getenv("SEED");
	unsigned good = 0;

	rng_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	printf("# SEED=%lu\n", rng_state);
	for (unsigned step = 0; step < 60000; step++) {
		uint64_t va = VA + rng(6) * PAGE_SIZE + (rng(3) ? rng(4000) : 4090) + (rng(4) == 0 ? 1UL << 21 : 0);
		unsigned kind = rng(4), len = 1 + rng(32);
		struct outcome o, want;

		if (step % 100 == 0) /* not all is broken for ever */
			setup(NULL);
		else if (rng(3) == 0)
			change_something();
		before = fake;
		memset(&t.fresh.arch, 0, sizeof(t.fresh.arch));
		want = access_by(&t.fresh, kind, va, len);
		after = fake;
		fake = before;
		o = access_by(&t.vcpu, kind, va, len);
		assert_int_equal(o.rc, want.rc);
		assert_int_equal(o.fault, want.fault);
		assert_int_equal(o.pfec, want.pfec);
		assert_memory_equal(o.bytes, want.bytes, sizeof(o.bytes));
		assert_memory_equal(&fake, &after, sizeof(fake));
		good += o.rc >= 0;
	}
	printf("# %u of 60000 accesses found memory\n", good);
	assert_true(good > 6000 && good < 54000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_holds_for_a_call, setup),
		cmocka_unit_test_setup(test_found_for_reading, setup),
		cmocka_unit_test_setup(test_memory_is_looked_up, setup),
		cmocka_unit_test_setup(test_places_are_shared, setup),
		cmocka_unit_test_setup(test_every_level_counts, setup),
		cmocka_unit_test_setup(test_as_if_new, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
