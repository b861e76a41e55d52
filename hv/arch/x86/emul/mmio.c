#include "emul/mmio.h"

#include "hv/errno.h"
#include "hv/string.h"

#define CF 0x001UL
#define PF 0x004UL
#define AF 0x010UL
#define ZF 0x040UL
#define SF 0x080UL
#define DF 0x400UL
#define OF 0x800UL
#define ARITH_FLAGS (CF | PF | AF | ZF | SF | OF)

/* In the order of opcode bits 5:3 and of ModRM extensions 0 to 7 of 80..83. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* One instruction under way. Registers change in @r only, which is copied back at the end. */
struct emul {
	const struct insn *i;
	struct guest_regs *r;
	const struct segment *segs;
	const struct mmio_ops *ops;
	void *ctx;
	uint64_t ea;   /* linear address of the memory operand */
	unsigned size; /* of the operand */
};

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? ~0UL : (1UL << (8 * size)) - 1;
}

static uint64_t sign_bit(unsigned size)
{
	return 1UL << (8 * size - 1);
}

static uint64_t sign_extend(uint64_t val, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(val << shift) >> shift);
}

uint64_t reg_read(const struct guest_regs *regs, unsigned nr, unsigned size, bool rex)
{
	if (size == 1 && !rex && nr >= 4 && nr < 8)
		return regs->gpr[nr - 4] >> 8 & 0xff;
	return regs->gpr[nr & 15] & mask_of(size);
}

void reg_write(struct guest_regs *regs, unsigned nr, unsigned size, bool rex, uint64_t val)
{
	uint64_t *reg = &regs->gpr[nr & 15], mask = mask_of(size);

	if (size == 1 && !rex && nr >= 4 && nr < 8) {
		reg = &regs->gpr[nr - 4];
		*reg = (*reg & ~0xff00UL) | (val & 0xff) << 8;
	} else if (size >= 4) {
		*reg = val & mask;
	} else {
		*reg = (*reg & ~mask) | (val & mask);
	}
}

static int mem_read(struct emul *e, uint64_t *val)
{
	return e->ops->read(e->ctx, e->ea, e->size, val);
}

static int mem_write(struct emul *e, uint64_t val)
{
	return e->ops->write(e->ctx, e->ea, e->size, val & mask_of(e->size));
}

static uint64_t get_reg(const struct emul *e, unsigned nr)
{
	return reg_read(e->r, nr, e->size, e->i->rex);
}

static void set_reg(struct emul *e, unsigned nr, uint64_t val)
{
	reg_write(e->r, nr, e->size, e->i->rex, val);
}

/* Flags ------------------------------------------------------------------------------------- */

static void set_flags(struct emul *e, uint64_t which, uint64_t val)
{
	e->r->rflags = (e->r->rflags & ~which) | (val & which);
}

static uint64_t result_flags(uint64_t res, unsigned size)
{
	res &= mask_of(size);
	return (res ? 0 : ZF) | (res & sign_bit(size) ? SF : 0) | (__builtin_parity((unsigned)res & 0xff) ? 0 : PF);
}

/* @a + @b + @carry. */
static uint64_t add(struct emul *e, uint64_t a, uint64_t b, unsigned carry, uint64_t which)
{
	uint64_t m = mask_of(e->size), res = (a + b + carry) & m;
	uint64_t carries = (a & b) | ((a | b) & ~res); /* out of each bit */
	uint64_t overflow = (a ^ res) & (b ^ res);

	set_flags(e, which,
		  result_flags(res, e->size) | (carries & sign_bit(e->size) ? CF : 0) | (carries & 8 ? AF : 0) |
			  (overflow & sign_bit(e->size) ? OF : 0));
	return res;
}

/* @a - @b - @borrow. */
static uint64_t sub(struct emul *e, uint64_t a, uint64_t b, unsigned borrow, uint64_t which)
{
	uint64_t m = mask_of(e->size), res = (a - b - borrow) & m;
	uint64_t borrows = (~a & b) | ((~a | b) & res);
	uint64_t overflow = (a ^ b) & (a ^ res);

	set_flags(e, which,
		  result_flags(res, e->size) | (borrows & sign_bit(e->size) ? CF : 0) | (borrows & 8 ? AF : 0) |
			  (overflow & sign_bit(e->size) ? OF : 0));
	return res;
}

static uint64_t logic(struct emul *e, uint64_t res)
{
	set_flags(e, ARITH_FLAGS, result_flags(res, e->size)); /* AF is undefined; processors clear it */
	return res & mask_of(e->size);
}

static uint64_t alu(struct emul *e, enum alu op, uint64_t a, uint64_t b)
{
	unsigned carry = e->r->rflags & CF;

	a &= mask_of(e->size);
	b &= mask_of(e->size);
	switch (op) {
	case ALU_ADD:
		return add(e, a, b, 0, ARITH_FLAGS);
	case ALU_ADC:
		return add(e, a, b, carry, ARITH_FLAGS);
	case ALU_SBB:
		return sub(e, a, b, carry, ARITH_FLAGS);
	case ALU_SUB:
	case ALU_CMP:
		return sub(e, a, b, 0, ARITH_FLAGS);
	case ALU_OR:
		return logic(e, a | b);
	case ALU_AND:
		return logic(e, a & b);
	default:
		return logic(e, a ^ b);
	}
}

/* Condition code @cc of SETcc: APM vol. 3 table 1-10 order. */
static bool condition(uint64_t f, unsigned cc)
{
	bool less = !(f & SF) != !(f & OF), c;

	switch (cc >> 1) {
	case 0:
		c = f & OF;
		break;
	case 1:
		c = f & CF;
		break;
	case 2:
		c = f & ZF;
		break;
	case 3:
		c = f & (CF | ZF);
		break;
	case 4:
		c = f & SF;
		break;
	case 5:
		c = f & PF;
		break;
	case 6:
		c = less;
		break;
	default:
		c = less || f & ZF;
		break;
	}
	return c != (cc & 1);
}

/* Instructions -------------------------------------------------------------------------------- */

/* memory = memory op src; CMP writes nothing. */
static int alu_to_mem(struct emul *e, enum alu op, uint64_t src)
{
	uint64_t val, res;
	int rc = mem_read(e, &val);

	if (rc)
		return rc;
	res = alu(e, op, val, src);
	return op == ALU_CMP ? 0 : mem_write(e, res);
}

static int alu_to_reg(struct emul *e, enum alu op)
{
	uint64_t val, res;
	int rc = mem_read(e, &val);

	if (rc)
		return rc;
	res = alu(e, op, get_reg(e, e->i->reg), val);
	if (op != ALU_CMP)
		set_reg(e, e->i->reg, res);
	return 0;
}

static int load(struct emul *e, unsigned nr)
{
	uint64_t val;
	int rc = mem_read(e, &val);

	if (rc == 0)
		set_reg(e, nr, val);
	return rc;
}

static int test(struct emul *e, uint64_t with)
{
	uint64_t val;
	int rc = mem_read(e, &val);

	if (rc == 0)
		logic(e, val & with);
	return rc;
}

static int xchg(struct emul *e)
{
	uint64_t val;
	int rc = mem_read(e, &val) ?: mem_write(e, get_reg(e, e->i->reg));

	if (rc == 0)
		set_reg(e, e->i->reg, val);
	return rc;
}

/* F6, F7: TEST, NOT, NEG. */
static int group3(struct emul *e)
{
	unsigned ext = insn_ext(e->i);
	uint64_t val;
	int rc;

	if (ext < 2)
		return test(e, (uint64_t)e->i->imm);
	if (ext > 3)
		return -EOPNOTSUPP;
	rc = mem_read(e, &val);
	if (rc)
		return rc;
	return mem_write(e, ext == 2 ? ~val : sub(e, 0, val, 0, ARITH_FLAGS));
}

/* FE, FF: INC, DEC, which keep CF. */
static int inc_dec(struct emul *e)
{
	unsigned ext = insn_ext(e->i);
	uint64_t val;
	int rc;

	if (ext > 1)
		return -EOPNOTSUPP;
	rc = mem_read(e, &val);
	if (rc)
		return rc;
	val = ext == 0 ? add(e, val, 1, 0, ARITH_FLAGS & ~CF) : sub(e, val, 1, 0, ARITH_FLAGS & ~CF);
	return mem_write(e, val);
}

/* MOVZX and MOVSX: source of @from bytes, destination of operand size. */
static int extend(struct emul *e, unsigned from, bool sign)
{
	uint64_t val;
	int rc;

	e->size = from;
	rc = mem_read(e, &val);
	if (rc)
		return rc;
	e->size = e->i->opsize;
	set_reg(e, e->i->reg, sign ? sign_extend(val, from) : val);
	return 0;
}

/* @op: 0 BT, 1 BTS, 2 BTR, 3 BTC. A bit offset from a register reaches beyond the operand (APM vol. 3, BT). */
static int bit_op(struct emul *e, unsigned op, bool immediate)
{
	unsigned bits = 8 * e->size;
	uint64_t val, bit;
	int64_t offset;
	int rc;

	if (immediate) {
		bit = (uint64_t)e->i->imm & (bits - 1);
	} else {
		offset = (int64_t)sign_extend(get_reg(e, e->i->reg), e->size);
		bit = (uint64_t)offset & (bits - 1);
		offset = (offset >> (e->size == 8 ? 6 : e->size == 4 ? 5 : 4)) * (int64_t)e->size;
		e->ea = insn_linear(e->i, e->segs, e->i->seg,
				    (insn_offset(e->i, e->r) + (uint64_t)offset) & mask_of(e->i->addrsize));
	}
	rc = mem_read(e, &val);
	if (rc)
		return rc;
	set_flags(e, CF, val >> bit & 1);
	switch (op) {
	case 0:
		return 0;
	case 1:
		return mem_write(e, val | 1UL << bit);
	case 2:
		return mem_write(e, val & ~(1UL << bit));
	default:
		return mem_write(e, val ^ 1UL << bit);
	}
}

static int cmpxchg(struct emul *e)
{
	uint64_t val, acc = get_reg(e, REG_RAX);
	int rc = mem_read(e, &val);

	if (rc)
		return rc;
	sub(e, acc, val, 0, ARITH_FLAGS);
	if (val == acc)
		return mem_write(e, get_reg(e, e->i->reg));
	/* Memory is written in either case. */
	rc = mem_write(e, val);
	if (rc == 0)
		set_reg(e, REG_RAX, val);
	return rc;
}

static int xadd(struct emul *e)
{
	uint64_t val, res;
	int rc = mem_read(e, &val);

	if (rc)
		return rc;
	res = add(e, val, get_reg(e, e->i->reg), 0, ARITH_FLAGS);
	rc = mem_write(e, res);
	if (rc == 0)
		set_reg(e, e->i->reg, val);
	return rc;
}

/* String instructions ---------------------------------------------------------------------------- */

/* rSI or rDI: linear address now, then moved by one element. */
static uint64_t string_ea(const struct emul *e, unsigned nr)
{
	uint64_t off = reg_read(e->r, nr, e->i->addrsize, true);

	return insn_linear(e->i, e->segs, nr == REG_RSI ? e->i->seg : SEG_ES, off);
}

static void string_step(struct emul *e, unsigned nr)
{
	uint64_t off = e->r->gpr[nr] + (e->r->rflags & DF ? -(uint64_t)e->size : e->size);

	reg_write(e->r, nr, e->i->addrsize, true, off);
}

/* One element of MOVS (A4, A5), STOS (AA, AB) or LODS (AC, AD). */
static int string_once(struct emul *e)
{
	unsigned kind = e->i->opcode & 0xfe;
	uint64_t val = get_reg(e, REG_RAX);
	int rc = 0;

	if (kind != 0xaa) {
		e->ea = string_ea(e, REG_RSI);
		rc = mem_read(e, &val);
	}
	if (rc == 0 && kind != 0xac) {
		e->ea = string_ea(e, REG_RDI);
		rc = mem_write(e, val);
	}
	if (rc)
		return rc;
	if (kind == 0xac)
		set_reg(e, REG_RAX, val);
	if (kind != 0xaa)
		string_step(e, REG_RSI);
	if (kind != 0xac)
		string_step(e, REG_RDI);
	return 0;
}

/* All of it, or up to MMIO_MAX_REPS elements; @regs follows element by element. */
static int string_insn(struct emul *e, struct guest_regs *regs, bool *more)
{
	unsigned n = 0;
	int rc;

	if (!(e->i->prefixes & (INSN_REP | INSN_REPNE)))
		return string_once(e);
	while (reg_read(e->r, REG_RCX, e->i->addrsize, true) != 0) {
		if (n++ == MMIO_MAX_REPS) {
			*more = true;
			break;
		}
		rc = string_once(e);
		if (rc)
			return rc;
		reg_write(e->r, REG_RCX, e->i->addrsize, true, e->r->gpr[REG_RCX] - 1);
		*regs = *e->r;
	}
	return 0;
}

static bool is_string(const struct insn *i)
{
	if (i->map != INSN_MAP_1 || i->vex)
		return false;
	switch (i->opcode) {
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab:
	case 0xac:
	case 0xad:
		return true;
	default:
		return false;
	}
}

/* Dispatch ------------------------------------------------------------------------------------------ */

static int emulate_1(struct emul *e)
{
	const struct insn *i = e->i;
	uint8_t op = i->opcode;

	if (op < 0x40 && (op & 7) < 2)
		return alu_to_mem(e, op >> 3, get_reg(e, i->reg));
	if (op < 0x40 && (op & 7) < 4)
		return alu_to_reg(e, op >> 3);
	switch (op) {
	case 0x63: /* MOVSXD; ARPL outside 64-bit mode */
		return i->mode == CPU_MODE_LONG ? extend(e, i->opsize == 2 ? 2 : 4, true) : -EOPNOTSUPP;
	case 0x80:
	case 0x81:
	case 0x82:
	case 0x83:
		return alu_to_mem(e, insn_ext(i), (uint64_t)i->imm);
	case 0x84:
	case 0x85:
		return test(e, get_reg(e, i->reg));
	case 0x86:
	case 0x87:
		return xchg(e);
	case 0x88:
	case 0x89:
		return mem_write(e, get_reg(e, i->reg));
	case 0x8a:
	case 0x8b:
		return load(e, i->reg);
	case 0xa0:
	case 0xa1:
		return load(e, REG_RAX);
	case 0xa2:
	case 0xa3:
		return mem_write(e, get_reg(e, REG_RAX));
	case 0xc6:
	case 0xc7:
		return insn_ext(i) == 0 ? mem_write(e, (uint64_t)i->imm) : -EOPNOTSUPP;
	case 0xf6:
	case 0xf7:
		return group3(e);
	case 0xfe:
	case 0xff:
		return inc_dec(e);
	default:
		return -EOPNOTSUPP;
	}
}

static int emulate_0f(struct emul *e)
{
	const struct insn *i = e->i;
	uint8_t op = i->opcode;

	switch (op) {
	case 0x90 ... 0x9f:
		return mem_write(e, condition(e->r->rflags, op & 0xf));
	case 0xa3:
	case 0xab:
	case 0xb3:
	case 0xbb:
		return bit_op(e, (op >> 3 & 7) - 4, false);
	case 0xba:
		return bit_op(e, insn_ext(i) - 4, true);
	case 0xb0:
	case 0xb1:
		return cmpxchg(e);
	case 0xb6:
		return extend(e, 1, false);
	case 0xb7:
		return extend(e, 2, false);
	case 0xbe:
		return extend(e, 1, true);
	case 0xbf:
		return extend(e, 2, true);
	case 0xc0:
	case 0xc1:
		return xadd(e);
	default:
		return -EOPNOTSUPP;
	}
}

int mmio_emulate(const struct insn *insn, struct guest_regs *regs, const struct segment *segs,
		 const struct mmio_ops *ops, void *ctx)
{
	struct guest_regs work = *regs;
	struct emul e = {
		.i = insn,
		.r = &work,
		.segs = segs,
		.ops = ops,
		.ctx = ctx,
		.size = insn->byte_op ? 1 : insn->opsize,
	};
	bool more = false;
	int rc;

	if (is_string(insn)) {
		rc = string_insn(&e, regs, &more);
	} else if (insn->vex || !insn->has_mem) {
		return -EOPNOTSUPP;
	} else {
		e.ea = insn_ea(insn, regs, segs);
		rc = insn->map == INSN_MAP_1 ? emulate_1(&e) : insn->map == INSN_MAP_0F ? emulate_0f(&e) : -EOPNOTSUPP;
	}
	if (rc)
		return rc;
	if (!more)
		work.rip += insn->len;
	if (insn->mode != CPU_MODE_LONG)
		work.rip &= 0xffffffff;
	*regs = work;
	return 0;
}
