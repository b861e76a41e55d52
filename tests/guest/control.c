/* guest: timeout=60 */
/*
 * What a domain without any role gets from each call that controls domains or the machine: every operation, asked of itself, of another domain, of a
 * number nobody has, with zeroes for arguments, and in another interface version.
 */
#include "lib/ops.h"

#define NOBODY 0x1234u
#define NR_VERSIONED 92u

struct versioned {
	uint32_t cmd, version;
	uint16_t domain, pad[3];
	uint8_t args[1024]; /* longer than any operation */
};

static struct versioned op;

static long versioned(unsigned call, uint32_t cmd, uint32_t version, uint16_t domain)
{
	memset(&op, 0, sizeof(op));
	op.cmd = cmd;
	op.version = version;
	op.domain = domain;
	return hypercall1(call, &op);
}

static void domctl(uint32_t cmd)
{
	showf(versioned(HC_domctl, cmd, 0x15, my_domid()), "domctl %u of itself", cmd);
	showf(versioned(HC_domctl, cmd, 0x15, other_domain()), "domctl %u of another", cmd);
	showf(versioned(HC_domctl, cmd, 0x15, NOBODY), "domctl %u of nobody", cmd);
	showf(versioned(HC_domctl, cmd, 0x14, my_domid()), "domctl %u version 14", cmd);
}

static void domctls(void)
{
	static const uint16_t special[] = { SELF, SELF + 1, SELF + 2, SELF + 3, SELF + 4, 0x7fff, 0xffff };

	for (uint32_t cmd = 0; cmd < NR_VERSIONED; cmd++)
		domctl(cmd);
	for (uint32_t cmd = 1000; cmd < 1004; cmd++)
		domctl(cmd);
	domctl(~0u);
	for (unsigned i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		for (uint32_t cmd = 3; cmd < 6; cmd += 2)
			showf(versioned(HC_domctl, cmd, 0x15, special[i]), "domctl %u of %x", cmd, special[i]);
	show("domctl nowhere", hypercall1(HC_domctl, NOWHERE));
}

static void sysctls(void)
{
	for (uint32_t cmd = 0; cmd < 34; cmd++) {
		showf(versioned(HC_sysctl, cmd, 0x15, 0), "sysctl %u", cmd);
		showf(versioned(HC_sysctl, cmd, 0x16, 0), "sysctl %u version 16", cmd);
	}
	show("sysctl -1", versioned(HC_sysctl, ~0u, 0x15, 0));
}

static void platform_ops(void)
{
	for (uint32_t cmd = 0; cmd < 68; cmd++)
		showf(versioned(7, cmd, 0x03000001, 0), "platform_op %u", cmd);
	show("platform_op -1", versioned(7, ~0u, 0x03000001, 0));
	show("platform_op version 0", versioned(7, 17, 0, 0));
}

static void physdev_ops(void)
{
	static uint32_t arg[32];

	for (unsigned cmd = 0; cmd < 34; cmd++)
		showf(hypercall2(HC_physdev_op, cmd, arg), "physdev_op %u", cmd);
	show("physdev_op -1", hypercall2(HC_physdev_op, ~0u, arg));
}

/* Reservations, maps and resources of another domain, claims, sharing, introspection. */
static void memory_ops(void)
{
	static const uint8_t by_domain[] = { 3, 4, 13, 14, 16, 17, 20, 22, 26 };
	const uint16_t doms[] = { other_domain(), NOBODY, SELF + 2 };
	static unsigned long list[4];
	static const char *const names[] = { "another", "nobody", "Xen" };

	for (unsigned k = 0; k < 3; k++) {
		struct mem_reservation r = { list, 1, 0, 0, doms[k] };
		struct {
			uint16_t dom, type;
			uint32_t id, nr, pad;
			uint64_t frame;
			unsigned long *frames;
		} resource = { doms[k], 1, 0, 1, 0, 0, list };

		for (unsigned i = 0; i < sizeof(by_domain); i++) {
			static union {
				uint16_t dom;
				struct {
					uint64_t pages[4];
					uint16_t dom;
				} pod;
			} arg;

			memset(&arg, 0, sizeof(arg));
			if (by_domain[i] == 16 || by_domain[i] == 17)
				arg.pod.dom = doms[k];
			else
				arg.dom = doms[k];
			showf(mem_op(by_domain[i], &arg), "memory_op %u of %s", by_domain[i], names[k]);
		}
		list[0] = 0x80000;
		showf(mem_op(0, &r), "increase_reservation of %s", names[k]);
		showf(mem_op(1, &r), "decrease_reservation of %s", names[k]);
		showf(mem_op(6, &r), "populate_physmap of %s", names[k]);
		showf(mem_add(doms[k], 2, 0x80000, 0x80001), "add_to_physmap of %s", names[k]);
		showf(mem_remove(doms[k], 0x80000), "remove_from_physmap of %s", names[k]);
		showf(mem_op(28, &resource), "acquire_resource of %s", names[k]);
	}
}

/* Pages of others, and of the hypervisor, into its own map. */
static void foreign(void)
{
	static const uint16_t doms[] = { SELF, SELF + 1, SELF + 2, SELF + 3, 0x7ff4, NOBODY };
	static const unsigned long gfns[] = { 0, 0x100, 0x200, 0xb8, 0xfee00, 0xfec00 };
	struct {
		uint16_t dom, space, size, foreign;
		unsigned long *idx, *gpfn;
		int *errs;
	} x;

	for (unsigned k = 0; k < 7; k++)
		for (unsigned i = 0; i < 6; i++) {
			unsigned long idx = gfns[i], gpfn = 0x80040;
			int error = 77;
			long rc;

			x.dom = SELF;
			x.space = 4;
			x.size = 1;
			x.foreign = k == 6 ? other_domain() : doms[k];
			x.idx = &idx;
			x.gpfn = &gpfn;
			x.errs = &error;
			rc = mem_op(23, &x);
			if (k < 6)
				showf(rc, "foreign page %lx of %x", gfns[i], doms[k]);
			else
				showf(rc, "foreign page %lx of another", gfns[i]);
			if (!rc)
				show("its error", error);
			if (*(volatile uint8_t *)(gpfn << 12) != 0xff)
				say("something is mapped\n");
		}
	for (unsigned i = 0; i < 6; i++)
		showf(mem_add(SELF, 5, gfns[i], 0x80041), "device page %lx", gfns[i]);
}

/* Grants that are none: of the hypervisor, of nobody, of another domain that granted nothing there. */
static void grants(void)
{
	struct {
		uint64_t host;
		uint32_t flags, ref;
		uint16_t dom;
		int16_t status;
		uint32_t handle;
		uint64_t bus;
	} m;
	const uint16_t doms[] = { SELF + 1, SELF + 2, SELF + 3, NOBODY, other_domain() };
	static const char *const names[] = { "IO", "Xen", "COW", "nobody", "another" };

	for (unsigned k = 0; k < 5; k++) {
		memset(&m, 0, sizeof(m));
		m.host = 0x80050000;
		m.flags = 2;
		m.ref = 9;
		m.dom = doms[k];
		showf(hypercall3(HC_grant_table_op, 0, &m, 1), "map_grant_ref of %s", names[k]);
		say("status %d\n", m.status);
	}
}

static void others(void)
{
	static uint32_t arg[64];
	struct hvm_param p = { other_domain(), 0, 1, 0 };
	struct ev_status s = { other_domain(), 0, 1, 0, 0, { 0, 0 } };
	uint32_t shutdown[2] = { other_domain(), 0 };
	uint16_t dom = other_domain();

	show("get_param of another", hvm_op(1, &p));
	show("set_param of another", hvm_op(0, &p));
	show("remote_shutdown of another", sched_op(4, shutdown));
	show("status of another's port", ev_op(EV_status, &s));
	show("reset of another's ports", ev_op(EV_reset, &dom));
	show("alloc_unbound for another", ev_unbound(other_domain(), SELF));
	show("console write", hypercall3(HC_console_io, 0, 4, "text"));
	show("console read", hypercall3(HC_console_io, 1, 4, arg));
	show("command line", hypercall2(HC_xen_version, 9, arg));
	say("'%s'\n", (const char *)arg);
	show("VIRQ_CONSOLE", ev_virq(2, 0));
	show("VIRQ_DOM_EXC", ev_virq(3, 0));
	show("VIRQ_CON_RING", ev_virq(8, 0));
	show("kexec_op", hypercall2(37, 0, arg));
	show("xsm_op", hypercall1(27, arg));
	show("mca", hypercall1(48, arg));
	memset(arg, 0, sizeof(arg));
	show("dm_op of another", hypercall(41, other_domain(), 0, 0, 0, 0));
	show("dm_op of nobody", hypercall(41, NOBODY, 0, 0, 0, 0));
	show("dm_op of itself", hypercall(41, SELF, 0, 0, 0, 0));
}

void guest_main(void)
{
	domctls();
	sysctls();
	platform_ops();
	physdev_ops();
	memory_ops();
	foreign();
	grants();
	others();
}
