#include "world.h"

#include <stdlib.h>

#include "abi/domctl.h"
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/hvm_op.h"
#include "abi/hvm_params.h"
#include "abi/memory.h"
#include "abi/sysctl.h"
#include "abi/xen.h"
#include "asm/host.h"
#include "hcall/sim_wire.h"
#include "hv/consring.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/time.h"

/*
 * Domain 0's RAM begins at 1 GiB: its buffers are mapped in processes at their physical addresses, and there nothing else is,
 * nor do sanitizers or valgrind mind. What it maps of others appears above 1 TiB.
 */
#define DOM0_GFN 0x40000UL
#define DOM0_MAX_PAGES 0x3f000UL
#define CHUNK 512u
#define MAP_GFN 0x10000000UL
#define MAP_PAGES 0x100000UL

/* The first pages are for our own arguments: a structure, and lists. */
#define ARG_GPA (DOM0_GFN << PAGE_SHIFT)
#define LIST1_GPA (ARG_GPA + 0x8000)
#define LIST2_GPA (LIST1_GPA + SIM_MAX_PAYLOAD)
#define LIST3_GPA (LIST2_GPA + SIM_MAX_PAYLOAD)
#define OWN_PAGES 64u
#define OWNER_NONE 0u
#define OWNER_SELF (~0u)
#define GRANTS_AT_ONCE 64u

enum map_kind { MAP_FOREIGN, MAP_GRANT };

struct map {
	struct map *next;
	uint64_t id, gfn, nr;
	unsigned client;
	enum map_kind kind;
	uint64_t what[]; /* 0: nothing there, 1: a page; of grants: 2 + the handle */
};

static struct {
	struct domain *dom0;
	uint64_t dom0_pages;
	unsigned owner[DOM0_MAX_PAGES]; /* client + 1 of each of its pages */
	bool mapped[MAP_PAGES];
	uint64_t map_hint, next_map, nr_mapped, nr_buffers, told, calls;
	struct map *maps;
	struct {
		bool armed;
		uint64_t skip, nr, cmd;
		int error;
	} fail;
} world;

static void *dom0_ptr(uint64_t gpa)
{
	mfn_t m = p2m_lookup(world.dom0, gfn(gpa >> PAGE_SHIFT), NULL, NULL);

	BUG_ON(!mfn_valid_value(m));
	return (uint8_t *)mfn_to_virt(m) + gpa % PAGE_SIZE;
}

static long dom0_call(unsigned nr, uint64_t a, uint64_t b, uint64_t c)
{
	return host_hypercall(world.dom0->vcpu[0], nr, a, b, c, 0, 0);
}

/* Hypercall @nr with command @cmd and @arg, which comes back changed. */
static long dom0_op(unsigned nr, uint64_t cmd, void *arg, size_t size, unsigned count)
{
	void *p = dom0_ptr(ARG_GPA);
	long rc;

	memcpy(p, arg, size);
	rc = dom0_call(nr, cmd, ARG_GPA, count);
	memcpy(arg, p, size);
	return rc;
}

static long dom0_domctl(struct xen_domctl *op)
{
	void *p = dom0_ptr(ARG_GPA);
	long rc;

	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	memcpy(p, op, sizeof(*op));
	rc = dom0_call(HC_domctl, ARG_GPA, 0, 0);
	memcpy(op, p, sizeof(*op));
	return rc;
}

/* See world.h. */
void world_init(int fd, uint64_t ram, unsigned cpus, uint64_t dom0_pages)
{
	struct domain_config cfg = {
		.domid = 0, .roles = ROLE_ALL, .name = "Domain-0", .max_vcpus = cpus, .max_pages = dom0_pages + 4096
	};
	struct domain *d;

	if (dom0_pages > DOM0_MAX_PAGES)
		dom0_pages = DOM0_MAX_PAGES / CHUNK * CHUNK;
	host_ram_file(fd);
	host_machine(ram, cpus);
	host_set_time(MILLISECS(1));
	if (domain_create(&cfg, &d))
		panic("no domain 0");
	for (uint64_t g = 0; g < dom0_pages; g += CHUNK)
		if (p2m_populate(d, gfn(DOM0_GFN + g), 9, 0))
			panic("no memory for domain 0");
	for (unsigned i = 0; i < cpus; i++) {
		if (vcpu_create(d, i))
			panic("no CPU for domain 0");
		d->vcpu[i]->initialised = true;
		__atomic_fetch_and(&d->vcpu[i]->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST);
	}
	d->creation_finished = true;
	domain_unpause(d);
	world.dom0 = d;
	world.dom0_pages = dom0_pages;
	for (unsigned i = 0; i < OWN_PAGES; i++)
		world.owner[i] = OWNER_SELF;
}

/* See world.h. */
void world_settle(void)
{
	for (unsigned cpu = 0; cpu < host_nr_cpus(); cpu++)
		host_run_softirqs(cpu);
}

/* See world.h. First fit. */
int64_t world_alloc(unsigned client, uint64_t pages, uint64_t *mfns)
{
	uint64_t run = 0;

	if (!pages || pages > SIM_MAX_PAGES)
		return -EINVAL;
	for (uint64_t i = 0; i < world.dom0_pages; i++) {
		run = world.owner[i] == OWNER_NONE ? run + 1 : 0;
		if (run < pages)
			continue;
		for (uint64_t k = 0; k < pages; k++) {
			uint64_t page = i + 1 - pages + k;

			world.owner[page] = client + 1;
			mfns[k] = p2m_lookup(world.dom0, gfn(DOM0_GFN + page), NULL, NULL).v;
		}
		world.nr_buffers += pages;
		return (int64_t)((DOM0_GFN + i + 1 - pages) << PAGE_SHIFT);
	}
	return -ENOMEM;
}

/* See world.h. */
int world_free(unsigned client, uint64_t gpa, uint64_t pages)
{
	uint64_t first = (gpa >> PAGE_SHIFT) - DOM0_GFN;

	if (first >= world.dom0_pages || pages > world.dom0_pages - first)
		return -EINVAL;
	for (uint64_t i = first; i < first + pages; i++)
		if (world.owner[i] != client + 1)
			return -EINVAL;
	memset(&world.owner[first], 0, pages * sizeof(world.owner[0]));
	world.nr_buffers -= pages;
	return 0;
}

/* See world.h. */
void world_free_all(unsigned client)
{
	for (uint64_t i = 0; i < world.dom0_pages; i++)
		if (world.owner[i] == client + 1) {
			world.owner[i] = OWNER_NONE;
			world.nr_buffers--;
		}
}

/* See world.h. */
void world_fail(uint64_t skip, int error, uint64_t nr, uint64_t cmd)
{
	world.fail.armed = error != 0;
	world.fail.skip = skip;
	world.fail.error = error;
	world.fail.nr = nr;
	world.fail.cmd = cmd;
}

/* Is this the call that shall fail? */
static bool shall_fail(uint64_t nr, const uint64_t args[5])
{
	uint64_t cmd = args[0];
	uint32_t word;

	if (!world.fail.armed || (world.fail.nr != ~0UL && world.fail.nr != nr))
		return false;
	if (nr == HC_domctl || nr == HC_sysctl || nr == HC_platform_op) {
		if (copy_from_gpa(world.dom0, &word, args[0], sizeof(word)))
			return false;
		cmd = word;
	}
	if (world.fail.cmd != ~0UL && world.fail.cmd != cmd)
		return false;
	if (world.fail.skip == ~0UL)
		return true; /* each of them */
	if (world.fail.skip--)
		return false;
	world.fail.armed = false;
	return true;
}

/* How many domains a list just told domain 0 about. */
static uint64_t told(uint64_t nr, uint64_t op)
{
	struct xen_sysctl s;

	if (nr != HC_sysctl || copy_from_gpa(world.dom0, &s, op, sizeof(s)) || s.cmd != XEN_SYSCTL_getdomaininfolist)
		return 0;
	return s.u.getdomaininfolist.num_domains;
}

/* See world.h. */
int64_t world_call(uint64_t domid, uint64_t vcpu, uint64_t nr, const uint64_t args[5])
{
	struct domain *d = domain_get_by_id((domid_t)domid);
	int64_t rc = -ESRCH;

	if (!d)
		return rc;
	world.calls += domid == 0;
	if (domid == 0 && shall_fail(nr, args)) {
		domain_put(d);
		return -world.fail.error;
	}
	if (vcpu < d->max_vcpus && d->vcpu[vcpu])
		rc = host_hypercall(d->vcpu[vcpu], (unsigned)nr, args[0], args[1], args[2], args[3], args[4]);
	if (domid == 0 && rc == 0)
		world.told += told(nr, args[0]);
	domain_put(d);
	return rc;
}

/* @nr free pages of the region domain 0 maps things in; 0: none. */
static uint64_t find_room(uint64_t nr)
{
	uint64_t run = 0;

	for (uint64_t i = 0; i < 2 * MAP_PAGES; i++) {
		uint64_t at = (world.map_hint + i) % MAP_PAGES;

		if (!at)
			run = 0;
		run = world.mapped[at] ? 0 : run + 1;
		if (run < nr)
			continue;
		world.map_hint = (at + 1) % MAP_PAGES;
		return MAP_GFN + at + 1 - nr;
	}
	return 0;
}

static struct map *map_begin(unsigned client, uint64_t nr, enum map_kind kind)
{
	struct map *m;
	uint64_t room;

	if (!nr || nr > SIM_MAX_PAGES)
		return NULL;
	room = find_room(nr);
	m = room ? calloc(1, sizeof(*m) + nr * sizeof(m->what[0])) : NULL;
	if (!m)
		return NULL;
	m->gfn = room;
	m->nr = nr;
	m->client = client;
	m->kind = kind;
	return m;
}

/* What is there now belongs to the client, by the frames it finds. */
static int64_t map_end(struct map *m, uint64_t *mfns)
{
	for (uint64_t i = 0; i < m->nr; i++) {
		if (!m->what[i])
			continue;
		mfns[i] = p2m_lookup(world.dom0, gfn(m->gfn + i), NULL, NULL).v;
		world.nr_mapped++;
	}
	memset(&world.mapped[m->gfn - MAP_GFN], 1, m->nr);
	m->id = ++world.next_map;
	m->next = world.maps;
	world.maps = m;
	return (int64_t)m->id;
}

/* See world.h. */
int64_t world_map_foreign(unsigned client, uint64_t domid, const uint64_t *gfns, uint64_t nr, uint64_t *mfns)
{
	struct xen_add_to_physmap_batch b = { .domid = DOMID_SELF,
					      .space = XENMAPSPACE_gmfn_foreign,
					      .size = (uint16_t)nr,
					      .u.foreign_domid = (domid_t)domid,
					      .idxs = LIST1_GPA,
					      .gpfns = LIST2_GPA,
					      .errs = LIST3_GPA };
	struct map *m = map_begin(client, nr, MAP_FOREIGN);
	uint64_t *pages = dom0_ptr(LIST2_GPA);
	int32_t *errs = dom0_ptr(LIST3_GPA);
	long rc;

	if (!m)
		return -ENOMEM;
	memcpy(dom0_ptr(LIST1_GPA), gfns, nr * sizeof(*gfns));
	memset(errs, 0, nr * sizeof(*errs));
	for (uint64_t i = 0; i < nr; i++)
		pages[i] = m->gfn + i;
	rc = dom0_op(HC_memory_op, XENMEM_add_to_physmap_batch, &b, sizeof(b), 0);
	for (uint64_t i = 0; i < nr; i++) {
		int error = rc < 0 ? (int)-rc : -errs[i];

		m->what[i] = !error;
		if (error)
			mfns[i] = SIM_BAD_PAGE | (unsigned)error;
	}
	return map_end(m, mfns);
}

/* See world.h. */
int64_t world_map_resource(unsigned client, uint64_t domid, uint64_t type, uint64_t id, uint64_t frame, uint64_t nr,
			   uint64_t *mfns)
{
	struct xen_mem_acquire_resource r = { .domid = (domid_t)domid,
					      .type = (uint16_t)type,
					      .id = (uint32_t)id,
					      .nr_frames = (uint32_t)nr,
					      .frame = frame,
					      .frame_list = LIST1_GPA };
	struct map *m = map_begin(client, nr, MAP_FOREIGN);
	uint64_t *pages = dom0_ptr(LIST1_GPA);
	long rc;

	if (!m)
		return -ENOMEM;
	for (uint64_t i = 0; i < nr; i++)
		pages[i] = m->gfn + i;
	rc = dom0_op(HC_memory_op, XENMEM_acquire_resource, &r, sizeof(r), 0);
	if (rc) {
		free(m);
		return rc;
	}
	for (uint64_t i = 0; i < nr; i++)
		m->what[i] = 1;
	return map_end(m, mfns);
}

static void unmap_page(const struct map *m, uint64_t i)
{
	struct gnttab_unmap_grant_ref u = { .host_addr = (m->gfn + i) << PAGE_SHIFT };
	struct xen_remove_from_physmap r = { .domid = DOMID_SELF, .gpfn = m->gfn + i };

	if (m->what[i] >= 2) {
		u.handle = (grant_handle_t)(m->what[i] - 2);
		if (dom0_op(HC_grant_table_op, GNTTABOP_unmap_grant_ref, &u, sizeof(u), 1) || u.status)
			panic("domain 0 cannot unmap a grant");
	} else if (m->what[i]) {
		if (dom0_op(HC_memory_op, XENMEM_remove_from_physmap, &r, sizeof(r), 0))
			panic("domain 0 cannot unmap a page");
	}
}

/* See world.h. */
int64_t world_map_grants(unsigned client, uint64_t domid, const uint32_t *refs, uint64_t nr, bool write, uint64_t *mfns)
{
	struct gnttab_map_grant_ref *ops = dom0_ptr(ARG_GPA);
	struct map *m = map_begin(client, nr, MAP_GRANT);
	bool bad = false;

	if (!m)
		return -ENOMEM;
	for (uint64_t at = 0; at < nr; at += GRANTS_AT_ONCE) {
		uint64_t now = nr - at < GRANTS_AT_ONCE ? nr - at : GRANTS_AT_ONCE;

		for (uint64_t i = 0; i < now; i++)
			ops[i] =
				(struct gnttab_map_grant_ref){ .host_addr = (m->gfn + at + i) << PAGE_SHIFT,
							       .flags = GNTMAP_host_map | (write ? 0 : GNTMAP_readonly),
							       .ref = refs[at + i],
							       .dom = (domid_t)domid };
		if (dom0_call(HC_grant_table_op, GNTTABOP_map_grant_ref, ARG_GPA, now))
			for (uint64_t i = 0; i < now; i++)
				ops[i].status = GNTST_general_error;
		for (uint64_t i = 0; i < now; i++) {
			if (ops[i].status == GNTST_okay)
				m->what[at + i] = 2 + (uint64_t)ops[i].handle;
			else
				bad = true;
		}
	}
	if (!bad)
		return map_end(m, mfns);
	for (uint64_t i = 0; i < nr; i++)
		unmap_page(m, i);
	free(m);
	return -EINVAL;
}

static void drop_map(struct map **at)
{
	struct map *m = *at;

	*at = m->next;
	for (uint64_t i = 0; i < m->nr; i++) {
		unmap_page(m, i);
		world.nr_mapped -= m->what[i] != 0;
	}
	memset(&world.mapped[m->gfn - MAP_GFN], 0, m->nr);
	free(m);
}

/* See world.h. */
int world_unmap(unsigned client, uint64_t id)
{
	for (struct map **at = &world.maps; *at; at = &(*at)->next)
		if ((*at)->id == id && (*at)->client == client) {
			drop_map(at);
			return 0;
		}
	return -EINVAL;
}

/* See world.h. */
void world_unmap_all(unsigned client)
{
	struct map **at = &world.maps;

	while (*at) {
		if ((*at)->client == client)
			drop_map(at);
		else
			at = &(*at)->next;
	}
}

static long evtchn_op(unsigned cmd, void *arg, size_t size)
{
	return dom0_op(HC_event_channel_op, cmd, arg, size, 0);
}

/* See world.h. Guests make their own hypercalls, so this is domain 0's. */
int64_t world_evtchn(uint64_t domid, uint64_t op, uint64_t a, uint64_t b)
{
	struct evtchn_bind_interdomain inter = { .remote_dom = (domid_t)a, .remote_port = (uint32_t)b };
	struct evtchn_bind_virq virq = { .virq = (uint32_t)a };
	struct evtchn_alloc_unbound unbound = { .dom = DOMID_SELF, .remote_dom = (domid_t)a };
	struct evtchn_close port = { .port = (uint32_t)a };
	long rc;

	if (domid)
		return -EPERM;
	switch (op) {
	case SIM_BIND_INTERDOMAIN:
		rc = evtchn_op(EVTCHNOP_bind_interdomain, &inter, sizeof(inter));
		return rc ? rc : inter.local_port;
	case SIM_BIND_VIRQ:
		rc = evtchn_op(EVTCHNOP_bind_virq, &virq, sizeof(virq));
		return rc ? rc : virq.port;
	case SIM_ALLOC_UNBOUND:
		rc = evtchn_op(EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound));
		return rc ? rc : unbound.port;
	case SIM_UNBIND:
		return evtchn_op(EVTCHNOP_close, &port, sizeof(port));
	case SIM_NOTIFY:
		return evtchn_op(EVTCHNOP_send, &port, sizeof(port));
	case SIM_UNMASK:
		return evtchn_op(EVTCHNOP_unmask, &port, sizeof(port));
	}
	return -ENOSYS;
}

/* See world.h. What an interrupt handler of the domain would do; bitmaps of 64-bit domains. */
int world_take_port(uint64_t domid, unsigned from, bool mask)
{
	struct domain *d = domain_get_by_id((domid_t)domid);
	struct shared_info *s = d ? d->shared_info : NULL;
	int port = -1;

	for (unsigned p = from; s && !d->guest32 && p < WORLD_PORTS; p++) {
		uint64_t bit = 1UL << (p % 64);

		if (!(s->evtchn_pending[p / 64] & ~s->evtchn_mask[p / 64])) {
			p |= 63;
			continue;
		}
		if (!(s->evtchn_pending[p / 64] & ~s->evtchn_mask[p / 64] & bit))
			continue;
		if (mask)
			__atomic_fetch_or(&s->evtchn_mask[p / 64], bit, __ATOMIC_SEQ_CST);
		__atomic_fetch_and(&s->evtchn_pending[p / 64], ~bit, __ATOMIC_SEQ_CST);
		port = (int)p;
		break;
	}
	if (d)
		domain_put(d);
	return port;
}

/* See world.h. */
void world_return_port(uint64_t domid, unsigned port)
{
	struct domain *d = domain_get_by_id((domid_t)domid);
	struct shared_info *s = d ? d->shared_info : NULL;

	if (s)
		__atomic_fetch_or(&s->evtchn_pending[port / 64], 1UL << (port % 64), __ATOMIC_SEQ_CST);
	if (d)
		domain_put(d);
}

static int set_param(domid_t domid, uint32_t index, uint64_t value)
{
	struct xen_hvm_param p = { .domid = domid, .index = index, .value = value };

	return (int)dom0_op(HC_hvm_op, HVMOP_set_param, &p, sizeof(p), 0);
}

/* A page, a port and a grant towards domain 0, as for console and store. */
static int give_ring(struct domain *d, uint64_t page, uint32_t ref, uint32_t pfn_param, uint32_t port_param)
{
	struct evtchn_alloc_unbound port = { .dom = d->id, .remote_dom = 0 };
	long rc = evtchn_op(EVTCHNOP_alloc_unbound, &port, sizeof(port));

	if (!rc)
		rc = set_param(d->id, pfn_param, page);
	if (!rc)
		rc = set_param(d->id, port_param, port.port);
	return rc ? (int)rc : grant_seed(d, ref, 0, gfn(page), false);
}

static int fill_guest(struct domain *d, uint64_t pages)
{
	int rc = 0;

	for (uint64_t g = 0; !rc && g < pages; g++)
		rc = p2m_populate(d, gfn(g), 0, 0);
	if (!rc)
		rc = give_ring(d, pages - 1, GNTTAB_RESERVED_CONSOLE, HVM_PARAM_CONSOLE_PFN, HVM_PARAM_CONSOLE_EVTCHN);
	if (!rc)
		rc = give_ring(d, pages - 2, GNTTAB_RESERVED_XENSTORE, HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN);
	return rc;
}

/* Hospes serves its console, as that of a domain of a launch tree. */
static int serve_console(struct domain *d)
{
	struct consring *ring = calloc(1, sizeof(*ring)); /* for good, as the launch tree's */

	if (!ring)
		return -ENOMEM;
	spin_lock_init(&ring->lock, RANK_HVM);
	return consring_open(d, ring, gfn(d->hvm_params[HVM_PARAM_CONSOLE_PFN]),
			     (evtchn_port_t)d->hvm_params[HVM_PARAM_CONSOLE_EVTCHN]);
}

/* See world.h. */
int64_t world_guest(uint64_t domid, uint64_t pages, uint64_t vcpus, bool serve)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain, .domain = (domid_t)domid };
	struct domain *d;
	long rc;

	if (pages < 8)
		return -EINVAL;
	op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
	op.u.createdomain.max_vcpus = (uint32_t)vcpus;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = -1;
	op.u.createdomain.max_maptrack_frames = -1;
	op.u.createdomain.grant_opts = 1;
	op.u.createdomain.arch.emulation_flags = XEN_X86_EMU_LAPIC;
	rc = dom0_domctl(&op);
	if (rc)
		return rc;
	d = domain_get_by_id(op.domain);
	op.cmd = XEN_DOMCTL_max_mem;
	op.u.max_mem.max_memkb = (pages + 256) * 4;
	rc = dom0_domctl(&op);
	op.cmd = XEN_DOMCTL_max_vcpus;
	op.u.max_vcpus.max = (uint32_t)vcpus;
	if (!rc)
		rc = dom0_domctl(&op);
	if (!rc)
		rc = fill_guest(d, pages);
	if (!rc && serve)
		rc = serve_console(d);
	op.cmd = rc ? XEN_DOMCTL_destroydomain : XEN_DOMCTL_unpausedomain;
	if (dom0_domctl(&op) && !rc)
		rc = -EIO;
	rc = rc ? rc : d->id;
	domain_put(d);
	return rc;
}

/* See world.h. */
int world_shutdown(uint64_t domid, uint64_t code)
{
	struct domain *d = domain_get_by_id((domid_t)domid);

	if (!d)
		return -ESRCH;
	if (code <= SHUTDOWN_MAX)
		domain_shutdown(d, (enum shutdown_code)code);
	domain_put(d);
	return code <= SHUTDOWN_MAX ? 0 : -EINVAL;
}

/* See world.h. */
int64_t world_page(uint64_t domid, uint64_t page)
{
	struct domain *d = domain_get_by_id((domid_t)domid);
	mfn_t m = INVALID_MFN;

	if (d) {
		m = p2m_lookup(d, gfn(page), NULL, NULL);
		domain_put(d);
	}
	return mfn_valid_value(m) ? (int64_t)m.v : -ENOENT;
}

/* See world.h. */
int world_grant(uint64_t domid, uint64_t ref, uint64_t to, uint64_t page, bool readonly)
{
	struct domain *d = domain_get_by_id((domid_t)domid);
	int rc = -ESRCH;

	if (d) {
		rc = grant_seed(d, (grant_ref_t)ref, (domid_t)to, gfn(page), readonly);
		domain_put(d);
	}
	return rc;
}

/* See world.h. */
void world_state(struct sim_state *s)
{
	struct domain *d;
	domid_t from = 0;

	*s = (struct sim_state){ .free_frames = mm_free_frames() + world.dom0->p2m.nr_tables,
				 .mappings = world.nr_mapped,
				 .buffers = world.nr_buffers,
				 .told = world.told,
				 .calls = world.calls };
	while ((d = domain_next(from))) {
		from = d->id + 1;
		s->domains++;
		domain_put(d);
	}
	for (evtchn_port_t port = 1; port < WORLD_PORTS; port++) {
		struct evtchn_status st = { .dom = DOMID_SELF, .port = port };

		if (evtchn_op(EVTCHNOP_status, &st, sizeof(st)))
			break;
		s->ports += st.status != EVTCHNSTAT_closed;
	}
}

/* See world.h. */
void world_advance(uint64_t ns)
{
	host_advance((stime_t)ns);
}

/* See world.h. */
const char *world_log(void)
{
	return host_log();
}

/* See world.h. */
void world_take_memory(uint64_t left)
{
	host_give_back();
	if (left != ~0UL)
		host_take_memory(left);
}
