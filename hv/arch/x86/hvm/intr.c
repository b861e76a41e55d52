/*
 * What interrupts a guest: NMIs, the event channel upcall, the local APIC, INIT and STARTUP. Other CPUs only set atomic bits and kick;
 * the vCPU's own CPU looks at them with interrupts closed just before each entry, so that nothing is missed.
 */
#include "hv/arch.h"
#include "hv/evtchn.h"
#include "hv/printk.h"
#include "hv/trace.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "hvm_params.h"
#include "hwdom/hwdom.h"

#define CALLBACK_TYPE_SHIFT 56
#define CALLBACK_TYPE_VECTOR 2

/* The domain-wide callback vector, injected as long as the upcall is pending, without the APIC; 0 = none. */
static uint8_t callback_vector(const struct domain *d)
{
	uint64_t via = read_once(d->hvm_params[HVM_PARAM_CALLBACK_IRQ]);

	return via >> CALLBACK_TYPE_SHIFT == CALLBACK_TYPE_VECTOR ? (uint8_t)via : 0;
}

static bool callback_pending(const struct vcpu *v)
{
	return !v->upcall_vector && callback_vector(v->domain) && evtchn_upcall_pending(v);
}

/* Something may be waiting: queue what can be taken now. Which window the rest wants. */
static int queue_next(struct vcpu *v, struct vlapic *l, bool callback)
{
	int vector = callback ? callback_vector(v->domain) : vlapic_pending(l);
	int window = WINDOW_NONE;

	if (unlikely(read_once(v->arch.nmi_pending))) {
		unsigned blocked = virt->blocked(v);

		if (!blocked) {
			__atomic_store_n(&v->arch.nmi_pending, false, __ATOMIC_SEQ_CST);
			virt->inject_nmi(v);
		} else if (!(blocked & BLOCK_NMI)) {
			window = WINDOW_ANY;
		}
	}
	if (vector >= 0) {
		if ((virt->blocked(v) & (BLOCK_EVENT | BLOCK_SHADOW)) || !(v->arch.regs.rflags & RFLAGS_IF))
			return WINDOW_ANY;
		trace(TRC_HVM_INJ_VIRQ, (uint32_t)vector, 0);
		virt->inject_interrupt(v, (uint8_t)vector);
		if (!callback)
			vlapic_ack(l, (uint8_t)vector);
		else if (vlapic_pending(l) >= 0)
			return WINDOW_ANY;
	} else if (l->irr_maybe) {
		int waiting = vlapic_highest_irr(l);

		/* Held back by CR8, which the guest lowers without telling. */
		if (waiting >= 0 && waiting >> 4 <= vlapic_get_cr8(l))
			return waiting >> 4;
	}
	return window;
}

void hvm_intr_prepare(struct vcpu *v)
{
	struct vlapic *l = v->arch.vlapic;
	bool callback = callback_pending(v);
	int window = WINDOW_NONE;

	if (unlikely(callback || read_once(l->irr_maybe) || read_once(v->arch.nmi_pending)))
		window = queue_next(v, l, callback);
	virt->priority(v, vlapic_get_cr8(l), window);
}

/* The callback's vector was never acknowledged: it is pending as long as the upcall is. */
void hvm_intr_undelivered(struct vcpu *v, uint8_t vector)
{
	vlapic_unack(v->arch.vlapic, vector);
}

/*
 * For HLT, SCHEDOP_block and SCHEDOP_poll. Own CPU, or the vCPU is not running. An interrupt counts only if the guest would take it
 * now: one that polls with interrupts off waits for its ports, as on Xen.
 */
bool arch_vcpu_event_pending(struct vcpu *v)
{
	if (read_once(v->arch.nmi_pending) || read_once(v->arch.init_pending) ||
	    __atomic_load_n(&v->arch.sipi_vector, __ATOMIC_SEQ_CST) >= 0)
		return true;
	return (v->arch.regs.rflags & RFLAGS_IF) && (callback_pending(v) || vlapic_pending(v->arch.vlapic) >= 0);
}

void arch_event_upcall(struct vcpu *v)
{
	if (v->upcall_vector)
		vlapic_set_irq(v->arch.vlapic, v->upcall_vector, false);
	else
		vcpu_kick(v);
}

void arch_callback_irq_changed(struct domain *d)
{
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i] && evtchn_upcall_pending(d->vcpu[i]))
			arch_event_upcall(d->vcpu[i]);
}

static void set_down(struct vcpu *v)
{
	__atomic_fetch_or(&v->pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST);
}

static void set_up(struct vcpu *v)
{
	__atomic_fetch_and(&v->pause_flags, ~(VPF_DOWN | VPF_BLOCKED), __ATOMIC_SEQ_CST);
	vcpu_wake(v);
}

void hvm_vcpu_down(struct vcpu *v)
{
	struct domain *d = v->domain;

	set_down(v);
	vcpu_sleep_nosync(v);
	for (unsigned i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i] && !(__atomic_load_n(&d->vcpu[i]->pause_flags, __ATOMIC_SEQ_CST) & VPF_DOWN))
			return;
	domain_shutdown(d, SHUTDOWN_POWEROFF);
}

static void lapic_kick(struct vlapic *l)
{
	vcpu_kick(l->owner);
}

/* A vCPU that is down already waits for its STARTUP as it is; a running one resets itself on its way in. */
static void lapic_init(struct vlapic *l)
{
	struct vcpu *v = l->owner;

	__atomic_store_n(&v->arch.sipi_vector, -1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->arch.init_pending, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->arch.wait_sipi, true, __ATOMIC_SEQ_CST);
	vcpu_kick(v);
}

/* Only the first STARTUP after an INIT counts. */
static void lapic_sipi(struct vlapic *l, uint8_t vector)
{
	struct vcpu *v = l->owner;

	if (!__atomic_exchange_n(&v->arch.wait_sipi, false, __ATOMIC_SEQ_CST))
		return;
	__atomic_store_n(&v->arch.sipi_vector, vector, __ATOMIC_SEQ_CST);
	set_up(v);
}

/* See hv/arch.h. */
void arch_vcpu_send_nmi(struct vcpu *v)
{
	if (!__atomic_exchange_n(&v->arch.nmi_pending, true, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

static void lapic_nmi(struct vlapic *l)
{
	struct vcpu *v = l->owner;

	__atomic_store_n(&v->arch.nmi_pending, true, __ATOMIC_SEQ_CST);
	vcpu_kick(v);
}

static void lapic_eoi(struct vlapic *l, uint8_t vector)
{
	struct vcpu *v = l->owner;

	hwdom_eoi(v->domain, vector);
}

const struct vlapic_ops hvm_vlapic_ops = {
	.kick = lapic_kick,
	.init = lapic_init,
	.sipi = lapic_sipi,
	.nmi = lapic_nmi,
	.eoi = lapic_eoi,
};

/*
 * The APIC of a vCPU that INIT finds running. One that never ran is fresh already, but for the upcall its kernel's first CPU has
 * prepared for it, which must survive; and a pending upcall is told only once, so it is told again after a reset.
 */
static void reset_lapic(struct vcpu *v)
{
	if (!v->initialised)
		return;
	vlapic_init_reset(v->arch.vlapic);
	if (evtchn_upcall_pending(v))
		arch_event_upcall(v);
}

/* Start in real mode at @vector * 4 KiB, everything else as after reset. */
static void start(struct vcpu *v, uint8_t vector)
{
	struct segment cs = {
		.sel = (uint16_t)(vector << 8), .attr = 0x9b, .limit = 0xffff, .base = (uint64_t)vector << 12
	};

	__atomic_store_n(&v->arch.init_pending, false, __ATOMIC_SEQ_CST);
	hvm_fpu_reset(v);
	hvm_fpu_load(v);
	hvm_vcpu_reset(v);
	reset_lapic(v);
	virt->set_segment(v, SEG_CS, cs);
	v->arch.regs.rip = 0;
	v->initialised = true;
}

bool hvm_init_sipi(struct vcpu *v)
{
	int vector = __atomic_exchange_n(&v->arch.sipi_vector, -1, __ATOMIC_SEQ_CST);

	if (vector < 0 && !read_once(v->arch.init_pending))
		return true;
	if (vector < 0) {
		/* A STARTUP may come just now: it clears DOWN after it wrote the vector, we look after we set DOWN. */
		set_down(v);
		vector = __atomic_exchange_n(&v->arch.sipi_vector, -1, __ATOMIC_SEQ_CST);
		if (vector < 0) {
			vcpu_sleep_nosync(v);
			return false;
		}
		set_up(v);
	}
	start(v, (uint8_t)vector);
	return true;
}
