/*
 * Timers: one leftist heap per CPU, threaded through the timers themselves, so arming never allocates. The earliest timer is the
 * root; the hardware is programmed only when the root's time changes. In a leftist heap (every node's left child has at least the rank
 * of its right one) the right spine is logarithmic, so merge, insert and removal of any node take O(log n).
 */
#include "hv/time.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

/* On a cache line of its own, as is all that a CPU writes with every turn. */
struct cache_aligned timer_cpu {
	spinlock_t lock; /* RANK_TIMER: guards the heap and its timers' fields */
	struct timer *root;
	struct timer *running; /* its function runs on this CPU now */
	stime_t programmed;    /* what the hardware was last told */
};

/* A callback of a migrated timer may still run on the old CPU when it is due on the new one: look again after this. */
#define BUSY_RETRY MICROSECS(50)

static struct timer_cpu *timers_of(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	return p ? __atomic_load_n(&p->timers, __ATOMIC_ACQUIRE) : NULL;
}

/* Lock the heap that @t belongs to; it may be migrated until the lock is held. */
static struct timer_cpu *timer_lock(struct timer *t)
{
	for (;;) {
		unsigned cpu = read_once(t->cpu);
		struct timer_cpu *tc = timers_of(cpu);

		ASSERT(tc);
		spin_lock(&tc->lock);
		if (t->cpu == cpu)
			return tc;
		spin_unlock(&tc->lock);
	}
}

static unsigned rank_of(const struct timer *t)
{
	return t ? t->rank : 0;
}

/* Restore the leftist order of @t's children. True when its rank changed. */
static bool fix_rank(struct timer *t)
{
	unsigned old = t->rank;

	if (rank_of(t->left) < rank_of(t->right)) {
		struct timer *tmp = t->left;

		t->left = t->right;
		t->right = tmp;
	}
	t->rank = rank_of(t->right) + 1;
	return t->rank != old;
}

/* Merge two heaps; walks down the right spines, then up again repairing ranks. The result's parent is NULL. */
static struct timer *heap_merge(struct timer *a, struct timer *b)
{
	struct timer *root = NULL, *last = NULL;

	while (a && b) {
		struct timer *first = a->expires <= b->expires ? a : b;

		if (first == b)
			b = a;
		a = first->right;
		first->parent = last;
		if (last)
			last->right = first;
		else
			root = first;
		last = first;
	}
	if (!a)
		a = b;
	if (!last) {
		if (a)
			a->parent = NULL;
		return a;
	}
	last->right = a;
	if (a)
		a->parent = last;
	for (; last; last = last->parent)
		fix_rank(last);
	return root;
}

static void heap_insert(struct timer_cpu *tc, struct timer *t)
{
	t->left = t->right = t->parent = NULL;
	t->rank = 1;
	tc->root = heap_merge(tc->root, t);
}

static void heap_remove(struct timer_cpu *tc, struct timer *t)
{
	struct timer *parent = t->parent;
	struct timer *rest = heap_merge(t->left, t->right);

	if (rest)
		rest->parent = parent;
	if (!parent)
		tc->root = rest;
	else if (parent->left == t)
		parent->left = rest;
	else
		parent->right = rest;
	/* A subtree shrank: ranks above may fall. Stops after at most log n changes. */
	while (parent && fix_rank(parent))
		parent = parent->parent;
	t->left = t->right = t->parent = NULL;
	t->rank = 0;
}

/* Tell the hardware, or the CPU that owns @tc, if the earliest time is another one now. Lock held. */
static void heap_program(struct timer_cpu *tc, unsigned cpu)
{
	stime_t first = tc->root ? tc->root->expires : STIME_MAX;

	if (first == tc->programmed)
		return;
	if (cpu == this_cpu()) {
		tc->programmed = first;
		arch_set_timer(first);
	} else if (first < tc->programmed) {
		/* Its softirq reprograms. A later time only means one interrupt that finds nothing due. */
		softirq_raise(cpu, SOFTIRQ_TIMER);
	}
}

/* Is @t's function running on the CPU that last took it? */
static bool timer_busy(const struct timer *t)
{
	struct timer_cpu *tc = timers_of(read_once(t->ran_on));

	return tc && __atomic_load_n(&tc->running, __ATOMIC_SEQ_CST) == t;
}

/* Softirq: run what is due on this CPU, then program the next. */
static void timer_run(void)
{
	unsigned cpu = this_cpu();
	struct timer_cpu *tc = timers_of(cpu);
	struct timer *outer = tc->running; /* not NULL only if a callback itself ran softirqs */
	struct timer *t;

	spin_lock(&tc->lock);
	tc->programmed = STIME_MAX; /* the one-shot interrupt may have been used up */
	while ((t = tc->root) && t->expires <= now()) {
		void (*fn)(void *) = t->fn;
		void *data = t->data;

		heap_remove(tc, t);
		if (timer_busy(t)) {
			t->expires = now() + BUSY_RETRY;
			heap_insert(tc, t);
			continue;
		}
		t->ran_on = cpu;
		__atomic_store_n(&tc->running, t, __ATOMIC_SEQ_CST);
		spin_unlock(&tc->lock);
		fn(data); /* may free @t */
		spin_lock(&tc->lock);
		__atomic_store_n(&tc->running, outer, __ATOMIC_SEQ_CST);
	}
	heap_program(tc, cpu);
	spin_unlock(&tc->lock);
}

/* Prepare @t, inactive, to run @fn(@data) on @cpu. */
void timer_init(struct timer *t, void (*fn)(void *), void *data, unsigned cpu)
{
	*t = (struct timer){ .fn = fn, .data = data, .cpu = cpu, .ran_on = cpu };
}

/* Arm @t for absolute time @expires, replacing an earlier arming. Nothing happens once it was killed. Any CPU. */
void timer_set(struct timer *t, stime_t expires)
{
	struct timer_cpu *tc = timer_lock(t);

	if (!t->dead) {
		if (t->rank)
			heap_remove(tc, t);
		t->expires = expires;
		heap_insert(tc, t);
		heap_program(tc, t->cpu);
	}
	spin_unlock(&tc->lock);
}

/* Disarm @t. Its function may still be running elsewhere. */
void timer_stop(struct timer *t)
{
	struct timer_cpu *tc = timer_lock(t);

	if (t->rank) {
		heap_remove(tc, t);
		heap_program(tc, t->cpu);
	}
	spin_unlock(&tc->lock);
}

/* Disarm @t for ever; on return its function runs nowhere, unless this is called from it. No lock the function takes may be held. */
void timer_kill(struct timer *t)
{
	struct timer_cpu *tc;

	if (!t->fn) /* never initialised */
		return;
	tc = timer_lock(t);
	t->dead = true;
	if (t->rank) {
		heap_remove(tc, t);
		heap_program(tc, t->cpu);
	}
	spin_unlock(&tc->lock);
	while (timer_busy(t) && t->ran_on != this_cpu())
		arch_cpu_relax();
}

/* Move @t to @cpu, keeping its time when armed. Both heaps are locked, so no stop or set falls between. */
void timer_migrate(struct timer *t, unsigned cpu)
{
	for (;;) {
		unsigned old = read_once(t->cpu);
		struct timer_cpu *from = timers_of(old), *to = timers_of(cpu);
		struct timer_cpu *first = from < to ? from : to, *second = from < to ? to : from;
		bool same;

		if (old == cpu)
			return;
		ASSERT(from && to);
		spin_lock(&first->lock);
		spin_lock_nested(&second->lock);
		same = t->cpu == old;
		if (same) {
			bool active = t->rank;

			if (active)
				heap_remove(from, t);
			t->cpu = cpu;
			if (active) {
				heap_insert(to, t);
				heap_program(from, old);
				heap_program(to, cpu);
			}
		}
		spin_unlock(&second->lock);
		spin_unlock(&first->lock);
		if (same)
			return;
	}
}

/* See hv/time.h. */
void timer_set_here(struct timer *t, stime_t expires)
{
	timer_migrate(t, this_cpu());
	timer_set(t, expires);
}

/* Is @t armed? A hint unless the caller excludes other users. */
bool timer_active(const struct timer *t)
{
	return read_once(t->rank) != 0;
}

/* Allocate the heap of @cpu, which must be registered. -ENOMEM. */
int timer_cpu_init(unsigned cpu)
{
	struct timer_cpu *tc = xzalloc(struct timer_cpu);

	if (!tc)
		return err(-ENOMEM);
	spin_lock_init(&tc->lock, RANK_TIMER);
	tc->programmed = STIME_MAX;
	softirq_open(SOFTIRQ_TIMER, timer_run);
	__atomic_store_n(&pcpu_get(cpu)->timers, tc, __ATOMIC_RELEASE);
	return 0;
}
