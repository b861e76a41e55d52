#include "hvm/vcpu_check.h"

#include "abi/hvm_save.h"
#include "abi/hvm_vcpu.h"
#include "asm/cpu.h"
#include "asm/msr.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "policy.h"

#define CR0_KNOWN (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define XSAVE_HEADER 512u
#define XSAVE_MIN 576u
#define XCR0_X87 0x1UL
#define XCR0_SSE 0x2UL
#define XCR0_AVX 0x4UL
#define XCR0_AVX512 0xe0UL
#define FXSAVE_MXCSR 24u
#define MXCSR_KNOWN 0xffffu

/* EVENTINJ form: APM vol. 2, 15.20. */
#define EVENT_VALID (1u << 31)
#define EVENT_TYPE(e) ((e) >> 8 & 7)
#define EVENT_VECTOR(e) ((e)&0xff)

uint64_t efer_allowed(const struct cpu_policy *p)
{
	uint64_t r = 0;

	if (policy_has(p, FEAT_SYSCALL))
		r |= EFER_SCE;
	if (policy_has(p, FEAT_LM))
		r |= EFER_LME | EFER_LMA;
	if (policy_has(p, FEAT_NX))
		r |= EFER_NXE;
	if (policy_has(p, FEAT_FFXSR))
		r |= EFER_FFXSR;
	return r;
}

uint64_t cr4_allowed(const struct cpu_policy *p)
{
	static const struct {
		uint16_t feat;
		uint64_t bits;
	} by[] = {
		{ FEAT_VME, CR4_VME | CR4_PVI }, { FEAT_TSC, CR4_TSD },		  { FEAT_DE, CR4_DE },
		{ FEAT_PSE, CR4_PSE },		 { FEAT_PAE, CR4_PAE },		  { FEAT_MCE, CR4_MCE },
		{ FEAT_PGE, CR4_PGE },		 { FEAT_FXSR, CR4_OSFXSR },	  { FEAT_SSE, CR4_OSXMMEXCPT },
		{ FEAT_UMIP, CR4_UMIP },	 { FEAT_FSGSBASE, CR4_FSGSBASE }, { FEAT_PCID, CR4_PCIDE },
		{ FEAT_XSAVE, CR4_OSXSAVE },	 { FEAT_SMEP, CR4_SMEP },	  { FEAT_SMAP, CR4_SMAP },
		{ FEAT_PKU, CR4_PKE },
	};
	uint64_t r = CR4_PCE;

	for (unsigned i = 0; i < ARRAY_SIZE(by); i++)
		if (policy_has(p, by[i].feat))
			r |= by[i].bits;
	return r;
}

int control_registers_check(const struct cpu_policy *p, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	if (cr0 & ~CR0_KNOWN || ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD)))
		return err(-EINVAL);
	if (cr4 & ~cr4_allowed(p) || efer & ~efer_allowed(p))
		return err(-EINVAL);
	if (!(efer & EFER_LMA) != !((efer & EFER_LME) && (cr0 & CR0_PG)))
		return err(-EINVAL);
	if ((efer & EFER_LMA) && !(cr4 & CR4_PAE))
		return err(-EINVAL);
	if ((cr4 & CR4_PCIDE) && !(efer & EFER_LMA))
		return err(-EINVAL);
	return 0;
}

bool pat_valid(uint64_t pat)
{
	for (unsigned i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

static bool mxcsr_valid(const void *fxsave)
{
	uint32_t mxcsr;

	memcpy(&mxcsr, (const uint8_t *)fxsave + FXSAVE_MXCSR, sizeof(mxcsr));
	return !(mxcsr & ~MXCSR_KNOWN);
}

static bool event_valid(uint32_t e)
{
	if (!(e & EVENT_VALID))
		return true;
	switch (EVENT_TYPE(e)) {
	case 0: /* interrupt */
		return EVENT_VECTOR(e) >= 16;
	case 2: /* NMI */
		return EVENT_VECTOR(e) == 2;
	case 3: /* exception */
		return EVENT_VECTOR(e) < 32 && EVENT_VECTOR(e) != 2;
	default:
		return false;
	}
}

/* What a processor would refuse to run is refused here, for the tool's sake; Hospes itself survives it anyway. */
int hvm_cpu_check(const struct cpu_policy *p, const struct hvm_hw_cpu *c)
{
	if (!(c->cr0 & CR0_ET))
		return err(-EINVAL);
	if ((c->flags & ~XEN_X86_FPU_INITIALISED) || c->pad0)
		return err(-EINVAL);
	if ((c->flags & XEN_X86_FPU_INITIALISED) && !mxcsr_valid(c->fpu_regs))
		return err(-EINVAL);
	if (!event_valid(c->pending_event))
		return err(-EINVAL);
	return control_registers_check(p, c->cr0, c->cr4, c->msr_efer);
}

/* Each range is tried on registers of nobody. */
int hvm_mtrr_check(const struct cpu_policy *p, const struct hvm_hw_mtrr *m)
{
	static const uint16_t fixed[NUM_FIXED_MSR] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
						       0x26b, 0x26c, 0x26d, 0x26e, 0x26f };
	struct msr_state s;
	int rc = pat_valid(m->msr_pat_cr) && (m->msr_mtrr_cap & 0xff) <= MTRR_VCNT ? 0 : err(-EINVAL);

	msr_state_reset(&s);
	for (unsigned i = 0; i < 2 * MTRR_VCNT && rc == 0; i++)
		rc = policy_wrmsr(p, &s, 0x200 + i, m->msr_mtrr_var[i]);
	for (unsigned i = 0; i < NUM_FIXED_MSR && rc == 0; i++)
		rc = policy_wrmsr(p, &s, fixed[i], m->msr_mtrr_fixed[i]);
	return rc ? rc : policy_wrmsr(p, &s, 0x2ff, m->msr_mtrr_def_type);
}

size_t hvm_xsave_len(const struct cpu_policy *p, uint64_t components)
{
	size_t area = XSAVE_MIN;

	for (unsigned i = 2; i < POLICY_NR_XSTATE; i++)
		if (components >> i & 1)
			area = max_u64(area, (uint64_t)p->xstate[i].a + p->xstate[i].b);
	return offsetof(struct hvm_hw_cpu_xsave, save_area) + area;
}

/* The standard form only: XSAVE, not XSAVEC. */
int hvm_xsave_check(const struct cpu_policy *p, uint64_t mask, const void *rec, size_t len)
{
	struct hvm_hw_cpu_xsave x;
	uint64_t header[8];

	if (len < sizeof(x))
		return err(-EINVAL);
	memcpy(&x, rec, sizeof(x));
	memcpy(header, x.save_area + XSAVE_HEADER, sizeof(header));
	mask &= p->xcr0_max;
	if (x.xcr0_accum & ~mask || x.xcr0 & ~(x.xcr0_accum | XCR0_X87) || header[0] & ~x.xcr0_accum)
		return err(-EINVAL);
	if (!(x.xcr0 & XCR0_X87) || ((x.xcr0 & XCR0_AVX) && !(x.xcr0 & XCR0_SSE)))
		return err(-EINVAL);
	if ((x.xcr0 & XCR0_AVX512) && ((x.xcr0 & XCR0_AVX512) != XCR0_AVX512 || !(x.xcr0 & XCR0_AVX)))
		return err(-EINVAL);
	for (unsigned i = 1; i < ARRAY_SIZE(header); i++)
		if (header[i])
			return err(-EINVAL);
	if (!mxcsr_valid(x.save_area) || len != hvm_xsave_len(p, x.xcr0_accum))
		return err(-EINVAL);
	return 0;
}

/* Fields of a segment's attributes: APM vol. 2, 4.8. */
#define AR_TYPE(ar) ((ar)&0xf)
#define AR_S 0x10u
#define AR_DPL(ar) ((ar) >> 5 & 3)
#define AR_P 0x80u
#define AR_G 0x800u
#define AR_RESERVED 0xf000u
#define TYPE_CODE 0x8u
#define TYPE_RW 0x2u
#define TYPE_TSS32 0x9u /* or, with bit 1, busy */

enum seg_use { USE_CODE, USE_STACK, USE_DATA, USE_TSS };

/* Only data segments may be null. */
static bool segment_valid(uint16_t ar, enum seg_use use)
{
	if (ar & AR_RESERVED)
		return false;
	if (ar == 0)
		return use == USE_DATA;
	if (!(ar & AR_P) || !(ar & AR_S) != (use == USE_TSS))
		return false;
	switch (use) {
	case USE_CODE:
		return ar & TYPE_CODE;
	case USE_STACK:
		return !(ar & TYPE_CODE) && (ar & TYPE_RW);
	case USE_DATA:
		return !(ar & TYPE_CODE) || (ar & TYPE_RW);
	default:
		return (AR_TYPE(ar) & ~TYPE_RW) == TYPE_TSS32;
	}
}

static int check32(const struct vcpu_hvm_x86_32 *r)
{
	uint32_t limit = r->cs_ar & AR_G ? r->cs_limit << 12 | 0xfff : r->cs_limit;

	if (r->pad1 || r->pad2[0] || r->pad2[1] || r->pad2[2])
		return err(-EINVAL);
	if (!segment_valid(r->cs_ar, USE_CODE) || !segment_valid(r->ss_ar, USE_STACK) ||
	    !segment_valid(r->ds_ar, USE_DATA) || !segment_valid(r->es_ar, USE_DATA) ||
	    !segment_valid(r->tr_ar, USE_TSS))
		return err(-EINVAL);
	if (r->eip > limit || AR_DPL(r->ss_ar) != AR_DPL(r->cs_ar))
		return err(-EINVAL);
	if ((r->ds_ar & AR_P && AR_DPL(r->ds_ar) < AR_DPL(r->cs_ar)) ||
	    (r->es_ar & AR_P && AR_DPL(r->es_ar) < AR_DPL(r->cs_ar)))
		return err(-EINVAL);
	return (r->efer & EFER_LMA) && !(r->efer & EFER_LME) ? err(-EINVAL) : 0;
}

static int check64(const struct vcpu_hvm_x86_64 *r)
{
	uint64_t top = r->rip >> 47;

	if ((top != 0 && top != 0x1ffff) || !(r->cr0 & CR0_PG) || !(r->cr4 & CR4_PAE) || !(r->efer & EFER_LME))
		return err(-EINVAL);
	return 0;
}

/* LMA follows from LME and paging, whatever was said. */
int vcpu_context_check(const struct cpu_policy *p, const struct vcpu_hvm_context *ctx)
{
	uint64_t cr0, cr4, efer;
	int rc;

	if (ctx->pad)
		return err(-EINVAL);
	switch (ctx->mode) {
	case VCPU_HVM_MODE_32B:
		cr0 = ctx->cpu_regs.x86_32.cr0;
		cr4 = ctx->cpu_regs.x86_32.cr4;
		efer = ctx->cpu_regs.x86_32.efer;
		rc = check32(&ctx->cpu_regs.x86_32);
		break;
	case VCPU_HVM_MODE_64B:
		cr0 = ctx->cpu_regs.x86_64.cr0;
		cr4 = ctx->cpu_regs.x86_64.cr4;
		efer = ctx->cpu_regs.x86_64.efer;
		rc = check64(&ctx->cpu_regs.x86_64);
		break;
	default:
		return err(-EINVAL);
	}
	if (rc)
		return rc;
	efer = (efer & ~EFER_LMA) | ((efer & EFER_LME) && (cr0 & CR0_PG) ? EFER_LMA : 0);
	return control_registers_check(p, cr0, cr4, efer);
}
