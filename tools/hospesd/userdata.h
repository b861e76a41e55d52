/* Configurations on disk: libxl's "user data", which Debian's xl reads and writes too, and those of restarts under way. */
#ifndef HOSPESD_USERDATA_H
#define HOSPESD_USERDATA_H

#include <stdbool.h>
#include <stdint.h>

struct domain_config;
struct json_object;
struct problem;

/* /var/lib/xen/userdata-d.<domid>.<uuid>.libxl-json. Written whole or not at all. 0 or -errno. */
int userdata_write(uint32_t domid, const uint8_t uuid[16], struct json_object *json);
/* Say in @c what Debian's tools would guess wrong if the configuration did not. */
void userdata_complete(struct domain_config *c);
/* NULL: there is none, or it is no JSON. */
struct json_object *userdata_read(uint32_t domid, const uint8_t uuid[16]);
/* As a configuration; 0 or -errno and the problem. */
int userdata_config(struct domain_config *c, uint32_t domid, const uint8_t uuid[16], struct problem *p);
/* All files kept for the domain, by whomever; also those of other UUIDs it had. */
void userdata_remove(uint32_t domid, const uint8_t uuid[16]);
void userdata_remove_all(uint32_t domid);
/* All files of domains that @lives denies. It is asked after the file was found: files come after their domains. */
void userdata_sweep(bool (*lives)(void *arg, uint32_t domid), void *arg);

/* The configuration a domain will have in its next life: <state-dir>/<uuid>.json. */
int pending_write(const uint8_t uuid[16], struct json_object *json);
struct json_object *pending_read(const uint8_t uuid[16]);
void pending_remove(const uint8_t uuid[16]);

#endif
