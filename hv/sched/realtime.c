/*
 * Reservations: each unit is promised a budget of CPU time in each of its periods, after the constant bandwidth server (Abeni and Buttazzo,
 * 1998). A unit with budget left is served by the end of its period, earliest first (EDF); one without waits for its next period, or with
 * `extra` takes what nobody with a budget wants, in turns.
 *
 * A period does not pass unseen: who sleeps and wakes up keeps what is left of the budget only if it is no more than its bandwidth allows for
 * the rest of the period; otherwise a new period begins with that moment. So no unit can ask for more than budget / period of a CPU in any
 * stretch of time, however it sleeps, and what one is promised never depends on what another does.
 *
 * On one CPU every promise is kept as long as the bandwidths sum up to no more than the CPU. Units move to where a later end of period would
 * run, so with m CPUs they are kept while the sum is at most m - (m - 1) * (the greatest of them) (Goossens, Funk, Baruah, 2003). More may be
 * promised than that; then some get it late. Tools call this policy rtds. Tested on random machines in tests/unit/test_sched_traces.c.
 */
#include "hv/errno.h"
#include "hv/list.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "sched_cpu.h"

#define PERIOD_DEFAULT MILLISECS(10)
#define BUDGET_DEFAULT MILLISECS(4)
#define SHORTEST MICROSECS(10) /* period and budget, as Xen has it */
#define LONGEST (MILLISECS(1000) * 3600 * 24)
#define TURN MILLISECS(1)	/* of one who runs without budget */
#define LOOK_MIN MICROSECS(10)	/* no slice ends sooner */
#define GIVE_WAY MICROSECS(100) /* of who yields, to whoever else is there */

/* What decides who runs, least first: the end of a period, or one of these. */
#define BY_TURNS (STIME_MAX - 1) /* no budget, but extra */
#define NOT_NOW STIME_MAX	 /* no budget */

struct rt_unit {
	struct list link;
	struct sched_unit *unit;
	struct sched_reservation promise;
	stime_t deadline; /* end of the period */
	stime_t left;	  /* of the budget until then */
};
_Static_assert(sizeof(struct rt_unit) <= sizeof(((struct sched_unit *)0)->priv), "room in a unit");

struct rt_rq {
	struct list units;	     /* all queued, the running one too, in the order of turns */
	struct rt_unit *curr, *skip; /* skip: yielded, others first, once */
	stime_t exec_start;	     /* curr is accounted up to here */
	bool measured;		     /* curr's time counts; it does not while curr is alone */
	bool news;		     /* somebody waits for other CPUs who did not before */
	unsigned nr;
	stime_t waiting;	  /* least key of those that wait */
	stime_t running;	  /* key of the running one when last looked at; read by others without the lock */
	struct sched_offer offer; /* by key, of those that may run elsewhere */
};

static struct rt_rq *rq_of(unsigned cpu)
{
	return sched_cpu(cpu)->queue[SCHED_REALTIME];
}

static struct rt_unit *of(struct sched_unit *u)
{
	return (struct rt_unit *)u->priv;
}

static struct rt_unit *entry(struct list *pos)
{
	return container_of(pos, struct rt_unit, link);
}

static stime_t key(const struct rt_unit *r)
{
	return r->left > 0 ? r->deadline : r->promise.extra ? BY_TURNS : NOT_NOW;
}

/* Budgets ----------------------------------------------------------------------------------------- */

/* A period from @t on. */
static void begin_period(struct rt_unit *r, stime_t t)
{
	r->deadline = t + r->promise.period;
	r->left = r->promise.budget;
}

/*
 * If period and budget are over, the next one: right behind it, or now if more than one has passed. What was taken too much is paid back. Who
 * got his budget late keeps his place until he has had it, so nobody starves where too much was promised.
 */
static void replenish(struct rt_unit *r, stime_t t)
{
	stime_t owed = r->left;

	if (t < r->deadline || r->left > 0)
		return;
	begin_period(r, t - r->deadline < r->promise.period ? r->deadline : t);
	r->left += owed;
}

/* It wakes up: may it keep what is left until the end of its period, or is that more than its bandwidth? */
static void woken(struct rt_unit *r, stime_t t)
{
	if (t >= r->deadline || (__int128)r->left * r->promise.period > (__int128)(r->deadline - t) * r->promise.budget)
		begin_period(r, t);
}

/* Bring the running unit's account up to @t. */
static void account(struct rt_rq *rq, stime_t t)
{
	struct rt_unit *r = rq->curr;
	stime_t delta = t - rq->exec_start, least;

	if (!r || delta <= 0)
		return;
	rq->exec_start = t;
	/* Extra time is nobody's; else a late timer took from the next period. */
	least = r->promise.extra ? 0 : -r->promise.budget;
	r->left = r->left - delta > least ? r->left - delta : least;
	/* How much of it was in this period nobody knows, so it begins now. */
	if (!rq->measured && t >= r->deadline)
		begin_period(r, t);
}

/* Queues ------------------------------------------------------------------------------------------ */

/* Publish what other CPUs look at. */
static void refresh(struct rt_rq *rq, unsigned cpu)
{
	struct sched_offer offer = { .least = 0 };
	stime_t least = NOT_NOW;
	struct list *pos;
	unsigned nr = 0, waiting = 0;

	list_for_each(pos, &rq->units) {
		stime_t k = key(entry(pos));

		nr++;
		if (entry(pos) == rq->curr || k == NOT_NOW)
			continue;
		waiting++;
		if (k < least)
			least = k;
		sched_offer_add(&offer, entry(pos)->unit, cpu, k);
	}
	write_once(rq->waiting, least);
	write_once(rq->running, rq->curr ? key(rq->curr) : NOT_NOW);
	rq->nr = nr;
	if (!rq->curr && waiting == 1) /* who is about to run here does not wait */
		cpumask_clear(&offer.takers);
	rq->news |= sched_offer_show(&rq->offer, &offer);
}

static void *rt_queue_alloc(void)
{
	struct rt_rq *rq = xzalloc(struct rt_rq);

	if (rq) {
		list_init(&rq->units);
		rq->waiting = rq->running = NOT_NOW;
	}
	return rq;
}

static void rt_unit_init(struct sched_unit *u)
{
	struct rt_unit *r = of(u);

	list_init(&r->link);
	r->unit = u;
	r->promise = sched_reservation_default();
}

/* An idle CPU, or the one that runs what can wait the longest. */
static unsigned rt_pick_cpu(struct sched_unit *u)
{
	cpumask_t allowed = cpumask_and(&u->hard, sched_unit_cpus(u));
	unsigned last = read_once(u->vcpu->processor), best = sched_idle_cpu(u), cpu;

	if (best != NR_CPUS)
		return best;
	best = cpumask_test(&allowed, last) ? last : cpumask_next(&allowed, 0);
	for_each_cpu(cpu, &allowed)
		if (read_once(rq_of(cpu)->running) > read_once(rq_of(best)->running))
			best = cpu;
	return best < NR_CPUS ? best : cpumask_next(sched_unit_cpus(u), 0) % NR_CPUS;
}

static void rt_enqueue(struct sched_unit *u, unsigned cpu, stime_t t, bool waking)
{
	struct rt_rq *rq = rq_of(cpu);
	struct rt_unit *r = of(u);

	account(rq, t);
	if (waking)
		woken(r, t);
	else
		replenish(r, t);
	list_add_tail(&rq->units, &r->link);
	refresh(rq, cpu);
	rq->news = false; /* that somebody came is not for us to tell */
}

static void rt_dequeue(struct sched_unit *u, unsigned cpu, stime_t t)
{
	struct rt_rq *rq = rq_of(cpu);
	struct rt_unit *r = of(u);

	account(rq, t);
	list_del(&r->link);
	if (rq->curr == r)
		rq->curr = NULL;
	if (rq->skip == r)
		rq->skip = NULL;
	refresh(rq, cpu);
}

/* The least key, that of who yielded last; of those that take turns the first. All periods up to @t are begun on the way. */
static struct rt_unit *best_unit(struct rt_rq *rq, stime_t t)
{
	struct rt_unit *best = NULL;
	struct list *pos;

	list_for_each(pos, &rq->units) {
		struct rt_unit *r = entry(pos);

		replenish(r, t);
		if (key(r) != NOT_NOW && r != rq->skip && (!best || key(r) < key(best)))
			best = r;
	}
	return best || !rq->skip || key(rq->skip) == NOT_NOW ? best : rq->skip;
}

/* When somebody of the queue gets a new budget. */
static stime_t next_period(struct rt_rq *rq)
{
	stime_t first = STIME_MAX;
	struct list *pos;

	list_for_each(pos, &rq->units)
		if (entry(pos)->left <= 0 && entry(pos)->deadline < first)
			first = entry(pos)->deadline;
	return first;
}

static bool rt_offers(unsigned from, unsigned cpu)
{
	int64_t k;

	return sched_offered(&rq_of(from)->offer, cpu, &k);
}

/* The least key below @least of those that wait on other CPUs and may come to @cpu, and in @at where. @least: nobody. No lock: a hint. */
static stime_t least_elsewhere(unsigned cpu, stime_t least, unsigned *at)
{
	unsigned other;

	for_each_cpu(other, sched_peers(cpu)) {
		stime_t k;

		if (!sched_offered(&rq_of(other)->offer, cpu, &k) || k >= least)
			continue;
		least = k;
		*at = other;
	}
	return least;
}

/* Does somebody wait elsewhere who could come to @cpu? No lock: a hint. */
static bool others_wait(unsigned cpu)
{
	unsigned at;

	return least_elsewhere(cpu, NOT_NOW, &at) != NOT_NOW;
}

/* When to look again, @r running from @t on. */
static stime_t slice_end(struct rt_rq *rq, struct rt_unit *r, unsigned cpu, stime_t t)
{
	stime_t until = next_period(rq), own;

	/* Alone, and welcome to what is left over: nothing to measure. */
	if (rq->nr == 1 && r->promise.extra && !others_wait(cpu))
		return STIME_MAX;
	own = r->left > 0 ? t + r->left : t + TURN;
	if (rq->skip && rq->skip != r && own > t + GIVE_WAY)
		own = t + GIVE_WAY;
	if (own < until)
		until = own;
	return until < t + LOOK_MIN ? t + LOOK_MIN : until;
}

static struct sched_decision rt_pick_next(unsigned cpu, struct sched_unit *prev, stime_t t)
{
	struct rt_rq *rq = rq_of(cpu);
	stime_t waited = rq->waiting;
	bool over = t >= sched_cpu(cpu)->until;
	struct sched_decision d = { .until = STIME_MAX };
	struct rt_unit *r;

	account(rq, t);
	if (over && rq->curr && key(rq->curr) == BY_TURNS) {
		list_del(&rq->curr->link);
		list_add_tail(&rq->units, &rq->curr->link);
	}
	r = best_unit(rq, t);
	rq->curr = r;
	rq->exec_start = t;
	refresh(rq, cpu);
	d.unit = r ? r->unit : NULL;
	d.until = r ? slice_end(rq, r, cpu, t) : next_period(rq);
	d.spread = rq->news || rq->waiting < waited;
	rq->news = false;
	rq->skip = NULL;
	rq->measured = d.until != STIME_MAX;
	return d;
}

static bool rt_preempts(unsigned cpu, struct sched_unit *u, struct sched_unit *curr, stime_t t)
{
	struct rt_unit *c = of(curr);

	account(rq_of(cpu), t);
	replenish(c, t);
	return key(of(u)) < key(c);
}

static void rt_yield(unsigned cpu, struct sched_unit *u, stime_t t)
{
	account(rq_of(cpu), t);
	rq_of(cpu)->skip = of(u);
}

/* The CPU, if not this one, where the earliest of all waits. */
static unsigned rt_overloaded(unsigned cpu, struct sched_unit *curr, stime_t t)
{
	stime_t least = read_once(rq_of(cpu)->waiting);
	unsigned best = NR_CPUS;

	if (curr && key(of(curr)) < least)
		least = key(of(curr));
	least_elsewhere(cpu, least, &best);
	return best;
}

static struct sched_unit *rt_steal(unsigned victim, unsigned cpu, stime_t t)
{
	struct rt_rq *rq = rq_of(victim);
	struct rt_unit *best = NULL;
	struct list *pos;

	list_for_each(pos, &rq->units) {
		struct rt_unit *r = entry(pos);

		if (r == rq->curr || key(r) == NOT_NOW || !cpumask_test(&r->unit->hard, cpu) ||
		    __atomic_load_n(&r->unit->vcpu->running, __ATOMIC_ACQUIRE) ||
		    !cpumask_test(sched_unit_cpus(r->unit), cpu))
			continue;
		if (!best || key(r) < key(best))
			best = r;
	}
	if (!best)
		return NULL;
	rt_dequeue(best->unit, victim, t);
	return best->unit;
}

static bool rt_outranked(unsigned cpu)
{
	stime_t running = read_once(rq_of(cpu)->running);
	unsigned at;

	return least_elsewhere(cpu, running, &at) < running;
}

/* Promises ---------------------------------------------------------------------------------------- */

/* See hv/sched.h. */
struct sched_reservation sched_reservation_default(void)
{
	return (struct sched_reservation){ PERIOD_DEFAULT, BUDGET_DEFAULT, true };
}

/* See hv/sched.h. A new promise counts from the next period on. */
int sched_reservation(struct vcpu *v, bool set, struct sched_reservation *p)
{
	struct sched_cpu *c;
	int rc = 0;

	if (set && (p->budget < SHORTEST || p->budget > p->period || p->period > LONGEST))
		return err(-EINVAL);
	c = sched_lock(v);
	if (v->sched->policy != &sched_realtime)
		rc = err(-EINVAL);
	else if (set)
		of(v->sched)->promise = *p;
	else
		*p = of(v->sched)->promise;
	spin_unlock(&c->lock);
	return rc;
}

const struct sched_policy sched_realtime = {
	.name = "rtds",
	.id = XEN_SCHEDULER_RTDS,
	.index = SCHED_REALTIME,
	.queue_alloc = rt_queue_alloc,
	.unit_init = rt_unit_init,
	.pick_cpu = rt_pick_cpu,
	.enqueue = rt_enqueue,
	.dequeue = rt_dequeue,
	.pick_next = rt_pick_next,
	.preempts = rt_preempts,
	.yield = rt_yield,
	.offers = rt_offers,
	.overloaded = rt_overloaded,
	.steal = rt_steal,
	.outranked = rt_outranked,
};
