#include "balloon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv.h"
#include "limits.h"
#include "settings.h"
#include "xs.h"

#define TARGET "/local/domain/0/memory/target"
#define LOOK_MS 50 /* nothing tells of free memory */

static void finish(struct balloon *b)
{
	timer_cancel(&b->timer);
	b->over = true;
	if (!b->asked)
		b->done(b);
}

static void set_target(uint64_t kib)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)kib);
	xs_write(TARGET, text, NULL, NULL);
}

static void look(void *arg)
{
	struct balloon *b = arg;
	uint64_t now = hv_free_kib();
	if (now > b->free)
		b->since = loop_now();
	b->free = now;
	if (b->progress)
		b->progress(b);
	if (b->free >= b->need) {
		finish(b);
	} else if (loop_now() - b->since > (uint64_t)settings->balloon_ms * 1000000) {
		set_target(b->before);
		finish(b);
	} else {
		timer_set(&b->timer, LOOK_MS, look, b);
	}
}

static void got_target(void *arg, int err, const char *body, size_t len)
{
	struct balloon *b = arg;
	struct xen_domctl_getdomaininfo info;
	uint64_t missing = b->need - b->free;
	(void)len;
	b->asked = false;
	if (b->over || hv_info(0, &info)) {
		finish(b);
		return;
	}
	b->before = info.tot_pages * 4;
	if (!err && strtoull(body, NULL, 10) && strtoull(body, NULL, 10) < b->before)
		b->before = strtoull(body, NULL, 10);
	if (b->before < missing + DOM0_LEAST) {
		finish(b);
		return;
	}
	set_target(b->before - missing);
	b->since = loop_now();
	look(b);
}

void balloon_start(struct balloon *b)
{
	b->over = b->asked = false;
	b->free = b->first = hv_free_kib();
	if (b->free >= b->need || !settings_autoballoon()) {
		finish(b);
		return;
	}
	b->asked = true;
	xs_read(TARGET, got_target, b);
}

void balloon_cancel(struct balloon *b)
{
	if (b->over)
		return;
	if (b->asked) {
		b->over = true;
		return;
	}
	set_target(b->before);
	finish(b);
}
