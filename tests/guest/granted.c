/* guest: oracle=no */
/*
 * A granted page mapped into the guest: reading, writing and executing it, writing a read-only mapping, and what is there once it is unmapped. Not
 * compared: real Xen takes a page a guest maps of its own from where it was, and ends a domain that executes one.
 */
#include "lib/grants.h"

#define HOST 2u
#define READONLY 4u
#define REF 20u

static volatile struct entry *table;
static volatile unsigned faults, error;

extern char resume_here[];

/* Goes on behind the call that could not be fetched. */
static void on_fault(struct frame *f)
{
	faults++;
	error = (unsigned)f->error;
	f->ip = (unsigned long)resume_here;
}

/* Call what lies at @code: a lone RET. The stack is put right whether that came back or not. */
static void __attribute__((noinline)) execute(const char *what, void *code)
{
	faults = error = 0;
#ifdef __x86_64__
	asm volatile("mov %%rsp, %%rbx\n\tcall *%0\n.globl resume_here\nresume_here:\tmov %%rbx, %%rsp" ::"a"(code)
		     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
#else
	asm volatile("mov %%esp, %%esi\n\tcall *%0\n.globl resume_here\nresume_here:\tmov %%esi, %%esp" ::"a"(code)
		     : "ecx", "edx", "esi", "memory", "cc");
#endif
	say("%s: %u faults, error %x\n", what, faults, error);
	check_eq("no error code", error, 0);
}

static long map(volatile uint8_t *at, uint32_t flags, uint32_t *handle)
{
	struct map m = { gfn_of(at) << 12, flags, REF, my_domid(), 77, 0, 0 };
	long rc = hypercall3(HC_grant_table_op, 0, &m, 1);

	say("map, flags %u: status %d, entry %x\n", flags, m.status, table[REF].flags);
	*handle = m.handle;
	return rc ? rc : m.status;
}

static void unmap(volatile uint8_t *at, uint32_t handle)
{
	struct unmap u = { gfn_of(at) << 12, 0, handle, 77 };

	show("unmap", hypercall3(HC_grant_table_op, 1, &u, 1));
	say("status %d, entry %x\n", u.status, table[REF].flags);
}

void guest_main(void)
{
	uint8_t *page = page_alloc(1);
	volatile uint8_t *window = page_alloc(1);
	uint32_t handle;

	set_vector(13, on_fault);
	set_vector(14, on_fault);
	table = page_alloc(1);
	check_eq("map the table", mem_add(SELF, 1, 0, gfn_of(table)), 0);
	table[REF] = (struct entry){ 1, my_domid(), (uint32_t)gfn_of(page) };
	memset(page, 0xc3, PAGE);
	execute("the page itself", page);
	check_eq("faults", faults, 0);
	check_eq("map", map(window, HOST, &handle), 0);
	check_eq("read", window[5], 0xc3);
	window[5] = 0x90;
	check_eq("written", page[5], 0x90);
	/* Another's page is data: a general protection fault, which a kernel can give to the process that did it. */
	execute("granted", (void *)window);
	check_eq("faults", faults, 1);
	unmap(window, handle);
	check_eq("read where nothing is", window[5], 0xff);
	check_eq("map read-only", map(window, HOST | READONLY, &handle), 0);
	check_eq("read", window[5], 0x90);
	window[5] = 0xc3;
	check_eq("not written", page[5], 0x90);
	unmap(window, handle);
}
