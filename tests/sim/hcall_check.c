/* lib/hcall against the simulated hypervisor: one program that is domain 0's process and asks for what a toolstack asks for. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/dm_op.h"
#include "abi/domctl.h"
#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/hvm_op.h"
#include "abi/hvm_params.h"
#include "abi/memory.h"
#include "abi/sysctl.h"
#include "abi/version.h"
#include "abi/xen.h"
#include "hcall/evtchn.h"
#include "hcall/foreign.h"
#include "hcall/handle.h"
#include "hcall/gnttab.h"
#include "hcall/hcall.h"

static unsigned test_nr;

static void ok(bool yes, const char *name)
{
	printf("%sok %u - %s\n", yes ? "" : "not ", ++test_nr, name);
	fflush(stdout);
	if (!yes)
		exit(1);
}

static uint64_t param(struct hcall *h, uint32_t domid, uint32_t index)
{
	struct xen_hvm_param p = { .domid = (domid_t)domid, .index = index };

	ok(!hcall_hvm(h, HVMOP_get_param, &p, sizeof(p)), "get_param");
	return p.value;
}

static void check_calls(struct hcall *h, uint32_t guest)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)guest };
	struct xen_sysctl sys = { .cmd = XEN_SYSCTL_physinfo };
	struct hcall_call calls[200];
	uint64_t count = hcall_count(h);
	bool all = true;

	ok(hcall_is_sim(h), "is_sim");
	ok(hcall_version(h, XENVER_version, NULL, 0) == (4 << 16 | 17), "version");
	ok(!hcall_sysctl(h, &sys) && sys.u.physinfo.nr_cpus == 4, "physinfo");
	ok(!hcall_domctl(h, &op) && op.u.getdomaininfo.domain == guest, "getdomaininfo");
	op.domain = 77;
	ok(hcall_domctl(h, &op) == -ESRCH, "getdomaininfo of nobody");
	ok(hcall_count(h) == count + 4, "count");
	for (unsigned i = 0; i < 200; i++)
		calls[i] = (struct hcall_call){ .nr = __HYPERVISOR_xen_version, .a = { XENVER_version } };
	calls[150].nr = 63;
	ok(!hcall_multi(h, calls, 200), "multi");
	for (unsigned i = 0; i < 200; i++)
		all &= calls[i].result == (i == 150 ? -ENOSYS : 4 << 16 | 17);
	ok(all, "multi's results");
}

/* What emulates a domain's devices knows how many vCPUs it has; nothing else is emulated outside of the hypervisor. */
static void check_dm(struct hcall *h, uint32_t guest)
{
	struct xen_dm_op_nr_vcpus nr = { 0 };
	uint8_t large[5000];
	const struct hcall_area areas[] = { { &nr, sizeof(nr) }, { large, sizeof(large) }, { large, 0 }, { 0 } };

	memset(large, 5, sizeof(large));
	ok(!hcall_dm(h, guest, XEN_DMOP_nr_vcpus, areas, 1) && nr.vcpus == 1, "dm: nr_vcpus");
	nr.vcpus = 0;
	ok(!hcall_dm(h, guest, XEN_DMOP_nr_vcpus, areas, 3) && nr.vcpus == 1, "dm: several areas");
	ok(large[0] == 5 && large[4999] == 5, "dm: areas come back as they are");
	ok(hcall_dm(h, guest, XEN_DMOP_nr_vcpus, areas, 4) == -E2BIG, "dm: too many areas");
	ok(hcall_dm(h, guest, XEN_DMOP_nr_vcpus, areas, 0) == -ENODATA, "dm: no area");
	ok(hcall_dm(h, 77, XEN_DMOP_nr_vcpus, areas, 1) == -ESRCH, "dm: for nobody");
	ok(hcall_dm(h, 0, XEN_DMOP_nr_vcpus, areas, 1) == -EPERM, "dm: for oneself");
	ok(hcall_dm(h, guest, 7, areas, 1) == -EOPNOTSUPP, "dm: an operation there is not");
}

static void check_buffers(struct hcall *h)
{
	uint8_t *a = hcall_alloc(h, 10), *b = hcall_alloc(h, 1 << 20);
	bool zero = true;

	ok(a && b, "alloc");
	for (unsigned i = 0; i < 1 << 20; i++)
		zero &= b[i] == 0;
	ok(zero, "alloc gives zeroes");
	memset(a, 1, 4096);
	hcall_free(h, a, 10);
	a = hcall_alloc(h, 4096);
	ok(a && a[0] == 0 && a[4095] == 0, "alloc gives zeroes again");
	hcall_free(h, a, 4096);
	hcall_free(h, b, 1 << 20);
}

static void check_memory(struct hcall *h, uint32_t guest)
{
	uint64_t gfns[3] = { 2, 1 << 20, 3 }, many[100];
	uint8_t back[6];
	int errs[3];
	uint8_t *p;

	p = foreign_map(h, guest, PROT_READ | PROT_WRITE, gfns, 3, errs);
	ok(p && !errs[0] && errs[1] < 0 && !errs[2], "map with errors");
	strcpy((char *)p + 2 * 4096, "third");
	ok(!foreign_unmap(h, p, 3), "unmap");
	ok(!foreign_map(h, guest, PROT_READ, gfns, 3, NULL), "map without errors fails");
	ok(!foreign_read(h, guest, 3 * 4096, back, 6) && !strcmp((char *)back, "third"), "read");
	ok(!foreign_map(h, 99, PROT_READ, gfns, 1, NULL) && errno == ESRCH, "map of nobody");
	for (unsigned i = 0; i < 100; i++)
		many[i] = 8 + i;
	p = foreign_map(h, guest, PROT_READ, many, 100, NULL);
	ok(p != NULL, "map many");
	foreign_unmap(h, p, 100);
}

/* Copies by the hypervisor's own operation, and by mapping as on Xen. */
static void check_copies(struct hcall *h, uint32_t guest)
{
	static uint8_t data[700000], back[700000];
	uint64_t calls;

	for (unsigned way = 0; way < 2; way++) {
		for (unsigned i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(i * 7 + way);
		calls = hcall_count(h);
		ok(!foreign_write(h, guest, 5 * 4096 + 100, data, sizeof(data)), "write");
		ok(hcall_count(h) - calls < 10, "write takes few calls");
		ok(!foreign_read(h, guest, 5 * 4096 + 100, back, sizeof(back)) && !memcmp(data, back, sizeof(data)),
		   "read back");
		ok(!foreign_write(h, guest, 5 * 4096 + 100, NULL, sizeof(data) - 1), "zero");
		ok(!foreign_read(h, guest, 5 * 4096 + 100, back, sizeof(back)) && !back[0] && !back[sizeof(data) - 2] &&
			   back[sizeof(data) - 1] == data[sizeof(data) - 1],
		   "zero reads back");
		ok(foreign_write(h, guest, 1ull << 40, data, 1) < 0, "write to nowhere");
		ok(!foreign_write(h, guest, 1ull << 30, data, 0), "write of nothing");
		ok(way || h->features, "the hypervisor copies");
		h->features = 0;
	}
	h->asked = false;
}

static void check_grants(struct hcall *h, uint32_t guest)
{
	struct gnttab *g = gnttab_open();
	uint64_t console = param(h, guest, HVM_PARAM_CONSOLE_PFN);
	uint32_t ref = GNTTAB_RESERVED_CONSOLE, bad = 50, two[2] = { 0, 1 };
	struct grant_entry_v1 *table;
	char *p, *q, text[8];

	ok(g != NULL, "gnttab_open");
	p = gnttab_map(g, guest, &ref, 1, PROT_READ | PROT_WRITE);
	ok(p != NULL, "gnttab_map");
	strcpy(p, "granted");
	ok(!foreign_read(h, guest, console * 4096, text, 8) && !strcmp(text, "granted"), "the grant's page");
	table = foreign_map_resource(h, guest, XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_shared, 0, 1,
				     PROT_READ | PROT_WRITE);
	ok(table && table[0].frame == console && table[0].flags & GTF_writing, "map_resource");
	ok(!gnttab_map(g, guest, &bad, 1, PROT_READ), "gnttab_map of a bad reference");
	q = gnttab_map(g, guest, two, 2, PROT_READ);
	ok(q != NULL, "gnttab_map of two");
	ok(!gnttab_unmap(g, q, 2) && !gnttab_unmap(g, p, 1) && gnttab_unmap(g, p, 1) < 0, "gnttab_unmap");
	ok(!(table[0].flags & (GTF_writing | GTF_reading)), "no use of the grant is left");
	foreign_unmap(h, table, 1);
	gnttab_close(g);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void check_events(struct hcall *h, uint32_t guest)
{
	struct evtchn *e = evtchn_open(), *other = evtchn_open();
	int port, virq, loop, loop2, kept;

	ok(e && other && evtchn_pending(e) == -EAGAIN, "evtchn_open");
	port = evtchn_bind_interdomain(e, guest, (uint32_t)param(h, guest, HVM_PARAM_CONSOLE_EVTCHN));
	ok(port > 0, "bind_interdomain");
	virq = evtchn_bind_virq(e, VIRQ_DOM_EXC);
	ok(virq > 0 && evtchn_bind_virq(other, VIRQ_DOM_EXC) < 0, "bind_virq once");
	ok(evtchn_notify(other, (uint32_t)port) < 0 && !evtchn_notify(e, (uint32_t)port), "only the owner notifies");
	loop = evtchn_alloc_unbound(e, 0);
	loop2 = evtchn_bind_interdomain(other, 0, (uint32_t)loop);
	ok(loop > 0 && loop2 > 0, "loop");
	/* Binding makes the new port pending. */
	while ((kept = evtchn_pending(other)) >= 0)
		evtchn_unmask(other, (uint32_t)kept);
	while ((kept = evtchn_pending(e)) >= 0)
		evtchn_unmask(e, (uint32_t)kept);
	ok(!readable(evtchn_fd(e)) && !evtchn_notify(other, (uint32_t)loop2) && readable(evtchn_fd(e)), "an event");
	ok(evtchn_pending(e) == loop && evtchn_pending(e) == -EAGAIN, "is told once");
	evtchn_notify(other, (uint32_t)loop2);
	ok(!readable(evtchn_fd(e)) && !evtchn_unmask(e, (uint32_t)loop) && evtchn_pending(e) == loop,
	   "masked until unmask");
	kept = dup(evtchn_fd(e));
	evtchn_close(e);
	e = evtchn_adopt(kept);
	ok(e && !evtchn_unmask(e, (uint32_t)loop) && !evtchn_notify(other, (uint32_t)loop2) &&
		   evtchn_pending(e) == loop,
	   "adopt");
	ok(!evtchn_unbind(e, (uint32_t)port), "unbind");
	evtchn_close(e);
	evtchn_close(other);
	e = evtchn_open();
	ok(evtchn_bind_virq(e, VIRQ_DOM_EXC) > 0, "closing unbinds");
	evtchn_close(e);
}

int main(int argc, char **argv)
{
	uint32_t guest = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
	struct hcall *h = hcall_open();

	ok(h != NULL, "hcall_open");
	check_calls(h, guest);
	check_dm(h, guest);
	check_buffers(h);
	check_memory(h, guest);
	check_copies(h, guest);
	check_grants(h, guest);
	check_events(h, guest);
	hcall_close(h);
	printf("1..%u\n", test_nr);
	return 0;
}
