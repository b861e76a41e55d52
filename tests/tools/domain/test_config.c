/* lib/domain: device numbers, CPU lists, specifications, whole files and both ways through JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"
#include "domain/config.h"
#include "domain/keys.h"
#include "domain/xlcfg.h"

static void vdev_numbers(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{ "xvda", 51712 },
		{ "xvda1", 51713 },
		{ "xvdb", 51728 },
		{ "xvdp15", 51967 },
		{ "xvdq", 268439552 },
		{ "xvdz", 268441856 },
		{ "xvdaa", 268442112 },
		{ "xvda16", 268435472 },
		{ "sda", 2048 },
		{ "sdb2", 2066 },
		{ "sdp15", 2303 },
		{ "sdq", -1 },
		{ "sda16", -1 },
		{ "hda", 768 },
		{ "hdb", 832 },
		{ "hdc", 5632 },
		{ "hdd63", 5759 },
		{ "hde", -1 },
		{ "d0", 51712 },
		{ "d0p1", 51713 },
		{ "d16", 268439552 },
		{ "d5p2", 51794 },
		{ "d0p256", -1 },
		{ "768", 768 },
		{ "0x300", 768 },
		{ "xvd", -1 },
		{ "", -1 },
		{ "xvda0", -1 },
		{ "xvda01", -1 },
		{ "foo", -1 },
		{ "d", -1 },
		{ "d1p", -1 },
		{ "xvda1x", -1 },
		{ "99999999999999", -1 },
		{ "XVDA", -1 },
		{ "xvdzzzzzzz", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (disk_vdev_number(cases[i].name) != cases[i].number)
			fail_msg("%s is %d, not %d", cases[i].name, disk_vdev_number(cases[i].name), cases[i].number);
	assert_int_equal(disk_vdev_number(NULL), -1);
}

static void cpu_lists(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "0", "0" },		{ "0-3", "0-3" },	 { "0,2,4-6", "0,2,4-6" },
		{ "all", "all" },	{ "all,^3", "0-2,4-7" }, { "0-7", "all" },
		{ "^3,all", "all" },	{ "0-3,^1", "0,2-3" },	 { "nodes:0", "all" },
		{ "", "none" },		{ "5,5,5", "5" },	 { "0-99", "all" },
		{ "9", "none" },	{ "0,,1", "0-1" },	 { "node:^0,1", "1" },
		{ "0-3,^0-3", "none" },
	};
	static const char *const bad[] = { "x", "3-1", "1-", "-1", "^all", "1..3", "nodes:1", "99999", "1 - 2", "0x1" };
	struct cpu_list l;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *s;

		if (cpu_list_parse(&l, cases[i].text, 8))
			fail_msg("'%s' is not taken", cases[i].text);
		s = cpu_list_format(&l, 8);
		if (strcmp(s, cases[i].printed))
			fail_msg("'%s' is printed as '%s', not '%s'", cases[i].text, s, cases[i].printed);
		free(s);
		cpu_list_free(&l);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cpu_list_parse(&l, bad[i], 8) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
}

static void grammar(void **state)
{
	struct xlcfg c;

	(void)state;
	assert_int_equal(
		xlcfg_parse(&c, "f",
			    "a=1 # x\nb = 'q\\x41\\101\\n' ; c=[ 'x', [2, 3], ] \\\n\nvif.default.bridge='y'\n"),
		0);
	assert_int_equal(xlcfg_get(&c, "a")->number, 1);
	assert_string_equal(xlcfg_get(&c, "a")->string, "1");
	assert_string_equal(xlcfg_get(&c, "b")->string, "qAA\n");
	assert_int_equal(xlcfg_get(&c, "c")->nr_items, 2);
	assert_int_equal(xlcfg_get(&c, "c")->items[1].items[1].number, 3);
	assert_int_equal(xlcfg_get(&c, "vif.default.bridge")->line, 4);
	assert_null(xlcfg_get(&c, "d"));
	/* Overrides add to what the file has, or stand instead of it. */
	assert_int_equal(xlcfg_override(&c, "c += [4]; b += 'z'\na = 7"), 0);
	assert_int_equal(xlcfg_get(&c, "c")->nr_items, 3);
	assert_int_equal(xlcfg_get(&c, "c")->items[2].number, 4);
	assert_string_equal(xlcfg_get(&c, "b")->string, "qAA\nz");
	assert_int_equal(xlcfg_get(&c, "a")->number, 7);
	assert_int_equal(xlcfg_get(&c, "a")->line, 0);
	assert_int_equal(xlcfg_override(&c, "a += []"), -1);
	assert_non_null(strstr(c.error, "command line: "));
	xlcfg_free(&c);
	assert_int_equal(xlcfg_parse(&c, "f", "a=1\n\nb='x\n"), -1);
	assert_non_null(strstr(c.error, "f:3: "));
	xlcfg_free(&c);
	/* += of what is not there is =; adding nothing changes nothing. */
	assert_int_equal(xlcfg_parse(&c, "f", "l += ['a']\nl += []\ns += 'x'"), 0);
	assert_int_equal(xlcfg_get(&c, "l")->nr_items, 1);
	xlcfg_free(&c);
}

static struct json_object *json_of(const char *text, char *const *overrides, struct problem *p)
{
	struct domain_config c;
	struct json_object *o = NULL;

	domain_config_init(&c);
	problem_init(p);
	if (domain_config_parse(&c, "f.cfg", text, overrides, NULL, NULL, p) == 0)
		o = domain_config_json(&c);
	domain_config_free(&c);
	return o;
}

#define HEAD "name='n'\nkernel='/k'\ntype='pvh'\n"

static void whole_file(void **state)
{
	struct domain_config c;
	struct problem p;

	(void)state;
	domain_config_init(&c);
	problem_init(&p);
	assert_int_equal(
		domain_config_parse(
			&c, "f.cfg",
			HEAD
			"memory=64\nmaxmem=128\nvcpus=2\nmaxvcpus=4\nroot='/dev/x'\nextra='quiet'\n"
			"disk=['/a,raw,xvda,r','phy:/b,xvdb,w']\nvif=['bridge=b,rate=1MB/s','mac=00:16:3e:01:02:03']\n"
			"cpus=['0','1-2']\ncpu_weight=300\non_crash='preserve'\nuuid='00112233445566778899aabbccddeeff'\n",
			NULL, NULL, NULL, &p),
		0);
	assert_string_equal(c.name, "n");
	assert_int_equal(c.type, DOMAIN_PVH);
	assert_true(c.type_given);
	assert_int_equal(c.memory, 64 << 10);
	assert_int_equal(c.maxmem, 128 << 10);
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.maxvcpus, 4);
	assert_string_equal(c.cmdline, "root=/dev/x quiet");
	assert_int_equal(c.nr_disks, 2);
	assert_true(c.disks[0].readonly);
	assert_int_equal(c.disks[0].line, 10);
	assert_string_equal(c.disks[1].target, "/b");
	assert_int_equal(c.nr_nics, 2);
	assert_int_equal(c.nics[0].rate_bytes, 50000);
	assert_int_equal(c.nics[1].mac[5], 3);
	assert_int_equal(c.nics[1].devid, 1);
	assert_int_equal(c.nr_vcpu_affinity, 2);
	assert_int_equal(c.weight, 300);
	assert_int_equal(c.cap, -1);
	assert_int_equal(c.on_crash, ACTION_PRESERVE);
	assert_int_equal(c.on_poweroff, ACTION_DESTROY);
	assert_int_equal(c.on_reboot, ACTION_RESTART);
	assert_int_equal(c.uuid[15], 0xff);
	assert_int_equal(c.max_grant_frames, UINT32_MAX);
	domain_config_free(&c);
}

/* What libxl, or somebody else, put into its JSON that nothing here knows comes out again. */
static void json_both_ways(void **state)
{
	static const char *const text =
		"{\"c_info\":{\"type\":\"hvm\",\"hap\":\"True\",\"name\":\"n\",\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\"},"
		"\"b_info\":{\"max_vcpus\":4,\"avail_vcpus\":[0,2],\"vcpu_hard_affinity\":[[1],[],[0,3]],\"max_memkb\":8192,\"target_memkb\":4096,"
		"\"shadow_memkb\":77,\"disable_migrate\":\"False\",\"sched_params\":{\"sched\":\"credit2\",\"weight\":256},"
		"\"type.hvm\":{\"bios\":\"ovmf\",\"vnc\":{\"enable\":\"True\"},\"rdm\":{}},\"arch_arm\":{},\"arch_x86\":{}},"
		"\"disks\":[{\"pdev_path\":\"/d\",\"vdev\":\"xvda\",\"format\":\"raw\",\"readwrite\":1,\"colo_enable\":\"True\"}],"
		"\"nics\":[{\"devid\":0,\"mac\":\"00:16:3e:01:02:03\",\"bridge\":\"b\"}],\"vkbs\":[{\"devid\":3}],"
		"\"on_reboot\":\"restart\",\"on_soft_reset\":\"soft_reset\",\"later\":{\"x\":[1,null,true]}}";
	struct json_object *in = json_tokener_parse(text), *out;
	struct text a = { 0 }, b = { 0 };
	struct domain_config c, copy;
	struct problem p;

	(void)state;
	domain_config_init(&c);
	problem_init(&p);
	assert_int_equal(domain_config_from_json(&c, in, &p), 0);
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.maxvcpus, 4);
	assert_int_equal(c.weight, 256);
	domain_config_copy(&copy, &c);
	out = domain_config_json(&copy);
	json_print(&a, in);
	json_print(&b, out);
	assert_string_equal(a.s, b.s);
	assert_true(json_object_equal(in, out));
	json_object_put(out);
	json_object_put(in);
	text_free(&a);
	text_free(&b);
	domain_config_free(&c);
	domain_config_free(&copy);
}

static void bad_json(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"c_info\":[]}",
		"{\"c_info\":{\"name\":5}}",
		"{\"c_info\":{\"name\":\"a\",\"type\":\"vax\"}}",
		"{\"c_info\":{\"name\":\"a\",\"uuid\":\"x\"}}",
		"{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"max_vcpus\":-1}}",
		"{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"max_vcpus\":1,\"avail_vcpus\":[0,1]}}",
		"{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"vcpu_hard_affinity\":[[99999999]]}}",
		"{\"c_info\":{\"name\":\"a\"},\"disks\":[{}]}",
		"{\"c_info\":{\"name\":\"a\"},\"disks\":[5]}",
		"{\"c_info\":{\"name\":\"a\"},\"disks\":[{\"vdev\":\"zz\"}]}",
		"{\"c_info\":{\"name\":\"a\"},\"nics\":[{\"mac\":\"q\"}]}",
		"{\"c_info\":{\"name\":\"a\"},\"on_crash\":\"cry\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *o = json_tokener_parse(bad[i]);
		struct domain_config c;
		struct problem p;

		domain_config_init(&c);
		problem_init(&p);
		if (domain_config_from_json(&c, o, &p) != -EINVAL || strcmp(p.code, "bad-json") || !p.next[0])
			fail_msg("%s is taken, or not explained: %s", bad[i], p.code);
		domain_config_free(&c);
		json_object_put(o);
	}
}

static void specifications(void **state)
{
	struct disk_config d;
	struct nic_config n;
	struct problem p;

	(void)state;
	problem_init(&p);
	assert_int_equal(disk_config_parse(&d, "vdev=xvda,script=block-x,target=a,b=c", &p), 0);
	assert_string_equal(d.target, "a,b=c");
	assert_string_equal(d.script, "block-x");
	disk_config_free(&d);
	assert_int_equal(disk_config_parse(&d, "file:/a.iso,hdc:cdrom,r", &p), 0);
	assert_true(d.cdrom && d.removable && d.readonly && d.format == DISK_RAW);
	disk_config_free(&d);
	assert_int_equal(disk_config_parse(&d, "vdev=hdc,cdrom", &p), 0);
	assert_true(d.cdrom && d.format == DISK_EMPTY && !d.target);
	disk_config_free(&d);
	assert_int_equal(disk_config_parse(&d, "/a,raw,xvda,w,more", &p), -EINVAL);
	assert_string_equal(p.code, "bad-disk");
	problem_init(&p);
	assert_int_equal(nic_config_parse(&n, "mac=00-16-3E-aa-bb-cc, bridge=b ,rate=8Kb/s@1s,trusted", &p), 0);
	assert_int_equal(n.mac[2], 0x3e);
	assert_string_equal(n.bridge, "b");
	assert_int_equal(n.rate_bytes, 1000);
	assert_int_equal(n.rate_us, 1000000);
	assert_true(n.trusted && !n.untrusted && n.devid == -1 && n.vlan == -1);
	nic_config_free(&n);
	assert_int_equal(nic_config_parse(&n, "rate=99999999999999999999GB/s", &p), -EINVAL);
	assert_string_equal(p.code, "bad-vif");
}

/* The table is searched by halves, so its order matters; every key xl.cfg(5) names is in it. */
static void all_keys(void **state)
{
	static const char *const some[] = { "name",
					    "vcpus",
					    "disk",
					    "vif",
					    "on_soft_reset",
					    "usbdev",
					    "pvshim_extra",
					    "spice_streaming_video",
					    "vuart",
					    "viridian",
					    "stdvga",
					    "vtpm",
					    "xen_platform_pci",
					    "acpi",
					    "ms_vm_genid",
					    "altp2m" };

	(void)state;
	for (unsigned i = 1; i < nr_keys; i++)
		assert_true(strcmp(key_table[i - 1].key, key_table[i].key) < 0);
	assert_true(nr_keys >= 166);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (!key_find(some[i]))
			fail_msg("%s is not known", some[i]);
	assert_null(key_find("foo"));
}

static void overrides(void **state)
{
	char *const more[] = { (char[]){ "memory=96" }, (char[]){ "disk+=['/b,raw,xvdb,w']" }, NULL };
	struct problem p;
	struct json_object *o = json_of(HEAD "memory=64\ndisk=['/a,raw,xvda,w']\n", more, &p), *v;

	(void)state;
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "disks", &v));
	assert_int_equal(json_object_array_length(v), 2);
	assert_true(json_object_object_get_ex(o, "b_info", &v));
	assert_true(json_object_object_get_ex(v, "target_memkb", &v));
	assert_int_equal(json_object_get_int(v), 96 << 10);
	json_object_put(o);
	assert_null(json_of(HEAD "memory=64\nvcpus='x'", NULL, &p));
	assert_string_equal(p.code, "bad-value");
	assert_string_equal(p.domain, "n");
	assert_non_null(strstr(p.cause, "f.cfg:5: "));
	assert_non_null(strstr(p.next, "line 5 of f.cfg"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vdev_numbers),	  cmocka_unit_test(cpu_lists),	    cmocka_unit_test(grammar),
		cmocka_unit_test(whole_file),	  cmocka_unit_test(json_both_ways), cmocka_unit_test(bad_json),
		cmocka_unit_test(specifications), cmocka_unit_test(all_keys),	    cmocka_unit_test(overrides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
