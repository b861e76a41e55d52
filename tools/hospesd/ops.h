/* The kinds of operations. Each answers its caller (which may be NULL) at the end. */
#ifndef HOSPESD_OPS_H
#define HOSPESD_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "op.h"
#include "xs.h"

struct device;
struct domain_config;
struct json_object;

/*
 * Create a domain. @config is taken over (its content; the structure is the caller's). @file names the configuration in messages. @restart: it is
 * the next life of a domain, so a daemon that finds it half-done does it again; otherwise it finishes it or takes it back.
 */
void create_start(struct caller *caller, struct domain_config *config, bool paused, bool restart, unsigned restarts);
/* Can a domain be called that? 0 or -errno and the problem. */
int create_check_name(const char *name, struct problem *p);
/* Go on with a domain that is complete in the store (its record says so) but was not started yet. @devices is taken over. */
void create_resume(struct dom *d, struct device *devices, bool paused);
/*
 * A domain that is not in the store yet: /hospes/pending/<uuid> = "<what> <number of restarts>", what being "create" or "restart". See life_recover().
 */
#define CREATE_PENDING "/hospes/pending"
void pending_note(const uint8_t uuid[16], const char *what, unsigned restarts, xs_done *done, void *arg);
/* Give up the creation of a domain that is not built yet; @caller is answered when nothing of it is left. False: there is none. */
bool create_cancel(const char *name, struct caller *caller);
/* The names and UUIDs of domains that are being built count as taken. */
bool create_under_way(const char *name, const uint8_t uuid[16]);

enum destroy_then { DESTROY_ONLY, DESTROY_RESTART };
/* Take a domain down, with all that belongs to it; then perhaps make it anew from @config (taken over; may be NULL). */
void destroy_start(struct caller *caller, struct dom *d, enum destroy_then then, struct domain_config *config);
/* Is @d being taken down? */
bool destroy_under_way(const struct dom *d);
/* @caller is answered with the end of that. */
void destroy_join(struct dom *d, struct caller *caller);
/* Without restart; @done(@arg) is called at the end, whatever it was. */
void destroy_undo(struct dom *d, void (*done)(void *arg), void *arg);

/*
 * Make a device known and wait until it works. @device is taken over, its devid may be -1; @list ("disks", "nics") of the configuration gets @json,
 * which is taken over too.
 */
void attach_start(struct caller *caller, struct dom *d, struct device *device, const char *list,
		  struct json_object *json);
/* Finish one that an earlier daemon had published. */
void attach_resume(struct dom *d, struct device *device, const char *list, struct json_object *json);
/* Take a device away. @device is taken over. */
void detach_start(struct caller *caller, struct dom *d, struct device *device, bool force);
/* "disks" or "nics". */
const char *device_list_name(const struct device *device);

/*
 * Parts of the above, of creating and of taking down; @device stays the caller's. plug: the back end has noticed it, the host does its part.
 * unplug: the back end let go of it, the host too. @force: go on at the deadline; otherwise @late(@parent) is called once and the waiting goes on.
 */
void plug_start(struct op *parent, struct dom *d, struct device *device);
void unplug_start(struct op *parent, struct dom *d, struct device *device, bool force, void (*late)(struct op *parent));

/*
 * Write the core of a domain that has shut down to <lib_dir>/dump/<name>, then call @done, also if that failed (the problem is the domain's then); with
 * NULL for @d if somebody has begun to take the domain down meanwhile.
 */
void coredump_start(struct dom *d, void (*done)(struct dom *d, void *arg), void *arg);

/*
 * control/shutdown. @wait 1: until the domain has gone down and what its configuration wants then was done, be it gone or kept; 2: until it is gone. Of a
 * domain of another toolstack only that it is down is known.
 */
void shutdown_start(struct caller *caller, struct dom *d, const char *command, bool fallback, unsigned wait);
/* Only wait. */
void shutdown_wait(struct caller *caller, struct dom *d, unsigned wait);
/* Tell whoever waits for that that @d is down and stays, or that it is gone. */
void shutdown_seen(struct dom *d, bool gone);

/* Back ends' directories changed: operations that wait for one look again. */
void plug_backend_changed(const char *path);
/* The QEMU of that domain's images has ended: what waits for it does so in vain. */
void plug_qemu_ended(uint32_t domid);

#endif
