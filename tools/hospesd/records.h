/* The nodes of a domain, as libxl 4.17 leaves them. */
#ifndef HOSPESD_RECORDS_H
#define HOSPESD_RECORDS_H

#include <stdint.h>

struct domain_config;
struct guest_build;
struct xs_batch;

/* All nodes of a new domain but those of its devices. @config has name and UUID, @build has what was built. */
void records_domain(struct xs_batch *b, const struct domain_config *config, const struct guest_build *build);
/* Every place that has the domain's name. */
void records_rename(struct xs_batch *b, uint32_t domid, const uint8_t uuid[16], const char *name);
/* The domain's UUID is a new one: its nodes below /vm move. */
void records_uuid(struct xs_batch *b, uint32_t domid, const uint8_t old[16], const uint8_t new[16], const char *name);

#endif
