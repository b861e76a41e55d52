#include "hcall/gnttab.h"

#include <errno.h>
#include <stdlib.h>

#include "hcall/backend.h"

struct gnttab {
	struct handle handle;
};

struct gnttab *gnttab_open(void)
{
	struct gnttab *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return NULL;
	g->handle.b = backend_choose();
	rc = g->handle.b->open_grants(&g->handle);
	if (!rc)
		return g;
	free(g);
	errno = -rc;
	return NULL;
}

void gnttab_close(struct gnttab *g)
{
	if (!g)
		return;
	g->handle.b->close(&g->handle);
	free(g);
}

void *gnttab_map(struct gnttab *g, uint32_t domid, const uint32_t *refs, size_t nr, int prot)
{
	if (!nr || nr > UINT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return g->handle.b->map_grants(&g->handle, domid, refs, nr, prot);
}

int gnttab_unmap(struct gnttab *g, void *p, size_t nr)
{
	return g->handle.b->unmap_grants(&g->handle, p, nr);
}
