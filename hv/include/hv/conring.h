/* The ring of console text behind `xl dmesg`. hv/core/conring.c; pure, the console's lock guards it. */
#ifndef HV_CONRING_H
#define HV_CONRING_H

#include "hv/types.h"

struct conring {
	char *buf;
	uint32_t size;	     /* power of two */
	uint32_t prod, cons; /* free running; cons: oldest character kept and not cleared */
};

void conring_put(struct conring *r, char c);
/* Move the contents to @buf of @size bytes (power of two, not smaller); the old buffer is the caller's again. */
void conring_move(struct conring *r, char *buf, uint32_t size);
/*
 * Copy up to @n characters from @from, or from the oldest kept if that is later, to @buf. *@from becomes the index after the last one copied.
 * Returns the number.
 */
size_t conring_read(const struct conring *r, uint32_t *from, char *buf, size_t n);

#endif
