/*
 * Trace buffers. Each CPU writes its own, without a lock: records are put by code that runs to its end on its CPU, never by an interrupt
 * handler. The reader moves `cons`, this side `prod`; what the reader can write is never trusted: the place to write to is kept here, and a
 * `cons` that cannot be makes the buffer full.
 *
 * A record never crosses the end of the buffer: a record of padding fills what is left. Records that found no room are counted, and told when
 * there is some again.
 */
#include "hv/trace.h"

#include "hv/arch.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"

#define PAGES_MAX 1024u /* for each CPU */
#define HEAD 4u
#define TIME 8u
#define LOST_SIZE (HEAD + TIME + 16u)

/* One for each CPU, on a line of its own. */
struct cache_aligned trace_cpu {
	struct t_buf *buf;   /* shared: the data follows it */
	uint32_t prod;	     /* what buf->prod should be */
	uint32_t lost;	     /* records since the last that found room */
	uint64_t lost_since; /* time of the first of them */
};

uint32_t trace_events;

static struct {
	spinlock_t lock; /* making of buffers, mask and switch. Writers of records do not take it */
	struct t_info *info;
	unsigned info_order, order, nr; /* nr: CPUs with a buffer */
	uint32_t pages, size;		/* size: bytes of data in a buffer */
	uint32_t events;
	bool on;
	cpumask_t off; /* CPUs not wanted */
	struct trace_cpu *cpus;
} tr = { .lock = SPINLOCK_INIT(RANK_CONSOLE), .events = TRC_ALL };

/* Writing ----------------------------------------------------------------------------------------- */

/* As xentrace has it: some bit of the class and some of the subclass, each asked for. */
static bool wanted(uint32_t mask, uint32_t event)
{
	return (mask >> TRC_CLS_SHIFT) & (event >> TRC_CLS_SHIFT) &&
	       (mask >> TRC_SUBCLS_SHIFT) & (event >> TRC_SUBCLS_SHIFT) & 0xf;
}

static uint32_t *place(struct trace_cpu *c, uint32_t at)
{
	return (uint32_t *)((uint8_t *)(c->buf + 1) + at);
}

/* Write one record where there is room for it without crossing the end. */
static void write_record(struct trace_cpu *c, uint32_t event, bool timed, uint64_t time, const uint32_t *words,
			 unsigned nr)
{
	uint32_t *w = place(c, c->prod % tr.size);

	*w++ = event | (uint32_t)nr << TRACE_EXTRA_SHIFT | (timed ? (uint32_t)TRC_HD_CYCLE_FLAG : 0);
	if (timed) {
		*w++ = (uint32_t)time;
		*w++ = (uint32_t)(time >> 32);
	}
	for (unsigned i = 0; i < nr; i++)
		*w++ = words ? words[i] : 0;
	c->prod = (c->prod + HEAD + (timed ? TIME : 0) + 4 * nr) % (2 * tr.size);
}

/* What is left until the end, if @bytes do not fit there. */
static uint32_t padding(uint32_t prod, uint32_t bytes)
{
	uint32_t left = tr.size - prod % tr.size;

	return left < bytes ? left : 0;
}

static void pad(struct trace_cpu *c, uint32_t bytes, uint64_t time)
{
	uint32_t words = bytes / 4;

	if (words)
		write_record(c, TRC_TRACE_WRAP_BUFFER, words > TRACE_EXTRA_MAX, time, NULL,
			     words > TRACE_EXTRA_MAX ? words - 3 : words - 1);
}

/* Bytes written and not read yet; as many as there can be if the reader's word makes no sense. */
static uint32_t used(const struct trace_cpu *c)
{
	uint32_t cons = __atomic_load_n(&c->buf->cons, __ATOMIC_ACQUIRE), n;

	if (cons >= 2 * tr.size || cons % 4)
		return tr.size;
	n = c->prod >= cons ? c->prod - cons : c->prod + 2 * tr.size - cons;
	return n > tr.size ? tr.size : n;
}

/* Tell of the records that were lost. */
static void write_lost(struct trace_cpu *c, uint64_t time)
{
	const uint32_t words[] = { c->lost, DOMID_IDLE, (uint32_t)c->lost_since, (uint32_t)(c->lost_since >> 32) };

	pad(c, padding(c->prod, LOST_SIZE), time);
	write_record(c, TRC_LOST_RECORDS, true, time, words, 4);
	c->lost = 0;
}

/* See hv/trace.h. */
void trace_put(uint32_t event, const uint32_t *words, unsigned nr)
{
	unsigned cpu = this_cpu();
	struct trace_cpu *c = &tr.cpus[cpu];
	uint32_t bytes = HEAD + TIME + 4 * nr, needed, before;
	uint64_t time;

	if (cpu >= tr.nr || !wanted(read_once(trace_events), event) || cpumask_test(&tr.off, cpu))
		return;
	time = arch_trace_time();
	before = used(c);
	/* The end can be in the way once. */
	needed = bytes + (c->lost ? LOST_SIZE : 0);
	if (padding(c->prod, needed))
		needed += LOST_SIZE + bytes;
	if (before + needed > tr.size) {
		if (c->lost++ == 0)
			c->lost_since = time;
		return;
	}
	if (c->lost)
		write_lost(c, time);
	pad(c, padding(c->prod, bytes), time);
	write_record(c, event, true, time, words, nr);
	__atomic_store_n(&c->buf->prod, c->prod, __ATOMIC_RELEASE);
	if (before < tr.size / 2 && before + needed >= tr.size / 2)
		domain_global_virq_later(VIRQ_TBUF);
}

/* Buffers and switch ------------------------------------------------------------------------------ */

static unsigned order_of(uint64_t pages)
{
	unsigned order = 0;

	while (1UL << order < pages)
		order++;
	return order;
}

/* Words of the information: the head with its offsets, then a list of frames for each CPU. */
static uint32_t info_words(unsigned nr)
{
	return (uint32_t)(sizeof(struct t_info) + nr * sizeof(uint16_t) + 3) / 4;
}

static void fill_info(struct t_info *info, struct trace_cpu *cpus, unsigned nr, uint32_t pages)
{
	uint32_t at = info_words(nr);

	info->tbuf_size = (uint16_t)pages;
	for (unsigned cpu = 0; cpu < nr; cpu++) {
		info->mfn_offset[cpu] = (uint16_t)at;
		for (uint32_t i = 0; i < pages; i++)
			((uint32_t *)info)[at++] = (uint32_t)(virt_to_mfn(cpus[cpu].buf).v + i);
	}
}

static void free_buffers(struct trace_cpu *cpus, unsigned nr, unsigned order)
{
	for (unsigned cpu = 0; cpu < nr; cpu++)
		if (cpus[cpu].buf)
			free_frames(mfn_to_frame(virt_to_mfn(cpus[cpu].buf)), order);
	xfree(cpus);
}

static struct trace_cpu *alloc_buffers(unsigned nr, unsigned order)
{
	struct trace_cpu *cpus = xzalloc_array(struct trace_cpu, nr);

	for (unsigned cpu = 0; cpus && cpu < nr; cpu++) {
		struct frame *f = alloc_frames(NULL, order, ALLOC_ZERO);

		if (!f) {
			free_buffers(cpus, cpu, order);
			return NULL;
		}
		cpus[cpu].buf = mfn_to_virt(frame_to_mfn(f));
	}
	return cpus;
}

/* See hv/trace.h. */
int trace_set_size(uint32_t pages)
{
	unsigned nr = 0, order, info_order, cpu;
	struct trace_cpu *cpus;
	struct frame *info;
	uint64_t words;

	for_each_cpu(cpu, cpu_online())
		nr = cpu + 1;
	words = info_words(nr) + (uint64_t)nr * pages;
	if (!pages || pages > PAGES_MAX || words > UINT16_MAX)
		return err(-EINVAL);
	if (tr.info)
		return pages == tr.pages ? 0 : err(-EBUSY);
	order = order_of(pages);
	info_order = order_of((words * 4 + PAGE_SIZE - 1) >> PAGE_SHIFT);
	cpus = alloc_buffers(nr, order);
	info = cpus ? alloc_frames(NULL, info_order, ALLOC_ZERO) : NULL;
	if (!info) {
		if (cpus)
			free_buffers(cpus, nr, order);
		return err(-ENOMEM);
	}
	fill_info(mfn_to_virt(frame_to_mfn(info)), cpus, nr, pages);
	spin_lock(&tr.lock);
	if (tr.info) { /* somebody was quicker */
		spin_unlock(&tr.lock);
		free_buffers(cpus, nr, order);
		free_frames(info, info_order);
		return pages == tr.pages ? 0 : err(-EBUSY);
	}
	tr.info_order = info_order;
	tr.pages = pages;
	tr.size = pages * (uint32_t)PAGE_SIZE - (uint32_t)sizeof(struct t_buf);
	tr.cpus = cpus;
	tr.nr = nr;
	tr.info = mfn_to_virt(frame_to_mfn(info));
	spin_unlock(&tr.lock);
	return 0;
}

/* Whoever sees the new value sees the buffers, too. */
static void publish(void)
{
	__atomic_store_n(&trace_events, tr.on ? tr.events : 0, __ATOMIC_SEQ_CST);
}

/* See hv/trace.h. */
void trace_set_events(uint32_t events)
{
	spin_lock(&tr.lock);
	tr.events = events;
	publish();
	spin_unlock(&tr.lock);
}

/* See hv/trace.h. */
void trace_set_cpus(const cpumask_t *cpus)
{
	spin_lock(&tr.lock);
	for (unsigned i = 0; i < ARRAY_SIZE(tr.off.bits); i++)
		write_once(tr.off.bits[i], ~cpus->bits[i]);
	spin_unlock(&tr.lock);
}

/* See hv/trace.h. */
int trace_enable(bool on)
{
	int rc = 0;

	spin_lock(&tr.lock);
	if (!tr.info) {
		rc = err(-EINVAL);
	} else {
		tr.on = on;
		publish();
	}
	spin_unlock(&tr.lock);
	return rc;
}

/* See hv/trace.h. */
struct trace_info trace_info(void)
{
	struct trace_info i = { .events = tr.events };

	spin_lock(&tr.lock);
	if (tr.info) {
		i.info = virt_to_mfn(tr.info);
		i.size = (uint32_t)PAGE_SIZE << tr.info_order;
	}
	spin_unlock(&tr.lock);
	return i;
}

/* See hv/trace.h. Buffers stay for ever, so the reference that is there cannot go away meanwhile. */
struct frame *trace_get_page(mfn_t m)
{
	struct frame *f = NULL;

	spin_lock(&tr.lock);
	if (tr.info && m.v - virt_to_mfn(tr.info).v < 1UL << tr.info_order)
		f = mfn_to_frame(m);
	for (unsigned cpu = 0; !f && cpu < tr.nr; cpu++)
		if (m.v - virt_to_mfn(tr.cpus[cpu].buf).v < tr.pages)
			f = mfn_to_frame(m);
	if (f)
		__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	spin_unlock(&tr.lock);
	return f;
}

/* See hv/trace.h. */
void trace_forget(void)
{
	trace_events = 0;
	tr.info = NULL;
	tr.nr = 0;
	tr.on = false;
}
