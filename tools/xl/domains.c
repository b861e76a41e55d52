#include "domains.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <abi/sysctl.h>

#include "hcall/hcall.h"
#include "store/store.h"
#include "xl.h"

#define BATCH 64u
#define NAME_PATH 32u

/* Up to BATCH domains from @first on, to @info. How many. */
static unsigned read_batch(uint32_t first, struct xen_domctl_getdomaininfo *info)
{
	struct hcall *h = xl_hcall();
	size_t size = BATCH * sizeof(*info);
	void *buf = hcall_alloc(h, size);
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist };
	int rc;

	if (!buf)
		exit(xl_fail(ENOMEM, "out-of-memory", "list of domains", "free memory in this domain",
			     "no memory for hypercalls"));
	op.u.getdomaininfolist.first_domain = (domid_t)first;
	op.u.getdomaininfolist.max_domains = BATCH;
	op.u.getdomaininfolist.buffer = hcall_address(h, buf);
	rc = hcall_sysctl(h, &op);
	if (rc < 0)
		exit(xl_hcall_failed(rc, PROBLEM_NO_DOMID, "list of domains", "it"));
	memcpy(info, buf, size);
	hcall_free(h, buf, size);
	return op.u.getdomaininfolist.num_domains;
}

static void name_path(uint32_t domid, char path[NAME_PATH])
{
	snprintf(path, NAME_PATH, "/local/domain/%u/name", domid);
}

char *domain_name(uint32_t domid)
{
	struct store *s = xl_store_try();
	char path[NAME_PATH];

	if (!s)
		return NULL;
	name_path(domid, path);
	return store_read(s, 0, path, NULL);
}

/* @names of up to BATCH domains. */
static void read_names(const struct xen_domctl_getdomaininfo *info, unsigned n, char **names)
{
	struct store *s = xl_store_try();
	char path[BATCH][NAME_PATH];
	const char *paths[BATCH];

	for (unsigned i = 0; i < n; i++) {
		name_path(info[i].domain, path[i]);
		paths[i] = path[i];
		names[i] = NULL;
	}
	if (s)
		store_read_several(s, paths, n, names);
}

struct domains domains_list(void)
{
	struct xen_domctl_getdomaininfo info[BATCH];
	char *names[BATCH];
	struct domains l = { 0 };
	uint32_t first = 0;
	unsigned n;

	do {
		n = read_batch(first, info);
		read_names(info, n, names);
		l.d = xrealloc(l.d, (l.nr + n) * sizeof(*l.d));
		for (unsigned i = 0; i < n; i++)
			l.d[l.nr++] = (struct domain){ info[i], names[i] };
		if (n)
			first = info[n - 1].domain + 1u;
	} while (n == BATCH && first < 0x7ff0);
	return l;
}

void domain_put(struct domain *d)
{
	free(d->name);
	d->name = NULL;
}

void domains_free(struct domains *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		domain_put(&l->d[i]);
	free(l->d);
	*l = (struct domains){ 0 };
}

bool domain_get(uint32_t domid, struct domain *d)
{
	struct xen_domctl_getdomaininfo info[BATCH];

	if (domid >= 0x7ff0 || !read_batch(domid, info) || info[0].domain != domid)
		return false;
	*d = (struct domain){ info[0], domain_name(domid) };
	return true;
}

int64_t domain_lookup(const char *who)
{
	char *end;
	unsigned long n;
	struct domains l;
	int64_t found = -1;

	if (isdigit((unsigned char)*who)) {
		errno = 0;
		n = strtoul(who, &end, 10);
		if (!*end && !errno)
			return n < 0x7ff0 ? (int64_t)n : -1;
	}
	xl_store();
	l = domains_list();
	for (unsigned i = 0; i < l.nr && found < 0; i++)
		if (l.d[i].name && strcmp(l.d[i].name, who) == 0)
			found = l.d[i].info.domain;
	domains_free(&l);
	return found;
}

uint32_t domain_find(const char *who)
{
	int64_t domid = domain_lookup(who);

	if (domid < 0) {
		/* Others parse this sentence, so it is Debian's. */
		if (xl_json())
			xl_fail(ESRCH, "no-such-domain", "name", "see xl list for the domains there are",
				"%s is an invalid domain identifier", who);
		else
			fprintf(stderr, "%s is an invalid domain identifier (rc=-6)\n", who);
		exit(XL_FAILED);
	}
	return (uint32_t)domid;
}

const char *domain_label(const struct domain *d)
{
	return d->name ? d->name : "(null)";
}

/* A dying domain does not run nor wait: Ganeti takes no table in which one does. */
void domain_state(const struct domain *d, char state[7])
{
	static const char reasons[] = "-rscwS"; /* poweroff, reboot, suspend, crash, watchdog, soft reset */
	uint32_t f = d->info.flags;
	bool dying = f & XEN_DOMINF_dying, down = f & XEN_DOMINF_shutdown;
	unsigned code = f >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	state[0] = f & XEN_DOMINF_running && !dying ? 'r' : '-';
	state[1] = f & XEN_DOMINF_blocked && !dying ? 'b' : '-';
	state[2] = f & XEN_DOMINF_paused ? 'p' : '-';
	state[3] = down ? 's' : '-';
	state[4] = !down ? '-' : code < sizeof(reasons) - 1 ? reasons[code] : '?';
	state[5] = dying ? 'd' : '-';
	state[6] = 0;
}

uint64_t domain_kib(const struct domain *d)
{
	return (d->info.tot_pages + d->info.outstanding_pages) << 2;
}

const char *domain_reason(const struct domain *d)
{
	static const char *const names[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft_reset" };
	unsigned code = d->info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	if (!(d->info.flags & XEN_DOMINF_shutdown))
		return "-";
	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown";
}

void format_uuid(const uint8_t u[16], char s[37])
{
	snprintf(s, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
		 u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

struct json_object *domain_json(const struct domain *d)
{
	struct json_object *o = json_object_new_object();
	char uuid[37], state[7];
	uint32_t f = d->info.flags;

	format_uuid(d->info.handle, uuid);
	domain_state(d, state);
	json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
	json_object_object_add(o, "name", d->name ? json_object_new_string(d->name) : NULL);
	json_object_object_add(o, "uuid", json_object_new_string(uuid));
	json_object_object_add(o, "type", json_object_new_string(f & XEN_DOMINF_hvm_guest ? "hvm" : "pv"));
	json_object_object_add(o, "state", json_object_new_string(state));
	json_object_object_add(o, "shutdown_reason",
			       f & XEN_DOMINF_shutdown ? json_object_new_string(domain_reason(d)) : NULL);
	json_object_object_add(o, "memory_kib", json_object_new_int64((int64_t)domain_kib(d)));
	json_object_object_add(
		o, "max_memory_kib",
		json_object_new_int64(d->info.max_pages > INT64_MAX >> 2 ? -1 : (int64_t)d->info.max_pages << 2));
	json_object_object_add(o, "claimed_kib", json_object_new_int64((int64_t)d->info.outstanding_pages << 2));
	json_object_object_add(o, "shared_kib", json_object_new_int64((int64_t)d->info.shr_pages << 2));
	json_object_object_add(o, "vcpus_online", json_object_new_int64(d->info.nr_online_vcpus));
	json_object_object_add(o, "vcpus_max", json_object_new_int64((uint32_t)(d->info.max_vcpu_id + 1)));
	json_object_object_add(o, "cpu_time_ns", json_object_new_int64((int64_t)d->info.cpu_time));
	json_object_object_add(o, "cpupool", json_object_new_int64(d->info.cpupool));
	return o;
}
