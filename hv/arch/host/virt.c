/* Domains and vCPUs of the fake machine: nothing runs, calls are counted. Guest-virtual is guest-physical. */
#include "control.h"
#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

int arch_domain_create(struct domain *d)
{
	d->arch.policy = overhead_new(&d->overhead, OVERHEAD_STATE, struct cpu_policy);
	if (!d->arch.policy)
		return err(-ENOMEM);
	policy_domain(d->arch.policy, machine_policy(MACHINE_HVM_DEFAULT), d->max_vcpus);
	return 0;
}

void arch_domain_destroy(struct domain *d)
{
	overhead_free(&d->overhead, OVERHEAD_STATE, d->arch.policy);
}

int arch_vcpu_create(struct vcpu *v)
{
	return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
}

void arch_vcpu_load(struct vcpu *v)
{
	v->arch.loads++;
}

void arch_vcpu_save(struct vcpu *v)
{
	v->arch.saves++;
}

void arch_vcpu_run(struct vcpu *v)
{
}

void arch_vcpu_set_entry(struct vcpu *v, uint32_t eip, uint32_t ebx)
{
	v->arch.entry_eip = eip;
	v->arch.entry_ebx = ebx;
	v->initialised = true;
}

bool arch_vcpu_event_pending(struct vcpu *v)
{
	return v->arch.event_pending || (v->vcpu_info && evtchn_upcall_pending(v));
}

void arch_event_upcall(struct vcpu *v)
{
	v->arch.upcalls++;
	vcpu_kick(v);
}

/* Nothing to re-route: upcalls are only counted here. */
void arch_callback_irq_changed(struct domain *d)
{
	(void)d;
}

void arch_vcpu_send_nmi(struct vcpu *v)
{
	v->arch.nmis++;
}

bool arch_guest_is_32(struct vcpu *v)
{
	return v->arch.guest32;
}

void arch_update_vcpu_time(struct vcpu *v)
{
}

void arch_fill_hypercall_page(void *va)
{
	memset(va, 0xcc, PAGE_SIZE);
}

int arch_guest_read(struct vcpu *v, void *dst, uint64_t gva, size_t len)
{
	return copy_from_gpa(v->domain, dst, gva, len);
}

int arch_guest_write(struct vcpu *v, uint64_t gva, const void *src, size_t len)
{
	return copy_to_gpa(v->domain, gva, src, len);
}

/* Always the long way. */
bool arch_guest_write_marked(struct vcpu *v, uint64_t gva, const void *src, size_t len, size_t at, uint64_t mark)
{
	return false;
}
