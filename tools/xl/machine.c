#include "machine.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "abi/hospes.h"
#include "domains.h"
#include "hcall/hcall.h"
#include "store/store.h"
#include "xl.h"

#define MAX_CPUS 4096u
#define MAX_NODES 256u

static void must(int rc, const char *step)
{
	if (rc < 0)
		exit(xl_hcall_failed(rc, PROBLEM_NO_DOMID, step, "it"));
}

static void *buffer(size_t size)
{
	void *p = hcall_alloc(xl_hcall(), size);

	if (!p)
		exit(xl_fail(ENOMEM, "out-of-memory", "hypercall", "free memory in this domain",
			     "no memory for its buffer"));
	return p;
}

struct xen_sysctl_physinfo machine_physinfo(void)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };

	must(hcall_sysctl(xl_hcall(), &op), "machine");
	return op.u.physinfo;
}

unsigned machine_nr_cpus(void)
{
	unsigned nr = machine_physinfo().max_cpu_id + 1;

	return nr && nr <= MAX_CPUS ? nr : 1;
}

struct xen_sysctl_cputopo *machine_cpus(unsigned *nr)
{
	size_t size = MAX_CPUS * sizeof(struct xen_sysctl_cputopo);
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_cputopoinfo };
	struct xen_sysctl_cputopo *buf = buffer(size), *out;

	op.u.cputopoinfo.num_cpus = machine_nr_cpus();
	op.u.cputopoinfo.cputopo = hcall_address(xl_hcall(), buf);
	must(hcall_sysctl(xl_hcall(), &op), "CPUs");
	*nr = op.u.cputopoinfo.num_cpus > MAX_CPUS ? MAX_CPUS : op.u.cputopoinfo.num_cpus;
	out = xcalloc(*nr + 1, sizeof(*out));
	memcpy(out, buf, *nr * sizeof(*out));
	hcall_free(xl_hcall(), buf, size);
	return out;
}

struct xen_sysctl_meminfo *machine_nodes(unsigned *nr, uint32_t **distances)
{
	size_t mem_size = MAX_NODES * sizeof(struct xen_sysctl_meminfo),
	       dist_size = MAX_NODES * MAX_NODES * sizeof(uint32_t);
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_numainfo };
	struct xen_sysctl_meminfo *mem = buffer(mem_size), *out;
	uint32_t *dist = buffer(dist_size);

	op.u.numainfo.num_nodes = machine_physinfo().max_node_id + 1;
	if (op.u.numainfo.num_nodes > MAX_NODES)
		op.u.numainfo.num_nodes = MAX_NODES;
	op.u.numainfo.meminfo = hcall_address(xl_hcall(), mem);
	op.u.numainfo.distance = hcall_address(xl_hcall(), dist);
	must(hcall_sysctl(xl_hcall(), &op), "memory nodes");
	*nr = op.u.numainfo.num_nodes > MAX_NODES ? MAX_NODES : op.u.numainfo.num_nodes;
	out = xcalloc(*nr + 1, sizeof(*out));
	memcpy(out, mem, *nr * sizeof(*out));
	*distances = xcalloc((size_t)*nr * *nr + 1, sizeof(uint32_t));
	memcpy(*distances, dist, (size_t)*nr * *nr * sizeof(uint32_t));
	hcall_free(xl_hcall(), mem, mem_size);
	hcall_free(xl_hcall(), dist, dist_size);
	return out;
}

unsigned machine_scheduler(void)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_sched_id };

	must(hcall_sysctl(xl_hcall(), &op), "scheduler");
	return op.u.sched_id.sched_id;
}

static const struct {
	const char *name;
	unsigned id;
} schedulers[] = { { "credit", XEN_SCHEDULER_CREDIT },
		   { "credit2", XEN_SCHEDULER_CREDIT2 },
		   { "arinc653", XEN_SCHEDULER_ARINC653 },
		   { "rtds", XEN_SCHEDULER_RTDS },
		   { "null", XEN_SCHEDULER_NULL } };

const char *scheduler_name(unsigned id)
{
	for (size_t i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++)
		if (schedulers[i].id == id)
			return schedulers[i].name;
	return "unknown";
}

int scheduler_id(const char *name)
{
	for (size_t i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++)
		if (strcmp(schedulers[i].name, name) == 0)
			return (int)schedulers[i].id;
	return -1;
}

void list_from_bitmap(struct cpu_list *l, const void *bytes, unsigned nr_bits)
{
	*l = (struct cpu_list){ .nr_bits = nr_bits, .bits = xcalloc(nr_bits / 8 + 1, 1) };
	memcpy(l->bits, bytes, (nr_bits + 7) / 8);
	if (nr_bits % 8)
		l->bits[nr_bits / 8] &= (uint8_t)((1u << nr_bits % 8) - 1);
}

/* A pool operation that answers with a bitmap of CPUs. 0 or -errno. */
static int bitmap_op(struct xen_sysctl *op, struct cpu_list *l)
{
	unsigned nr = machine_nr_cpus();
	size_t size = (nr + 63) / 64 * 8;
	void *bits = buffer(size);
	int rc;

	op->u.cpupool_op.cpumap = (struct xenctl_bitmap){ hcall_address(xl_hcall(), bits), nr };
	rc = hcall_sysctl(xl_hcall(), op);
	if (rc >= 0)
		list_from_bitmap(l, bits, nr);
	hcall_free(xl_hcall(), bits, size);
	return rc;
}

struct cpu_list machine_free_cpus(void)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
	struct cpu_list l;

	op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
	must(bitmap_op(&op, &l), "CPUs without a pool");
	return l;
}

struct pool *pools_list(unsigned *nr)
{
	struct pool *pools = NULL;
	uint32_t next = 0;

	for (*nr = 0;; (*nr)++) {
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
		struct cpu_list l;
		int rc;

		op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
		op.u.cpupool_op.cpupool_id = next;
		rc = bitmap_op(&op, &l);
		if (rc == -ENOENT)
			return pools;
		must(rc, "CPU pools");
		pools = xrealloc(pools, (*nr + 1) * sizeof(*pools));
		pools[*nr] =
			(struct pool){ op.u.cpupool_op.cpupool_id, op.u.cpupool_op.sched_id, op.u.cpupool_op.n_dom, l };
		next = op.u.cpupool_op.cpupool_id + 1;
		if (!next)
			return (*nr)++, pools;
	}
}

void pools_free(struct pool *p, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		cpu_list_free(&p[i].cpus);
	free(p);
}

char *pool_name(uint32_t id)
{
	struct store *s = xl_store_try();
	char path[48], *name;

	snprintf(path, sizeof(path), "/local/pool/%u/name", id);
	name = s ? store_read(s, 0, path, NULL) : NULL;
	if (!name && id == 0)
		name = xstrdup("Pool-0"); /* the one that always is there, before anybody named it */
	return name;
}

int64_t pool_find(const char *who)
{
	unsigned nr;
	struct pool *pools = pools_list(&nr);
	int64_t found = -1;
	char *end;
	unsigned long n = strtoul(who, &end, 10);
	bool number = isdigit((unsigned char)*who) && !*end;

	for (unsigned i = 0; i < nr && found < 0; i++) {
		char *name = pool_name(pools[i].id);

		if ((number && pools[i].id == n) || (name && strcmp(name, who) == 0))
			found = pools[i].id;
		free(name);
	}
	pools_free(pools, nr);
	return found;
}

int pool_op(unsigned what, uint32_t *id, uint32_t sched, uint32_t domid, uint32_t cpu)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
	int rc;

	op.u.cpupool_op.op = what;
	op.u.cpupool_op.cpupool_id = *id;
	op.u.cpupool_op.sched_id = sched;
	op.u.cpupool_op.domid = domid;
	op.u.cpupool_op.cpu = cpu;
	rc = hcall_sysctl(xl_hcall(), &op);
	if (rc >= 0)
		*id = op.u.cpupool_op.cpupool_id;
	return rc < 0 ? rc : 0;
}

char *domain_nodes(uint32_t domid)
{
	struct xen_sysctl_physinfo p = machine_physinfo();
	unsigned nr = p.max_node_id < MAX_NODES ? p.max_node_id + 1 : MAX_NODES;
	size_t size = (nr + 63) / 64 * 8;
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getnodeaffinity, .domain = (domid_t)domid };
	void *bits = buffer(size);
	struct cpu_list l;
	char *s;

	op.u.nodeaffinity.nodemap = (struct xenctl_bitmap){ hcall_address(xl_hcall(), bits), nr };
	if (hcall_domctl(xl_hcall(), &op) < 0)
		memset(bits, 0xff, size);
	list_from_bitmap(&l, bits, nr);
	hcall_free(xl_hcall(), bits, size);
	/* Ids may have holes: "all" are those there are. */
	s = cpu_list_format(&l, p.nr_nodes && p.nr_nodes < nr ? p.nr_nodes : nr);
	cpu_list_free(&l);
	return s;
}

bool domain_overhead(uint32_t domid, struct hospes_overhead *to)
{
	*to = (struct hospes_overhead){ .domid = (domid_t)domid };
	return hcall_hospes(xl_hcall(), HOSPES_overhead, to, sizeof(*to)) == 0;
}

bool domain_latency(uint32_t domid, struct hospes_latency *to)
{
	*to = (struct hospes_latency){ .domid = (domid_t)domid };
	return hcall_hospes(xl_hcall(), HOSPES_latency, to, sizeof(*to)) == 0;
}

bool domain_share(uint32_t domid, unsigned sched, unsigned *weight, unsigned *cap)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = (domid_t)domid };

	op.u.scheduler_op.sched_id = sched;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	if ((sched != XEN_SCHEDULER_CREDIT && sched != XEN_SCHEDULER_CREDIT2) || hcall_domctl(xl_hcall(), &op) < 0)
		return false;
	*weight = op.u.scheduler_op.u.credit2.weight;
	*cap = op.u.scheduler_op.u.credit2.cap;
	return true;
}

struct json_object *domain_stored_config(uint32_t domid, const uint8_t uuid[16])
{
	const char *folder = getenv("HOSPES_USERDATA"); /* tests */
	struct text t = { 0 };
	struct json_object *o = NULL;
	char id[37], *path;

	format_uuid(uuid, id);
	path = xasprintf("%s/userdata-d.%u.%s.libxl-json", folder && *folder ? folder : "/var/lib/xen", domid, id);
	if (text_read_file(&t, path) == 0)
		o = json_tokener_parse(t.s);
	text_free(&t);
	free(path);
	return o;
}
