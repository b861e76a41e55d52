/*
 * What units report of devices. Each line names the device, its owner, the address and the reason; a device gets few
 * lines a second, and one that faults without end is cut off, so that neither the log nor this processor is its
 * victim.
 */
#include "internal.h"

#include "hv/printk.h"
#include "hv/string.h"
#include "hv/time.h"

#define COUNTERS 64u
#define WINDOW (1 * NSEC_PER_SEC)
#define LINES_PER_WINDOW 5u
#define STORM 200u /* faults in a window */

/* How much one device has faulted lately. */
struct counter {
	uint32_t key; /* segment and id */
	bool used, cut_off;
	stime_t begin;
	unsigned count;
};

static struct {
	spinlock_t lock; /* RANK_IOMMU */
	struct counter counter[COUNTERS];
	struct counter others; /* all that find no room there, together */
} faults;

/* See internal.h. */
void fault_init(void)
{
	memset(&faults, 0, sizeof(faults));
	spin_lock_init(&faults.lock, RANK_IOMMU);
}

static uint32_t key_of(uint16_t segment, uint16_t id)
{
	return (uint32_t)segment << 16 | id;
}

/* NULL: it has none. */
static struct counter *find(uint32_t key)
{
	for (unsigned i = 0; i < COUNTERS; i++)
		if (faults.counter[i].used && faults.counter[i].key == key)
			return &faults.counter[i];
	return NULL;
}

/* No device's count is lost to another that faults just now, else two that take turns could fault, and be told of, without end. */
static struct counter *counter_of(uint32_t key, stime_t t)
{
	struct counter *c = find(key);

	for (unsigned i = 0; !c && i < COUNTERS; i++)
		if (!faults.counter[i].used || t - faults.counter[i].begin >= WINDOW) {
			c = &faults.counter[i];
			*c = (struct counter){ .key = key, .used = true, .begin = t };
		}
	return c ? c : &faults.others;
}

/* One more fault: shall it be printed, and is it one too many? */
static bool count_fault(const struct iommu_fault *f, bool *storm)
{
	stime_t t = now();
	struct counter *c;
	bool print;

	spin_lock(&faults.lock);
	c = counter_of(key_of(f->segment, f->id), t);
	if (t - c->begin >= WINDOW) {
		c->begin = t;
		c->count = 0;
	}
	c->count++;
	print = c->count <= LINES_PER_WINDOW && !c->cut_off;
	*storm = c->count > STORM && !c->cut_off;
	if (*storm && c == &faults.others)
		c->count = LINES_PER_WINDOW; /* the next of them is somebody else */
	else
		c->cut_off |= *storm;
	spin_unlock(&faults.lock);
	return print;
}

/* See internal.h. */
void fault_forgive(uint16_t segment, uint16_t id)
{
	struct counter *c;

	spin_lock(&faults.lock);
	c = find(key_of(segment, id));
	if (c)
		c->used = false;
	spin_unlock(&faults.lock);
}

static void print_fault(const struct iommu_fault *f)
{
	unsigned bus = f->id >> 8, dev = f->id >> 3 & 31, fn = f->id & 7;
	char owner[24] = "which is nobody's";
	domid_t id;

	if (iommu_owner_of(f->segment, f->id, &id))
		snprintf(owner, sizeof(owner), "of d%u", id);
	if (f->interrupt)
		printk(LOG_WARN, "IOMMU: interrupt %lu of device %04x:%02x:%02x.%u, %s, stopped: %s\n",
		       (unsigned long)f->address, f->segment, bus, dev, fn, owner, f->reason);
	else
		printk(LOG_WARN, "IOMMU: %s of device %04x:%02x:%02x.%u, %s, at 0x%lx stopped: %s\n",
		       f->write ? "write" : "read", f->segment, bus, dev, fn, owner, (unsigned long)f->address,
		       f->reason);
}

/* See internal.h. No lock held. */
void fault_report(const struct iommu_fault *f)
{
	bool storm;

	if (count_fault(f, &storm)) {
		if (f->unit)
			printk(LOG_WARN, "IOMMU: unit at 0x%lx: %s\n", (unsigned long)f->address, f->reason);
		else
			print_fault(f);
	}
	if (!storm || f->unit)
		return;
	printk(LOG_WARN, "IOMMU: device %04x:%02x:%02x.%u faults without end: cut off from memory\n", f->segment,
	       f->id >> 8, f->id >> 3 & 31, f->id & 7);
	iommu_contain(f->segment, f->id);
}
