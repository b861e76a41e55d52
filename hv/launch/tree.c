/*
 * A launch tree becomes domain descriptions. The binding is docs/launch.md. Pure: no Hospes state is touched, so hospes-launch
 * runs this very code. A fault spoils the smallest thing it can: a property, a link, one domain.
 */
#include "fdt.h"
#include "hv/errno.h"
#include "hv/launch.h"
#include "hv/sched.h"
#include "hv/string.h"

#define MEMORY_MIN_KIB 2048u
#define MEMORY_MAX_KIB (1UL << 34) /* 16 TiB */
#define STATIC_GRANT_FIRST 8u	   /* below are GNTTAB_NR_RESERVED_ENTRIES */
#define STATIC_GRANT_LIMIT (64u * 512u)
#define PORT_LIMIT 4096u /* 2-level event channels */
#define MAX_ENDS (2 * LAUNCH_MAX_LINKS)

/* One end of a static event link as its node says it. */
struct link_end {
	char node[64];
	unsigned dom;
	uint32_t port, phandle, target;
};

struct grant_wish {
	char node[64];
	unsigned dom;
	uint32_t peer; /* phandle of a domain node */
	struct launch_grant grant;
};

struct parser {
	const struct fdt *fdt;
	struct launch_config *cfg;
	unsigned nr_modules;
	const uint64_t *module_size;
	bool any_domid[LAUNCH_MAX_DOMAINS];
	uint32_t phandle[LAUNCH_MAX_DOMAINS];
	struct link_end ends[MAX_ENDS];
	unsigned nr_ends;
	struct grant_wish wishes[LAUNCH_MAX_LINKS];
	unsigned nr_wishes;
};

static void vreport(struct launch_config *cfg, bool note, const char *node, const char *prop, const char *fmt,
		    va_list ap)
{
	unsigned i = cfg->nr_faults++;
	struct launch_fault *f;
	int at;

	if (i >= LAUNCH_MAX_FAULTS)
		return;
	f = &cfg->faults[i];
	f->note = note;
	at = snprintf(f->text, sizeof(f->text), "%.64s: %.40s%s", node, prop, *prop ? ": " : "");
	if (at >= 0 && (size_t)at < sizeof(f->text))
		vsnprintf(f->text + at, sizeof(f->text) - (size_t)at, fmt, ap);
	for (char *c = f->text; *c; c++) /* names come from the tree: nothing but plain text may reach a terminal */
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void printf_like(4, 5) fault(struct parser *p, const char *node, const char *prop, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreport(p->cfg, false, node, prop, fmt, ap);
	va_end(ap);
}

static void printf_like(4, 5) note(struct parser *p, const char *node, const char *prop, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreport(p->cfg, true, node, prop, fmt, ap);
	va_end(ap);
}

/* Values --------------------------------------------------------------------------------------------- */

static bool get_u32(struct parser *p, const char *node, const struct fdt_prop *prop, uint32_t *out)
{
	if (prop->len != 4) {
		fault(p, node, prop->name, "must be one cell, is %u bytes: ignored", prop->len);
		return false;
	}
	*out = fdt_prop_cell(prop, 0);
	return true;
}

static bool get_u64(struct parser *p, const char *node, const struct fdt_prop *prop, uint64_t *out)
{
	if (prop->len != 8) {
		fault(p, node, prop->name, "must be two cells, is %u bytes: ignored", prop->len);
		return false;
	}
	*out = (uint64_t)fdt_prop_cell(prop, 0) << 32 | fdt_prop_cell(prop, 1);
	return true;
}

static bool get_string(struct parser *p, const char *node, const struct fdt_prop *prop, char *out, size_t size)
{
	if (!fdt_prop_is_string(prop)) {
		fault(p, node, prop->name, "must be a string: ignored");
		return false;
	}
	if (!str_copy(out, (const char *)prop->data, size)) {
		fault(p, node, prop->name, "longer than %zu bytes: ignored", size - 1);
		out[0] = 0;
		return false;
	}
	return true;
}

/* Properties every node may have. */
static bool is_common(const char *name)
{
	static const char *const common[] = { "compatible", "phandle", "linux,phandle", "#address-cells",
					      "#size-cells" };

	for (unsigned i = 0; i < ARRAY_SIZE(common); i++)
		if (strcmp(name, common[i]) == 0)
			return true;
	return false;
}

static uint32_t get_phandle(const struct fdt *f, int32_t node)
{
	struct fdt_prop prop;

	if (fdt_find_prop(f, node, "phandle", &prop) && prop.len == 4)
		return fdt_prop_cell(&prop, 0);
	return 0;
}

/* The properties of a domain ----------------------------------------------------------------------------- */

/* One handler per property; false: this domain cannot be built. */
typedef bool prop_fn(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop);

static bool prop_domid(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	uint32_t id;

	if (!get_u32(p, d->node, prop, &id))
		return true;
	if (id == LAUNCH_DOMID_ANY)
		return true;
	if (id >= DOMID_FIRST_RESERVED) {
		fault(p, d->node, prop->name, "%u is not a domain id: domain left out", id);
		return false;
	}
	for (unsigned i = 0; i < p->cfg->nr_domains; i++)
		if (!p->any_domid[i] && p->cfg->domains[i].domid == id) {
			fault(p, d->node, prop->name, "%u is taken by %s: domain left out", id,
			      p->cfg->domains[i].node);
			return false;
		}
	d->domid = (domid_t)id;
	return true;
}

static bool prop_permissions(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	uint32_t bits;

	if (!get_u32(p, d->node, prop, &bits))
		return true;
	if (bits & ~(LAUNCH_PERMIT_CONTROL | LAUNCH_PERMIT_HARDWARE))
		fault(p, d->node, prop->name, "unknown bits 0x%x ignored",
		      bits & ~(LAUNCH_PERMIT_CONTROL | LAUNCH_PERMIT_HARDWARE));
	d->permissions = bits & (LAUNCH_PERMIT_CONTROL | LAUNCH_PERMIT_HARDWARE);
	d->roles |= bits & LAUNCH_PERMIT_CONTROL ? ROLE_CONTROL : 0;
	d->roles |= bits & LAUNCH_PERMIT_HARDWARE ? ROLE_HARDWARE : 0;
	return true;
}

static bool prop_functions(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	static const struct {
		uint32_t function, roles;
	} map[] = {
		{ LAUNCH_FUNCTION_BOOT, ROLE_BOOT },
		{ LAUNCH_FUNCTION_CONSOLE, ROLE_CONSOLE },
		{ LAUNCH_FUNCTION_XENSTORE, ROLE_XENSTORE },
		{ LAUNCH_FUNCTION_LEGACY_DOM0, ROLE_ALL },
	};
	uint32_t bits, rest;

	if (!get_u32(p, d->node, prop, &bits))
		return true;
	rest = bits;
	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		if (bits & map[i].function) {
			d->functions |= map[i].function;
			d->roles |= map[i].roles;
			rest &= ~map[i].function;
		}
	if (rest & LAUNCH_FUNCTION_CRASH)
		fault(p, d->node, prop->name, "crash domains are not supported: bit ignored");
	rest &= ~LAUNCH_FUNCTION_CRASH;
	if (rest)
		fault(p, d->node, prop->name, "unknown bits 0x%x ignored", rest);
	return true;
}

static bool prop_mode(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	if (!get_u32(p, d->node, prop, &d->mode))
		return true;
	if (d->mode & LAUNCH_MODE_PV)
		fault(p, d->node, prop->name, "PV (bit 0) is not supported: domain left out");
	else if (d->mode & LAUNCH_MODE_HVM)
		fault(p, d->node, prop->name, "HVM with a device model (bit 1) is not supported: domain left out");
	else if (d->mode & ~LAUNCH_MODE_64BIT)
		fault(p, d->node, prop->name, "unknown bits 0x%x: domain left out", d->mode & ~LAUNCH_MODE_64BIT);
	return (d->mode & ~LAUNCH_MODE_64BIT) == 0;
}

static bool prop_uuid(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	if (prop->len == sizeof(d->uuid))
		memcpy(d->uuid, prop->data, sizeof(d->uuid));
	else
		fault(p, d->node, prop->name, "must be 16 bytes, is %u: ignored", prop->len);
	return true;
}

static bool prop_cpus(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	if (!get_u32(p, d->node, prop, &d->cpus))
		return true;
	if (d->cpus == 0 || d->cpus > DOMAIN_MAX_VCPUS) {
		fault(p, d->node, prop->name, "%u is not between 1 and %u: domain left out", d->cpus, DOMAIN_MAX_VCPUS);
		return false;
	}
	return true;
}

static bool memory_ok(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop, uint64_t *kib)
{
	if (!get_u64(p, d->node, prop, kib))
		return true;
	if (*kib >= MEMORY_MIN_KIB && *kib <= MEMORY_MAX_KIB)
		return true;
	fault(p, d->node, prop->name, "%llu KiB is not between 2 MiB and 16 TiB: domain left out",
	      (unsigned long long)*kib);
	return false;
}

static bool prop_memory(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	return memory_ok(p, d, prop, &d->memory_kib);
}

static bool prop_max_memory(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	return memory_ok(p, d, prop, &d->max_memory_kib);
}

static bool prop_overhead_max(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	uint64_t kib;

	if (get_u64(p, d->node, prop, &kib)) {
		if (kib && kib <= MEMORY_MAX_KIB)
			d->overhead_max_kib = kib;
		else
			fault(p, d->node, prop->name, "%llu KiB is no bound: ignored", (unsigned long long)kib);
	}
	return true;
}

static bool prop_security_id(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	note(p, d->node, prop->name, "no security policy is in force: label not used");
	return true;
}

static bool prop_bootargs(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	if (d->bootargs[0])
		fault(p, d->node, prop->name, "given by the kernel module too: this one ignored");
	else
		(void)get_string(p, d->node, prop, d->bootargs, sizeof(d->bootargs));
	return true;
}

static bool prop_name(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	(void)get_string(p, d->node, prop, d->name, sizeof(d->name));
	return true;
}

static bool prop_weight(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	uint32_t w;

	if (!get_u32(p, d->node, prop, &w))
		return true;
	if (w == 0 || w > UINT16_MAX)
		fault(p, d->node, prop->name, "%u is not between 1 and 65535: ignored", w);
	else
		d->weight = (uint16_t)w;
	return true;
}

static bool prop_cap(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	uint32_t cap;

	if (!get_u32(p, d->node, prop, &cap))
		return true;
	if (cap > UINT16_MAX)
		fault(p, d->node, prop->name, "%u percent is too much: ignored", cap);
	else
		d->cap = (uint16_t)cap;
	return true;
}

static bool prop_class(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	static const char *const names[NR_CLASSES] = {
		[CLASS_NORMAL] = "normal", [CLASS_INTERACTIVE] = "interactive", [CLASS_BATCH] = "batch"
	};
	char word[16];

	if (!get_string(p, d->node, prop, word, sizeof(word)))
		return true;
	for (unsigned i = 0; i < NR_CLASSES; i++)
		if (strcmp(word, names[i]) == 0) {
			d->class = (uint8_t)i;
			return true;
		}
	fault(p, d->node, prop->name, "'%s' is neither interactive nor normal nor batch: ignored", word);
	return true;
}

/* Pairs of cells <first last>. */
static bool prop_affinity(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	cpumask_t mask;

	cpumask_clear(&mask);
	if (prop->len == 0 || prop->len % 8) {
		fault(p, d->node, prop->name, "must be pairs of cells <first last>: ignored");
		return true;
	}
	for (unsigned i = 0; i < prop->len / 4; i += 2) {
		uint32_t first = fdt_prop_cell(prop, i), last = fdt_prop_cell(prop, i + 1);

		if (first > last || last >= NR_CPUS) {
			fault(p, d->node, prop->name, "%u to %u is no range of CPUs: ignored", first, last);
			return true;
		}
		for (uint32_t cpu = first; cpu <= last; cpu++)
			cpumask_set(&mask, cpu);
	}
	d->affinity = mask;
	d->pinned = true;
	return true;
}

static bool get_action(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop, enum launch_action *out)
{
	char word[16];

	if (!get_string(p, d->node, prop, word, sizeof(word)))
		return true;
	if (strcmp(word, "destroy") == 0)
		*out = LAUNCH_DESTROY;
	else if (strcmp(word, "restart") == 0)
		*out = LAUNCH_RESTART;
	else
		fault(p, d->node, prop->name, "'%s' is neither destroy nor restart: ignored", word);
	return true;
}

static bool prop_on_poweroff(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	return get_action(p, d, prop, &d->on_poweroff);
}

static bool prop_on_reboot(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	return get_action(p, d, prop, &d->on_reboot);
}

static bool prop_on_crash(struct parser *p, struct launch_domain *d, const struct fdt_prop *prop)
{
	return get_action(p, d, prop, &d->on_crash);
}

static const struct {
	const char *name;
	prop_fn *fn;
} domain_props[] = { { "domid", prop_domid },
		     { "permissions", prop_permissions },
		     { "functions", prop_functions },
		     { "mode", prop_mode },
		     { "domain-uuid", prop_uuid },
		     { "cpus", prop_cpus },
		     { "memory", prop_memory },
		     { "security-id", prop_security_id },
		     { "bootargs", prop_bootargs },
		     { "domain-name", prop_name },
		     { "hospes,max-memory", prop_max_memory },
		     { "hospes,overhead-max", prop_overhead_max },
		     { "hospes,weight", prop_weight },
		     { "hospes,cap", prop_cap },
		     { "hospes,class", prop_class },
		     { "hospes,affinity", prop_affinity },
		     { "hospes,on-poweroff", prop_on_poweroff },
		     { "hospes,on-reboot", prop_on_reboot },
		     { "hospes,on-crash", prop_on_crash } };

/* Modules ------------------------------------------------------------------------------------------------ */

/* The module's index, or -1 after a fault. */
static int module_index(struct parser *p, const char *owner, int32_t node)
{
	char where[64];
	struct fdt_prop prop;
	uint32_t i;

	snprintf(where, sizeof(where), "%.30s/%.30s", owner, fdt_node_name(p->fdt, node));
	if (!fdt_is_compatible(p->fdt, node, "multiboot,module")) {
		fault(p, where, "compatible", "lacks \"multiboot,module\", the only kind of module there is: left out");
		return -1;
	}
	if (!fdt_find_prop(p->fdt, node, "mb-index", &prop)) {
		fault(p, where, "mb-index", "missing: module left out");
		return -1;
	}
	if (!get_u32(p, where, &prop, &i))
		return -1;
	if (i >= p->nr_modules) {
		fault(p, where, "mb-index", "there is no module %u, the boot loader gave %u: left out", i,
		      p->nr_modules);
		return -1;
	}
	if (p->module_size && p->module_size[i] == 0) {
		fault(p, where, "mb-index", "module %u is empty: left out", i);
		return -1;
	}
	return (int)i;
}

static void module_props(struct parser *p, struct launch_domain *d, int32_t node, bool kernel)
{
	struct fdt_prop prop;
	char where[64];

	snprintf(where, sizeof(where), "%.30s/%.30s", d->node, fdt_node_name(p->fdt, node));
	for (bool more = fdt_first_prop(p->fdt, node, &prop); more; more = fdt_next_prop(p->fdt, &prop)) {
		if (is_common(prop.name) || strcmp(prop.name, "mb-index") == 0)
			continue;
		if (kernel && strcmp(prop.name, "bootargs") == 0) {
			if (d->bootargs[0])
				fault(p, where, prop.name, "given by the domain too: this one ignored");
			else
				(void)get_string(p, where, &prop, d->bootargs, sizeof(d->bootargs));
			continue;
		}
		fault(p, where, prop.name, "unknown property: ignored");
	}
}

static void domain_module(struct parser *p, struct launch_domain *d, int32_t node)
{
	static const struct {
		const char *kind;
		size_t slot;
	} kinds[] = {
		{ "module,kernel", offsetof(struct launch_domain, kernel) },
		{ "module,ramdisk", offsetof(struct launch_domain, ramdisk) },
		{ "module,config", offsetof(struct launch_domain, config) },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		int *slot = (int *)((char *)d + kinds[k].slot);

		if (!fdt_is_compatible(p->fdt, node, kinds[k].kind))
			continue;
		if (*slot >= 0) {
			fault(p, d->node, fdt_node_name(p->fdt, node), "a second %s: ignored", kinds[k].kind);
			return;
		}
		*slot = module_index(p, d->node, node);
		module_props(p, d, node, k == 0);
		return;
	}
	fault(p, d->node, fdt_node_name(p->fdt, node), "a module of unknown kind: ignored");
}

/* Links and grants ------------------------------------------------------------------------------------- */

/* How a fault names a node inside a domain: node names like evtchn@14 are unique only there. */
static void child_name(const struct parser *p, unsigned dom, int32_t node, char *out, size_t size)
{
	snprintf(out, size, "%.30s/%.30s", p->cfg->domains[dom].node, fdt_node_name(p->fdt, node));
}

static void read_link_end(struct parser *p, unsigned dom, int32_t node)
{
	struct link_end end = { .dom = dom }, *e = &end;
	struct fdt_prop prop;

	child_name(p, dom, node, end.node, sizeof(end.node));
	if (!fdt_find_prop(p->fdt, node, "xen,evtchn", &prop) || prop.len != 8) {
		fault(p, e->node, "xen,evtchn", "must be two cells <port &peer>: link left out");
		return;
	}
	if (p->nr_ends == MAX_ENDS) {
		fault(p, e->node, "xen,evtchn", "more than %u static links: left out", LAUNCH_MAX_LINKS);
		return;
	}
	e->port = fdt_prop_cell(&prop, 0);
	e->phandle = get_phandle(p->fdt, node);
	e->target = fdt_prop_cell(&prop, 1);
	if (e->port == 0 || e->port >= PORT_LIMIT)
		fault(p, e->node, "xen,evtchn", "port %u is not between 1 and %u: link left out", e->port,
		      PORT_LIMIT - 1);
	else if (e->phandle == 0)
		fault(p, e->node, "phandle", "missing, so no peer can name this end: link left out");
	else
		p->ends[p->nr_ends++] = end;
}

/* An earlier end that takes @e's port, or NULL. */
static const struct link_end *port_taken(const struct parser *p, const struct link_end *e)
{
	for (const struct link_end *x = p->ends; x < e; x++)
		if (x->dom == e->dom && x->port == e->port)
			return x;
	return NULL;
}

static void join_link(struct parser *p, unsigned i)
{
	const struct link_end *a = &p->ends[i], *b = NULL, *taken;

	for (unsigned j = 0; j < p->nr_ends; j++)
		if (p->ends[j].phandle == a->target)
			b = &p->ends[j];
	if (!b || b == a) {
		fault(p, a->node, "xen,evtchn", "its peer is no usable event channel node: link left out");
		return;
	}
	if (b->target != a->phandle) {
		fault(p, a->node, "xen,evtchn", "%.40s does not name it in return: link left out", b->node);
		return;
	}
	taken = port_taken(p, a);
	if (taken)
		fault(p, a->node, "xen,evtchn", "port %u is used by %.40s: link left out", a->port, taken->node);
	if (taken || port_taken(p, b) || b < a || p->cfg->nr_links == LAUNCH_MAX_LINKS)
		return; /* or the other end has made it */
	p->cfg->links[p->cfg->nr_links++] = (struct launch_link){ a->dom, b->dom, a->port, b->port };
}

static void read_grant(struct parser *p, unsigned dom, int32_t node)
{
	struct grant_wish w = { .dom = dom };
	bool ref = false, frame = false, peer = false;
	struct fdt_prop prop;

	child_name(p, dom, node, w.node, sizeof(w.node));
	for (bool more = fdt_first_prop(p->fdt, node, &prop); more; more = fdt_next_prop(p->fdt, &prop)) {
		if (is_common(prop.name))
			continue;
		if (strcmp(prop.name, "ref") == 0)
			ref = get_u32(p, w.node, &prop, &w.grant.ref);
		else if (strcmp(prop.name, "gfn") == 0)
			frame = get_u64(p, w.node, &prop, &w.grant.gfn);
		else if (strcmp(prop.name, "peer") == 0)
			peer = get_u32(p, w.node, &prop, &w.peer);
		else if (strcmp(prop.name, "read-only") == 0)
			w.grant.readonly = true;
		else
			fault(p, w.node, prop.name, "unknown property: ignored");
	}
	if (!ref || !frame || !peer) {
		fault(p, w.node, !ref ? "ref" : !frame ? "gfn" : "peer", "missing: grant left out");
		return;
	}
	if (w.grant.ref < STATIC_GRANT_FIRST || w.grant.ref >= STATIC_GRANT_LIMIT) {
		fault(p, w.node, "ref", "%u is not between %u and %u: grant left out", w.grant.ref, STATIC_GRANT_FIRST,
		      STATIC_GRANT_LIMIT - 1);
		return;
	}
	for (unsigned i = 0; i < p->nr_wishes; i++)
		if (p->wishes[i].dom == dom && p->wishes[i].grant.ref == w.grant.ref) {
			fault(p, w.node, "ref", "%u is used by %.40s: grant left out", w.grant.ref, p->wishes[i].node);
			return;
		}
	if (p->nr_wishes == LAUNCH_MAX_LINKS)
		fault(p, w.node, "", "more than %u static grants: left out", LAUNCH_MAX_LINKS);
	else
		p->wishes[p->nr_wishes++] = w;
}

static void join_grant(struct parser *p, const struct grant_wish *w)
{
	for (unsigned i = 0; i < p->cfg->nr_domains; i++) {
		struct launch_grant *g = &p->cfg->grants[p->cfg->nr_grants];

		if (p->phandle[i] == 0 || p->phandle[i] != w->peer)
			continue;
		*g = w->grant;
		g->dom = w->dom;
		g->peer = i;
		p->cfg->nr_grants++;
		return;
	}
	fault(p, w->node, "peer", "names no domain that is launched: grant left out");
}

/* Nodes ---------------------------------------------------------------------------------------------------- */

static bool domain_properties(struct parser *p, struct launch_domain *d, int32_t node)
{
	struct fdt_prop prop;
	bool good = true;

	for (bool more = fdt_first_prop(p->fdt, node, &prop); more; more = fdt_next_prop(p->fdt, &prop)) {
		unsigned i = 0;

		if (is_common(prop.name))
			continue;
		while (i < ARRAY_SIZE(domain_props) && strcmp(prop.name, domain_props[i].name))
			i++;
		if (i == ARRAY_SIZE(domain_props))
			fault(p, d->node, prop.name, "unknown property: ignored");
		else if (!domain_props[i].fn(p, d, &prop))
			good = false;
	}
	return good;
}

static void domain_children(struct parser *p, struct launch_domain *d, int32_t node)
{
	const struct fdt *f = p->fdt;

	for (int32_t c = fdt_first_child(f, node); c != FDT_NONE; c = fdt_next_sibling(f, c)) {
		struct fdt_prop prop;

		if (fdt_is_compatible(f, c, "xen,evtchn-v1") || fdt_is_compatible(f, c, "hospes,grant-v1"))
			continue; /* read once the domain has its index */
		if (fdt_find_prop(f, c, "mb-index", &prop) || strncmp(fdt_node_name(f, c), "module", 6) == 0)
			domain_module(p, d, c);
		else
			fault(p, d->node, fdt_node_name(f, c), "unknown node: ignored");
	}
}

/* What must hold between a domain's properties. */
static bool domain_complete(struct parser *p, struct launch_domain *d)
{
	if (d->memory_kib == 0)
		fault(p, d->node, "memory", "missing or unusable: domain left out");
	else if (d->kernel < 0)
		fault(p, d->node, "module", "no usable kernel module: domain left out");
	if (d->memory_kib == 0 || d->kernel < 0)
		return false;
	if (d->max_memory_kib && d->max_memory_kib < d->memory_kib) {
		fault(p, d->node, "hospes,max-memory", "less than memory: ignored");
		d->max_memory_kib = 0;
	}
	return true;
}

static void read_domain(struct parser *p, int32_t node)
{
	struct launch_config *cfg = p->cfg;
	const char *name = fdt_node_name(p->fdt, node);
	struct launch_domain *d;
	unsigned i = cfg->nr_domains;
	bool good;

	if (i == LAUNCH_MAX_DOMAINS) {
		fault(p, name, "", "more than %u domains: left out", LAUNCH_MAX_DOMAINS);
		return;
	}
	d = &cfg->domains[i];
	memset(d, 0, sizeof(*d));
	d->kernel = d->ramdisk = d->config = -1;
	d->domid = DOMID_INVALID;
	d->mode = LAUNCH_MODE_64BIT;
	d->cpus = 1;
	d->on_reboot = LAUNCH_RESTART;
	(void)str_copy(d->node, name, sizeof(d->node));
	good = domain_properties(p, d, node);
	domain_children(p, d, node);
	if (!good || !domain_complete(p, d))
		return;
	p->any_domid[i] = d->domid == DOMID_INVALID;
	p->phandle[i] = get_phandle(p->fdt, node);
	cfg->nr_domains++;
	for (int32_t c = fdt_first_child(p->fdt, node); c != FDT_NONE; c = fdt_next_sibling(p->fdt, c)) {
		if (fdt_is_compatible(p->fdt, c, "xen,evtchn-v1"))
			read_link_end(p, i, c);
		else if (fdt_is_compatible(p->fdt, c, "hospes,grant-v1"))
			read_grant(p, i, c);
	}
}

static bool domid_taken(const struct launch_config *cfg, domid_t id)
{
	for (unsigned i = 0; i < cfg->nr_domains; i++)
		if (cfg->domains[i].domid == id)
			return true;
	return false;
}

/* Ids for those that left the choice to Hospes, names for those without one; only one may be the initial domain. */
static void finish_domains(struct parser *p)
{
	struct launch_config *cfg = p->cfg;
	uint32_t seen = 0;

	for (unsigned i = 0; i < cfg->nr_domains; i++) {
		struct launch_domain *d = &cfg->domains[i];
		uint32_t twice = d->roles & seen & (ROLE_HARDWARE | ROLE_XENSTORE);

		if (twice) {
			fault(p, d->node, twice & ROLE_HARDWARE ? "permissions" : "functions",
			      "another domain has this role already: role not given");
			d->roles &= ~twice;
		}
		seen |= d->roles;
		if (p->any_domid[i]) {
			domid_t id = 1;

			while (domid_taken(cfg, id))
				id++;
			d->domid = id;
		}
		if (!d->name[0])
			snprintf(d->name, sizeof(d->name), "Domain-%u", d->domid);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(cfg->domains[j].name, d->name) == 0) {
				fault(p, d->node, "domain-name", "'%.40s' is taken: Domain-%u used", d->name, d->domid);
				snprintf(d->name, sizeof(d->name), "Domain-%u", d->domid);
			}
	}
}

static int32_t find_hypervisor(const struct fdt *f)
{
	int32_t chosen = fdt_child(f, 0, "chosen");
	int32_t node = chosen == FDT_NONE ? FDT_NONE : fdt_child(f, chosen, "hypervisor");

	return node != FDT_NONE ? node : fdt_child(f, 0, "hypervisor");
}

static void read_config(struct parser *p, int32_t node)
{
	struct fdt_prop prop;
	const char *name = fdt_node_name(p->fdt, node);

	for (bool more = fdt_first_prop(p->fdt, node, &prop); more; more = fdt_next_prop(p->fdt, &prop))
		if (!is_common(prop.name))
			fault(p, name, prop.name, "unknown property: ignored");
	for (int32_t c = fdt_first_child(p->fdt, node); c != FDT_NONE; c = fdt_next_sibling(p->fdt, c))
		fault(p, name, fdt_node_name(p->fdt, c),
		      fdt_is_compatible(p->fdt, c, "module,microcode") ?
			      "microcode loading is not supported: ignored" :
		      fdt_is_compatible(p->fdt, c, "module,xsm-policy") ?
			      "security policies are not supported: ignored" :
			      "unknown node: ignored");
}

static void read_hypervisor(struct parser *p, int32_t hyp)
{
	const struct fdt *f = p->fdt;
	struct fdt_prop prop;

	for (bool more = fdt_first_prop(f, hyp, &prop); more; more = fdt_next_prop(f, &prop))
		if (!is_common(prop.name))
			fault(p, fdt_node_name(f, hyp), prop.name, "unknown property: ignored");
	for (int32_t c = fdt_first_child(f, hyp); c != FDT_NONE; c = fdt_next_sibling(f, c)) {
		if (fdt_is_compatible(f, c, "xen,domain"))
			read_domain(p, c);
		else if (fdt_is_compatible(f, c, "xen,config") || strcmp(fdt_node_name(f, c), "config") == 0)
			read_config(p, c);
		else
			fault(p, fdt_node_name(f, c), "compatible", "neither xen,domain nor xen,config: node ignored");
	}
}

int launch_parse(struct launch_config *cfg, const void *blob, size_t size, unsigned nr_modules,
		 const uint64_t *module_size)
{
	static struct parser parser; /* large; one tree is read at a time, at boot or in a tool */
	struct parser *p = &parser;
	struct fdt fdt;
	int32_t hyp;

	cfg->nr_domains = cfg->nr_links = cfg->nr_grants = cfg->nr_faults = 0;
	memset(p, 0, sizeof(*p));
	p->fdt = &fdt;
	p->cfg = cfg;
	p->nr_modules = nr_modules;
	p->module_size = module_size;
	if (size > LAUNCH_MAX_TREE || fdt_open(&fdt, blob, size)) {
		fault(p, "launch tree", "",
		      size > LAUNCH_MAX_TREE ? "larger than 1 MiB: not read" :
					       "damaged or not a device tree: not read");
		return -EINVAL;
	}
	hyp = find_hypervisor(&fdt);
	if (hyp == FDT_NONE || !fdt_is_compatible(&fdt, hyp, "hypervisor,xen")) {
		fault(p, "launch tree", "hypervisor",
		      "no such node compatible with \"hypervisor,xen\" in / or /chosen");
		return 0;
	}
	read_hypervisor(p, hyp);
	finish_domains(p);
	for (unsigned i = 0; i < p->nr_ends; i++)
		join_link(p, i);
	for (unsigned i = 0; i < p->nr_wishes; i++)
		join_grant(p, &p->wishes[i]);
	if (cfg->nr_domains == 0)
		fault(p, "launch tree", "", "describes no domain that can be launched");
	p->fdt = NULL;
	return 0;
}
