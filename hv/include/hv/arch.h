/* Everything a port implements, and nothing else. hv/arch/x86 is the machine, hv/arch/host a process for tests. */
#ifndef HV_ARCH_H
#define HV_ARCH_H

#include "hv/domain.h"
#include "hv/pcpu.h"
#include "hv/types.h"

/* CPU ---------------------------------------------------------------------------------- */
/* Pause hint inside a spin loop. */
void arch_cpu_relax(void);
/* Interrupt @cpu so it leaves its guest or idle state; only sets the wheels in motion. */
void arch_cpu_kick(unsigned cpu);
/* Core (within its socket) and socket of @cpu. */
void arch_cpu_topology(unsigned cpu, uint32_t *core, uint32_t *socket);
/* Speed, topology counts and abilities of the machine; the rest is filled in. */
struct xen_sysctl_physinfo;
void arch_physinfo(struct xen_sysctl_physinfo *p);
/* As smp_call in pcpu.h. */
void arch_smp_call(const cpumask_t *mask, void (*fn)(void *), void *arg);
/* Sleep until an interrupt unless softirqs are pending; returns with interrupts on. */
void arch_idle(void);
/* A time that goes on alike on all CPUs, in the machine's own unit: for traces. */
uint64_t arch_trace_time(void);
/* Program this CPU's one-shot timer interrupt; STIME_MAX = none. Raises SOFTIRQ_TIMER. */
void arch_set_timer(stime_t deadline);
/* Stop the machine. @reboot: reset it instead of power off. */
_Noreturn void arch_machine_stop(bool reboot);

/* Maker and model of the machine's CPUs; family and model with their extensions. */
void arch_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping);
/* What firmware calls @cpu, which runs. */
void arch_cpu_ids(unsigned cpu, uint32_t *apic_id, uint32_t *acpi_id);

/* Domains and vCPUs --------------------------------------------------------------------- */
int arch_domain_create(struct domain *d) must_check;
void arch_domain_destroy(struct domain *d);
int arch_vcpu_create(struct vcpu *v) must_check;
void arch_vcpu_destroy(struct vcpu *v);
/* Load @v's state on this CPU / take it off again. Called by the scheduler only. */
void arch_vcpu_load(struct vcpu *v);
void arch_vcpu_save(struct vcpu *v);
/* Enter the current vCPU, once; returns after one exit has been handled. Softirqs are looked at between. */
void arch_vcpu_run(struct vcpu *v);
/* Set @v to the PVH entry state: 32-bit flat protected mode, paging off, @eip and @ebx. PVH boot specification. */
void arch_vcpu_set_entry(struct vcpu *v, uint32_t eip, uint32_t ebx);
/* Is there an event or interrupt that must end HLT/block now? */
bool arch_vcpu_event_pending(struct vcpu *v);
/* An event channel upcall became pending for @v (evtchn_upcall_pending just turned 1): inject the callback and vcpu_kick() it. Any CPU. */
void arch_event_upcall(struct vcpu *v);
/* HVM_PARAM_CALLBACK_IRQ of @d was written: pending upcalls find their (new) way in. */
void arch_callback_irq_changed(struct domain *d);
/* Give @v a non-maskable interrupt, once if one already waits. Any CPU. */
void arch_vcpu_send_nmi(struct vcpu *v);
/* The current register state of the calling vCPU says 32-bit (CS.L = 0): the width of hypercalls and of d->guest32. */
bool arch_guest_is_32(struct vcpu *v);
/* Publish time to @v's pvclock; call whenever it is loaded or its vcpu_info moves. */
void arch_update_vcpu_time(struct vcpu *v);
/* Does any of [@s, @e] belong to Hospes alone? Ports, frames of memory that is no RAM, interrupts of the machine. */
bool arch_ioport_private(uint64_t s, uint64_t e);
bool arch_iomem_private(uint64_t s, uint64_t e);
bool arch_irq_private(unsigned irq);
/* Begin @v, which is down and never ran, in the state @ctx (abi/hvm_vcpu.h). -EINVAL: no processor could be in it. */
struct vcpu_hvm_context;
int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_hvm_context *ctx) must_check;
/* Width of guest-physical addresses as @d sees it. */
unsigned arch_guest_paddr_bits(const struct domain *d);
/* Fill one hypercall page for @d at @va. */
void arch_fill_hypercall_page(void *va);

/* Guest memory by virtual address ---------------------------------------------------------- */
int arch_guest_read(struct vcpu *v, void *dst, uint64_t gva, size_t len) must_check;
int arch_guest_write(struct vcpu *v, uint64_t gva, const void *src, size_t len) must_check;
/* As copy_to_guest_marked(), if it can be done at once. False: nothing was done. */
bool arch_guest_write_marked(struct vcpu *v, uint64_t gva, const void *src, size_t len, size_t at,
			     uint64_t mark) must_check;

/* Guest-physical map table format, used by hv/mm/p2m.c -------------------------------------- */
/* asm/p2m.h has arch_p2m_leaf(), arch_p2m_table() and arch_p2m_decode(), pure functions on one 8-byte entry; the rest is in hv/p2m_entry.h. */
#include "asm/p2m.h"

#endif
