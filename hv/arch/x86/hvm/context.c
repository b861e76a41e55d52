/* The x86 half of domains and vCPUs in a hardware container: making, loading, running them. */
#include "asm/cpuid.h"
#include "control.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "hvm_params.h"
#include "policy.h"

#define GUEST_PHYS_BITS 48 /* what a map of four levels reaches, even where the machine has more */

static struct {
	struct cpu_policy host, max; /* of this machine; valid once ready */
	bool ready;
} machine;

static void read_cpuid(uint32_t leaf, uint32_t sub, struct cpuid_leaf *out)
{
	struct cpuid_regs r = cpuid_count(leaf, sub);

	*out = (struct cpuid_leaf){ r.a, r.b, r.c, r.d };
}

/* The most a guest may see here. The first caller is the boot CPU, alone. */
static const struct cpu_policy *policy_max(void)
{
	struct policy_caps caps = { .xsave = hvm_xcr0_mask(),
				    .rdtscp = cpu_features.rdtscp,
				    .max_phys_bits = GUEST_PHYS_BITS,
				    .xcr0_mask = hvm_xcr0_mask() };

	if (machine.ready)
		return &machine.max;
	policy_from_host(&machine.host, read_cpuid);
	policy_hvm_max(&machine.max, &machine.host, &caps);
	machine.ready = true;
	return &machine.max;
}

/* See control.h. What an expert may add to the default is nothing. */
const struct cpu_policy *machine_policy(enum machine_policy which)
{
	const struct cpu_policy *max = policy_max();

	return which == MACHINE_RAW || which == MACHINE_HOST ? &machine.host : max;
}

/* -ENOMEM. The guest's TSC starts near zero, on whatever CPU. */
int arch_domain_create(struct domain *d)
{
	struct cpu_policy *p = overhead_new(&d->overhead, OVERHEAD_STATE, struct cpu_policy);

	d->arch.lapics = overhead_new_array(&d->overhead, OVERHEAD_STATE, struct vlapic *, d->max_vcpus);
	if (!p || !d->arch.lapics) {
		overhead_free(&d->overhead, OVERHEAD_STATE, p);
		overhead_free(&d->overhead, OVERHEAD_STATE, d->arch.lapics);
		d->arch.lapics = NULL;
		return err(-ENOMEM);
	}
	policy_domain(p, policy_max(), d->max_vcpus);
	d->arch.policy = p;
	d->arch.tsc_offset = this_pcpu()->arch.tsc_delta - (int64_t)rdtsc();
	d->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_REBOOT;
	return 0;
}

void arch_domain_destroy(struct domain *d)
{
	hwdom_destroy(d);
	hvm_free_handlers(d);
	overhead_free(&d->overhead, OVERHEAD_STATE, d->arch.policy);
	overhead_free(&d->overhead, OVERHEAD_STATE, d->arch.lapics);
	d->arch.policy = NULL;
	d->arch.lapics = NULL;
}

void hvm_vcpu_reset(struct vcpu *v)
{
	memset(&v->arch.regs, 0, sizeof(v->arch.regs));
	memset(v->arch.dr, 0, sizeof(v->arch.dr));
	v->arch.regs.rip = 0xfff0;
	v->arch.regs.rflags = RFLAGS_FIXED;
	v->arch.regs.gpr[REG_RDX] = v->domain->arch.policy->basic[1].a; /* family, model, stepping */
	v->arch.nmi_pending = false;
	virt->reset(v);
	msr_state_reset(&v->arch.msrs);
}

/* vCPUs start down; all but the first wait for INIT and STARTUP. -ENOMEM, then nothing is left behind. */
int arch_vcpu_create(struct vcpu *v)
{
	struct domain *d = v->domain;
	int rc;

	v->arch.sipi_vector = -1;
	v->arch.wait_sipi = v->id != 0;
	v->arch.vlapic = overhead_new(&d->overhead, OVERHEAD_STATE, struct vlapic);
	if (!v->arch.vlapic)
		return err(-ENOMEM);
	rc = hvm_fpu_init(v);
	if (rc)
		goto err_free;
	rc = virt->vcpu_init(v);
	if (rc)
		goto err_fpu;
	vlapic_setup(v->arch.vlapic, v->id, &hvm_vlapic_ops, v, d->arch.lapics, d->max_vcpus, v->processor);
	hvm_vcpu_reset(v);
	__atomic_store_n(&d->arch.lapics[v->id], v->arch.vlapic, __ATOMIC_RELEASE);
	return 0;

err_fpu:
	overhead_page_free(&d->overhead, OVERHEAD_STATE, v->arch.fpu);
	v->arch.fpu = NULL;
err_free:
	overhead_free(&d->overhead, OVERHEAD_STATE, v->arch.vlapic);
	v->arch.vlapic = NULL;
	return rc;
}

void arch_vcpu_destroy(struct vcpu *v)
{
	struct overhead *o = &v->domain->overhead;

	if (!v->arch.vlapic)
		return;
	__atomic_store_n(&v->domain->arch.lapics[v->id], NULL, __ATOMIC_RELEASE);
	vlapic_teardown(v->arch.vlapic);
	virt->vcpu_free(v);
	overhead_page_free(o, OVERHEAD_STATE, v->arch.fpu);
	overhead_free(o, OVERHEAD_STATE, v->arch.vlapic);
	v->arch.fpu = NULL;
	v->arch.vlapic = NULL;
}

/* PVH boot specification: flat 4 GiB segments, protected mode, 104-byte 32-bit TSS, everything else off. */
void arch_vcpu_set_entry(struct vcpu *v, uint32_t eip, uint32_t ebx)
{
	static const struct segment code = { .sel = 0x8, .attr = 0xc9b, .limit = 0xffffffff };
	static const struct segment data = { .sel = 0x10, .attr = 0xc93, .limit = 0xffffffff };
	static const struct segment tss = { .sel = 0x18, .attr = 0x8b, .limit = 0x67 };

	hvm_vcpu_reset(v);
	virt->set_segment(v, SEG_CS, code);
	virt->set_segment(v, SEG_DS, data);
	virt->set_segment(v, SEG_ES, data);
	virt->set_segment(v, SEG_SS, data);
	virt->set_segment(v, SEG_FS, data);
	virt->set_segment(v, SEG_GS, data);
	virt->set_segment(v, SEG_TR, tss);
	virt->set_cr(v, 0, CR0_PE | CR0_ET);
	v->arch.regs.gpr[REG_RDX] = 0;
	v->arch.regs.gpr[REG_RBX] = ebx;
	v->arch.regs.rip = eip;
	v->arch.wait_sipi = false;
	v->initialised = true;
}

static void debug_load(const uint64_t dr[4])
{
	asm volatile("mov %0, %%db0" : : "r"(dr[0]));
	asm volatile("mov %0, %%db1" : : "r"(dr[1]));
	asm volatile("mov %0, %%db2" : : "r"(dr[2]));
	asm volatile("mov %0, %%db3" : : "r"(dr[3]));
}

static void debug_save(uint64_t dr[4])
{
	asm volatile("mov %%db0, %0" : "=r"(dr[0]));
	asm volatile("mov %%db1, %0" : "=r"(dr[1]));
	asm volatile("mov %%db2, %0" : "=r"(dr[2]));
	asm volatile("mov %%db3, %0" : "=r"(dr[3]));
}

/* Another vCPU's branches must not steer this one's speculation: AMD, "Indirect Branch Control Extension". */
static void forget_branches(void)
{
	if (cpu_features.ibpb)
		wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}

void arch_vcpu_load(struct vcpu *v)
{
	forget_branches();
	virt->load(v);
	if (cpu_features.rdtscp)
		wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
	debug_load(v->arch.dr);
	hvm_fpu_load(v);
	vlapic_migrate(v->arch.vlapic, this_cpu());
	this_pcpu()->arch.loaded = v;
	arch_update_vcpu_time(v);
}

void arch_vcpu_save(struct vcpu *v)
{
	this_pcpu()->arch.loaded = NULL;
	hvm_fpu_save(v);
	debug_save(v->arch.dr);
	virt->save(v);
}

void arch_vcpu_run(struct vcpu *v)
{
	if (unlikely(read_once(v->arch.init_pending) || read_once(v->arch.sipi_vector) >= 0) && !hvm_init_sipi(v))
		return;
	virt->run(v);
}
