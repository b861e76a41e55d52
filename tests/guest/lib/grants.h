/* grant_table_op of the micro-guests, in the guest's own width: its structures and a table's entries. */
#ifndef GRANTS_H
#define GRANTS_H

#include "ops.h"

struct map {
	uint64_t host_addr;
	uint32_t flags, ref;
	uint16_t dom;
	int16_t status;
	uint32_t handle;
	uint64_t dev_bus_addr;
};
struct unmap {
	uint64_t host_addr, dev_bus_addr;
	uint32_t handle;
	int16_t status;
};
struct copy_end {
	unsigned long ref_or_gfn;
	uint16_t dom, offset;
};
struct copy {
	struct copy_end from, to;
	uint16_t len, flags;
	int16_t status;
};
struct entry {
	uint16_t flags, dom;
	uint32_t frame;
};

#define PERMIT 1u
#define ACCEPT 2u
#define TRANSITIVE 3u
#define READONLY 4u
#define SUB_PAGE 0x100u

/* The form for whole pages and for parts; a transitive one has trans_dom in off, and its reference in the low half of frame. */
struct entry2 {
	uint16_t flags, dom, off, len;
	uint64_t frame;
};

#endif
