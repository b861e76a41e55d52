/*
 * Small objects: slabs of one page per size class, with the bitmap of what is in use in the page's own header; larger
 * ones are blocks of the frame allocator. A pointer at a page boundary is always a block, as headers lie there in slabs.
 */
#include "hv/mm.h"

#include "hv/list.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "mm_internal.h"

#define SLAB_MAGIC 0x51abu
#define FRAME_TYPE_HEAP 0x4ea9u /* frame->type of the head of a large object's block */

struct slab {
	struct list link; /* in its class's list while it has room */
	uint64_t used[4]; /* bit set: object in use */
	uint16_t magic, class, nr_used;
	uint8_t pad[10];
};
_Static_assert(sizeof(struct slab) == 64, "objects follow 16-byte aligned");

static const uint16_t class_size[] = { 16, 32, 48, 64, 96, 128, 192, 256, 336, 448, 576, 800, 1344, 2016 };
#define NR_CLASSES ARRAY_SIZE(class_size)

static struct {
	spinlock_t lock;		 /* guards all of it and every slab */
	struct list partial[NR_CLASSES]; /* slabs with room */
	uint64_t bytes;			 /* atomic: large objects are counted without the lock */
} heap;

/* Empty heap; the frame allocator is open. Boot CPU. */
void heap_init(void)
{
	spin_lock_init(&heap.lock, RANK_HEAP);
	for (unsigned i = 0; i < NR_CLASSES; i++)
		list_init(&heap.partial[i]);
	heap.bytes = 0;
}

static unsigned class_capacity(unsigned class)
{
	return (unsigned)((PAGE_SIZE - sizeof(struct slab)) / class_size[class]);
}

static unsigned block_order(size_t size)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < size)
		order++;
	return order;
}

static void *alloc_large(size_t size)
{
	unsigned order;
	struct frame *f;

	if (size > PAGE_SIZE << MAX_ORDER)
		return NULL;
	order = block_order(size);
	f = alloc_frames(NULL, order, ALLOC_ZERO);
	if (!f)
		return NULL;
	f->type = FRAME_TYPE_HEAP;
	__atomic_fetch_add(&heap.bytes, PAGE_SIZE << order, __ATOMIC_RELAXED);
	return mfn_to_virt(frame_to_mfn(f));
}

static void free_large(void *p)
{
	struct frame *f = mfn_to_frame(virt_to_mfn(p));
	unsigned order = f->order;

	ASSERT(f->state == FRAME_INUSE && f->type == FRAME_TYPE_HEAP);
	f->type = 0;
	__atomic_fetch_sub(&heap.bytes, PAGE_SIZE << order, __ATOMIC_RELAXED);
	free_frames(f, order);
}

/* Lock held, the slab has room. */
static void *slab_take(struct slab *s)
{
	unsigned i = 0;

	while (s->used[i] == ~0UL)
		i++;
	i = i * 64 + (unsigned)__builtin_ctzl(~s->used[i]);
	s->used[i / 64] |= 1UL << (i % 64);
	if (++s->nr_used == class_capacity(s->class))
		list_del(&s->link);
	__atomic_fetch_add(&heap.bytes, class_size[s->class], __ATOMIC_RELAXED);
	return (uint8_t *)(s + 1) + (size_t)i * class_size[s->class];
}

/* An object of @class from a slab with room; a new slab's page is allocated outside the lock, whose rank is above frames. */
static void *alloc_small(unsigned class)
{
	struct slab *fresh = NULL;
	void *p = NULL;

	spin_lock(&heap.lock);
	if (list_empty(&heap.partial[class])) {
		spin_unlock(&heap.lock);
		fresh = alloc_page();
		if (!fresh)
			return NULL;
		fresh->magic = SLAB_MAGIC;
		fresh->class = (uint16_t) class;
		spin_lock(&heap.lock);
		list_add(&heap.partial[class], &fresh->link);
	}
	p = slab_take(container_of(heap.partial[class].next, struct slab, link));
	spin_unlock(&heap.lock);
	return p;
}

/* A zeroed object of @size bytes, or NULL. Not in interrupts; below RANK_FRAMES. */
void *xzalloc_bytes(size_t size)
{
	void *p;

	for (unsigned class = 0; class < NR_CLASSES; class ++)
		if (size <= class_size[class]) {
			p = alloc_small(class);
			return p ? memset(p, 0, class_size[class]) : NULL;
		}
	return alloc_large(size);
}

/* A zeroed array, NULL without memory or when its size overflows. */
void *xzalloc_bytes_array(size_t size, size_t n)
{
	size_t bytes;

	return __builtin_mul_overflow(size, n, &bytes) ? NULL : xzalloc_bytes(bytes);
}

/* Free an object; NULL is ignored. Freeing twice or something else is our bug and panics. */
void xfree(void *p)
{
	uintptr_t offset = (uintptr_t)virt_to_paddr(p) & (PAGE_SIZE - 1);
	struct slab *s;
	unsigned i;
	bool empty;

	if (!p)
		return;
	if (offset == 0) {
		free_large(p);
		return;
	}
	s = (struct slab *)((uint8_t *)p - offset);
	spin_lock(&heap.lock);
	ASSERT(s->magic == SLAB_MAGIC && offset >= sizeof(*s));
	offset -= sizeof(*s);
	ASSERT(offset % class_size[s->class] == 0);
	i = (unsigned)(offset / class_size[s->class]);
	ASSERT(s->used[i / 64] & (1UL << (i % 64)));
	s->used[i / 64] &= ~(1UL << (i % 64));
	__atomic_fetch_sub(&heap.bytes, class_size[s->class], __ATOMIC_RELAXED);
	if (s->nr_used-- == class_capacity(s->class))
		list_add(&heap.partial[s->class], &s->link);
	empty = s->nr_used == 0;
	if (empty) {
		list_del(&s->link);
		s->magic = 0;
	}
	spin_unlock(&heap.lock);
	if (empty)
		free_page(s);
}

/* Bytes in live objects, rounded to their classes. */
uint64_t heap_bytes_used(void)
{
	return __atomic_load_n(&heap.bytes, __ATOMIC_RELAXED);
}
