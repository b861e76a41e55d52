/* Interned permission lists, and what a list lets a client do. */
#include "perms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "domain.h"
#include "hash.h"

static struct {
	struct perms **buckets;
	unsigned nr_buckets, nr;
	size_t bytes;
} interned;

static size_t perms_bytes(unsigned nr)
{
	return sizeof(struct perms) + nr * sizeof(struct perm);
}

static uint32_t perms_hash(const struct perm *p, unsigned nr)
{
	uint64_t h = nr;

	for (unsigned i = 0; i < nr; i++) {
		uint64_t words[2] = { p[i].id | (uint64_t)p[i].access << 32 | (uint64_t)p[i].ignore << 40,
				      p[i].unique };

		h = hash_bytes(h, words, sizeof(words));
	}
	return (uint32_t)h;
}

static bool perm_equal(const struct perm *a, const struct perm *b)
{
	return a->id == b->id && a->access == b->access && a->ignore == b->ignore && a->unique == b->unique;
}

static bool perms_equal(const struct perms *ps, const struct perm *p, unsigned nr)
{
	if (ps->nr != nr)
		return false;
	for (unsigned i = 0; i < nr; i++)
		if (!perm_equal(&ps->p[i], &p[i]))
			return false;
	return true;
}

/* Keep chains short; when there is no memory for that they just grow. */
static void interned_grow(void)
{
	unsigned n = interned.nr_buckets ? interned.nr_buckets * 2 : 64;
	struct perms **buckets, *ps, *next;

	if (interned.nr < interned.nr_buckets)
		return;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		return;
	for (unsigned i = 0; i < interned.nr_buckets; i++)
		for (ps = interned.buckets[i]; ps; ps = next) {
			next = ps->next;
			ps->next = buckets[ps->hash & (n - 1)];
			buckets[ps->hash & (n - 1)] = ps;
		}
	free(interned.buckets);
	interned.buckets = buckets;
	interned.nr_buckets = n;
}

struct perms *perms_intern(const struct perm *p, unsigned nr)
{
	uint32_t hash = perms_hash(p, nr);
	struct perms *ps, **bucket;

	interned_grow();
	if (!interned.nr_buckets)
		return NULL;
	bucket = &interned.buckets[hash & (interned.nr_buckets - 1)];
	for (ps = *bucket; ps; ps = ps->next)
		if (ps->hash == hash && perms_equal(ps, p, nr))
			return perms_get(ps);
	ps = malloc(perms_bytes(nr));
	if (!ps)
		return NULL;
	ps->refs = 1;
	ps->hash = hash;
	ps->nr = nr;
	memcpy(ps->p, p, nr * sizeof(*p));
	ps->next = *bucket;
	*bucket = ps;
	interned.nr++;
	interned.bytes += perms_bytes(nr);
	return ps;
}

struct perms *perms_get(struct perms *ps)
{
	ps->refs++;
	return ps;
}

void perms_put(struct perms *ps)
{
	struct perms **at;

	if (!ps || --ps->refs)
		return;
	for (at = &interned.buckets[ps->hash & (interned.nr_buckets - 1)]; *at != ps; at = &(*at)->next)
		;
	*at = ps->next;
	interned.bytes -= perms_bytes(ps->nr);
	free(ps);
	if (!--interned.nr) {
		free(interned.buckets);
		interned.buckets = NULL;
		interned.nr_buckets = 0;
	}
}

void perms_stats(unsigned *nr, size_t *bytes)
{
	*nr = interned.nr;
	*bytes = interned.bytes + interned.nr_buckets * sizeof(*interned.buckets);
}

/* Is the entry meant for @d as it lives now? */
static bool perm_for(const struct perm *p, const struct domain *d)
{
	return !p->ignore && p->id == d->id && p->unique == d->unique;
}

/* The client's domain, or the one it may act for. */
static bool perm_matches(const struct perm *p, const struct domain *d)
{
	const struct domain *target;

	if (perm_for(p, d))
		return true;
	if (d->target == ~0u || p->id != d->target)
		return false;
	target = domain_find(d->target);
	return target && !target->dead && perm_for(p, target);
}

unsigned perms_access(const struct perms *ps, const struct conn *c)
{
	if (!c || conn_privileged(c) || perm_matches(&ps->p[0], c->domain))
		return WIRE_PERM_READ | WIRE_PERM_WRITE;
	for (unsigned i = 1; i < ps->nr; i++)
		if (ps->p[i].id == WIRE_DOMID_ANY || perm_matches(&ps->p[i], c->domain))
			return ps->p[i].access;
	return ps->p[0].access;
}

bool perms_owned_by(const struct perms *ps, const struct conn *c)
{
	return !c || conn_privileged(c) || perm_matches(&ps->p[0], c->domain);
}

struct domain *perms_owner(const struct perms *ps)
{
	struct domain *d = domain_find(ps->p[0].id);

	return d && !d->dead && d->unique == ps->p[0].unique && !domain_privileged(d) ? d : NULL;
}

/* Was it made for a domain that has died since? Privileged domains never die. */
static bool perm_dead(const struct perm *p)
{
	const struct domain *d;

	if (p->ignore || p->id == WIRE_DOMID_ANY || !p->id)
		return false;
	d = domain_find(p->id);
	return !d || d->dead || (d->unique != p->unique && !domain_privileged(d));
}

struct perms *perms_inherit(const struct perms *parent, const struct conn *c)
{
	bool owner = c && !conn_privileged(c), same = true;
	struct perm p[PERMS_MAX];
	unsigned nr = 0;

	for (unsigned i = 0; i < parent->nr; i++) {
		if (i && perm_dead(&parent->p[i])) {
			same = false;
			continue;
		}
		p[nr++] = parent->p[i];
	}
	if (owner && !perm_for(&p[0], c->domain)) {
		p[0].id = c->domain->id;
		p[0].unique = c->domain->unique;
		p[0].ignore = false;
		same = false;
	}
	return same ? perms_get((struct perms *)parent) : perms_intern(p, nr);
}

int perms_parse(const char *const *strings, unsigned nr, struct perm *out)
{
	unsigned access;

	if (!nr || nr > PERMS_MAX)
		return EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		if (!wire_perm_parse(strings[i], &out[i].id, &access))
			return EINVAL;
		out[i].access = (uint8_t)access;
	}
	for (unsigned i = 0; i < nr; i++) {
		const struct domain *d;

		if (i && out[i].id == WIRE_DOMID_ANY)
			continue;
		d = domain_get(out[i].id);
		if (!d || d->dead)
			out[i].ignore = true;
		else if (!domain_privileged(d))
			out[i].unique = d->unique;
	}
	return out[0].ignore ? ENOENT : 0;
}

int perms_format(const struct perms *ps, char *buf, size_t *len)
{
	size_t at = 0;

	for (unsigned i = 0; i < ps->nr; i++) {
		char text[16];
		size_t n;

		if (i && perm_dead(&ps->p[i]))
			continue;
		n = (size_t)wire_perm_format(text, sizeof(text), ps->p[i].id, ps->p[i].access) + 1;
		if (n > XENSTORE_PAYLOAD_MAX - at)
			return E2BIG;
		memcpy(buf + at, text, n);
		at += n;
	}
	*len = at;
	return 0;
}
