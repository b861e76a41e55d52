#include "hv/conring.h"

/* Append @c, forgetting the oldest character when full. */
void conring_put(struct conring *r, char c)
{
	r->buf[r->prod++ & (r->size - 1)] = c;
	if (r->prod - r->cons > r->size)
		r->cons = r->prod - r->size;
}

/* See hv/conring.h. */
void conring_move(struct conring *r, char *buf, uint32_t size)
{
	for (uint32_t i = r->cons; i != r->prod; i++)
		buf[i & (size - 1)] = r->buf[i & (r->size - 1)];
	r->buf = buf;
	r->size = size;
}

/* See hv/conring.h. */
size_t conring_read(const struct conring *r, uint32_t *from, char *buf, size_t n)
{
	uint32_t i = *from;
	size_t done = 0;

	if (r->prod - i > r->prod - r->cons)
		i = r->cons;
	while (done < n && i != r->prod)
		buf[done++] = r->buf[i++ & (r->size - 1)];
	*from = i;
	return done;
}
