/* xen_version: every sub-operation, unknown ones, bad pointers. Free-form strings are only measured: they name the build. */
#include "lib/ops.h"

static long ver(unsigned op, void *arg)
{
	return hypercall2(HC_xen_version, op, arg);
}

void guest_main(void)
{
	static char buf[2048] __attribute__((aligned(4096)));
	struct {
		uint32_t index, map;
	} features = { 0, 0 };

	check_eq("version is 4.17", ver(0, 0), 4 << 16 | 17);
	show("extraversion", ver(1, buf));
	check_eq("extraversion starts with .7", memcmp(buf, ".7", 2), 0);
	show("compile_info", ver(2, buf));
	memset(buf, 0, sizeof(buf));
	show("capabilities", ver(3, buf));
	say("capabilities '%s'\n", buf);
	show("changeset", ver(4, buf));
	memset(buf, 0, sizeof(buf));
	show("platform_parameters", ver(5, buf));
	say("virt_start %lx\n", *(unsigned long *)buf);
	for (unsigned i = 0; i < 3; i++) {
		features.index = i;
		features.map = 0;
		showf(ver(6, &features), "get_features %u", i);
		say("features %x\n", features.map);
	}
	show("pagesize", ver(7, 0));
	memset(buf, 0, sizeof(buf));
	show("guest_handle", ver(8, buf));
	memset(buf, 0, sizeof(buf));
	show("commandline", ver(9, buf));
	say("commandline '%s'\n", buf);
	{
		uint32_t len = 0;
		long want = ver(10, 0);

		show("build_id", want);
		show("build_id into nothing", ver(10, &len));
		*(uint32_t *)buf = 64;
		check_eq("build_id fits", ver(10, buf) == want, 1);
	}
	for (unsigned i = 11; i < 20; i++)
		showf(ver(i, buf), "sub %u", i);
	show("sub -1", ver(~0u, buf));
	for (unsigned i = 1; i < 11; i++)
		if (i != 7) {
			showf(ver(i, NOWHERE), "sub %u nowhere", i);
			showf(ver(i, UNMAPPED), "sub %u unmapped", i);
		}
	/* Across the last populated page into nothing. */
	show("capabilities over the end", ver(3, (void *)(ram_end() - 16)));
	for (unsigned nr = 42; nr < 70; nr++)
		if (nr < 48 || nr > 55)
			showf(hypercall(nr, 0, 0, 0, 0, 0), "hypercall %u", nr);
	show("hypercall 10000", hypercall(10000, 0, 0, 0, 0, 0));
	show("hypercall 0x80000000", hypercall(0x80000000u, 0, 0, 0, 0, 0));
}
