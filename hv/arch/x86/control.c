/* The machine's side of what a toolstack asks: processors, counters, and what is Hospes' own. */
#include "control.h"

#include "abi/sysctl.h"
#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/time.h"
#include "hv/acpi.h"
#include "hv/arch.h"
#include "hv/pcpu.h"

uint64_t domain_tsc(const struct domain *d)
{
	return rdtsc() - (uint64_t)this_pcpu()->arch.tsc_delta + (uint64_t)d->arch.tsc_offset;
}

/* The same for all its vCPUs. Their clocks follow when they are loaded; nobody runs now. */
void domain_set_tsc(struct domain *d, uint64_t tsc)
{
	d->arch.tsc_offset += (int64_t)(tsc - domain_tsc(d));
}

uint32_t machine_tsc_khz(void)
{
	return time_tsc_khz();
}

unsigned arch_guest_paddr_bits(const struct domain *d)
{
	return d->arch.policy->ext[8].a & 0xff;
}

static unsigned order_up(unsigned n)
{
	unsigned order = 0;

	while (order < 31 && (1u << order) < n)
		order++;
	return order;
}

/* Bits of an APIC id below the core's and below the socket's: leaf 0xb, AMD's 0x80000008, or the number of ids of leaf 1. */
static void apic_id_shifts(unsigned *thread, unsigned *core)
{
	struct cpuid_regs r = { 0 };

	*thread = 0;
	if (cpu_features.max_leaf >= 0xb)
		r = cpuid_count(0xb, 0);
	if (r.b) {
		*thread = r.a & 31;
		*core = cpuid_count(0xb, 1).a & 31;
		return;
	}
	if (cpu_features.max_ext_leaf >= 0x80000008 && cpuid(0x80000008).c & 0xff) {
		r = cpuid(0x80000008);
		*core = r.c >> 12 & 15 ? r.c >> 12 & 15 : order_up((r.c & 0xff) + 1);
		return;
	}
	r = cpuid(1);
	*core = r.d & 1u << 28 ? order_up(r.b >> 16 & 0xff) : 0;
}

void arch_cpu_topology(unsigned cpu, uint32_t *core, uint32_t *socket)
{
	uint32_t id = pcpu_get(cpu)->arch.apic_id;
	unsigned thread_bits, core_bits;

	apic_id_shifts(&thread_bits, &core_bits);
	*core = (id & ((1u << core_bits) - 1)) >> thread_bits;
	*socket = id >> core_bits;
}

/* CPUs that share the boot CPU's core, and its socket. */
static void count_siblings(uint32_t *threads, uint32_t *in_socket)
{
	uint32_t core0, socket0, core, socket;
	unsigned cpu;

	arch_cpu_topology(0, &core0, &socket0);
	*threads = *in_socket = 0;
	for_each_cpu(cpu, cpu_online()) {
		arch_cpu_topology(cpu, &core, &socket);
		*in_socket += socket == socket0;
		*threads += socket == socket0 && core == core0;
	}
}

void arch_physinfo(struct xen_sysctl_physinfo *p)
{
	const struct cpu_policy *host = machine_policy(MACHINE_HOST);
	uint32_t in_socket;

	count_siblings(&p->threads_per_core, &in_socket);
	p->cores_per_socket = in_socket / p->threads_per_core;
	p->cpu_khz = machine_tsc_khz();
	p->capabilities |= XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap;
	for (unsigned i = 0; i < ARRAY_SIZE(p->hw_cap) * 32; i++)
		p->hw_cap[i / 32] |= (uint32_t)policy_has(host, i) << (i % 32);
}

/* Interrupt controllers, timer, configuration space, power management: APM vol. 2 has no list, this is what Hospes drives. */
bool arch_ioport_private(uint64_t s, uint64_t e)
{
	static const struct {
		uint16_t first, last;
	} ours[] = { { 0x20, 0x21 }, { 0x40, 0x43 }, { 0x61, 0x61 }, { 0xa0, 0xa1 }, { 0xcf8, 0xcff } };

	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++)
		if (s <= ours[i].last && e >= ours[i].first)
			return true;
	return false;
}

/* Local APICs (and the window of messages they take), I/O APICs, and all RAM. */
bool arch_iomem_private(uint64_t s, uint64_t e)
{
	if (s <= 0xfeeff && e >= 0xfee00)
		return true;
	for (unsigned i = 0; i < acpi_info.nr_ioapics; i++)
		if (s <= acpi_info.ioapics[i].address >> PAGE_SHIFT && e >= acpi_info.ioapics[i].address >> PAGE_SHIFT)
			return true;
	for (uint64_t m = s; m <= e && m < mm_max_mfn().v; m++)
		if (mfn_is_ram(mfn(m)))
			return true;
	return false;
}

/* The timer's; others are taken from it when they are bound. */
bool arch_irq_private(unsigned irq)
{
	return irq == 0;
}
