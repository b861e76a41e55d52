/*
 * Saved state of a domain: the stream of records as tools write and read it, states no processor could be in, and the first state of a
 * vCPU (VCPUOP_initialise). Answers are those real Xen 4.17 gave where it checks at all.
 */
#include <stdlib.h>

#include "control_test.h"

#include "abi/hvm_vcpu.h"
#include "abi/vcpu.h"
#include "asm/cpu.h"
#include "asm/msr.h"
#include "hvm/vcpu_check.h"
#include "policy.h"

static struct domain *d; /* with two vCPUs, never run */

static int setup(void **state)
{
	control_setup(state);
	d = create(2);
	return 0;
}

/* A stream under construction in the toolstack's memory. */
static struct {
	uint8_t bytes[8192];
	uint32_t len;
} stream;

static void add(uint16_t code, uint16_t instance, const void *rec, uint32_t len)
{
	struct hvm_save_descriptor desc = { code, instance, len };

	memcpy(stream.bytes + stream.len, &desc, sizeof(desc));
	if (len)
		memcpy(stream.bytes + stream.len + sizeof(desc), rec, len);
	stream.len += (uint32_t)sizeof(desc) + len;
}

static struct hvm_save_header header_of_machine(void)
{
	return (struct hvm_save_header){ .magic = HVM_FILE_MAGIC, .version = HVM_FILE_VERSION, .cpuid = 0x00a20f10 };
}

static void begin(void)
{
	struct hvm_save_header h = header_of_machine();

	stream.len = 0;
	add(HVM_SAVE_CODE_HEADER, 0, &h, sizeof(h));
}

static long load(void)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_sethvmcontext, d->id);

	memcpy(gpa_ptr(tools, BUF), stream.bytes, min_u64(stream.len, PAGE_SIZE));
	if (stream.len > PAGE_SIZE)
		memcpy(gpa_ptr(tools, BUF + PAGE_SIZE), stream.bytes + PAGE_SIZE, stream.len - PAGE_SIZE);
	op.u.hvmcontext.size = stream.len;
	op.u.hvmcontext.buffer = BUF;
	return domctl(&op);
}

/* Entry state of a PVH guest, as libxl writes it. */
static struct hvm_hw_cpu pvh_cpu(void)
{
	return (struct hvm_hw_cpu){ .cr0 = CR0_PE | CR0_ET,
				    .rip = 0x100020,
				    .rbx = 0x110000,
				    .cs_limit = ~0u,
				    .ds_limit = ~0u,
				    .es_limit = ~0u,
				    .ss_limit = ~0u,
				    .tr_limit = 0x67,
				    .cs_arbytes = 0xc9b,
				    .ds_arbytes = 0xc93,
				    .es_arbytes = 0xc93,
				    .ss_arbytes = 0xc93,
				    .tr_arbytes = 0x8b,
				    .dr6 = 0xffff0ff0,
				    .dr7 = 0x400 };
}

static long load_cpu(struct hvm_hw_cpu c, uint16_t instance)
{
	begin();
	add(HVM_SAVE_CODE_CPU, instance, &c, sizeof(c));
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	return load();
}

/* What libxl does in a plain create: ask for the size, read, then set one CPU and one MTRR record. */
static void test_create_sequence(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_gethvmcontext, d->id);
	struct hvm_hw_mtrr mtrr = { .msr_pat_cr = 0x0007040600070406,
				    .msr_mtrr_cap = 0x508,
				    .msr_mtrr_def_type = 0x806 };
	struct hvm_save_descriptor desc;
	uint32_t size;

	assert_int_equal(domctl(&op), 0);
	size = op.u.hvmcontext.size;
	assert_true(size > 1000);
	op.u.hvmcontext.buffer = BUF;
	op.u.hvmcontext.size = size - 1;
	assert_int_equal(domctl(&op), -ENOSPC);
	op.u.hvmcontext.size = size;
	assert_int_equal(domctl(&op), 0);
	memcpy(&desc, gpa_ptr(tools, BUF), sizeof(desc));
	assert_int_equal(desc.typecode, HVM_SAVE_CODE_HEADER);
	assert_int_equal(desc.length, sizeof(struct hvm_save_header));
	/* No vCPU is up: there is no CPU record, only MTRRs. */
	memcpy(&desc, (uint8_t *)gpa_ptr(tools, BUF) + 32, sizeof(desc));
	assert_int_equal(desc.typecode, HVM_SAVE_CODE_MTRR);

	assert_int_equal(load_cpu(pvh_cpu(), 0), 0);
	assert_true(d->vcpu[0]->initialised);
	assert_int_equal(d->vcpu[0]->pause_flags, 0);
	assert_int_equal(d->vcpu[1]->pause_flags, VPF_DOWN);
	begin();
	add(HVM_SAVE_CODE_MTRR, 0, &mtrr, sizeof(mtrr));
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), 0);
	assert_int_equal(d->vcpu[0]->arch.mtrr.msr_mtrr_def_type, 0x806);
	assert_int_equal(info_of(d->id).nr_online_vcpus, 1);
}

/* What comes out goes in again, and comes out the same. */
static void test_round_trip(void **state)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_gethvmcontext, d->id);
	struct hvm_hw_cpu c = pvh_cpu();
	uint32_t len;
	uint8_t *first;

	c.rax = 0x1234567890;
	c.r15 = 15;
	assert_int_equal(load_cpu(c, 0), 0);
	assert_int_equal(domctl(&op), 0);
	op.u.hvmcontext.buffer = BUF;
	assert_int_equal(domctl(&op), 0);
	len = op.u.hvmcontext.size;
	assert_true(len < PAGE_SIZE);
	first = malloc(len);
	memcpy(first, gpa_ptr(tools, BUF), len);
	memset(&d->vcpu[0]->arch.cpu, 0, sizeof(c));
	memcpy(stream.bytes, first, len);
	stream.len = len;
	assert_int_equal(load(), 0);
	assert_int_equal(d->vcpu[0]->arch.cpu.r15, 15);
	assert_int_equal(domctl(&op), -ENOSPC); /* the size is what was written */
	op.u.hvmcontext.size = PAGE_SIZE;
	assert_int_equal(domctl(&op), 0);
	assert_int_equal(op.u.hvmcontext.size, len);
	assert_memory_equal(gpa_ptr(tools, BUF), first, len);
	free(first);
}

static void test_stream_errors(void **state)
{
	struct hvm_save_header h = header_of_machine();
	struct xen_domctl op = domctl_of(XEN_DOMCTL_sethvmcontext, d->id);
	uint64_t word = 0;

	begin();
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), 0);
	begin();
	assert_int_equal(load(), -ENODATA); /* no end */
	stream.len = 0;
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -ENODATA); /* no header */
	stream.len = 0;
	add(HVM_SAVE_CODE_HEADER, 0, &h, sizeof(h) - 4);
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -ENODATA);
	for (unsigned bad = 0; bad < 3; bad++) {
		h = header_of_machine();
		h.magic += bad == 0;
		h.version += bad == 1;
		h.cpuid ^= bad == 2 ? 0x300f00 : 0;
		stream.len = 0;
		add(HVM_SAVE_CODE_HEADER, 0, &h, sizeof(h));
		add(HVM_SAVE_CODE_END, 0, NULL, 0);
		assert_int_equal(load(), bad < 2 ? -EINVAL : 0);
	}
	begin();
	add(13, 0, &word, 8);
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -ENODEV);
	begin();
	add(40, 0, &word, 8);
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -EINVAL);
	begin();
	add(7, 0, &word, 8); /* interrupt lines of PCI: Xen has them for PVH too */
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), 0);
	begin();
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	((struct hvm_save_descriptor *)stream.bytes)->length = ~0u;
	assert_int_equal(load(), -ENODATA);
	op.u.hvmcontext.buffer = BUF;
	assert_int_equal(domctl(&op), -ENODATA);
	op.u.hvmcontext.size = 7;
	assert_int_equal(domctl(&op), -ENODATA);
	op.u.hvmcontext.size = 1 << 24;
	assert_int_equal(domctl(&op), -ENOMEM);
	op.u.hvmcontext.size = 64;
	op.u.hvmcontext.buffer = 0x100000;
	assert_int_equal(domctl(&op), -EFAULT);
	assert_int_equal(simple(XEN_DOMCTL_gethvmcontext, 0), -EINVAL);
	assert_int_equal(simple(XEN_DOMCTL_sethvmcontext, 0), -EINVAL);
}

/* One bad record spoils all: the good one before it was not loaded. */
static void test_all_or_nothing(void **state)
{
	struct hvm_hw_cpu c = pvh_cpu(), bad = pvh_cpu();

	bad.cr0 = 0;
	begin();
	add(HVM_SAVE_CODE_CPU, 0, &c, sizeof(c));
	add(HVM_SAVE_CODE_CPU, 1, &bad, sizeof(bad));
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -EINVAL);
	assert_false(d->vcpu[0]->initialised);
	begin();
	add(HVM_SAVE_CODE_CPU, 0, &c, sizeof(c));
	assert_int_equal(load(), -ENODATA);
	assert_false(d->vcpu[0]->initialised);
	assert_int_equal(load_cpu(c, 2), -EINVAL);
	assert_int_equal(load_cpu(c, 0xffff), -EINVAL);
	begin();
	add(HVM_SAVE_CODE_CPU, 0, &c, sizeof(c) - 32);
	add(HVM_SAVE_CODE_END, 0, NULL, 0);
	assert_int_equal(load(), -EINVAL);
}

static void test_cpu_states(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer;
		int rc;
	} cases[] = {
		{ 0x11, 0, 0, 0 },
		{ 0x1, 0, 0, -EINVAL },	       /* ET is always one */
		{ 0x80000010, 0, 0, -EINVAL }, /* paging without protection */
		{ 0x20000011, 0, 0, -EINVAL }, /* NW without CD */
		{ 0x60000011, 0, 0, 0 },
		{ 1UL << 40 | 0x11, 0, 0, -EINVAL },
		{ 0x11, 1UL << 30, 0, -EINVAL },
		{ 0x11, CR4_VMXE, 0, -EINVAL },
		{ 0x11, CR4_PAE | CR4_PGE, 0, 0 },
		{ 0x11, 0, 1UL << 40, -EINVAL },
		{ 0x11, 0, EFER_SVME, -EINVAL },
		{ 0x11, 0, EFER_LMA, -EINVAL },
		{ 0x11, 0, EFER_LME, 0 },
		{ 0x80000011, 0, EFER_LME, -EINVAL },		 /* long mode is on or it is not */
		{ 0x80000011, 0, EFER_LME | EFER_LMA, -EINVAL }, /* and needs PAE */
		{ 0x80000011, CR4_PAE, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE, 0 },
		{ 0x80000011, CR4_PAE, 0, 0 },
		{ 0x11, CR4_PCIDE, 0, -EINVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hvm_hw_cpu c = pvh_cpu();

		c.cr0 = cases[i].cr0;
		c.cr4 = cases[i].cr4;
		c.msr_efer = cases[i].efer;
		assert_int_equal(load_cpu(c, 0), cases[i].rc);
	}
}

static void test_cpu_details(void **state)
{
	static const struct {
		uint32_t event;
		int rc;
	} events[] = { { 0x00000001, 0 },	{ 0x80000030, 0 },	 { 0x8000000f, -EINVAL },
		       { 0x80000202, 0 },	{ 0x80000203, -EINVAL }, { 0x80000b0e, 0 },
		       { 0x80000302, -EINVAL }, { 0x80000320, -EINVAL }, { 0x80000403, -EINVAL },
		       { 0x80000530, -EINVAL } };
	struct hvm_hw_cpu c = pvh_cpu();
	uint32_t mxcsr = 0x1f80;

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		c.pending_event = events[i].event;
		assert_int_equal(load_cpu(c, 0), events[i].rc);
	}
	c = pvh_cpu();
	c.flags = XEN_X86_FPU_INITIALISED;
	memcpy(c.fpu_regs + 24, &mxcsr, 4);
	assert_int_equal(load_cpu(c, 0), 0);
	mxcsr = 0x10000;
	memcpy(c.fpu_regs + 24, &mxcsr, 4);
	assert_int_equal(load_cpu(c, 0), -EINVAL); /* FXRSTOR would fault */
	c.flags = 0;
	assert_int_equal(load_cpu(c, 0), 0);
	c.flags = 2;
	assert_int_equal(load_cpu(c, 0), -EINVAL);
	c.flags = 0;
	c.pad0 = 1;
	assert_int_equal(load_cpu(c, 0), -EINVAL);
}

static void test_mtrr(void **state)
{
	struct hvm_hw_mtrr good = { .msr_pat_cr = 0x0007040600070406, .msr_mtrr_cap = 0x508 }, m;

	assert_int_equal(hvm_mtrr_check(d->arch.policy, &good), 0);
	m = good;
	m.msr_pat_cr = 2;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), -EINVAL);
	m = good;
	m.msr_mtrr_cap = 9;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), -EINVAL);
	m = good;
	m.msr_mtrr_def_type = 0x803;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), -EINVAL);
	m = good;
	m.msr_mtrr_var[15] = 1UL << 60;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), -EINVAL);
	m = good;
	m.msr_mtrr_fixed[10] = 0x0303030303030303;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), -EINVAL);
	m.msr_mtrr_fixed[10] = 0x0606060606060606;
	m.msr_mtrr_var[1] = 0xfff000000800;
	m.msr_mtrr_var[0] = 0x80000006;
	assert_int_equal(hvm_mtrr_check(d->arch.policy, &m), 0);
}

static void test_xsave(void **state)
{
	struct {
		struct hvm_hw_cpu_xsave x;
		uint8_t more[256];
	} r = { .x = { .xcr0 = 7, .xcr0_accum = 7 } };
	const struct cpu_policy *p = d->arch.policy;
	uint64_t *header = (uint64_t *)(r.x.save_area + 512);
	uint32_t mxcsr = 0x1f80;
	size_t len = hvm_xsave_len(p, 7);

	memcpy(r.x.save_area + 24, &mxcsr, 4);
	assert_int_equal(len, 24 + 832);
	assert_int_equal(hvm_xsave_len(p, 3), 24 + 576);
	header[0] = 7;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), 0);
	assert_int_equal(hvm_xsave_check(p, 3, &r, len), -EINVAL); /* a machine without AVX */
	for (size_t bad = 0; bad < len; bad += 8)
		assert_int_equal(hvm_xsave_check(p, 7, &r, bad), -EINVAL);
	header[0] = 8;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
	header[0] = 7;
	header[1] = 1UL << 63; /* the compact form */
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
	header[1] = 0;
	header[7] = 1;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
	header[7] = 0;
	r.x.xcr0 = 5;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
	r.x.xcr0 = 2;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
	r.x.xcr0 = 1;
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), 0);
	mxcsr = ~0u;
	memcpy(r.x.save_area + 24, &mxcsr, 4);
	assert_int_equal(hvm_xsave_check(p, 7, &r, len), -EINVAL);
}

static long partial(uint32_t type, uint32_t instance, uint64_t buffer, uint64_t size, uint64_t *out)
{
	struct xen_domctl op = domctl_of(XEN_DOMCTL_gethvmcontext_partial, d->id);
	long rc;

	op.u.hvmcontext_partial = (struct xen_domctl_hvmcontext_partial){ type, instance, size, buffer };
	rc = domctl(&op);
	*out = op.u.hvmcontext_partial.bufsz;
	return rc;
}

static void test_partial(void **state)
{
	uint64_t size;

	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 0, BUF, 4096, &size), -ENODATA);
	assert_int_equal(load_cpu(pvh_cpu(), 0), 0);
	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 0, BUF, 4096, &size), 0);
	assert_int_equal(size, sizeof(struct hvm_hw_cpu));
	assert_int_equal(((struct hvm_hw_cpu *)gpa_ptr(tools, BUF))->rbx, 0x110000);
	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 0, 0, 0, &size), 0);
	assert_int_equal(size, sizeof(struct hvm_hw_cpu));
	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 0, BUF, 100, &size), -ENOBUFS);
	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 0, 0x100000, 4096, &size), -EFAULT);
	assert_int_equal(partial(HVM_SAVE_CODE_CPU, 2, BUF, 4096, &size), -ENOENT);
	assert_int_equal(partial(3, 0, BUF, 4096, &size), -ENOENT);
	assert_int_equal(partial(HVM_SAVE_CODE_END, 0, BUF, 4096, &size), -EINVAL);
	assert_int_equal(partial(HVM_SAVE_CODE_HEADER, 0, BUF, 4096, &size), -EINVAL);
	assert_int_equal(partial(40, 0, BUF, 4096, &size), -EINVAL);
	assert_int_equal(partial(~0u, 0, BUF, 4096, &size), -EINVAL);
}

/* VCPUOP_initialise ------------------------------------------------------------------------------- */

static struct vcpu_hvm_context start32(void)
{
	struct vcpu_hvm_context c = { .mode = VCPU_HVM_MODE_32B };

	c.cpu_regs.x86_32 = (struct vcpu_hvm_x86_32){ .eip = 0x1000,
						      .cr0 = CR0_PE,
						      .cs_limit = ~0u,
						      .ds_limit = ~0u,
						      .es_limit = ~0u,
						      .ss_limit = ~0u,
						      .tr_limit = 0x67,
						      .cs_ar = 0xc9b,
						      .ds_ar = 0xc93,
						      .es_ar = 0xc93,
						      .ss_ar = 0xc93,
						      .tr_ar = 0x8b };
	return c;
}

static struct vcpu_hvm_context start64(void)
{
	struct vcpu_hvm_context c = { .mode = VCPU_HVM_MODE_64B };

	c.cpu_regs.x86_64 = (struct vcpu_hvm_x86_64){
		.rip = 0xffffffff81000000, .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LME
	};
	return c;
}

static int check(struct vcpu_hvm_context c)
{
	return vcpu_context_check(d->arch.policy, &c);
}

static void test_start_32(void **state)
{
	static const struct {
		size_t at;
		uint16_t ar;
		int rc;
	} segs[] = {
#define AR(seg) offsetof(struct vcpu_hvm_x86_32, seg##_ar)
		{ AR(cs), 0, -EINVAL },	    { AR(cs), 0xc93, -EINVAL }, { AR(cs), 0x1c9b, -EINVAL },
		{ AR(cs), 0xc1b, -EINVAL }, { AR(cs), 0x9b, 0 },	{ AR(ss), 0, -EINVAL },
		{ AR(ss), 0xc9b, -EINVAL }, { AR(ss), 0xc91, -EINVAL }, { AR(ss), 0xcf3, -EINVAL },
		{ AR(ds), 0, 0 },	    { AR(ds), 0xc83, -EINVAL }, { AR(ds), 0xc99, -EINVAL },
		{ AR(ds), 0xc9b, 0 },	    { AR(es), 0, 0 },		{ AR(es), 0xc91, 0 },
		{ AR(tr), 0, -EINVAL },	    { AR(tr), 0x89, 0 },	{ AR(tr), 0x83, -EINVAL },
		{ AR(tr), 0xc93, -EINVAL },
#undef AR
	};
	struct vcpu_hvm_context c = start32();

	assert_int_equal(check(c), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(segs); i++) {
		c = start32();
		memcpy((uint8_t *)&c.cpu_regs.x86_32 + segs[i].at, &segs[i].ar, 2);
		assert_int_equal(check(c), segs[i].rc);
	}
	c = start32();
	c.pad = 1;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.mode = 2;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.cpu_regs.x86_32.pad2[2] = 1;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.cpu_regs.x86_32.cs_limit = 0xfff;
	c.cpu_regs.x86_32.cs_ar = 0x49b;
	assert_int_equal(check(c), -EINVAL); /* eip beyond the limit */
	c = start32();
	c.cpu_regs.x86_32.efer = EFER_LMA;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.cpu_regs.x86_32.efer = EFER_SVME;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.cpu_regs.x86_32.cr4 = CR4_VMXE;
	assert_int_equal(check(c), -EINVAL);
	c = start32();
	c.cpu_regs.x86_32.cr0 = CR0_PG;
	assert_int_equal(check(c), -EINVAL);
}

static void test_start_64(void **state)
{
	struct vcpu_hvm_context c = start64();

	assert_int_equal(check(c), 0);
	c.cpu_regs.x86_64.rip = 0x0000800000000000;
	assert_int_equal(check(c), -EINVAL);
	c = start64();
	c.cpu_regs.x86_64.cr0 = CR0_PE;
	assert_int_equal(check(c), -EINVAL);
	c = start64();
	c.cpu_regs.x86_64.cr4 = 0;
	assert_int_equal(check(c), -EINVAL);
	c = start64();
	c.cpu_regs.x86_64.efer = 0;
	assert_int_equal(check(c), -EINVAL);
}

static void test_initialise(void **state)
{
	struct domain *g = host_domain(7, 40, 16, 0);
	struct vcpu *v = g->vcpu[0];
	struct vcpu_hvm_context c = start64();

	memcpy(gpa_ptr(g, ARG), &c, sizeof(c));
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 0, ARG, 0, 0), -EEXIST);
	g->vcpu[1]->initialised = g->vcpu[35]->initialised = false;
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 1, 0x100000, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 0, 0x100000, 0, 0), -EFAULT);
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 35, ARG, 0, 0), -EINVAL); /* no vcpu_info */
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 40, ARG, 0, 0), -ENOENT);
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 1, ARG, 0, 0), 0);
	assert_true(g->vcpu[1]->initialised);
	assert_int_equal(host_hypercall(v, HC_vcpu_op, VCPUOP_initialise, 1, ARG, 0, 0), -EEXIST);
	kill_domain(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_create_sequence, setup),
		cmocka_unit_test_setup(test_round_trip, setup),
		cmocka_unit_test_setup(test_stream_errors, setup),
		cmocka_unit_test_setup(test_all_or_nothing, setup),
		cmocka_unit_test_setup(test_cpu_states, setup),
		cmocka_unit_test_setup(test_cpu_details, setup),
		cmocka_unit_test_setup(test_mtrr, setup),
		cmocka_unit_test_setup(test_xsave, setup),
		cmocka_unit_test_setup(test_partial, setup),
		cmocka_unit_test_setup(test_start_32, setup),
		cmocka_unit_test_setup(test_start_64, setup),
		cmocka_unit_test_setup(test_initialise, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
