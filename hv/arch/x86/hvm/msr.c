/* Model-specific registers: who answers for which. */
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "hvm/vcpu_check.h"
#include "hvm/vlapic.h"
#include "policy.h"

#define MSR_HYPERCALL_PAGE 0x40000000u

#define STUB_SIZE 32u
#define STUB_IRET 23u /* hypercall number of the PV iret, which no HVM guest may call */

/*
 * One 32-byte stub per hypercall: mov $nr, %eax; vmmcall; ret. The instruction is the one of the processor we run on.
 */
void arch_fill_hypercall_page(void *va)
{
	static const uint8_t stub[] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3 };
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	uint8_t *page = va;

	memset(page, 0xcc, PAGE_SIZE);
	for (unsigned nr = 0; nr < PAGE_SIZE / STUB_SIZE; nr++) {
		memcpy(page + nr * STUB_SIZE, stub, sizeof(stub));
		page[nr * STUB_SIZE + 1] = (uint8_t)nr;
	}
	memcpy(page + STUB_IRET * STUB_SIZE, ud2, sizeof(ud2));
}

/* Low 12 bits: number of the page, of which there is one. */
static int set_hypercall_page(struct domain *d, uint64_t val)
{
	struct frame *f;

	if (val & ~PAGE_MASK)
		return err(-EINVAL);
	f = p2m_get_frame(d, gfn(val >> PAGE_SHIFT), true);
	if (!f)
		return err(-EINVAL);
	arch_fill_hypercall_page(mfn_to_virt(frame_to_mfn(f)));
	frame_put(f);
	d->arch.hypercall_gfn_msr = val;
	return 0;
}

static uint64_t guest_tsc(struct vcpu *v)
{
	return rdtsc() - (uint64_t)this_pcpu()->arch.tsc_delta + (uint64_t)v->domain->arch.tsc_offset;
}

int hvm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val)
{
	switch (msr) {
	case MSR_EFER:
		*val = virt->get_efer(v);
		return 0;
	case MSR_TSC:
		*val = guest_tsc(v);
		return 0;
	case MSR_TSC_AUX:
		if (!policy_has(v->domain->arch.policy, FEAT_RDTSCP))
			return err(-EINVAL);
		*val = v->arch.tsc_aux;
		return 0;
	case MSR_HYPERCALL_PAGE:
		*val = v->domain->arch.hypercall_gfn_msr;
		return 0;
	}
	if (vlapic_owns_msr(msr))
		return vlapic_rdmsr(v->arch.vlapic, msr, val);
	if (virt->get_msr(v, msr, val))
		return 0;
	return policy_rdmsr(v->domain->arch.policy, &v->arch.msrs, msr, val);
}

int hvm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val)
{
	switch (msr) {
	case MSR_EFER:
		return hvm_set_efer(v, val);
	case MSR_TSC:
		/* Dropped: one offset serves all vCPUs and the pvclock, so the counters stay in step. */
		return 0;
	case MSR_TSC_AUX:
		if (!policy_has(v->domain->arch.policy, FEAT_RDTSCP) || val >> 32)
			return err(-EINVAL);
		v->arch.tsc_aux = val;
		wrmsr(MSR_TSC_AUX, val);
		return 0;
	case MSR_PAT:
		if (!pat_valid(val))
			return err(-EINVAL);
		break;
	case MSR_HYPERCALL_PAGE:
		domain_latch_width(v->domain, arch_guest_is_32(v));
		return set_hypercall_page(v->domain, val);
	}
	if (vlapic_owns_msr(msr))
		return vlapic_wrmsr(v->arch.vlapic, msr, val);
	if (virt->set_msr(v, msr, val))
		return 0;
	return policy_wrmsr(v->domain->arch.policy, &v->arch.msrs, msr, val);
}

void hvm_exit_msr(struct vcpu *v, bool write)
{
	struct guest_regs *r = &v->arch.regs;
	unsigned len = insn_length(v, write ? INSN_WRMSR : INSN_RDMSR);
	uint32_t msr = (uint32_t)r->gpr[REG_RCX];
	uint64_t val = 0;
	int rc;

	if (!len)
		return;
	if (write) {
		val = (uint32_t)r->gpr[REG_RAX] | r->gpr[REG_RDX] << 32;
		rc = hvm_wrmsr(v, msr, val);
	} else {
		rc = hvm_rdmsr(v, msr, &val);
	}
	if (rc) {
		hvm_inject_gp(v);
		return;
	}
	if (!write) {
		r->gpr[REG_RAX] = (uint32_t)val;
		r->gpr[REG_RDX] = val >> 32;
	}
	insn_done(v, len);
}
