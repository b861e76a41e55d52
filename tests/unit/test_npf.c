/* Accesses of a guest where it has no memory: what is emulated, what ends the domain, and that no process of a guest can end it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/string.h"
#include "hvm/hvm.h"
#include "hvm/vlapic.h"
#include "hwdom/hwdom.h"

#define HOLE 0xe0000000UL
#define RIP 0x1000UL

static struct {
	struct vcpu vcpu;
	struct domain domain;
	enum p2m_type type;
	unsigned cpl, crashed, undefined, protection, ended_insns;
	const char *code;
} t;

/* The rest of Hospes ------------------------------------------------------------------------------------ */

static unsigned get_cpl(struct vcpu *v)
{
	return t.cpl;
}

static struct segment get_segment(struct vcpu *v, enum seg_name s)
{
	return (struct segment){ 0 };
}

static void get_paging(struct vcpu *v, struct guest_paging *p)
{
	*p = (struct guest_paging){ .cpl = t.cpl };
}

static void end_insn(struct vcpu *v)
{
	t.ended_insns++;
}

static const struct virt_ops ops = {
	.get_cpl = get_cpl, .get_segment = get_segment, .get_paging = get_paging, .end_insn = end_insn
};
const struct virt_ops *virt = &ops;

void domain_crash(struct domain *d, const char *fmt, ...)
{
	t.crashed++;
}

void hvm_inject_ud(struct vcpu *v)
{
	t.undefined++;
}

void hvm_inject_gp(struct vcpu *v)
{
	t.protection++;
}

int insn_fetch(struct vcpu *v, struct insn *insn)
{
	return insn_decode(insn, (const uint8_t *)t.code, INSN_MAX_LEN, CPU_MODE_LONG, false);
}

int guest_walk(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access, uint64_t *gpa,
	       uint32_t *pfec)
{
	*gpa = HOLE;
	return 0;
}

bool guest_fault(struct vcpu *v, int rc, uint64_t va, uint32_t pfec)
{
	return true;
}

mfn_t p2m_lookup(struct domain *d, gfn_t g, enum p2m_type *type, unsigned *order)
{
	*type = t.type;
	return INVALID_MFN;
}

int p2m_touch_pod(struct domain *d, gfn_t g)
{
	return 0;
}

void p2m_pod_exhausted(struct vcpu *v)
{
}

bool p2m_write_fault(struct domain *d, gfn_t g)
{
	return true;
}

int copy_from_gpa(struct domain *d, void *dst, uint64_t gpa, size_t len)
{
	return -EFAULT;
}

int copy_to_gpa(struct domain *d, uint64_t gpa, const void *src, size_t len)
{
	return -EFAULT;
}

const struct hvm_handler *hvm_find_handler(struct hvm_handler *const *chain, uint64_t addr, unsigned size)
{
	return NULL;
}

bool hwdom_map_mmio(struct domain *d, uint64_t gpa)
{
	return false;
}

bool vlapic_mmio_hit(const struct vlapic *l, uint64_t gpa)
{
	return false;
}

uint64_t vlapic_mmio_read(struct vlapic *l, unsigned offset, unsigned size)
{
	return 0;
}

void vlapic_mmio_write(struct vlapic *l, unsigned offset, unsigned size, uint64_t val)
{
}

/* ------------------------------------------------------------------------------------------------------- */

#define MOV "\x48\x8b\x07\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"    /* mov (%rdi), %rax */
#define MOVDQU "\xf3\x0f\x6f\x07\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90" /* movdqu (%rdi), %xmm0 */

static void access_with(const char *code, unsigned cpl, uint32_t access)
{
	memset(&t, 0, sizeof(t));
	t.vcpu.domain = &t.domain;
	t.vcpu.arch.regs.rip = RIP;
	t.type = P2M_INVALID;
	t.cpl = cpl;
	t.code = code;
	hvm_exit_npf(&t.vcpu, HOLE, access, false);
}

static void holes_read_ones(void **state)
{
	(void)state;
	for (unsigned cpl = 0; cpl < 4; cpl += 3) {
		access_with(MOV, cpl, 0);
		assert_int_equal(t.vcpu.arch.regs.gpr[REG_RAX], ~0UL);
		assert_int_equal(t.vcpu.arch.regs.rip, RIP + 3);
		assert_int_equal(t.ended_insns, 1);
		assert_int_equal(t.crashed + t.undefined, 0);
	}
}

/* A process that has mapped a device may use any instruction on it, and jump there: that is a fault of the process. */
static void processes_end_alone(void **state)
{
	(void)state;
	access_with(MOVDQU, 3, 0);
	assert_int_equal(t.crashed, 0);
	assert_int_equal(t.undefined, 1);
	assert_int_equal(t.vcpu.arch.regs.rip, RIP);
	access_with(MOV, 3, PF_FETCH);
	assert_int_equal(t.crashed, 0);
	assert_int_equal(t.undefined, 1);
}

/* A kernel that does it cannot go on; a line that names the place helps more than what it would make of a fault. */
static void kernels_take_their_domain_along(void **state)
{
	(void)state;
	access_with(MOVDQU, 0, 0);
	assert_int_equal(t.crashed, 1);
	access_with(MOV, 0, PF_FETCH);
	assert_int_equal(t.crashed, 1);
	assert_int_equal(t.undefined, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_read_ones),
		cmocka_unit_test(processes_end_alone),
		cmocka_unit_test(kernels_take_their_domain_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
