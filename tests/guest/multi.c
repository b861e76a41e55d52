/* multicall, vm_assist, console_io and the calls only a control domain may make. */
#include "lib/ops.h"

static void multicalls(void)
{
	static struct multicall m[8], inner[2];
	uint32_t port = (uint32_t)ev_ipi(0), yield = 0;

	memset(m, 0, sizeof(m));
	m[0] = (struct multicall){ HC_xen_version, 55, { 0, 0 } };
	m[1] = (struct multicall){ 100, 55, { 0 } };
	m[2] = (struct multicall){ HC_event_channel_op, 55, { EV_send, (unsigned long)&port } };
	m[3] = (struct multicall){ HC_memory_op, 55, { 63, 0 } };
	m[4] = (struct multicall){ HC_sched_op, 55, { 0, (unsigned long)&yield } };
	show("multicall of 5", hypercall2(HC_multicall, m, 5));
	for (unsigned i = 0; i < 5; i++)
		showf(m[i].result, "result %u", i);
	show("multicall of none", hypercall2(HC_multicall, m, 0));
	inner[0] = (struct multicall){ HC_xen_version, 55, { 0, 0 } };
	m[0] = (struct multicall){ HC_multicall, 55, { (unsigned long)inner, 1 } };
	m[1] = (struct multicall){ HC_xen_version, 55, { 7, 0 } };
	show("multicall in a multicall", hypercall2(HC_multicall, m, 2));
	showf(m[0].result, "result 0");
	showf(m[1].result, "result 1");
	showf(inner[0].result, "result inside");
	show("multicall nowhere", hypercall2(HC_multicall, NOWHERE, 2));
	show("multicall unmapped", hypercall2(HC_multicall, UNMAPPED, 2));
	{
		/* The last entry lies behind the end of RAM. */
		struct multicall *end = (struct multicall *)(ram_end() - sizeof(*end));

		*end = (struct multicall){ HC_xen_version, 55, { 7, 0 } };
		show("multicall running out of RAM", hypercall2(HC_multicall, end, 2));
		show("its first result", end->result);
	}
	show("multicall of -1", hypercall2(HC_multicall, NOWHERE, ~0ul));
	m[0] = (struct multicall){ HC_xen_version, 55, { 1, (unsigned long)NOWHERE } };
	show("fault inside", hypercall2(HC_multicall, m, 2));
	showf(m[0].result, "result 0");
	showf(m[1].result, "result 1");
}

static void assists(void)
{
	for (unsigned type = 0; type < 8; type++) {
		showf(hypercall2(HC_vm_assist, 0, type), "enable assist %u", type);
		showf(hypercall2(HC_vm_assist, 1, type), "disable assist %u", type);
	}
	show("assist 32", hypercall2(HC_vm_assist, 0, 32));
	show("assist 64", hypercall2(HC_vm_assist, 0, 64));
	show("assist -1", hypercall2(HC_vm_assist, 0, ~0u));
	show("assist command 2", hypercall2(HC_vm_assist, 2, 5));
	show("assist command -1", hypercall2(HC_vm_assist, ~0u, 5));
}

static void control(void)
{
	static uint32_t arg[64];

	static const struct {
		unsigned nr;
		const char *what;
	} calls[] = { { 35, "sysctl" }, { 36, "domctl" }, { 7, "platform_op" } };

	for (unsigned i = 0; i < 3; i++)
		for (unsigned version = 0; version < 2; version++)
			for (unsigned cmd = 1; cmd < 6; cmd++) {
				memset(arg, 0, sizeof(arg));
				arg[0] = cmd;
				arg[1] = version ? (i == 2 ? 0x03000001 : 0x15) : 0x77;
				arg[2] = my_domid();
				showf(hypercall1(calls[i].nr, arg), "%s %u version %s", calls[i].what, cmd,
				      version ? "good" : "bad");
			}
	for (unsigned i = 0; i < 3; i++)
		showf(hypercall1(calls[i].nr, NOWHERE), "%s nowhere", calls[i].what);
	show("console_io nowhere", hypercall3(HC_console_io, 0, 5, NOWHERE));
	show("console_io read", hypercall3(HC_console_io, 1, 5, arg));
	show("console_io 2", hypercall3(HC_console_io, 2, 5, arg));
	/* What a PV guest has and an HVM-like one has not. */
	for (unsigned nr = 0; nr < 41; nr++)
		switch (nr) {
		case 0 ... 6:
		case 8 ... 11:
		case 14:
		case 16:
		case 19:
		case 22:
		case 23:
		case 25:
		case 28:
		case 30:
		case 31:
		case 37:
		case 38:
		case 40:
			showf(hypercall(nr, 0, 0, 0, 0, 0), "hypercall %u", nr);
		}
	show("mmuext_op", hypercall(26, (unsigned long)NOWHERE, 1, 0, SELF, 0));
	show("xsm_op", hypercall1(27, NOWHERE));
	for (unsigned cmd = 0; cmd < 33; cmd++)
		showf(hypercall2(HC_physdev_op, cmd, NOWHERE), "physdev_op %u nowhere", cmd);
}

void guest_main(void)
{
	multicalls();
	assists();
	control();
}
