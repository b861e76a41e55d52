#include "domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/domctl.h"
#include "abi/sysctl.h"
#include "base/text.h"
#include "console.h"
#include "hcall/hcall.h"
#include "history.h"
#include "hv.h"
#include "loop.h"
#include "options.h"
#include "records.h"

#define BUCKETS 1024u
#define LIST_MAX 512u

/* A console of a domain that is gone; its history is in its file. */
struct dead {
	struct dead *older, *newer;
	struct history_id id;
	uint64_t died;
	char name[64];
};

static struct {
	struct domain *all, *buckets[BUCKETS];
	struct dead *newest, *oldest;
	unsigned nr_dead;
	struct xen_domctl_getdomaininfo *list; /* where the hypervisor writes */
	uint64_t looks;
	bool look;
} domains;

struct domain *domain_find(uint32_t id)
{
	struct domain *d = domains.buckets[id % BUCKETS];

	while (d && d->id != id)
		d = d->next_hash;
	return d;
}

void domain_each(void (*fn)(struct domain *d))
{
	for (struct domain *d = domains.all; d; d = d->next)
		fn(d);
}

struct console *domain_console(uint32_t id, uint32_t nr)
{
	struct domain *d = domain_find(id);
	struct console *c = d ? d->consoles : NULL;

	while (c && c->nr != nr)
		c = c->next;
	return c;
}

static void forget_dead(struct dead *k)
{
	*(k->newer ? &k->newer->older : &domains.newest) = k->older;
	*(k->older ? &k->older->newer : &domains.oldest) = k->newer;
	domains.nr_dead--;
	free(k);
}

static void add_dead(const struct history_id *id, const char *name, uint64_t died)
{
	struct dead *k = domains.newest, *n = xcalloc(1, sizeof(*n));

	n->id = *id;
	n->died = died;
	snprintf(n->name, sizeof(n->name), "%s", name);
	/* Files of a daemon before us come in any order; later ones are always the newest. */
	while (k && k->died > died)
		k = k->older;
	n->older = k;
	n->newer = k ? k->newer : domains.oldest;
	*(n->newer ? &n->newer->older : &domains.newest) = n;
	*(n->older ? &n->older->newer : &domains.oldest) = n;
	if (++domains.nr_dead > options.history_dead) {
		history_remove(domains.oldest->id.domid, domains.oldest->id.nr);
		forget_dead(domains.oldest);
	}
}

/* The id lives again: its files belong to the new domain, unless they are its own from before we were started. */
static void forget_dead_of(const struct domain *d)
{
	for (struct dead *k = domains.newest, *older; k; k = older) {
		older = k->older;
		if (k->id.domid != d->id)
			continue;
		if (memcmp(k->id.handle, d->handle, sizeof(d->handle)))
			history_remove(d->id, k->id.nr);
		forget_dead(k);
	}
}

static void begin(const struct xen_domctl_getdomaininfo *info)
{
	struct domain *d = xcalloc(1, sizeof(*d));

	d->id = info->domain;
	memcpy(d->handle, info->handle, sizeof(d->handle));
	d->seen = domains.looks;
	d->next = domains.all;
	domains.all = d;
	d->next_hash = domains.buckets[d->id % BUCKETS];
	domains.buckets[d->id % BUCKETS] = d;
	forget_dead_of(d);
	console_new(d, 0);
	records_domain(d);
	verbose("domain %u is there", d->id);
}

/* @d is out of the list of all already. */
static void end(struct domain *d)
{
	struct domain **at = &domains.buckets[d->id % BUCKETS];

	while (*at != d)
		at = &(*at)->next_hash;
	*at = d->next_hash;
	records_forget(d);
	while (d->consoles) {
		struct console *c = d->consoles;
		struct history_id id = { .domid = d->id, .nr = c->nr };

		memcpy(id.handle, d->handle, sizeof(id.handle));
		d->consoles = c->next;
		console_end(c);
		add_dead(&id, d->name, (uint64_t)time(NULL));
	}
	verbose("domain %u is gone", d->id);
	free(d);
}

/*
 * A toolstack gives each domain its own id or handle; the launch tree gives a domain that begins anew those it had. But then our end of the
 * old one's event channel is left alone.
 */
static bool restarted(const struct domain *d)
{
	for (const struct console *c = d->consoles; c && !d->name[0]; c = c->next)
		if (console_is_orphan(c))
			return true;
	return false;
}

static void see(const struct xen_domctl_getdomaininfo *info)
{
	struct domain *d = domain_find(info->domain);

	/* A dying domain says nothing any more, and cannot be gone while we have its page. */
	if (!info->domain || info->flags & XEN_DOMINF_dying)
		return;
	if (d && !memcmp(d->handle, info->handle, sizeof(d->handle)) && !restarted(d))
		d->seen = domains.looks;
	else if (!d)
		begin(info);
	else
		domains.look = true; /* another one with this id: after the end of this */
}

/* At most @max of the hypervisor's list: how many it had, or -1. */
static int list(uint32_t first, uint32_t max)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist };

	op.u.getdomaininfolist.first_domain = (domid_t)first;
	op.u.getdomaininfolist.max_domains = max;
	op.u.getdomaininfolist.buffer = hcall_address(hv_calls(), domains.list);
	if (hcall_sysctl(hv_calls(), &op) || op.u.getdomaininfolist.num_domains > max)
		return -1;
	return (int)op.u.getdomaininfolist.num_domains;
}

/* Compare once, however many events asked for it. */
static void look(uint64_t now)
{
	uint32_t first = 0;
	int n;

	if (!domains.look)
		return;
	domains.look = false;
	domains.looks++;
	do {
		n = list(first, LIST_MAX);
		for (int i = 0; i < n; i++) {
			see(&domains.list[i]);
			first = domains.list[i].domain + 1u;
		}
	} while (n == (int)LIST_MAX);
	if (n < 0) {
		notice("the list of domains cannot be read; the next event tries again");
		return;
	}
	for (struct domain **at = &domains.all; *at;) {
		struct domain *d = *at;

		if (d->seen == domains.looks) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		end(d);
	}
	if (domains.look)
		loop_due(now);
}

void domain_look(void)
{
	domains.look = true;
}

void domain_arrived(uint32_t id)
{
	if (!domain_find(id) && list(id, 1) == 1 && domains.list[0].domain == id)
		see(&domains.list[0]);
	else
		domain_look(); /* an old one with that id has ended */
}

static void kept(void *arg, const struct history_id *id, const char *name, uint64_t died)
{
	add_dead(id, name, died ? died : (uint64_t)time(NULL));
}

void domain_setup(void)
{
	domains.list = hcall_alloc(hv_calls(), LIST_MAX * sizeof(*domains.list));
	if (!domains.list) {
		notice("out of memory");
		exit(1);
	}
	history_each(kept, NULL);
	loop_on_turn(look);
	domain_look();
}

void domain_set_name(struct domain *d, const char *name)
{
	if (!strcmp(d->name, name))
		return;
	snprintf(d->name, sizeof(d->name), "%s", name);
	for (struct console *c = d->consoles; c; c = c->next) {
		history_set_name(c->history, d->name);
		console_open_log(c);
	}
}

void domain_reopen_logs(void)
{
	for (struct domain *d = domains.all; d; d = d->next)
		for (struct console *c = d->consoles; c; c = c->next)
			console_open_log(c);
}

static void put_history(const struct history *h, struct text *out)
{
	uint64_t at = 0;
	char buf[4096];
	size_t n;

	while ((n = history_read(h, &at, buf, sizeof(buf))))
		text_add_bytes(out, buf, n);
}

bool domain_history(const char *who, uint32_t nr, struct text *out)
{
	char *tail;
	unsigned long id = strtoul(who, &tail, 10);
	bool number = *who && !*tail;

	for (struct domain *d = domains.all; d; d = d->next)
		if (number ? d->id == id : !strcmp(d->name, who)) {
			struct console *c = domain_console(d->id, nr);

			if (c)
				put_history(c->history, out);
			return c;
		}
	for (struct dead *k = domains.newest; k; k = k->older)
		if (k->id.nr == nr && (number ? k->id.domid == id : !strcmp(k->name, who))) {
			struct history *h = history_find(k->id.domid, nr);

			if (h)
				put_history(h, out);
			history_close(h);
			return h;
		}
	return false;
}

static void put_line(struct text *out, uint32_t id, uint32_t nr, uint64_t died, const struct history *h,
		     const char *name)
{
	text_printf(out, "%u %u ", id, nr);
	if (died)
		text_printf(out, "%llu", (unsigned long long)died);
	else
		text_add(out, "alive");
	text_printf(out, " %llu %s\n", h ? (unsigned long long)(history_end(h) - history_begin(h)) : 0ull, name);
}

void domain_list(struct text *out)
{
	for (struct domain *d = domains.all; d; d = d->next)
		for (struct console *c = d->consoles; c; c = c->next)
			put_line(out, d->id, c->nr, 0, c->history, d->name);
	for (struct dead *k = domains.newest; k; k = k->older) {
		struct history *h = history_find(k->id.domid, k->id.nr);

		put_line(out, k->id.domid, k->id.nr, k->died, h, k->name);
		history_close(h);
	}
}
