/* What the files of the guest-physical map share: its tables. All but pte_read() under the map's lock. */
#ifndef HV_MM_P2M_TABLE_H
#define HV_MM_P2M_TABLE_H

#include "hv/arch.h"
#include "hv/p2m.h"

#define LEVEL_BITS 9u
#define GFN_BITS (LEVEL_BITS * P2M_LEVELS)
#define TOP_LEVEL (P2M_LEVELS - 1)

typedef uint64_t pte_t;

static inline pte_t *table_va(mfn_t m)
{
	return mfn_to_virt(m);
}

static inline unsigned table_index(gfn_t g, unsigned level)
{
	return (g.v >> (level * LEVEL_BITS)) % P2M_ENTRIES;
}

/* Frames one entry of @level covers. */
static inline uint64_t level_span(unsigned level)
{
	return 1UL << (level * LEVEL_BITS);
}

/* What readers of the map call an entry of type @t. */
static inline enum p2m_type plain_type(enum p2m_type t)
{
	return t == P2M_RAM_LOGDIRTY ? P2M_RAM_RW : t;
}

static inline bool gfn_in_range(gfn_t g)
{
	return g.v >> GFN_BITS == 0;
}

static inline pte_t pte_read(const pte_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void pte_write(pte_t *p, pte_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Tell who follows the map that [@g, @g + 2^@order) changed. */
static inline void listeners_changed(struct p2m_batch *b, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	struct list *pos;

	b->changed = true;
	list_for_each(pos, &b->p2m->listeners) {
		struct p2m_listener *l = container_of(pos, struct p2m_listener, list);

		l->changed(l, g, m, order, plain_type(type));
	}
}

/* The table is linked nowhere any more: free it, and all below it, when the batch has flushed. */
void p2m_table_retire(struct p2m_batch *b, mfn_t m, unsigned level);
/* Split the leaf (or hole) @pte of @level into a table of the same translations and link it. -ENOMEM. */
int p2m_split(struct p2m *p, pte_t *pte, unsigned level) must_check;
/* Fold uniform tables around @g into larger entries, beginning with the table that holds entries of @level. */
void p2m_combine(struct p2m_batch *b, gfn_t g, unsigned level, bool empty_too);

#endif
