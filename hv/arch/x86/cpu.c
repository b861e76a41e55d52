/* What the processor offers, and its control registers as Hospes wants them. */
#include "asm/cpuid.h"

#include "asm/cpu.h"
#include "asm/msr.h"
#include "hv/arch.h"
#include "errata.h"
#include "hv/boot.h"
#include "hv/parse.h"
#include "hv/printk.h"
#include "hv/string.h"

struct cpu_features cpu_features;

static bool bit(uint32_t reg, unsigned n)
{
	return reg >> n & 1;
}

static void read_names(struct cpu_features *f)
{
	struct cpuid_regs r = cpuid(0);
	char *c;

	memcpy(f->vendor, &r.b, 4);
	memcpy(f->vendor + 4, &r.d, 4);
	memcpy(f->vendor + 8, &r.c, 4);
	if (f->max_ext_leaf >= 0x80000004u)
		for (uint32_t i = 0; i < 3; i++) {
			r = cpuid(0x80000002u + i);
			memcpy(f->model + i * 16, &r, 16);
		}
	for (c = f->model + strnlen(f->model, 48); c > f->model && c[-1] == ' ';)
		*--c = 0;
}

static void read_version(struct cpu_features *f, uint32_t eax)
{
	uint32_t family = eax >> 8 & 15, model = eax >> 4 & 15;

	if (family == 15 || family == 6)
		model |= (eax >> 16 & 15) << 4;
	f->family = family == 15 ? family + (eax >> 20 & 255) : family;
	f->model_nr = model;
	f->stepping = eax & 15;
}

/* Does QEMU emulate this processor itself? By the signature it gives as a hypervisor. */
static bool is_tcg(const struct cpu_features *f)
{
	struct cpuid_regs r;

	if (!f->hypervisor)
		return false;
	r = cpuid(0x40000000u);
	return !memcmp(&r.b, "TCGT", 4) && !memcmp(&r.c, "CGTC", 4) && !memcmp(&r.d, "GTCG", 4);
}

static bool by_amd(const struct cpu_features *f)
{
	return !strcmp(f->vendor, "AuthenticAMD") || !strcmp(f->vendor, "HygonGenuine");
}

/* This CPU, as its errata are looked up. */
static struct cpu_identity identity(void)
{
	const struct cpu_features *f = &cpu_features;
	struct cpu_identity c = { .family = f->family, .model = f->model_nr };
	uint64_t level;

	if (f->max_ext_leaf >= 0x80000008u)
		c.ext8_b = cpuid(0x80000008u).b;
	if (f->max_ext_leaf >= 0x80000021u) {
		c.ext21_a = cpuid(0x80000021u).a;
		c.ext21_c = cpuid(0x80000021u).c;
	}
	if (rdmsr_safe(MSR_PATCH_LEVEL, &level))
		c.microcode = (uint32_t)level;
	return c;
}

/*
 * What is done against speculation: what the model needs, unless spec-ctrl= says otherwise, in Xen's words. An emulated processor has nothing to hide,
 * but does what it is told.
 */
static void choose_guards(struct cpu_features *f)
{
	static const struct {
		const char *name;
		uint32_t guard;
	} items[] = {
		{ "rsb", GUARD_RETURNS },
		{ "ibpb-entry", GUARD_BRANCHES },
		{ "div-scrub", GUARD_DIVIDER },
		{ "verw", GUARD_BUFFERS },
	};
	const char *option = param_string("spec-ctrl", "");
	struct cpu_identity c = identity();
	uint32_t wanted = f->tcg ? 0 : errata_guards(&c);

	if (!by_amd(f) || !parse_bool(option, strlen(option)))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		wanted = param_list_bool("spec-ctrl", items[i].name, wanted & items[i].guard) ?
				 wanted | items[i].guard :
				 wanted & ~items[i].guard;
	f->guards = wanted & errata_possible(&c);
	f->stibp = errata_shared_predictor(&c) && param_list_bool("spec-ctrl", "stibp", true);
	f->auto_ibrs = errata_automatic_ibrs(&c);
}

/* See asm/cpuid.h. */
void cpu_show_guards(void)
{
	const struct cpu_features *f = &cpu_features;

	if (!f->guards && !f->stibp && !f->auto_ibrs)
		return;
	printk(LOG_INFO, "Speculation: between guests and Hospes%s%s%s%s%s; for all CPUs%s%s%s\n",
	       f->guards & GUARD_RETURNS ? " returns" : "", f->guards & GUARD_BRANCHES ? " branches" : "",
	       f->guards & GUARD_DIVIDER ? " divider" : "", f->guards & GUARD_BUFFERS ? " buffers" : "",
	       f->guards ? "" : " nothing", f->stibp ? " STIBP" : "", f->auto_ibrs ? " automatic IBRS" : "",
	       f->stibp || f->auto_ibrs ? "" : " nothing");
}

/* See errata.h. Each CPU; a register this one does not have, or a hypervisor below does not show, is left alone. */
static void apply_fixes(void)
{
	struct cpu_identity c = identity();
	struct msr_fix fix[MAX_MSR_FIXES];
	unsigned n = by_amd(&cpu_features) ? errata_fixes(&c, fix) : 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t old, val;

		if (!rdmsr_safe(fix[i].msr, &old))
			continue;
		val = (old & ~fix[i].clear) | fix[i].set;
		if (val != old && !wrmsr_safe(fix[i].msr, val))
			printk(LOG_WARN, "Processor: a workaround in register %#x is refused\n", fix[i].msr);
	}
	if (cpu_features.stibp && !wrmsr_safe(MSR_SPEC_CTRL, SPEC_CTRL_STIBP))
		printk(LOG_WARN, "Processor: STIBP is refused\n");
}

/* Boot CPU, once. */
void cpu_features_init(void)
{
	struct cpu_features *f = &cpu_features;
	struct cpuid_regs r = cpuid(0);

	f->max_leaf = r.a;
	f->max_ext_leaf = cpuid(0x80000000u).a;
	read_names(f);
	r = cpuid(1);
	read_version(f, r.a);
	f->vmx = bit(r.c, 5);
	f->x2apic = bit(r.c, 21);
	f->tsc_deadline = bit(r.c, 24);
	f->xsave = bit(r.c, 26);
	f->hypervisor = bit(r.c, 31);
	f->pge = bit(r.d, 13);
	f->pat = bit(r.d, 16);
	f->tcg = is_tcg(f);
	if (f->max_leaf >= 6)
		f->arat = bit(cpuid(6).a, 2);
	if (f->max_leaf >= 7) {
		r = cpuid_count(7, 0);
		f->fsgsbase = bit(r.b, 0);
		f->smep = bit(r.b, 7);
		f->smap = bit(r.b, 20);
		f->umip = bit(r.c, 2);
	}
	if (f->max_leaf >= 13)
		f->xsaves = bit(cpuid_count(13, 1).a, 3);
	r = cpuid(0x80000001u);
	f->svm = bit(r.c, 2);
	f->nx = bit(r.d, 20);
	f->page1g = bit(r.d, 26);
	f->rdtscp = bit(r.d, 27);
	if (f->max_ext_leaf >= 0x80000007u)
		f->invariant_tsc = bit(cpuid(0x80000007u).d, 8);
	f->phys_bits = 36;
	f->virt_bits = 48;
	if (f->max_ext_leaf >= 0x80000008u) {
		r = cpuid(0x80000008u);
		f->phys_bits = r.a & 255;
		f->virt_bits = r.a >> 8 & 255;
		f->restores_fp_pointers = bit(r.b, 2);
		f->ibpb = bit(r.b, 12);
	}
	choose_guards(f);
}

/* See asm/cpuid.h. Xen's PAT, which PV guests will see: WB WT UC- UC WC WP UC UC. */
void cpu_setup(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE;
	uint64_t efer = rdmsr(MSR_EFER) | EFER_SCE;

	if (f->pge)
		cr4 |= CR4_PGE;
	if (f->xsave)
		cr4 |= CR4_OSXSAVE;
	if (f->fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (f->umip)
		cr4 |= CR4_UMIP;
	if (f->smep && param_bool("smep", true))
		cr4 |= CR4_SMEP;
	if (f->smap && param_bool("smap", true))
		cr4 |= CR4_SMAP;
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	write_cr4(cr4);
	if (f->auto_ibrs)
		efer |= EFER_AIBRSE;
	wrmsr(MSR_EFER, f->nx ? efer | EFER_NXE : efer);
	if (f->pat)
		wrmsr(MSR_PAT, 0x0000050100070406UL);
	apply_fixes();
}

/* See hv/arch.h. */
void arch_cpu_relax(void)
{
	cpu_pause();
}
