/*
 * Which domain has which id.
 *
 * A domain exists in the table from early in its creation, but is found only once it is complete (published). Domains whose ids are a multiple of
 * NR_BUCKETS apart are in one bucket, which has a lock of its own on a cache line of its own: ids are given away in order, so guests that work with
 * different domains hardly ever meet, and however many domains came and went, the table stays as small as it is.
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "xen.h"

#define NR_BUCKETS 512u

struct cache_aligned bucket {
	spinlock_t
		lock; /* RANK_DOMREF: changes of the chain, and between finding a domain and counting the reference */
	struct domain *head; /* linked by id_next */
};

#define WORD_BITS 64u
#define NR_WORDS (DOMID_FIRST_RESERVED / WORD_BITS + 1)

static struct {
	spinlock_t lock; /* RANK_DOMLIST: choosing an id and taking it are one */
	domid_t last;	 /* the id chosen last; guarded by lock */
	bool ready;
	/* A bit for each id, so that who walks through all domains touches no bucket in vain. Set under the lock, cleared atomically. */
	uint64_t taken[NR_WORDS];
	struct bucket bucket[NR_BUCKETS];
} table;

/* See hv/domain.h. */
void domain_table_init(void)
{
	memset(&table, 0, sizeof(table));
	spin_lock_init(&table.lock, RANK_DOMLIST);
	for (unsigned i = 0; i < NR_BUCKETS; i++)
		spin_lock_init(&table.bucket[i].lock, RANK_DOMREF);
	table.ready = true;
}

static struct bucket *bucket_of(domid_t id)
{
	return &table.bucket[id % NR_BUCKETS];
}

/* Who has @id, complete or not; NULL: nobody. The bucket's lock held. */
static struct domain *owner_of(const struct bucket *b, domid_t id)
{
	struct domain *d = b->head;

	while (d && d->id != id)
		d = d->id_next;
	return d;
}

/* Give @d the number @id unless somebody has it. The table's lock held. */
static bool take(struct domain *d, domid_t id)
{
	struct bucket *b = bucket_of(id);
	uint64_t bit = 1UL << id % WORD_BITS;

	if (__atomic_fetch_or(&table.taken[id / WORD_BITS], bit, __ATOMIC_ACQUIRE) & bit)
		return false;
	d->id = id;
	spin_lock(&b->lock);
	d->id_next = b->head;
	write_once(b->head, d);
	spin_unlock(&b->lock);
	return true;
}

/* The next free one. Going round, ids of the dead are not soon taken for the living. The table's lock held. */
static bool take_next(struct domain *d)
{
	for (unsigned i = 1; i < DOMID_FIRST_RESERVED; i++) {
		if (++table.last >= DOMID_FIRST_RESERVED)
			table.last = 1;
		if (take(d, table.last))
			return true;
	}
	return false;
}

/* See hv/domain.h. */
int domain_table_insert(struct domain *d, domid_t id)
{
	int rc = 0;

	if (!table.ready)
		domain_table_init();
	spin_lock(&table.lock);
	if (id == DOMID_INVALID)
		rc = take_next(d) ? 0 : err(-ENOSPC);
	else
		rc = take(d, id) ? 0 : err(-EEXIST);
	spin_unlock(&table.lock);
	return rc;
}

/* See hv/domain.h. */
void domain_table_remove(struct domain *d)
{
	struct bucket *b = bucket_of(d->id);
	struct domain **link = &b->head;

	spin_lock(&b->lock);
	while (*link != d)
		link = &(*link)->id_next;
	write_once(*link, d->id_next);
	spin_unlock(&b->lock);
	__atomic_fetch_and(&table.taken[d->id / WORD_BITS], ~(1UL << d->id % WORD_BITS), __ATOMIC_RELEASE);
}

/* A reference to @d, or NULL: not complete yet, or gone but for its structure. */
static struct domain *get_published(struct domain *d)
{
	return d && __atomic_load_n(&d->published, __ATOMIC_ACQUIRE) && domain_get(d) ? d : NULL;
}

/* See hv/domain.h. */
struct domain *domain_get_by_id(domid_t id)
{
	struct bucket *b = bucket_of(id);
	struct domain *d;

	if (id >= DOMID_FIRST_RESERVED || !read_once(b->head))
		return NULL;
	spin_lock(&b->lock);
	d = get_published(owner_of(b, id));
	spin_unlock(&b->lock);
	return d;
}

/* The first id from @from on that somebody has, complete or not; DOMID_FIRST_RESERVED or more if there is none. */
static unsigned first_taken(unsigned from)
{
	uint64_t mask = ~0UL << from % WORD_BITS;

	for (unsigned i = from / WORD_BITS; i < NR_WORDS; i++, mask = ~0UL) {
		uint64_t bits = read_once(table.taken[i]) & mask;

		if (bits)
			return i * WORD_BITS + (unsigned)__builtin_ctzl(bits);
	}
	return DOMID_FIRST_RESERVED;
}

/* See hv/domain.h. */
struct domain *domain_next(domid_t from)
{
	for (unsigned id = from; (id = first_taken(id)) < DOMID_FIRST_RESERVED; id++) {
		struct domain *d = domain_get_by_id((domid_t)id);

		if (d)
			return d;
	}
	return NULL;
}
