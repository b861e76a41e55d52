/* General registers of a guest (or of an interrupted context), in the order the entry code saves them. */
#ifndef ASM_REGS_H
#define ASM_REGS_H

#include <stdint.h>

/* Index = hardware register number, so a decoded ModRM indexes gpr[] directly. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };

struct guest_regs {
	uint64_t gpr[16]; /* rax and rsp are copies of the control block's while the guest is not running */
	uint64_t rip, rflags;
};

/* A segment register as VMCB and HVM records hold it (AMD APM vol. 2, 15.5.1). */
struct segment {
	uint16_t sel;
	uint16_t attr;	/* bits 0-7 of descriptor byte 5, then G/DB/L/AVL in 8-11 */
	uint32_t limit; /* expanded, in bytes */
	uint64_t base;
};
enum seg_name { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_GDTR, SEG_LDTR, SEG_IDTR, SEG_TR, NR_SEGS };

#endif
