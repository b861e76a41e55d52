#include "sharing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"
#include "base/text.h"
#include "device.h"
#include "dom.h"
#include "host/host.h"

struct share {
	struct share *next;
	const struct device *dev; /* while it has no number; then NULL */
	uint32_t domid;
	int devid;
	uint64_t disk_dev, disk_ino;
	bool write;
};

static struct {
	struct share *all;
} sharing;

static void add(const struct device *dev, uint32_t domid, int devid, const struct host_block *b, bool write)
{
	struct share *s = xcalloc(1, sizeof(*s));
	*s = (struct share){ sharing.all, dev, domid, devid, b->dev, b->ino, write };
	sharing.all = s;
}

/* Remove all for which @test says so. */
static void remove_if(bool (*test)(const struct share *s, const struct device *dev, uint32_t domid, int devid),
		      const struct device *dev, uint32_t domid, int devid)
{
	struct share **at = &sharing.all, *s;
	while ((s = *at)) {
		if (!test(s, dev, domid, devid)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s);
	}
}

/* A disk in a driver domain, or one a script makes, is not ours to judge. */
static bool judged(const struct device *dev)
{
	return !strcmp(dev->class, "vbd") && !dev->backend_domid && !dev->script;
}

int sharing_claim(struct device *dev, uint32_t domid, struct problem *p)
{
	if (!judged(dev))
		return 0;
	for (const struct share *s = sharing.all; s; s = s->next) {
		const struct dom *d = s->dev ? NULL : dom_find(s->domid);
		if (s->disk_dev != dev->block.dev || s->disk_ino != dev->block.ino || !(s->write || dev->write))
			continue;
		if (d && (d->ended || d->id == domid))
			continue;
		return problem_set(p, EBUSY, "disk-in-use", "disks",
				   "end that domain or detach the disk there; give it to both read-only to share it",
				   "%s is in use by domain %u (%s)%s", dev->target, s->domid,
				   d ? d->name : "being created", s->write ? ", which writes it" : "");
	}
	add(dev, domid, dev->devid, &dev->block, dev->write);
	return 0;
}

void sharing_settle(struct device *dev)
{
	for (struct share *s = sharing.all; s; s = s->next)
		if (s->dev == dev) {
			s->dev = NULL;
			s->domid = dev->domid;
			s->devid = dev->devid;
		}
}

static bool is_claim(const struct share *s, const struct device *dev, uint32_t domid, int devid)
{
	(void)domid;
	(void)devid;
	return s->dev == dev;
}

void sharing_drop(struct device *dev)
{
	remove_if(is_claim, dev, 0, 0);
}

void sharing_learn(uint32_t domid, int devid, const char *target, bool write)
{
	struct host_block b;
	struct problem p;
	problem_init(&p);
	if (!sharing_known(domid, devid) && !host_block_look(target, false, &b, &p))
		add(NULL, domid, devid, &b, write);
}

bool sharing_known(uint32_t domid, int devid)
{
	const struct share *s = sharing.all;
	while (s && (s->dev || s->domid != domid || s->devid != devid))
		s = s->next;
	return s != NULL;
}

static bool is_of(const struct share *s, const struct device *dev, uint32_t domid, int devid)
{
	(void)dev;
	return !s->dev && s->domid == domid && (devid < 0 || s->devid == devid);
}

void sharing_forget(uint32_t domid, int devid)
{
	remove_if(is_of, NULL, domid, devid);
}
