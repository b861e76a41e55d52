/* hvm_op: parameters of an HVM container and what its kernel may ask of it. HC-34.* of docs/compatibility.md. */
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/p2m.h"
#include "hv/printk.h"

#include "hvm_params.h"

enum {
	HVMOP_set_param = 0,
	HVMOP_get_param = 1,
	HVMOP_flush_tlbs = 5,
	HVMOP_pagetable_dying = 9,
	HVMOP_get_time = 10,
	HVMOP_get_mem_type = 15,
	HVMOP_set_evtchn_upcall_vector = 23,
	HVMOP_guest_request_vm_event = 24,
};

/* Memory types HVMOP_get_mem_type reports. */
enum { HVMMEM_ram_rw = 0, HVMMEM_ram_ro = 1, HVMMEM_mmio_dm = 2 };

/* A 32-bit TSS, and what firmware gives a virtual 8086 mode that nobody needs here: with a size of its own, or of 128 bytes. */
#define VM86_TSS_MIN 104u
#define VM86_TSS_DEFAULT 128UL

struct hvm_param {
	uint16_t domid, pad;
	uint32_t index;
	uint64_t value;
};

/* Who may touch parameter @index from inside the domain itself. */
enum access { ACCESS_NONE, ACCESS_TOOLS, ACCESS_READ, ACCESS_WRITE };

static enum access param_access(uint32_t index)
{
	switch (index) {
	case HVM_PARAM_CALLBACK_IRQ:
	case HVM_PARAM_VM86_TSS:
	case HVM_PARAM_VM86_TSS_SIZED:
	case HVM_PARAM_ACPI_IOPORTS_LOCATION:
	case HVM_PARAM_VM_GENERATION_ID_ADDR:
	case HVM_PARAM_STORE_EVTCHN:
	case HVM_PARAM_CONSOLE_EVTCHN:
	case HVM_PARAM_X87_FIP_WIDTH:
		return ACCESS_WRITE;
	case HVM_PARAM_STORE_PFN:
	case HVM_PARAM_CONSOLE_PFN:
	case HVM_PARAM_ALTP2M:
		return ACCESS_READ;
	case 3: /* without a name now: Xen still keeps them from the guest */
	case 7:
	case 8:
	case HVM_PARAM_IOREQ_PFN:
	case HVM_PARAM_BUFIOREQ_PFN:
	case HVM_PARAM_VIRIDIAN:
	case HVM_PARAM_TIMER_MODE:
	case HVM_PARAM_HPET_ENABLED:
	case HVM_PARAM_IDENT_PT:
	case HVM_PARAM_ACPI_S_STATE:
	case HVM_PARAM_VPT_ALIGN:
	case HVM_PARAM_PAGING_RING_PFN:
	case HVM_PARAM_MONITOR_RING_PFN:
	case HVM_PARAM_SHARING_RING_PFN:
	case HVM_PARAM_TRIPLE_FAULT_REASON:
	case HVM_PARAM_IOREQ_SERVER_PFN:
	case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
	case HVM_PARAM_MCA_CAP:
		return ACCESS_TOOLS;
	default:
		return ACCESS_NONE;
	}
}

static int param_check(struct vcpu *v, struct domain *d, uint32_t index, bool write)
{
	enum access a = param_access(index);

	if (index >= ARRAY_SIZE(d->hvm_params) || a == ACCESS_NONE)
		return err(-EINVAL);
	if (d == v->domain && a < (write ? ACCESS_WRITE : ACCESS_READ))
		return err(-EPERM);
	return 0;
}

/* Values an index refuses. */
static int param_value_check(const struct domain *d, uint32_t index, uint64_t value)
{
	switch (index) {
	case HVM_PARAM_X87_FIP_WIDTH:
		return value == 0 || value == 4 || value == 8 ? 0 : err(-EINVAL);
	case HVM_PARAM_TIMER_MODE:
		return value <= 3 ? 0 : err(-EINVAL);
	case HVM_PARAM_TRIPLE_FAULT_REASON:
		return value <= SHUTDOWN_MAX ? 0 : err(-EINVAL);
	case HVM_PARAM_ACPI_IOPORTS_LOCATION:
		return err(-ENODEV); /* no power management ports to move */
	case HVM_PARAM_ACPI_S_STATE:
		return value ? err(-EINVAL) : 0; /* nothing sleeps here */
	case HVM_PARAM_MCA_CAP:
		return value ? err(-EINVAL) : 0; /* of local machine checks there are none */
	case HVM_PARAM_VM86_TSS_SIZED:
		return value >> 32 < VM86_TSS_MIN ? err(-EINVAL) : 0;
	case HVM_PARAM_IOREQ_PFN:
	case HVM_PARAM_BUFIOREQ_PFN:
	case HVM_PARAM_VIRIDIAN:
	case HVM_PARAM_ALTP2M:
	case HVM_PARAM_IOREQ_SERVER_PFN:
	case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
		/* Once chosen it stays. */
		return d->hvm_params[index] && d->hvm_params[index] != value ? err(-EEXIST) : 0;
	default:
		return 0;
	}
}

static long param_op(struct vcpu *v, uint64_t arg, bool write)
{
	struct hvm_param p;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &p, arg, sizeof(p)))
		return err(-EFAULT);
	if (p.index >= HVM_NR_PARAMS)
		return err(-EINVAL);
	rc = domain_from_guest(v, p.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	rc = param_check(v, d, p.index, write);
	if (!rc && write)
		rc = param_value_check(d, p.index, p.value);
	if (!rc && write) {
		write_once(d->hvm_params[p.index], p.value);
		if (p.index == HVM_PARAM_VM86_TSS)
			write_once(d->hvm_params[HVM_PARAM_VM86_TSS_SIZED], p.value | VM86_TSS_DEFAULT << 32);
		if (p.index == HVM_PARAM_CALLBACK_IRQ) {
			if (d == v->domain)
				domain_latch_width(d, v->hc.guest32);
			arch_callback_irq_changed(d);
		}
	} else if (!rc) {
		p.value = read_once(d->hvm_params[p.index]);
		rc = copy_to_guest(v, arg, &p, sizeof(p));
	}
	domain_put(d);
	return rc;
}

static long set_upcall_vector(struct vcpu *v, uint64_t arg)
{
	struct {
		uint32_t vcpu;
		uint8_t vector, pad[3];
	} op;
	struct vcpu *target;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	if (op.vector < 0x10)
		return err(-EINVAL);
	if (op.vcpu >= v->domain->max_vcpus || !(target = v->domain->vcpu[op.vcpu]))
		return err(-ENOENT);
	write_once(target->upcall_vector, op.vector);
	/* Events that arrived before there was a way to tell. */
	if (evtchn_upcall_pending(target))
		arch_event_upcall(target);
	return 0;
}

static long get_mem_type(struct vcpu *v, uint64_t arg)
{
	struct {
		uint16_t domid, mem_type, pad[2];
		uint64_t pfn;
	} op;
	enum p2m_type t;
	struct domain *d;
	int rc;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	rc = domain_from_guest(v, op.domid, RELATION_CONTROL, &d);
	if (rc)
		return rc;
	p2m_lookup(d, gfn(op.pfn), &t, NULL);
	domain_put(d);
	op.mem_type = t == P2M_RAM_RO || t == P2M_GRANT_MAP_RO ? HVMMEM_ram_ro :
		      t == P2M_INVALID || t == P2M_MMIO_DM     ? HVMMEM_mmio_dm :
								 HVMMEM_ram_rw;
	return copy_to_guest(v, arg, &op, sizeof(op));
}

static long get_time(struct vcpu *v, uint64_t arg)
{
	uint64_t t = (uint64_t)now();

	return copy_to_guest(v, arg, &t, sizeof(t));
}

/* Hypercall 34. */
long do_hvm_op(struct vcpu *v, const uint64_t *args)
{
	uint64_t arg = args[1];

	switch ((uint32_t)args[0]) {
	case HVMOP_set_param:
		return param_op(v, arg, true);
	case HVMOP_get_param:
		return param_op(v, arg, false);
	case HVMOP_set_evtchn_upcall_vector:
		return set_upcall_vector(v, arg);
	case HVMOP_flush_tlbs:
		if (arg)
			return err(-EINVAL);
		p2m_flush(&v->domain->p2m);
		return 0;
	case HVMOP_get_time:
		return get_time(v, arg);
	case HVMOP_get_mem_type:
		return get_mem_type(v, arg);
	case HVMOP_pagetable_dying: /* only shadow paging wants the hint */
		return err(-EINVAL);
	case HVMOP_guest_request_vm_event: /* no monitor listens */
		return arg ? err(-EINVAL) : 0;
	default:
		return err(-ENOSYS);
	}
}
