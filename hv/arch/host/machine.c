/* The fake machine with every subsystem up, and the shortest ways to a domain and to a hypercall. */
#include "asm/host.h"

#include <stdio.h>
#include <stdlib.h>

#include "hv/boot.h"
#include "hv/arch.h"
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/hwdom.h"
#include "hv/hypercall.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/sched.h"
#include "hv/string.h"
#include "hv/task.h"
#include "hv/time.h"

/* No loader started the fake machine. */
struct boot_info boot_info;

#define LOG_SIZE (256u << 10)

static struct {
	char log[2][LOG_SIZE]; /* being written, and the one last handed out */
	size_t len;
	unsigned writing;
	bool console;
	bool up;
} machine;

static void log_putc(char c)
{
	if (machine.len < LOG_SIZE - 1)
		machine.log[machine.writing][machine.len++] = c;
}

static const struct console_driver log_driver = { .name = "host", .putc = log_putc };

/* See asm/host.h: the text is valid until the call after next. */
const char *host_log(void)
{
	char *text = machine.log[machine.writing];

	text[machine.len] = 0;
	machine.writing ^= 1;
	machine.len = 0;
	return text;
}

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "host: %s: error %d\n", what, rc);
	abort();
}

/* End every domain an earlier test left, so that no subsystem remembers one in memory that goes away. */
static void end_domains(void)
{
	struct domain *d;
	domid_t from = 0;

	while ((d = domain_next(from))) {
		unsigned rounds = 0;

		from = d->id + 1;
		while (domain_kill(d) == -ERESTART && rounds++ < 1000000)
			;
		domain_put(d);
	}
}

/* See asm/host.h. */
void host_machine(uint64_t ram, unsigned cpus)
{
	if (hardware_domain)
		domain_put(hardware_domain);
	hardware_domain = NULL;
	if (machine.up)
		end_domains();
	for (unsigned cpu = 0; cpu < NR_CPUS; cpu++)
		if (pcpu_get(cpu))
			pcpu_unregister(pcpu_get(cpu));
	host_machine_ram(ram, cpus);
	domains_init();
	if (!machine.console)
		console_add(&log_driver);
	machine.console = true;
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		host_set_cpu(cpu);
		pcpu_register(arch_this_pcpu());
	}
	host_set_cpu(0);
	must(sched_init(&sched_fair), "sched_init");
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		host_set_cpu(cpu);
		must(timer_cpu_init(cpu), "timer_cpu_init");
		must(task_cpu_init(cpu), "task_cpu_init");
		must(sched_cpu_init(cpu), "sched_cpu_init");
	}
	host_set_cpu(0);
	machine.up = true;
}

/* See asm/host.h. */
void host_run_softirqs(unsigned cpu)
{
	unsigned was = this_cpu();

	host_set_cpu(cpu);
	if (arch_this_pcpu()->arch.timer_deadline <= now()) {
		arch_this_pcpu()->arch.timer_deadline = STIME_MAX; /* one shot */
		softirq_raise(cpu, SOFTIRQ_TIMER);
	}
	softirq_run();
	host_set_cpu(was);
}

/* See asm/host.h. */
struct domain *host_domain(domid_t id, unsigned vcpus, uint64_t pages, uint32_t roles)
{
	struct domain_config cfg = { .domid = id, .roles = roles, .max_vcpus = vcpus, .max_pages = pages + 256 };
	struct domain *d;

	snprintf(cfg.name, sizeof(cfg.name), "test%u", id);
	must(domain_create(&cfg, &d), "domain_create");
	for (uint64_t i = 0; i < pages; i++)
		must(p2m_populate(d, gfn(i), 0, 0), "p2m_populate");
	for (unsigned i = 0; i < vcpus; i++) {
		must(vcpu_create(d, i), "vcpu_create");
		d->vcpu[i]->initialised = true;
		__atomic_fetch_and(&d->vcpu[i]->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST);
	}
	d->creation_finished = true;
	d->controller_pause_count = 0;
	domain_unpause(d);
	return d;
}

/* See asm/host.h. */
static _Thread_local unsigned slices;

unsigned host_slices(void)
{
	return slices;
}

long host_hypercall(struct vcpu *v, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	const uint64_t args[6] = { a0, a1, a2, a3, a4, 0 };
	struct pcpu *p = this_pcpu();
	struct vcpu *before = p->current;
	bool again;
	long rc;

	v->hc.nr = nr;
	v->hc.guest32 = v->arch.guest32;
	v->hc.in_multicall = false;
	for (unsigned i = 0; i < ARRAY_SIZE(args); i++)
		v->hc.args[i] = v->hc.guest32 ? (uint32_t)args[i] : args[i];
	p->current = v;
	slices = 0;
	do {
		slices++;
		again = false;
		v->hc.restarted = false;
		rc = hypercall_dispatch(v, &again);
	} while (again);
	p->current = before;
	return rc;
}
