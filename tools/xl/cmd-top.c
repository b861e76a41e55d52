/* xl top, and the program under the name xentop: a table of what domains use, once and again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/text.h"
#include "cmd.h"
#include "top.h"
#include "xl.h"

static void print_json(const struct top *top)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < top->now.nr; i++) {
		struct json_object *o = domain_json(&top->now.d[i]);

		json_object_object_add(o, "cpu_percent", json_object_new_double(top_share(top, &top->now.d[i])));
		json_object_array_add(a, o);
	}
	xl_print_json(a);
}

static int batch(struct top *top)
{
	for (long round = 0; top->rounds < 0 || round < top->rounds; round++) {
		struct text t = { 0 };

		if (round)
			sleep(top->delay);
		top_look(top);
		if (xl_json()) {
			print_json(top);
		} else {
			top_table(top, &t, 0);
			fputs(t.s, stdout);
			text_free(&t);
		}
		fflush(stdout);
		if (ferror(stdout))
			return XL_FAILED;
	}
	return XL_OK;
}

int cmd_top(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
					       { "version", 0, NULL, 'V' },
					       { "delay", 1, NULL, 'd' },
					       { "networks", 0, NULL, 'n' },
					       { "vbds", 0, NULL, 'x' },
					       { "repeat-header", 0, NULL, 'r' },
					       { "vcpus", 0, NULL, 'v' },
					       { "batch", 0, NULL, 'b' },
					       { "iterations", 1, NULL, 'i' },
					       { "full-name", 0, NULL, 'f' },
					       { 0 } };
	struct top top = { .delay = 3, .rounds = -1 };
	bool in_batch = xl_json();
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "Vd:nxrvbi:f", longs, 0)) >= 0) {
		top.networks |= opt == 'n';
		top.vbds |= opt == 'x';
		top.repeat_header |= opt == 'r';
		top.vcpus |= opt == 'v';
		in_batch |= opt == 'b';
		top.full_names |= opt == 'f';
		if (opt == 'd')
			top.delay = (unsigned)strtoul(optarg, NULL, 10) + !strtoul(optarg, NULL, 10);
		else if (opt == 'i')
			top.rounds = strtol(optarg, NULL, 10);
		else if (opt == 'V')
			return printf("xentop (Hospes)\n") < 0;
	}
	rc = in_batch ? batch(&top) : top_screen(&top);
	top_free(&top);
	return rc;
}
