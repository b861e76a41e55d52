/* xl vcpu-list, vcpu-pin, vcpu-set. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cmd.h"
#include "conf.h"
#include "domains.h"
#include "hcall/hcall.h"
#include "machine.h"
#include "xl.h"

/* Read (or with @set write) the CPUs of a vCPU: @hard, @soft of @nr bits. 0 or -errno. */
static int affinity(uint32_t domid, uint32_t vcpu, bool set, uint32_t flags, struct cpu_list *hard,
		    struct cpu_list *soft, unsigned nr)
{
	size_t size = (nr + 63) / 64 * 8;
	struct xen_domctl op = { .cmd = set ? XEN_DOMCTL_setvcpuaffinity : XEN_DOMCTL_getvcpuaffinity,
				 .domain = (domid_t)domid };
	struct cpu_list *lists[2] = { hard, soft };
	uint8_t *bits = hcall_alloc(xl_hcall(), 2 * size);
	int rc;

	if (!bits)
		return -ENOMEM;
	for (unsigned i = 0; set && i < 2; i++)
		for (unsigned b = 0; lists[i] && lists[i]->bits && b < nr && b < lists[i]->nr_bits; b++)
			if (lists[i]->bits[b / 8] >> b % 8 & 1)
				bits[i * size + b / 8] |= (uint8_t)(1u << b % 8);
	op.u.vcpuaffinity.vcpu = vcpu;
	op.u.vcpuaffinity.flags = flags;
	op.u.vcpuaffinity.cpumap_hard = (struct xenctl_bitmap){ hcall_address(xl_hcall(), bits), nr };
	op.u.vcpuaffinity.cpumap_soft = (struct xenctl_bitmap){ hcall_address(xl_hcall(), bits + size), nr };
	rc = hcall_domctl(xl_hcall(), &op);
	for (unsigned i = 0; rc >= 0 && i < 2; i++) {
		if (!lists[i])
			continue;
		cpu_list_free(lists[i]);
		list_from_bitmap(lists[i], bits + i * size, nr);
	}
	hcall_free(xl_hcall(), bits, 2 * size);
	return rc < 0 ? rc : 0;
}

struct row {
	struct xen_domctl_getvcpuinfo info;
	char *hard, *soft;
};

static int read_row(const struct domain *d, uint32_t vcpu, unsigned nr_cpus, struct row *row)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuinfo, .domain = d->info.domain };
	struct cpu_list hard = { 0 }, soft = { 0 };
	int rc;

	op.u.getvcpuinfo.vcpu = vcpu;
	rc = hcall_domctl(xl_hcall(), &op);
	if (rc < 0)
		return rc;
	row->info = op.u.getvcpuinfo;
	rc = affinity(d->info.domain, vcpu, false, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT, &hard, &soft,
		      nr_cpus);
	if (rc < 0)
		return rc;
	row->hard = cpu_list_format(&hard, nr_cpus);
	row->soft = cpu_list_format(&soft, nr_cpus);
	cpu_list_free(&hard);
	cpu_list_free(&soft);
	return 0;
}

static void print_row(const struct domain *d, uint32_t vcpu, const struct row *r)
{
	printf("%-32s %5u %5u", domain_label(d), d->info.domain, vcpu);
	if (!r->info.online)
		printf("%5c %3c%cp ", '-', '-', '-');
	else
		printf("%5u %3c%c- ", r->info.cpu, r->info.running ? 'r' : '-', r->info.blocked ? 'b' : '-');
	printf("%9.1f  %s / %s\n", (double)r->info.cpu_time / 1e9, r->hard, r->soft);
}

static struct json_object *row_json(const struct domain *d, uint32_t vcpu, const struct row *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
	json_object_object_add(o, "name", d->name ? json_object_new_string(d->name) : NULL);
	json_object_object_add(o, "vcpu", json_object_new_int64(vcpu));
	json_object_object_add(o, "cpu", r->info.online ? json_object_new_int64(r->info.cpu) : NULL);
	json_object_object_add(o, "online", json_object_new_boolean(r->info.online));
	json_object_object_add(o, "running", json_object_new_boolean(r->info.running));
	json_object_object_add(o, "blocked", json_object_new_boolean(r->info.blocked));
	json_object_object_add(o, "cpu_time_ns", json_object_new_int64((int64_t)r->info.cpu_time));
	json_object_object_add(o, "hard", json_object_new_string(r->hard));
	json_object_object_add(o, "soft", json_object_new_string(r->soft));
	return o;
}

static void list_domain(const struct domain *d, unsigned nr_cpus, struct json_object *a)
{
	for (uint32_t v = 0; v <= d->info.max_vcpu_id && d->info.max_vcpu_id != XEN_INVALID_MAX_VCPU_ID; v++) {
		struct row row;
		int rc = read_row(d, v, nr_cpus, &row);

		if (rc == -ESRCH || rc == -ENOENT)
			continue; /* it ended meanwhile, or has a hole there */
		if (rc < 0)
			exit(xl_hcall_failed(rc, d->info.domain, "vcpu-list", "what a vCPU does"));
		if (xl_json())
			json_object_array_add(a, row_json(d, v, &row));
		else
			print_row(d, v, &row);
		free(row.hard);
		free(row.soft);
	}
}

int cmd_vcpu_list(int argc, char **argv)
{
	struct json_object *a = json_object_new_array();
	struct domain d;
	struct domains l;
	unsigned nr;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	nr = machine_nr_cpus();
	if (!xl_json()) {
		printf("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
		       "Affinity (Hard / Soft)");
		fflush(stdout);
	}
	for (int i = optind; i < argc; i++) {
		uint32_t domid = domain_find(argv[i]);

		if (!domain_get(domid, &d))
			return xl_fail(ESRCH, "no-such-domain", "vcpu-list", "see xl list for the domains there are",
				       "Domain %u does not exist", domid);
		list_domain(&d, nr, a);
		domain_put(&d);
	}
	if (optind == argc) {
		l = domains_list();
		for (unsigned i = 0; i < l.nr; i++)
			list_domain(&l.d[i], nr, a);
		domains_free(&l);
	}
	if (xl_json())
		return xl_print_json(a);
	json_object_put(a);
	return XL_OK;
}

/* "-": leave as it is: an empty list. */
static int pin_list(const char *s, unsigned nr, struct cpu_list *l)
{
	*l = (struct cpu_list){ 0 };
	if (strcmp(s, "-") == 0)
		return 0;
	if (cpu_list_parse(l, s, nr))
		return xl_json() ? xl_fail(EINVAL, "bad-value", "CPUs", "write them as in 0-3,^2 or all",
					   "Invalid pcpu range: %s", s) :
				   (fprintf(stderr, "Invalid pcpu range: %s.\n", s), XL_FAILED);
	return 0;
}

static bool is_empty(const struct cpu_list *l)
{
	for (unsigned i = 0; l->bits && i < l->nr_bits; i++)
		if (l->bits[i / 8] >> i % 8 & 1)
			return false;
	return true;
}

static int pin(const struct domain *d, uint32_t vcpu, uint32_t flags, const struct cpu_list *hard,
	       const struct cpu_list *soft)
{
	unsigned nr = machine_nr_cpus();
	struct cpu_list h = { 0 }, s = { 0 };
	int rc;

	for (unsigned i = 0; i < 2; i++) {
		const struct cpu_list *from = i ? soft : hard;
		struct cpu_list *to = i ? &s : &h;

		if (from->bits) {
			list_from_bitmap(to, from->bits, from->nr_bits);
		}
	}
	rc = affinity(d->info.domain, vcpu, true, flags, &h, &s, nr);
	cpu_list_free(&h);
	cpu_list_free(&s);
	return rc;
}

int cmd_vcpu_pin(int argc, char **argv)
{
	static const struct option longs[] = { { "force", 0, NULL, 'f' },
					       { "ignore-global-affinity-masks", 0, NULL, 'i' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct cpu_list hard, soft = { 0 };
	struct domain d;
	uint32_t flags = 0, first, last;
	bool force = false, all, all_cpus = false, empty = false;
	unsigned nr;
	char *end;
	int opt, rc = 0;

	while ((opt = xl_option(xl_command(), argc, argv, "f", longs, 3)) >= 0) {
		force |= opt == 'f';
		all_cpus |= opt == 'i';
	}
	argv += optind;
	argc -= optind;
	if (!domain_get(domain_find(argv[0]), &d))
		return xl_fail(ESRCH, "no-such-domain", "vcpu-pin", "see xl list for the domains there are",
			       "domain %s does not exist", argv[0]);
	all = strcmp(argv[1], "all") == 0;
	first = last = (uint32_t)strtoul(argv[1], &end, 10);
	if (!all && (!isdigit((unsigned char)*argv[1]) || *end)) {
		return xl_refuse(EINVAL, "bad-value", "vcpu-pin", "give the number of a vCPU, or all",
				 "Error: Invalid argument %s as VCPU.", argv[1]);
	}
	if (all && force) {
		return xl_refuse(EINVAL, "bad-value", "vcpu-pin", "force each vCPU on its own",
				 "Error: --force and 'all' as VCPU not allowed.");
	}
	nr = machine_nr_cpus();
	if (pin_list(argv[2], nr, &hard) || (argc > 3 && pin_list(argv[3], nr, &soft)))
		return XL_FAILED;
	if (hard.bits)
		flags |= XEN_VCPUAFFINITY_HARD;
	if (soft.bits)
		flags |= XEN_VCPUAFFINITY_SOFT;
	if (force)
		flags |= XEN_VCPUAFFINITY_FORCE;
	if ((hard.bits && is_empty(&hard)) || (soft.bits && is_empty(&soft)))
		return xl_fail(EINVAL, "bad-value", "vcpu-pin",
			       "name at least one CPU of this machine: see nr_cpus of xl info", "no CPU is left");
	if (xl_dry_run()) {
		char *h = cpu_list_format(&hard, nr), *s = cpu_list_format(&soft, nr);

		printf("cpumap: hard %s soft %s\n", hard.bits ? h : "-", soft.bits ? s : "-");
		free(h);
		free(s);
		return XL_OK;
	}
	if (hard.bits && !all_cpus &&
	    conf_mask(d.info.flags & XEN_DOMINF_hvm_guest ? DOMAIN_PVH : DOMAIN_PV, &hard, &empty))
		return XL_FAILED;
	if (empty) {
		if (!xl_json())
			fprintf(stderr, "vcpu hard affinity map is empty\n");
		return xl_fail(EINVAL, "bad-cpus", "vcpu-pin",
			       "name CPUs that vm.cpumask of xl.conf leaves, or add --ignore-global-affinity-masks",
			       "vm.cpumask and its like leave none of these CPUs");
	}
	if (all) {
		first = 0;
		last = d.info.max_vcpu_id;
	}
	for (uint32_t v = first; v <= last && rc == 0; v++) {
		rc = flags ? pin(&d, v, flags, &hard, &soft) : 0;
		if (rc < 0) {
			if (!xl_json())
				fprintf(stderr, "Could not set affinity for vcpu `%u'.\n", v);
			if (v > d.info.max_vcpu_id)
				rc = xl_fail(EINVAL, "no-such-vcpu", "vcpu-pin", "see xl vcpu-list for those it has",
					     "%s has no vCPU %u", domain_label(&d), v);
			else
				rc = xl_hcall_failed(rc, d.info.domain, "vcpu-pin", "these CPUs");
		}
	}
	cpu_list_free(&hard);
	cpu_list_free(&soft);
	domain_put(&d);
	return rc ? XL_FAILED : XL_OK;
}

int cmd_vcpu_set(int argc, char **argv)
{
	static const struct option longs[] = { { "ignore-host", 0, NULL, 'i' }, { "help", 0, NULL, 'h' }, { 0 } };
	struct json_object *params;
	bool ignore = false;
	unsigned long n;
	uint32_t domid;
	unsigned nr;
	char *end;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "i", longs, 2)) >= 0)
		ignore |= opt == 'i';
	domid = domain_find(argv[optind]);
	n = strtoul(argv[optind + 1], &end, 10);
	if (!isdigit((unsigned char)*argv[optind + 1]) || *end || n > 4096) {
		return xl_refuse(EINVAL, "bad-value", "vcpu-set", "give a number of vCPUs", "Error: Invalid argument.");
	}
	nr = machine_physinfo().nr_cpus;
	if (!ignore && n > nr) {
		return xl_refuse(
			EINVAL, "more-than-cpus", "vcpu-set", "add --ignore-host",
			"You are overcommmitting! You have %u physical CPUs and want %lu vCPUs! Aborting, use --ignore-host to continue",
			nr, n);
	}
	params = xl_domain_params(domid);
	json_object_object_add(params, "vcpus", json_object_new_int64((int64_t)n));
	json_object_object_add(params, "ignore_warnings", json_object_new_boolean(ignore));
	return xl_do("domain.vcpus_set", params);
}
