#include "guest/dump_vcpu.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "abi/domctl.h"
#include "abi/hvm_save.h"
#include "hcall/hcall.h"

_Static_assert(offsetof(struct dump_vcpu, traps) == 720 && offsetof(struct dump_vcpu, cr) == 4984 &&
		       offsetof(struct dump_vcpu, fs_base) == 5144,
	       "Xen's layout");

static void fill(struct dump_vcpu *v, const struct hvm_hw_cpu *c)
{
	/* SS's privilege level is the processor's (APM vol. 2, 4.8.2). */
	bool kernel = (c->ss_arbytes >> 5 & 3) == 0;

	memcpy(v->fpu, c->fpu_regs, sizeof(v->fpu));
	v->flags = DUMP_VCPU_ONLINE | (c->flags & XEN_X86_FPU_INITIALISED ? DUMP_VCPU_FPU : 0) |
		   (kernel ? DUMP_VCPU_KERNEL : 0);
	v->rax = c->rax;
	v->rbx = c->rbx;
	v->rcx = c->rcx;
	v->rdx = c->rdx;
	v->rsi = c->rsi;
	v->rdi = c->rdi;
	v->rbp = c->rbp;
	v->rsp = c->rsp;
	v->r8 = c->r8;
	v->r9 = c->r9;
	v->r10 = c->r10;
	v->r11 = c->r11;
	v->r12 = c->r12;
	v->r13 = c->r13;
	v->r14 = c->r14;
	v->r15 = c->r15;
	v->rip = c->rip;
	v->rflags = c->rflags;
	v->cs = (uint16_t)c->cs_sel;
	v->ss = (uint16_t)c->ss_sel;
	v->ds = (uint16_t)c->ds_sel;
	v->es = (uint16_t)c->es_sel;
	v->fs = (uint16_t)c->fs_sel;
	v->gs = (uint16_t)c->gs_sel;
	v->cr[0] = c->cr0;
	v->cr[2] = c->cr2;
	v->cr[3] = c->cr3;
	v->cr[4] = c->cr4;
	v->dr[0] = c->dr0;
	v->dr[1] = c->dr1;
	v->dr[2] = c->dr2;
	v->dr[3] = c->dr3;
	v->dr[6] = c->dr6;
	v->dr[7] = c->dr7;
	v->fs_base = c->fs_base;
	/* SWAPGS exchanges the two: which is whose depends on where the processor is. */
	v->gs_base_kernel = kernel ? c->gs_base : c->shadow_gs;
	v->gs_base_user = kernel ? c->shadow_gs : c->gs_base;
}

/* The records of a saved context that tell of processors. -EPROTO: it is not what it should be. */
static int read_records(const uint8_t *at, size_t left, struct dump_vcpu *v, unsigned nr)
{
	struct hvm_save_descriptor d;
	struct hvm_hw_cpu cpu;

	while (left >= sizeof(d)) {
		memcpy(&d, at, sizeof(d));
		at += sizeof(d);
		left -= sizeof(d);
		if (d.typecode == HVM_SAVE_CODE_END)
			return 0;
		if (d.length > left)
			return -EPROTO;
		if (d.typecode == HVM_SAVE_CODE_CPU && d.length == sizeof(cpu) && d.instance < nr) {
			memcpy(&cpu, at, sizeof(cpu));
			fill(&v[d.instance], &cpu);
		}
		at += d.length;
		left -= d.length;
	}
	return -EPROTO;
}

static int get_context(struct hcall *h, struct xen_domctl *op, uint64_t buffer, uint32_t size, uint32_t domid)
{
	memset(op, 0, sizeof(*op));
	op->cmd = XEN_DOMCTL_gethvmcontext;
	op->domain = (domid_t)domid;
	op->u.hvmcontext.buffer = buffer;
	op->u.hvmcontext.size = size;
	return hcall_domctl(h, op);
}

struct dump_vcpu *dump_vcpus(struct hcall *h, uint32_t domid, unsigned nr, int *rc)
{
	struct dump_vcpu *v = calloc(nr ? nr : 1, sizeof(*v));
	struct xen_domctl op;
	uint8_t *buffer = NULL;
	uint32_t size = 0;

	*rc = v ? get_context(h, &op, 0, 0, domid) : -ENOMEM;
	if (!*rc) {
		size = op.u.hvmcontext.size;
		buffer = hcall_alloc(h, size);
		*rc = buffer ? get_context(h, &op, hcall_address(h, buffer), size, domid) : -ENOMEM;
	}
	if (!*rc)
		*rc = op.u.hvmcontext.size <= size ? read_records(buffer, op.u.hvmcontext.size, v, nr) : -EPROTO;
	if (buffer)
		hcall_free(h, buffer, size);
	if (*rc) {
		free(v);
		return NULL;
	}
	return v;
}
