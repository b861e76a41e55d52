/* I/O ports: nothing answers but the debug port. String I/O and all sizes. */
#include "lib/ops.h"

static uint16_t inw(uint16_t port)
{
	uint16_t v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void outl(uint16_t port, uint32_t v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

void guest_main(void)
{
	static const uint16_t ports[] = { 0,	 0x20,	0x21,	0x40,  0x60,  0x61,  0x64,  0x70,  0x71,
					  0x80,	 0x92,	0xa0,	0x1f0, 0x2f8, 0x3d4, 0x3f8, 0x3fd, 0x4d0,
					  0x510, 0x511, 0xb000, 0xcf8, 0xcf9, 0xcfc, 0xffff };
	static uint8_t buf[16];
	void *p;
	unsigned long n;

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		say("inb %x: %x\n", ports[i], inb(ports[i]));
	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (ports[i] < 0xfffd)
			say("%x: inw %x inl %x\n", ports[i], inw(ports[i]), inl(ports[i]));
	say("inb e9: %x\n", inb(0xe9));
	/* The upper bits of rax stay with 8 and 16-bit reads. */
	{
		unsigned long v = 0x12345678;

		asm volatile("inb $0x80, %%al" : "+a"(v));
		say("after inb %lx\n", v);
		v = 0x12345678;
		asm volatile("inw $0x80, %%ax" : "+a"(v));
		say("after inw %lx\n", v);
#ifdef __x86_64__
		v = 0x123456789abcdef0;
		asm volatile("inl $0x80, %%eax" : "+a"(v));
		say("after inl %lx\n", v);
#endif
	}
	outl(0x80, 0x1234);
	outb(0x3f8, 'x');
	memset(buf, 0, sizeof(buf));
	p = buf;
	n = 5;
	asm volatile("cld; rep insb" : "+D"(p), "+c"(n) : "d"(0x80) : "memory");
	say("rep insb: %x %x, moved %d left %lu\n", buf[4], buf[5], (int)((uint8_t *)p - buf), n);
	memcpy(buf, "string\n", 7);
	p = buf;
	n = 7;
	asm volatile("cld; rep outsb" : "+S"(p), "+c"(n) : "d"(0xe9) : "memory");
	say("rep outsb: moved %d left %lu\n", (int)((uint8_t *)p - buf), n);
	n = 0;
	asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(0xe9) : "memory");
	say("rep of none: moved %d\n", (int)((uint8_t *)p - buf));
	for (unsigned i = 0; i < 150; i++)
		outb(0xe9, (uint8_t)('a' + i % 26));
	outb(0xe9, '\n');
	outb(0xe9, 7);
	say("control\tcharacters\n");
}
