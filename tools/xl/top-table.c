#include "top.h"

#include <stdlib.h>
#include <string.h>

#include <abi/version.h>

#include "hcall/hcall.h"
#include "machine.h"
#include "xl.h"

double top_share(const struct top *top, const struct domain *d)
{
	for (unsigned i = 0; top->seconds > 0 && i < top->before.nr; i++)
		if (top->before.d[i].info.domain == d->info.domain &&
		    d->info.cpu_time >= top->before.d[i].info.cpu_time)
			return (double)(d->info.cpu_time - top->before.d[i].info.cpu_time) / 1e9 / top->seconds * 100;
	return 0;
}

static uint64_t sum_of(const struct stats *s, uint64_t (*of)(const struct vbd_stats *v))
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->nr_vbds; i++)
		n += of(&s->vbds[i]);
	return n;
}

static uint64_t oo(const struct vbd_stats *v)
{
	return v->oo;
}

static uint64_t reads(const struct vbd_stats *v)
{
	return v->reads;
}

static uint64_t writes(const struct vbd_stats *v)
{
	return v->writes;
}

static uint64_t read_sectors(const struct vbd_stats *v)
{
	return v->read_sectors;
}

static uint64_t written_sectors(const struct vbd_stats *v)
{
	return v->written_sectors;
}

static uint64_t sent(const struct stats *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->nr_nets; i++)
		n += s->nets[i].tx_bytes;
	return n;
}

static uint64_t received(const struct stats *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->nr_nets; i++)
		n += s->nets[i].rx_bytes;
	return n;
}

enum {
	NAME,
	STATE,
	CPU_SECONDS,
	CPU_SHARE,
	MEMORY,
	MEMORY_SHARE,
	MAX_MEMORY,
	MAX_SHARE,
	VCPUS,
	NETS,
	NET_TX,
	NET_RX,
	VBDS,
	VBD_OO,
	VBD_RD,
	VBD_WR,
	VBD_RSECT,
	VBD_WSECT,
	LABEL,
	NR_COLUMNS
};
static const struct {
	const char *title;
	int width; /* 0: of the longest name */
} columns[NR_COLUMNS] = {
	{ "NAME", 0 },	   { "STATE", 6 },	{ "CPU(sec)", 10 },  { "CPU(%)", 6 }, { "MEM(k)", 10 },
	{ "MEM(%)", 6 },   { "MAXMEM(k)", 10 }, { "MAXMEM(%)", 9 },  { "VCPUS", 5 },  { "NETS", 4 },
	{ "NETTX(k)", 8 }, { "NETRX(k)", 8 },	{ "VBDS", 4 },	     { "VBD_OO", 8 }, { "VBD_RD", 8 },
	{ "VBD_WR", 8 },   { "VBD_RSECT", 10 }, { "VBD_WSECT", 10 }, { "SSID", 4 },
};

unsigned top_columns(void)
{
	return NR_COLUMNS;
}

static bool crashed(const struct domain *d)
{
	uint32_t f = d->info.flags;

	return f & XEN_DOMINF_shutdown && (f >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == 3;
}

/* What running domains are before those that only wait. */
static double rank(const struct domain *d)
{
	uint32_t f = d->info.flags;

	return f & XEN_DOMINF_running  ? 5 :
	       f & XEN_DOMINF_blocked  ? 4 :
	       f & XEN_DOMINF_paused   ? 3 :
	       crashed(d)	       ? 2 :
	       f & XEN_DOMINF_shutdown ? 1 :
					 0;
}

/* Rows with more come first. */
static double value(const struct top *top, const struct stats *s)
{
	const struct xen_domctl_getdomaininfo *info = &s->d.info;

	switch (top->column) {
	case STATE:
		return rank(&s->d);
	case CPU_SECONDS:
		return (double)info->cpu_time;
	case CPU_SHARE:
		return top_share(top, &s->d);
	case MEMORY:
	case MEMORY_SHARE:
		return (double)info->tot_pages;
	case MAX_MEMORY:
	case MAX_SHARE:
		return (double)info->max_pages;
	case VCPUS:
		return (uint32_t)(info->max_vcpu_id + 1);
	case NETS:
		return s->nr_nets;
	case NET_TX:
		return (double)sent(s);
	case NET_RX:
		return (double)received(s);
	case VBDS:
		return s->nr_vbds;
	case VBD_OO:
		return (double)sum_of(s, oo);
	case VBD_RD:
		return (double)sum_of(s, reads);
	case VBD_WR:
		return (double)sum_of(s, writes);
	case VBD_RSECT:
		return (double)sum_of(s, read_sectors);
	case VBD_WSECT:
		return (double)sum_of(s, written_sectors);
	case LABEL:
		return info->ssidref;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct stats *x = a, *y = b;
	double s = value(arg, x), t = value(arg, y);

	if (s < t || s > t)
		return s < t ? 1 : -1;
	return strcasecmp(domain_label(&x->d), domain_label(&y->d));
}

void top_sort(struct top *top)
{
	qsort_r(top->stats, top->now.nr, sizeof(*top->stats), compare, top);
}

void top_look(struct top *top)
{
	struct timespec now;

	if (top->stats)
		stats_free(top->stats, top->now.nr);
	domains_free(&top->before);
	top->before = top->now;
	top->now = domains_list();
	top->stats = stats_read(&top->now);
	clock_gettime(CLOCK_MONOTONIC, &now);
	top->seconds = top->before.nr ?
			       (double)(now.tv_sec - top->at.tv_sec) + (double)(now.tv_nsec - top->at.tv_nsec) / 1e9 :
			       0;
	top->at = now;
	top_sort(top);
}

void top_free(struct top *top)
{
	if (top->stats)
		stats_free(top->stats, top->now.nr);
	domains_free(&top->now);
	domains_free(&top->before);
}

static int name_width(const struct top *top)
{
	int width = 10;

	for (unsigned i = 0; top->full_names && i < top->now.nr; i++)
		if ((int)strlen(domain_label(&top->now.d[i])) > width)
			width = (int)strlen(domain_label(&top->now.d[i]));
	return width;
}

void top_mark(const struct top *top, int *at, int *len)
{
	int end = name_width(top);

	for (unsigned i = 1; i <= top->column; i++)
		end += 1 + columns[i].width;
	*len = (int)strlen(columns[top->column].title);
	*at = end - *len;
}

static void header(struct text *t, int width)
{
	text_printf(t, "%*s", width, columns[NAME].title);
	for (unsigned i = 1; i < NR_COLUMNS; i++)
		text_printf(t, " %*s", columns[i].width, columns[i].title);
	text_add(t, "\n");
}

static void row(const struct top *top, struct text *t, const struct stats *s, int width, uint64_t machine_kib)
{
	const struct domain *d = &s->d;
	uint32_t f = d->info.flags;
	uint64_t kib = domain_kib(d), max = d->info.max_pages;

	text_printf(t, "%*.*s %c%c%c%c%c%c %10llu %6.1f %10llu %6.1f ", width, width, domain_label(d),
		    f & XEN_DOMINF_dying ? 'd' : '-', f & XEN_DOMINF_shutdown && !crashed(d) ? 's' : '-',
		    f & XEN_DOMINF_blocked ? 'b' : '-', crashed(d) ? 'c' : '-', f & XEN_DOMINF_paused ? 'p' : '-',
		    f & XEN_DOMINF_running ? 'r' : '-', (unsigned long long)d->info.cpu_time / 1000000000,
		    top_share(top, d), (unsigned long long)kib,
		    machine_kib ? (double)kib * 100 / (double)machine_kib : 0);
	if (max > UINT64_MAX >> 12 || max == UINT32_MAX)
		text_printf(t, "%10s %9s ", "no limit", "n/a");
	else
		text_printf(t, "%10llu %9.1f ", (unsigned long long)max << 2,
			    machine_kib ? (double)(max << 2) * 100 / (double)machine_kib : 0);
	text_printf(t, "%5u %4u %8llu %8llu %4u %8llu %8llu %8llu %10llu %10llu %4u\n",
		    (uint32_t)(d->info.max_vcpu_id + 1), s->nr_nets, (unsigned long long)sent(s) >> 10,
		    (unsigned long long)received(s) >> 10, s->nr_vbds, (unsigned long long)sum_of(s, oo),
		    (unsigned long long)sum_of(s, reads), (unsigned long long)sum_of(s, writes),
		    (unsigned long long)sum_of(s, read_sectors), (unsigned long long)sum_of(s, written_sectors),
		    d->info.ssidref);
}

static void vcpu_lines(struct text *t, const struct domain *d)
{
	unsigned shown = 0;

	text_add(t, "VCPUs(sec): ");
	for (uint32_t v = 0; v <= d->info.max_vcpu_id && d->info.max_vcpu_id != XEN_INVALID_MAX_VCPU_ID; v++) {
		struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuinfo, .domain = d->info.domain };

		op.u.getvcpuinfo.vcpu = v;
		if (hcall_domctl(xl_hcall(), &op) < 0 || !op.u.getvcpuinfo.online)
			continue;
		if (shown && shown % 5 == 0)
			text_add(t, "\n            ");
		text_printf(t, " %2u: %10llus", v, (unsigned long long)op.u.getvcpuinfo.cpu_time / 1000000000);
		shown++;
	}
	text_add(t, "\n");
}

static void device_lines(const struct top *top, struct text *t, const struct stats *s)
{
	for (unsigned i = 0; top->networks && i < s->nr_nets; i++) {
		const struct net_stats *n = &s->nets[i];

		text_printf(
			t,
			"Net%u RX: %8llubytes %8llupkts %8lluerr %8lludrop  TX: %8llubytes %8llupkts %8lluerr %8lludrop\n",
			n->id, (unsigned long long)n->rx_bytes, (unsigned long long)n->rx_packets,
			(unsigned long long)n->rx_errors, (unsigned long long)n->rx_drops,
			(unsigned long long)n->tx_bytes, (unsigned long long)n->tx_packets,
			(unsigned long long)n->tx_errors, (unsigned long long)n->tx_drops);
	}
	for (unsigned i = 0; top->vbds && i < s->nr_vbds; i++) {
		const struct vbd_stats *v = &s->vbds[i];

		text_printf(
			t,
			"VBD BlkBack %4u [%2x:%2x]  OO: %8llu   RD: %8llu   WR: %8llu  RSECT: %10llu  WSECT: %10llu\n",
			v->id, v->id >> 8 & 0xff, v->id & 0xff, (unsigned long long)v->oo, (unsigned long long)v->reads,
			(unsigned long long)v->writes, (unsigned long long)v->read_sectors,
			(unsigned long long)v->written_sectors);
	}
}

void top_table(struct top *top, struct text *t, unsigned first)
{
	uint64_t machine_kib = machine_physinfo().total_pages << 2;
	int width = name_width(top);

	if (!top->repeat_header || !top->now.nr)
		header(t, width);
	for (unsigned i = first; i < top->now.nr; i++) {
		if (top->repeat_header)
			header(t, width);
		row(top, t, &top->stats[i], width, machine_kib);
		if (top->vcpus)
			vcpu_lines(t, &top->stats[i].d);
		device_lines(top, t, &top->stats[i]);
	}
}

void top_summary(const struct top *top, struct text *t)
{
	struct xen_sysctl_physinfo p = machine_physinfo();
	long version = hcall_version(xl_hcall(), XENVER_version, NULL, 0);
	xen_extraversion_t extra = "";
	unsigned running = 0, blocked = 0, paused = 0, broken = 0, dying = 0, down = 0;
	time_t now = time(NULL);
	struct tm tm;
	char clock[16];

	for (unsigned i = 0; i < top->now.nr; i++) {
		const struct domain *d = &top->now.d[i];

		running += !!(d->info.flags & XEN_DOMINF_running);
		blocked += !!(d->info.flags & XEN_DOMINF_blocked);
		paused += !!(d->info.flags & XEN_DOMINF_paused);
		dying += !!(d->info.flags & XEN_DOMINF_dying);
		broken += crashed(d);
		down += d->info.flags & XEN_DOMINF_shutdown && !crashed(d);
	}
	(void)hcall_version(xl_hcall(), XENVER_extraversion, extra, sizeof(extra));
	extra[sizeof(extra) - 1] = 0;
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	text_printf(t, "xentop - %s   Xen %ld.%ld%s\n", clock, version >> 16, version & 0xffff, extra);
	text_printf(t, "%u domains: %u running, %u blocked, %u paused, %u crashed, %u dying, %u shutdown\n",
		    top->now.nr, running, blocked, paused, broken, dying, down);
	text_printf(t, "Mem: %lluk total, %lluk used, %lluk free    CPUs: %u @ %uMHz\n",
		    (unsigned long long)p.total_pages << 2, (unsigned long long)(p.total_pages - p.free_pages) << 2,
		    (unsigned long long)p.free_pages << 2, p.nr_cpus, p.cpu_khz / 1000);
}
