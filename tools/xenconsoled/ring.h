/*
 * The console ring as the daemon touches it. The page is the guest's: indices are read once, a distance longer than the ring
 * means that they are nonsense, and what is read is copied before it is looked at.
 */
#ifndef XENCONSOLED_RING_H
#define XENCONSOLED_RING_H

#include <stddef.h>
#include <stdint.h>

struct xencons_interface;

#define RING_OUT_SIZE 2048u
#define RING_IN_SIZE 1024u

/*
 * Copy at most @max bytes of output to @to, from index *@at on; ring_output_taken() then says that they are done with. Returns how many. *@at is the
 * ring's own consumer index, or, if the indices are nonsense, the producer's: what the guest then says anew is heard.
 */
size_t ring_output(struct xencons_interface *r, uint32_t *at, void *to, size_t max);
void ring_output_taken(struct xencons_interface *r, uint32_t at);
/* Bytes that wait; for nonsense 0. */
size_t ring_output_waiting(struct xencons_interface *r);

/* Room for input, 0 also for nonsense. */
size_t ring_input_room(struct xencons_interface *r);
/* Put in as much of @from as there is room for. Returns how much. */
size_t ring_input(struct xencons_interface *r, const void *from, size_t len);

#endif
