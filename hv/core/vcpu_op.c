/* Hypercall 24: a domain manages its own vCPUs and the memory areas they share with Hospes. */
#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/mm.h"
#include "hv/nospec.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "hvm_vcpu.h"
#include "vcpu.h"
#include "xen.h"

/* Periods beyond this could overflow times. */
#define PERIOD_MAX (INT64_MAX / 4)

static bool is_down(const struct vcpu *v)
{
	return __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) & VPF_DOWN;
}

/* Give @v its first state. -EINVAL without an area to tell it of events, or for a state that cannot be; -EEXIST it has one. */
static long op_initialise(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	struct vcpu_hvm_context ctx;
	int rc;

	if (!v->vcpu_info)
		return err(-EINVAL);
	if (copy_from_guest(caller, &ctx, arg, sizeof(ctx)))
		return err(-EFAULT);
	spin_lock(&v->domain->lock);
	rc = v->initialised ? err(-EEXIST) : arch_vcpu_initialise(v, &ctx);
	spin_unlock(&v->domain->lock);
	return rc;
}

/* Start @v, whose registers were set before. -EINVAL if they were not. */
static long op_up(struct vcpu *v)
{
	if (!read_once(v->initialised))
		return err(-EINVAL);
	if (__atomic_fetch_and(&v->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN)
		vcpu_wake(v);
	return 0;
}

/* Stop @v until VCPUOP_up. When no other vCPU is up, that is a power-off. */
static long op_down(struct vcpu *v)
{
	struct domain *d = v->domain;
	bool last = true;

	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i] && d->vcpu[i] != v && !is_down(d->vcpu[i]))
			last = false;
	if (last) {
		domain_shutdown(d, SHUTDOWN_POWEROFF);
		return 0;
	}
	if (!(__atomic_fetch_or(&v->pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN))
		vcpu_sleep_nosync(v);
	return 0;
}

/* Write @v's run state to @gva in the caller's layout and address space. */
static int put_runstate(struct vcpu *caller, struct vcpu *v, uint64_t gva)
{
	struct vcpu_runstate_info info;
	enum runstate state;
	stime_t entry;

	memset(&info, 0, sizeof(info));
	vcpu_runstate_get(v, &state, &entry, info.time);
	info.state = (int32_t)state;
	info.state_entry_time = (uint64_t)entry;
	return put_struct(caller, gva, &info, LAYOUT_vcpu_runstate_info);
}

static long op_get_runstate(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	return put_runstate(caller, v, arg) ? -EFAULT : 0;
}

/* A handle in an 8-byte field: 32-bit guests fill only the lower half. */
static int get_area(struct vcpu *caller, uint64_t arg, uint64_t *gva)
{
	if (copy_from_guest(caller, gva, arg, caller->hc.guest32 ? 4 : 8))
		return -EFAULT;
	if (caller->hc.guest32)
		*gva &= UINT32_MAX;
	return 0;
}

/* @v's run state appears at a guest-virtual address from now on; 0 ends that. A bad address only means nothing is written. */
static long op_register_runstate(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	uint64_t gva = 0;

	if (get_area(caller, arg, &gva))
		return -EFAULT;
	write_once(v->runstate_gva, 0);
	write_once(v->runstate_guest32, caller->hc.guest32);
	write_once(v->runstate_gva, gva);
	if (gva && put_runstate(caller, v, gva))
		return 0; /* no complaint, as in Xen: the area may be mapped later */
	return 0;
}

static long op_set_periodic(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	struct vcpu_set_periodic_timer set;

	if (copy_from_guest(caller, &set, arg, sizeof(set)))
		return -EFAULT;
	if (set.period_ns < (uint64_t)MILLISECS(1) || set.period_ns > PERIOD_MAX)
		return err(-EINVAL);
	write_once(v->periodic_period, (stime_t)set.period_ns);
	timer_set(&v->periodic_timer, now() + (stime_t)set.period_ns);
	return 0;
}

static long op_stop_periodic(struct vcpu *v)
{
	write_once(v->periodic_period, 0);
	timer_stop(&v->periodic_timer);
	return 0;
}

/*
 * Only the vCPU itself may use its one-shot timer. VCPU_SSHOTTMR_future asks for -ETIME when the time has passed; Xen ignores it since guests
 * were found that take this badly: a time in the past fires at once.
 */
static long op_set_singleshot(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	struct vcpu_set_singleshot_timer set;

	if (v != caller)
		return err(-EINVAL);
	if (get_struct(caller, &set, arg, LAYOUT_vcpu_set_singleshot_timer))
		return -EFAULT;
	timer_set(&v->singleshot_timer, (stime_t)set.timeout_abs_ns);
	return 0;
}

static long op_stop_singleshot(struct vcpu *caller, struct vcpu *v)
{
	if (v != caller)
		return err(-EINVAL);
	timer_stop(&v->singleshot_timer);
	return 0;
}

/* May the vcpu_info of @v move to @reg? -ENXIO: out of its page or misaligned; -EINVAL: moved before, or @v runs elsewhere. */
static int vcpu_info_check(struct vcpu *caller, struct vcpu *v, const struct vcpu_register_vcpu_info *reg)
{
	uint32_t align = caller->hc.guest32 ? 4 : 8;

	if (reg->offset > PAGE_SIZE - sizeof(struct vcpu_info) || reg->offset % align)
		return err(-ENXIO);
	if (v->vcpu_info_frame)
		return err(-EINVAL);
	if (v != caller && !is_down(v))
		return err(-EINVAL);
	return 0;
}

/* Switch @v to its new area with the old content. Senders may still write the old one meanwhile, so all is marked pending after. */
static void vcpu_info_apply(struct vcpu *v, struct frame *f, uint32_t offset)
{
	struct vcpu_info *info = (void *)((char *)mfn_to_virt(frame_to_mfn(f)) + offset);

	if (v->vcpu_info) {
		memcpy(info, v->vcpu_info, sizeof(*info));
	} else {
		memset(info, 0, sizeof(*info));
		info->evtchn_upcall_mask = 1;
	}
	v->vcpu_info_frame = f;
	__atomic_store_n(&v->vcpu_info, info, __ATOMIC_SEQ_CST);
}

/* Move @v's vcpu_info into a page of the guest, once. -EFAULT, -ENXIO, -EINVAL. */
static long op_register_vcpu_info(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	struct domain *d = v->domain;
	struct vcpu_register_vcpu_info reg;
	struct frame *f;
	int rc;

	if (copy_from_guest(caller, &reg, arg, sizeof(reg)))
		return -EFAULT;
	rc = vcpu_info_check(caller, v, &reg);
	if (rc)
		return rc;
	f = p2m_get_frame(d, gfn(reg.mfn), true);
	if (!f)
		return err(-EINVAL);
	spin_lock(&d->lock);
	rc = d->dying || f->owner != d->id ? err(-EINVAL) : vcpu_info_check(caller, v, &reg);
	if (rc == 0)
		vcpu_info_apply(v, f, reg.offset);
	spin_unlock(&d->lock);
	if (rc) {
		frame_put(f);
		return rc;
	}
	evtchn_vcpu_info_moved(v);
	arch_update_vcpu_time(v);
	return 0;
}

/* A second copy of @v's clock record at a guest-virtual address; 0 ends that. */
static long op_register_time(struct vcpu *caller, struct vcpu *v, uint64_t arg)
{
	uint64_t gva = 0;

	if (get_area(caller, arg, &gva))
		return -EFAULT;
	write_once(v->time_info_gva, gva);
	if (v == caller)
		arch_update_vcpu_time(v);
	return 0;
}

static long op_send_nmi(struct vcpu *v, uint64_t arg)
{
	if (arg)
		return err(-EINVAL);
	arch_vcpu_send_nmi(v);
	return 0;
}

/*
 * args: VCPUOP_*, vCPU number, guest address of the argument. -ENOENT: no such vCPU; -ENOSYS: unknown; -EFAULT.
 */
long do_vcpu_op(struct vcpu *caller, const uint64_t *args)
{
	struct domain *d = caller->domain;
	uint64_t arg = args[2];
	struct vcpu *v = args[1] < d->max_vcpus ? d->vcpu[index_nospec(args[1], d->max_vcpus)] : NULL;

	if (!v)
		return err(-ENOENT);
	switch (args[0]) {
	case VCPUOP_initialise:
		return op_initialise(caller, v, arg);
	case VCPUOP_up:
		return op_up(v);
	case VCPUOP_down:
		return op_down(v);
	case VCPUOP_is_up:
		return !is_down(v);
	case VCPUOP_get_runstate_info:
		return op_get_runstate(caller, v, arg);
	case VCPUOP_register_runstate_memory_area:
		return op_register_runstate(caller, v, arg);
	case VCPUOP_set_periodic_timer:
		return op_set_periodic(caller, v, arg);
	case VCPUOP_stop_periodic_timer:
		return op_stop_periodic(v);
	case VCPUOP_set_singleshot_timer:
		return op_set_singleshot(caller, v, arg);
	case VCPUOP_stop_singleshot_timer:
		return op_stop_singleshot(caller, v);
	case VCPUOP_register_vcpu_info:
		return op_register_vcpu_info(caller, v, arg);
	case VCPUOP_send_nmi:
		return op_send_nmi(v, arg);
	case VCPUOP_get_physid:
		return err(-EINVAL); /* only for vCPUs pinned to a CPU by dom0_vcpus_pin */
	case VCPUOP_register_vcpu_time_memory_area:
		return op_register_time(caller, v, arg);
	default:
		return err(-ENOSYS);
	}
}
