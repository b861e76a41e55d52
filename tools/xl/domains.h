/* Domains as the hypervisor and the store know them. */
#ifndef XL_DOMAINS_H
#define XL_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/domctl.h>

struct json_object;

struct domain {
	struct xen_domctl_getdomaininfo info;
	char *name; /* NULL: the store has none */
};

struct domains {
	struct domain *d;
	unsigned nr;
};

/* All, in order of their ids. Ends the program with a problem if the hypervisor refuses. */
struct domains domains_list(void);
void domains_free(struct domains *l);
/* One by its id; false: there is none. Free with domain_put(). */
bool domain_get(uint32_t domid, struct domain *d);
void domain_put(struct domain *d);
/* Its name, or NULL. To be freed. */
char *domain_name(uint32_t domid);
/* An id or a name, as people write them. Ends the program as Debian's xl does if there is none. */
uint32_t domain_find(const char *who);
/* The same, without ending: -1. */
int64_t domain_lookup(const char *who);
/* "name" for columns; "(null)" where there is none. */
const char *domain_label(const struct domain *d);
/* The six letters of the state. */
void domain_state(const struct domain *d, char state[7]);
/* KiB. */
uint64_t domain_kib(const struct domain *d);
/* xl's word for the code a domain ended with; "-" while it has not. */
const char *domain_reason(const struct domain *d);
void format_uuid(const uint8_t u[16], char s[37]);
/* The domain as an object, for --json. */
struct json_object *domain_json(const struct domain *d);

#endif
