/*
 * The frame table. Entries exist for sections of 128 MiB that hold RAM; holes of the memory map cost nothing. The table is one
 * array of the present sections in ascending order, so blocks, which are all RAM, are contiguous in it.
 */
#include "frame_state.h"
#include "hv/printk.h"
#include "hv/string.h"

struct frames mm = { .lock = SPINLOCK_INIT(RANK_FRAMES) };

/* Entry of a frame inside the table. Callers know that @m is covered; guests' numbers go through mfn_is_ram() first. */
struct frame *mfn_to_frame(mfn_t m)
{
	uint64_t section = m.v >> SECTION_SHIFT;

	ASSERT(section < mm.nr_sections && mm.section_of[section] != NO_SECTION);
	return mm.table + ((uint64_t)mm.section_of[section] << SECTION_SHIFT) + (m.v & (SECTION_FRAMES - 1));
}

/* The frame number an entry describes. */
mfn_t frame_to_mfn(const struct frame *f)
{
	uint64_t i = (uint64_t)(f - mm.table);

	return mfn(((uint64_t)mm.section_back[i >> SECTION_SHIFT] << SECTION_SHIFT) + (i & (SECTION_FRAMES - 1)));
}

/* Does @m have an entry that says RAM? Any number may be asked about. */
bool mfn_is_ram(mfn_t m)
{
	uint64_t section = m.v >> SECTION_SHIFT;

	return section < mm.nr_sections && mm.section_of[section] != NO_SECTION &&
	       read_once(mfn_to_frame(m)->state) != FRAME_RESERVED;
}

/* Bytes of the bits for the groups of @used sections. */
static uint64_t dirty_size(uint64_t used)
{
	return used << SECTION_SHIFT >> SCRUB_ORDER >> 3;
}

/* Lay out the table: @present tells which of @nr sections hold RAM, @memory (boot allocated) takes all of frames_table_size(). */
void frames_open(const uint8_t *present, uint64_t nr, void *memory)
{
	uint32_t used = 0;

	mm.nr_sections = nr;
	mm.section_of = memory;
	mm.section_back = mm.section_of + nr;
	for (uint64_t i = 0; i < nr; i++) {
		mm.section_of[i] = NO_SECTION;
		if (!present[i])
			continue;
		mm.section_back[used] = (uint32_t)i;
		mm.section_of[i] = used++;
	}
	mm.table = (struct frame *)((uint8_t *)memory + ROUND_UP(2 * nr * sizeof(uint32_t), 64UL));
	mm.table_frames = (uint64_t)used << SECTION_SHIFT;
	memset(mm.table, 0, mm.table_frames * sizeof(struct frame));
	mm.dirty = (uint64_t *)(mm.table + mm.table_frames);
	memset(mm.dirty, 0, dirty_size(used));
}

/* Bytes frames_open() needs for @nr sections of which @used hold RAM. */
uint64_t frames_table_size(uint64_t nr, uint64_t used)
{
	return ROUND_UP(2 * nr * sizeof(uint32_t), 64UL) + (used << SECTION_SHIFT) * sizeof(struct frame) +
	       dirty_size(used);
}
