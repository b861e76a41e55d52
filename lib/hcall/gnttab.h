/* Pages granted to this domain, mapped. */
#ifndef HCALL_GNTTAB_H
#define HCALL_GNTTAB_H

#include <stddef.h>
#include <stdint.h>

struct gnttab;

struct gnttab *gnttab_open(void);
void gnttab_close(struct gnttab *g);
/* Map @nr references of @domid in a row. NULL and errno. */
void *gnttab_map(struct gnttab *g, uint32_t domid, const uint32_t *refs, size_t nr, int prot);
int gnttab_unmap(struct gnttab *g, void *p, size_t nr);

#endif
