#include "work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"
#include "hcall/hcall.h"

#define THREADS 4 /* builds at a time: they share the machine's memory bandwidth and dom0's CPUs */

static struct {
	pthread_mutex_t lock; /* guards all below but fd, watch, active */
	pthread_cond_t wake;
	struct work *waiting, **waiting_end;
	struct work *finished;
	unsigned nr_threads, nr_idle;
	bool stop;
	pthread_t threads[THREADS];
	int fd; /* eventfd: something finished or was poked */
	struct loop_fd *watch;
	struct work *active[THREADS]; /* by thread, under the lock */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .fd = -1 };

static void ring(void)
{
	uint64_t one = 1;
	if (write(pool.fd, &one, sizeof(one)) < 0)
		return; /* it is full: so it is readable */
}

void work_poke(struct work *w)
{
	atomic_store(&w->poke, true);
	ring();
}

static void *thread(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	struct hcall *h = hcall_open();
	struct work *w;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (!pool.waiting && !pool.stop) {
			pool.nr_idle++;
			pthread_cond_wait(&pool.wake, &pool.lock);
			pool.nr_idle--;
		}
		if (pool.stop)
			break;
		w = pool.waiting;
		pool.waiting = w->next;
		if (!pool.waiting)
			pool.waiting_end = &pool.waiting;
		pool.active[self] = w;
		pthread_mutex_unlock(&pool.lock);
		if (!h)
			h = hcall_open();
		w->run(w, h);
		pthread_mutex_lock(&pool.lock);
		pool.active[self] = NULL;
		w->next = pool.finished;
		pool.finished = w;
		ring();
	}
	pthread_mutex_unlock(&pool.lock);
	hcall_close(h);
	return NULL;
}

static void ready(void *arg, uint32_t events)
{
	struct work *finished, *w, *poked[THREADS];
	uint64_t count;
	(void)arg;
	(void)events;
	if (read(pool.fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&pool.lock);
	finished = pool.finished;
	pool.finished = NULL;
	for (unsigned i = 0; i < THREADS; i++) {
		poked[i] = pool.active[i];
		if (poked[i] && (!poked[i]->poked || !atomic_exchange(&poked[i]->poke, false)))
			poked[i] = NULL;
	}
	pthread_mutex_unlock(&pool.lock);
	/* What is active now can only be freed by its done(), which this thread calls: below, and later. */
	for (unsigned i = 0; i < THREADS; i++)
		if (poked[i])
			poked[i]->poked(poked[i]);
	while ((w = finished)) {
		finished = w->next;
		w->done(w);
	}
}

int work_open(void)
{
	pool.waiting_end = &pool.waiting;
	pool.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.fd < 0)
		return -errno;
	pool.watch = loop_add(pool.fd, EPOLLIN, ready, NULL);
	return 0;
}

void work_close(void)
{
	unsigned nr;
	pthread_mutex_lock(&pool.lock);
	pool.stop = true;
	for (unsigned i = 0; i < THREADS; i++)
		if (pool.active[i])
			atomic_store(&pool.active[i]->cancelled, true);
	pthread_cond_broadcast(&pool.wake);
	nr = pool.nr_threads;
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(pool.threads[i], NULL);
	loop_remove(pool.watch);
	close(pool.fd);
	pool.fd = -1;
}

/* One more thread; signals are the loop's. False: none can be had. */
static bool more_threads(void)
{
	sigset_t all, before;
	int rc;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&pool.threads[pool.nr_threads], NULL, thread, (void *)(uintptr_t)pool.nr_threads);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return false;
	pool.nr_threads++;
	return true;
}

void work_start(struct work *w)
{
	w->next = NULL;
	atomic_store(&w->poke, false);
	atomic_store(&w->cancelled, false);
	pthread_mutex_lock(&pool.lock);
	*pool.waiting_end = w;
	pool.waiting_end = &w->next;
	if (!pool.nr_idle && pool.nr_threads < THREADS && !more_threads() && !pool.nr_threads) {
		perror("hospesd: no thread");
		abort();
	}
	pthread_cond_signal(&pool.wake);
	pthread_mutex_unlock(&pool.lock);
}
