/*
 * Small objects: slabs of one page per size class, with the bitmap of what is in use in the page's own header; larger
 * ones are blocks of the frame allocator. A pointer at a page boundary is always a block, as headers lie there in slabs.
 *
 * Objects larger than most of a cache line have their lines alone, so that what belongs to one domain never shares one with a stranger's, and types
 * may ask to be aligned so.
 *
 * What each object is (a byte beside the bitmap, or in the block's frame entry) is an index into the account: how many objects and bytes of it there are.
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
	uint8_t kind[]; /* of each object; the objects follow, 16-byte aligned */
};
#define KINDS offsetof(struct slab, kind)

static const uint16_t class_size[] = { 16, 32, 48, 64, 128, 192, 256, 320, 448, 576, 768, 960, 1344, 1984 };
#define NR_CLASSES ARRAY_SIZE(class_size)

/* An account of one kind. Kind 0 has what comes when all others are taken. */
struct account {
	const char *what; /* NULL: free. Literals of one text may be several */
	uint64_t objects, bytes;
};
#define NR_KINDS 256u
#define MAX_KINDS 224u /* so that a search soon ends */

static struct {
	spinlock_t lock;				  /* guards all of it and every slab */
	struct list partial[NR_CLASSES];		  /* slabs with room */
	uint16_t capacity[NR_CLASSES], first[NR_CLASSES]; /* a slab's objects, and where they begin */
	uint64_t bytes, slabs;				  /* read without it */
	struct account account[NR_KINDS];		  /* by address of the name, the next free one after it */
	unsigned nr_kinds;
} heap;

/* How many objects a slab of @class has, and where they begin. */
static void lay_out(unsigned class)
{
	size_t size = class_size[class], n = (PAGE_SIZE - KINDS) / size;
	size_t align = size % CACHE_LINE ? 16 : CACHE_LINE;

	while (ROUND_UP(KINDS + n, align) + n * size > PAGE_SIZE)
		n--;
	heap.capacity[class] = (uint16_t)n;
	heap.first[class] = (uint16_t)ROUND_UP(KINDS + n, align);
}

/* Empty heap; the frame allocator is open. Boot CPU. */
void heap_init(void)
{
	spin_lock_init(&heap.lock, RANK_HEAP);
	for (unsigned i = 0; i < NR_CLASSES; i++) {
		list_init(&heap.partial[i]);
		lay_out(i);
	}
	heap.bytes = 0;
	heap.nr_kinds = 0;
	memset(heap.account, 0, sizeof(heap.account));
	heap.account[0].what = "others";
}

/* Lock held. */
static uint8_t kind_of(const char *what)
{
	unsigned i = (unsigned)((uintptr_t)what >> 4 ^ (uintptr_t)what) % NR_KINDS;

	for (; heap.account[i].what && i; i = (i + 1) % NR_KINDS)
		if (heap.account[i].what == what)
			return (uint8_t)i;
	if (!i || heap.nr_kinds == MAX_KINDS)
		return 0;
	heap.nr_kinds++;
	heap.account[i].what = what;
	return (uint8_t)i;
}

/* An object of @bytes comes or goes. Lock held. */
static void count_in(uint8_t kind, size_t bytes)
{
	heap.account[kind].objects++;
	heap.account[kind].bytes += bytes;
	write_once(heap.bytes, heap.bytes + bytes);
}

static void count_out(uint8_t kind, size_t bytes)
{
	heap.account[kind].objects--;
	heap.account[kind].bytes -= bytes;
	write_once(heap.bytes, heap.bytes - bytes);
}

static unsigned block_order(size_t size)
{
	unsigned order = 0;

	while (order <= MAX_ORDER && (PAGE_SIZE << order) < size)
		order++;
	return order;
}

/* See hv/mm.h. For more than there can be: something as large. */
size_t heap_rounded(size_t size)
{
	for (unsigned class = 0; class < NR_CLASSES; class ++)
		if (size <= class_size[class])
			return class_size[class];
	return PAGE_SIZE << block_order(size);
}

/* See hv/mm.h. No lock: an object does not change while it lives. */
size_t heap_size_of(const void *p)
{
	uintptr_t offset = (uintptr_t)virt_to_paddr(p) & (PAGE_SIZE - 1);

	if (offset == 0)
		return PAGE_SIZE << mfn_to_frame(virt_to_mfn(p))->order;
	return class_size[((const struct slab *)((uintptr_t)p - offset))->class];
}

static void *alloc_large(size_t size, const char *what)
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
	spin_lock(&heap.lock);
	f->type_count = kind_of(what);
	count_in((uint8_t)f->type_count, PAGE_SIZE << order);
	spin_unlock(&heap.lock);
	return mfn_to_virt(frame_to_mfn(f));
}

static void free_large(void *p)
{
	struct frame *f = mfn_to_frame(virt_to_mfn(p));
	unsigned order = f->order;

	ASSERT(f->state == FRAME_INUSE && f->type == FRAME_TYPE_HEAP);
	spin_lock(&heap.lock);
	count_out((uint8_t)f->type_count, PAGE_SIZE << order);
	spin_unlock(&heap.lock);
	f->type = 0;
	f->type_count = 0;
	free_frames(f, order);
}

/* Lock held, the slab has room. */
static void *slab_take(struct slab *s, uint8_t kind)
{
	size_t size = class_size[s->class];
	unsigned i = 0;

	while (s->used[i] == ~0UL)
		i++;
	i = i * 64 + (unsigned)__builtin_ctzl(~s->used[i]);
	s->used[i / 64] |= 1UL << (i % 64);
	if (++s->nr_used == heap.capacity[s->class])
		list_del(&s->link);
	s->kind[i] = kind;
	count_in(kind, size);
	return (uint8_t *)s + heap.first[s->class] + i * size;
}

/* An object of @class from a slab with room; a new slab's page is allocated outside the lock, whose rank is above frames. */
static void *alloc_small(unsigned class, const char *what)
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
		heap.slabs++;
	}
	p = slab_take(container_of(heap.partial[class].next, struct slab, link), kind_of(what));
	spin_unlock(&heap.lock);
	return p;
}

/* A zeroed object of @size bytes, or NULL. Not in interrupts; below RANK_FRAMES. */
void *heap_alloc(size_t size, const char *what)
{
	void *p;

	for (unsigned class = 0; class < NR_CLASSES; class ++)
		if (size <= class_size[class]) {
			p = alloc_small(class, what);
			return p ? memset(p, 0, class_size[class]) : NULL;
		}
	return alloc_large(size, what);
}

/* A zeroed array, NULL without memory or when its size overflows. */
void *heap_alloc_array(size_t size, size_t n, const char *what)
{
	size_t bytes;

	return __builtin_mul_overflow(size, n, &bytes) ? NULL : heap_alloc(bytes, what);
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
	ASSERT(s->magic == SLAB_MAGIC && offset >= heap.first[s->class]);
	offset -= heap.first[s->class];
	ASSERT(offset % class_size[s->class] == 0);
	i = (unsigned)(offset / class_size[s->class]);
	ASSERT(s->used[i / 64] & (1UL << (i % 64)));
	s->used[i / 64] &= ~(1UL << (i % 64));
	count_out(s->kind[i], class_size[s->class]);
	if (s->nr_used-- == heap.capacity[s->class])
		list_add(&heap.partial[s->class], &s->link);
	empty = s->nr_used == 0;
	if (empty) {
		list_del(&s->link);
		s->magic = 0;
		heap.slabs--;
	}
	spin_unlock(&heap.lock);
	if (empty)
		free_page(s);
}

/* Bytes in live objects, rounded to their classes. */
uint64_t heap_bytes_used(void)
{
	return read_once(heap.bytes);
}

/* Pages that are slabs of small objects: the same objects take more of them when others lay between them once. */
uint64_t heap_slab_pages(void)
{
	return read_once(heap.slabs);
}

/* Is a kind before @i called the same? */
static bool seen_before(unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (heap.account[k].what && strcmp(heap.account[k].what, heap.account[i].what) == 0)
			return true;
	return false;
}

/* See hv/mm.h. Read without the lock, for @fn may print: of a machine at work the figures need not fit each other. */
void heap_account(void (*fn)(const char *what, uint64_t objects, uint64_t bytes))
{
	for (unsigned i = 0; i < NR_KINDS; i++) {
		uint64_t objects = 0, bytes = 0;

		if (!heap.account[i].what || seen_before(i))
			continue;
		for (unsigned k = i; k < NR_KINDS; k++)
			if (heap.account[k].what && strcmp(heap.account[k].what, heap.account[i].what) == 0) {
				objects += read_once(heap.account[k].objects);
				bytes += read_once(heap.account[k].bytes);
			}
		if (objects)
			fn(heap.account[i].what, objects, bytes);
	}
}
