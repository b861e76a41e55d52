/* Names, paths, strings and messages of the wire. */
#include "fake.h"

#include <errno.h>
#include <string.h>

static void test_error_names(void **state)
{
	static const char *const names[] = { "EINVAL", "EACCES",  "EEXIST",    "EISDIR", "ENOENT", "ENOMEM",
					     "ENOSPC", "EIO",	  "ENOTEMPTY", "ENOSYS", "EROFS",  "EBUSY",
					     "EAGAIN", "EISCONN", "E2BIG",     "EPERM" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int err = wire_error_number(names[i], strlen(names[i]) + 1);

		assert_string_equal(wire_error_name(err), names[i]);
		assert_int_equal(wire_error_number(names[i], strlen(names[i])), err);
	}
	/* What no client knows. */
	assert_string_equal(wire_error_name(EDOM), "EINVAL");
	assert_int_equal(wire_error_number("EQUOTA", 7), EINVAL);
	assert_int_equal(wire_error_number("ENOENTX", 7), EINVAL);
	assert_int_equal(wire_error_number("", 0), EINVAL);
}

static void test_types(void **state)
{
	assert_string_equal(wire_type_name(XS_READ), "READ");
	assert_string_equal(wire_type_name(XS_SET_QUOTA), "SET_QUOTA");
	assert_string_equal(wire_type_name(WIRE_RESTRICT_REMOVED), "?");
	assert_string_equal(wire_type_name(27), "?");
	assert_string_equal(wire_type_name(XS_INVALID), "?");
	assert_int_equal(XS_RESET_WATCHES, 21);
	assert_int_equal(XS_DIRECTORY_PART, 22);
	assert_int_equal(XS_SET_QUOTA, 26);
}

static bool valid(const char *path)
{
	return wire_path_valid(path, strlen(path), false);
}

static void test_paths(void **state)
{
	char path[4000];

	assert_true(valid("/"));
	assert_true(valid("/a"));
	assert_true(valid("a/b-C_9@"));
	assert_true(valid("/p/@x"));
	assert_false(valid(""));
	assert_false(valid("//"));
	assert_false(valid("/a/"));
	assert_false(valid("a/"));
	assert_false(valid("/a//b"));
	assert_false(valid("/a.b"));
	assert_false(valid("/a b"));
	assert_false(valid("/a:b"));
	assert_false(valid("/\xc3\xa4"));
	assert_false(valid("@releaseDomain"));
	assert_true(wire_path_valid("@releaseDomain", 14, true));
	assert_true(wire_path_valid("@releaseDomain/7", 16, true));
	assert_false(wire_path_valid("/a\0b", 4, false));
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	assert_true(wire_path_valid(path, 3072, false));
	assert_false(wire_path_valid(path, 3073, false));
	path[0] = 'x';
	assert_true(wire_path_valid(path, 2048, false));
	assert_false(wire_path_valid(path, 2049, false));
	assert_int_equal(wire_domain_prefix("/local/domain/17/data"), 17);
	assert_int_equal(wire_domain_prefix("/local/domain/17"), 0);
	assert_int_equal(wire_domain_prefix("/local/domain//x"), 0);
	assert_int_equal(wire_domain_prefix("/local/domain/x1/x"), 0);
}

static void test_strings(void **state)
{
	const char *s[3];
	uint64_t n;

	assert_int_equal(wire_split("a\0bc\0", 5, s, 3), 2);
	assert_string_equal(s[1], "bc");
	assert_int_equal(wire_split("a", 1, s, 3), -1);
	assert_int_equal(wire_split("", 0, s, 3), -1);
	assert_int_equal(wire_split("\0", 1, s, 3), 1);
	assert_int_equal(wire_split("a\0b\0c\0d\0e", 10, s, 3), 5);
	assert_int_equal(wire_count_strings("a\0b", 3), 1);
	assert_true(wire_parse_number("65535", 65535, &n) && n == 65535);
	assert_false(wire_parse_number("65536", 65535, &n));
	assert_false(wire_parse_number("", 65535, &n));
	assert_false(wire_parse_number("-1", 65535, &n));
	assert_false(wire_parse_number("1 ", 65535, &n));
	assert_true(wire_parse_number("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
	assert_false(wire_parse_number("18446744073709551616", UINT64_MAX, &n));
	assert_false(wire_parse_number("99999999999999999999", UINT64_MAX, &n));
}

static void test_permissions(void **state)
{
	unsigned access;
	uint32_t id;
	char buf[16];

	for (const char *p = "nrwb"; *p; p++) {
		char text[16] = { *p, '4', '2' };

		assert_true(wire_perm_parse(text, &id, &access));
		assert_int_equal(id, 42);
		wire_perm_format(buf, sizeof(buf), id, access);
		assert_string_equal(buf, text);
	}
	assert_false(wire_perm_parse("x1", &id, &access));
	assert_false(wire_perm_parse("r", &id, &access));
	assert_false(wire_perm_parse("", &id, &access));
	assert_false(wire_perm_parse("r65536", &id, &access));
	assert_false(wire_perm_parse("rw1", &id, &access));
}

static void test_messages(void **state)
{
	struct wire_piece pieces[2] = { { "/a", 3 }, { "value", 5 } };
	static char big[5000];
	struct xsd_sockmsg h;
	char out[64];

	assert_int_equal(wire_pack(NULL, 0, XS_WRITE, 7, 9, pieces, 2), 24);
	assert_int_equal(wire_pack(out, 23, XS_WRITE, 7, 9, pieces, 2), 0);
	assert_int_equal(wire_pack(out, sizeof(out), XS_WRITE, 7, 9, pieces, 2), 24);
	assert_memory_equal(out + 16, "/a\0value", 8);
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(wire_peek(out, i, &h), 0);
	assert_int_equal(wire_peek(out, 24, &h), 24);
	assert_int_equal(wire_peek(out, 64, &h), 24);
	assert_int_equal(h.type, XS_WRITE);
	assert_int_equal(h.req_id, 7);
	assert_int_equal(h.tx_id, 9);
	assert_int_equal(h.len, 8);
	h.len = 4097;
	memcpy(out, &h, sizeof(h));
	assert_int_equal(wire_peek(out, 16, &h), -1);
	pieces[1] = (struct wire_piece){ big, 4094 };
	assert_int_equal(wire_pack(NULL, 0, XS_WRITE, 7, 9, pieces, 2), 0);
	pieces[1].len = 4093;
	assert_int_equal(wire_pack(NULL, 0, XS_WRITE, 7, 9, pieces, 2), 4112);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_names), cmocka_unit_test(test_types),	cmocka_unit_test(test_paths),
		cmocka_unit_test(test_strings),	    cmocka_unit_test(test_permissions), cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
