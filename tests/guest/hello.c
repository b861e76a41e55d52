/* guest: compare=no */
/* The smallest guest: says hello and what it sees, then ends. Milestone of the whole path from power-on to a hypercall. */
#include "lib/guest.h"

void guest_main(void)
{
	struct cpuid id = cpuid(0x40000000, 0);
	char sig[13] = { 0 };
	long version = hypercall2(HC_xen_version, 0, 0);
	char extra[16] = { 0 };

	memcpy(sig, &id.b, 4);
	memcpy(sig + 4, &id.c, 4);
	memcpy(sig + 8, &id.d, 4);
	hypercall2(HC_xen_version, 1, extra);
	say("HELLO from %d-bit guest on %s %ld.%ld%s, RAM up to %lu KiB, '%s'\n", (int)sizeof(long) * 8, sig,
	    version >> 16, version & 0xffff, extra, ram_end() >> 10, cmdline());
}
