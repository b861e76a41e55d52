/* xl dump-core. */
#include <getopt.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "cmd.h"
#include "domains.h"
#include "guest/dump.h"
#include "xl.h"

static bool progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
	(void)arg;
	xl_draw(step, done, total);
	return true;
}

int cmd_dump_core(int argc, char **argv)
{
	struct json_object *o;
	struct problem p;
	uint32_t domid;
	char *name;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_find(argv[optind]);
	name = domain_name(domid);
	problem_init(&p);
	problem_domain(&p, name, domid);
	free(name);
	rc = guest_dump(xl_hcall(), domid, argv[optind + 1], progress, NULL, &p);
	xl_draw_end();
	if (rc)
		return xl_problem(&p);
	if (!xl_json())
		return XL_OK;
	o = xl_domain_params(domid);
	json_object_object_add(o, "file", json_object_new_string(argv[optind + 1]));
	return xl_print_json(o);
}
