/* guest: vcpus=3 timeout=30 */
/* VCPUOP_initialise: states no processor could be in, and vCPUs that begin in one that can. */
#include "lib/ops.h"

struct start32 {
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags, cr0, cr3, cr4, pad1;
	uint64_t efer;
	uint32_t cs_base, ds_base, ss_base, es_base, tr_base, cs_limit, ds_limit, ss_limit, es_limit, tr_limit;
	uint16_t cs_ar, ds_ar, ss_ar, es_ar, tr_ar, pad2[3];
};

struct start64 {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags, cr0, cr3, cr4, efer;
};

static struct {
	uint32_t mode, pad;
	union {
		struct start32 r32;
		struct start64 r64;
		uint8_t bytes[120];
	};
} ctx __attribute__((aligned(16)));

static volatile unsigned began;

/* The started vCPU: say so, and go away. It has a stack and nothing else. */
static void begin(void)
{
	began++;
	vcpu_op(2, 1, 0);
	for (;;)
		halt();
}

static void flat32(uint32_t esp)
{
	memset(&ctx, 0, sizeof(ctx));
	ctx.r32 = (struct start32){ .eip = (uint32_t)(unsigned long)begin,
				    .esp = esp,
				    .cr0 = 0x11,
				    .cs_limit = ~0u,
				    .ds_limit = ~0u,
				    .ss_limit = ~0u,
				    .es_limit = ~0u,
				    .tr_limit = 0x67,
				    .cs_ar = 0xc9b,
				    .ds_ar = 0xc93,
				    .ss_ar = 0xc93,
				    .es_ar = 0xc93,
				    .tr_ar = 0x8b };
}

static void flat64(uint64_t rsp)
{
	unsigned long cr3;

	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	memset(&ctx, 0, sizeof(ctx));
	ctx.mode = 1;
	ctx.r64 = (struct start64){
		.rip = (unsigned long)begin, .rsp = rsp, .cr0 = 0x80000011, .cr3 = cr3, .cr4 = 0x20, .efer = 0x100
	};
}

static void refuse32(const char *what, size_t at, uint32_t val, unsigned size)
{
	flat32(0);
	memcpy(ctx.bytes + at, &val, size);
	show(what, vcpu_op(0, 2, &ctx));
}

#define REFUSE32(what, field, val) refuse32(what, offsetof(struct start32, field), val, sizeof(ctx.r32.field))

static void refuse64(const char *what, size_t at, uint64_t val)
{
	flat64(0);
	memcpy(ctx.bytes + at, &val, 8);
	show(what, vcpu_op(0, 2, &ctx));
}

#define REFUSE64(what, field, val) refuse64(what, offsetof(struct start64, field), val)

static void refusals(void)
{
	show("initialise self nowhere", vcpu_op(0, 0, NOWHERE));
	show("initialise self", vcpu_op(0, 0, &ctx));
	flat32(0);
	ctx.pad = 1;
	show("pad", vcpu_op(0, 2, &ctx));
	flat32(0);
	ctx.mode = 2;
	show("mode 2", vcpu_op(0, 2, &ctx));
	REFUSE32("pad1", pad1, 1);
	REFUSE32("pad2", pad2[1], 1);
	REFUSE32("no cs", cs_ar, 0);
	REFUSE32("cs data", cs_ar, 0xc93);
	REFUSE32("cs absent", cs_ar, 0xc1b);
	REFUSE32("cs high bits", cs_ar, 0x1c9b);
	REFUSE32("no ss", ss_ar, 0);
	REFUSE32("ss code", ss_ar, 0xc9b);
	REFUSE32("ss read-only", ss_ar, 0xc91);
	REFUSE32("ss dpl 3", ss_ar, 0xcf3);
	REFUSE32("ds execute-only", ds_ar, 0xc99);
	REFUSE32("ds system", ds_ar, 0xc83);
	REFUSE32("no tr", tr_ar, 0);
	REFUSE32("tr 16 bits", tr_ar, 0x83);
	REFUSE32("tr data", tr_ar, 0xc93);
	REFUSE32("cr4 vmxe", cr4, 1u << 13);
	REFUSE32("efer svme", efer, 1u << 12);
	REFUSE32("efer lma", efer, 1u << 10);
	flat32(0);
	ctx.r32.cs_ar = 0x49b;
	ctx.r32.cs_limit = 0xfff;
	show("eip beyond limit", vcpu_op(0, 2, &ctx));
	REFUSE64("rip not canonical", rip, 1ull << 47);
	REFUSE64("64 without paging", cr0, 0x11);
	REFUSE64("64 without PAE", cr4, 0);
	REFUSE64("64 without LME", efer, 0);
	REFUSE64("64 with SVME", efer, 0x1100);
	REFUSE64("64 with VMXE", cr4, 0x2020);
}

void guest_main(void)
{
	unsigned long stack = (unsigned long)page_alloc(2) + 2 * 4096 - 64;

	refusals();
	show("up 2 that has no state", vcpu_op(1, 2, 0));
	if (sizeof(long) == 8)
		flat64(stack - 8);
	else
		flat32((uint32_t)stack - 4);
	show("initialise 1", vcpu_op(0, 1, &ctx));
	show("is_up 1", vcpu_op(3, 1, 0));
	show("initialise 1 again", vcpu_op(0, 1, &ctx));
	show("up 1", vcpu_op(1, 1, 0));
	for (unsigned i = 0; i < 100 && (!began || vcpu_op(3, 1, 0)); i++)
		sched_op(0, 0);
	for (uint64_t end = now(0) + 2000000000ull; now(0) < end && (!began || vcpu_op(3, 1, 0));)
		sched_op(0, 0);
	say("began %u times, is up: %ld\n", began, vcpu_op(3, 1, 0));
	show("up 1 again", vcpu_op(1, 1, 0));
	for (uint64_t end = now(0) + 2000000000ull; now(0) < end && vcpu_op(3, 1, 0) && began < 2;)
		sched_op(0, 0);
	say("began %u times\n", began);
}
