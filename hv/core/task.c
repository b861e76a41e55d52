/*
 * Deferred work per CPU. See hv/task.h.
 *
 * Work that queues itself again would keep the CPU from ever entering a guest, which it does only when no softirq is pending. So where there is a guest to
 * enter, the two take turns: when its turn is over a task that asks hypercall_preempt_check() finds a softirq, and it comes again after the guest's.
 */
#include "hv/task.h"

#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/time.h"

#define TURN MILLISECS(1)

struct cache_aligned task_cpu {
	spinlock_t lock; /* RANK_TASK: guards waiting and the queued flag of its tasks */
	struct list waiting;
	bool running;	   /* of its own CPU's softirq */
	struct timer turn; /* of the task, then of the guest */
};

static struct task_cpu *queue_of(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	return p ? p->task : NULL;
}

static void turn_over(void *data)
{
	(void)data;
	softirq_raise(this_cpu(), SOFTIRQ_TASK);
}

/* Softirq: run what waited when it began, so a task that queues itself again lets guests run in between. */
static void task_run(void)
{
	struct task_cpu *q = this_pcpu()->task;
	bool guest = this_pcpu()->current, more;
	struct list batch;

	list_init(&batch);
	if (guest)
		timer_set(&q->turn, now() + TURN);
	q->running = true;
	spin_lock(&q->lock);
	while (!list_empty(&q->waiting)) {
		struct list *l = q->waiting.next;

		list_del(l);
		list_add_tail(&batch, l);
	}
	while (!list_empty(&batch)) {
		struct task *t = container_of(batch.next, struct task, link);
		void (*fn)(void *) = t->fn;
		void *data = t->data;

		list_del(&t->link);
		t->queued = false;
		spin_unlock(&q->lock);
		fn(data); /* may free @t */
		spin_lock(&q->lock);
	}
	q->running = false;
	more = !list_empty(&q->waiting);
	spin_unlock(&q->lock);
	if (guest && more)
		timer_set(&q->turn, now() + TURN);
	else if (guest)
		timer_stop(&q->turn);
	else if (more)
		softirq_raise(this_cpu(), SOFTIRQ_TASK);
}

/* Prepare @t to run @fn(@data) on @cpu. */
void task_init(struct task *t, void (*fn)(void *), void *data, unsigned cpu)
{
	*t = (struct task){ .fn = fn, .data = data, .cpu = cpu };
	list_init(&t->link);
}

/* Queue @t on its CPU. */
void task_queue(struct task *t)
{
	struct task_cpu *q = queue_of(t->cpu);
	unsigned cpu = t->cpu;
	bool by_task;

	ASSERT(q);
	by_task = cpu == this_cpu() && q->running; /* its end sees what waits then */
	spin_lock(&q->lock);
	if (!t->queued) {
		t->queued = true;
		list_add_tail(&q->waiting, &t->link);
	}
	spin_unlock(&q->lock);
	if (!by_task)
		softirq_raise(cpu, SOFTIRQ_TASK);
}

/* Allocate the queue of @cpu, which must be registered. -ENOMEM. */
int task_cpu_init(unsigned cpu)
{
	struct task_cpu *q = xzalloc(struct task_cpu);

	if (!q)
		return err(-ENOMEM);
	spin_lock_init(&q->lock, RANK_TASK);
	list_init(&q->waiting);
	timer_init(&q->turn, turn_over, NULL, cpu);
	pcpu_get(cpu)->task = q;
	softirq_open(SOFTIRQ_TASK, task_run);
	return 0;
}
