/* cpuid = of a configuration, read. Pure. */
#ifndef GUEST_CPUID_H
#define GUEST_CPUID_H

#include <stddef.h>
#include <stdint.h>

enum { CPUID_A, CPUID_B, CPUID_C, CPUID_D };
#define CPUID_NO_SUB 0xffffffffu
#define CPUID_WISHES 128

/* A leaf as the hypervisor's policy calls have it. */
struct cpuid_entry {
	uint32_t leaf, sub; /* sub CPUID_NO_SUB: it has none */
	uint32_t reg[4];
};

/* What shall become of one register of one leaf; bits in none of the masks stay as they are. */
struct cpuid_wish {
	uint32_t leaf, sub;
	unsigned reg;		     /* CPUID_A ... */
	uint32_t ones, zeroes, host; /* zeroes includes ones; host: as the machine has them */
	char text[48];		     /* as written, for messages */
};

/*
 * Read entries separated by ';'. An entry is libxl's ("host,name=value,...": values 0, 1, x, k, s, or a number for a field) or xend's
 * ("leaf[,subleaf]:register=32 of 0 1 x k s,..."). How many wishes, or -1 with what is not understood in @bad.
 */
int cpuid_parse(const char *text, struct cpuid_wish *list, int room, char *bad, size_t bad_size);

#endif
