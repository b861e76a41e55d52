#include "ring.h"

#include "abi/io_console.h"

_Static_assert(sizeof(((struct xencons_interface *)0)->out) == RING_OUT_SIZE, "output");
_Static_assert(sizeof(((struct xencons_interface *)0)->in) == RING_IN_SIZE, "input");

/* Waiting output between indices read once each; the producer's is read first to be seen whole. */
static size_t waiting(struct xencons_interface *r, uint32_t *cons, uint32_t *prod)
{
	*prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
	*cons = __atomic_load_n(&r->out_cons, __ATOMIC_RELAXED);
	return *prod - *cons <= RING_OUT_SIZE ? *prod - *cons : 0;
}

size_t ring_output(struct xencons_interface *r, uint32_t *at, void *to, size_t max)
{
	uint32_t cons, prod;
	size_t n = waiting(r, &cons, &prod);
	volatile const char *out = r->out;
	char *p = to;

	*at = prod - cons <= RING_OUT_SIZE ? cons : prod;
	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		p[i] = out[(cons + i) % RING_OUT_SIZE];
	return n;
}

void ring_output_taken(struct xencons_interface *r, uint32_t at)
{
	/* The guest overwrites what is before it. */
	__atomic_store_n(&r->out_cons, at, __ATOMIC_RELEASE);
}

size_t ring_output_waiting(struct xencons_interface *r)
{
	uint32_t cons, prod;

	return waiting(r, &cons, &prod);
}

static size_t room(struct xencons_interface *r, uint32_t *prod)
{
	uint32_t used;

	*prod = __atomic_load_n(&r->in_prod, __ATOMIC_RELAXED);
	/* Only then may its bytes be overwritten. */
	used = *prod - __atomic_load_n(&r->in_cons, __ATOMIC_ACQUIRE);
	return used <= RING_IN_SIZE ? RING_IN_SIZE - used : 0;
}

size_t ring_input_room(struct xencons_interface *r)
{
	uint32_t prod;

	return room(r, &prod);
}

size_t ring_input(struct xencons_interface *r, const void *from, size_t len)
{
	uint32_t prod;
	size_t n = room(r, &prod);
	volatile char *in = r->in;
	const char *p = from;

	if (n > len)
		n = len;
	for (size_t i = 0; i < n; i++)
		in[(prod + i) % RING_IN_SIZE] = p[i];
	if (n)
		__atomic_store_n(&r->in_prod, prod + (uint32_t)n, __ATOMIC_RELEASE);
	return n;
}
