/* How much memory and how many CPUs a running domain has. Each answers the request. */
#ifndef HOSPESD_LIMITS_H
#define HOSPESD_LIMITS_H

struct caller;
struct dom;
struct json_object;

void limits_memory_set(struct caller *caller, struct dom *d, struct json_object *params);
void limits_memory_max(struct caller *caller, struct dom *d, struct json_object *params);
void limits_vcpus_set(struct caller *caller, struct dom *d, struct json_object *params);

#endif
