/* How much memory and how many CPUs a running domain has. Each answers the request. */
#ifndef HOSPESD_LIMITS_H
#define HOSPESD_LIMITS_H

/* KiB domain 0 is left with at least, as with libxl: without memory it could not even be asked for more. */
#define DOM0_LEAST (128u << 10)

struct caller;
struct dom;
struct json_object;

void limits_memory_set(struct caller *caller, struct dom *d, struct json_object *params);
void limits_memory_max(struct caller *caller, struct dom *d, struct json_object *params);
void limits_vcpus_set(struct caller *caller, struct dom *d, struct json_object *params);

#endif
