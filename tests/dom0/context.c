/*
 * context DOMID: a domain's saved state goes in and comes out the same. Runs in a dom0 (static, by /dev/xen/privcmd): pauses the domain,
 * reads its state, loads it, reads it again and compares, three times. Only what counts time may differ. Prints "context: N differences".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "abi/domctl.h"
#include "abi/hvm_save.h"

#define BUFFER (256u << 10)
#define APIC_TMCCT 0x390u /* current count of the timer */

struct privcmd_hypercall {
	uint64_t op, arg[5];
};

static int privcmd;
static struct xen_domctl *op;

static long control(uint32_t cmd, domid_t id)
{
	struct privcmd_hypercall call = { __HYPERVISOR_domctl, { (uint64_t)op } };

	op->cmd = cmd;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = id;
	return ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof(call)), &call);
}

static void must(long rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

static uint32_t read_state(domid_t id, uint8_t *buf)
{
	memset(op, 0, sizeof(*op));
	op->u.hvmcontext.buffer = (uint64_t)buf;
	op->u.hvmcontext.size = BUFFER;
	must(control(XEN_DOMCTL_gethvmcontext, id), "gethvmcontext");
	return op->u.hvmcontext.size;
}

/* May byte @at of a record of kind @code change by itself? */
static int counts_time(uint16_t code, uint32_t at)
{
	if (code == HVM_SAVE_CODE_CPU)
		return at - offsetof(struct hvm_hw_cpu, tsc) < 8;
	return code == HVM_SAVE_CODE_LAPIC_REGS && at - APIC_TMCCT < 4;
}

static unsigned compare(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	struct hvm_save_descriptor desc;
	unsigned differences = 0;

	for (uint32_t at = 0; at + sizeof(desc) <= len; at += sizeof(desc) + desc.length) {
		memcpy(&desc, a + at, sizeof(desc));
		differences += memcmp(a + at, b + at, sizeof(desc)) != 0;
		for (uint32_t i = 0; i < desc.length; i++)
			if (a[at + sizeof(desc) + i] != b[at + sizeof(desc) + i] && !counts_time(desc.typecode, i))
				differences++;
	}
	return differences;
}

int main(int argc, char **argv)
{
	domid_t id = argc > 1 ? (domid_t)atoi(argv[1]) : 0;
	unsigned differences = 0;
	uint8_t *area, *a, *b;

	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	must(privcmd, "privcmd");
	/* The hypervisor reaches memory that is there and stays. */
	area = mmap(NULL, 4096 + 2 * BUFFER, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	if (area == MAP_FAILED)
		must(-1, "memory");
	op = (struct xen_domctl *)area;
	a = area + 4096;
	b = a + BUFFER;
	must(control(XEN_DOMCTL_pausedomain, id), "pausedomain");
	for (unsigned round = 0; round < 3; round++) {
		uint32_t len = read_state(id, a);

		op->u.hvmcontext.buffer = (uint64_t)a;
		op->u.hvmcontext.size = len;
		must(control(XEN_DOMCTL_sethvmcontext, id), "sethvmcontext");
		differences += read_state(id, b) != len || compare(a, b, len);
	}
	must(control(XEN_DOMCTL_unpausedomain, id), "unpausedomain");
	printf("context: %u differences\n", differences);
	return differences != 0;
}
