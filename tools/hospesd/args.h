/* Parameters of requests. */
#ifndef HOSPESD_ARGS_H
#define HOSPESD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct problem;

bool arg_bool(struct json_object *params, const char *name);
/* The string, or NULL. */
const char *arg_string(struct json_object *params, const char *name);
/* False with the problem: missing, or not a number of 0 to @max. */
bool arg_number(struct json_object *params, const char *name, uint64_t max, uint64_t *out, struct problem *p);
/* The object; NULL with the problem. */
struct json_object *arg_object(struct json_object *params, const char *name, struct problem *p);

#endif
