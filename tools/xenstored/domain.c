/* The table of domains: by id; what INTRODUCE and its kin do; and how the end of a domain is noticed. */
#include "domain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn_io.h"
#include "home.h"
#include "hyper.h"
#include "journal.h"
#include "journal_io.h"
#include "loop.h"
#include "options.h"
#include "os_linux.h"
#include "owned.h"
#include "request.h"
#include "store.h"
#include "trace.h"

#define LIST_BATCH 256

static struct {
	struct domain *by_id[WIRE_DOMID_FIRST_RESERVED];
	struct domain *known;
	struct domain *dead;
	uint64_t next_unique;
	unsigned round;
	struct source events;
	uint32_t dom_exc; /* local port of VIRQ_DOM_EXC */
	bool has_dom_exc;
} domains = { .next_unique = 1 };

bool domain_privileged(const struct domain *d)
{
	return d->id == 0 || d->id == options.own_domid || d->id == options.master_domid || d->id == options.priv_domid;
}

bool conn_privileged(const struct conn *c)
{
	return domain_privileged(c->domain);
}

struct domain *domain_find(uint32_t id)
{
	return id < WIRE_DOMID_FIRST_RESERVED ? domains.by_id[id] : NULL;
}

struct domain *domain_first(void)
{
	return domains.known;
}

static struct domain *domain_new(uint32_t id, uint64_t unique)
{
	struct domain *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->id = id;
	d->unique = unique ? unique : domains.next_unique;
	if (d->unique >= domains.next_unique)
		domains.next_unique = d->unique + 1;
	d->target = ~0u;
	d->features = DOMAIN_FEATURES;
	d->round = domains.round;
	d->next = domains.known;
	d->prev = &domains.known;
	if (d->next)
		d->next->prev = &d->next;
	domains.known = d;
	domains.by_id[id] = d;
	store_domain_new(d);
	return d;
}

struct domain *domain_get(uint32_t id)
{
	struct domain *d = domain_find(id);
	struct hyper_domain info = { .exists = false };

	if (d)
		return d;
	if (id >= WIRE_DOMID_FIRST_RESERVED)
		return NULL;
	if (hyper->domain_info(id, &info) || !info.exists || info.dying)
		return NULL;
	d = domain_new(id, 0);
	if (!d)
		return NULL;
	d->hyper_unique = info.unique;
	memcpy(d->handle, info.handle, sizeof(d->handle));
	d->shutdown_seen = info.shutdown;
	journal_domain(d);
	return d;
}

/* Its connection goes; a request of its own that is being served finds it closed but there. */
static void domain_disconnect(struct domain *d)
{
	struct conn *c = d->conn;

	d->conn = NULL;
	d->introduced = false;
	if (c)
		conn_destroy(c);
}

/* Out of the table; the structure stays until the turn ends, for connections that still name it. */
static void domain_forget(struct domain *d)
{
	d->dead = true;
	domain_disconnect(d);
	if (!options.keep_orphans)
		store_domain_gone(d);
	journal_domain_gone(d->id);
	domains.by_id[d->id] = NULL;
	*d->prev = d->next;
	if (d->next)
		d->next->prev = d->prev;
	d->next = domains.dead;
	domains.dead = d;
}

void domain_reap(void)
{
	struct domain *d;

	while ((d = domains.dead)) {
		domains.dead = d->next;
		store_domain_forgotten(d->id);
		owned_free(d->owned); /* of orphans that are kept */
		free(d);
	}
}

/* The ring is mapped and its port bound: make it a connection. */
static int domain_connect(struct domain *d, struct xenstore_domain_interface *ring, uint32_t local, uint32_t conn_id)
{
	/* A restored connection has its watches already, and waits for its ring. */
	struct conn *c = d->conn;

	if (!c)
		c = conn_new(d->id == options.own_domid ? CONN_KERNEL : CONN_GUEST, d, conn_id);
	if (!c)
		return ENOMEM;
	c->io->ring = ring;
	if (ring_bind(c, local)) {
		c->io->ring = NULL;
		d->conn = NULL;
		conn_destroy(c);
		return ENOMEM;
	}
	d->conn = c;
	d->introduced = true;
	return 0;
}

/* Again: the guest began anew (kexec, soft reset), or its event channel did. */
static int domain_rebind(struct domain *d, uint64_t gfn, uint32_t port)
{
	struct conn *c = d->conn;
	uint32_t local;
	int err;

	/* The hypervisor binds a port once: the old binding must go first. */
	ring_unbind(c);
	err = hyper->bind(d->id, port, &local);
	if (!err && ring_bind(c, local)) {
		hyper->unbind(local);
		err = ENOMEM;
	}
	d->port = port;
	d->gfn = gfn;
	journal_domain(d);
	ring_reset(c);
	return err;
}

int domain_introduce(uint32_t id, uint64_t gfn, uint32_t port)
{
	struct xenstore_domain_interface *ring;
	struct domain *d = domain_get(id);
	uint32_t local;
	int err;

	if (!d)
		return EINVAL; /* as the hypervisor's refusal to map for it reads to a client of the classic daemon */
	if (d->conn && d->conn->io->ring)
		return domain_rebind(d, gfn, port);
	ring = hyper->map_ring(id, gfn);
	if (!ring)
		return errno ? errno : EINVAL;
	err = hyper->bind(id, port, &local);
	if (err) {
		hyper->unmap_ring(id, ring);
		return err;
	}
	d->port = port;
	d->gfn = gfn;
	journal_reset(id);
	err = domain_connect(d, ring, local, 0);
	if (err) {
		hyper->unbind(local);
		hyper->unmap_ring(id, ring);
		return err;
	}
	journal_domain(d);
	ring_start(d->conn);
	store_fire_special("@introduceDomain", id);
	return 0;
}

int domain_release(uint32_t id)
{
	struct domain *d = domain_find(id);

	if (!d || !d->introduced || id == options.own_domid)
		return d && d->introduced ? EINVAL : ENOENT;
	d->shutdown_seen = false;
	domain_forget(d);
	store_fire_special("@releaseDomain", id);
	return 0;
}

int domain_resume(uint32_t id)
{
	struct domain *d = domain_find(id);

	if (!d || !d->introduced)
		return ENOENT;
	d->shutdown_seen = false;
	journal_domain(d);
	return 0;
}

int domain_set_target(uint32_t id, uint32_t target)
{
	struct domain *d = domain_find(id), *t = domain_find(target);

	if (!d || !d->introduced || !t || !t->introduced)
		return ENOENT;
	d->target = target;
	journal_domain(d);
	return 0;
}

bool domain_is_introduced(uint32_t id)
{
	struct domain *d = domain_find(id);

	return id == 0 || id == WIRE_DOMID_SELF || (d && d->introduced);
}

/* What the hypervisor says of one known domain. True: it shut down, and nobody was told. */
static bool domain_seen(struct domain *d, const struct hyper_domain *info)
{
	if (info->dying || (d->hyper_unique && info->unique && d->hyper_unique != info->unique))
		return false;
	d->round = domains.round;
	if (!info->shutdown || d->shutdown_seen || domain_privileged(d))
		return false;
	d->shutdown_seen = true;
	journal_domain(d);
	return d->introduced;
}

static void introduce_one(uint32_t id)
{
	struct xenstore_domain_interface *ring;
	uint64_t gfn;
	uint32_t port;
	bool waits;
	int err;

	if (hyper->store_place(id, &gfn, &port) || !port)
		return;
	ring = hyper->map_ring(id, gfn);
	if (!ring)
		return;
	/* A ring a toolstack is about to introduce is not in this state: only a hypervisor that launched the domain sets it. */
	waits = __atomic_load_n(&ring->connection, __ATOMIC_ACQUIRE) == XENSTORE_RECONNECT;
	hyper->unmap_ring(id, ring);
	if (!waits)
		return;
	home_make(id, port);
	journal_begin(NULL);
	err = domain_introduce(id, gfn, port);
	journal_commit();
	if (err)
		notice("domain %u was launched without a store and could not be introduced: %s", id, strerror(err));
}

/* Is it one that nobody has introduced? */
static bool may_wait(uint32_t id, const struct hyper_domain *info)
{
	const struct domain *d = domain_find(id);

	return !info->dying && !info->shutdown && id != options.own_domid && (!d || !d->introduced);
}

static void introduce_waiting(void)
{
	struct hyper_domain info[LIST_BATCH];
	uint32_t ids[LIST_BATCH], first = 0;
	int n;

	do {
		n = hyper->list(first, ids, info, LIST_BATCH);
		for (int i = 0; i < n; i++) {
			first = ids[i] + 1;
			if (may_wait(ids[i], &info[i]))
				introduce_one(ids[i]);
		}
	} while (n == LIST_BATCH);
}

void domain_check_all(void)
{
	struct hyper_domain info[LIST_BATCH];
	uint32_t ids[LIST_BATCH], first = 0;
	struct domain *d, *next;
	bool waiting = false;
	int n;

	domains.round++;
	journal_begin(NULL);
	do {
		n = hyper->list(first, ids, info, LIST_BATCH);
		if (n < 0)
			goto out; /* knowing nothing, nobody is dead */
		for (int i = 0; i < n; i++) {
			d = domain_find(ids[i]);
			if (d && domain_seen(d, &info[i]))
				store_fire_special("@releaseDomain", d->id);
			waiting |= may_wait(ids[i], &info[i]);
			first = ids[i] + 1;
		}
	} while (n == LIST_BATCH);
	/* First all state, then the events that tell of it. */
	for (d = domains.known; d; d = next) {
		next = d->next;
		if (d->round == domains.round || d->id == options.own_domid || d->id == 0)
			continue;
		d->shutdown_seen = d->introduced;
		domain_forget(d);
	}
	for (d = domains.dead; d; d = next) {
		next = d->next;
		if (!d->shutdown_seen)
			continue;
		d->shutdown_seen = false;
		store_fire_special("@releaseDomain", d->id);
	}
	if (waiting)
		introduce_waiting();
out:
	journal_commit();
}

static void events_ready(struct source *s, unsigned what)
{
	const struct domain *own = domain_find(options.own_domid);
	bool check = false;
	int port;

	while ((port = hyper->next_port()) >= 0) {
		if (domains.has_dom_exc && (uint32_t)port == domains.dom_exc)
			check = true;
		else
			ring_event((uint32_t)port);
	}
	if (own && own->conn)
		ring_look(own->conn);
	if (check)
		domain_check_all();
}

int domain_init(void)
{
	if (!domain_find(0) && !domain_new(0, 0))
		return ENOMEM;
	if (!domain_find(options.own_domid) && !domain_new(options.own_domid, 0))
		return ENOMEM;
	return 0;
}

static int kernel_start(void)
{
	struct domain *d = domain_find(options.own_domid);
	struct xenstore_domain_interface *ring;
	uint32_t remote, local;
	int err;

	if (d->conn && d->conn->io->ring)
		return 0;
	ring = hyper->kernel_ring(&remote);
	if (!ring)
		return 0;
	err = hyper->bind(d->id, remote, &local);
	if (err)
		return err;
	d->port = remote;
	err = domain_connect(d, ring, local, 0);
	if (err)
		return err;
	journal_domain(d);
	ring_start(d->conn);
	return 0;
}

static bool domain_is_attached(uint32_t id)
{
	const struct domain *d = domain_find(id);

	return d && d->conn && d->conn->io->ring;
}

int domain_start(void)
{
	int fd = hyper->event_fd(), err;

	if (fd < 0)
		return 0;
	domains.events = (struct source){ .ready = events_ready, .fd = fd };
	err = loop_add(&domains.events, OS_IN);
	if (!err)
		err = kernel_start();
	/* In a domain of its own, the store is told where the ring of its master is. */
	if (!err && options.event_port >= 0 && options.own_domid != options.master_domid &&
	    !domain_is_attached(options.master_domid))
		err = domain_introduce(options.master_domid, 0, (uint32_t)options.event_port);
	if (!err) {
		err = hyper->bind_dom_exc(&domains.dom_exc);
		domains.has_dom_exc = !err;
	}
	return err;
}

void domain_hand_over(bool yes)
{
	if (yes && domains.has_dom_exc) {
		hyper->unbind(domains.dom_exc);
		domains.has_dom_exc = false;
	} else if (!yes && hyper->event_fd() >= 0) {
		domains.has_dom_exc = !hyper->bind_dom_exc(&domains.dom_exc);
		domain_check_all();
	}
}

void domain_unique_used(uint64_t unique)
{
	if (unique >= domains.next_unique)
		domains.next_unique = unique + 1;
}

struct domain *domain_restore(uint32_t id, uint64_t unique)
{
	struct domain *d = domain_find(id);

	if (id >= WIRE_DOMID_FIRST_RESERVED)
		return NULL;
	if (!d)
		return domain_new(id, unique);
	if (unique) {
		d->unique = unique;
		domain_unique_used(unique);
	}
	return d;
}

void domain_unrestore(uint32_t id)
{
	struct domain *d = domain_find(id);

	if (d && id != options.own_domid && id)
		domain_forget(d);
	domain_reap();
}

void domain_restore_reset(struct domain *d)
{
	request_drop_state(d->conn);
}

int domain_attach(struct domain *d, uint32_t local_port, uint32_t conn_id)
{
	bool kernel = d->id == options.own_domid, bound = local_port != ~0u;
	struct xenstore_domain_interface *ring;
	uint32_t remote = d->port;
	int err = 0;

	ring = kernel ? hyper->kernel_ring(&remote) : hyper->map_ring(d->id, d->gfn);
	if (!ring)
		return errno ? errno : EINVAL;
	d->port = remote;
	if (!bound)
		err = hyper->bind(d->id, remote, &local_port);
	if (!err)
		err = domain_connect(d, ring, local_port, conn_id);
	if (err && !kernel)
		hyper->unmap_ring(d->id, ring);
	return err;
}
