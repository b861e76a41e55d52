/* xl list, vm-list, domid, domname, uptime, claims, sharing. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domain/config.h"
#include "domains.h"
#include "machine.h"
#include "store/store.h"
#include "xl.h"

/* Those named, or all. */
static struct domains select_domains(int argc, char **argv)
{
	struct domains l = { 0 };

	if (optind >= argc)
		return domains_list();
	l.d = xcalloc((size_t)(argc - optind), sizeof(*l.d));
	for (int i = optind; i < argc; i++) {
		uint32_t domid = domain_find(argv[i]);

		if (!domain_get(domid, &l.d[l.nr])) {
			exit(xl_refuse(ESRCH, "no-such-domain", "list", "see xl list for the domains there are",
				       "Error: Domain '%s' does not exist.", argv[i]));
		}
		l.nr++;
	}
	return l;
}

static struct json_object *domains_json(const struct domains *l)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < l->nr; i++)
		json_object_array_add(a, domain_json(&l->d[i]));
	return a;
}

/* What has changed since the configuration was kept, put into it as libxl does: the target and the scheduler's parameters. */
static void put_current(const struct domain *d, struct json_object *config)
{
	struct json_object *b, *sched = json_object_new_object();
	unsigned id = machine_scheduler();
	unsigned weight, cap;
	char path[64], *s;

	if (!json_object_object_get_ex(config, "b_info", &b) || !json_object_is_type(b, json_type_object)) {
		json_object_put(sched);
		return;
	}
	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", d->info.domain);
	s = store_read(xl_store(), 0, path, NULL);
	if (s && strtoll(s, NULL, 10) > 0)
		json_object_object_add(b, "target_memkb", json_object_new_int64(strtoll(s, NULL, 10)));
	free(s);
	if (domain_share(d->info.domain, id, &weight, &cap)) {
		json_object_object_add(sched, "sched", json_object_new_string(scheduler_name(id)));
		json_object_object_add(sched, "weight", json_object_new_int64(weight));
		json_object_object_add(sched, "cap", json_object_new_int64(cap));
		json_object_object_add(b, "sched_params", sched);
	} else {
		json_object_put(sched);
	}
}

/* What `xl list -l` knows of a domain: its configuration, or only what the hypervisor and the store say where nobody kept one. */
static struct json_object *long_entry(const struct domain *d)
{
	struct json_object *o = json_object_new_object(), *config;
	struct problem p;

	problem_init(&p);
	json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
	config = d->name ? domain_stored_config(d->info.domain, d->info.handle) : NULL;
	if (config) {
		put_current(d, config);
	} else {
		struct domain_config c;

		domain_config_init(&c);
		c.name = xstrdup(domain_label(d));
		c.type = d->info.flags & XEN_DOMINF_hvm_guest ? DOMAIN_PVH : DOMAIN_PV;
		memcpy(c.uuid, d->info.handle, 16);
		c.vcpus = d->info.nr_online_vcpus;
		c.maxvcpus = d->info.max_vcpu_id + 1;
		c.vcpus_given = c.maxvcpus_given = true;
		c.memory = domain_kib(d);
		c.maxmem = d->info.max_pages > UINT64_MAX >> 2 ? c.memory : d->info.max_pages << 2;
		config = domain_config_json(&c);
		domain_config_free(&c);
	}
	json_object_object_add(o, "config", config);
	return o;
}

static int list_long(const struct domains *l)
{
	struct json_object *a = json_object_new_array();
	struct text t = { 0 };

	for (unsigned i = 0; i < l->nr; i++)
		json_object_array_add(a, long_entry(&l->d[i]));
	json_print(&t, a);
	printf("%s\n\n", t.s);
	text_free(&t);
	json_object_put(a);
	return XL_OK;
}

static void print_numa(const struct domain *d)
{
	char *s = domain_nodes(d->info.domain);

	printf(" %s", s);
	free(s);
}

int cmd_list(int argc, char **argv)
{
	static const struct option longs[] = { { "long", 0, NULL, 'l' },
					       { "verbose", 0, NULL, 'v' },
					       { "context", 0, NULL, 'Z' },
					       { "cpupool", 0, NULL, 'c' },
					       { "numa", 0, NULL, 'n' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	bool full = false, verbose = false, context = false, pool = false, numa = false;
	struct domains l;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "lvZcn", longs, 0)) >= 0) {
		full |= opt == 'l';
		verbose |= opt == 'v';
		context |= opt == 'Z';
		pool |= opt == 'c';
		numa |= opt == 'n';
	}
	if (argc - optind > 1) {
		if (xl_json())
			return xl_fail(EINVAL, "bad-request", "list", "name one domain, or none for all",
				       "too many words");
		command_help(xl_command());
		return XL_FAILED;
	}
	l = select_domains(argc, argv);
	if (full) {
		list_long(&l);
	} else if (xl_json()) {
		xl_print_json(domains_json(&l));
	} else {
		printf("Name                                        ID   Mem VCPUs\tState\tTime(s)");
		if (verbose)
			printf("   UUID                            Reason-Code\tSecurity Label");
		if (context && !verbose)
			printf("   Security Label");
		if (pool)
			printf("         Cpupool");
		if (numa)
			printf(" NODE Affinity");
		printf("\n");
		for (unsigned i = 0; i < l.nr; i++) {
			const struct domain *d = &l.d[i];
			char state[7], uuid[37];

			domain_state(d, state);
			printf("%-40s %5d %5llu %5u     %s  %8.1f", domain_label(d), d->info.domain,
			       (unsigned long long)(domain_kib(d) >> 10), d->info.nr_online_vcpus, state,
			       (double)d->info.cpu_time / 1e9);
			if (verbose) {
				format_uuid(d->info.handle, uuid);
				if (d->info.flags & XEN_DOMINF_shutdown)
					printf(" %s %8u", uuid,
					       d->info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
				else
					printf(" %s %8s", uuid, "-");
			}
			if (verbose || context)
				printf(" %16s", "-");
			if (pool) {
				char *name = pool_name(d->info.cpupool);

				printf("%16s", name ? name : "(null)");
				free(name);
			}
			if (numa)
				print_numa(d);
			printf("\n");
		}
	}
	domains_free(&l);
	return XL_OK;
}

int cmd_vm_list(int argc, char **argv)
{
	struct domains l;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	l = domains_list();
	if (xl_json()) {
		xl_print_json(domains_json(&l));
	} else {
		printf("UUID                                  ID    name\n");
		for (unsigned i = 0; i < l.nr; i++) {
			char uuid[37];

			format_uuid(l.d[i].info.handle, uuid);
			printf("%s  %d    %-30s\n", uuid, l.d[i].info.domain, domain_label(&l.d[i]));
		}
	}
	domains_free(&l);
	return XL_OK;
}

int cmd_domid(int argc, char **argv)
{
	struct json_object *o;
	int64_t domid;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	domid = domain_lookup(argv[optind]);
	if (domid < 0)
		return xl_refuse(ESRCH, "no-such-domain", "name", "see xl list for the domains there are",
				 "Can't get domid of domain name '%s', maybe this domain does not exist.",
				 argv[optind]);
	if (!xl_json()) {
		printf("%lld\n", (long long)domid);
		return XL_OK;
	}
	o = json_object_new_object();
	json_object_object_add(o, "domid", json_object_new_int64(domid));
	return xl_print_json(o);
}

int cmd_domname(int argc, char **argv)
{
	char *end, *name;
	unsigned long domid;
	struct json_object *o;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	domid = strtoul(argv[optind], &end, 10);
	if (!isdigit((unsigned char)*argv[optind]) || *end || domid >= 0x7ff0) {
		return xl_refuse(EINVAL, "bad-value", "domid", "give the number of a domain: see xl list",
				 "Invalid domain id.\n");
	}
	name = domain_name((uint32_t)domid);
	if (!name)
		return xl_refuse(ESRCH, "no-such-domain", "name", "see xl list for the domains there are",
				 "Can't get domain name of domain id '%lu', maybe this domain does not exist.", domid);
	if (xl_json()) {
		o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(name));
		xl_print_json(o);
	} else {
		printf("%s\n", name);
	}
	free(name);
	return XL_OK;
}

/* Seconds since the start; -1: not known. */
static long long domain_uptime(const struct domain *d)
{
	char uuid[37], path[80], *s;
	long long start;
	double up;
	FILE *f;

	if (d->info.domain == 0) {
		f = fopen("/proc/uptime", "r");
		if (!f || fscanf(f, "%lf", &up) != 1)
			up = -1;
		if (f)
			fclose(f);
		return (long long)up;
	}
	format_uuid(d->info.handle, uuid);
	snprintf(path, sizeof(path), "/vm/%s/start_time", uuid);
	s = store_read(xl_store(), 0, path, NULL);
	if (!s)
		return -1;
	start = strtoll(s, NULL, 10);
	free(s);
	return (long long)time(NULL) - start;
}

static void format_uptime(long long s, bool seconds, char *buf, size_t size)
{
	long long days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60;
	size_t n = 0;

	if (days)
		n = (size_t)snprintf(buf, size, "%lld day%s, ", days, days > 1 ? "s" : "");
	if (seconds)
		snprintf(buf + n, size - n, "%2lld:%02lld:%02lld", hours, minutes, s % 60);
	else
		snprintf(buf + n, size - n, "%2lld:%02lld", hours, minutes);
}

int cmd_uptime(int argc, char **argv)
{
	struct json_object *a;
	struct domains l;
	bool brief = false;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "s", XL_NO_LONG, 0)) >= 0)
		brief |= opt == 's';
	l = select_domains(argc, argv);
	a = json_object_new_array();
	if (!brief && !xl_json())
		printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
	for (unsigned i = 0; i < l.nr; i++) {
		const struct domain *d = &l.d[i];
		long long up = domain_uptime(d);
		char text[64], clock[16];
		time_t now = time(NULL);

		if (xl_json()) {
			struct json_object *o = json_object_new_object();

			json_object_object_add(o, "domid", json_object_new_int(d->info.domain));
			json_object_object_add(o, "name", d->name ? json_object_new_string(d->name) : NULL);
			json_object_object_add(o, "uptime_seconds", up < 0 ? NULL : json_object_new_int64(up));
			json_object_array_add(a, o);
			continue;
		}
		if (up < 0)
			continue; /* nobody wrote down when it started */
		format_uptime(up, !brief, text, sizeof(text));
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
		if (brief)
			printf(" %s up %s, %s (%d)\n", clock, text, domain_label(d), d->info.domain);
		else
			printf("%-33s %4d %s\n", domain_label(d), d->info.domain, text);
	}
	if (xl_json())
		xl_print_json(a);
	else
		json_object_put(a);
	domains_free(&l);
	return XL_OK;
}

int cmd_claims(int argc, char **argv)
{
	struct domains l;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	l = domains_list();
	if (xl_json()) {
		xl_print_json(domains_json(&l));
	} else {
		printf("Name                                        ID   Mem VCPUs\tState\tTime(s)  Claimed\n");
		for (unsigned i = 0; i < l.nr; i++) {
			const struct domain *d = &l.d[i];
			char state[7];

			domain_state(d, state);
			printf("%-40s %5d %5llu %5u     %s  %8.1f %5llu\n", domain_label(d), d->info.domain,
			       (unsigned long long)(domain_kib(d) >> 10), d->info.nr_online_vcpus, state,
			       (double)d->info.cpu_time / 1e9, (unsigned long long)d->info.outstanding_pages >> 8);
		}
	}
	domains_free(&l);
	return XL_OK;
}

int cmd_sharing(int argc, char **argv)
{
	struct domains l;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	l = select_domains(argc, argv);
	if (xl_json()) {
		xl_print_json(domains_json(&l));
	} else {
		printf("Name                                        ID   Mem Shared\n");
		for (unsigned i = 0; i < l.nr; i++)
			printf("%-40s %5d %5llu  %5llu\n", domain_label(&l.d[i]), l.d[i].info.domain,
			       (unsigned long long)(domain_kib(&l.d[i]) >> 10),
			       (unsigned long long)l.d[i].info.shr_pages >> 8);
	}
	domains_free(&l);
	return XL_OK;
}
