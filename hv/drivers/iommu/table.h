/*
 * I/O page tables of one domain: device frame number -> machine frame. Generic over the two entry formats, both with
 * 512 entries a table and leaves of 4K, 2M and 1G; they differ in bits only. Not locked: the caller holds the lock of
 * the domain's guest-physical map.
 */
#ifndef IOMMU_TABLE_H
#define IOMMU_TABLE_H

#include "hv/iommu.h"
#include "hv/mm.h"
#include "hv/overhead.h"
#include "hv/types.h"

#define IO_ENTRIES 512u
#define IO_LEVEL_BITS 9u
#define IO_MAX_LEVELS 5u
/* Pages kept for changes that must not fail: one split at each level below the top. */
#define IO_RESERVE 4u

struct io_entry {
	mfn_t mfn;	 /* of the frame or of the next table */
	unsigned access; /* IOMMU_READ, IOMMU_WRITE; 0: nothing here */
	bool is_table;
};

/* One format; pure functions on one entry. Level 0 maps 4K, 1 2M, 2 1G. */
struct io_format {
	uint64_t empty; /* maps nothing */
	uint64_t (*leaf)(mfn_t m, unsigned access, unsigned level);
	uint64_t (*table)(mfn_t next, unsigned level); /* entry of @level */
	struct io_entry (*decode)(uint64_t pte, unsigned level);
};

extern const struct io_format amd_format, vtd_format;

struct io_table {
	struct overhead *account; /* whose pages these are */
	const struct io_format *format;
	mfn_t root;
	unsigned levels;    /* of tables: 4 reach 48 bits */
	unsigned max_leaf;  /* 0, 1 or 2 */
	bool incoherent;    /* the unit does not snoop caches when it walks */
	uint64_t nr_tables; /* pages in use, without the reserve */
	uint64_t max_tables;
	uint32_t retired; /* chain of table pages, by frame number, to free once nothing caches them */
	uint32_t reserve; /* the same of spare pages */
	unsigned nr_reserve;
};

/* An empty table of @levels; its pages count as OVERHEAD_DEVICES of @account. -ENOMEM. */
int io_table_init(struct io_table *t, struct overhead *account, const struct io_format *f, unsigned levels,
		  unsigned max_leaf, bool incoherent) must_check;
/* Free everything; no unit uses it any more. */
void io_table_destroy(struct io_table *t);
/* The root for a unit that walks @levels, at most t->levels: it reaches the lowest frames only. */
mfn_t io_table_root(const struct io_table *t, unsigned levels);
/* Frames the table can name. */
uint64_t io_table_frames(const struct io_table *t);

/*
 * [@dfn, @dfn + @nr) -> from @m on, with @access (not 0). -EINVAL outside of the table; -ENOMEM: no translation
 * changed.
 */
int io_table_map(struct io_table *t, uint64_t dfn, mfn_t m, uint64_t nr, unsigned access) must_check;
/*
 * Nothing there any more. Never fails: without memory to split a large entry all of it goes, and false tells that
 * more was taken away than asked.
 */
bool io_table_unmap(struct io_table *t, uint64_t dfn, uint64_t nr);
/* What @dfn maps to; access 0: nothing. @level may be NULL. */
struct io_entry io_table_lookup(const struct io_table *t, uint64_t dfn, unsigned *level);
/* No unit caches anything of tables that left the tree: free them, and fill the reserve up again. */
void io_table_reclaim(struct io_table *t);

#endif
