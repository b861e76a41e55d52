/* What becomes of an ended domain: on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset, whatever code the guest gives. UUIDs as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hospesd/life.h"
#include "hospesd/uuid.h"
#include "sched.h"

static void each_reason_has_its_setting(void **state)
{
	struct domain_config c = { .on_poweroff = ACTION_PRESERVE,
				   .on_reboot = ACTION_RENAME_RESTART,
				   .on_crash = ACTION_COREDUMP_RESTART,
				   .on_watchdog = ACTION_COREDUMP_DESTROY,
				   .on_soft_reset = ACTION_SOFT_RESET };
	(void)state;
	assert_int_equal(life_action(&c, SHUTDOWN_poweroff), ACTION_PRESERVE);
	assert_int_equal(life_action(&c, SHUTDOWN_reboot), ACTION_RENAME_RESTART);
	assert_int_equal(life_action(&c, SHUTDOWN_crash), ACTION_COREDUMP_RESTART);
	assert_int_equal(life_action(&c, SHUTDOWN_watchdog), ACTION_COREDUMP_DESTROY);
	assert_int_equal(life_action(&c, SHUTDOWN_soft_reset), ACTION_SOFT_RESET);
	assert_int_equal(life_action(&c, SHUTDOWN_suspend), ACTION_PRESERVE);
}

static void any_number_is_an_end(void **state)
{
	struct domain_config c = { .on_poweroff = ACTION_RESTART,
				   .on_reboot = ACTION_RESTART,
				   .on_crash = ACTION_RESTART };
	(void)state;
	for (unsigned reason = SHUTDOWN_soft_reset + 1; reason <= 255; reason++) {
		assert_int_equal(life_action(&c, reason), ACTION_DESTROY);
		assert_string_equal(life_reason_name(reason), "unknown");
	}
	assert_int_equal(life_action(NULL, SHUTDOWN_reboot), ACTION_DESTROY);
	for (unsigned a = ACTION_DESTROY; a <= ACTION_SOFT_RESET; a++)
		assert_string_not_equal(life_action_name(a), "unknown");
}

static void uuids(void **state)
{
	static const char *const bad[] = { "",
					   "1234",
					   "12345678-1234-1234-1234-123456789abcd",
					   "12345678-1234-1234-1234-123456789ab",
					   "g2345678-1234-1234-1234-123456789abc",
					   "12345678 1234-1234-1234-123456789abc" };
	char text[UUID_TEXT];
	uint8_t uuid[16];
	(void)state;
	assert_true(uuid_parse(uuid, "12345678-9ABC-def0-1234-56789abcdef0"));
	uuid_format(text, uuid);
	assert_string_equal(text, "12345678-9abc-def0-1234-56789abcdef0");
	assert_true(uuid_parse(uuid, "123456789abcdef0123456789abcdef0"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(uuid_parse(uuid, bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_reason_has_its_setting),
					    cmocka_unit_test(any_number_is_an_end), cmocka_unit_test(uuids) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
