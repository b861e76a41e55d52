#include "hv/keyhandler.h"

#include "hv/arch.h"
#include "hv/console.h"
#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/mm.h"
#include "hv/numa.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"

#define NR_KEYS 128u

static struct {
	struct {
		keyhandler_fn *fn;
		const char *what;
	} key[NR_KEYS];
} keys;

/* See hv/keyhandler.h. */
void keyhandler_register(char key, keyhandler_fn *fn, const char *what)
{
	ASSERT((unsigned char)key < NR_KEYS);
	keys.key[(unsigned char)key].fn = fn;
	keys.key[(unsigned char)key].what = what;
}

/* See hv/keyhandler.h. Called with no lock held. */
void keyhandler_run(char key)
{
	unsigned char k = (unsigned char)key;

	if (k == '\r' || k == '\n')
		return;
	if (k >= NR_KEYS || !keys.key[k].fn) {
		printk(LOG_WARN, "No such debug key: type 'h' for a list\n");
		return;
	}
	printk(LOG_WARN, "'%c' pressed -> %s\n", key, keys.key[k].what);
	keys.key[k].fn();
}

static void show_help(void)
{
	for (unsigned k = 0; k < NR_KEYS; k++)
		if (keys.key[k].fn)
			printk(LOG_WARN, " key '%c' => %s\n", (char)k, keys.key[k].what);
}

static void show_vcpu(struct vcpu *v)
{
	static const char *const states[] = { "running", "runnable", "blocked", "offline" };
	uint64_t times[4];
	enum runstate state;
	stime_t entry;

	vcpu_runstate_get(v, &state, &entry, times);
	printk(LOG_WARN, "    vCPU%u on CPU%u: %s, flags %x, paused %u, upcall %u, ran %lu.%03lu s\n", v->id,
	       read_once(v->processor), states[state & 3], read_once(v->pause_flags), read_once(v->pause_count),
	       evtchn_upcall_pending(v), (unsigned long)(times[RUNSTATE_RUNNING] / NSEC_PER_SEC),
	       (unsigned long)(times[RUNSTATE_RUNNING] % NSEC_PER_SEC / 1000000));
}

static void show_overhead(const struct overhead *o)
{
	printk(LOG_WARN,
	       "    uses %lu KiB of Hospes' memory, at most %lu, refused %lu times; bytes:", read_once(o->used) >> 10,
	       read_once(o->max) >> 10, read_once(o->refused));
	for (unsigned i = 0; i < NR_OVERHEADS; i++)
		printk(LOG_WARN, "%s %s %lu", i ? "," : "", overhead_name(i), read_once(o->kind[i]));
	printk(LOG_WARN, "\n");
}

static void show_domains(void)
{
	struct domain *d;

	for (d = domain_next(0); d;) {
		domid_t id = d->id;

		printk(LOG_WARN, "d%u \"%s\": roles %x, refs %u, pages %lu of %lu%s%s%s, paused %u\n", id, d->name,
		       d->roles, read_once(d->refs), (unsigned long)d->tot_pages, (unsigned long)d->max_pages,
		       d->dying ? ", dying" : "", d->is_shut_down ? ", shut down" : "", d->guest32 ? ", 32-bit" : "",
		       read_once(d->pause_count));
		show_overhead(&d->overhead);
		for (unsigned i = 0; i < d->max_vcpus; i++)
			if (d->vcpu[i])
				show_vcpu(d->vcpu[i]);
		domain_put(d);
		d = domain_next((domid_t)(id + 1));
	}
}

static void show_time(void)
{
	struct wallclock wc = wallclock_get();
	stime_t t = now();

	printk(LOG_WARN, "System time %lu.%09lu s, wall clock at its start %lu.%09u\n",
	       (unsigned long)(t / NSEC_PER_SEC), (unsigned long)(t % NSEC_PER_SEC), (unsigned long)wc.sec, wc.nsec);
}

static void show_kind(const char *what, uint64_t objects, uint64_t bytes)
{
	printk(LOG_WARN, "heap: %lu bytes in %lu of %s\n", (unsigned long)bytes, (unsigned long)objects, what);
}

/*
 * What must be the same again when guests have come and gone. Frames are free, memory of a domain (one that stays may
 * give some back to map others' pages in their place), in the tables of somebody's map (how many a domain that stays has
 * of them depends on where it put what it mapped meanwhile), or slabs of the heap (how many the same objects take depends
 * on what was between them).
 */
static void show_holdings(void)
{
	unsigned domains = 0, ports = 0, mappings = 0;
	uint64_t tables = 0, memory = 0;
	struct domain *d;

	for (d = domain_next(0); d; domains++) {
		domid_t id = d->id;

		memory += read_once(d->tot_pages);
		tables += p2m_table_pages(d);
		ports += evtchn_ports_in_use(d);
		mappings += grant_mappings(d);
		domain_put(d);
		d = domain_next((domid_t)(id + 1));
	}
	heap_account(show_kind);
	printk(LOG_WARN,
	       "Held: %lu frames free, %lu of domains, %lu in tables of maps, %lu in slabs, %u domains, %u ports, %u grant mappings, %lu bytes of heap\n",
	       (unsigned long)mm_free_frames(), (unsigned long)memory, (unsigned long)tables,
	       (unsigned long)heap_slab_pages(), domains, ports, mappings, (unsigned long)heap_bytes_used());
}

static void show_memory(void)
{
	printk(LOG_WARN, "Memory: %lu frames, %lu free and not promised, %lu bytes of heap in use\n",
	       (unsigned long)mm_total_frames(), (unsigned long)mm_free_frames(), (unsigned long)heap_bytes_used());
}

/* Locks are told by their ranks: hv/lock.h. */
static void show_lock_waits(void)
{
	unsigned found = 0;

	for (unsigned rank = 0; rank < NR_LOCK_RANKS; rank++) {
		uint64_t times, turns;

		lock_waits_get(rank, &times, &turns);
		if (!times)
			continue;
		found++;
		printk(LOG_WARN, "Locks of rank %u: found taken %lu times, waited %lu turns\n", rank,
		       (unsigned long)times, (unsigned long)turns);
	}
	printk(LOG_WARN, "Locks of %u ranks were waited for; counted anew from here\n", found);
	lock_waits_reset();
}

static void reboot(void)
{
	arch_machine_stop(true);
}

/* Xen's key for a crash dump: the record of crash.h is what there is. */
static void crash(void)
{
	panic("asked for by debug key");
}

/* See hv/keyhandler.h. */
void keyhandler_init(void)
{
	keyhandler_register('h', show_help, "show this list");
	keyhandler_register('l', show_lock_waits, "show which locks were waited for since the last time");
	keyhandler_register('m', show_memory, "show memory");
	keyhandler_register('o', show_holdings, "show what domains hold and the heap has, by kind");
	keyhandler_register('u', numa_show, "show nodes of memory");
	keyhandler_register('q', show_domains, "show domains and their vCPUs");
	keyhandler_register('t', show_time, "show system time and wall clock");
	keyhandler_register('C', crash, "crash the machine, for a record of its last words");
	keyhandler_register('R', reboot, "reboot the machine");
}
