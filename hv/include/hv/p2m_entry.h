/* What one entry of a guest-physical map says, and the shape of its tables. Their format is the architecture's: asm/p2m.h. */
#ifndef HV_P2M_ENTRY_H
#define HV_P2M_ENTRY_H

#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/types.h"

struct arch_p2m_entry {
	mfn_t mfn;	    /* of the frame, or of the next table */
	enum p2m_type type; /* P2M_INVALID: empty */
	bool is_table;
	bool protected; /* a table through which nothing may be written, whatever its entries say */
};
#define P2M_LEVELS 4u /* level 0 maps 4K, 1 2M, 2 1G; 3 tables only */
#define P2M_ENTRIES 512u
/* Largest leaf level the hardware takes (1 or 2). */
unsigned arch_p2m_max_level(void);

#endif
