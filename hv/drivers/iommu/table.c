/*
 * The tree of I/O page tables. A change first builds the tables it needs, which alters no translation, and then only
 * writes entries. Tables that a large entry replaces, and tables that became empty, leave the tree at once and are
 * freed after the next flush. How many entries of a table say something is kept in its frame's count of typed uses, for a table has no others.
 */
#include "table.h"

#include "asm/iommu.h"
#include "hv/errno.h"
#include "hv/printk.h"

static uint64_t *table_va(mfn_t m)
{
	return mfn_to_virt(m);
}

/* Frames one entry of @level covers. */
static uint64_t span(unsigned level)
{
	return 1UL << (level * IO_LEVEL_BITS);
}

static unsigned slot(uint64_t dfn, unsigned level)
{
	return (dfn >> (level * IO_LEVEL_BITS)) % IO_ENTRIES;
}

static struct io_entry decode(const struct io_table *t, const uint64_t *pte, unsigned level)
{
	return t->format->decode(__atomic_load_n(pte, __ATOMIC_ACQUIRE), level);
}

static uint32_t *nr_used(mfn_t table)
{
	return &mfn_to_frame(table)->type_count;
}

/* One naturally atomic store into @table; the unit may walk at any time. */
static void pte_write(const struct io_table *t, mfn_t table, uint64_t *pte, uint64_t v)
{
	uint64_t empty = t->format->empty;

	if ((*pte == empty) != (v == empty))
		*nr_used(table) += v == empty ? UINT32_MAX : 1;
	__atomic_store_n(pte, v, __ATOMIC_RELEASE);
	if (t->incoherent)
		arch_cache_flush(pte, sizeof(*pte));
}

/* See table.h. */
uint64_t io_table_frames(const struct io_table *t)
{
	return 1UL << (t->levels * IO_LEVEL_BITS);
}

/* Pages of tables -------------------------------------------------------------------------------- */

static void chain_push(uint32_t *chain, mfn_t m)
{
	mfn_to_frame(m)->next = *chain;
	*chain = (uint32_t)m.v;
}

static mfn_t chain_pop(uint32_t *chain)
{
	mfn_t m = mfn(*chain);
	struct frame *f = mfn_to_frame(m);

	*chain = f->next;
	f->next = 0;
	return m;
}

/* A table that maps nothing; @spare allows the reserve. INVALID_MFN without memory. */
static mfn_t table_alloc(struct io_table *t, bool spare)
{
	mfn_t m = INVALID_MFN;
	uint64_t *va = NULL;

	if (spare || t->nr_tables < t->max_tables)
		va = overhead_page(t->account, OVERHEAD_DEVICES);
	if (va)
		m = virt_to_mfn(va);
	else if (spare && t->nr_reserve) {
		m = chain_pop(&t->reserve);
		t->nr_reserve--;
		va = table_va(m);
	} else
		return INVALID_MFN;
	for (unsigned i = 0; i < IO_ENTRIES; i++)
		va[i] = t->format->empty;
	*nr_used(m) = 0;
	if (t->incoherent)
		arch_cache_flush(va, PAGE_SIZE);
	t->nr_tables++;
	return m;
}

/* The table, of entries of @level, hangs in the tree no more, nor does what is below it. */
static void retire(struct io_table *t, mfn_t table, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < IO_ENTRIES; i++) {
		struct io_entry e = decode(t, &table_va(table)[i], level);

		if (e.is_table)
			retire(t, e.mfn, level - 1);
	}
	chain_push(&t->retired, table);
	t->nr_tables--;
}

static void fill_reserve(struct io_table *t)
{
	while (t->nr_reserve < IO_RESERVE) {
		void *va = overhead_page(t->account, OVERHEAD_DEVICES);

		if (!va)
			return;
		chain_push(&t->reserve, virt_to_mfn(va));
		t->nr_reserve++;
	}
}

static void free_chain(struct io_table *t, uint32_t *chain)
{
	while (*chain)
		overhead_page_free(t->account, OVERHEAD_DEVICES, table_va(chain_pop(chain)));
}

/* See table.h. */
void io_table_reclaim(struct io_table *t)
{
	free_chain(t, &t->retired);
	fill_reserve(t);
}

/* The lowest tables exist from the start, so that units with fewer levels have a root of their own. */
int io_table_init(struct io_table *t, struct overhead *account, const struct io_format *f, unsigned levels,
		  unsigned max_leaf, bool incoherent)
{
	mfn_t table;

	*t = (struct io_table){ .account = account,
				.format = f,
				.levels = levels,
				.max_leaf = max_leaf,
				.incoherent = incoherent,
				.max_tables = ~0UL };
	t->root = table_alloc(t, false);
	if (!mfn_valid_value(t->root))
		return err(-ENOMEM);
	table = t->root;
	for (unsigned level = levels - 1; level > 2; level--) {
		mfn_t next = table_alloc(t, false);

		if (!mfn_valid_value(next)) {
			io_table_destroy(t);
			return err(-ENOMEM);
		}
		pte_write(t, table, table_va(table), f->table(next, level));
		table = next;
	}
	fill_reserve(t);
	return 0;
}

/* See table.h. */
void io_table_destroy(struct io_table *t)
{
	retire(t, t->root, t->levels - 1);
	t->root = INVALID_MFN;
	free_chain(t, &t->retired);
	free_chain(t, &t->reserve);
	t->nr_reserve = 0;
}

/* See table.h. Three levels are the fewest a unit walks. */
mfn_t io_table_root(const struct io_table *t, unsigned levels)
{
	mfn_t table = t->root;

	for (unsigned level = t->levels - 1; level >= levels; level--)
		table = decode(t, table_va(table), level).mfn;
	return table;
}

/* Lookup ------------------------------------------------------------------------------------------- */

/* See table.h. */
struct io_entry io_table_lookup(const struct io_table *t, uint64_t dfn, unsigned *level)
{
	struct io_entry e = { .mfn = INVALID_MFN };
	mfn_t table = t->root;

	if (dfn >= io_table_frames(t))
		return e;
	for (unsigned l = t->levels - 1;; l--) {
		e = decode(t, &table_va(table)[slot(dfn, l)], l);
		if (!e.is_table) {
			if (level)
				*level = l;
			if (e.access)
				e.mfn = mfn_add(e.mfn, dfn & (span(l) - 1));
			return e;
		}
		table = e.mfn;
	}
}

/* Changing ------------------------------------------------------------------------------------------ */

/* Replace the leaf or hole @pte of @level, in @upper, by a table of the same translations. False without memory. */
static bool split(struct io_table *t, mfn_t upper, uint64_t *pte, unsigned level, bool spare)
{
	struct io_entry e = decode(t, pte, level);
	mfn_t table = table_alloc(t, spare);

	if (!mfn_valid_value(table))
		return false;
	if (e.access) {
		for (unsigned i = 0; i < IO_ENTRIES; i++)
			table_va(table)[i] = t->format->leaf(mfn_add(e.mfn, i * span(level - 1)), e.access, level - 1);
		*nr_used(table) = IO_ENTRIES;
	}
	if (t->incoherent)
		arch_cache_flush(table_va(table), PAGE_SIZE);
	pte_write(t, upper, pte, t->format->table(table, level));
	return true;
}

/* The entry of @dfn at @level, in *@in, splitting what is above; NULL without memory. */
static uint64_t *entry_make(struct io_table *t, uint64_t dfn, unsigned level, mfn_t *in)
{
	mfn_t table = t->root;

	for (unsigned l = t->levels - 1;; l--) {
		uint64_t *pte = &table_va(table)[slot(dfn, l)];

		struct io_entry e;

		if (l == level) {
			*in = table;
			return pte;
		}
		e = decode(t, pte, l);
		if (!e.is_table) {
			if (!split(t, table, pte, l, false))
				return NULL;
			e = decode(t, pte, l);
		}
		table = e.mfn;
	}
}

/* The largest level at which one entry can begin a mapping of @nr frames. */
static unsigned best_level(const struct io_table *t, uint64_t dfn, uint64_t m, uint64_t nr)
{
	unsigned level = t->max_leaf;

	while (level > 0 && (((dfn | m) & (span(level) - 1)) || span(level) > nr))
		level--;
	return level;
}

/* See table.h. Tables built before memory ran out stay, empty or saying what the large entry said. */
int io_table_map(struct io_table *t, uint64_t dfn, mfn_t m, uint64_t nr, unsigned access)
{
	mfn_t table;

	if (dfn >= io_table_frames(t) || nr > io_table_frames(t) - dfn || !access)
		return err(-EINVAL);
	for (uint64_t i = 0; i < nr;) {
		unsigned level = best_level(t, dfn + i, m.v + i, nr - i);

		if (!entry_make(t, dfn + i, level, &table))
			return err(-ENOMEM);
		i += span(level);
	}
	for (uint64_t i = 0; i < nr;) {
		unsigned level = best_level(t, dfn + i, m.v + i, nr - i);
		uint64_t *pte = entry_make(t, dfn + i, level, &table);
		struct io_entry old = decode(t, pte, level);

		pte_write(t, table, pte, t->format->leaf(mfn_add(m, i), access, level));
		if (old.is_table)
			retire(t, old.mfn, level - 1);
		i += span(level);
	}
	return 0;
}

/* Is this the table at the low end that units with fewer levels start from? */
static bool is_fixed(const struct io_table *t, uint64_t dfn, unsigned level)
{
	return level >= 2 && dfn >> ((level + 1) * IO_LEVEL_BITS) == 0;
}

/* Unmap within the table, of entries of @level, whose first frame is @base. False: more than that had to go. */
static bool unmap_in(struct io_table *t, mfn_t table, unsigned level, uint64_t base, uint64_t first, uint64_t last)
{
	uint64_t from = first > base ? (first - base) / span(level) : 0;
	uint64_t to = min_u64((last - base) / span(level), IO_ENTRIES - 1);
	bool exact = true;

	for (uint64_t i = from; i <= to; i++) {
		uint64_t *pte = &table_va(table)[i], at = base + i * span(level);
		struct io_entry e = decode(t, pte, level);
		bool whole = first <= at && last >= at + span(level) - 1;

		if (!e.is_table && !e.access)
			continue;
		if (!e.is_table && !whole) {
			if (!split(t, table, pte, level, true)) {
				exact = false;
				whole = true;
			}
			e = decode(t, pte, level);
		}
		if (e.is_table && !(whole && !is_fixed(t, at, level - 1))) {
			exact &= unmap_in(t, e.mfn, level - 1, at, first, last);
			if (is_fixed(t, at, level - 1) || *nr_used(e.mfn))
				continue;
		}
		pte_write(t, table, pte, t->format->empty);
		if (e.is_table)
			retire(t, e.mfn, level - 1);
	}
	return exact;
}

/* See table.h. */
bool io_table_unmap(struct io_table *t, uint64_t dfn, uint64_t nr)
{
	if (dfn >= io_table_frames(t) || !nr)
		return true;
	nr = min_u64(nr, io_table_frames(t) - dfn);
	return unmap_in(t, t->root, t->levels - 1, 0, dfn, dfn + nr - 1);
}
