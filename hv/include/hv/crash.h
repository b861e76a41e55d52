/*
 * What was said before the end, kept for the next boot in RAM that nobody reserves: when a panic writes it, nothing in memory matters any more, and
 * the next boot takes it before any frame is handed out. A reset keeps RAM on the machines that matter; a switch-off does not. hv/core/crash.c.
 */
#ifndef HV_CRASH_H
#define HV_CRASH_H

#include "hv/boot.h"
#include "hv/conring.h"

#define CRASH_TEXT 8192u

/* Layout of the record: a later version of Hospes may read what an older one wrote. */
struct crash_record {
	uint64_t magic;
	uint32_t length;   /* of the text */
	uint32_t checksum; /* of the text and length, FNV-1a */
	char text[CRASH_TEXT];
};

/*
 * Where the record lies: in the middle of the longest RAM below 4 GiB (and below @limit, 0: none), where neither firmware nor loader put things. 0: nowhere.
 * Depends on the memory map only, so that both boots find the same.
 */
paddr_t crash_place(const struct boot_info *bi, uint64_t limit);
/* Fill @rec with the end of @ring. */
void crash_fill(struct crash_record *rec, const struct conring *ring);
/* The text's length if @rec holds a record that is whole, else 0. */
size_t crash_check(const struct crash_record *rec);

/* Boot step, before memory is handed out: keep what the last boot left. Tells on the console that there is something. */
void crash_find(void);
/* Boot step, once the ring has its size: put the text into it, each line behind "(previous) ", as `xl dmesg --previous` looks for it. */
void crash_show(void);
/* The machine is about to be reset for a reason worth a record (the hardware domain crashed). Any context. */
void crash_mark(void);
/* The machine ends: write the record if @crashed, or if the end was marked. Any context, no lock, only once all other CPUs have stopped. */
void crash_save(bool crashed);

#endif
