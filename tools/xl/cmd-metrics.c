/* xl metrics: what the machine and its domains use, as OpenMetrics text for Prometheus and its like. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/hospes.h"
#include "cmd.h"
#include "domains.h"
#include "machine.h"
#include "stats.h"
#include "xl.h"

/* A label's value: backslash, quote and line end are escaped. */
static void add_label(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			text_printf(t, "\\%c", *s);
		else if (*s == '\n')
			text_add(t, "\\n");
		else
			text_add_bytes(t, s, 1);
	}
}

static void family(struct text *t, const char *name, const char *type, const char *unit, const char *help)
{
	text_printf(t, "# TYPE %s %s\n", name, type);
	if (*unit)
		text_printf(t, "# UNIT %s %s\n", name, unit);
	text_printf(t, "# HELP %s %s\n", name, help);
}

static void gauge(struct text *t, const char *name, const char *unit, const char *help, uint64_t value)
{
	family(t, name, "gauge", unit, help);
	text_printf(t, "%s %llu\n", name, (unsigned long long)value);
}

static void sample(struct text *t, const char *name, const struct domain *d, const char *more, double value)
{
	text_printf(t, "%s{domid=\"%u\",name=\"", name, d->info.domain);
	add_label(t, d->name ? d->name : "");
	text_printf(t, "\"%s} %.15g\n", more, value);
}

static double memory(const struct domain *d)
{
	return (double)d->info.tot_pages * 4096;
}

static double memory_max(const struct domain *d)
{
	return d->info.max_pages > UINT64_MAX >> 12 ? -1 : (double)d->info.max_pages * 4096;
}

static double claimed(const struct domain *d)
{
	return (double)d->info.outstanding_pages * 4096;
}

static double shared(const struct domain *d)
{
	return (double)d->info.shr_pages * 4096;
}

static double vcpus(const struct domain *d)
{
	return d->info.nr_online_vcpus;
}

static double vcpus_max(const struct domain *d)
{
	return (uint32_t)(d->info.max_vcpu_id + 1);
}

static double cpu_seconds(const struct domain *d)
{
	return (double)d->info.cpu_time / 1e9;
}

static void domain_families(struct text *t, const struct domains *l)
{
	static const struct {
		const char *name, *sample, *type, *unit, *help;
		double (*value)(const struct domain *d);
	} families[] = {
		{ "xen_domain_cpu_seconds", "xen_domain_cpu_seconds_total", "counter", "seconds",
		  "CPU time the domain has had.", cpu_seconds },
		{ "xen_domain_memory_bytes", "xen_domain_memory_bytes", "gauge", "bytes", "Memory the domain has.",
		  memory },
		{ "xen_domain_memory_max_bytes", "xen_domain_memory_max_bytes", "gauge", "bytes", "Memory it may have.",
		  memory_max },
		{ "xen_domain_memory_claimed_bytes", "xen_domain_memory_claimed_bytes", "gauge", "bytes",
		  "Memory promised to it.", claimed },
		{ "xen_domain_memory_shared_bytes", "xen_domain_memory_shared_bytes", "gauge", "bytes",
		  "Memory it shares with others.", shared },
		{ "xen_domain_vcpus", "xen_domain_vcpus", "gauge", "", "Virtual CPUs online.", vcpus },
		{ "xen_domain_vcpus_max", "xen_domain_vcpus_max", "gauge", "", "Virtual CPUs at most.", vcpus_max },
	};
	static const struct {
		const char *name;
		uint32_t flag;
	} states[] = { { "running", XEN_DOMINF_running },
		       { "blocked", XEN_DOMINF_blocked },
		       { "paused", XEN_DOMINF_paused },
		       { "shutdown", XEN_DOMINF_shutdown },
		       { "dying", XEN_DOMINF_dying } };

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		family(t, families[f].name, families[f].type, families[f].unit, families[f].help);
		for (unsigned i = 0; i < l->nr; i++)
			if (families[f].value(&l->d[i]) >= 0)
				sample(t, families[f].sample, &l->d[i], "", families[f].value(&l->d[i]));
	}
	family(t, "xen_domain_state", "stateset", "", "What the domain does; none of them: it waits for a CPU.");
	for (unsigned i = 0; i < l->nr; i++) {
		for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
			char label[64];

			snprintf(label, sizeof(label), ",xen_domain_state=\"%s\"", states[s].name);
			sample(t, "xen_domain_state", &l->d[i], label, (l->d[i].info.flags & states[s].flag) != 0);
		}
	}
}

/* What is counted apart, and as one: the sum of the kinds is what is bounded. */
static void overhead_families(struct text *t, const struct domains *l)
{
	static const char *const kinds[] = {
		[HOSPES_OVERHEAD_state] = "state",	 [HOSPES_OVERHEAD_map] = "map",
		[HOSPES_OVERHEAD_devices] = "devices",	 [HOSPES_OVERHEAD_dirty] = "dirty_log",
		[HOSPES_OVERHEAD_events] = "events",	 [HOSPES_OVERHEAD_grants] = "grants",
		[HOSPES_OVERHEAD_mappings] = "mappings",
	};
	struct hospes_overhead *o = calloc(l->nr ? l->nr : 1, sizeof(*o));
	bool *known = calloc(l->nr ? l->nr : 1, sizeof(*known)), any = false;

	for (unsigned i = 0; o && known && i < l->nr; i++)
		any |= known[i] = domain_overhead(l->d[i].info.domain, &o[i]);
	if (!any)
		goto out;
	family(t, "xen_domain_hypervisor_memory_bytes", "gauge", "bytes", "Memory the hypervisor uses for the domain.");
	for (unsigned i = 0; i < l->nr; i++)
		for (size_t k = 0; known[i] && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			char label[40];

			snprintf(label, sizeof(label), ",kind=\"%s\"", kinds[k]);
			sample(t, "xen_domain_hypervisor_memory_bytes", &l->d[i], label, (double)o[i].kind[k]);
		}
	family(t, "xen_domain_hypervisor_memory_max_bytes", "gauge", "bytes", "Its bound; none for who has no bound.");
	for (unsigned i = 0; i < l->nr; i++)
		if (known[i] && o[i].max)
			sample(t, "xen_domain_hypervisor_memory_max_bytes", &l->d[i], "", (double)o[i].max);
	family(t, "xen_domain_hypervisor_memory_refusals", "counter", "", "How often the bound was in the way.");
	for (unsigned i = 0; i < l->nr; i++)
		if (known[i])
			sample(t, "xen_domain_hypervisor_memory_refusals_total", &l->d[i], "", (double)o[i].refused);
out:
	free(known);
	free(o);
}

/* One domain's histogram; each bucket has those before it too. Nobody adds the waits up, so there is neither sum nor count. */
static void wait_buckets(struct text *t, const struct domain *d, const struct hospes_latency *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < HOSPES_LATENCY_WAITS; i++) {
		char label[48];

		sum += l->waits[i];
		if (i < HOSPES_LATENCY_WAITS - 1)
			snprintf(label, sizeof(label), ",le=\"%.6f\"", (double)(1U << i) / 1e6);
		else
			strcpy(label, ",le=\"+Inf\"");
		sample(t, "xen_domain_wakeup_wait_seconds_bucket", d, label, (double)sum);
	}
}

static void latency_family(struct text *t, const struct domains *l)
{
	struct hospes_latency one;
	bool any = false;

	for (unsigned i = 0; i < l->nr; i++) {
		if (!domain_latency(l->d[i].info.domain, &one))
			continue;
		if (!any)
			family(t, "xen_domain_wakeup_wait_seconds", "histogram", "seconds",
			       "How long virtual CPUs that woke up waited for a CPU.");
		any = true;
		wait_buckets(t, &l->d[i], &one);
	}
}

static void device_families(struct text *t, const struct stats *s, unsigned nr)
{
	static const struct {
		const char *name, *unit, *help;
		size_t offset;
	} nets[] = {
		{ "xen_domain_network_receive_bytes", "bytes", "Bytes the guest received.", offsetof(struct net_stats, rx_bytes) },
		{ "xen_domain_network_transmit_bytes", "bytes", "Bytes the guest sent.", offsetof(struct net_stats, tx_bytes) },
		{ "xen_domain_network_receive_packets", "packets", "Packets the guest received.",
		  offsetof(struct net_stats, rx_packets) },
		{ "xen_domain_network_transmit_packets", "packets", "Packets the guest sent.",
		  offsetof(struct net_stats, tx_packets) },
	}, vbds[] = {
		{ "xen_domain_block_reads", "", "Requests to read.", offsetof(struct vbd_stats, reads) },
		{ "xen_domain_block_writes", "", "Requests to write.", offsetof(struct vbd_stats, writes) },
		{ "xen_domain_block_read_sectors", "sectors", "Sectors read.", offsetof(struct vbd_stats, read_sectors) },
		{ "xen_domain_block_written_sectors", "sectors", "Sectors written.", offsetof(struct vbd_stats, written_sectors) },
	};
	char name[80], label[48];

	for (size_t f = 0; f < sizeof(nets) / sizeof(nets[0]); f++) {
		family(t, nets[f].name, "counter", nets[f].unit, nets[f].help);
		snprintf(name, sizeof(name), "%s_total", nets[f].name);
		for (unsigned i = 0; i < nr; i++) {
			for (unsigned j = 0; j < s[i].nr_nets; j++) {
				snprintf(label, sizeof(label), ",device=\"%u\"", s[i].nets[j].id);
				sample(t, name, &s[i].d, label,
				       (double)*(const uint64_t *)((const char *)&s[i].nets[j] + nets[f].offset));
			}
		}
	}
	for (size_t f = 0; f < sizeof(vbds) / sizeof(vbds[0]); f++) {
		family(t, vbds[f].name, "counter", vbds[f].unit, vbds[f].help);
		snprintf(name, sizeof(name), "%s_total", vbds[f].name);
		for (unsigned i = 0; i < nr; i++) {
			for (unsigned j = 0; j < s[i].nr_vbds; j++) {
				snprintf(label, sizeof(label), ",device=\"%u\"", s[i].vbds[j].id);
				sample(t, name, &s[i].d, label,
				       (double)*(const uint64_t *)((const char *)&s[i].vbds[j] + vbds[f].offset));
			}
		}
	}
}

int cmd_metrics(int argc, char **argv)
{
	struct xen_sysctl_physinfo p;
	struct text t = { 0 };
	struct domains l;
	struct stats *s;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 0) >= 0)
		;
	p = machine_physinfo();
	l = domains_list();
	s = stats_read(&l);
	gauge(&t, "xen_cpus", "", "CPUs of the machine.", p.nr_cpus);
	gauge(&t, "xen_memory_bytes", "bytes", "Memory of the machine.", p.total_pages << 12);
	gauge(&t, "xen_memory_free_bytes", "bytes", "Memory nobody has.", p.free_pages << 12);
	gauge(&t, "xen_memory_claimed_bytes", "bytes", "Free memory that is promised.", p.outstanding_pages << 12);
	gauge(&t, "xen_domains", "", "Domains, domain 0 among them.", l.nr);
	domain_families(&t, &l);
	overhead_families(&t, &l);
	latency_family(&t, &l);
	device_families(&t, s, l.nr);
	text_add(&t, "# EOF\n");
	fputs(t.s, stdout);
	text_free(&t);
	stats_free(s, l.nr);
	domains_free(&l);
	return XL_OK;
}
