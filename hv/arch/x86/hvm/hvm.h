/*
 * What guests in a hardware container have in common, whatever the back end: exits, memory by virtual address,
 * event delivery, context. Functions taking a vCPU are called on the CPU where it is loaded unless they say otherwise.
 */
#ifndef HVM_HVM_H
#define HVM_HVM_H

#include "asm/cpu.h"
#include "asm/msr.h"
#include "asm/traps.h"
#include "asm/virt.h"
#include "emul/insn.h"
#include "hv/domain.h"
#include "hv/types.h"

#define RFLAGS_FIXED (1UL << 1) /* always one */
#define RFLAGS_VM (1UL << 17)

/* Segment attributes as in struct segment. */
#define SEG_ATTR_L (1u << 9)
#define SEG_ATTR_DB (1u << 10)

/* Page fault error code bits; as @access they say what is wanted. */
#define PF_PRESENT 0x1u
#define PF_WRITE 0x2u
#define PF_USER 0x4u
#define PF_RESERVED 0x8u
#define PF_FETCH 0x10u

/* guest_walk.c ------------------------------------------------------------------------------ */
/*
 * Translate @va for an access of PF_WRITE/PF_USER/PF_FETCH under @p, setting accessed and dirty bits as the processor does. 0
 * and *@gpa; -EFAULT: a fault the guest must see, error code in *@pfec; -ERANGE: not canonical (#GP); -EAGAIN: the tables keep changing.
 */
int guest_walk(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access, uint64_t *gpa,
	       uint32_t *pfec) must_check;
/*
 * Copy up to @n code bytes at @va into @buf, not beyond the page. Returns how many, or guest_walk()'s error, or -ENXIO
 * when there is no RAM. @n is at most INSN_MAX_LEN.
 */
int guest_fetch(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint8_t *buf, unsigned n,
		uint32_t *pfec) must_check;
/*
 * Copy by linear address with the privileges of @access (PF_USER or 0). 0; -EFAULT a page fault for *@fault_va with *@pfec, -ERANGE not
 * canonical, -ENXIO the page is no RAM: *@fault_va is the first such address. Earlier bytes may have been copied.
 */
int guest_copy(struct vcpu *v, uint64_t va, void *buf, size_t len, uint32_t access, uint64_t *fault_va,
	       uint32_t *pfec) must_check;
/* Queue the fault a failed guest_walk/guest_copy (@rc) asks for. False when @rc asks for none. */
bool guest_fault(struct vcpu *v, int rc, uint64_t va, uint32_t pfec);

/* fetch.c ----------------------------------------------------------------------------------- */
/* Instructions with intercepts whose length the hardware may not tell. */
enum known_insn {
	INSN_CPUID,
	INSN_HLT,
	INSN_RDMSR,
	INSN_WRMSR,
	INSN_VMMCALL,
	INSN_XSETBV,
	INSN_WBINVD,
	INSN_INVD,
	INSN_RDPMC,
	NR_KNOWN_INSNS
};
/*
 * Length of the instruction at rip, which exited as @k. 0: it is not there any more or not readable; then either a fault
 * is queued or the guest just tries again.
 */
unsigned insn_length(struct vcpu *v, enum known_insn k);
/* Fetch and decode the instruction at rip. 0; -EAGAIN a fault is queued or the guest shall try again; -EINVAL it is undefined. */
int insn_fetch(struct vcpu *v, struct insn *insn) must_check;
/* The instruction is done, @len bytes long: move on, deliver the single-step trap if it is due. */
void insn_done(struct vcpu *v, unsigned len);

/* exit.c ------------------------------------------------------------------------------------ */
void hvm_exit_cpuid(struct vcpu *v);
void hvm_exit_hlt(struct vcpu *v);
void hvm_exit_msr(struct vcpu *v, bool write);
void hvm_exit_xsetbv(struct vcpu *v);
void hvm_exit_cache(struct vcpu *v, enum known_insn k); /* WBINVD, INVD */
void hvm_exit_rdpmc(struct vcpu *v);
void hvm_exit_hypercall(struct vcpu *v);
/* The processor shut down (triple fault): ends the domain as HVM_PARAM_TRIPLE_FAULT_REASON says. */
void hvm_triple_fault(struct vcpu *v);
/* #UD or #GP(0) for an instruction the guest may not use. */
void hvm_inject_ud(struct vcpu *v);
void hvm_inject_gp(struct vcpu *v);

/* A port access: as the hardware reports it. @next_rip is the address after the instruction. */
struct port_exit {
	uint16_t port;
	uint8_t size; /* 1, 2, 4 */
	bool in, string, rep;
	uint64_t next_rip;
};
void hvm_exit_io(struct vcpu *v, const struct port_exit *x);

/* Nested page fault at guest-physical @gpa. @access: PF_WRITE, PF_FETCH; @table: while walking the guest's own page tables. */
void hvm_exit_npf(struct vcpu *v, uint64_t gpa, uint32_t access, bool table);

/* io.c, mmio.c: handlers of one domain, beside what every domain has. Installed before it runs; searched without a lock. */
struct hvm_io_ops {
	/* @addr: port or guest-physical address; @size 1, 2, 4 (8 for memory). On the CPU of @v, no lock held. */
	uint64_t (*read)(struct vcpu *v, void *ctx, uint64_t addr, unsigned size);
	void (*write)(struct vcpu *v, void *ctx, uint64_t addr, unsigned size, uint64_t val);
};
/* Ports [@first, @last] of @d. -ENOMEM. */
int hvm_port_handler(struct domain *d, uint16_t first, uint16_t last, const struct hvm_io_ops *ops,
		     void *ctx) must_check;
/* Guest-physical [@start, @start + @size): its pages are not mapped in the p2m. May be added while @d runs. -ENOMEM. */
int hvm_mmio_handler(struct domain *d, uint64_t start, uint64_t size, const struct hvm_io_ops *ops,
		     void *ctx) must_check;

/* handler.c: who answers for @size bytes at @addr, NULL nobody. */
struct hvm_handler {
	struct hvm_handler *next;
	uint64_t start, end; /* [start, end) */
	const struct hvm_io_ops *ops;
	void *ctx;
};
const struct hvm_handler *hvm_find_handler(struct hvm_handler *const *chain, uint64_t addr, unsigned size);
void hvm_free_handlers(struct domain *d);

/* msr.c ------------------------------------------------------------------------------------- */
/* 0, or -EINVAL: #GP. */
int hvm_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val) must_check;
int hvm_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val) must_check;
/* cr.c: EFER as the guest writes it. 0, or -EINVAL: #GP. */
int hvm_set_efer(struct vcpu *v, uint64_t val) must_check;

/* intr.c ------------------------------------------------------------------------------------ */
/* With interrupts closed, just before an entry: queue what can be taken now, ask for a window for the rest. */
void hvm_intr_prepare(struct vcpu *v);
/* The interrupt @vector that hvm_intr_prepare() queued was not delivered: it is pending again. Just after the exit. */
void hvm_intr_undelivered(struct vcpu *v, uint8_t vector);
extern const struct vlapic_ops hvm_vlapic_ops;
/* INIT and STARTUP that arrived; returns false when @v shall not run. Interrupts on. */
bool hvm_init_sipi(struct vcpu *v);
/* @v stops for good until an INIT and STARTUP; the last one to stop powers the domain off. */
void hvm_vcpu_down(struct vcpu *v);

/* context.c --------------------------------------------------------------------------------- */
/* Power-up state of a vCPU: real mode at f000:fff0. Not running. */
void hvm_vcpu_reset(struct vcpu *v);

/* fpu.c ------------------------------------------------------------------------------------- */
int hvm_fpu_cpu_up(void);
int hvm_fpu_init(struct vcpu *v) must_check;
void hvm_fpu_reset(struct vcpu *v);
void hvm_fpu_load(struct vcpu *v);
void hvm_fpu_save(struct vcpu *v);
/* XCR0 bits this machine has; 0 without XSAVE. */
uint64_t hvm_xcr0_mask(void);
/* XCR0 of @v, which is loaded; 0 without XSAVE. */
uint64_t hvm_get_xcr0(struct vcpu *v);
/* The guest writes XCR0 while loaded. 0, or -EINVAL: #GP. */
int hvm_set_xcr0(struct vcpu *v, uint64_t val) must_check;

#endif
