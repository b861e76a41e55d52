/* What a toolstack may ask the fake machine: one socket of single-threaded cores at 2 GHz, an AMD processor that is on no market. */
#include "control.h"

#include "abi/hvm_save.h"
#include "abi/hvm_vcpu.h"
#include "abi/sysctl.h"
#include "hv/arch.h"
#include "hv/context.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/vcpu_check.h"

#define XCR0 0x7UL

/* CPUID of the fake processor. */
static void fake_cpuid(uint32_t leaf, uint32_t sub, struct cpuid_leaf *out)
{
	*out = (struct cpuid_leaf){ 0 };
	switch (leaf) {
	case 0:
		*out = (struct cpuid_leaf){ 0xd, 0x68747541, 0x444d4163, 0x69746e65 };
		break;
	case 1:
		*out = (struct cpuid_leaf){ 0x00a20f10, 0x00080800, 0x3ed8320b, 0x178bfbff };
		break;
	case 7:
		if (sub == 0)
			out->b = 0x219c91a9;
		break;
	case 0xd:
		if (sub == 0)
			*out = (struct cpuid_leaf){ XCR0, 832, 832, 0 };
		else if (sub == 1)
			out->a = 7;
		else if (sub == 2)
			*out = (struct cpuid_leaf){ 256, 576, 0, 0 };
		break;
	case 0x80000000:
		*out = (struct cpuid_leaf){ 0x80000021, 0x68747541, 0x444d4163, 0x69746e65 };
		break;
	case 0x80000001:
		*out = (struct cpuid_leaf){ 0x00a20f10, 0, 0x000037ff, 0x2fd3fbff };
		break;
	case 0x80000008:
		*out = (struct cpuid_leaf){ 0x3030, 0, 0x4007, 0 };
		break;
	}
}

/* See control.h. Made anew for each question: tests may not leave a mark. */
const struct cpu_policy *machine_policy(enum machine_policy which)
{
	static struct cpu_policy host, max;
	const struct policy_caps caps = { .xsave = true, .rdtscp = true, .xcr0_mask = XCR0 };

	policy_from_host(&host, fake_cpuid);
	policy_hvm_max(&max, &host, &caps);
	return which == MACHINE_RAW || which == MACHINE_HOST ? &host : &max;
}

uint64_t domain_tsc(const struct domain *d)
{
	return (uint64_t)now() * 2 + d->arch.tsc_offset;
}

void domain_set_tsc(struct domain *d, uint64_t tsc)
{
	d->arch.tsc_offset = tsc - (uint64_t)now() * 2;
}

uint32_t machine_tsc_khz(void)
{
	return 2000000;
}

unsigned arch_guest_paddr_bits(const struct domain *d)
{
	return d->arch.policy->ext[8].a & 0xff;
}

void arch_cpu_topology(unsigned cpu, uint32_t *core, uint32_t *socket)
{
	*core = cpu;
	*socket = 0;
}

void arch_physinfo(struct xen_sysctl_physinfo *p)
{
	p->threads_per_core = 1;
	p->cores_per_socket = p->nr_cpus;
	p->cpu_khz = machine_tsc_khz();
	p->capabilities |= XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap;
}

bool arch_ioport_private(uint64_t s, uint64_t e)
{
	return s <= 0x21 && e >= 0x20;
}

bool arch_iomem_private(uint64_t s, uint64_t e)
{
	return s <= 0xfee00 && e >= 0xfee00;
}

bool arch_irq_private(unsigned irq)
{
	return irq == 0;
}

/* Register state is kept as the record itself. */
static size_t cpu_save(struct vcpu *v, void *buf)
{
	if (!v->initialised || __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) & VPF_DOWN)
		return 0;
	memcpy(buf, &v->arch.cpu, sizeof(v->arch.cpu));
	return sizeof(v->arch.cpu);
}

static int cpu_check(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_cpu c;

	if (len != sizeof(c))
		return err(-EINVAL);
	memcpy(&c, rec, sizeof(c));
	return hvm_cpu_check(v->domain->arch.policy, &c);
}

static void cpu_load(struct vcpu *v, const void *rec, size_t len)
{
	memcpy(&v->arch.cpu, rec, len);
	v->initialised = true;
	if (__atomic_fetch_and(&v->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN)
		vcpu_wake(v);
}

static size_t mtrr_save(struct vcpu *v, void *buf)
{
	memcpy(buf, &v->arch.mtrr, sizeof(v->arch.mtrr));
	return sizeof(v->arch.mtrr);
}

static int mtrr_check(struct vcpu *v, const void *rec, size_t len)
{
	struct hvm_hw_mtrr m;

	if (len != sizeof(m))
		return err(-EINVAL);
	memcpy(&m, rec, sizeof(m));
	return hvm_mtrr_check(v->domain->arch.policy, &m);
}

static void mtrr_load(struct vcpu *v, const void *rec, size_t len)
{
	memcpy(&v->arch.mtrr, rec, len);
}

static const struct context_record records[] = {
	{ HVM_SAVE_CODE_CPU, sizeof(struct hvm_hw_cpu), cpu_save, cpu_check, cpu_load },
	{ .code = 7 },
	{ HVM_SAVE_CODE_MTRR, sizeof(struct hvm_hw_mtrr), mtrr_save, mtrr_check, mtrr_load },
};

const struct context_record *arch_context_records(unsigned *nr)
{
	*nr = ARRAY_SIZE(records);
	return records;
}

void arch_context_header(const struct domain *d, struct hvm_save_header *h)
{
	*h = (struct hvm_save_header){ .magic = HVM_FILE_MAGIC,
				       .version = HVM_FILE_VERSION,
				       .cpuid = machine_policy(MACHINE_HOST)->basic[1].a,
				       .gtsc_khz = machine_tsc_khz() };
}

int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_hvm_context *ctx)
{
	int rc = vcpu_context_check(v->domain->arch.policy, ctx);

	if (rc == 0)
		v->initialised = true;
	return rc;
}
