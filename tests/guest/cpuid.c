/* guest: vcpus=2 */
/* CPUID: the hypervisor's leaves, and what must hold in the processor's own. Only what does not depend on the machine is printed. */
#include "lib/ops.h"

void guest_main(void)
{
	struct cpuid r = cpuid(0x40000000, 0), l;

	say("leaf 40000000: max %x\n", r.a);
	check_eq("signature", r.b == 0x566e6558 && r.c == 0x65584d4d && r.d == 0x4d4d566e, 1);
	r = cpuid(0x40000001, 0);
	say("leaf 1: %x %x %x %x\n", r.a, r.b, r.c, r.d);
	r = cpuid(0x40000002, 0);
	say("leaf 2: pages %x msr %x features %x %x\n", r.a, r.b, r.c, r.d);
	r = cpuid(0x40000003, 0);
	check_eq("leaf 3.0: TSC frequency in kHz", r.c > 100000, 1);
	say("leaf 3.0: tsc mode %u\n", r.b);
	r = cpuid(0x40000003, 1);
	check_eq("leaf 3.1: multiplier", r.c != 0, 1);
	r = cpuid(0x40000003, 2);
	check_eq("leaf 3.2: host kHz", r.a > 100000, 1);
	for (unsigned i = 3; i < 5; i++) {
		r = cpuid(0x40000003, i);
		say("leaf 3.%u: %x %x %x %x\n", i, r.a, r.b, r.c, r.d);
	}
	r = cpuid(0x40000004, 0);
	say("leaf 4: %x vcpu %x domid known %d %x\n", r.a, r.b, r.c != 0, r.d);
	r = cpuid(0x40000005, 0);
	say("leaf 5: %x %x %x\n", r.a, r.c, r.d);
	for (unsigned i = 6; i < 10; i++) {
		r = cpuid(0x40000000 + i, 0);
		say("leaf %x: %x %x %x %x\n", 0x40000000 + i, r.a, r.b, r.c, r.d);
	}
	r = cpuid(0x40000100, 0);
	say("leaf 40000100: %x %x %x %x\n", r.a, r.b, r.c, r.d);
	r = cpuid(0x50000000, 0);
	say("leaf 50000000: %x %x %x %x\n", r.a, r.b, r.c, r.d);

	l = cpuid(1, 0);
	check_eq("hypervisor bit", l.c >> 31, 1);
	check_eq("x2APIC", l.c >> 21 & 1, 1);
	check_eq("no VMX", l.c >> 5 & 1, 0);
	check_eq("no MONITOR", l.c >> 3 & 1, 0);
	check_eq("APIC", l.d >> 9 & 1, 1);
	check_eq("PSE PAE CX8 PGE CMOV SSE2", (l.d & 0x0400a148) == 0x0400a148, 1);
	check_eq("MTRR", l.d >> 12 & 1, 1);
	check_eq("no PSE36 means nothing: initial APIC id", l.b >> 24, 0);
	check_eq("OSXSAVE follows CR4", l.c >> 27 & 1, 0);
	l = cpuid(0x80000001, 0);
	check_eq("no SVM", l.c >> 2 & 1, 0);
	check_eq("long mode", l.d >> 29 & 1, 1);
	check_eq("NX", l.d >> 20 & 1, 1);
	l = cpuid(0x8000000a, 0);
	say("SVM leaf: %x %x %x %x\n", l.a, l.b, l.c, l.d);
	l = cpuid(0xb, 0);
	say("APIC id by leaf b: %x\n", l.d);
	l = cpuid(6, 0);
	say("leaf 6: %x %x %x %x\n", l.a, l.b, l.c, l.d);
	l = cpuid(0xa, 0);
	say("leaf a: %x %x %x %x\n", l.a, l.b, l.c, l.d);
	r = cpuid(0, 0);
	l = cpuid(0x80000000, 0);
	check_eq("extended leaves", l.a >= 0x80000008, 1);
	check_eq("the vendor is the silicon's", l.b == r.b && l.c == r.c && l.d == r.d, 1);
}
