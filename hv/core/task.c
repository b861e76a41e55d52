/* Deferred work per CPU. See hv/task.h. */
#include "hv/task.h"

#include "hv/errno.h"
#include "hv/lock.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"

struct cache_aligned task_cpu {
	spinlock_t lock; /* RANK_TASK: guards waiting and the queued flag of its tasks */
	struct list waiting;
};

static struct task_cpu *queue_of(unsigned cpu)
{
	struct pcpu *p = pcpu_get(cpu);

	return p ? p->task : NULL;
}

/* Softirq: run what waited when it began, so a task that queues itself again lets guests run in between. */
static void task_run(void)
{
	struct task_cpu *q = this_pcpu()->task;
	struct list batch;

	list_init(&batch);
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
	spin_unlock(&q->lock);
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

	ASSERT(q);
	spin_lock(&q->lock);
	if (!t->queued) {
		t->queued = true;
		list_add_tail(&q->waiting, &t->link);
	}
	spin_unlock(&q->lock);
	softirq_raise(t->cpu, SOFTIRQ_TASK);
}

/* Allocate the queue of @cpu, which must be registered. -ENOMEM. */
int task_cpu_init(unsigned cpu)
{
	struct task_cpu *q = xzalloc(struct task_cpu);

	if (!q)
		return err(-ENOMEM);
	spin_lock_init(&q->lock, RANK_TASK);
	list_init(&q->waiting);
	pcpu_get(cpu)->task = q;
	softirq_open(SOFTIRQ_TASK, task_run);
	return 0;
}
