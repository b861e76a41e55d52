/* hypfs_op: its tree and formats as libxenhypfs reads them, options that change, and every refusal. */
#include "control_test.h"

#include "abi/hypfs.h"
#include "hv/grant.h"
#include "hv/printf.h"

#define PATH 0x3000UL

static uint8_t out[4096];

static long call(struct domain *d, uint64_t op, const char *path, size_t len, uint64_t size)
{
	long rc;

	memcpy(gpa_ptr(d, PATH), path, len);
	memset(gpa_ptr(d, BUF), 0xee, 4096);
	rc = host_hypercall(d->vcpu[0], __HYPERVISOR_hypfs_op, op, PATH, len, BUF, size);
	memcpy(out, gpa_ptr(d, BUF), sizeof(out));
	return rc;
}

static long reads(const char *path)
{
	return call(tools, XEN_HYPFS_OP_read, path, strlen(path) + 1, sizeof(out));
}

static long writes(const char *path, const char *value, size_t len)
{
	memcpy(gpa_ptr(tools, PATH), path, strlen(path) + 1);
	memcpy(gpa_ptr(tools, BUF), value, len);
	return host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_write_contents, PATH,
			      strlen(path) + 1, BUF, len);
}

static struct xen_hypfs_direntry *entry(void)
{
	return (struct xen_hypfs_direntry *)out;
}

/* The listing of a directory, names with blanks between them. */
static void lists(const char *path, const char *wanted)
{
	char names[512] = "";
	uint8_t *at = out + sizeof(struct xen_hypfs_direntry);
	uint32_t len;

	assert_int_equal(reads(path), 0);
	assert_int_equal(entry()->type, XEN_HYPFS_TYPE_DIR);
	len = entry()->content_len;
	for (;;) {
		struct xen_hypfs_dirlistentry *e = (struct xen_hypfs_dirlistentry *)at;

		assert_true(at < out + sizeof(struct xen_hypfs_direntry) + len);
		hv_snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? " " : "", e->name);
		if (!e->off_next)
			break;
		at += e->off_next;
	}
	assert_string_equal(names, wanted);
}

static void holds(const char *path, const char *wanted)
{
	assert_int_equal(reads(path), 0);
	assert_int_equal(entry()->type, XEN_HYPFS_TYPE_STRING);
	assert_int_equal(entry()->encoding, XEN_HYPFS_ENC_PLAIN);
	assert_int_equal(entry()->content_len, strlen(wanted) + 1);
	assert_string_equal((char *)out + sizeof(struct xen_hypfs_direntry), wanted);
}

static void test_tree(void **state)
{
	lists("/", "buildinfo cpupool params");
	lists("/buildinfo", "changeset compileinfo version");
	lists("/buildinfo/", "changeset compileinfo version");
	lists("/buildinfo/version", "extra major minor");
	lists("/buildinfo/compileinfo", "compile_by compile_date compile_domain compiler");
	lists("/cpupool", "0");
	lists("/cpupool/0", "sched-gran");
	holds("/cpupool/0/sched-gran", "cpu");
	assert_int_equal(reads("/buildinfo/version/minor"), 0);
	assert_int_equal(entry()->type, XEN_HYPFS_TYPE_UINT);
	assert_int_equal(entry()->content_len, 4);
	assert_int_equal(entry()->max_write_len, 0);
	assert_int_equal(*(uint32_t *)(out + sizeof(struct xen_hypfs_direntry)), 17);
}

static void test_options(void **state)
{
	holds("/params/loglvl", "info/info");
	assert_true(entry()->max_write_len > 0);
	assert_int_equal(writes("/params/loglvl", "error/debug", 12), 0);
	holds("/params/loglvl", "error/all");
	assert_int_equal(writes("/params/loglvl", "foo", 4), -EINVAL);
	assert_int_equal(writes("/params/loglvl", "error/foo", 10), -EINVAL);
	assert_int_equal(writes("/params/loglvl", "all/all/all", 12), -EINVAL);
	holds("/params/loglvl", "error/all");
	assert_int_equal(writes("/params/loglvl", "", 1), 0);
	holds("/params/loglvl", "info/info");
	assert_int_equal(writes("/params/guest_loglvl", "all", 4), 0);
	holds("/params/guest_loglvl", "all/all");
	assert_int_equal(writes("/params/guest_loglvl", "", 1), 0);
	holds("/params/guest_loglvl", "none/warning");
	assert_int_equal(writes("/params/console_timestamps", "boot", 5), 0);
	holds("/params/console_timestamps", "boot");
	assert_int_equal(writes("/params/console_timestamps", "later", 6), -EINVAL);
	assert_int_equal(writes("/params/console_timestamps", "", 1), 0);
	holds("/params/console_timestamps", "date");
	assert_int_equal(writes("/params/console_timestamps", "no", 3), 0);
	holds("/params/console_timestamps", "none");
}

static void test_grant_limits(void **state)
{
	lists("/params", "console_timestamps gnttab_max_frames gnttab_max_maptrack_frames guest_loglvl loglvl");
	holds("/params/gnttab_max_frames", "64");
	holds("/params/gnttab_max_maptrack_frames", "1024");
	assert_int_equal(writes("/params/gnttab_max_frames", "100", 4), 0);
	assert_int_equal(writes("/params/gnttab_max_maptrack_frames", "0x800", 6), 0);
	holds("/params/gnttab_max_frames", "100");
	holds("/params/gnttab_max_maptrack_frames", "2048");
	assert_int_equal(grant_default_frames(), 100);
	assert_int_equal(writes("/params/gnttab_max_frames", "0", 2), -EINVAL);
	assert_int_equal(writes("/params/gnttab_max_frames", "-1", 3), -EINVAL);
	assert_int_equal(writes("/params/gnttab_max_frames", "abc", 4), -EINVAL);
	holds("/params/gnttab_max_frames", "100");
	assert_int_equal(writes("/params/gnttab_max_frames", "64", 3), 0);
	assert_int_equal(writes("/params/gnttab_max_maptrack_frames", "1024", 5), 0);
}

static void test_refusals(void **state)
{
	static const char long_value[33] = "all";
	static const char *const absent[] = {
		"/nosuch",  "//",	  "/params/nosuch", "/params/loglvl/x",	     "/para",
		"/paramsx", "/cpupool/1", "/cpupool/00",    "/cpupool/x/sched-gran", "/cpupool//sched-gran"
	};

	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_int_equal(reads(absent[i]), -ENOENT);
	assert_int_equal(reads("params"), -EINVAL);
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "/params", 7, 4096), -EINVAL); /* no NUL */
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "/params\0x", 10, 4096), -EINVAL);
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "", 1, 4096), -EINVAL);
	assert_int_equal(
		host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_read, PATH, 1025, BUF, 4096),
		-EINVAL);
	assert_int_equal(
		host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_read, 1UL << 46, 8, BUF, 4096),
		-EFAULT);
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "/", 2, 11), -EINVAL);
	/* Too little room: what it is, and how much there is of it. */
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "/params/loglvl", 15, 12), -ENOBUFS);
	assert_int_equal(entry()->content_len, sizeof("info/info"));
	assert_int_equal(out[12], 0xee);
	assert_int_equal(call(tools, XEN_HYPFS_OP_read, "/params/loglvl", 15, 12 + sizeof("info/info")), 0);
	assert_int_equal(writes("/params", "x", 2), -EACCES);
	assert_int_equal(writes("/buildinfo/changeset", "x", 2), -EACCES);
	assert_int_equal(writes("/buildinfo/version/major", "xyz", 4), -EACCES);
	assert_int_equal(writes("/cpupool/0/sched-gran", "cpu", 4), -EBUSY);
	assert_int_equal(writes("/params/loglvl", "all", 3), -EINVAL);
	assert_int_equal(writes("/params/loglvl", "", 0), -EINVAL);
	assert_int_equal(writes("/params/loglvl", long_value, sizeof(long_value)), -ENOSPC);
	assert_int_equal(writes("/nosuch", "x", 2), -ENOENT);
	assert_int_equal(host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, 3, PATH, 2, BUF, 4096), -EOPNOTSUPP);
	assert_int_equal(host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 0, 0, 0, 0),
			 1);
	assert_int_equal(host_hypercall(tools->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 1, 0, 0, 0),
			 -EINVAL);
	assert_int_equal(host_hypercall(plain->vcpu[0], __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 0, 0, 0, 0),
			 -EPERM);
	assert_int_equal(call(plain, XEN_HYPFS_OP_read, "/", 2, 4096), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tree, control_setup),
		cmocka_unit_test_setup(test_options, control_setup),
		cmocka_unit_test_setup(test_grant_limits, control_setup),
		cmocka_unit_test_setup(test_refusals, control_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
