/* Micro-guest library: see guest.h. */
#include "guest.h"

#include <stdarg.h>

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* Copies: the originals lie somewhere behind the image, where page_alloc() hands out pages. */
static struct start_info start_info;
static struct memmap_entry memmap[32];
static char command_line[512];
static bool use_vmcall;
static char image_end_marker;

/* Output ------------------------------------------------------------------------------------- */

static void put_char(char c)
{
	outb(0xe9, (uint8_t)c);
}

static void put_number(unsigned long n, unsigned base, bool negative)
{
	char buf[24];
	int i = 0;

	do
		buf[i++] = "0123456789abcdef"[n % base];
	while (n /= base);
	if (negative)
		put_char('-');
	while (i)
		put_char(buf[--i]);
}

static void vsay(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool l = false;

		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		if (*++fmt == 'l') {
			l = true;
			fmt++;
		}
		switch (*fmt) {
		case 'd': {
			long n = l ? va_arg(ap, long) : va_arg(ap, int);

			put_number(n < 0 ? -(unsigned long)n : (unsigned long)n, 10, n < 0);
			break;
		}
		case 'u':
			put_number(l ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, false);
			break;
		case 'x':
			put_number(l ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, false);
			break;
		case 'p':
			put_number((unsigned long)va_arg(ap, void *), 16, false);
			break;
		case 'c':
			put_char((char)va_arg(ap, int));
			break;
		case 's':
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put_char(*s);
			break;
		case '%':
			put_char('%');
			break;
		}
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

void check_eq(const char *what, long got, long want)
{
	if (got == want)
		say("ok %s\n", what);
	else
		say("WRONG %s: got %ld (0x%lx), want %ld\n", what, got, got, want);
}

void show(const char *what, long value)
{
	showf(value, "%s", what);
}

void showf(long value, const char *fmt, ...)
{
	va_list ap;
	static const struct {
		int nr;
		const char *name;
	} names[] = { { 1, "EPERM" },	  { 2, "ENOENT" },	{ 3, "ESRCH" },	  { 7, "E2BIG" },   { 11, "EAGAIN" },
		      { 12, "ENOMEM" },	  { 13, "EACCES" },	{ 14, "EFAULT" }, { 16, "EBUSY" },  { 17, "EEXIST" },
		      { 22, "EINVAL" },	  { 28, "ENOSPC" },	{ 34, "ERANGE" }, { 38, "ENOSYS" }, { 61, "ENODATA" },
		      { 62, "ETIME" },	  { 95, "EOPNOTSUPP" }, { 6, "ENXIO" },	  { 19, "ENODEV" }, { 75, "EOVERFLOW" },
		      { 85, "ERESTART" }, { 105, "ENOBUFS" },	{ 8, "ENOEXEC" }, { 5, "EIO" } };

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (value == -names[i].nr) {
			say(": -%s\n", names[i].name);
			return;
		}
	say(": %ld\n", value);
}

/* Calls -------------------------------------------------------------------------------------- */

long hypercall(unsigned nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e)
{
	long rc;
#ifdef __x86_64__
	register unsigned long r10 asm("r10") = d;
	register unsigned long r8 asm("r8") = e;

	if (use_vmcall)
		asm volatile("vmcall"
			     : "=a"(rc), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
			     : "a"((unsigned long)nr)
			     : "memory");
	else
		asm volatile("vmmcall"
			     : "=a"(rc), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
			     : "a"((unsigned long)nr)
			     : "memory");
#else
	if (use_vmcall)
		asm volatile("vmcall" : "=a"(rc), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : "a"(nr) : "memory");
	else
		asm volatile("vmmcall" : "=a"(rc), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : "a"(nr) : "memory");
#endif
	return rc;
}

void shut_down(unsigned reason)
{
	for (;;) {
		hypercall2(HC_sched_op, 2, &reason);
		asm volatile("cli; hlt");
	}
}

/* CPU ---------------------------------------------------------------------------------------- */

struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}

void outb(uint16_t port, uint8_t val)
{
	asm volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

uint32_t inl(uint16_t port)
{
	uint32_t v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

void wrmsr(uint32_t msr, uint64_t val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}

/* Set while a *_safe access runs: a #GP inside it skips the two-byte instruction instead. */
static volatile bool gp_expected, gp_seen;

bool rdmsr_safe(uint32_t msr, uint64_t *val)
{
	gp_seen = false;
	gp_expected = true;
	*val = rdmsr(msr);
	gp_expected = false;
	return !gp_seen;
}

bool wrmsr_safe(uint32_t msr, uint64_t val)
{
	gp_seen = false;
	gp_expected = true;
	wrmsr(msr, val);
	gp_expected = false;
	return !gp_seen;
}

/* Vectors ------------------------------------------------------------------------------------ */

struct gate {
	uint16_t off0, sel;
	uint8_t ist, type;
	uint16_t off1;
#ifdef __x86_64__
	uint32_t off2, zero;
#endif
} __attribute__((packed));

static struct gate idt[256];
static vector_fn *vectors[256];
extern const char vector_stubs[];

void vector_entry(struct frame *f);

void vector_entry(struct frame *f)
{
	if (vectors[f->vector]) {
		vectors[f->vector](f);
		return;
	}
	if (f->vector == 13 && gp_expected) {
		gp_seen = true;
		f->ip += 2;
		return;
	}
	say("UNEXPECTED vector %lu error %lx at %lx\n", (unsigned long)f->vector, (unsigned long)f->error,
	    (unsigned long)f->ip);
	shut_down(3);
}

static void load_idt(void)
{
	struct {
		uint16_t limit;
		unsigned long base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (unsigned long)idt };

	asm volatile("lidt %0" : : "m"(idtr));
}

static void init_idt(void)
{
	for (unsigned i = 0; i < 256; i++) {
		unsigned long at = (unsigned long)vector_stubs + i * 16;

		idt[i].off0 = (uint16_t)at;
		idt[i].off1 = (uint16_t)(at >> 16);
		idt[i].type = 0x8e;
#ifdef __x86_64__
		idt[i].sel = 24;
#else
		idt[i].sel = 8;
#endif
	}
	load_idt();
}

void set_vector(unsigned vector, vector_fn *fn)
{
	vectors[vector] = fn;
}

void irq_on(void)
{
	asm volatile("sti" : : : "memory");
}

void irq_off(void)
{
	asm volatile("cli" : : : "memory");
}

void halt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Local APIC, always as x2APIC --------------------------------------------------------------- */

void apic_enable(void)
{
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	wrmsr(0x80f, 0x1ff);
	wrmsr(0x808, 0);
}

void apic_eoi(void)
{
	wrmsr(0x80b, 0);
}

uint32_t apic_id(void)
{
	return (uint32_t)rdmsr(0x802);
}

void apic_ipi(uint32_t dest, uint32_t icr_low)
{
	wrmsr(0x830, (uint64_t)dest << 32 | icr_low);
}

extern char trampoline[], trampoline_end[];
extern uint64_t ap_stack;
static void (*ap_fn)(void);
static volatile bool ap_running;

void ap_boot(void);

void ap_boot(void)
{
	void (*fn)(void) = ap_fn;

	load_idt();
	apic_enable();
	ap_running = true;
	fn();
}

void smp_start(unsigned id, void (*fn)(void))
{
	memcpy((void *)0x8000, trampoline, (size_t)(trampoline_end - trampoline));
	ap_stack = (uint64_t)(unsigned long)page_alloc(4) + 4 * 4096;
	ap_fn = fn;
	ap_running = false;
	apic_ipi(2 * id, 0x4500); /* INIT */
	/* STARTUP at 0x8000; again when the first one found the INIT still under way (Intel MP 1.4, B.4 has two as well). */
	while (!ap_running) {
		apic_ipi(2 * id, 0x4608);
		for (unsigned i = 0; i < 20000 && !ap_running; i++)
			asm volatile("pause");
	}
}

/* Memory ------------------------------------------------------------------------------------- */

extern char guest_end[];
static unsigned long next_page;

void *page_alloc(unsigned pages)
{
	void *p;

	if (!next_page)
		next_page = ((unsigned long)guest_end + 4095) & ~4095UL;
	p = (void *)next_page;
	next_page += pages * 4096UL;
	memset(p, 0, pages * 4096UL);
	return p;
}

unsigned long ram_end(void)
{
	const struct memmap_entry *map = memmap;

	for (uint32_t i = 0; i < start_info.memmap_entries; i++)
		if (map[i].type == 1 && map[i].addr <= (unsigned long)&image_end_marker &&
		    map[i].addr + map[i].size > (unsigned long)&image_end_marker)
			return (unsigned long)(map[i].addr + map[i].size);
	return 0;
}

const char *cmdline(void)
{
	return command_line;
}

uint16_t other_domain(void)
{
	unsigned n = 0;

	for (const char *s = cmdline(); *s; s++)
		if (!memcmp(s, "other=", 6))
			for (s += 6; *s >= '0' && *s <= '9'; s++)
				n = n * 10 + (unsigned)(*s - '0');
	return (uint16_t)n;
}

void *memset(void *p, int c, size_t n)
{
	uint8_t *b = p;

	while (n--)
		*b++ = (uint8_t)c;
	return p;
}

void *memcpy(void *d, const void *s, size_t n)
{
	uint8_t *to = d;
	const uint8_t *from = s;

	while (n--)
		*to++ = *from++;
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Shared info and 2-level events --------------------------------------------------------------- */

static volatile uint8_t *info_page;

volatile uint8_t *shared_info(void)
{
	struct {
		uint16_t domid, size;
		uint32_t space;
		unsigned long idx, gpfn;
	} x = { 0x7ff0, 0, 0, 0, 0 };

	if (!info_page) {
		uint8_t *p = page_alloc(1);

		x.gpfn = (unsigned long)p >> 12;
		check_eq("map shared_info", hypercall2(HC_memory_op, 7, &x), 0);
		info_page = p;
	}
	return info_page;
}

/* Layout facts: struct shared_info of the public interface, both widths. */
#define PENDING_OFFSET 2048
#define MASK_OFFSET (2048 + sizeof(long) * sizeof(long) * 8)

volatile uint8_t *vcpu_info(unsigned vcpu)
{
	return shared_info() + vcpu * 64;
}

bool event_pending(unsigned port)
{
	return shared_info()[PENDING_OFFSET + port / 8] >> (port % 8) & 1;
}

static void bit_op(volatile uint8_t *byte, unsigned bit, bool set)
{
	if (set)
		__atomic_fetch_or(byte, (uint8_t)(1u << bit), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(byte, (uint8_t) ~(1u << bit), __ATOMIC_SEQ_CST);
}

void event_clear(unsigned port)
{
	bit_op(shared_info() + PENDING_OFFSET + port / 8, port % 8, false);
}

void event_mask(unsigned port)
{
	bit_op(shared_info() + MASK_OFFSET + port / 8, port % 8, true);
}

void event_unmask(unsigned port)
{
	uint32_t arg = port;

	hypercall2(HC_event_channel_op, 9, &arg);
}

static void (*upcall_fn)(void);

static void upcall(struct frame *f)
{
	(void)f;
	apic_eoi();
	upcall_fn();
}

void upcall_enable(unsigned vcpu, uint8_t vector, void (*fn)(void))
{
	struct {
		uint32_t vcpu;
		uint8_t vector;
	} op = { vcpu, vector };
	struct {
		uint16_t domid, pad;
		uint32_t index;
		uint64_t value;
	} marker = { 0x7ff0, 0, 0, 1 };

	upcall_fn = fn;
	set_vector(vector, upcall);
	check_eq("set upcall vector", hypercall2(HC_hvm_op, 23, &op), 0);
	hypercall2(HC_hvm_op, 0, &marker);
}

/* ---------------------------------------------------------------------------------------------- */

void guest_boot(const struct start_info *si);

void guest_boot(const struct start_info *si)
{
	start_info = *si;
	if (start_info.memmap_entries > 32)
		start_info.memmap_entries = 32;
	memcpy(memmap, (const void *)(unsigned long)si->memmap_paddr, start_info.memmap_entries * sizeof(memmap[0]));
	if (si->cmdline_paddr)
		memcpy(command_line, (const char *)(unsigned long)si->cmdline_paddr, sizeof(command_line) - 1);
	use_vmcall = cpuid(0, 0).b == 0x756e6547; /* "Genu" */
	init_idt();
	guest_main();
	shut_down(0);
}
