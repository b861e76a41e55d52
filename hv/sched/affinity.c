/* Where vCPUs may run, and where they like to: what is set, what is pinned for a while, and what is left of it when a pool loses CPUs. */
#include "hv/sched.h"

#include "hv/errno.h"
#include "hv/printk.h"
#include "sched_cpu.h"

static int affinity_check(const struct sched_unit *u, const cpumask_t *hard)
{
	cpumask_t usable = cpumask_and(hard, sched_unit_cpus(u));

	return cpumask_empty(&usable) ? err(-EINVAL) : 0;
}

/* Set the affinity of @v; NULL keeps what was. While pinned, a new hard set waits for the pin to end. -EINVAL: no CPU of @hard works. */
int sched_set_affinity(struct vcpu *v, const cpumask_t *hard, const cpumask_t *soft)
{
	struct sched_unit *u = v->sched;
	struct sched_cpu *c;
	bool go;
	int rc = hard ? affinity_check(u, hard) : 0;

	if (rc)
		return rc;
	c = sched_lock(v);
	if (hard && u->pinned)
		u->saved_hard = *hard;
	else if (hard)
		u->hard = *hard;
	if (soft)
		u->soft = *soft;
	go = sched_evict(c, v);
	spin_unlock(&c->lock);
	if (go)
		sched_send_on(v);
	return 0;
}

/* See hv/sched.h. */
void sched_get_affinity(struct vcpu *v, cpumask_t *hard, cpumask_t *soft)
{
	struct sched_unit *u = v->sched;
	struct sched_cpu *c = sched_lock(v);

	*hard = u->pinned ? u->saved_hard : u->hard;
	*soft = u->soft;
	spin_unlock(&c->lock);
}

/* See sched_cpu.h. A pin ends with its CPU. */
void sched_domain_settle(struct domain *d, bool anywhere)
{
	for (unsigned i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = __atomic_load_n(&d->vcpu[i], __ATOMIC_ACQUIRE);
		struct sched_cpu *c;
		cpumask_t usable;
		bool go;

		if (!v)
			continue;
		c = sched_lock(v);
		usable = cpumask_and(&v->sched->hard, sched_unit_cpus(v->sched));
		if (anywhere || cpumask_empty(&usable)) {
			if (v->sched->pinned && !anywhere)
				v->sched->hard = v->sched->saved_hard;
			usable = cpumask_and(&v->sched->hard, sched_unit_cpus(v->sched));
			if (anywhere || cpumask_empty(&usable))
				cpumask_fill(&v->sched->hard);
			v->sched->pinned = false;
		}
		if (anywhere)
			cpumask_fill(&v->sched->soft);
		go = sched_evict(c, v);
		spin_unlock(&c->lock);
		if (go)
			sched_send_on(v);
	}
}

/* Pin @v to @cpu, or give it its affinity back with a negative @cpu. -EINVAL, -EBUSY as in sched.h. */
int sched_pin_override(struct vcpu *v, int cpu)
{
	struct sched_unit *u = v->sched;
	struct sched_cpu *c;
	bool go = false;
	int rc = 0;

	if (cpu >= 0 && ((unsigned)cpu >= NR_CPUS || !cpumask_test(sched_unit_cpus(u), (unsigned)cpu)))
		return err(-EINVAL);
	c = sched_lock(v);
	if (cpu < 0 && !u->pinned) {
		rc = err(-EINVAL);
	} else if (cpu >= 0 && u->pinned) {
		rc = err(-EBUSY);
	} else {
		if (cpu >= 0) {
			u->saved_hard = u->hard;
			cpumask_clear(&u->hard);
			cpumask_set(&u->hard, (unsigned)cpu);
		} else {
			u->hard = u->saved_hard;
		}
		u->pinned = cpu >= 0;
		go = sched_evict(c, v);
	}
	spin_unlock(&c->lock);
	if (go)
		sched_send_on(v);
	return rc;
}
