/* VIRQ_ENOMEM: told when free memory falls below a power of two, at each half of it, again only after it has grown, never when switched off; claims count. */
#include "control_test.h"
#include "hv/boot.h"

static evtchn_port_t port;

static int setup(void **state)
{
	param_parse("");
	control_setup(state);
	port = bind_virq(tools, VIRQ_ENOMEM);
	return 0;
}

static void watch(const char *options)
{
	param_parse(options);
	low_memory_watch();
}

/* Leave no more than @frames free and unpromised; was it told? */
static bool squeeze(uint64_t frames)
{
	host_take_memory(frames);
	host_run_softirqs(0);
	return take_event(tools, port);
}

static void test_levels(void **state)
{
	watch("low_mem_virq_limit=20M"); /* 4096 pages is the power of two in it */
	assert_false(squeeze(4200));
	assert_true(squeeze(4000));
	assert_false(squeeze(3900));
	assert_false(squeeze(2100));
	assert_true(squeeze(1000)); /* past two levels, one event */
	assert_false(squeeze(600));
	assert_true(squeeze(500));
	assert_true(squeeze(0));
}

static void test_hysteresis(void **state)
{
	watch("low_mem_virq_limit=16M");
	assert_true(squeeze(4000));
	host_give_back(); /* as much as twice the level where it was told */
	assert_false(squeeze(9000));
	assert_true(squeeze(4000));
	host_give_back();
	/* This machine never has twice this level. */
	watch("low_mem_virq_limit=32M");
	assert_true(squeeze(8000));
	host_give_back();
	assert_false(squeeze(7000));
	assert_true(squeeze(4000));
}

/* 64 MiB are more than there is: half of that, rounded down. */
static void test_default(void **state)
{
	watch("");
	assert_false(squeeze(4200));
	assert_true(squeeze(4000));
}

static void test_off(void **state)
{
	watch("low_mem_virq_limit=0");
	assert_false(squeeze(0));
}

/* What is promised is not free. */
static void test_claims(void **state)
{
	watch("low_mem_virq_limit=1M");
	plain->max_pages = 1UL << 20;
	assert_int_equal(mm_claim(plain, mm_free_frames() - 1000), 0);
	assert_false(squeeze(300));
	assert_true(squeeze(200));
	host_give_back();
	assert_int_equal(mm_claim(plain, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_levels, setup),  cmocka_unit_test_setup(test_hysteresis, setup),
		cmocka_unit_test_setup(test_default, setup), cmocka_unit_test_setup(test_off, setup),
		cmocka_unit_test_setup(test_claims, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
