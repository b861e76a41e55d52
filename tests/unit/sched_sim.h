/* Scheduling on a simulated clock, for tests: vCPUs that run and sleep, CPUs that do what their loops would. */
#ifndef SCHED_SIM_H
#define SCHED_SIM_H

#include "guest_test.h"

#include "hv/sched.h"

#define MAX_V 32u

/* One simulated vCPU: runs for burst, sleeps for rest; burst 0 = runs for ever. */
struct sim {
	struct vcpu *v;
	stime_t burst, rest;
	stime_t left;	 /* of the burst */
	stime_t wake_at; /* STIME_MAX while not asleep */
	stime_t woken, worst_wait;
	stime_t began, worst_response; /* from wake-up to the end of the burst */
	unsigned forbidden;	       /* times seen on a CPU outside its affinity or its pool */
	unsigned bursts;
};

static struct {
	struct sim s[MAX_V];
	unsigned nr, cpus;
	unsigned switches;
	bool local; /* who sleeps is woken by his own CPU, as by a timer; else by any */
} sim;

static uint64_t rng_state = 88172645463325252u;

static inline uint64_t rng(uint64_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % below;
}

static inline struct sim *sim_of(const struct vcpu *v)
{
	for (unsigned i = 0; i < sim.nr; i++)
		if (sim.s[i].v == v)
			return &sim.s[i];
	return NULL;
}

static inline void sim_start(unsigned cpus)
{
	memset(&sim, 0, sizeof(sim));
	host_machine(RAM, cpus);
	host_set_time(MILLISECS(1));
	sim.cpus = cpus;
}

static inline struct sim *sim_add(struct domain *d, unsigned vcpu, stime_t burst, stime_t rest)
{
	struct sim *s = &sim.s[sim.nr++];

	*s = (struct sim){
		.v = d->vcpu[vcpu], .burst = burst, .rest = rest, .left = burst, .wake_at = STIME_MAX, .began = now()
	};
	return s;
}

static inline struct domain *sim_domain(domid_t id, unsigned vcpus, uint16_t weight, uint16_t cap)
{
	struct domain *d = host_domain(id, vcpus, 4, 0);

	assert_int_equal(sched_adjust(d, true, &weight, &cap), 0);
	return d;
}

/* What the loop of each CPU would do now. Each vCPU may be on one CPU at most. */
static inline void sim_react(void)
{
	for (unsigned round = 0; round < 4; round++)
		for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
			struct pcpu *p;
			struct vcpu *before;

			host_set_cpu(cpu);
			p = this_pcpu();
			host_run_softirqs(cpu);
			before = p->current;
			if ((p->softirqs & (1u << SOFTIRQ_SCHED)) || (before && !vcpu_runnable(before)))
				sim.switches += schedule() != before;
		}
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		struct vcpu *v = pcpu_get(cpu)->current;
		struct sim *s = v ? sim_of(v) : NULL;
		cpumask_t pool;

		if (!v)
			continue;
		pool = sched_domain_cpus(v->domain);
		assert_true(v->running);
		assert_int_equal(v->processor, cpu);
		for (unsigned other = cpu + 1; other < sim.cpus; other++)
			assert_true(pcpu_get(other)->current != v);
		if (s && (!cpumask_test(&v->sched->hard, cpu) || !cpumask_test(&pool, cpu)))
			s->forbidden++;
		if (s && s->woken) {
			if (now() - s->woken > s->worst_wait)
				s->worst_wait = now() - s->woken;
			s->woken = 0;
		}
	}
}

static inline stime_t next_event(stime_t end)
{
	stime_t next = end;

	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		struct pcpu *p = pcpu_get(cpu);
		struct sim *s = p->current ? sim_of(p->current) : NULL;

		if (p->arch.timer_deadline < next)
			next = p->arch.timer_deadline;
		if (s && s->burst && now() + s->left < next)
			next = now() + s->left;
	}
	for (unsigned i = 0; i < sim.nr; i++)
		if (sim.s[i].wake_at < next)
			next = sim.s[i].wake_at;
	return next > now() ? next : now() + 1;
}

static inline void sim_elapse(stime_t dt)
{
	host_advance(dt);
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		struct vcpu *v = pcpu_get(cpu)->current;
		struct sim *s = v ? sim_of(v) : NULL;

		if (!s || !s->burst)
			continue;
		s->left -= dt;
		if (s->left > 0)
			continue;
		host_set_cpu(cpu);
		s->left = s->burst;
		s->bursts++;
		if (now() - s->began > s->worst_response)
			s->worst_response = now() - s->began;
		s->wake_at = now() + s->rest;
		vcpu_block(v);
	}
	for (unsigned i = 0; i < sim.nr; i++)
		if (sim.s[i].wake_at <= now()) {
			host_set_cpu(sim.local ? sim.s[i].v->processor : (unsigned)rng(sim.cpus));
			sim.s[i].wake_at = STIME_MAX;
			sim.s[i].woken = sim.s[i].began = now();
			vcpu_unblock(sim.s[i].v);
		}
}

static inline void sim_run(stime_t length)
{
	stime_t end = now() + length;

	sim_react();
	while (now() < end) {
		sim_elapse(next_event(end) - now());
		sim_react();
	}
	host_set_cpu(0);
}

static inline uint64_t ran(struct vcpu *v)
{
	enum runstate state;
	stime_t entry;
	uint64_t t[4];

	vcpu_runstate_get(v, &state, &entry, t);
	return t[RUNSTATE_RUNNING];
}

/* Take everything off the CPUs and destroy it. */
static inline void sim_end(void)
{
	struct domain *d;
	domid_t from = 0;

	while ((d = domain_next(from))) {
		int rc;

		from = (domid_t)(d->id + 1);
		while ((rc = domain_kill(d)) == -ERESTART)
			sim_react();
		assert_int_equal(rc, 0);
		domain_put(d);
	}
	assert_null(domain_next(0));
}

static inline void assert_within(uint64_t got, uint64_t want, unsigned percent, const char *what)
{
	uint64_t slack = want * percent / 100;

	if (got + slack < want || got > want + slack)
		fail_msg("%s: got %lu, want %lu +- %u%%", what, got, want, percent);
}

#endif
