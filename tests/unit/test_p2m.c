/* The guest-physical map against an array; superpages, memory running out, references, copies, teardown; the NPT format. */
#include "mm_test.h"

#include "hv/p2m.h"
#include "npt_format.h"

#define RAM (128UL << 20)

static struct domain *make_domain(domid_t id, uint64_t max_pages)
{
	struct domain *d = bare_domain(id, max_pages);

	assert_int_equal(p2m_init(d), 0);
	return d;
}

static void end_domain(struct domain *d)
{
	int rc;

	d->dying = true;
	while ((rc = p2m_teardown(d)) == -ERESTART)
		;
	assert_int_equal(rc, 0);
	assert_int_equal(p2m_teardown(d), 0);
	assert_int_equal(d->p2m.nr_tables, 0);
	drop_pages(d);
	assert_int_equal(d->nr_frames, 0);
	assert_int_equal(d->refs, 1);
	free(d);
}

static unsigned order_at(struct domain *d, uint64_t g)
{
	unsigned order;

	(void)p2m_lookup(d, gfn(g), NULL, &order);
	return order;
}

static void test_superpages(void **state)
{
	struct domain *d;
	uint64_t tables, flushes;

	host_machine_ram(RAM, 1);
	d = make_domain(1, 1000);
	/* 1 GiB in one piece, split by one page, whole again when that page returns. */
	assert_int_equal(p2m_set(d, gfn(1u << 18), mfn(1u << 18), ORDER_1G, P2M_RAM_RW), 0);
	assert_int_equal(order_at(d, (1u << 18) + 5), ORDER_1G);
	assert_int_equal(p2m_lookup(d, gfn((1u << 18) + 77777), NULL, NULL).v, (1u << 18) + 77777);
	tables = d->p2m.nr_tables;
	flushes = host_flushes();
	assert_int_equal(p2m_set(d, gfn((1u << 18) + 1000), mfn(3), 0, P2M_RAM_RW), 0);
	assert_int_equal(host_flushes(), flushes + 1);
	assert_int_equal(d->p2m.nr_tables, tables + 2);
	assert_int_equal(order_at(d, (1u << 18) + 1000), 0);
	assert_int_equal(order_at(d, (1u << 18) + 3000), ORDER_2M);
	assert_int_equal(p2m_lookup(d, gfn((1u << 18) + 1001), NULL, NULL).v, (1u << 18) + 1001);
	assert_int_equal(p2m_set(d, gfn((1u << 18) + 1000), mfn((1u << 18) + 1000), 0, P2M_RAM_RW), 0);
	assert_int_equal(order_at(d, (1u << 18) + 1000), ORDER_1G);
	assert_int_equal(d->p2m.nr_tables, tables);
	/* Filled in order, page by page: ends as 2 MiB entries, with no flush for pages that were not there before. */
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(p2m_set(d, gfn(i), mfn(512 + i), 0, P2M_RAM_RW), 0);
	assert_int_equal(order_at(d, 0), ORDER_2M);
	assert_int_equal(order_at(d, 1023), ORDER_2M);
	/* References are per page for these: never large. */
	assert_int_equal(p2m_set(d, gfn(2048), mfn(2048), ORDER_2M, P2M_GRANT_MAP_RO), 0);
	assert_int_equal(order_at(d, 2048), 0);
	assert_int_equal(p2m_set(d, gfn(2048), INVALID_MFN, ORDER_2M, P2M_INVALID), 0);
	assert_int_equal(order_at(d, 2048), ORDER_2M);
	assert_int_equal(p2m_set(d, gfn(1UL << 36), mfn(1), 0, P2M_RAM_RW), -EINVAL);
	assert_int_equal(p2m_set(d, gfn((1UL << 36) - 1), mfn(1), 1, P2M_RAM_RW), -EINVAL);
	assert_false(mfn_valid_value(p2m_lookup(d, gfn(~0UL), NULL, NULL)));
	end_domain(d);
}

#define MODEL_GFNS (4u << 18)
static struct {
	uint32_t mfn;
	uint8_t type;
} model[MODEL_GFNS];

static void check_model(struct domain *d, uint64_t from, uint64_t nr)
{
	for (uint64_t g = from; g < from + nr && g < MODEL_GFNS; g++) {
		enum p2m_type type;
		mfn_t m = p2m_lookup(d, gfn(g), &type, NULL);

		assert_int_equal(type, model[g].type);
		if (type != P2M_INVALID)
			assert_int_equal(m.v, model[g].mfn);
	}
}

/* Another's view of the map, kept by what it hears. */
static struct view {
	struct p2m_listener l;
	uint32_t mfn[MODEL_GFNS];
	uint8_t type[MODEL_GFNS];
	bool dirty; /* changed since the last flush */
} view;

static void view_changed(struct p2m_listener *l, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	assert_int_equal(g.v & ((1UL << order) - 1), 0);
	assert_true(g.v + (1UL << order) <= MODEL_GFNS);
	for (uint64_t i = 0; i < 1UL << order; i++) {
		view.mfn[g.v + i] = type ? (uint32_t)(m.v + i) : 0;
		view.type[g.v + i] = (uint8_t)type;
	}
	view.dirty = true;
}

static void view_flush(struct p2m_listener *l, bool narrowed)
{
	view.dirty = false;
	l->tables = 7;
}

static void check_view(void)
{
	assert_false(view.dirty);
	for (uint64_t g = 0; g < MODEL_GFNS; g++) {
		assert_int_equal(view.type[g], model[g].type);
		if (model[g].type)
			assert_int_equal(view.mfn[g], model[g].mfn);
	}
}

/* Random changes of random sizes, with memory short now and then: each either happens wholly or not at all. */
static void test_random_against_model(void **state)
{
	static const enum p2m_type types[] = { P2M_INVALID, P2M_RAM_RW, P2M_RAM_RO, P2M_MMIO_DIRECT, P2M_GRANT_MAP_RW };
	struct domain *d;
	uint64_t before;
	unsigned refused = 0;

	rng_seed("p2m");
	host_machine_ram(RAM, 1);
	before = mm_free_frames();
	d = make_domain(1, 1u << 20);
	memset(model, 0, sizeof(model));
	view = (struct view){ .l = { .changed = view_changed, .flush = view_flush } };
	for (unsigned step = 0; step < 4000; step++) {
		unsigned order = rng(3) ? (unsigned)rng(4) : rng(3) ? 9 + (unsigned)rng(3) : (unsigned)rng(19);
		uint64_t g = rng(MODEL_GFNS >> order) << order, m = rng(4) ? g : rng(1u << 20);
		enum p2m_type type = types[rng(5)];
		bool short_of_memory = rng(4) == 0;
		uint64_t tables = d->p2m.nr_tables;
		int rc;

		if (type == P2M_GRANT_MAP_RW && order > 10)
			type = P2M_RAM_RW;
		if (short_of_memory)
			host_take_memory(rng(4));
		rc = p2m_set(d, gfn(g), mfn(m), order, type);
		if (short_of_memory)
			host_give_back();
		if (rc) {
			assert_true(short_of_memory);
			assert_int_equal(rc, -ENOMEM);
			assert_true(d->p2m.nr_tables <= tables);
			refused++;
		} else {
			for (uint64_t i = 0; i < 1UL << order; i++) {
				model[g + i].mfn = (uint32_t)(m + i);
				model[g + i].type = (uint8_t)type;
			}
		}
		check_model(d, g > 20 ? g - 20 : 0, min_u64((1UL << order) + 40, 3000));
		if (step == 700 || step == 2500) /* what is there already is told in order */
			p2m_listen(d, &view.l);
		if (step == 1799)
			assert_int_equal(p2m_table_pages(d), d->p2m.nr_tables + 7);
		if (step == 1800)
			p2m_unlisten(d, &view.l);
		if (step == 1801)
			assert_int_equal(p2m_table_pages(d), d->p2m.nr_tables);
		if (step == 2499)
			view = (struct view){ .l = view.l };
		if (step % 1000 == 999)
			check_model(d, 0, MODEL_GFNS);
		if (step == 700 || step == 1700 || step == 3999)
			check_view();
		assert_false(view.dirty);
	}
	assert_true(refused > 0);
	end_domain(d);
	memset(model, 0, sizeof(model));
	check_view();
	assert_int_equal(mm_free_frames(), before);
}

static void test_table_cap(void **state)
{
	struct domain *d;
	unsigned i = 0;

	host_machine_ram(RAM, 1);
	d = make_domain(1, 64);
	while (p2m_set(d, gfn((uint64_t)i << 18), mfn(5), 0, P2M_RAM_RW) == 0)
		assert_true(++i < 1000);
	assert_true(d->p2m.nr_tables <= 257);
	assert_int_equal(p2m_set(d, gfn(0), mfn(6), 0, P2M_RAM_RW), 0);
	end_domain(d);
}

static void test_populate(void **state)
{
	struct domain *d;
	uint64_t before;

	host_machine_ram(RAM, 1);
	d = make_domain(1, 2000);
	frame_put(alloc_frames(d, 0, 0));
	before = mm_free_frames();
	assert_int_equal(p2m_populate(d, gfn(512), ORDER_2M, 0), 0);
	assert_int_equal(order_at(d, 512), ORDER_2M);
	assert_int_equal(p2m_populate(d, gfn(600), 0, 0), -EEXIST);
	assert_int_equal(p2m_populate(d, gfn(513), 1, 0), -EINVAL);
	assert_int_equal(p2m_populate(d, gfn(0), 11, 0), -ENOMEM);
	assert_int_equal(d->tot_pages, 512);
	assert_int_equal(p2m_depopulate(d, gfn(600)), 0);
	assert_int_equal(d->tot_pages, 511);
	assert_int_equal(p2m_depopulate(d, gfn(600)), -EINVAL);
	assert_int_equal(p2m_populate(d, gfn(600), 0, 0), 0);
	/* Every allocation fails once. */
	for (unsigned left = 0; left < 3; left++) {
		host_take_memory(left);
		assert_int_equal(p2m_populate(d, gfn(1u << 20), 0, 0), -ENOMEM);
		host_give_back();
		assert_int_equal(d->tot_pages, 512);
	}
	assert_int_equal(p2m_set(d, gfn(7), mfn(7), 0, P2M_MMIO_DIRECT), 0);
	assert_int_equal(p2m_depopulate(d, gfn(7)), -EINVAL);
	assert_int_equal(p2m_remove(d, gfn(7), mfn(8)), -EINVAL);
	assert_int_equal(p2m_remove(d, gfn(7), mfn(7)), 0);
	end_domain(d);
	assert_int_equal(mm_free_frames(), before + 1); /* the root */
}

static void test_get_and_copy(void **state)
{
	struct domain *d, *o;
	char text[6000], back[6000];
	struct frame *f, *foreign;

	host_machine_ram(RAM, 1);
	d = make_domain(1, 100);
	o = make_domain(2, 100);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(p2m_populate(d, gfn(i), 0, 0), 0);
	memset(text, 'x', sizeof(text));
	assert_int_equal(copy_to_gpa(d, 100, text, sizeof(text)), 0);
	assert_int_equal(copy_from_gpa(d, back, 100, sizeof(back)), 0);
	assert_memory_equal(text, back, sizeof(text));
	assert_int_equal(copy_to_gpa(d, 4 * PAGE_SIZE - 8, text, 9), -EFAULT);
	assert_int_equal(copy_from_gpa(d, back, ~0UL - 3, 100), -EFAULT);
	assert_int_equal(p2m_set(d, gfn(3), p2m_lookup(d, gfn(3), NULL, NULL), 0, P2M_RAM_RO), 0);
	assert_int_equal(copy_to_gpa(d, 3 * PAGE_SIZE, text, 1), -EFAULT);
	assert_int_equal(copy_from_gpa(d, back, 3 * PAGE_SIZE, 1), 0);
	/* An entry that names another's page as one's own gives no reference. */
	foreign = alloc_frames(o, 0, 0);
	assert_int_equal(p2m_set(d, gfn(9), frame_to_mfn(foreign), 0, P2M_RAM_RW), 0);
	assert_null(p2m_get_frame(d, gfn(9), false));
	assert_true(frame_get(foreign, o));
	assert_int_equal(p2m_set(d, gfn(9), frame_to_mfn(foreign), 0, P2M_FOREIGN), 0);
	f = p2m_get_frame(d, gfn(9), true);
	assert_ptr_equal(f, foreign);
	frame_put(f);
	assert_int_equal(p2m_set(d, gfn(10), mfn(1UL << 35), 0, P2M_RAM_RW), 0);
	assert_null(p2m_get_frame(d, gfn(10), false));
	assert_int_equal(p2m_set(d, gfn(11), INVALID_MFN, 0, P2M_MMIO_DM), 0);
	assert_false(mfn_valid_value(p2m_lookup(d, gfn(11), NULL, NULL)));
	assert_int_equal(foreign->refs, 2);
	end_domain(d); /* drops the foreign reference */
	assert_int_equal(foreign->refs, 1);
	end_domain(o);
}

static void test_npt_format(void **state)
{
	for (unsigned level = 0; level < 3; level++)
		for (unsigned type = 0; type < P2M_NR_TYPES; type++) {
			mfn_t m = mfn(0x123456789UL & ~((1UL << (9 * level)) - 1));
			uint64_t pte = npt_leaf(m, (enum p2m_type)type, level);
			struct arch_p2m_entry e = npt_decode(pte, level);

			assert_false(e.is_table);
			assert_int_equal(e.type, type);
			if (type)
				assert_int_equal(e.mfn.v, m.v);
			else
				assert_int_equal(pte, 0);
			/* What hardware reads. */
			if (pte & NPT_P) {
				assert_true(pte & NPT_US);
				assert_int_equal(!!(pte & NPT_PS), level > 0);
				assert_int_equal(!!(pte & NPT_RW),
						 p2m_type_writable(e.type) && type != P2M_RAM_LOGDIRTY ?
							 1 :
							 type == P2M_MMIO_DIRECT);
				assert_int_equal(!!(pte & NPT_PCD), type == P2M_MMIO_DIRECT);
			}
		}
	assert_true(npt_decode(npt_table(mfn(77), false), 3).is_table);
	assert_int_equal(npt_decode(npt_table(mfn(77), true), 1).mfn.v, 77);
	assert_true(npt_decode(npt_table(mfn(77), true), 1).protected);
	assert_false(npt_decode(npt_table(mfn(77), false), 1).protected);
	assert_int_equal(npt_table(mfn(77), true) ^ npt_table(mfn(77), false), NPT_RW);
	assert_int_equal(npt_leaf(mfn(1), P2M_RAM_RW, 0), 0x1000 | 0x67 | 1 << 9);
	assert_int_equal(npt_leaf(mfn(0), P2M_MMIO_DM, 0) & NPT_P, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_superpages),   cmocka_unit_test(test_random_against_model),
		cmocka_unit_test(test_table_cap),    cmocka_unit_test(test_populate),
		cmocka_unit_test(test_get_and_copy), cmocka_unit_test(test_npt_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
