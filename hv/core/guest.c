/* Copies between handlers and guest memory, and the two layouts of structures. */
#include "hv/guest.h"

#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#define STRUCT_MAX 256u /* largest structure a layout string may describe */
#define LAYOUT_SIZES 2	/* bytes in front of its fields */

/* One field of a layout string: size and alignment in the wanted width. */
struct field {
	char kind;
	unsigned repeat, size, align;
};

/* Parse the next field of @layout, NULL at the end. */
static const char *next_field(const char *layout, bool guest32, struct field *f)
{
	f->repeat = 0;
	for (; *layout >= '0' && *layout <= '9'; layout++)
		f->repeat = f->repeat * 10 + (unsigned)(*layout - '0');
	if (!*layout)
		return NULL;
	if (!f->repeat)
		f->repeat = 1;
	f->kind = *layout;
	switch (f->kind) {
	case 'b':
		f->size = f->align = 1;
		break;
	case 'h':
		f->size = f->align = 2;
		break;
	case 'i':
		f->size = f->align = 4;
		break;
	case 'q':
		f->size = 8;
		f->align = guest32 ? 4 : 8;
		break;
	case 'Q':
		f->size = f->align = 8;
		break;
	case 'L':
	case 'l':
		f->size = f->align = guest32 ? 4 : 8;
		break;
	case 'A':
		f->size = 0;
		f->align = guest32 ? 4 : 8;
		break;
	default:
		BUG_ON(true); /* the strings are constants of ours */
	}
	return layout + 1;
}

/* Bytes of the structure that @letters describe, with its trailing padding. */
size_t layout_measure(const char *letters, bool guest32)
{
	size_t off = 0, align = 1;
	struct field f;

	while ((letters = next_field(letters, guest32, &f))) {
		off = ROUND_UP(off, f.align) + (size_t)f.repeat * f.size;
		if (f.align > align)
			align = f.align;
	}
	return ROUND_UP(off, align);
}

/* Is [@gva, @gva + @len) inside the address space of the call's width? */
static bool range_ok(struct vcpu *v, uint64_t gva, size_t len)
{
	uint64_t last;

	if (__builtin_add_overflow(gva, (uint64_t)len - 1, &last))
		return false;
	return !v->hc.guest32 || last <= UINT32_MAX;
}

/* Read @len bytes at @gva of the calling vCPU. -EFAULT. */
int copy_from_guest(struct vcpu *v, void *dst, uint64_t gva, size_t len)
{
	if (len == 0)
		return 0;
	if (!range_ok(v, gva, len))
		return err(-EFAULT);
	return arch_guest_read(v, dst, gva, len);
}

/* Write @len bytes at @gva of the calling vCPU. -EFAULT, possibly after some bytes went. */
int copy_to_guest(struct vcpu *v, uint64_t gva, const void *src, size_t len)
{
	if (len == 0)
		return 0;
	if (!range_ok(v, gva, len))
		return err(-EFAULT);
	return arch_guest_write(v, gva, src, len);
}

/* See hv/guest.h. -EFAULT, possibly after some bytes went. */
int copy_to_guest_marked(struct vcpu *v, uint64_t gva, const void *src, size_t len, size_t at, uint64_t mark)
{
	uint64_t last;
	int rc;

	if (!mark || !range_ok(v, gva, len))
		return copy_to_guest(v, gva, src, len);
	if (likely(arch_guest_write_marked(v, gva, src, len, at, mark)))
		return 0;
	memcpy(&last, (const char *)src + at, sizeof(last));
	mark |= last;
	rc = arch_guest_write(v, gva + at, &mark, sizeof(mark));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!rc)
		rc = arch_guest_write(v, gva, src, at);
	at += sizeof(last);
	if (!rc && at < len)
		rc = arch_guest_write(v, gva + at, (const char *)src + at, len - at);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return rc ? rc : arch_guest_write(v, gva + at - sizeof(last), &last, sizeof(last));
}

/* A field that is narrower for a 32-bit guest grows to 8 bytes. */
static void widen(uint8_t *dst, const uint8_t *src, const struct field *f)
{
	uint32_t word;
	uint64_t wide;

	memcpy(&word, src, sizeof(word));
	wide = f->kind == 'l' ? (uint64_t)(int64_t)(int32_t)word : word;
	memcpy(dst, &wide, sizeof(wide));
}

/* Copy every field of one layout to its place in the other: @to64 from the 32-bit form, else to it. */
static void convert(uint8_t *s64, uint8_t *s32, const char *letters, bool to64)
{
	size_t off64 = 0, off32 = 0;
	struct field f64, f32;
	const char *next;

	for (; (next = next_field(letters, false, &f64)); letters = next) {
		(void)next_field(letters, true, &f32);
		off64 = ROUND_UP(off64, f64.align);
		off32 = ROUND_UP(off32, f32.align);
		for (unsigned i = 0; i < f64.repeat; i++) {
			if (!to64)
				memcpy(s32 + off32, s64 + off64, f32.size); /* low half of a long */
			else if (f64.size == f32.size)
				memcpy(s64 + off64, s32 + off32, f64.size);
			else
				widen(s64 + off64, s32 + off32, &f64);
			off64 += f64.size;
			off32 += f32.size;
		}
	}
}

/* Read a structure of @layout at @gva into its 64-bit form @dst. -EFAULT. */
int get_struct(struct vcpu *v, void *dst, uint64_t gva, struct layout layout)
{
	uint8_t buf[STRUCT_MAX];
	size_t size = layout_size(layout, v->hc.guest32);
	int rc;

	if (!v->hc.guest32)
		return copy_from_guest(v, dst, gva, size);
	ASSERT(size <= sizeof(buf));
	rc = copy_from_guest(v, buf, gva, size);
	if (rc)
		return rc;
	memset(dst, 0, layout_size(layout, false));
	convert(dst, buf, layout.letters, true);
	return 0;
}

/* Write the 64-bit form @src as a structure of @layout at @gva; longs are cut for a 32-bit guest. -EFAULT. */
int put_struct(struct vcpu *v, uint64_t gva, const void *src, struct layout layout)
{
	uint8_t buf[STRUCT_MAX], copy[STRUCT_MAX];
	size_t size = layout_size(layout, v->hc.guest32);

	if (!v->hc.guest32)
		return copy_to_guest(v, gva, src, size);
	ASSERT(layout_size(layout, false) <= sizeof(copy));
	memset(buf, 0, size);
	memcpy(copy, src, layout_size(layout, false));
	convert(copy, buf, layout.letters, false);
	return copy_to_guest(v, gva, buf, size);
}

/* Address of element @i of an array at @gva. -EFAULT if it cannot be one. */
static int element(struct vcpu *v, uint64_t gva, uint64_t i, struct layout layout, uint64_t *addr)
{
	uint64_t off;

	if (__builtin_mul_overflow(i, (uint64_t)layout_size(layout, v->hc.guest32), &off) ||
	    __builtin_add_overflow(gva, off, addr))
		return err(-EFAULT);
	return 0;
}

/* get_struct of element @i. -EFAULT. */
int get_element(struct vcpu *v, void *dst, uint64_t gva, uint64_t i, struct layout layout)
{
	uint64_t addr = 0;
	int rc = element(v, gva, i, layout, &addr);

	return rc ? rc : get_struct(v, dst, addr, layout);
}

/* put_struct of element @i. -EFAULT. */
int put_element(struct vcpu *v, uint64_t gva, uint64_t i, const void *src, struct layout layout)
{
	uint64_t addr = 0;
	int rc = element(v, gva, i, layout, &addr);

	return rc ? rc : put_struct(v, addr, src, layout);
}
