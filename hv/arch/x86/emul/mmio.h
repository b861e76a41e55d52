/*
 * Execute one decoded instruction whose memory operand is emulated. All memory of the instruction is reached through
 * callbacks by linear address, so the caller decides what is a device and what is RAM. Pure: runs on the host.
 */
#ifndef EMUL_MMIO_H
#define EMUL_MMIO_H

#include "asm/regs.h"
#include "emul/insn.h"
#include "hv/types.h"

/* REP iterations done by one call; then the guest re-executes the instruction and interrupts get their turn. */
#define MMIO_MAX_REPS 64u

/*
 * @size is 1, 2, 4 or 8; a read value is zero extended. 0, or an error which mmio_emulate() passes on (the callback has
 * arranged for a fault to be injected, if one is due).
 */
struct mmio_ops {
	int (*read)(void *ctx, uint64_t linear, unsigned size, uint64_t *val);
	int (*write)(void *ctx, uint64_t linear, unsigned size, uint64_t val);
};

/*
 * Execute @insn: registers, flags and rip of @regs change only on success, but finished iterations of a REP string
 * instruction stay done. 0: done, rip is past the instruction, or still on it when REP iterations remain (registers say
 * how many). -EOPNOTSUPP: not an instruction this emulates. Anything else comes from a callback.
 */
int mmio_emulate(const struct insn *insn, struct guest_regs *regs, const struct segment *segs,
		 const struct mmio_ops *ops, void *ctx) must_check;

/* Read register @nr of @size bytes as instructions do: without REX, byte registers 4..7 are AH CH DH BH. */
uint64_t reg_read(const struct guest_regs *regs, unsigned nr, unsigned size, bool rex);
/* Write it: 32-bit writes clear the upper half, 8 and 16-bit ones keep the rest. */
void reg_write(struct guest_regs *regs, unsigned nr, unsigned size, bool rex, uint64_t val);

#endif
