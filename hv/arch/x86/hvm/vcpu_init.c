/* VCPUOP_initialise: a guest's kernel says in which state one of its vCPUs begins. */
#include "abi/hvm_vcpu.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/printk.h"
#include "hvm/hvm.h"
#include "hvm/vcpu_check.h"

static void set_control(struct vcpu *v, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	virt->set_cr(v, 0, cr0 | CR0_ET);
	virt->set_cr(v, 3, cr3);
	virt->set_cr(v, 4, cr4);
	virt->set_efer(v, (efer & ~EFER_LMA) | ((efer & EFER_LME) && (cr0 & CR0_PG) ? EFER_LMA : 0));
}

static void start32(struct vcpu *v, const struct vcpu_hvm_x86_32 *c)
{
	struct guest_regs *r = &v->arch.regs;

	r->gpr[REG_RAX] = c->eax;
	r->gpr[REG_RCX] = c->ecx;
	r->gpr[REG_RDX] = c->edx;
	r->gpr[REG_RBX] = c->ebx;
	r->gpr[REG_RSP] = c->esp;
	r->gpr[REG_RBP] = c->ebp;
	r->gpr[REG_RSI] = c->esi;
	r->gpr[REG_RDI] = c->edi;
	r->rip = c->eip;
	r->rflags = (c->eflags & 0x3f7fd5) | RFLAGS_FIXED;
	set_control(v, c->cr0, c->cr3, c->cr4, c->efer);
	virt->set_segment(v, SEG_CS, (struct segment){ .attr = c->cs_ar, .limit = c->cs_limit, .base = c->cs_base });
	virt->set_segment(v, SEG_DS, (struct segment){ .attr = c->ds_ar, .limit = c->ds_limit, .base = c->ds_base });
	virt->set_segment(v, SEG_SS, (struct segment){ .attr = c->ss_ar, .limit = c->ss_limit, .base = c->ss_base });
	virt->set_segment(v, SEG_ES, (struct segment){ .attr = c->es_ar, .limit = c->es_limit, .base = c->es_base });
	virt->set_segment(v, SEG_TR,
			  (struct segment){ .attr = c->tr_ar | 2, /* busy, as LTR leaves it */
					    .limit = c->tr_limit,
					    .base = c->tr_base });
}

static void start64(struct vcpu *v, const struct vcpu_hvm_x86_64 *c)
{
	static const struct segment code = { .attr = 0xa9b, .limit = 0xffffffff };
	static const struct segment data = { .attr = 0xc93, .limit = 0xffffffff };
	static const struct segment tss = { .attr = 0x8b, .limit = 0x67 };
	struct guest_regs *r = &v->arch.regs;

	r->gpr[REG_RAX] = c->rax;
	r->gpr[REG_RCX] = c->rcx;
	r->gpr[REG_RDX] = c->rdx;
	r->gpr[REG_RBX] = c->rbx;
	r->gpr[REG_RSP] = c->rsp;
	r->gpr[REG_RBP] = c->rbp;
	r->gpr[REG_RSI] = c->rsi;
	r->gpr[REG_RDI] = c->rdi;
	r->rip = c->rip;
	r->rflags = (c->rflags & 0x3f7fd5) | RFLAGS_FIXED;
	set_control(v, c->cr0, c->cr3, c->cr4, c->efer);
	virt->set_segment(v, SEG_CS, code);
	virt->set_segment(v, SEG_DS, data);
	virt->set_segment(v, SEG_ES, data);
	virt->set_segment(v, SEG_SS, data);
	virt->set_segment(v, SEG_TR, tss);
}

/* See hv/arch.h. @v is down and loaded nowhere. */
int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_hvm_context *ctx)
{
	int rc = vcpu_context_check(v->domain->arch.policy, ctx);

	if (rc)
		return rc;
	hvm_vcpu_reset(v);
	if (ctx->mode == VCPU_HVM_MODE_32B)
		start32(v, &ctx->cpu_regs.x86_32);
	else
		start64(v, &ctx->cpu_regs.x86_64);
	v->arch.wait_sipi = false;
	v->initialised = true;
	return 0;
}
