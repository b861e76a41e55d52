/*
 * The guest-physical map: four levels of tables in the architecture's format.
 *
 * A change has two halves. Preparing builds every table the change needs: it splits superpages and links empty tables, which alters no
 * translation, so running out of memory there leaves the map as it was. Committing only writes entries.
 *
 * Tables leave the map when a superpage takes their place. They are freed after the flush at the end of the batch, since
 * processors cache pointers to tables too (AMD APM vol. 2, 15.25); walks by other CPUs notice that p2m->retired moved and start over before
 * they use anything they read from such a page.
 */
#include "hv/p2m.h"

#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/trace.h"
#include "p2m_table.h"

/* Table pages a domain may have besides one for each so many of its pages. */
#define FREE_TABLES 256u
#define PAGES_PER_TABLE 64u

/* Tables ---------------------------------------------------------------------------------------- */

/* A zeroed table page charged to the domain; INVALID_MFN without memory or beyond the domain's share. Lock held. */
static mfn_t table_alloc(struct p2m *p)
{
	void *va;

	if (p->nr_tables >= read_once(p->domain->max_pages) / PAGES_PER_TABLE + FREE_TABLES)
		return INVALID_MFN;
	va = overhead_page(&p->domain->overhead, OVERHEAD_MAP);
	if (!va)
		return INVALID_MFN;
	p->nr_tables++;
	return virt_to_mfn(va);
}

/* The table is linked nowhere any more: free it, and all below it, when the batch has flushed. */
void p2m_table_retire(struct p2m_batch *b, mfn_t m, unsigned level)
{
	struct frame *f = mfn_to_frame(m);

	for (unsigned i = 0; level > 0 && i < P2M_ENTRIES; i++) {
		struct arch_p2m_entry e = arch_p2m_decode(table_va(m)[i], level);

		if (e.is_table)
			p2m_table_retire(b, e.mfn, level - 1);
	}
	f->next = b->tables;
	b->tables = (uint32_t)m.v;
	b->p2m->nr_tables--;
	b->flush = true;
}

/* Make @d's empty map. -ENOMEM. */
int p2m_init(struct domain *d)
{
	struct p2m *p = &d->p2m;

	spin_lock_init(&p->lock, RANK_P2M);
	p->domain = d;
	p->epoch = 1;
	p->retired = 0;
	p->nr_tables = 0;
	p->max_gfn = gfn(0);
	cpumask_clear(&p->running);
	list_init(&p->listeners);
	memset(&p->log, 0, sizeof(p->log));
	spin_lock_init(&p->log.lock, RANK_LOG_DIRTY);
	p->root = table_alloc(p);
	return mfn_valid_value(p->root) ? 0 : err(-ENOMEM);
}

/* Lookup -------------------------------------------------------------------------------------------- */

/* One walk; false when a table was retired under it and the answer means nothing. */
static bool walk(const struct p2m *p, gfn_t g, struct arch_p2m_entry *e, unsigned *level)
{
	uint64_t retired = __atomic_load_n(&p->retired, __ATOMIC_ACQUIRE);
	mfn_t table = { __atomic_load_n(&p->root.v, __ATOMIC_ACQUIRE) };

	*e = (struct arch_p2m_entry){ .mfn = INVALID_MFN };
	*level = 0;
	if (!mfn_valid_value(table))
		return true;
	for (unsigned l = TOP_LEVEL;; l--) {
		pte_t pte = pte_read(&table_va(table)[table_index(g, l)]);

		if (unlikely(__atomic_load_n(&p->retired, __ATOMIC_ACQUIRE) != retired))
			return false;
		*e = arch_p2m_decode(pte, l);
		*level = l;
		if (!e->is_table)
			return true;
		table = e->mfn;
	}
}

/* See p2m.h. A hole is P2M_INVALID, with the order of the hole's entry. */
mfn_t p2m_lookup(struct domain *d, gfn_t g, enum p2m_type *type, unsigned *order)
{
	struct arch_p2m_entry e = { .mfn = INVALID_MFN };
	unsigned level = 0;

	if (gfn_in_range(g))
		while (!walk(&d->p2m, g, &e, &level))
			arch_cpu_relax();
	if (type)
		*type = plain_type(e.type);
	if (order)
		*order = level * LEVEL_BITS;
	if (e.type == P2M_INVALID || e.type == P2M_MMIO_DM || e.type == P2M_POD)
		return INVALID_MFN;
	return mfn_add(e.mfn, g.v & (level_span(level) - 1));
}

/* Does @g still map @m as @type? What was found under the present epoch does, for every change that takes a translation away moves it first. */
static bool still_maps(struct domain *d, gfn_t g, uint64_t epoch, mfn_t m, enum p2m_type type)
{
	enum p2m_type now;

	if (likely(__atomic_load_n(&d->p2m.epoch, __ATOMIC_ACQUIRE) == epoch))
		return true;
	return mfn_eq(p2m_lookup(d, g, &now, NULL), m) && type == now;
}

/* See p2m.h. The second look makes sure the reference was taken on the page that is mapped, not on one that just left. */
struct frame *p2m_get_frame(struct domain *d, gfn_t g, bool write)
{
	for (;;) {
		uint64_t epoch = __atomic_load_n(&d->p2m.epoch, __ATOMIC_ACQUIRE);
		enum p2m_type type, type_after;
		mfn_t m = p2m_lookup(d, g, &type, NULL), after;
		struct frame *f;

		if (unlikely(type == P2M_POD)) {
			if (p2m_populate_pod(d, g))
				return NULL;
			continue;
		}
		if (write ? !p2m_type_writable(type) : !p2m_type_readable(type))
			return NULL;
		if (!mfn_is_ram(m))
			return NULL;
		f = mfn_to_frame(m);
		if (p2m_type_own_ram(type) ? frame_get(f, d) : frame_get_any(f)) {
			if (still_maps(d, g, epoch, m, type)) {
				if (write && p2m_type_own_ram(type))
					p2m_mark_dirty(d, g);
				return f;
			}
			frame_put(f);
			continue;
		}
		/* No reference to be had: the entry is stale and about to change, or the page is not what it claims. */
		after = p2m_lookup(d, g, &type_after, NULL);
		if (mfn_eq(m, after) && type == type_after)
			return NULL;
	}
}

/* Changing ---------------------------------------------------------------------------------------------- */

/* Begin a batch: takes the map's lock. */
struct p2m_batch p2m_begin(struct domain *d)
{
	spin_lock(&d->p2m.lock);
	return (struct p2m_batch){ .p2m = &d->p2m };
}

static void listeners_flush(struct p2m_batch *b)
{
	struct list *pos;

	if (!b->changed)
		return;
	list_for_each(pos, &b->p2m->listeners) {
		struct p2m_listener *l = container_of(pos, struct p2m_listener, list);

		l->flush(l, b->narrowed);
	}
}

/* End it: one flush if needed, then the lock is dropped and retired tables are freed. */
void p2m_end(struct p2m_batch *b)
{
	if (b->tables)
		__atomic_fetch_add(&b->p2m->retired, 1, __ATOMIC_SEQ_CST);
	if (b->flush)
		p2m_flush(b->p2m);
	listeners_flush(b);
	while (b->tables) {
		struct frame *f = mfn_to_frame(mfn(b->tables));

		b->tables = f->next;
		f->next = 0;
		overhead_page_free(&b->p2m->domain->overhead, OVERHEAD_MAP, mfn_to_virt(frame_to_mfn(f)));
	}
	spin_unlock(&b->p2m->lock);
}

/* Split the leaf (or hole) @pte of @level into a table of the same translations and link it. -ENOMEM. */
int p2m_split(struct p2m *p, pte_t *pte, unsigned level)
{
	struct arch_p2m_entry e = arch_p2m_decode(*pte, level);
	mfn_t table = table_alloc(p);
	pte_t *to;

	if (!mfn_valid_value(table))
		return -ENOMEM;
	to = table_va(table);
	if (e.type != P2M_INVALID)
		for (unsigned i = 0; i < P2M_ENTRIES; i++)
			to[i] = arch_p2m_leaf(mfn_add(e.mfn, i * level_span(level - 1)), e.type, level - 1);
	pte_write(pte, arch_p2m_table(table, false));
	return 0;
}

/* The entry of @g at @level, splitting what is above it; NULL without memory, if @make, or where no table leads. */
static pte_t *entry_at(struct p2m_batch *b, gfn_t g, unsigned level, bool make)
{
	mfn_t table = b->p2m->root;

	for (unsigned l = TOP_LEVEL;; l--) {
		pte_t *pte = &table_va(table)[table_index(g, l)];
		struct arch_p2m_entry e;

		if (l == level)
			return pte;
		e = arch_p2m_decode(*pte, l);
		if (!e.is_table) {
			if (!make || p2m_split(b->p2m, pte, l))
				return NULL;
			/* The translation is the same, but the processor may hold the large one: it goes with the flush. */
			b->flush |= e.type != P2M_INVALID;
			e = arch_p2m_decode(*pte, l);
		}
		table = e.mfn;
	}
}

/* May 512 entries of @type become one? Types with a reference per page stay as they are. */
static bool type_may_combine(enum p2m_type t)
{
	return t == P2M_RAM_RW || t == P2M_RAM_LOGDIRTY || t == P2M_RAM_RO || t == P2M_MMIO_DIRECT || t == P2M_POD;
}

static bool entries_agree(struct arch_p2m_entry first, struct arch_p2m_entry e, uint64_t distance)
{
	if (e.is_table || e.type != first.type)
		return false;
	return e.type == P2M_INVALID || e.mfn.v == first.mfn.v + distance;
}

/* Does the table, of entries of @level, say one uniform thing? Then @whole is the entry of the level above that says it. */
static bool table_uniform(const pte_t *t, unsigned level, unsigned changed, bool empty_too, pte_t *whole)
{
	struct arch_p2m_entry first = arch_p2m_decode(t[0], level);
	uint64_t span = level_span(level);

	if (first.is_table)
		return false;
	if (first.type == P2M_INVALID) {
		if (!empty_too)
			return false;
	} else if (!type_may_combine(first.type) || level + 1 > arch_p2m_max_level() ||
		   (first.mfn.v & (level_span(level + 1) - 1))) {
		return false;
	}
	/* The entry just changed first, and the last one: for a grant, and while a map is filled in order, they say no at once. */
	if (!entries_agree(first, arch_p2m_decode(t[changed], level), changed * span))
		return false;
	for (unsigned i = P2M_ENTRIES - 1; i > 0; i--)
		if (!entries_agree(first, arch_p2m_decode(t[i], level), i * span))
			return false;
	*whole = arch_p2m_leaf(first.mfn, first.type, level + 1);
	return true;
}

/* Fold uniform tables around @g into larger entries, beginning with the table that holds entries of @level. */
void p2m_combine(struct p2m_batch *b, gfn_t g, unsigned level, bool empty_too)
{
	for (; level < TOP_LEVEL; level++) {
		pte_t *up = entry_at(b, g, level + 1, false), whole;
		struct arch_p2m_entry e;

		if (!up)
			continue;
		e = arch_p2m_decode(*up, level + 1);
		if (!e.is_table)
			continue;
		if (!table_uniform(table_va(e.mfn), level, table_index(g, level), empty_too, &whole))
			return;
		/* What the table's entry forbade, the new leaf forbids. */
		if (e.protected && arch_p2m_decode(whole, level + 1).type == P2M_RAM_RW)
			whole = arch_p2m_leaf(arch_p2m_decode(whole, level + 1).mfn, P2M_RAM_LOGDIRTY, level + 1);
		pte_write(up, whole);
		p2m_table_retire(b, e.mfn, level);
	}
}

/* The largest level at which one entry can begin a mapping of @nr frames from @g to @m. */
static unsigned best_level(gfn_t g, mfn_t m, uint64_t nr, enum p2m_type type)
{
	unsigned level = type == P2M_INVALID || type_may_combine(type) ? arch_p2m_max_level() : 0;
	uint64_t bits = type == P2M_INVALID ? g.v : g.v | m.v;

	while (level > 0 && ((bits & (level_span(level) - 1)) || level_span(level) > nr))
		level--;
	return level;
}

/* Pages populated on demand that an entry of @level stands for. */
static uint64_t pods_of(struct arch_p2m_entry e, unsigned level)
{
	uint64_t n = 0;

	if (!e.is_table)
		return e.type == P2M_POD ? level_span(level) : 0;
	for (unsigned i = 0; i < P2M_ENTRIES; i++)
		n += pods_of(arch_p2m_decode(table_va(e.mfn)[i], level - 1), level - 1);
	return n;
}

static void count_pods(struct domain *d, struct arch_p2m_entry old, enum p2m_type type, unsigned level)
{
	uint64_t n = d->pod_entries;

	if (n)
		n -= pods_of(old, level);
	if (type == P2M_POD)
		n += level_span(level);
	write_once(d->pod_entries, n);
}

static void set_entry(struct p2m_batch *b, gfn_t g, mfn_t m, enum p2m_type type, unsigned level)
{
	pte_t *pte = entry_at(b, g, level, false);
	struct arch_p2m_entry old;
	pte_t new = arch_p2m_leaf(m, type, level);

	if (!pte) /* nothing below this: only an unmapping is prepared without tables */
		return;
	old = arch_p2m_decode(*pte, level);
	count_pods(b->p2m->domain, old, type, level);
	if (old.is_table || (old.type != P2M_INVALID && (old.type != type || !mfn_eq(old.mfn, m))))
		b->flush = b->narrowed = true;
	pte_write(pte, new);
	listeners_changed(b, g, type == P2M_INVALID ? INVALID_MFN : m, level * LEVEL_BITS, type);
	if (old.is_table)
		p2m_table_retire(b, old.mfn, level - 1);
}

/* Is the region of @level around @g a hole already, so that unmapping needs no table? */
static bool is_hole(struct p2m_batch *b, gfn_t g, unsigned level)
{
	for (unsigned l = TOP_LEVEL; l > level; l--) {
		const pte_t *pte = entry_at(b, g, l, false);
		struct arch_p2m_entry e;

		if (!pte)
			return true;
		e = arch_p2m_decode(*pte, l);
		if (!e.is_table)
			return e.type == P2M_INVALID;
	}
	return false;
}

/* Build the tables for a change; translations stay. -ENOMEM, with tables that turned out useless taken away again. */
static int set_prepare(struct p2m_batch *b, gfn_t g, mfn_t m, uint64_t nr, enum p2m_type type)
{
	for (uint64_t i = 0; i < nr;) {
		unsigned level = best_level(gfn_add(g, i), mfn_add(m, i), nr - i, type);

		if (!(type == P2M_INVALID && is_hole(b, gfn_add(g, i), level)) &&
		    !entry_at(b, gfn_add(g, i), level, true)) {
			/* Each table of the path may be new; those before it in the range share it or are full paths. */
			for (uint64_t done = 0; done <= i; done += P2M_ENTRIES)
				p2m_combine(b, gfn_add(g, done), 0, true);
			p2m_combine(b, gfn_add(g, i), 0, true);
			return -ENOMEM;
		}
		i += level_span(level);
	}
	return 0;
}

static void set_commit(struct p2m_batch *b, gfn_t g, mfn_t m, uint64_t nr, enum p2m_type type)
{
	for (uint64_t i = 0; i < nr;) {
		gfn_t at = gfn_add(g, i);
		unsigned level = best_level(at, mfn_add(m, i), nr - i, type);

		set_entry(b, at, mfn_add(m, i), type, level);
		i += level_span(level);
		/* Once for each table, when the range leaves it. */
		if (type != P2M_INVALID && (i >= nr || table_index(gfn_add(g, i), level) == 0))
			p2m_combine(b, at, level, false);
	}
	if (read_once(b->p2m->log.on))
		log_dirty_set(b->p2m->domain, g, nr);
	if (type != P2M_INVALID && g.v + nr - 1 > b->p2m->max_gfn.v)
		b->p2m->max_gfn = gfn(g.v + nr - 1);
}

/* p2m_set() inside a batch. -EINVAL: outside the guest-physical space, or the map is gone; -ENOMEM: nothing changed. */
int p2m_set_locked(struct p2m_batch *b, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	uint64_t nr = 1UL << order;
	int rc;

	ASSERT(spin_is_mine(&b->p2m->lock));
	if (order > MAX_ORDER || !gfn_in_range(g) || !gfn_in_range(gfn_add(g, nr - 1)) || type >= P2M_NR_TYPES ||
	    type == P2M_RAM_LOGDIRTY)
		return err(-EINVAL);
	if (!mfn_valid_value(b->p2m->root))
		return err(-EINVAL);
	/* Types without a page behind them get a harmless frame number. */
	if (!mfn_valid_value(m))
		m = mfn(0);
	rc = set_prepare(b, g, m, nr, type);
	if (rc)
		return err(rc);
	set_commit(b, g, m, nr, type);
	trace(TRC_MEM_SET_P2M_ENTRY, (uint32_t)g.v, (uint32_t)(g.v >> 32), (uint32_t)m.v, (uint32_t)(m.v >> 32), type,
	      (uint32_t)order << 16 | b->p2m->domain->id);
	return 0;
}

/* Unmap @g if it still maps @m, in a batch. -EINVAL otherwise, -ENOMEM if a superpage could not be split. */
int p2m_remove_locked(struct p2m_batch *b, gfn_t g, mfn_t m)
{
	if (!mfn_valid_value(m) || !mfn_eq(p2m_lookup(b->p2m->domain, g, NULL, NULL), m))
		return err(-EINVAL);
	return p2m_set_locked(b, g, INVALID_MFN, 0, P2M_INVALID);
}

/* See p2m.h. */
int p2m_set(struct domain *d, gfn_t g, mfn_t m, unsigned order, enum p2m_type type)
{
	struct p2m_batch b = p2m_begin(d);
	int rc = p2m_set_locked(&b, g, m, order, type);

	p2m_end(&b);
	return rc;
}

/* See p2m.h. When it returns no CPU holds the translation any more. */
int p2m_remove(struct domain *d, gfn_t g, mfn_t m)
{
	struct p2m_batch b = p2m_begin(d);
	int rc = p2m_remove_locked(&b, g, m);

	p2m_end(&b);
	return rc;
}

/* Pages of the domain ---------------------------------------------------------------------------------- */

/* The entry that says what @g is, and its level. NULL: no map. Lock held. */
static const pte_t *leaf_of(const struct p2m *p, gfn_t g, unsigned *level)
{
	mfn_t table = p->root;

	for (*level = TOP_LEVEL; mfn_valid_value(table); --*level) {
		const pte_t *pte = &table_va(table)[table_index(g, *level)];
		struct arch_p2m_entry e = arch_p2m_decode(*pte, *level);

		if (!e.is_table)
			return pte;
		table = e.mfn;
	}
	return NULL;
}

/* See p2m.h. One walk for all the entries of a table: a large page is put where 512 small ones were. */
bool p2m_range_empty(struct domain *d, gfn_t g, uint64_t nr)
{
	for (uint64_t i = 0; i < nr;) {
		gfn_t at = gfn_add(g, i);
		unsigned level;
		const pte_t *pte = gfn_in_range(at) ? leaf_of(&d->p2m, at, &level) : NULL;

		if (!pte)
			return true;
		do {
			struct arch_p2m_entry e = arch_p2m_decode(*pte++, level);

			if (e.is_table)
				break;
			if (e.type != P2M_INVALID)
				return false;
			i = ((g.v + i) | (level_span(level) - 1)) + 1 - g.v;
		} while (i < nr && table_index(gfn_add(g, i), level));
	}
	return true;
}

/* See p2m.h. */
int p2m_populate(struct domain *d, gfn_t g, unsigned order, unsigned alloc_flags)
{
	struct p2m_batch b;
	struct frame *f;
	int rc;

	if (order > MAX_ORDER || (g.v & ((1UL << order) - 1)) || !gfn_in_range(g))
		return err(-EINVAL);
	f = alloc_frames(d, order, alloc_flags);
	if (!f)
		return err(-ENOMEM);
	b = p2m_begin(d);
	rc = p2m_range_empty(d, g, 1UL << order) ? p2m_set_locked(&b, g, frame_to_mfn(f), order, P2M_RAM_RW) :
						   err(-EEXIST);
	p2m_end(&b);
	if (rc)
		frames_return(d, f, order);
	return rc;
}

/* See p2m.h. */
int p2m_depopulate(struct domain *d, gfn_t g)
{
	struct p2m_batch b = p2m_begin(d);
	struct frame *f = NULL;
	enum p2m_type type;
	mfn_t m = p2m_lookup(d, g, &type, NULL);
	int rc = err(-EINVAL);

	if (p2m_type_own_ram(type) && mfn_is_ram(m)) {
		f = mfn_to_frame(m);
		if ((read_once(f->flags) & FRAME_F_XEN) || !frame_get(f, d))
			f = NULL;
	}
	if (f)
		rc = p2m_set_locked(&b, g, INVALID_MFN, 0, P2M_INVALID);
	p2m_end(&b);
	if (f) {
		if (rc == 0)
			(void)frame_release_allocation(f);
		frame_put(f);
	}
	return rc;
}

/* Copies -------------------------------------------------------------------------------------------------- */

/* See p2m.h. */
void p2m_mark_dirty(struct domain *d, gfn_t g)
{
	if (unlikely(__atomic_load_n(&d->p2m.log.on, __ATOMIC_SEQ_CST)))
		log_dirty_set(d, g, 1);
}

static int copy_gpa(struct domain *d, uint64_t gpa, void *buf, size_t len, bool write)
{
	uint8_t *p = buf;

	while (len) {
		size_t offset = gpa & (PAGE_SIZE - 1);
		size_t n = min_u64(len, PAGE_SIZE - offset);
		struct frame *f = p2m_get_frame(d, gfn(gpa >> PAGE_SHIFT), write);
		uint8_t *page;

		if (!f)
			return err(-EFAULT);
		page = mfn_to_virt(frame_to_mfn(f));
		if (write)
			memcpy(page + offset, p, n);
		else
			memcpy(p, page + offset, n);
		frame_put(f);
		if (write)
			p2m_mark_dirty(d, gfn(gpa >> PAGE_SHIFT));
		p += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

/* See p2m.h. No lock; bytes before the failing page may have been copied. */
int copy_from_gpa(struct domain *d, void *dst, uint64_t gpa, size_t len)
{
	return copy_gpa(d, gpa, dst, len, false);
}

/* See p2m.h. */
int copy_to_gpa(struct domain *d, uint64_t gpa, const void *src, size_t len)
{
	return copy_gpa(d, gpa, (void *)src, len, true);
}
