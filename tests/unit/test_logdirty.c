/* Logging of dirty pages against an array: guest writes as the hardware would see them, Hospes' writes, changes of the map, too little memory, races. */
#include "mm_test.h"

#include <pthread.h>

#include "hv/arch.h"
#include "hv/p2m.h"

#define RAM (128UL << 20)
#define GFNS (3u << 18) /* the guest-physical space tests play in */

static struct domain *d;
static uint8_t mapped[GFNS]; /* enum p2m_type */
static uint8_t dirty[GFNS];
static uint8_t told[GFNS / 8 + 8];

static int setup(void **state)
{
	host_machine_ram(RAM, 2);
	d = bare_domain(1, 1u << 20);
	assert_int_equal(p2m_init(d), 0);
	memset(mapped, 0, sizeof(mapped));
	memset(dirty, 0, sizeof(dirty));
	return 0;
}

static void end_domain(void)
{
	int rc;

	d->dying = true;
	while ((rc = p2m_teardown(d)) == -ERESTART)
		;
	assert_int_equal(rc, 0);
	assert_int_equal(d->p2m.nr_tables, 0);
	assert_int_equal(d->p2m.log.pages, 0);
	drop_pages(d);
	free(d);
}

static int teardown(void **state)
{
	end_domain();
	return 0;
}

/* May the processor write to @g? Rights of all levels count. */
static bool hardware_writes(uint64_t g)
{
	mfn_t table = d->p2m.root;

	for (unsigned l = P2M_LEVELS - 1;; l--) {
		uint64_t *t = mfn_to_virt(table);
		struct arch_p2m_entry e = arch_p2m_decode(t[g >> (9 * l) & 511], l);

		if (!e.is_table)
			return e.type == P2M_RAM_RW;
		if (e.protected)
			return false;
		table = e.mfn;
	}
}

/* The guest writes to @g, which is writable RAM, and takes what faults come. */
static void guest_write(uint64_t g)
{
	for (unsigned tries = 0; !hardware_writes(g); tries++) {
		assert_true(tries < 2);
		assert_true(p2m_write_fault(d, gfn(g)));
	}
	dirty[g] = 1;
}

static int note(void *ctx, uint64_t at, const void *bytes, size_t len)
{
	assert_true(at + len <= sizeof(told));
	memcpy(told + at, bytes, len);
	return 0;
}

static bool is_told(uint64_t g)
{
	return told[g / 8] >> g % 8 & 1;
}

static void read_log(bool clean, uint64_t pages)
{
	struct log_dirty_stats s;
	uint64_t pos = 0;
	int rc;

	do
		rc = clean ? p2m_log_dirty_clean(d, &pos, pages, note, NULL, &s) :
			     p2m_log_dirty_peek(d, &pos, pages, note, NULL, &s);
	while (rc == -ERESTART);
	assert_int_equal(rc, 0);
}

/* All that was written must be told; @exact: and nothing else. */
static void check_told(uint64_t pages, bool exact)
{
	for (uint64_t g = 0; g < pages; g++) {
		if (dirty[g])
			assert_true(is_told(g));
		else if (exact)
			assert_false(is_told(g));
	}
}

static void set(uint64_t g, unsigned order, enum p2m_type type)
{
	assert_int_equal(p2m_set(d, gfn(g), mfn(g), order, type), 0);
	memset(mapped + g, type, 1UL << order);
	memset(dirty + g, 1, 1UL << order);
}

static void test_basics(void **state)
{
	uint64_t pos = 0, flushes;

	set(0, ORDER_1G, P2M_RAM_RW);
	set(1u << 18, ORDER_2M, P2M_RAM_RW);
	set((1u << 18) + 512, 0, P2M_RAM_RO);
	memset(dirty, 0, sizeof(dirty));
	assert_int_equal(p2m_log_dirty_peek(d, &pos, 10, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(p2m_log_dirty_clean(d, &pos, 10, NULL, NULL, NULL), -EINVAL);
	assert_true(hardware_writes(77));
	flushes = host_flushes();
	assert_int_equal(p2m_log_dirty_enable(d), 0);
	assert_int_equal(host_flushes(), flushes + 1);
	assert_int_equal(p2m_log_dirty_enable(d), -EINVAL);
	assert_false(hardware_writes(77));
	read_log(false, GFNS);
	check_told(GFNS, true);
	guest_write(77);
	assert_false(hardware_writes(78));
	assert_false(hardware_writes(77777));
	guest_write((1u << 18) + 3);
	assert_false(p2m_write_fault(d, gfn((1u << 18) + 512)));
	assert_false(p2m_write_fault(d, gfn(1u << 19)));
	assert_false(p2m_write_fault(d, gfn(~0UL)));
	/* Lookups know nothing of it. */
	for (uint64_t g = 70; g < 80; g++) {
		enum p2m_type type;

		assert_int_equal(p2m_lookup(d, gfn(g), &type, NULL).v, g);
		assert_int_equal(type, P2M_RAM_RW);
	}
	read_log(false, GFNS);
	check_told(GFNS, true);
	assert_true(hardware_writes(77));
	read_log(true, GFNS);
	check_told(GFNS, true);
	memset(dirty, 0, sizeof(dirty));
	assert_false(hardware_writes(77));
	guest_write(77);
	read_log(true, 8); /* less than all: the rest stays logged */
	read_log(true, GFNS);
	check_told(GFNS, true);
	guest_write(5);
	while (p2m_log_dirty_disable(d) == -ERESTART)
		;
	assert_int_equal(d->p2m.log.pages, 0);
	guest_write(6);
	guest_write(1000);
	/* What waited for a write is whole again. */
	for (uint64_t g = 0; g < 2048; g++)
		guest_write(g);
	assert_int_equal(p2m_log_dirty_disable(d), 0);
}

static int refuse(void *ctx, uint64_t at, const void *bytes, size_t len)
{
	return at ? -EFAULT : note(ctx, at, bytes, len);
}

/* Who cannot take all of it loses nothing. */
static void test_refused_output(void **state)
{
	struct log_dirty_stats s;
	uint64_t pos = 0;
	int rc;

	for (uint64_t g = 0; g < GFNS; g += 1u << 15)
		set(g, 0, P2M_RAM_RW);
	assert_int_equal(p2m_log_dirty_enable(d), 0);
	memset(dirty, 0, sizeof(dirty));
	for (uint64_t g = 0; g < GFNS; g += 1u << 15)
		guest_write(g);
	do
		rc = p2m_log_dirty_clean(d, &pos, GFNS, refuse, NULL, &s);
	while (rc == -ERESTART);
	assert_int_equal(rc, -EFAULT);
	assert_int_equal(s.dirty, GFNS >> 15);
	assert_true(is_told(0));
	dirty[0] = 0;
	guest_write(1u << 15);
	read_log(true, GFNS);
	check_told(GFNS, true);
}

/* One random step; false if want of memory refused it. */
static bool random_change(bool logging)
{
	static const enum p2m_type types[] = { P2M_INVALID, P2M_RAM_RW, P2M_RAM_RW, P2M_RAM_RO, P2M_GRANT_MAP_RW };
	unsigned order = rng(3) ? (unsigned)rng(4) : rng(4) ? 9 : (unsigned)rng(19);
	uint64_t g = rng(GFNS >> order) << order;
	enum p2m_type type = types[rng(5)];

	if (type == P2M_GRANT_MAP_RW && order > 9)
		type = P2M_RAM_RW;
	if (p2m_set(d, gfn(g), mfn(rng(4) ? g : rng(GFNS >> order) << order), order, type))
		return false;
	memset(mapped + g, type, 1UL << order);
	if (logging)
		memset(dirty + g, 1, 1UL << order);
	return true;
}

static void random_write(void)
{
	uint64_t g = rng(3) ? rng(GFNS) : rng(4096);

	if (mapped[g] == P2M_RAM_RW)
		guest_write(g);
	else if (mapped[g] == P2M_INVALID || mapped[g] == P2M_RAM_RO)
		assert_false(p2m_write_fault(d, gfn(g)));
}

static void test_random(void **state)
{
	bool logging = false, exact = true;
	unsigned cleans = 0, full = 0;

	rng_seed("logdirty");
	for (unsigned step = 0; step < 40000; step++) {
		bool scarce = rng(40) == 0;

		if (scarce)
			host_take_memory(rng(3));
		if (rng(12) == 0 && !random_change(logging))
			assert_true(scarce);
		for (unsigned i = rng(4); i; i--)
			random_write();
		if (scarce) {
			host_give_back();
			exact = false;
			full++;
		}
		if (rng(400) == 0) {
			uint64_t pages = rng(2) ? GFNS : rng(GFNS) + 1;
			bool clean = rng(2);

			if (logging) {
				read_log(clean, pages);
				check_told(pages, exact && clean);
				if (clean) {
					memset(dirty, 0, ROUND_UP(pages, 8UL) < GFNS ? pages : GFNS);
					/* A page told as a whole with its neighbours stays logged with those beyond the end. */
					exact = pages == GFNS || exact;
					cleans++;
				}
			} else {
				assert_int_equal(p2m_log_dirty_enable(d), 0);
				memset(dirty, 0, sizeof(dirty));
				logging = exact = true;
			}
		}
		if (logging && rng(4000) == 0) {
			while (p2m_log_dirty_disable(d) == -ERESTART)
				;
			logging = false;
		}
	}
	assert_true(cleans > 5 && full > 100);
}

/* Pages of its own that Hospes writes for others are logged; pages of others are not. */
static void test_hypervisor_writes(void **state)
{
	struct frame *f;
	uint64_t x = 1;

	assert_int_equal(p2m_populate(d, gfn(512), ORDER_2M, 0), 0);
	assert_int_equal(p2m_log_dirty_enable(d), 0);
	f = p2m_get_frame(d, gfn(600), true);
	assert_non_null(f);
	frame_put(f);
	f = p2m_get_frame(d, gfn(601), false);
	frame_put(f);
	assert_int_equal(copy_to_gpa(d, (700UL << 12) - 4, &x, 8), 0);
	assert_int_equal(copy_from_gpa(d, &x, 710UL << 12, 8), 0);
	p2m_mark_dirty(d, gfn(800));
	p2m_mark_dirty(d, gfn(~0UL)); /* nowhere */
	assert_int_equal(p2m_depopulate(d, gfn(900)), 0);
	dirty[600] = dirty[699] = dirty[700] = dirty[800] = dirty[900] = 1;
	read_log(true, GFNS);
	check_told(GFNS, true);
}

static void hear(struct p2m_listener *l, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
}

static void hear_flush(struct p2m_listener *l, bool narrowed)
{
}

/* A follower whose writes nobody sees. */
static void test_refused_with_listener(void **state)
{
	struct p2m_listener l = { .changed = hear, .flush = hear_flush };

	p2m_listen(d, &l);
	assert_int_equal(p2m_log_dirty_enable(d), -EINVAL);
	p2m_unlisten(d, &l);
	assert_int_equal(p2m_log_dirty_enable(d), 0);
}

#define RACE_PAGES 512u
#define RACE_ROUNDS 20000u

static struct {
	bool stop;
	uint64_t value[RACE_PAGES]; /* the pages */
	uint64_t copy[RACE_PAGES];  /* what the reader took of them */
} race;

/* Writes pages as a processor does: never without the right to, and with a TLB that the flush of the fake machine cannot reach. */
static void *writer(void *arg)
{
	host_set_cpu(1);
	for (uint64_t i = 1; !__atomic_load_n(&race.stop, __ATOMIC_RELAXED); i++) {
		uint64_t g = i * 7 % RACE_PAGES;

		spin_lock(&d->p2m.lock); /* stands for the wait of a flush for the CPUs inside */
		if (hardware_writes(g))
			__atomic_store_n(&race.value[g], i, __ATOMIC_RELAXED);
		spin_unlock(&d->p2m.lock);
		if (!p2m_write_fault(d, gfn(g)))
			return (void *)1;
	}
	return NULL;
}

static int take_copy(void *ctx, uint64_t at, const void *bytes, size_t len)
{
	return note(ctx, at, bytes, len);
}

/* Rounds of clean and copy beside a writer: after the last round with the writer still, the copy is right. */
static void test_race(void **state)
{
	pthread_t t;
	void *bad;

	set(0, ORDER_2M, P2M_RAM_RW);
	memset(&race, 0, sizeof(race));
	assert_int_equal(p2m_log_dirty_enable(d), 0);
	pthread_create(&t, NULL, writer, NULL);
	for (unsigned round = 0; round <= RACE_ROUNDS; round++) {
		uint64_t pos = 0;
		int rc;

		if (round == RACE_ROUNDS) {
			__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
			pthread_join(t, &bad);
			assert_null(bad);
		}
		do
			rc = p2m_log_dirty_clean(d, &pos, RACE_PAGES, take_copy, NULL, NULL);
		while (rc == -ERESTART);
		assert_int_equal(rc, 0);
		for (uint64_t g = 0; g < RACE_PAGES; g++)
			if (is_told(g))
				race.copy[g] = __atomic_load_n(&race.value[g], __ATOMIC_RELAXED);
	}
	assert_memory_equal(race.copy, race.value, sizeof(race.copy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_basics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hypervisor_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_with_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
