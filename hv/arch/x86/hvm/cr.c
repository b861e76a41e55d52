/*
 * Control registers. Under nested paging the guest owns CR0, CR2, CR3 and CR4 and changes them without exits; only EFER, which
 * carries the host's SVME bit, goes through here.
 */
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hvm/hvm.h"
#include "hvm/vcpu_check.h"

int hvm_set_efer(struct vcpu *v, uint64_t val)
{
	uint64_t old = virt->get_efer(v);

	if (val & ~efer_allowed(v->domain->arch.policy))
		return err(-EINVAL);
	if (((val ^ old) & EFER_LME) && (virt->get_cr(v, 0) & CR0_PG))
		return err(-EINVAL);
	virt->set_efer(v, (val & ~EFER_LMA) | (old & EFER_LMA));
	return 0;
}

bool arch_guest_is_32(struct vcpu *v)
{
	return !(virt->get_efer(v) & EFER_LMA) || !(virt->get_segment(v, SEG_CS).attr & SEG_ATTR_L);
}
