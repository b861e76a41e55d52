/* The fake machine: RAM, CPUs, clock. One process, no interrupts; a test says which CPU it is. */
#include "asm/host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hv/arch.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/time.h"

uint8_t *host_ram;

static struct {
	uint64_t ram;
	unsigned nr_cpus;
	stime_t time;
	uint64_t flushes;
	struct pcpu cpu[NR_CPUS];
	uint32_t taken; /* chain of frames host_take_memory() holds, by frame number */
	int ram_file;	/* host_ram_file(): the descriptor + 1 */
} host;

static _Thread_local unsigned current_cpu;

/* See asm/host.h. */
void host_machine_ram(uint64_t ram, unsigned cpus)
{
	const int file = host.ram_file;

	if (host_ram)
		munmap(host_ram, host.ram);
	memset(&host, 0, sizeof(host));
	host.ram_file = file;
	host.ram = ram;
	host.nr_cpus = cpus;
	current_cpu = 0;
	host_ram = file ? mmap(NULL, ram, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file - 1, 0) :
			  mmap(NULL, ram, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_ram == MAP_FAILED) {
		perror("mmap of the fake machine's RAM");
		abort();
	}
	for (unsigned i = 0; i < NR_CPUS; i++) {
		host.cpu[i].self = &host.cpu[i];
		host.cpu[i].id = i;
		host.cpu[i].arch.timer_deadline = STIME_MAX;
	}
	mm_boot_begin();
	mm_boot_add(0, 0x9f000);
	mm_boot_add(0x100000, ram);
	mm_boot_finish(paddr_to_mfn(ram));
}

/* See asm/host.h. */
void host_ram_file(int fd)
{
	host.ram_file = fd + 1;
}

/* See asm/host.h. */
void host_set_cpu(unsigned cpu)
{
	current_cpu = cpu;
}

unsigned host_nr_cpus(void)
{
	return host.nr_cpus;
}

/* The structure of the CPU the calling thread plays; its id is right even before host_machine(). */
struct pcpu *arch_this_pcpu(void)
{
	struct pcpu *p = &host.cpu[current_cpu];

	p->id = current_cpu;
	return p;
}

/* System time stands still until a test moves it. */
stime_t now(void)
{
	return __atomic_load_n(&host.time, __ATOMIC_RELAXED);
}

/* See hv/arch.h. */
uint64_t arch_trace_time(void)
{
	return (uint64_t)now();
}

void host_set_time(stime_t t)
{
	__atomic_store_n(&host.time, t, __ATOMIC_RELAXED);
}

void host_advance(stime_t dt)
{
	__atomic_fetch_add(&host.time, dt, __ATOMIC_RELAXED);
}

/* Threads may outnumber real CPUs: let whoever is waited for run. */
void arch_cpu_relax(void)
{
	sched_yield();
}

void arch_cpu_kick(unsigned cpu)
{
	__atomic_fetch_add(&host.cpu[cpu].arch.kicks, 1, __ATOMIC_RELAXED);
}

/* Nothing interrupts a fake CPU, so the caller plays each of the others in turn. */
void arch_smp_call(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
	unsigned me = current_cpu, cpu;

	for_each_cpu(cpu, mask) {
		if (cpu == me || cpu >= host.nr_cpus)
			continue;
		current_cpu = cpu;
		fn(arg);
		current_cpu = me;
	}
}

void arch_idle(void)
{
}

void arch_set_timer(stime_t deadline)
{
	arch_this_pcpu()->arch.timer_deadline = deadline;
}

void arch_machine_stop(bool reboot)
{
	printf("machine %s\n", reboot ? "reboots" : "powers off");
	exit(0);
}

/* In tests a panic is a crash of the program, where a debugger or the sanitizer shows the place. */
void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("panic: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

/* No TLB here: count, and let tests see that the epoch moved. */
void p2m_flush(struct p2m *p)
{
	__atomic_fetch_add(&p->epoch, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&host.flushes, 1, __ATOMIC_RELAXED);
}

uint64_t host_flushes(void)
{
	return __atomic_load_n(&host.flushes, __ATOMIC_RELAXED);
}

/* See asm/host.h. */
void host_take_memory(uint64_t left)
{
	while (mm_free_frames() > left) {
		unsigned order = MAX_ORDER;
		struct frame *f = NULL;

		while ((1UL << order) > mm_free_frames() - left)
			order--;
		while (!(f = alloc_frames(NULL, order, 0)) && order)
			order--;
		if (!f)
			break;
		f->next = host.taken;
		host.taken = (uint32_t)frame_to_mfn(f).v;
	}
}

void host_give_back(void)
{
	while (host.taken) {
		struct frame *f = mfn_to_frame(mfn(host.taken));

		host.taken = f->next;
		free_frames(f, f->order);
	}
}
