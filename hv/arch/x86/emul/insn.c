#include "emul/insn.h"

#include "hv/errno.h"
#include "hv/string.h"

/* One table entry: what follows the opcode. */
enum {
	M = 0x01,   /* ModRM */
	IB = 0x02,  /* immediate of one byte */
	IW = 0x04,  /* two bytes */
	IZ = 0x06,  /* two or four by operand size, four for eight */
	IV = 0x08,  /* two, four or eight by operand size */
	FP = 0x0a,  /* far pointer: offset by operand size, selector */
	EN = 0x0c,  /* ENTER: two bytes, one byte */
	MO = 0x0e,  /* offset by address size */
	IMM = 0x0e, /* mask of the above */
	X = 0x20,   /* not in 64-bit mode */
	U = 0x40,   /* undefined */
	B = 0x80,   /* byte operand */
	_ = 0,
};

/* Sixteen opcodes a line, as the manual prints them. */
/* clang-format off */
/* AMD APM vol. 3 table A-1. Prefixes and escapes never get here. */
static const uint8_t map_1[256] = {
	/* 00 */ M|B, M, M|B, M, IB|B, IZ, X, X, M|B, M, M|B, M, IB|B, IZ, X, U,
	/* 10 */ M|B, M, M|B, M, IB|B, IZ, X, X, M|B, M, M|B, M, IB|B, IZ, X, X,
	/* 20 */ M|B, M, M|B, M, IB|B, IZ, U, X, M|B, M, M|B, M, IB|B, IZ, U, X,
	/* 30 */ M|B, M, M|B, M, IB|B, IZ, U, X, M|B, M, M|B, M, IB|B, IZ, U, X,
	/* 40 */ _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _,
	/* 50 */ _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _,
	/* 60 */ X, X, M|X, M, U, U, U, U, IZ, M|IZ, IB, M|IB, B, _, B, _,
	/* 70 */ IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB,
	/* 80 */ M|IB|B, M|IZ, M|IB|B|X, M|IB, M|B, M, M|B, M, M|B, M, M|B, M, M, M, M, M,
	/* 90 */ _, _, _, _, _, _, _, _, _, _, FP|X, _, _, _, _, _,
	/* a0 */ MO|B, MO, MO|B, MO, B, _, B, _, IB|B, IZ, B, _, B, _, B, _,
	/* b0 */ IB|B, IB|B, IB|B, IB|B, IB|B, IB|B, IB|B, IB|B, IV, IV, IV, IV, IV, IV, IV, IV,
	/* c0 */ M|IB|B, M|IB, IW, _, M|X, M|X, M|IB|B, M|IZ, EN, _, IW, _, _, IB, X, _,
	/* d0 */ M|B, M, M|B, M, IB|X, IB|X, X, B, M, M, M, M, M, M, M, M,
	/* e0 */ IB, IB, IB, IB, IB|B, IB, IB|B, IB, IZ, IZ, FP|X, IB, B, _, B, _,
	/* f0 */ U, _, U, U, _, _, M|B, M, _, _, _, _, _, _, M|B, M,
};

/* Table A-3. */
static const uint8_t map_0f[256] = {
	/* 00 */ M, M, M, M, U, _, _, _, _, _, U, U, U, M, _, M|IB,
	/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 20 */ M, M, M, M, U, U, U, U, M, M, M, M, M, M, M, M,
	/* 30 */ _, _, _, _, _, _, U, _, U, U, U, U, U, U, U, U,
	/* 40 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 50 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 70 */ M|IB, M|IB, M|IB, M|IB, M, M, M, _, M, M, U, U, M, M, M, M,
	/* 80 */ IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ,
	/* 90 */ M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B,
	/* a0 */ _, _, _, M, M|IB, M, U, U, _, _, _, M, M|IB, M, M, M,
	/* b0 */ M|B, M, M, M, M, M, M, M, M, U, M|IB, M, M, M, M, M,
	/* c0 */ M|B, M, M|IB, M, M|IB, M|IB, M|IB, M, _, _, _, _, _, _, _, _,
	/* d0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, U,
};

/* Valid opcodes of the two three-byte maps, legacy encoding: bit n of word n / 32. All have ModRM; 0F3A an imm8. */
static const uint32_t valid_0f38[8] = {
	0x70b10fff, 0xffbf0f3f, 0x00000003, 0x00000000, 0x00000007, 0x00000000, 0xf900bf00, 0x03630000,
};
static const uint32_t valid_0f3a[8] = {
	0x00f0ff00, 0x00000007, 0x00000017, 0x0000000f, 0x00000000, 0x00000000, 0x8000d000, 0x00010000,
};
/* clang-format on */

struct decoder {
	struct insn *i;
	const uint8_t *bytes;
	unsigned n, pos;
	bool default32;
	int error; /* first of -EAGAIN, -E2BIG; further fetches return 0 */
};

static uint8_t fetch(struct decoder *d)
{
	if (d->error)
		return 0;
	if (d->pos >= INSN_MAX_LEN)
		d->error = -E2BIG;
	else if (d->pos >= d->n)
		d->error = -EAGAIN;
	else
		return d->bytes[d->pos++];
	return 0;
}

/* Little-endian, sign extended. */
static int64_t fetch_signed(struct decoder *d, unsigned size)
{
	uint64_t v = 0;

	for (unsigned k = 0; k < size; k++)
		v |= (uint64_t)fetch(d) << (8 * k);
	if (size == 0 || size == 8)
		return (int64_t)v;
	return (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size);
}

static bool is_long(const struct decoder *d)
{
	return d->i->mode == CPU_MODE_LONG;
}

/* Note one legacy prefix; false if @b is none. */
static bool legacy_prefix(struct decoder *d, uint8_t b)
{
	struct insn *i = d->i;

	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		/* ES CS SS DS; null prefixes in 64-bit mode (APM vol. 3, 1.2.4) */
		if (!is_long(d))
			i->seg = SEG_ES + ((b >> 3) & 3);
		return true;
	case 0x64:
	case 0x65:
		i->seg = b == 0x64 ? SEG_FS : SEG_GS;
		return true;
	case 0x66:
		i->prefixes |= INSN_OPSIZE;
		return true;
	case 0x67:
		i->prefixes |= INSN_ADDRSIZE;
		return true;
	case 0xf0:
		i->prefixes |= INSN_LOCK;
		return true;
	case 0xf2:
		i->prefixes = (i->prefixes & ~INSN_REP) | INSN_REPNE;
		return true;
	case 0xf3:
		i->prefixes = (i->prefixes & ~INSN_REPNE) | INSN_REP;
		return true;
	default:
		return false;
	}
}

/* Consume prefixes; returns the first byte that is none. A REX counts only directly before the opcode. */
static uint8_t get_prefixes(struct decoder *d)
{
	uint8_t b;

	for (;;) {
		b = fetch(d);
		if (d->error)
			return 0;
		if (legacy_prefix(d, b))
			d->i->rex = 0;
		else if (is_long(d) && (b & 0xf0) == 0x40)
			d->i->rex = b;
		else
			return b;
	}
}

static void set_sizes(struct decoder *d)
{
	struct insn *i = d->i;
	bool op = i->prefixes & INSN_OPSIZE, addr = i->prefixes & INSN_ADDRSIZE;

	if (is_long(d)) {
		i->opsize = i->rex & 8 ? 8 : op ? 2 : 4;
		i->addrsize = addr ? 4 : 8;
	} else {
		i->opsize = d->default32 != op ? 4 : 2;
		i->addrsize = d->default32 != addr ? 4 : 2;
	}
}

/* Is @b, with the byte after it, a VEX, EVEX or XOP prefix? In legacy modes their reuse of LES, LDS, BOUND needs mod = 3. */
static bool is_vex(struct decoder *d, uint8_t b)
{
	uint8_t next;

	if (b != 0xc4 && b != 0xc5 && b != 0x62 && b != 0x8f)
		return false;
	if (d->i->mode == CPU_MODE_REAL || d->pos >= INSN_MAX_LEN)
		return false;
	if (d->pos >= d->n) {
		d->error = -EAGAIN;
		return false;
	}
	next = d->bytes[d->pos];
	if (b == 0x8f)
		return (next & 0x1f) >= 8;
	return is_long(d) || (next & 0xc0) == 0xc0;
}

/* What follows opcode @op of VEX, EVEX or XOP map @map; U if there is no such map. */
static uint8_t vex_entry(uint8_t kind, unsigned map, uint8_t op)
{
	if (kind == 0x8f)
		return map == 8 ? M | IB : map == 9 ? M : map == 10 ? M | IZ : U;
	if (map == 1)
		return op == 0x77 && kind != 0x62 ?
			       _ :
			       M | (map_0f[op] & IB & ((op & 0xf0) == 0x70 || op >= 0xc2 ? 0xff : 0));
	if (map == 2)
		return M;
	if (map == 3)
		return M | IB;
	return kind == 0x62 && (map == 5 || map == 6) ? M : U;
}

/* The prefix byte is @b. Reads up to and including the opcode. */
static int vex_opcode(struct decoder *d, uint8_t b, uint8_t *entry)
{
	static const uint8_t maps[4] = { INSN_MAP_EXT, INSN_MAP_0F, INSN_MAP_0F38, INSN_MAP_0F3A };
	struct insn *i = d->i;
	unsigned map = 1;
	uint8_t p0, p1;

	if (i->rex || i->prefixes & (INSN_LOCK | INSN_OPSIZE | INSN_REP | INSN_REPNE))
		return -EINVAL;
	i->vex = b;
	p0 = fetch(d);
	i->rex = 0x40 | (~p0 >> 5 & 4);
	if (b != 0xc5) {
		i->rex = 0x40 | (~p0 >> 5 & 7);
		map = p0 & (b == 0x62 ? 0x0f : 0x1f);
		p1 = fetch(d);
		i->rex |= p1 >> 4 & 8;
		if (b == 0x62) {
			if (!d->error && !(p1 & 4))
				return -EINVAL;
			fetch(d);
		}
	}
	if (!is_long(d))
		i->rex &= 0x40;
	i->opcode = fetch(d);
	i->map = b != 0x8f && map < 4 ? maps[map] : INSN_MAP_EXT;
	*entry = vex_entry(b, map, i->opcode);
	return 0;
}

static bool bit(const uint32_t *words, uint8_t n)
{
	return words[n / 32] >> (n % 32) & 1;
}

/* Find the opcode, of which @b is the first byte. */
static int legacy_opcode(struct decoder *d, uint8_t b, uint8_t *entry)
{
	struct insn *i = d->i;

	i->map = INSN_MAP_1;
	i->opcode = b;
	*entry = map_1[b];
	if (b != 0x0f)
		return 0;
	i->map = INSN_MAP_0F;
	i->opcode = fetch(d);
	*entry = map_0f[i->opcode];
	if (i->opcode == 0x38) {
		i->map = INSN_MAP_0F38;
		i->opcode = fetch(d);
		*entry = bit(valid_0f38, i->opcode) ? M : U;
	} else if (i->opcode == 0x3a) {
		i->map = INSN_MAP_0F3A;
		i->opcode = fetch(d);
		*entry = bit(valid_0f3a, i->opcode) ? M | IB : U;
	} else if (i->opcode == 0x0f) {
		i->map = INSN_MAP_0F0F;
	} else if (i->opcode == 0x78 && i->prefixes & (INSN_OPSIZE | INSN_REPNE)) {
		*entry = M | IW; /* EXTRQ, INSERTQ: two single-byte immediates */
	}
	return 0;
}

static void default_seg(struct insn *i, enum seg_name seg)
{
	if (i->seg == NR_SEGS)
		i->seg = seg;
}

/* 16-bit addressing forms, APM vol. 3 appendix A.3. */
static void mem16(struct decoder *d, unsigned mod, unsigned rm)
{
	static const uint8_t bases[8] = { REG_RBX, REG_RBX, REG_RBP, REG_RBP, REG_RSI, REG_RDI, REG_RBP, REG_RBX };
	struct insn *i = d->i;

	if (mod == 0 && rm == 6) {
		i->disp = fetch_signed(d, 2);
	} else {
		i->base = bases[rm];
		if (rm < 4)
			i->index = rm & 1 ? REG_RDI : REG_RSI;
		i->disp = fetch_signed(d, mod);
		if (i->base == REG_RBP)
			default_seg(i, SEG_SS);
	}
}

static void sib(struct decoder *d, unsigned mod, unsigned *disp_size)
{
	struct insn *i = d->i;
	uint8_t s = fetch(d);

	i->scale = s >> 6;
	i->index = (s >> 3 & 7) | (i->rex << 2 & 8);
	if (i->index == REG_RSP)
		i->index = INSN_NO_REG;
	if ((s & 7) == REG_RBP && mod == 0)
		*disp_size = 4;
	else
		i->base = (s & 7) | (i->rex << 3 & 8);
}

/* 32 and 64-bit addressing. */
static void mem32(struct decoder *d, unsigned mod, unsigned rm)
{
	struct insn *i = d->i;
	unsigned disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;

	if (rm == REG_RSP) {
		sib(d, mod, &disp_size);
	} else if (rm == REG_RBP && mod == 0) {
		disp_size = 4;
		i->rip_rel = is_long(d);
	} else {
		i->base = rm | (i->rex << 3 & 8);
	}
	i->disp = fetch_signed(d, disp_size);
	if (i->base == REG_RSP || i->base == REG_RBP)
		default_seg(i, SEG_SS);
}

static void get_modrm(struct decoder *d)
{
	struct insn *i = d->i;
	unsigned mod, rm;

	i->has_modrm = true;
	i->modrm = fetch(d);
	mod = i->modrm >> 6;
	rm = i->modrm & 7;
	i->reg = (i->modrm >> 3 & 7) | (i->rex << 1 & 8);
	/* MOV to and from control and debug registers treat every mod as 3 (APM vol. 3, MOV CRn). */
	if (mod == 3 || (i->map == INSN_MAP_0F && !i->vex && (i->opcode & 0xfc) == 0x20)) {
		i->rm = rm | (i->rex << 3 & 8);
		return;
	}
	i->has_mem = true;
	i->rm = INSN_NO_REG;
	if (i->addrsize == 2)
		mem16(d, mod, rm);
	else
		mem32(d, mod, rm);
	default_seg(i, SEG_DS);
}

static void get_imm(struct decoder *d, uint8_t entry)
{
	struct insn *i = d->i;
	unsigned z = i->opsize == 2 ? 2 : 4;

	switch (entry & IMM) {
	case IB:
		i->imm_len = 1;
		break;
	case IW:
		i->imm_len = 2;
		break;
	case IZ:
		i->imm_len = z;
		break;
	case IV:
		i->imm_len = i->opsize;
		break;
	case FP:
		i->imm_len = z;
		break;
	case EN:
		i->imm_len = 2;
		break;
	case MO:
		i->has_mem = i->moffs = true;
		i->disp = fetch_signed(d, i->addrsize);
		default_seg(i, SEG_DS);
		return;
	default:
		return;
	}
	i->imm = fetch_signed(d, i->imm_len);
	if ((entry & IMM) == FP)
		i->imm2 = (uint16_t)fetch_signed(d, 2);
	else if ((entry & IMM) == EN)
		i->imm2 = fetch(d);
}

/* 0F 01: forms with mod = 3 are opcodes of their own. */
static bool group7_valid(const struct insn *i)
{
	static const uint8_t undefined[] = { 0xc6, 0xc7, 0xcc, 0xcd, 0xce, 0xd2, 0xd3 };

	if (i->has_mem)
		return true;
	return !memchr(undefined, i->modrm, sizeof(undefined));
}

static bool valid_0f(struct insn *i)
{
	unsigned ext = insn_ext(i);

	switch (i->opcode) {
	case 0x00:
		return ext < 6 && i->mode != CPU_MODE_REAL;
	case 0x01:
		return group7_valid(i);
	case 0x02:
	case 0x03:
		return i->mode != CPU_MODE_REAL;
	case 0x20:
	case 0x22:
		/* AMD: LOCK MOV CR0 reaches CR8 in every mode (APM vol. 3, MOV CRn). */
		if (i->prefixes & INSN_LOCK && i->reg == 0)
			i->reg = 8;
		return i->reg == 0 || (i->reg >= 2 && i->reg <= 4) || i->reg == 8;
	case 0x21:
	case 0x23:
		return i->reg < 8;
	case 0x78:
		return !(i->prefixes & (INSN_OPSIZE | INSN_REPNE)) || !i->has_mem; /* EXTRQ, INSERTQ */
	case 0xb2:
	case 0xb4:
	case 0xb5:
		return i->has_mem;
	case 0xb8:
		return i->prefixes & INSN_REP;
	case 0xba:
		return ext >= 4;
	case 0xc3:
	case 0xe7:
		return i->has_mem;
	case 0xc7:
		return i->has_mem ? ext != 0 && ext != 2 : ext >= 6;
	default:
		return true;
	}
}

static bool valid_1(const struct insn *i)
{
	unsigned ext = insn_ext(i);

	switch (i->opcode) {
	case 0x62:
	case 0x8d:
	case 0xc4:
	case 0xc5:
		return i->has_mem;
	case 0x63:
		return i->mode != CPU_MODE_REAL;
	case 0x8c:
		return ext < 6;
	case 0x8e:
		return ext < 6 && ext != SEG_CS;
	case 0x8f:
		return ext == 0;
	case 0xc6:
	case 0xc7:
		return ext == 0 || i->modrm == 0xf8; /* F8: XABORT, XBEGIN */
	case 0xfe:
		return ext < 2;
	case 0xff:
		return ext < 7 && (i->has_mem || (ext != 3 && ext != 5));
	default:
		return true;
	}
}

/* May LOCK stand before it? APM vol. 3, 1.2.5. */
static bool lock_valid(const struct insn *i)
{
	unsigned ext = insn_ext(i);
	uint8_t op = i->opcode;

	if (i->map == INSN_MAP_0F && (op == 0x20 || op == 0x22))
		return i->reg == 8;
	if (!i->has_mem || !i->has_modrm)
		return false;
	if (i->map == INSN_MAP_0F) {
		if (op == 0xba)
			return ext >= 5;
		return op == 0xab || op == 0xb3 || op == 0xbb || (op & 0xfe) == 0xb0 || (op & 0xfe) == 0xc0 ||
		       (op == 0xc7 && ext == 1);
	}
	if (i->map != INSN_MAP_1)
		return false;
	if (op < 0x38)
		return (op & 7) < 2;
	if (op >= 0x80 && op <= 0x83)
		return ext != 7;
	if ((op & 0xfe) == 0xf6)
		return ext == 2 || ext == 3;
	return (op & 0xfe) == 0x86 || ((op & 0xfe) == 0xfe && ext < 2);
}

static bool valid(struct insn *i)
{
	if (i->vex)
		return true;
	if (i->map == INSN_MAP_1 && !valid_1(i))
		return false;
	if (i->map == INSN_MAP_0F && !valid_0f(i))
		return false;
	return !(i->prefixes & INSN_LOCK) || lock_valid(i);
}

/* Bytes the group encodings hide from the tables. */
static uint8_t adjust_entry(struct decoder *d, uint8_t entry)
{
	struct insn *i = d->i;

	if (i->vex)
		return entry;
	if (i->map == INSN_MAP_1 && (i->opcode & 0xfe) == 0xf6 && insn_ext(i) < 2)
		return entry | (i->opcode == 0xf6 ? IB : IZ); /* TEST */
	return entry;
}

int insn_decode(struct insn *out, const uint8_t *bytes, unsigned n, enum cpu_mode mode, bool default32)
{
	struct decoder d = { .i = out, .bytes = bytes, .n = n, .default32 = default32 };
	uint8_t b, entry;
	int rc;

	*out = (struct insn){ .mode = mode, .seg = NR_SEGS, .base = INSN_NO_REG, .index = INSN_NO_REG };
	b = get_prefixes(&d);
	if (d.error)
		return d.error;
	rc = is_vex(&d, b) ? vex_opcode(&d, b, &entry) : d.error ?: legacy_opcode(&d, b, &entry);
	if (rc || d.error)
		return rc ?: d.error;
	if (entry & U || (entry & X && mode == CPU_MODE_LONG))
		return -EINVAL;

	set_sizes(&d);
	out->byte_op = entry & B;
	out->rm = (out->opcode & 7) | (out->rex << 3 & 8);
	if (entry & M)
		get_modrm(&d);
	if (d.error)
		return d.error;
	get_imm(&d, adjust_entry(&d, entry));
	if (d.error)
		return d.error;
	if (!valid(out))
		return -EINVAL;
	if (out->map == INSN_MAP_0F && !out->vex && (out->opcode & 0xfc) == 0x20)
		out->opsize = mode == CPU_MODE_LONG ? 8 : 4; /* whatever the prefixes say */
	if (out->map == INSN_MAP_0F0F)
		out->opcode = (uint8_t)out->imm;
	default_seg(out, SEG_DS);
	out->len = (uint8_t)d.pos;
	return 0;
}

uint64_t insn_offset(const struct insn *insn, const struct guest_regs *regs)
{
	uint64_t off = (uint64_t)insn->disp;

	if (insn->rip_rel)
		off += regs->rip + insn->len;
	if (insn->base != INSN_NO_REG)
		off += regs->gpr[insn->base];
	if (insn->index != INSN_NO_REG)
		off += regs->gpr[insn->index] << insn->scale;
	if (insn->addrsize < 8)
		off &= (1UL << (8 * insn->addrsize)) - 1;
	return off;
}

uint64_t insn_linear(const struct insn *insn, const struct segment *segs, enum seg_name seg, uint64_t offset)
{
	if (insn->mode == CPU_MODE_LONG)
		return seg == SEG_FS || seg == SEG_GS ? segs[seg].base + offset : offset;
	return (uint32_t)(segs[seg].base + offset);
}

uint64_t insn_ea(const struct insn *insn, const struct guest_regs *regs, const struct segment *segs)
{
	return insn_linear(insn, segs, insn->seg, insn_offset(insn, regs));
}
