/* guest: memory=8 only=64 oracle=no */
/*
 * A guest that leads one address elsewhere between two exits: the hypervisor, which reads arguments and instructions through the guest's tables, must
 * follow each time, by whatever entry it was changed. All but the calls is the processor's business, so there is nothing to compare with Xen.
 */
#include "lib/ops.h"

#ifdef __x86_64__
#define BIG 0x200000ul
#define ALIAS 0x40000000ul /* of the address space's second GiB, which is mapped to nothing that exists */
#define PRESENT 1ul
#define WRITABLE 2ul
#define LARGE 0x80ul

extern uint64_t page_dirs[], page_top[];

/* 16 bytes that a call fills with text, in two places that lie alike in two large pages. */
static char *here, *there;
static volatile uint64_t *entry, *pointer;

/* Let the alias of @here be read by @e in the directory. */
static void lead(uint64_t e)
{
	*entry = e;
	asm volatile("invlpg (%0)" : : "r"(ALIAS) : "memory");
}

#define CR0_WP 0x10000ul

/* Does a kernel keep to what is read only? */
static void protect(bool on)
{
	unsigned long cr0;

	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %0, %%cr0" : : "r"(on ? cr0 | CR0_WP : cr0 & ~CR0_WP) : "memory");
}

static long ask(void)
{
	memset(here, 0, 16);
	memset(there, 0, 16);
	return hypercall2(HC_xen_version, 1, ALIAS + (unsigned long)here % BIG); /* XENVER_extraversion */
}

static void written(const char *what, long rc, bool to_here, bool to_there)
{
	say("%s\n", what);
	check_eq("answer", rc, to_here || to_there ? 0 : -14);
	check_eq("this one is written", here[0] != 0, to_here);
	check_eq("that one is written", there[0] != 0, to_there);
}

static void arguments(void)
{
	uint64_t *other = page_alloc(1), *another = page_alloc(1);

	lead(PRESENT | WRITABLE | LARGE);
	written("here", ask(), true, false);
	written("and again", ask(), true, false);
	lead(BIG | PRESENT | WRITABLE | LARGE);
	written("there", ask(), false, true);
	lead(BIG | WRITABLE | LARGE);
	written("not present", ask(), false, false);
	lead(BIG | PRESENT | LARGE);
	written("read only, which this mode ignores", ask(), false, true);
	protect(true);
	written("read only", ask(), false, false);
	protect(false);
	lead(PRESENT | WRITABLE | LARGE);
	written("here once more", ask(), true, false);

	/* By a table of small pages below the same entry. */
	for (unsigned i = 0; i < 512; i++)
		other[i] = (BIG + i * 4096ul) | PRESENT | WRITABLE;
	lead((unsigned long)other | PRESENT | WRITABLE);
	written("there, in small pages", ask(), false, true);
	other[(unsigned long)here % BIG / 4096] &= BIG - 1;
	asm volatile("invlpg (%0)" : : "r"(ALIAS + (unsigned long)here % BIG) : "memory");
	written("one of them here", ask(), true, false);

	/* By another directory above it. */
	another[0] = BIG | PRESENT | WRITABLE | LARGE;
	*pointer = (unsigned long)another | PRESENT | WRITABLE;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
	written("there, by another directory", ask(), false, true);
	*pointer = (unsigned long)entry | PRESENT | WRITABLE;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
	written("here, by the old one", ask(), true, false);
}

/* By another root. */
static void roots(void)
{
	uint64_t *root = page_alloc(1), *pointers = page_alloc(1), *directory = page_alloc(1);
	unsigned long old;
	long rc;

	for (unsigned i = 0; i < 4; i++)
		pointers[i] = ((volatile uint64_t *)(page_top[0] & ~0xffful))[i];
	pointers[1] = (unsigned long)directory | PRESENT | WRITABLE;
	directory[0] = BIG | PRESENT | WRITABLE | LARGE;
	root[0] = (unsigned long)pointers | PRESENT | WRITABLE;
	lead(PRESENT | WRITABLE | LARGE);
	written("here, by this root", ask(), true, false);
	asm volatile("mov %%cr3, %0; mov %1, %%cr3" : "=&r"(old) : "r"(root) : "memory");
	rc = ask();
	asm volatile("mov %0, %%cr3" : : "r"(old) : "memory");
	written("there, by the other root", rc, false, true);
	written("here, by this root again", ask(), true, false);
}

/* CPUID and return; and the same with a prefix, so a byte longer. */
static const uint8_t plain[] = { 0x0f, 0xa2, 0xc3 }, longer[] = { 0x3e, 0x0f, 0xa2, 0xc3 };

static uint32_t call_alias(void)
{
	uint32_t leaf = 0x40000000;

	asm volatile("call *%1" : "+a"(leaf) : "r"(ALIAS + (unsigned long)here % BIG) : "rbx", "rcx", "rdx", "memory");
	return leaf >> 16;
}

static void instructions(void)
{
	memcpy(here, plain, sizeof(plain));
	memcpy(there, longer, sizeof(longer));
	for (unsigned i = 0; i < 3; i++) {
		lead(PRESENT | WRITABLE | LARGE);
		check_eq("instruction here", call_alias(), 0x4000);
		lead(BIG | PRESENT | WRITABLE | LARGE);
		check_eq("instruction there", call_alias(), 0x4000);
	}
}

void guest_main(void)
{
	here = page_alloc(1);
	there = here + BIG;
	pointer = (volatile uint64_t *)(page_top[0] & ~0xffful) + 1;
	entry = page_dirs + 512;
	arguments();
	roots();
	instructions();
}
#else
/* Has no tables. */
void guest_main(void)
{
}
#endif
