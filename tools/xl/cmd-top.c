/* xl top, and the program under the name xentop: a table of what domains use, once and again. */
#include <getopt.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <abi/version.h>

#include "cmd.h"
#include "hcall/hcall.h"
#include "machine.h"
#include "stats.h"
#include "xl.h"

enum column { BY_NAME, BY_CPU, BY_MEMORY, NR_ORDERS };

static struct {
	bool batch, full_names, networks, vbds, vcpus, repeat_header;
	unsigned delay; /* seconds */
	long rounds;	/* -1: until ended */
	enum column order;
	unsigned top; /* first domain shown */
	/* The round before, for shares of CPUs. */
	struct domains before;
	struct timespec before_at;
	double seconds; /* between the rounds; 0: this is the first */
} top = { .delay = 3, .rounds = -1 };

static double share(const struct domain *d)
{
	for (unsigned i = 0; top.seconds > 0 && i < top.before.nr; i++)
		if (top.before.d[i].info.domain == d->info.domain && d->info.cpu_time >= top.before.d[i].info.cpu_time)
			return (double)(d->info.cpu_time - top.before.d[i].info.cpu_time) / 1e9 / top.seconds * 100;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct stats *x = a, *y = b;
	double s, t;

	switch (top.order) {
	case BY_CPU:
		s = share(&x->d);
		t = share(&y->d);
		if (s < t)
			return 1;
		if (s > t)
			return -1;
		break;
	case BY_MEMORY:
		if (x->d.info.tot_pages != y->d.info.tot_pages)
			return x->d.info.tot_pages < y->d.info.tot_pages ? 1 : -1;
		break;
	default:
		break;
	}
	return strcasecmp(domain_label(&x->d), domain_label(&y->d));
}

static int name_width(const struct stats *s, unsigned nr)
{
	int width = 10;

	for (unsigned i = 0; top.full_names && i < nr; i++)
		if ((int)strlen(domain_label(&s[i].d)) > width)
			width = (int)strlen(domain_label(&s[i].d));
	return width;
}

static void header(struct text *t, int width)
{
	text_printf(t, "%*s %6s %10s %6s %10s %6s %10s %9s %5s %4s %8s %8s %4s %8s %8s %8s %10s %10s %4s\n", width,
		    "NAME", "STATE", "CPU(sec)", "CPU(%)", "MEM(k)", "MEM(%)", "MAXMEM(k)", "MAXMEM(%)", "VCPUS",
		    "NETS", "NETTX(k)", "NETRX(k)", "VBDS", "VBD_OO", "VBD_RD", "VBD_WR", "VBD_RSECT", "VBD_WSECT",
		    "SSID");
}

static void row(struct text *t, const struct stats *s, int width, uint64_t machine_kib)
{
	const struct domain *d = &s->d;
	uint32_t f = d->info.flags;
	bool crashed = f & XEN_DOMINF_shutdown && (f >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == 3;
	uint64_t kib = domain_kib(d), max = d->info.max_pages, tx = 0, rx = 0;
	struct vbd_stats v = { 0 };

	for (unsigned i = 0; i < s->nr_nets; i++) {
		tx += s->nets[i].tx_bytes;
		rx += s->nets[i].rx_bytes;
	}
	for (unsigned i = 0; i < s->nr_vbds; i++) {
		v.oo += s->vbds[i].oo;
		v.reads += s->vbds[i].reads;
		v.writes += s->vbds[i].writes;
		v.read_sectors += s->vbds[i].read_sectors;
		v.written_sectors += s->vbds[i].written_sectors;
	}
	text_printf(t, "%*.*s %c%c%c%c%c%c %10llu %6.1f %10llu %6.1f ", width, width, domain_label(d),
		    f & XEN_DOMINF_dying ? 'd' : '-', f & XEN_DOMINF_shutdown && !crashed ? 's' : '-',
		    f & XEN_DOMINF_blocked ? 'b' : '-', crashed ? 'c' : '-', f & XEN_DOMINF_paused ? 'p' : '-',
		    f & XEN_DOMINF_running ? 'r' : '-', (unsigned long long)d->info.cpu_time / 1000000000, share(d),
		    (unsigned long long)kib, machine_kib ? (double)kib * 100 / (double)machine_kib : 0);
	if (max > UINT64_MAX >> 12 || max == UINT32_MAX)
		text_printf(t, "%10s %9s ", "no limit", "n/a");
	else
		text_printf(t, "%10llu %9.1f ", (unsigned long long)max << 2,
			    machine_kib ? (double)(max << 2) * 100 / (double)machine_kib : 0);
	text_printf(t, "%5u %4u %8llu %8llu %4u %8llu %8llu %8llu %10llu %10llu %4u\n",
		    (uint32_t)(d->info.max_vcpu_id + 1), s->nr_nets, (unsigned long long)tx >> 10,
		    (unsigned long long)rx >> 10, s->nr_vbds, (unsigned long long)v.oo, (unsigned long long)v.reads,
		    (unsigned long long)v.writes, (unsigned long long)v.read_sectors,
		    (unsigned long long)v.written_sectors, d->info.ssidref);
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

static void device_lines(struct text *t, const struct stats *s)
{
	for (unsigned i = 0; top.networks && i < s->nr_nets; i++) {
		const struct net_stats *n = &s->nets[i];

		text_printf(
			t,
			"Net%u RX: %8llubytes %8llupkts %8lluerr %8lludrop  TX: %8llubytes %8llupkts %8lluerr %8lludrop\n",
			n->id, (unsigned long long)n->rx_bytes, (unsigned long long)n->rx_packets,
			(unsigned long long)n->rx_errors, (unsigned long long)n->rx_drops,
			(unsigned long long)n->tx_bytes, (unsigned long long)n->tx_packets,
			(unsigned long long)n->tx_errors, (unsigned long long)n->tx_drops);
	}
	for (unsigned i = 0; top.vbds && i < s->nr_vbds; i++) {
		const struct vbd_stats *v = &s->vbds[i];

		text_printf(
			t,
			"VBD BlkBack %4u [%2x:%2x]  OO: %8llu   RD: %8llu   WR: %8llu  RSECT: %10llu  WSECT: %10llu\n",
			v->id, v->id >> 8 & 0xff, v->id & 0xff, (unsigned long long)v->oo, (unsigned long long)v->reads,
			(unsigned long long)v->writes, (unsigned long long)v->read_sectors,
			(unsigned long long)v->written_sectors);
	}
}

/* The table; with @summary the lines over it that only the screen has. */
static void draw(struct text *t, struct domains *l, bool summary)
{
	struct xen_sysctl_physinfo p = machine_physinfo();
	struct stats *s = stats_read(l);
	uint64_t machine_kib = p.total_pages << 2;
	int width;

	qsort(s, l->nr, sizeof(*s), compare);
	width = name_width(s, l->nr);
	if (summary)
		text_printf(t, "%u domains.  Mem: %lluk total, %lluk used, %lluk free    CPUs: %u @ %uMHz\n", l->nr,
			    (unsigned long long)machine_kib, (unsigned long long)(p.total_pages - p.free_pages) << 2,
			    (unsigned long long)p.free_pages << 2, p.nr_cpus, p.cpu_khz / 1000);
	if (!top.repeat_header || !l->nr)
		header(t, width);
	for (unsigned i = summary ? top.top : 0; i < l->nr; i++) {
		if (top.repeat_header)
			header(t, width);
		row(t, &s[i], width, machine_kib);
		if (top.vcpus)
			vcpu_lines(t, &s[i].d);
		device_lines(t, &s[i]);
	}
	stats_free(s, l->nr);
}

/* Take the next picture and forget the one before. */
static struct domains next(void)
{
	struct domains l = domains_list();
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	top.seconds = top.before.nr ? (double)(now.tv_sec - top.before_at.tv_sec) +
					      (double)(now.tv_nsec - top.before_at.tv_nsec) / 1e9 :
				      0;
	top.before_at = now;
	return l;
}

static int batch(void)
{
	for (long round = 0; top.rounds < 0 || round < top.rounds; round++) {
		struct text t = { 0 };
		struct domains l;

		if (round)
			sleep(top.delay);
		l = next();
		if (xl_json()) {
			struct json_object *a = json_object_new_array();

			for (unsigned i = 0; i < l.nr; i++) {
				struct json_object *o = domain_json(&l.d[i]);

				json_object_object_add(o, "cpu_percent", json_object_new_double(share(&l.d[i])));
				json_object_array_add(a, o);
			}
			xl_print_json(a);
		} else {
			draw(&t, &l, false);
			fputs(t.s, stdout);
			text_free(&t);
		}
		fflush(stdout);
		if (ferror(stdout))
			return XL_FAILED;
		domains_free(&top.before);
		top.before = l;
	}
	return XL_OK;
}

/* One key; false: the end. */
static bool key(int c, unsigned nr)
{
	switch (c) {
	case 'q':
	case 'Q':
	case 27:
		return false;
	case 'n':
	case 'N':
		top.networks = !top.networks;
		break;
	case 'b':
	case 'B':
		top.vbds = !top.vbds;
		break;
	case 'v':
	case 'V':
		top.vcpus = !top.vcpus;
		break;
	case 'r':
	case 'R':
		top.repeat_header = !top.repeat_header;
		break;
	case 's':
	case 'S':
		top.order = (top.order + 1) % NR_ORDERS;
		break;
	case 'd':
	case 'D':
		top.delay = top.delay >= 10 ? 1 : top.delay + 1;
		break;
	case KEY_DOWN:
		if (top.top + 1 < nr)
			top.top++;
		break;
	case KEY_UP:
		if (top.top)
			top.top--;
		break;
	default:
		break;
	}
	return true;
}

static int screen(void)
{
	bool more = true;

	xl_hcall(); /* complain before the screen is taken */
	setlocale(LC_ALL, "");
	if (!initscr())
		return xl_fail(25, "no-terminal", "top", "run it on a terminal, or with -b", "this is no terminal");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	for (long round = 0; more && (top.rounds < 0 || round < top.rounds); round++) {
		struct domains l = next();
		struct text t = { 0 };

		draw(&t, &l, true);
		erase();
		printw("%s", t.s);
		mvprintw(LINES - 1, 0, "D delay %us  N networks  B vbds  V vcpus  R repeat header  S sort  Q quit",
			 top.delay);
		refresh();
		text_free(&t);
		domains_free(&top.before);
		top.before = l;
		timeout((int)top.delay * 1000);
		more = key(getch(), l.nr);
	}
	endwin();
	return XL_OK;
}

int cmd_top(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
					       { "version", 0, NULL, 'V' },
					       { "delay", 1, NULL, 'd' },
					       { "networks", 0, NULL, 'n' },
					       { "vbds", 0, NULL, 'x' },
					       { "repeat-header", 0, NULL, 'r' },
					       { "vcpus", 0, NULL, 'v' },
					       { "batch", 0, NULL, 'b' },
					       { "iterations", 1, NULL, 'i' },
					       { "full-name", 0, NULL, 'f' },
					       { 0 } };
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "Vd:nxrvbi:f", longs, 0)) >= 0) {
		top.networks |= opt == 'n';
		top.vbds |= opt == 'x';
		top.repeat_header |= opt == 'r';
		top.vcpus |= opt == 'v';
		top.batch |= opt == 'b';
		top.full_names |= opt == 'f';
		if (opt == 'd')
			top.delay = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'i')
			top.rounds = strtol(optarg, NULL, 10);
		else if (opt == 'V')
			return printf("xentop (Hospes)\n") < 0;
	}
	return top.batch || xl_json() ? batch() : screen();
}
