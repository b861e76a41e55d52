/*
 * The edge between guest memory and handlers. Arguments of hypercalls are guest-virtual addresses of
 * the calling vCPU. Structures whose layout depends on the guest's width are described once by a layout string and
 * always arrive in the 64-bit form: handlers never see the width.
 */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include "hv/types.h"

struct vcpu;

/* Raw bytes, width-invariant structures. -EFAULT if any byte is not mapped (or not writable); partial writes possible. */
int copy_from_guest(struct vcpu *v, void *dst, uint64_t gva, size_t len) must_check;
int copy_to_guest(struct vcpu *v, uint64_t gva, const void *src, size_t len) must_check;
/*
 * The same for what other vCPUs of the guest read meanwhile: the 8 bytes at offset @at, which lie in @src without the bits of @mark, are written with
 * them before anything else changes, and without them last. @mark 0: in any order.
 */
int copy_to_guest_marked(struct vcpu *v, uint64_t gva, const void *src, size_t len, size_t at,
			 uint64_t mark) must_check;

/*
 * A layout: the structure's size for 64-bit and for 32-bit guests, for nearly every call asks for it, and a letter for each field
 * in order: b u8, h u16, i u32, q u64 (aligned 8 for 64-bit guests, 4 for 32-bit ones), Q u64 aligned 8 in both widths (uint64_aligned_t),
 * L unsigned long / xen_pfn_t / handle (4 or 8 bytes), l signed long; a number before a letter repeats it.
 * A: no field, but padding as after a structure inside this one that holds an L.
 * The C structure must be the 64-bit layout, the sizes what layout_measure() says of the letters.
 */
struct layout {
	uint8_t size64, size32;
	const char *letters;
};
#define LAYOUT(size64, size32, letters) ((struct layout){ size64, size32, letters })
static inline size_t layout_size(struct layout l, bool guest32)
{
	return guest32 ? l.size32 : l.size64;
}
size_t layout_measure(const char *letters, bool guest32);
int get_struct(struct vcpu *v, void *dst, uint64_t gva, struct layout layout) must_check;
int put_struct(struct vcpu *v, uint64_t gva, const void *src, struct layout layout) must_check;
/* Element @i of a guest array of such structures. */
int get_element(struct vcpu *v, void *dst, uint64_t gva, uint64_t i, struct layout layout) must_check;
int put_element(struct vcpu *v, uint64_t gva, uint64_t i, const void *src, struct layout layout) must_check;

#endif
