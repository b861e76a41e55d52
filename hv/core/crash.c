#include "hv/crash.h"

#include "hv/arch.h"
#include "hv/console.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

#define MAGIC 0x31687361724373f0UL
#define FOUR_GIB (1UL << 32)
#define PLACE_ALIGN (64UL << 10)

static const char prefix[] = "(previous) ";

static struct {
	char text[CRASH_TEXT];
	size_t length; /* of what the last boot left; 0: nothing, or shown */
	bool marked;   /* this boot ends for a reason worth a record */
} crash;

/* See hv/crash.h. */
paddr_t crash_place(const struct boot_info *bi, uint64_t limit)
{
	uint64_t end = limit && limit < FOUR_GIB ? limit : FOUR_GIB, longest = 0;
	paddr_t place = 0;

	for (unsigned i = 0; i < bi->nr_e820; i++) {
		const struct e820_entry *e = &bi->e820[i];
		uint64_t size;

		if (e->type != E820_RAM || e->addr >= end)
			continue;
		size = min_u64(e->size, end - e->addr);
		if (size <= longest || size < 4 * PLACE_ALIGN)
			continue;
		longest = size;
		place = ROUND_DOWN(e->addr + size / 2, PLACE_ALIGN);
	}
	return place;
}

static uint32_t checksum(const struct crash_record *rec)
{
	uint32_t h = 0x811c9dc5u ^ rec->length;

	for (uint32_t i = 0; i < rec->length; i++)
		h = (h ^ (uint8_t)rec->text[i]) * 0x01000193u;
	return h;
}

/* See hv/crash.h. */
void crash_fill(struct crash_record *rec, const struct conring *ring)
{
	uint32_t from = ring->prod - ring->cons > CRASH_TEXT ? ring->prod - CRASH_TEXT : ring->cons;

	rec->length = (uint32_t)conring_read(ring, &from, rec->text, CRASH_TEXT);
	rec->checksum = checksum(rec);
	rec->magic = MAGIC;
}

/* See hv/crash.h. */
size_t crash_check(const struct crash_record *rec)
{
	if (rec->magic != MAGIC || !rec->length || rec->length > CRASH_TEXT || rec->checksum != checksum(rec))
		return 0;
	return rec->length;
}

/* Does a module, which the loader put there for this boot, lie over the record? */
static bool covered(paddr_t place)
{
	for (unsigned i = 0; i < boot_info.nr_modules; i++) {
		const struct boot_module *m = &boot_info.modules[i];

		if (m->start < place + sizeof(struct crash_record) && place < m->start + m->size)
			return true;
	}
	return false;
}

static struct crash_record *here(void)
{
	paddr_t place = crash_place(&boot_info, param_size("mem", 0));

	return place && !covered(place) ? mfn_to_virt(paddr_to_mfn(place)) : NULL;
}

/* See hv/crash.h. */
void crash_find(void)
{
	struct crash_record *rec = here();

	crash.length = rec ? crash_check(rec) : 0;
	if (!crash.length)
		return;
	memcpy(crash.text, rec->text, crash.length);
	rec->magic = 0;
	printk(LOG_WARN,
	       "The boot before this one ended in a crash: its last words are in the log (xl dmesg --previous)\n");
}

/* See hv/crash.h. */
void crash_show(void)
{
	size_t at = 0;

	while (at < crash.length) {
		const char *line = crash.text + at, *end = memchr(line, '\n', crash.length - at);
		size_t n = end ? (size_t)(end - line) : crash.length - at;

		console_log(prefix, sizeof(prefix) - 1);
		console_log(line, n);
		console_log("\n", 1);
		at += n + 1;
	}
	crash.length = 0;
}

/* See hv/crash.h. */
void crash_mark(void)
{
	crash.marked = true;
}

/* See hv/crash.h. */
void crash_save(bool crashed)
{
	struct crash_record *rec = crashed || crash.marked ? here() : NULL;

	if (rec)
		crash_fill(rec, console_ring());
}
