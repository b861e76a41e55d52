/*
 * x86 instruction decoder: length, operands and addresses. Pure: no guest state, no memory access, so it is tested and
 * fuzzed on the host. Sources: AMD APM vol. 3 appendix A, Intel SDM vol. 2 chapters 2 and appendix A.
 */
#ifndef EMUL_INSN_H
#define EMUL_INSN_H

#include "asm/regs.h"
#include "hv/types.h"

#define INSN_MAX_LEN 15u

/* What the bits of CS, CR0.PE, EFLAGS.VM and EFER.LMA make of the code. */
enum cpu_mode {
	CPU_MODE_REAL, /* real and virtual-8086: no VEX, default size by @default32 (0 but in unreal mode) */
	CPU_MODE_PROT, /* protected and compatibility mode: @default32 is CS.D */
	CPU_MODE_LONG, /* 64-bit mode: CS.L = 1, @default32 ignored */
};

enum insn_map {
	INSN_MAP_1, /* one-byte opcodes */
	INSN_MAP_0F,
	INSN_MAP_0F38,
	INSN_MAP_0F3A,
	INSN_MAP_0F0F, /* 3DNow!: opcode is the suffix byte */
	INSN_MAP_EXT,  /* EVEX maps 5 and 6, XOP maps 8 to 10: length only */
};

/* insn.prefixes */
#define INSN_LOCK 0x01u
#define INSN_REP 0x02u	 /* F3 was the last of F2/F3 */
#define INSN_REPNE 0x04u /* F2 was */
#define INSN_OPSIZE 0x08u
#define INSN_ADDRSIZE 0x10u

#define INSN_NO_REG 0xffu

struct insn {
	uint8_t len;	  /* 1..15 */
	uint8_t map;	  /* enum insn_map */
	uint8_t opcode;	  /* last opcode byte */
	uint8_t mode;	  /* enum cpu_mode it was decoded for */
	uint8_t prefixes; /* INSN_* */
	uint8_t rex;	  /* 0, or 0x40..0x4f; VEX/EVEX/XOP bits in the same form */
	uint8_t vex;	  /* 0, or first byte: 0xc5, 0xc4, 0x62, 0x8f */
	uint8_t opsize;	  /* 2, 4 or 8: size of operands that are not bytes */
	uint8_t addrsize; /* 2, 4 or 8 */
	bool byte_op;	  /* operand is a byte (opcode bit 0 clear in the classic forms) */

	bool has_modrm;
	uint8_t modrm;
	uint8_t reg; /* ModRM.reg with REX.R: 0..15. As opcode extension use modrm bits 5:3 */
	uint8_t rm;  /* register number when !has_mem, with REX.B. Without ModRM: the register in opcode bits 2:0 */

	bool has_mem;  /* ModRM or moffs names memory; string and stack operands do not count */
	bool rip_rel;  /* address is next rip + disp */
	bool moffs;    /* A0..A3: address is disp */
	uint8_t seg;   /* enum seg_name used for the memory operand (or for the source of string instructions) */
	uint8_t base;  /* register or INSN_NO_REG */
	uint8_t index; /* register or INSN_NO_REG */
	uint8_t scale; /* 0..3 */
	int64_t disp;

	uint8_t imm_len; /* bytes of immediate, 0 = none */
	int64_t imm;	 /* sign extended from imm_len */
	uint16_t imm2;	 /* second immediate: selector of a far pointer, level of ENTER */
};

/*
 * Decode the instruction at @bytes, of which @n are readable. 0; -EAGAIN the instruction goes on after @n bytes;
 * -EINVAL undefined opcode (#UD); -E2BIG longer than 15 bytes (#GP). @out is only complete after 0.
 */
int insn_decode(struct insn *out, const uint8_t *bytes, unsigned n, enum cpu_mode mode, bool default32) must_check;

/* Offset of the memory operand inside its segment, cut to the address size. Needs insn->has_mem. */
uint64_t insn_offset(const struct insn *insn, const struct guest_regs *regs);
/*
 * Linear address of the memory operand. @segs is indexed by enum seg_name; in 64-bit mode only FS and GS bases count,
 * otherwise the result is cut to 32 bits. Limits and canonical form are not checked here.
 */
uint64_t insn_ea(const struct insn *insn, const struct guest_regs *regs, const struct segment *segs);
/* Linear address of @offset in @seg under the same rules. */
uint64_t insn_linear(const struct insn *insn, const struct segment *segs, enum seg_name seg, uint64_t offset);

/* Opcode extension: ModRM bits 5:3. */
static inline unsigned insn_ext(const struct insn *insn)
{
	return (insn->modrm >> 3) & 7;
}

/* Is it the opcode @op of map @m? */
static inline bool insn_is(const struct insn *insn, enum insn_map m, uint8_t op)
{
	return insn->map == m && insn->opcode == op && !insn->vex;
}

#endif
