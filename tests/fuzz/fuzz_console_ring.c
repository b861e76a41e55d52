/*
 * A guest does anything to its console page while the daemon takes output and puts input: no access leaves the rings, what is
 * taken is what lay between sane indices, and input never overwrites what the guest has not read.
 *
 * Input: steps of a byte and what they need.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/io_console.h"
#include "tools/xenconsoled/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *p, *end;
} in;

static uint32_t number(unsigned bytes)
{
	uint32_t v = 0;

	while (bytes-- && in.p < in.end)
		v = v << 8 | *in.p++;
	return v;
}

static void check(int yes)
{
	if (!yes)
		abort();
}

static void take(struct xencons_interface *r)
{
	uint32_t cons = r->out_cons, prod = r->out_prod, at;
	size_t max = number(2) % (RING_OUT_SIZE + 1), n, want = prod - cons <= RING_OUT_SIZE ? prod - cons : 0;
	char *to = malloc(max ? max : 1);

	check(ring_output_waiting(r) == want);
	n = ring_output(r, &at, to, max);
	check(n == (want < max ? want : max) && at == (prod - cons <= RING_OUT_SIZE ? cons : prod));
	for (size_t i = 0; i < n; i++)
		check(to[i] == r->out[(cons + i) % RING_OUT_SIZE]);
	ring_output_taken(r, at + (uint32_t)n);
	check(r->out_cons == (uint32_t)(at + n));
	free(to);
}

static void give(struct xencons_interface *r)
{
	uint32_t used = r->in_prod - r->in_cons, prod = r->in_prod;
	size_t len = number(2) % 4096, room = used <= RING_IN_SIZE ? RING_IN_SIZE - used : 0, n;
	char *from = malloc(len ? len : 1), before[RING_IN_SIZE];

	memset(from, (int)number(1), len);
	memcpy(before, r->in, sizeof(before));
	check(ring_input_room(r) == room);
	n = ring_input(r, from, len);
	check(n == (len < room ? len : room) && r->in_prod == (uint32_t)(prod + n));
	for (uint32_t i = 0; i < RING_IN_SIZE; i++)
		check(r->in[(prod + i) % RING_IN_SIZE] == (i < n ? from[i] : before[(prod + i) % RING_IN_SIZE]));
	free(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xencons_interface *r = calloc(1, sizeof(*r));

	in.p = data;
	in.end = data + size;
	while (in.p < in.end) {
		switch (number(1) % 8) {
		case 0:
			r->out_prod = number(4);
			break;
		case 1:
			r->out_cons = number(4);
			break;
		case 2:
			r->in_prod = number(4);
			break;
		case 3:
			r->in_cons = number(4);
			break;
		case 4:
			r->out_prod += number(2) % (RING_OUT_SIZE + 2);
			break;
		case 5:
			memset(r->out, (int)number(1), sizeof(r->out));
			break;
		case 6:
			take(r);
			break;
		default:
			give(r);
		}
	}
	free(r);
	return 0;
}
