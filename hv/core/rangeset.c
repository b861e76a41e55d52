#include "hv/rangeset.h"

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"

struct range {
	struct range *next;
	uint64_t s, e;
};

/* See hv/rangeset.h. Whatever touches the new range melts into it. */
int rangeset_add(struct rangeset *r, uint64_t s, uint64_t e)
{
	struct range **at = &r->first, *n;

	if (s > e)
		return err(-EINVAL);
	while (*at && (*at)->e < s && (*at)->e + 1 < s)
		at = &(*at)->next;
	if (*at && (*at)->s <= s && (*at)->e >= e)
		return 0;
	if (r->nr >= RANGESET_MAX)
		return err(-ENOMEM);
	n = xzalloc(struct range);
	if (!n)
		return err(-ENOMEM);
	while (*at && ((*at)->s <= e || (*at)->s - 1 <= e)) {
		struct range *old = *at;

		s = min_u64(s, old->s);
		e = max_u64(e, old->e);
		*at = old->next;
		xfree(old);
		r->nr--;
	}
	n->s = s;
	n->e = e;
	n->next = *at;
	*at = n;
	r->nr++;
	return 0;
}

/* See hv/rangeset.h. Only a hole inside one range needs memory, and it is the only change then. */
int rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e)
{
	struct range **at = &r->first;

	if (s > e)
		return err(-EINVAL);
	while (*at && (*at)->e < s)
		at = &(*at)->next;
	if (*at && (*at)->s < s && (*at)->e > e) {
		struct range *tail = r->nr < RANGESET_MAX ? xzalloc(struct range) : NULL;

		if (!tail)
			return err(-ENOMEM);
		*tail = (struct range){ .next = (*at)->next, .s = e + 1, .e = (*at)->e };
		(*at)->e = s - 1;
		(*at)->next = tail;
		r->nr++;
		return 0;
	}
	while (*at && (*at)->s <= e) {
		struct range *cur = *at;

		if (cur->s < s) {
			cur->e = s - 1;
			at = &cur->next;
		} else if (cur->e > e) {
			cur->s = e + 1;
			break;
		} else {
			*at = cur->next;
			xfree(cur);
			r->nr--;
		}
	}
	return 0;
}

/* See hv/rangeset.h. */
bool rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e)
{
	for (const struct range *i = r->first; i && i->s <= s; i = i->next)
		if (i->e >= e && s <= e)
			return true;
	return false;
}

/* See hv/rangeset.h. */
void rangeset_clear(struct rangeset *r)
{
	while (r->first) {
		struct range *n = r->first;

		r->first = n->next;
		xfree(n);
	}
	r->nr = 0;
}
