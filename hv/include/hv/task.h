/*
 * Deferred work: a function that runs later on a chosen CPU, in SOFTIRQ_TASK, with no lock held. For work that must not happen
 * where it was caused (inside the vCPU it destroys, under a lock) or that goes on in slices (a task may queue itself again).
 */
#ifndef HV_TASK_H
#define HV_TASK_H

#include "hv/list.h"
#include "hv/types.h"

struct task {
	struct list link;
	void (*fn)(void *);
	void *data;
	bool queued; /* guarded by the queue lock of the CPU it waits on */
	unsigned cpu;
};

void task_init(struct task *t, void (*fn)(void *), void *data, unsigned cpu);
/* Make @t run once on its CPU; nothing happens if it already waits. Any context but interrupts. */
void task_queue(struct task *t);
/* Allocate the queue of @cpu. -ENOMEM. */
int task_cpu_init(unsigned cpu) must_check;

#endif
