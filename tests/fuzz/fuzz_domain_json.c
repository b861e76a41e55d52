/* Any JSON as a domain's configuration: refused with a problem, or stable from then on: written, read and written gives the same. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"
#include "domain/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_object *through(struct json_object *in, struct problem *p)
{
	struct domain_config c;
	struct json_object *out = NULL;

	domain_config_init(&c);
	problem_init(p);
	if (domain_config_from_json(&c, in, p) == 0)
		out = domain_config_json(&c);
	domain_config_free(&c);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(16);
	struct json_object *in, *once, *twice;
	struct text t = { 0 };
	struct problem p;

	in = size && size < 1 << 20 ? json_tokener_parse_ex(tokener, (const char *)data, (int)size) : NULL;
	if (in) {
		json_print(&t, in);
		once = through(in, &p);
		if (!once && (!p.code[0] || !p.next[0]))
			abort();
		if (once) {
			twice = through(once, &p);
			if (!twice || !json_object_equal(once, twice))
				abort();
			json_object_put(twice);
		}
		json_object_put(once);
	}
	json_object_put(in);
	text_free(&t);
	json_tokener_free(tokener);
	return 0;
}
