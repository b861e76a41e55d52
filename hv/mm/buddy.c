/*
 * Free memory: a buddy system of naturally aligned blocks of 4K to 1G, on lists by node, by whether they lie below 4 GiB, and by size.
 *
 * A free block is known by its head (state FREE, order); the other frames of it are FREE with order INTERIOR. Blocks never span nodes.
 */
#include "frame_state.h"

/* The list of blocks as that which begins at @f, frame @index. */
static uint32_t *list_of(const struct frame *f, uint32_t index, unsigned order)
{
	return &mm.free_list[f->node][index < FRAMES_4G ? ZONE_LOW : ZONE_HIGH][order];
}

static void block_insert(struct frame *f, uint32_t index, unsigned order)
{
	uint32_t *first = list_of(f, index, order);

	f->order = (uint8_t)order;
	f->prev = 0;
	f->next = *first;
	if (f->next)
		frame_at(f->next)->prev = index;
	*first = index;
}

static void block_remove(struct frame *f, uint32_t index)
{
	list_unlink(list_of(f, index, f->order), f);
	f->order = INTERIOR;
}

/* See frame_state.h. */
void block_free(struct frame *f, unsigned order)
{
	uint32_t index = frame_index(f);

	mm.node_free[f->node] += 1UL << order;
	for (; order < MAX_ORDER; order++) {
		uint32_t buddy = index ^ (1u << order);
		struct frame *b;

		if (buddy == 0 || !frame_covered(buddy))
			break;
		b = frame_at(buddy);
		if (!heads_free(b, order) || b->node != f->node)
			break;
		block_remove(b, buddy);
		if (buddy < index) {
			struct frame *t = f;

			f = b;
			b = t;
			index = buddy;
		}
		b->order = INTERIOR;
		if (order < SCRUB_ORDER && (b->flags & FRAME_F_DIRTY)) {
			b->flags &= (uint8_t)~FRAME_F_DIRTY;
			f->flags |= FRAME_F_DIRTY;
		}
	}
	block_insert(f, index, order);
}

/* See frame_state.h. What is left of @h goes back on the lists. */
struct frame *block_take_part(struct frame *h, unsigned want, const struct frame *target)
{
	uint32_t index = frame_index(h);
	unsigned order = h->order;
	struct frame *f = h;

	block_remove(h, index);
	mm.node_free[h->node] -= 1UL << want;
	while (order > want) {
		struct frame *upper;

		order--;
		upper = f + (1UL << order);
		if (order < SCRUB_ORDER)
			upper->flags = f->flags;
		if (target >= upper) {
			block_insert(f, index, order);
			f = upper;
			index += 1u << order;
		} else {
			block_insert(upper, index + (1u << order), order);
		}
	}
	f->order = INTERIOR;
	return f;
}

/* See frame_state.h. The smallest that will do, high ones first. */
struct frame *block_take(unsigned node, unsigned order, bool low)
{
	for (int zone = low ? ZONE_LOW : ZONE_HIGH; zone >= ZONE_LOW; zone--)
		for (unsigned o = order; o <= MAX_ORDER; o++) {
			uint32_t index = mm.free_list[node][zone][o];

			if (index)
				return block_take_part(frame_at(index), order, frame_at(index));
		}
	return NULL;
}

/* See frame_state.h. */
struct frame *free_head(struct frame *f)
{
	uint32_t index = frame_index(f);

	for (unsigned o = 0; o <= MAX_ORDER; o++) {
		uint32_t head = index & ~((1u << o) - 1);
		struct frame *h;

		if (!frame_covered(head))
			return NULL;
		h = frame_at(head);
		if (heads_free(h, o))
			return h;
	}
	return NULL;
}

/* See frame_state.h. */
struct frame *block_take_at(uint64_t index, unsigned order)
{
	struct frame *f, *h;

	if (!index || (index & ((1UL << order) - 1)) || !frame_covered(index))
		return NULL;
	f = frame_at((uint32_t)index);
	h = f->state == FRAME_FREE ? free_head(f) : NULL;
	return h && h->order >= order ? block_take_part(h, order, f) : NULL;
}

/* Blocks of a node are cut where it ends, which is at multiples of this order. */
#define NODE_ORDER ORDER_2M

/* Put the free block @f of @order back, in pieces that lie in one node each. */
static void sort_in(struct frame *f, unsigned order)
{
	unsigned piece = order < NODE_ORDER ? order : NODE_ORDER;

	for (uint64_t i = 0; i < 1UL << order; i += 1UL << piece)
		block_free(f + i, piece);
}

/* See mm_internal.h. All free memory is of node 0 until now. Blocks off the lists are chained by next, their orders being kept in prev. */
void frames_sort(unsigned nodes, unsigned (*node_of)(uint64_t index))
{
	uint32_t chain = 0;

	spin_lock(&mm.lock);
	mm.free_list_nodes = nodes;
	for (unsigned zone = 0; zone < NR_ZONES; zone++)
		for (unsigned o = 0; o <= MAX_ORDER; o++)
			while (mm.free_list[0][zone][o]) {
				uint32_t index = mm.free_list[0][zone][o];
				struct frame *f = frame_at(index);

				block_remove(f, index);
				f->prev = o;
				f->next = chain;
				chain = index;
			}
	mm.node_free[0] = 0;
	for (uint64_t i = 0; i < mm.table_frames; i += 1UL << NODE_ORDER) {
		uint8_t node = (uint8_t)node_of(frame_index(mm.table + i));

		for (uint64_t k = 0; k < 1UL << NODE_ORDER; k++)
			mm.table[i + k].node = node;
	}
	while (chain) {
		struct frame *f = frame_at(chain);
		unsigned order = f->prev;

		chain = f->next;
		f->next = f->prev = 0;
		sort_in(f, order);
	}
	spin_unlock(&mm.lock);
}
