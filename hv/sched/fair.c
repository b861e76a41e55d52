/*
 * Virtual-deadline fairness, after "Earliest Eligible Virtual Deadline First" (Stoica and Abdel-Wahab, 1995).
 *
 * Each unit has a virtual time: the CPU time it got, divided by its weight. The queue's virtual time V is the weighted mean; a unit
 * that got no more than its share (v <= V) is eligible, and of those the one with the earliest virtual deadline
 * (v + what it asks for, divided by its weight) runs. What a unit asks for follows what it used before it blocked last time:
 * units that run in short bursts ask for little, so their deadlines are near and they wake up into the CPU quickly, without
 * getting more than their share.
 *
 * Who sleeps lets the others catch up: what it got too early is forgotten as their time goes on, as if it had waited meanwhile.
 *
 * Classes of latency (enum sched_class) say who goes first, never who gets more. Of those that are eligible the interactive ones run first; who wakes up takes the CPU
 * from a worse class at once, and from a better one never. Interactive ones are eligible until they are AHEAD of their share, so that they need not come evenly;
 * batch ones have long slices, and so late deadlines. docs/scheduling.md says what that promises, tests/unit/test_sched_latency.c measures it.
 *
 * Between CPUs, virtual times are comparable: a CPU that is idle, or about to run something that is well ahead, takes the waiting unit that
 * is furthest behind. So shares hold across CPUs, not only within one. Where affinity keeps CPUs from taking each other's
 * units their times would drift apart and lose that meaning; so each CPU keeps its own time near that of the unit that waits with the
 * least elsewhere (stay_near()): what cannot be evened out is forgotten.
 *
 * A capped domain has a budget of CPU time per period, shared by its vCPUs; overdraft is paid back, and one that had to wait saves up a few
 * periods' worth. Without budget it takes no part.
 *
 * What that gives is tested on a thousand machines made up at random (tests/unit/test_sched_traces.c): who always wants to run is behind the share
 * of his weight by 20 ms of CPU time at most, at the default weight; by 30 ms with a cap, or where there are classes.
 */
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "sched_cpu.h"

#define SLICE_MAX MILLISECS(4)
#define SLICE_MIN MICROSECS(250)
#define SLICE_TIMER_MIN MICROSECS(100) /* shorter slices cost more than they are worth */
#define CREDIT_SLEEP \
	MILLISECS( \
		10) /* most that is still owed to one who slept: it bounds how long it may keep the others waiting ... */
#define CREDIT_MOVE MILLISECS(40) /* ... and to one who comes from another queue, where it was kept from running */
#define DEBT_MAX SLICE_MAX /* most that a unit takes along as received too early: the others keep it waiting for it */
#define AHEAD MILLISECS(2) /* that one of the best class may be ahead of its share and yet go first */
#define SLICE_BATCH MILLISECS(8)
#define PULL_AHEAD MILLISECS(2)	 /* fetch a unit from another CPU when ours is this much ahead */
#define DRIFT_MAX MILLISECS(8)	 /* a CPU's time gets no further ahead of others that are overloaded */
#define BEHIND_MAX MILLISECS(32) /* ... nor, with nobody waiting there, further behind: two slices at weight 64 */
#define APART_MAX MILLISECS(16)	 /* of the difference of two CPUs' times counts for one who changes between them */
#define STRETCH_MAX (MILLISECS(1000) * 3600) /* that is accounted at once */
#define CAP_PERIOD MILLISECS(10)
#define CAP_CARRY 4	       /* periods' worth of budget that one who had to wait may save up */
#define LATE_MAX MILLISECS(10) /* that a CPU may be late at the end of a slice, and who runs there still pays for it */
#define VSHIFT 10	       /* virtual time of a unit of weight w is its CPU time * 2^VSHIFT / w */

struct fair_unit {
	struct list link;
	struct sched_unit *unit;
	int64_t v, deadline; /* virtual; differences are meaningful, also across wrap-around */
	int64_t lag;	     /* V - v when it left its queue to sleep, or was throttled ... */
	int64_t left;	     /* ... and V then ... */
	int64_t gone;	     /* ... and without it */
	stime_t slice;	     /* what it asks for */
	stime_t ran;	     /* since it last woke up */
	bool throttled;	     /* its domain has used up its cap: it takes no part until the budget is refilled */
};

struct fair_rq {
	struct list units; /* all queued, the running one too */
	struct fair_unit *curr;
	stime_t exec_start;	/* curr is accounted up to here */
	stime_t due;		/* when the CPU is to choose again, STIME_MAX: not before somebody comes */
	int64_t floor;		/* V when last computed */
	struct fair_unit *skip; /* yielded: others first, once */
	bool news;		/* somebody waits for other CPUs who did not before */
	unsigned nr, nr_waiting;
	int64_t min_waiting;	  /* least v of the waiting */
	int64_t running;	  /* v of the running one when last looked at; read by others without the lock */
	struct sched_offer offer; /* by v, of those that may run elsewhere */
};

_Static_assert(sizeof(struct fair_unit) <= sizeof(((struct sched_unit *)0)->priv), "room in a unit");

static struct fair_rq *rq_of(unsigned cpu)
{
	return sched_cpu(cpu)->queue[SCHED_FAIR];
}

static struct fair_unit *of(struct sched_unit *u)
{
	return (struct fair_unit *)u->priv;
}

static int64_t weight_of(const struct fair_unit *f)
{
	return read_once(f->unit->vcpu->domain->sched->weight);
}

/* Who goes first: 0 before 1. */
static unsigned rank_of(const struct fair_unit *f)
{
	static const uint8_t rank[NR_CLASSES] = { [CLASS_INTERACTIVE] = 0, [CLASS_NORMAL] = 1, [CLASS_BATCH] = 2 };

	return rank[sched_class(f->unit->vcpu->domain)];
}

/* Virtual length of @ns for @f. Who was alone for longer than there are numbers for has nobody to be compared with. */
static int64_t to_virtual(const struct fair_unit *f, stime_t ns)
{
	if (ns > STRETCH_MAX)
		ns = STRETCH_MAX;
	return (ns << VSHIFT) / weight_of(f);
}

/* @lag (positive: it got less than its share) within what @f may take along, at @most that. */
static int64_t bounded_lag(const struct fair_unit *f, int64_t lag, stime_t most)
{
	int64_t credit = to_virtual(f, most), debt = to_virtual(f, DEBT_MAX);

	return lag > credit ? credit : lag < -debt ? -debt : lag;
}

/* Caps ------------------------------------------------------------------------------------------- */

static int64_t quota_of(const struct sched_domain *s)
{
	return CAP_PERIOD / 100 * s->cap;
}

/*
 * The longest slice of @f. Of a capped domain no longer than what two periods' budget lets it run: who asks for more has a late deadline, and would wait
 * for longer than budget can be saved up.
 */
static stime_t slice_max(const struct fair_unit *f)
{
	stime_t most = rank_of(f) == 2 ? SLICE_BATCH : SLICE_MAX, wish = 2 * quota_of(f->unit->vcpu->domain->sched);

	return !wish || wish > most ? most : wish < SLICE_MIN ? SLICE_MIN : wish;
}

/* The budget of a capped domain after taking @used ns from it; STIME_MAX for domains without a cap. */
static int64_t budget_take(struct sched_domain *s, int64_t used, stime_t t)
{
	int64_t left;

	if (!read_once(s->cap))
		return STIME_MAX;
	spin_lock(&s->lock);
	s->budget -= used;
	if (t >= s->period_end) {
		int64_t periods = (t - s->period_end) / CAP_PERIOD + 1;
		int64_t quota = quota_of(s);

		/* More periods than could matter would only overflow. */
		s->budget += quota * (periods > 1000000 ? 1000000 : periods);
		if (s->budget > quota * CAP_CARRY)
			s->budget = quota * CAP_CARRY;
		s->period_end += periods * CAP_PERIOD;
	}
	left = s->budget;
	spin_unlock(&s->lock);
	return left;
}

static struct sched_domain *share_of(const struct fair_unit *f)
{
	return f->unit->vcpu->domain->sched;
}

static bool throttled(const struct fair_unit *f, stime_t t)
{
	return budget_take(share_of(f), 0, t) <= 0;
}

/* Queues ----------------------------------------------------------------------------------------- */

static struct fair_unit *first_unit(struct fair_rq *rq)
{
	return list_empty(&rq->units) ? NULL : container_of(rq->units.next, struct fair_unit, link);
}

static struct fair_unit *next_unit(struct fair_rq *rq, struct fair_unit *f)
{
	return f->link.next == &rq->units ? NULL : container_of(f->link.next, struct fair_unit, link);
}

/*
 * Bring the running unit's account up to @t. A CPU that stood still (its firmware, or a hypervisor below, took it away for seconds) is not
 * the fault of who happened to run there: he would have to wait until all others had as much.
 */
static void account(struct fair_rq *rq, stime_t t)
{
	struct fair_unit *f = rq->curr;
	stime_t start = rq->exec_start, end = t, delta;

	if (!f || t <= start)
		return;
	rq->exec_start = t;
	if (rq->due != STIME_MAX && t > rq->due + LATE_MAX)
		end = rq->due + LATE_MAX;
	delta = end - start;
	if (delta <= 0)
		return;
	f->ran += delta;
	f->v += to_virtual(f, delta);
	budget_take(share_of(f), delta, t);
}

static int64_t total_weight(struct fair_rq *rq)
{
	int64_t sum = 0;

	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f))
		sum += f->throttled ? 0 : weight_of(f);
	return sum;
}

/* V: the weighted mean of the queued units' virtual times. */
static int64_t virtual_time(struct fair_rq *rq)
{
	__int128 sum = 0;
	int64_t weights = 0;

	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		int64_t w = weight_of(f);

		if (f->throttled)
			continue;
		sum += (__int128)w * (f->v - rq->floor);
		weights += w;
	}
	if (!weights)
		return rq->floor;
	/* 128-bit division is not available; precision beyond 2^-16 of the sum is not needed. */
	while (sum > INT64_MAX || sum < INT64_MIN) {
		sum >>= 8;
		weights >>= 8;
		if (!weights)
			weights = 1;
	}
	rq->floor += (int64_t)sum / weights;
	return rq->floor;
}

/* Publish what other CPUs look at. */
static void refresh(struct fair_rq *rq, unsigned cpu)
{
	struct sched_offer offer = { .least = 0 };
	unsigned nr = 0, waiting = 0;
	int64_t least = 0;

	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		nr++;
		if (f == rq->curr || f->throttled)
			continue;
		if (!waiting++ || f->v - least < 0)
			least = f->v;
		sched_offer_add(&offer, f->unit, cpu, f->v);
	}
	write_once(rq->min_waiting, least);
	if (rq->curr)
		write_once(rq->running, rq->curr->v);
	write_once(rq->nr_waiting, waiting);
	rq->nr = nr;
	if (!rq->curr && waiting == 1) /* who is about to run here does not wait */
		cpumask_clear(&offer.takers);
	rq->news |= sched_offer_show(&rq->offer, &offer);
}

/* May @f run for all that it got by now, the virtual time being @vt? */
static bool eligible(const struct fair_unit *f, int64_t vt)
{
	return f->v - vt <= (rank_of(f) == 0 ? to_virtual(f, AHEAD) : 0);
}

/* Shall @a, which is eligible, go before @b, which is too? */
static bool goes_first(const struct fair_unit *a, const struct fair_unit *b)
{
	bool best_a = rank_of(a) == 0, best_b = rank_of(b) == 0;

	return best_a != best_b ? best_a : a->deadline - b->deadline < 0;
}

static void new_deadline(struct fair_unit *f)
{
	f->deadline = f->v + to_virtual(f, f->slice);
}

/* The part of the difference @by of two CPUs' times that counts for one who moves. Where they are further apart they say nothing about each other. */
static int64_t drift(int64_t by)
{
	const int64_t limit = (APART_MAX << VSHIFT) / SCHED_DEFAULT_WEIGHT;

	return by > limit ? limit : by < -limit ? -limit : by;
}

/*
 * Let @f, which is not counted among the units of @rq, take part with the lag it left with. Where the time is less than where it left, on another CPU or because
 * somebody came who is owed much, as much less is owed to it, down to the shortest slice of debt: else the times of CPUs lead each other back, those
 * who sleep for a moment are owed the difference each time anew, and who does not sleep starves.
 */
static void join(struct fair_rq *rq, struct fair_unit *f)
{
	int64_t vt = virtual_time(rq), weights = total_weight(rq), lag = f->lag, slept = vt - f->left;

	if (lag < 0 && slept > 0)
		lag = lag + slept < 0 ? lag + slept : 0;
	if (lag >= 0 && vt - f->gone < 0) {
		int64_t most = to_virtual(f, SLICE_MIN);

		lag += drift(vt - f->gone);
		if (lag < -most)
			lag = -most;
	}
	lag = bounded_lag(f, lag, CREDIT_SLEEP);
	/*
	 * Its arrival moves V towards it: place it so that its lag afterwards is what it was. What is owed to it stays bounded all the same; of what it owes
	 * nothing is forgotten here, or one of the best class, who may run while AHEAD, would never have to wait.
	 */
	if (weights)
		lag += lag / weights * weight_of(f) + lag % weights * weight_of(f) / weights;
	f->v = vt - (lag > 0 ? bounded_lag(f, lag, CREDIT_SLEEP) : lag);
	new_deadline(f);
}

/*
 * Who has used up its cap takes no part until its budget is refilled, and does not hold back the queue's virtual time. What it received too early is
 * forgotten as that goes on; but what it could not have had is not owed to it.
 */
static void settle_caps(struct fair_rq *rq, stime_t t)
{
	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		bool out = throttled(f, t);
		int64_t lag;

		/* The virtual time costs a walk of the queue, and is of interest only where something changes. */
		if (f->throttled == out)
			continue;
		lag = virtual_time(rq) - f->v;
		if (out) {
			f->lag = lag;
		} else {
			int64_t most = f->lag > 0 ? f->lag : 0;

			f->v += lag > most ? lag - most : 0;
			new_deadline(f);
		}
		f->throttled = out;
	}
}

/* Policy ----------------------------------------------------------------------------------------- */

static void *fair_queue_alloc(void)
{
	struct fair_rq *rq = xzalloc(struct fair_rq);

	if (rq)
		list_init(&rq->units);
	return rq;
}

/* A CPU that was elsewhere begins with the time of the others: by its own all of them would be far ahead, or behind. */
static void fair_cpu_join(unsigned cpu)
{
	struct fair_rq *rq = rq_of(cpu);
	unsigned other;

	for_each_cpu(other, sched_peers(cpu))
		if (other != cpu) {
			rq->floor = read_once(rq_of(other)->floor);
			break;
		}
}

static void fair_unit_init(struct sched_unit *u)
{
	struct fair_unit *f = of(u);

	list_init(&f->link);
	f->unit = u;
	f->slice = SLICE_MAX;
}

/* Should a unit rather go to CPU @a than to @b, both busy? Where who runs is further ahead: he has the least reason to stay. */
static bool better_cpu(unsigned a, unsigned b)
{
	return read_once(rq_of(a)->running) - read_once(rq_of(b)->running) > 0;
}

/* An idle CPU near @u's last one, or the one that is best to disturb. Preferred (soft) CPUs first. */
static unsigned fair_pick_cpu(struct sched_unit *u)
{
	cpumask_t allowed = cpumask_and(&u->hard, sched_unit_cpus(u));
	cpumask_t liked = cpumask_and(&allowed, &u->soft);
	unsigned last = read_once(u->vcpu->processor), best = sched_idle_cpu(u), cpu;

	if (best != NR_CPUS)
		return best;
	if (cpumask_empty(&liked))
		liked = allowed;
	best = cpumask_test(&liked, last) ? last : cpumask_next(&liked, 0);
	for_each_cpu(cpu, &liked)
		if (better_cpu(cpu, best))
			best = cpu;
	return best < NR_CPUS ? best : cpumask_next(sched_unit_cpus(u), 0) % NR_CPUS;
}

/* A sleeper returns with the lag it left with; a migrated unit keeps its virtual time where that can be compared. All within bounds. */
static void fair_enqueue(struct sched_unit *u, unsigned cpu, stime_t t, bool waking)
{
	struct fair_rq *rq = rq_of(cpu);
	struct fair_unit *f = of(u);

	account(rq, t);
	settle_caps(rq, t);
	if (waking) {
		join(rq, f);
		f->ran = 0;
	} else {
		int64_t vt = virtual_time(rq);

		f->v = vt - bounded_lag(f, f->lag + drift(vt - f->left), CREDIT_MOVE);
	}
	f->throttled = throttled(f, t);
	new_deadline(f);
	list_add_tail(&rq->units, &f->link);
	/* Who ran alone, until his budget would end or without an end, has a slice from now on. */
	if (rq->due > t + slice_max(f)) {
		rq->due = t + slice_max(f);
		softirq_raise(cpu, SOFTIRQ_SCHED);
	}
	refresh(rq, cpu);
	rq->news = false; /* that somebody came is not for us to tell */
}

static void fair_dequeue(struct sched_unit *u, unsigned cpu, stime_t t)
{
	struct fair_rq *rq = rq_of(cpu);
	struct fair_unit *f = of(u);

	account(rq, t);
	f->left = virtual_time(rq);
	f->lag = f->left - f->v;
	list_del(&f->link);
	f->gone = virtual_time(rq);
	if (rq->curr == f) {
		/* It gives up the CPU by itself: ask for twice the usual burst next time. */
		stime_t wish = (f->slice + 2 * f->ran) / 2;

		f->slice = wish < SLICE_MIN ? SLICE_MIN : wish > slice_max(f) ? slice_max(f) : wish;
		rq->curr = NULL;
	}
	if (rq->skip == f)
		rq->skip = NULL;
	refresh(rq, cpu);
}

/* Of the eligible units that may run, who goes first; without one, the one furthest behind. */
static struct fair_unit *best_unit(struct fair_rq *rq, stime_t t, bool use_skip)
{
	int64_t vt = virtual_time(rq);
	struct fair_unit *best = NULL, *behind = NULL;

	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		if (f->throttled || (use_skip && f == rq->skip))
			continue;
		if (!behind || f->v - behind->v < 0)
			behind = f;
		if (eligible(f, vt) && (!best || goes_first(f, best)))
			best = f;
	}
	return best ? best : behind;
}

/* When the first of those without budget gets some. */
static stime_t next_refill(struct fair_rq *rq)
{
	stime_t first = STIME_MAX;

	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f))
		if (f->throttled && read_once(share_of(f)->period_end) < first)
			first = read_once(share_of(f)->period_end);
	return first;
}

/* Another CPU that somebody waits for who may come to @cpu, the one with the @least virtual time. NR_CPUS if nobody does. No lock: a hint. */
static unsigned least_elsewhere(unsigned cpu, int64_t *least)
{
	unsigned other, where = NR_CPUS;

	for_each_cpu(other, sched_peers(cpu)) {
		int64_t v;

		if (!sched_offered(&rq_of(other)->offer, cpu, &v))
			continue;
		if (where == NR_CPUS || v - *least < 0) {
			*least = v;
			where = other;
		}
	}
	return where;
}

static void shift(struct fair_rq *rq, int64_t by)
{
	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		f->v += by;
		f->deadline += by;
	}
	rq->floor += by;
}

/*
 * Keep this CPU's time near @least, the time of one who waits for CPU @where. Ahead of it by more than DRIFT_MAX although it was offered to take
 * that one: it may not, and never will be even with it. Further behind it than BEHIND_MAX with nobody waiting here: whoever runs here gets all he wants,
 * and the time he did not need must not count as owed to him.
 *
 * No CPU goes back behind the time of the other one, however far behind that he may be who waits there. Otherwise two CPUs, each with somebody
 * who is owed much, would follow each other back without end; and whoever then changed queues would be owed as much each time anew, and starve who stays.
 */
static void stay_near(struct fair_rq *rq, int64_t least, unsigned where)
{
	int64_t vt = virtual_time(rq), ahead = vt - least, limit = (DRIFT_MAX << VSHIFT) / SCHED_DEFAULT_WEIGHT;
	const int64_t behind = (BEHIND_MAX << VSHIFT) / SCHED_DEFAULT_WEIGHT;

	if (ahead > limit) {
		int64_t apart = vt - read_once(rq_of(where)->floor), back = ahead - limit;

		if (apart > 0)
			shift(rq, -(back < apart ? back : apart));
	}
	if (ahead < -behind && !rq->nr_waiting && rq->nr <= 1)
		shift(rq, -behind - ahead);
}

/* End of the slice that @f gets from @t on. Without an end if nobody competes for the CPU. */
static stime_t slice_end(struct fair_rq *rq, struct fair_unit *f, bool others_wait, stime_t t)
{
	int64_t budget = budget_take(share_of(f), 0, t);
	stime_t length = STIME_MAX;

	if (rq->nr > 1 || others_wait) {
		int64_t dv = f->deadline - f->v, room = virtual_time(rq) + to_virtual(f, AHEAD) - f->v;

		/* One of the best class goes first only until it is ahead; what it then got too early stays within its debt. */
		if (rank_of(f) == 0 && room > 0 && room < dv)
			dv = room;
		length = (dv / (1 << VSHIFT)) * weight_of(f) + (dv % (1 << VSHIFT)) * weight_of(f) / (1 << VSHIFT);
	}
	if (length > budget)
		length = budget;
	if (length == STIME_MAX)
		return STIME_MAX;
	return t + (length < SLICE_TIMER_MIN ? SLICE_TIMER_MIN : length);
}

static struct sched_decision fair_pick_next(unsigned cpu, struct sched_unit *prev, stime_t t)
{
	struct fair_rq *rq = rq_of(cpu);
	struct fair_unit *f;
	int64_t least = 0;
	unsigned where;
	bool spread;

	account(rq, t);
	settle_caps(rq, t);
	where = least_elsewhere(cpu, &least);
	if (where != NR_CPUS)
		stay_near(rq, least, where);
	f = rq->curr;
	if (f && f->deadline - f->v <= 0) {
		f->slice = f->slice * 2 > slice_max(f) ? slice_max(f) : f->slice * 2;
		new_deadline(f);
	}
	f = best_unit(rq, t, true);
	if (!f)
		f = best_unit(rq, t, false);
	rq->skip = NULL;
	rq->curr = f;
	rq->exec_start = t;
	refresh(rq, cpu);
	/* A budget that was refilled, for example, makes somebody wait without anybody having been woken. */
	spread = rq->news;
	rq->news = false;
	rq->due = STIME_MAX;
	if (!f)
		return (struct sched_decision){ .unit = NULL, .until = next_refill(rq), .spread = spread };
	rq->due = slice_end(rq, f, where != NR_CPUS, t);
	return (struct sched_decision){ .unit = f->unit, .until = rq->due, .spread = spread };
}

static bool fair_preempts(unsigned cpu, struct sched_unit *u, struct sched_unit *curr, stime_t t)
{
	struct fair_rq *rq = rq_of(cpu);
	struct fair_unit *f = of(u), *c = of(curr);

	account(rq, t);
	if (f->throttled)
		return false;
	if (!eligible(f, virtual_time(rq)))
		return false;
	return rank_of(f) != rank_of(c) ? rank_of(f) < rank_of(c) : goes_first(f, c);
}

static void fair_yield(unsigned cpu, struct sched_unit *u, stime_t t)
{
	struct fair_rq *rq = rq_of(cpu);
	struct fair_unit *f = of(u);

	account(rq, t);
	new_deadline(f);
	rq->skip = f;
}

/* Least virtual time of what @cpu could run itself; false if it has nothing. Own CPU, no lock: a hint. */
static bool own_least(unsigned cpu, struct sched_unit *curr, stime_t t, int64_t *least)
{
	struct fair_rq *rq = rq_of(cpu);
	bool any = read_once(rq->nr_waiting);

	*least = read_once(rq->min_waiting);
	if (curr) {
		struct fair_unit *f = of(curr);
		stime_t ran = t - read_once(rq->exec_start);
		int64_t v = f->v + (rq->curr == f && ran > 0 ? to_virtual(f, ran) : 0);

		if (!any || v - *least < 0)
			*least = v;
		any = true;
	}
	return any;
}

static bool fair_offers(unsigned from, unsigned cpu)
{
	int64_t v;

	return sched_offered(&rq_of(from)->offer, cpu, &v);
}

static unsigned fair_overloaded(unsigned cpu, struct sched_unit *curr, stime_t t)
{
	unsigned other, best = NR_CPUS;
	int64_t least, first = 0, limit = (PULL_AHEAD << VSHIFT) / SCHED_DEFAULT_WEIGHT;
	bool any = own_least(cpu, curr, t, &least);

	for_each_cpu(other, sched_peers(cpu)) {
		int64_t v;

		if (!sched_offered(&rq_of(other)->offer, cpu, &v) || (any && least - v <= limit))
			continue;
		if (best == NR_CPUS || v - first < 0) {
			best = other;
			first = v;
		}
	}
	return best;
}

static struct sched_unit *fair_steal(unsigned victim, unsigned cpu, stime_t t)
{
	struct fair_rq *rq = rq_of(victim);
	struct fair_unit *best = NULL;

	settle_caps(rq, t);
	for (struct fair_unit *f = first_unit(rq); f; f = next_unit(rq, f)) {
		if (f == rq->curr || __atomic_load_n(&f->unit->vcpu->running, __ATOMIC_ACQUIRE) ||
		    !cpumask_test(&f->unit->hard, cpu) || !cpumask_test(sched_unit_cpus(f->unit), cpu) || f->throttled)
			continue;
		if (!best || f->v - best->v < 0)
			best = f;
	}
	if (!best)
		return NULL;
	fair_dequeue(best->unit, victim, t);
	return best->unit;
}

/* See hv/sched.h. What is set holds wherever the domain is in a pool that shares fairly. */
int sched_adjust(struct domain *d, bool set, uint16_t *weight, uint16_t *cap)
{
	struct sched_domain *s = d->sched;

	if (set && *weight == 0)
		return err(-EINVAL);
	spin_lock(&s->lock);
	if (set) {
		write_once(s->weight, *weight);
		if (s->cap != *cap) {
			write_once(s->cap, *cap);
			s->period_end = now() + CAP_PERIOD;
			s->budget = quota_of(s);
		}
	}
	*weight = s->weight;
	*cap = s->cap;
	spin_unlock(&s->lock);
	return 0;
}

const struct sched_policy sched_fair = {
	.name = "fair",
	.id = XEN_SCHEDULER_CREDIT2,
	.index = SCHED_FAIR,
	.queue_alloc = fair_queue_alloc,
	.cpu_join = fair_cpu_join,
	.unit_init = fair_unit_init,
	.pick_cpu = fair_pick_cpu,
	.enqueue = fair_enqueue,
	.dequeue = fair_dequeue,
	.pick_next = fair_pick_next,
	.preempts = fair_preempts,
	.yield = fair_yield,
	.offers = fair_offers,
	.overloaded = fair_overloaded,
	.steal = fair_steal,
};
