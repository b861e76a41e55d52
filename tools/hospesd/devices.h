/* Requests about devices. Each answers the request. */
#ifndef HOSPESD_DEVICES_H
#define HOSPESD_DEVICES_H

struct caller;
struct dom;
struct json_object;

void devices_attach(struct caller *caller, struct dom *d, struct json_object *params);
void devices_detach(struct caller *caller, struct dom *d, struct json_object *params);
void devices_list(struct caller *caller, struct dom *d, struct json_object *params);

#endif
