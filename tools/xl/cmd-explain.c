/* xl explain: why it did not start, why it is still there, who holds its memory. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domains.h"
#include "xl.h"

int cmd_explain(int argc, char **argv)
{
	struct json_object *params = json_object_new_object(), *result, *v;
	int64_t domid;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	/* Also of one that is gone or never was, and without a store: then the name is all there is. */
	domid = isdigit((unsigned char)*argv[optind]) || xl_store_try() ? domain_lookup(argv[optind]) : -1;
	json_object_object_add(params, "domain",
			       domid >= 0 ? json_object_new_int64(domid) : json_object_new_string(argv[optind]));
	result = xl_ask("domain.explain", params, NULL);
	if (!result)
		return XL_FAILED;
	if (xl_json())
		return xl_print_json(result);
	if (json_object_object_get_ex(result, "state", &v) && v)
		printf("%s: %s\n", argv[optind], json_object_get_string(v));
	if (json_object_object_get_ex(result, "lines", &v) && json_object_is_type(v, json_type_array))
		for (size_t i = 0; i < json_object_array_length(v); i++)
			printf("  %s\n", json_object_get_string(json_object_array_get_idx(v, i)));
	json_object_put(result);
	return XL_OK;
}
