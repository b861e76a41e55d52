/*
 * Driver domains: domains other than 0 with back ends. What makes their restart bearable: the next life of one gets the number of the
 * last, so grants and ports that its front ends gave to that number are good for it; and its back ends' nodes anew. A kernel's back ends
 * then go on with the rings as they find them.
 */
#ifndef HOSPESD_DRIVERS_H
#define HOSPESD_DRIVERS_H

#include <stdint.h>

struct op;
struct xs_batch;
struct xs_node;

/* What an earlier daemon knew: /hospes/drivers, or NULL. */
void drivers_learn(const struct xs_node *n);
/* Domain @domid is about to get a back end; 0 is none. */
void drivers_note(struct xs_batch *b, uint32_t domid);
/* The number that a new domain of that name should have, 0: any. */
uint32_t drivers_number(const char *name);
/* The end of a creation's step: the nodes of all back ends that front ends still expect in the new domain; then the next step. */
void drivers_rejoin(struct op *op);

#endif
