#include "args.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>

#include "base/problem.h"

bool arg_bool(struct json_object *params, const char *name)
{
	struct json_object *o;
	return json_object_object_get_ex(params, name, &o) && json_object_get_boolean(o);
}

const char *arg_string(struct json_object *params, const char *name)
{
	struct json_object *o;
	return json_object_object_get_ex(params, name, &o) && json_object_is_type(o, json_type_string) ?
		       json_object_get_string(o) :
		       NULL;
}

bool arg_number(struct json_object *params, const char *name, uint64_t max, uint64_t *out, struct problem *p)
{
	struct json_object *o;
	int64_t n;
	if (json_object_object_get_ex(params, name, &o) && json_object_is_type(o, json_type_int)) {
		n = json_object_get_int64(o);
		if (n >= 0 && (uint64_t)n <= max) {
			*out = (uint64_t)n;
			return true;
		}
	}
	problem_set(p, EINVAL, "bad-request", "request", "see the table of methods in hospesd(8)",
		    "the parameter '%s' must be a number of 0 to %llu", name, (unsigned long long)max);
	return false;
}

struct json_object *arg_object(struct json_object *params, const char *name, struct problem *p)
{
	struct json_object *o;
	if (json_object_object_get_ex(params, name, &o) && json_object_is_type(o, json_type_object))
		return o;
	problem_set(p, EINVAL, "bad-request", "request", "see the table of methods in hospesd(8)",
		    "the parameter '%s' must be an object", name);
	return NULL;
}
