/*
 * churn COUNT KERNEL: makes and destroys COUNT domains of 4 MiB with Debian's own libraries (libxenctrl, libxenguest, libxenstore), one process
 * for each, in a dom0. Nine of ten live to their end: the kernel, tests/guest/knock.c, must have said its word. Every tenth creation is killed:
 * in turn right behind each of its steps, and at some moment in between. What such a process leaves is found in the list of domains and destroyed.
 *
 * Says every 500 how far it is and in the end how many of each there were; ends with 1 as soon as anything is not as it should be.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenguest.h>
#include <xenstore.h>

#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#define MEM_MIB 4u
#define MEM_BYTES (MEM_MIB << 20)
#define SPECIAL_PAGES 64u /* beyond its RAM: rings, start info, tables */
#define WORD "alive\n"
#define WAIT_MS 240000

struct creation {
	const char *kernel;
	xc_interface *xc;
	struct xs_handle *store;
	xenevtchn_handle *events;
	xengnttab_handle *grants;
	struct xc_dom_image *dom;
	struct xencons_interface *console;
	uint32_t id;
	uint32_t store_port, console_port;
	int local_port;
};

/* Each step returns 0, or non-zero with errno set. */
static int create(struct creation *c)
{
	struct xen_domctl_createdomain config = {
		.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = 1,
		.max_evtchn_port = 1023,
		.max_grant_frames = 4,
		.max_maptrack_frames = 4,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
		.arch.emulation_flags = XEN_X86_EMU_LAPIC,
	};

	return xc_domain_create(c->xc, &c->id, &config);
}

static int set_vcpus(struct creation *c)
{
	return xc_domain_max_vcpus(c->xc, c->id, 1);
}

static int set_cpuid(struct creation *c)
{
	return xc_cpuid_apply_policy(c->xc, c->id, false, NULL, 0, true, false, false, NULL, NULL);
}

static int set_limits(struct creation *c)
{
	struct e820entry map = { 0, MEM_BYTES, 1 };
	unsigned tables_mib = 2;

	return xc_domain_setmaxmem(c->xc, c->id, (MEM_BYTES >> 10) + SPECIAL_PAGES * 4) ||
	       xc_domain_set_memory_map(c->xc, c->id, &map, 1) ||
	       xc_shadow_control(c->xc, c->id, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, &tables_mib, 0);
}

static int claim(struct creation *c)
{
	return xc_domain_claim_pages(c->xc, c->id, MEM_BYTES / XC_PAGE_SIZE);
}

static int make_ports(struct creation *c)
{
	xc_evtchn_port_or_error_t store = xc_evtchn_alloc_unbound(c->xc, c->id, 0);
	xc_evtchn_port_or_error_t console = xc_evtchn_alloc_unbound(c->xc, c->id, 0);

	if (store < 0 || console < 0)
		return -1;
	c->store_port = (uint32_t)store;
	c->console_port = (uint32_t)console;
	return xc_hvm_param_set(c->xc, c->id, HVM_PARAM_STORE_EVTCHN, c->store_port) ||
	       xc_hvm_param_set(c->xc, c->id, HVM_PARAM_CONSOLE_EVTCHN, c->console_port);
}

static int read_kernel(struct creation *c)
{
	c->dom = xc_dom_allocate(c->xc, "", NULL);
	if (!c->dom)
		return -1;
	c->dom->container_type = XC_DOM_HVM_CONTAINER;
	c->dom->target_pages = MEM_BYTES / XC_PAGE_SIZE;
	c->dom->lowmem_end = MEM_BYTES;
	c->dom->mmio_start = 0xf0000000;
	c->dom->mmio_size = 0x10000000;
	c->dom->max_vcpus = 1;
	c->dom->xenstore_evtchn = c->store_port;
	c->dom->console_evtchn = c->console_port;
	return xc_dom_kernel_file(c->dom, c->kernel) || xc_dom_boot_xen_init(c->dom, c->xc, c->id) ||
	       xc_dom_parse_image(c->dom);
}

static int populate(struct creation *c)
{
	return xc_dom_mem_init(c->dom, MEM_MIB) || xc_dom_boot_mem_init(c->dom);
}

static int load(struct creation *c)
{
	return xc_dom_build_image(c->dom);
}

static int set_state(struct creation *c)
{
	return xc_dom_boot_image(c->dom);
}

static int give_rings(struct creation *c)
{
	return xc_dom_gnttab_init(c->dom);
}

static int introduce(struct creation *c)
{
	c->store = xs_open(0);
	return !c->store || !xs_introduce_domain(c->store, c->id, c->dom->xenstore_pfn, c->store_port);
}

static int bind_port(struct creation *c)
{
	c->events = xenevtchn_open(NULL, 0);
	if (!c->events)
		return -1;
	c->local_port = xenevtchn_bind_interdomain(c->events, c->id, c->console_port);
	return c->local_port < 0;
}

static int map_console(struct creation *c)
{
	c->grants = xengnttab_open(NULL, 0);
	if (!c->grants)
		return -1;
	c->console = xengnttab_map_grant_ref(c->grants, c->id, GNTTAB_RESERVED_CONSOLE, PROT_READ | PROT_WRITE);
	return !c->console;
}

static int start(struct creation *c)
{
	return xc_domain_unpause(c->xc, c->id);
}

/* Until the guest knocks with its word in the ring; binding a port knocks once too. */
static int hear(struct creation *c)
{
	struct pollfd fd = { xenevtchn_fd(c->events), POLLIN, 0 };

	while (__atomic_load_n(&c->console->out_prod, __ATOMIC_ACQUIRE) != sizeof(WORD) - 1) {
		int port;

		if (poll(&fd, 1, WAIT_MS) != 1) {
			errno = ETIMEDOUT;
			return -1;
		}
		port = xenevtchn_pending(c->events);
		if (port < 0 || xenevtchn_unmask(c->events, (evtchn_port_t)port))
			return -1;
	}
	errno = EBADMSG;
	return memcmp(c->console->out, WORD, sizeof(WORD) - 1);
}

static int destroy(struct creation *c)
{
	return xc_domain_destroy(c->xc, c->id);
}

static const struct {
	const char *name;
	int (*run)(struct creation *c);
} steps[] = {
	{ "create", create },
	{ "set_vcpus", set_vcpus },
	{ "set_cpuid", set_cpuid },
	{ "set_limits", set_limits },
	{ "claim", claim },
	{ "make_ports", make_ports },
	{ "read_kernel", read_kernel },
	{ "populate", populate },
	{ "load", load },
	{ "set_state", set_state },
	{ "give_rings", give_rings },
	{ "introduce", introduce },
	{ "bind_port", bind_port },
	{ "map_console", map_console },
	{ "start", start },
	{ "hear", hear },
	{ "destroy", destroy },
};
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

/* Make a domain and end it, or die behind step @last. Closes nothing: the kernel does that for all who die. */
static void life(const char *kernel, unsigned last)
{
	struct creation c = { .kernel = kernel, .xc = xc_interface_open(NULL, NULL, 0) };

	if (!c.xc) {
		perror("churn: hypervisor");
		_exit(1);
	}
	for (unsigned i = 0; i < NR_STEPS; i++) {
		if (steps[i].run(&c)) {
			fprintf(stderr, "churn: domain %u, %s: %s\n", c.id, steps[i].name, strerror(errno));
			_exit(1);
		}
		if (i == last)
			raise(SIGKILL);
	}
	_exit(0);
}

/* Destroy whatever domain there is; returns how many there were, or -1. */
static int sweep(xc_interface *xc)
{
	static xc_domaininfo_t list[64];
	int n = xc_domain_getinfolist(xc, 1, sizeof(list) / sizeof(list[0]), list);

	for (int i = 0; i < n; i++)
		/* Somebody else may have been faster. */
		if (xc_domain_destroy(xc, list[i].domain) && errno != ESRCH) {
			perror("churn: destroy what was left");
			return -1;
		}
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Run one life; @ns: kill it that long after its begin (0: do not). Its status, or -1. */
static int run(const char *kernel, unsigned last, uint64_t ns)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		life(kernel, last);
	if (pid < 0)
		return -1;
	if (ns) {
		struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

		nanosleep(&t, NULL);
		kill(pid, SIGKILL);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

int main(int argc, char **argv)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	unsigned count = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	unsigned whole = 0, killed_at = 0, killed_between = 0, swept = 0;
	uint64_t whole_ns = 0, random = 1;

	if (!xc || !count)
		return 1;
	for (unsigned i = 0; i < count; i++) {
		unsigned last = NR_STEPS;
		uint64_t start_ns = now_ns(), ns = 0;
		bool killed = i % 10 == 9;
		int status, found;

		if (i && i % 500 == 0)
			fprintf(stderr, "%u of %u have come and gone\n", i, count);
		if (killed && i / 10 % 2) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			ns = 1 + (random >> 33) % (whole_ns / whole);
		} else if (killed) {
			last = i / 20 % NR_STEPS;
		}
		status = run(argv[2], last, ns);
		if (status == 0 && !killed) {
			whole++;
			whole_ns += now_ns() - start_ns;
		} else if (killed && status >= 0 && WIFSIGNALED(status)) {
			killed_at += !ns;
			killed_between += !!ns;
		} else if (!(ns && status == 0)) {
			fprintf(stderr, "churn: domain %u of %u ended with %x\n", i + 1, count, status);
			return 1;
		}
		if (!killed)
			continue;
		found = sweep(xc);
		if (found < 0)
			return 1;
		swept += (unsigned)found;
	}
	printf("whole: %u, killed behind a step: %u, in between: %u, left by them: %u\n", whole, killed_at,
	       killed_between, swept);
	fprintf(stderr, "%lu us for a whole one\n", whole_ns / whole / 1000);
	return 0;
}
