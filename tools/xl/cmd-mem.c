/* xl mem-set, mem-max. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domains.h"
#include "xl.h"

static int set(int argc, char **argv, const char *method, const char *which)
{
	struct json_object *params, *result;
	struct problem p;
	uint32_t domid;
	uint64_t kib;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_find(argv[optind]);
	if (!xl_parse_size(argv[optind + 1], &kib))
		return xl_refuse(EINVAL, "bad-value", "memory", "write MiB, or a number with k, m, g or t",
				 "invalid memory size: %s", argv[optind + 1]);
	params = xl_domain_params(domid);
	json_object_object_add(params, "kib", json_object_new_int64((int64_t)kib));
	problem_init(&p);
	result = xl_ask(method, params, &p);
	if (!result) {
		xl_problem(&p);
		if (!xl_json())
			fprintf(stderr, "cannot set domid %u %s max memory to : %s\n", domid, which, argv[optind + 1]);
		return XL_FAILED;
	}
	if (xl_json())
		return xl_print_json(result);
	json_object_put(result);
	return XL_OK;
}

int cmd_mem_set(int argc, char **argv)
{
	return set(argc, argv, "domain.memory_set", "dynamic");
}

int cmd_mem_max(int argc, char **argv)
{
	return set(argc, argv, "domain.memory_max", "static");
}
