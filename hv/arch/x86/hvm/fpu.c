/*
 * Floating point and vector state. Hospes uses none itself, so a guest's registers stay in the CPU across exits and are switched only
 * with the vCPU: at once, never on first use.
 */
#include "asm/cpuid.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "policy.h"

/* Components we switch: x87, SSE, AVX, MPX (two), AVX-512 (three), protection keys. All of them fit one page. */
#define XCR0_SWITCHED 0x2ffUL
#define XCR0_X87 0x1UL
#define XCR0_SSE 0x2UL
#define XCR0_AVX 0x4UL
#define XCR0_AVX512 0xe0UL

#define FXSAVE_FCW 0
#define FXSAVE_FTW 4
#define FXSAVE_MXCSR 24
#define XSAVE_BV 512

static struct {
	uint64_t xcr0; /* components of this machine that we switch; 0: FXSAVE only */
} fpu;

uint64_t hvm_xcr0_mask(void)
{
	return fpu.xcr0;
}

/* Each CPU before it runs guests. No errors. */
int hvm_fpu_cpu_up(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	asm volatile("clts");
	if (!cpu_features.xsave) {
		write_cr4(cr4);
		return 0;
	}
	fpu.xcr0 = cpuid(0xd).a & XCR0_SWITCHED;
	write_cr4(cr4 | CR4_OSXSAVE);
	xsetbv(0, fpu.xcr0);
	return 0;
}

void hvm_fpu_reset(struct vcpu *v)
{
	char *area = v->arch.fpu;
	uint32_t mxcsr = 0x1f80;
	uint16_t fcw = 0x40;
	uint64_t bv = fpu.xcr0 ? XCR0_X87 | XCR0_SSE : 0;

	memset(area, 0, PAGE_SIZE);
	memcpy(area + FXSAVE_FCW, &fcw, sizeof(fcw));
	area[FXSAVE_FTW] = (char)0xff;
	memcpy(area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(area + XSAVE_BV, &bv, sizeof(bv));
	v->arch.xcr0 = fpu.xcr0 ? XCR0_X87 : 0;
}

int hvm_fpu_init(struct vcpu *v)
{
	v->arch.fpu = overhead_page(&v->domain->overhead, OVERHEAD_STATE);
	if (!v->arch.fpu)
		return err(-ENOMEM);
	hvm_fpu_reset(v);
	return 0;
}

/*
 * AMD processors restore the x87 instruction and data pointers only when an exception is pending (APM vol. 5, FXRSTOR), so the next guest
 * would read the last one's. Loading something overwrites them; all else is restored after.
 */
static void forget_fp_pointers(void)
{
	static const uint32_t zero;

	if (!cpu_features.restores_fp_pointers)
		asm volatile("fnclex; emms; fildl %0" : : "m"(zero));
}

void hvm_fpu_load(struct vcpu *v)
{
	forget_fp_pointers();
	if (!fpu.xcr0) {
		asm volatile("fxrstor64 (%0)" : : "r"(v->arch.fpu) : "memory");
		return;
	}
	xsetbv(0, fpu.xcr0);
	asm volatile("xrstor64 (%0)" : : "r"(v->arch.fpu), "a"(~0u), "d"(~0u) : "memory");
	xsetbv(0, v->arch.xcr0);
}

void hvm_fpu_save(struct vcpu *v)
{
	if (!fpu.xcr0) {
		asm volatile("fxsave64 (%0)" : : "r"(v->arch.fpu) : "memory");
		return;
	}
	v->arch.xcr0 = hvm_get_xcr0(v);
	xsetbv(0, fpu.xcr0);
	asm volatile("xsave64 (%0)" : : "r"(v->arch.fpu), "a"(~0u), "d"(~0u) : "memory");
}

/*
 * The register itself is asked, not our copy: some emulators never report XSETBV, and then the guest has written it alone. What we do
 * not switch goes off again.
 */
uint64_t hvm_get_xcr0(struct vcpu *v)
{
	return fpu.xcr0 ? xgetbv(0) & fpu.xcr0 : 0;
}

/* Combinations the processor refuses: APM vol. 2, 11.5.2. */
int hvm_set_xcr0(struct vcpu *v, uint64_t val)
{
	if (!fpu.xcr0 || (val & ~v->domain->arch.policy->xcr0_max & ~XCR0_X87) || (val & ~fpu.xcr0))
		return err(-EINVAL);
	if (!(val & XCR0_X87) || ((val & XCR0_AVX) && !(val & XCR0_SSE)))
		return err(-EINVAL);
	if ((val & XCR0_AVX512) && ((val & XCR0_AVX512) != XCR0_AVX512 || !(val & XCR0_AVX)))
		return err(-EINVAL);
	v->arch.xcr0 = val;
	xsetbv(0, val);
	return 0;
}
