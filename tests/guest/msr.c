/* MSRs: those Linux touches while booting answer, writes that are allowed pass, and unknown ones raise #GP. */
#include "lib/ops.h"

static void reads(uint32_t first, uint32_t last)
{
	uint64_t v;

	for (uint32_t m = first; m <= last; m++)
		say("read %x: %s\n", m, rdmsr_safe(m, &v) ? "yes" : "#GP");
}

static void value(uint32_t m)
{
	uint64_t v = 0;

	if (rdmsr_safe(m, &v))
		say("value %x: %x %x\n", m, (unsigned)(v >> 32), (unsigned)v);
	else
		say("value %x: #GP\n", m);
}

static void write(uint32_t m, uint64_t v)
{
	uint64_t back = 0;
	bool ok = wrmsr_safe(m, v);

	say("write %x %x %x: %s", m, (unsigned)(v >> 32), (unsigned)v, ok ? "yes" : "#GP");
	if (ok && rdmsr_safe(m, &back))
		say(", reads %x %x\n", (unsigned)(back >> 32), (unsigned)back);
	else
		say("\n");
}

void guest_main(void)
{
	uint64_t v;
	static const uint32_t plain[] = { 0x10,	      0x1b,	  0x8b,	      0xfe,	  0x174,      0x175,
					  0x176,      0x179,	  0x17a,      0x277,	  0x2ff,      0xc0000080,
					  0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
					  0xc0000102, 0xc0010010, 0xc0010015, 0xc0010055, 0xc0011029, 0x17,
					  0x48,	      0x49,	  0xce,	      0x10b,	  0x140,      0x1a0,
					  0x1d9,      0x1db,	  0x300,      0x345,	  0x38f,      0x3a,
					  0x480,      0x48b,	  0x610,      0x6e0,	  0xc0000103, 0xc0000104,
					  0xc0010000, 0xc0010004, 0xc001001a, 0xc001001d, 0xc0010030, 0xc0010058,
					  0xc0010061, 0xc0010112, 0xc0010114, 0xc0010117, 0xc0010140, 0xc001011f,
					  0xc0010200, 0xc0011005, 0xc0011020, 0xc0011022, 0xc0011023, 0xc001102a,
					  0xc001102c, 0xdeadbeef, 0x40000000, 0x40000001, 0x4b564d00, 0xda0 };

	for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		reads(plain[i], plain[i]);
	reads(0x200, 0x210);
	reads(0x250, 0x250);
	reads(0x258, 0x259);
	reads(0x268, 0x26f);
	reads(0x400, 0x407);
	value(0x2ff);
	/* QEMU keeps one PAT for all guests: its value at the start is the last guest's. */
	value(0x200);
	value(0x174);
	value(0xc0000081);
	value(0xc0010055);
	write(0x277, 0x0007040600070406ull);
	write(0x277, 0x0007010600070406ull);
	write(0x2ff, 0xc06);
	write(0x2ff, 0x2);
	write(0x200, 0x80000006);
	write(0x200, 0x80000002);
	write(0x201, 0xfff80000800ull);
	write(0x250, 0x0606060606060606ull);
	write(0x250, 0x0606060606060602ull);
	write(0xfe, 0x508);
	write(0x174, 8);
	write(0x175, 0x1000);
	write(0x176, 0x2000);
	write(0xc0000081, 0x0023001000000000ull);
	write(0xc0000082, 0x1000);
	write(0xc0000084, 0x47700);
	write(0xc0000101, 0x1234000);
	write(0xc0000102, 0x5678000);
	rdmsr_safe(0xc0000080, &v);
	write(0xc0000080, v);
	write(0xc0000080, v | 1);
	write(0xc0000080, v | 0x1000);
	write(0xc0000080, v | 2);
	write(0xc0000080, v);
	rdmsr_safe(0xc0010015, &v);
	show("HWCR write back", wrmsr_safe(0xc0010015, v));
	show("microcode level write", wrmsr_safe(0x8b, 0));
	for (uint32_t m = 0x400; m < 0x406; m++)
		check_eq("MCE bank write of zero", wrmsr_safe(m, 0), 1);
	write(0x1b, 0xfee00900);
	write(0x1b, 0xfee00100);
	write(0x1b, 0xfee00d00);
	write(0x1b, 0xfee00900);
	write(0x1b, 0xdead0900);
	reads(0x802, 0x803);
	write(0x1b, 0xfee00d00);
	write(0x1b, 0xfee00900);
	reads(0x800, 0x840);
	write(0xdeadbeef, 0);
	write(0xc0010114, 0);
	write(0xc0010117, 0);
	show("TSC write", wrmsr_safe(0x10, 0x1000000000ull));
}
