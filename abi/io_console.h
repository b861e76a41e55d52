/* The PV console ring. Indices run freely; bytes are at index modulo the ring's size. */
#ifndef ABI_IO_CONSOLE_H
#define ABI_IO_CONSOLE_H

#include "layout.h"

typedef uint32_t XENCONS_RING_IDX;

#define MASK_XENCONS_IDX(idx, ring) ((idx) & (sizeof(ring) - 1))

struct xencons_interface {
	char in[1024];	/* towards the guest */
	char out[2048]; /* from the guest */
	XENCONS_RING_IDX in_cons, in_prod;
	XENCONS_RING_IDX out_cons, out_prod;
};
ABI_SIZE(struct xencons_interface, 3088);
ABI_OFFSET(struct xencons_interface, out, 1024);
ABI_OFFSET(struct xencons_interface, in_cons, 3072);
ABI_OFFSET(struct xencons_interface, in_prod, 3076);
ABI_OFFSET(struct xencons_interface, out_cons, 3080);
ABI_OFFSET(struct xencons_interface, out_prod, 3084);

#endif
