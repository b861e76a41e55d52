/* System time as guests see it: struct vcpu_time_info in vcpu_info, and the copy a guest may have registered. */
#include "abi/xen.h"
#include "asm/time.h"
#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/guest.h"

static void write_primary(void *area, const struct vcpu_time_info *info)
{
	struct vcpu_time_info *t = area;

	__atomic_store_n(&t->version, info->version | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	t->tsc_timestamp = info->tsc_timestamp;
	t->system_time = info->system_time;
	t->tsc_to_system_mul = info->tsc_to_system_mul;
	t->tsc_shift = info->tsc_shift;
	t->flags = info->flags;
	__atomic_store_n(&t->version, (info->version | 1) + 1, __ATOMIC_RELEASE);
}

/* The same by guest address. A guest that unmapped its area goes without. */
static void write_secondary(struct vcpu *v, const struct vcpu_time_info *info)
{
	struct vcpu_time_info t = *info;

	t.version |= 1;
	if (copy_to_guest(v, v->time_info_gva, &t.version, sizeof(t.version)) ||
	    copy_to_guest(v, v->time_info_gva, &t, sizeof(t)))
		return;
	t.version++;
	if (copy_to_guest(v, v->time_info_gva, &t.version, sizeof(t.version)))
		return;
}

/*
 * See hv/arch.h. Called on the CPU @v is loaded on, or with @v not running: nobody else writes its records. All vCPUs of a domain
 * get the same line, for the guest's TSC is the boot CPU's plus one offset wherever it runs.
 */
void arch_update_vcpu_time(struct vcpu *v)
{
	struct time_line l = time_line();
	struct vcpu_time_info info = {
		.version = v->arch.time_version,
		.tsc_timestamp = l.tsc + (uint64_t)v->domain->arch.tsc_offset,
		.system_time = (uint64_t)l.ns,
		.tsc_to_system_mul = l.scale.mul,
		.tsc_shift = l.scale.shift,
		.flags = time_tsc_reliable() ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
	};

	v->arch.time_version += 2;
	if (v->vcpu_info)
		write_primary((uint8_t *)v->vcpu_info + offsetof(struct vcpu_info, time), &info);
	if (v->time_info_gva)
		write_secondary(v, &info);
}
