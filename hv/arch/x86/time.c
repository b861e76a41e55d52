/*
 * System time. See asm/time.h for the idea. The line is kept twice and switched by a counter, so a reader that
 * interrupts the writer still finds a whole one.
 *
 * Nothing here believes in being undisturbed: every sample of the platform timer is taken between two TSC reads, many
 * times, and the tightest one counts. A virtual CPU of an emulator may be off its core for many milliseconds.
 */
#include "asm/time.h"

#include "asm/cpu.h"
#include "asm/cpuid.h"
#include "asm/io.h"
#include "hv/arch.h"
#include "hv/boot.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"

#define NR_SAMPLES 32u
#define CALIBRATE_NS 50000000UL
#define MAX_LOOKS 10000000u
#define TICK (1 * NSEC_PER_SEC)
#define BASELINE_NS (32 * NSEC_PER_SEC)
#define STEP_NS 10000000L     /* farther behind than this: jump */
#define FAST_SLEW_NS 1000000L /* farther off than this: correct by up to 10 % instead of 500 ppm */
#define MAX_DRIFT_NS 500000L  /* a CPU this far from the line, */
#define MAX_WIDTH_NS 100000L  /* a sample less certain than this says nothing */
#define MAX_DRIFTS 3u	      /* this often in a row, has a TSC of its own rate */
#define FALLBACK_KHZ 1000000u

struct sample {
	uint64_t tsc, count;
	uint64_t width; /* TSC ticks between which count was read */
};

static struct {
	struct time_line line[2];
	unsigned generation; /* line[generation & 1] is in force */
	bool have_platform;
	bool guard; /* TSCs cannot be trusted: keep a global last value */
	struct platform_timer platform;
	int64_t last; /* with guard: largest time handed out */

	/* Boot CPU's tick only: the platform's side of the line. */
	uint64_t count_base; /* platform count at system time 0, extended */
	struct {
		uint64_t tsc;
		int64_t ns;
	} base, middle; /* where the rate is measured from: between BASELINE_NS and twice that ago */

	struct timer tick[NR_CPUS];
	bool ticking[NR_CPUS]; /* atomic: these timers of that CPU exist */
	unsigned drifts[NR_CPUS];
} tm;

/* See asm/time.h. */
struct time_line time_line(void)
{
	struct time_line l;
	unsigned g;

	do {
		g = __atomic_load_n(&tm.generation, __ATOMIC_ACQUIRE);
		l = tm.line[g & 1];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (g != __atomic_load_n(&tm.generation, __ATOMIC_RELAXED));
	return l;
}

/* Boot CPU only. */
static void line_publish(struct time_line l)
{
	unsigned next = tm.generation + 1;

	tm.line[next & 1] = l;
	__atomic_store_n(&tm.generation, next, __ATOMIC_RELEASE);
}

static int64_t line_ns(const struct time_line *l, uint64_t tsc)
{
	int64_t ticks = (int64_t)(tsc - l->tsc);

	return ticks >= 0 ? l->ns + (int64_t)timescale_ns(l->scale, (uint64_t)ticks) :
			    l->ns - (int64_t)timescale_ns(l->scale, (uint64_t)-ticks);
}

static uint64_t boot_tsc(void)
{
	return rdtsc_ordered() - (uint64_t)this_pcpu()->arch.tsc_delta;
}

/* See hv/arch.h: the boot CPU's TSC. */
uint64_t arch_trace_time(void)
{
	return boot_tsc();
}

/* See hv/time.h. A new line may be a hair slower than the old: no CPU shows a time before its own last one. */
stime_t now(void)
{
	struct arch_pcpu *a = &this_pcpu()->arch;
	struct time_line l = time_line();
	int64_t t = line_ns(&l, boot_tsc()), last;

	if (t < a->time_ns)
		t = a->time_ns;
	if (unlikely(__atomic_load_n(&tm.guard, __ATOMIC_RELAXED))) {
		last = __atomic_load_n(&tm.last, __ATOMIC_RELAXED);
		do {
			if (t <= last) {
				t = last;
				break;
			}
		} while (!__atomic_compare_exchange_n(&tm.last, &last, t, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	}
	a->time_ns = t;
	return t;
}

/* See asm/time.h. */
uint64_t time_to_tsc(stime_t t)
{
	struct time_line l = time_line();
	uint64_t delta = (uint64_t)this_pcpu()->arch.tsc_delta, ticks;

	if (t <= l.ns || !l.scale.mul)
		return l.tsc + delta;
	/* ns to ticks: times 2^32 over mul, then undo the shift. Far deadlines may lose low bits, near ones none. */
	ticks = muldiv64((uint64_t)(t - l.ns), 1UL << 32, l.scale.mul);
	if (l.scale.shift >= 0)
		ticks >>= l.scale.shift;
	else
		ticks = ticks >> (64 + l.scale.shift) ? UINT64_MAX >> 1 : ticks << -l.scale.shift;
	if (ticks > UINT64_MAX >> 1)
		ticks = UINT64_MAX >> 1;
	return l.tsc + delta + ticks;
}

/* See asm/time.h. */
uint32_t time_tsc_khz(void)
{
	return (uint32_t)timescale_khz(time_line().scale);
}

/* See asm/time.h. */
const char *time_source(void)
{
	return tm.have_platform ? tm.platform.name : "none";
}

/* See asm/time.h. */
bool time_tsc_reliable(void)
{
	return !__atomic_load_n(&tm.guard, __ATOMIC_RELAXED) && cpu_features.invariant_tsc;
}

/* See asm/time.h. A read of port 0x80 takes about a microsecond on every PC. */
void time_udelay(uint64_t us)
{
	struct time_line l = time_line();
	uint64_t end;

	if (!l.scale.mul) {
		while (us--)
			inb(0x80);
		return;
	}
	end = rdtsc() + us * timescale_khz(l.scale) / 1000;
	while ((int64_t)(rdtsc() - end) < 0)
		cpu_pause();
}

/* The tightest of many readings of the platform timer; @tsc is this CPU's own. */
static struct sample take_sample(void)
{
	struct sample best = { .width = UINT64_MAX };

	for (unsigned i = 0; i < NR_SAMPLES; i++) {
		uint64_t before = rdtsc_ordered(), count = tm.platform.read() & tm.platform.mask;
		uint64_t width = rdtsc_ordered() - before;

		if (width < best.width)
			best = (struct sample){ before + width / 2, count, width };
	}
	return best;
}

static int64_t platform_ns(uint64_t counts)
{
	return (int64_t)muldiv64(counts, tm.platform.num, tm.platform.den);
}

/* System time by the platform timer at @s, which was taken when the line said @estimate. */
static int64_t sample_ns(const struct sample *s, int64_t estimate)
{
	uint64_t expected = tm.count_base + muldiv64((uint64_t)estimate, tm.platform.den, tm.platform.num);

	return platform_ns(counter_extend(s->count, tm.platform.mask, expected) - tm.count_base);
}

/* The rate of the line for the next second, so that an error of @err ns is worked off in two. */
static struct timescale slewed(int64_t dns, uint64_t dtsc, int64_t err)
{
	int64_t limit = err > FAST_SLEW_NS || err < -FAST_SLEW_NS ? NSEC_PER_SEC / 10 : 500000;
	int64_t ppb = err / 2;

	if (ppb > limit)
		ppb = limit;
	if (ppb < -limit)
		ppb = -limit;
	dns += (int64_t)(ppb < 0 ? -muldiv64((uint64_t)dns, (uint64_t)-ppb, NSEC_PER_SEC) :
				   muldiv64((uint64_t)dns, (uint64_t)ppb, NSEC_PER_SEC));
	return timescale_make((uint64_t)dns, dtsc);
}

/* Boot CPU, each second: follow the platform timer. */
static void recalibrate(void)
{
	struct sample s = take_sample();
	struct time_line l = time_line(), next;
	int64_t estimate = line_ns(&l, s.tsc), ns, err;
	bool irq;

	if (estimate < 0 || (int64_t)timescale_ns(l.scale, s.width) > MAX_WIDTH_NS)
		return;
	ns = sample_ns(&s, estimate);
	err = ns - estimate;
	if (ns <= tm.base.ns || s.tsc <= tm.base.tsc)
		return;
	next.scale = slewed(ns - tm.base.ns, s.tsc - tm.base.tsc, err);
	if (!next.scale.mul)
		return;
	/* As late as possible: between here and the switch the two lines part. */
	irq = irq_save();
	next.tsc = rdtsc_ordered();
	next.ns = line_ns(&l, next.tsc) + (err > STEP_NS ? err : 0);
	line_publish(next);
	irq_restore(irq);
	if (ns - tm.middle.ns > BASELINE_NS) {
		tm.base.tsc = tm.middle.tsc;
		tm.base.ns = tm.middle.ns;
		tm.middle.tsc = s.tsc;
		tm.middle.ns = ns;
	}
}

static void distrust_tsc(const char *why)
{
	if (__atomic_exchange_n(&tm.guard, true, __ATOMIC_SEQ_CST))
		return;
	printk(LOG_WARN, "Time: TSC of CPU %u %s: system time is kept monotonic in software\n", this_cpu(), why);
}

/* Other CPUs, each second: is this TSC still where tsc_delta says? */
static void check_drift(void)
{
	struct pcpu *p = this_pcpu();
	struct sample s = take_sample();
	struct time_line l = time_line();
	uint64_t tsc = s.tsc - (uint64_t)p->arch.tsc_delta, khz = timescale_khz(l.scale);
	int64_t estimate = line_ns(&l, tsc), err;

	if (estimate < 0 || (int64_t)timescale_ns(l.scale, s.width) > MAX_WIDTH_NS)
		return;
	err = estimate - sample_ns(&s, estimate);
	if (err < MAX_DRIFT_NS && err > -MAX_DRIFT_NS) {
		tm.drifts[p->id] = 0;
		return;
	}
	if (++tm.drifts[p->id] < MAX_DRIFTS)
		return;
	tm.drifts[p->id] = 0;
	distrust_tsc("drifts from the boot CPU's");
	p->arch.tsc_delta += err / 1000 * (int64_t)khz / 1000;
}

/* Copies for code that asks about this CPU only. */
static void copy_rate(struct arch_pcpu *a)
{
	struct time_line l = time_line();

	a->time_mul = l.scale.mul;
	a->time_shift = l.scale.shift;
}

/* There is a new line. A vCPU that never leaves its CPU needs it, too, even if it sleeps just now. */
static void use_line(void)
{
	struct pcpu *p = this_pcpu();

	copy_rate(&p->arch);
	if (p->arch.loaded)
		arch_update_vcpu_time(p->arch.loaded);
}

/* Lines part from the moment they change, so guests that compare the clocks of their vCPUs must not wait for everybody's own tick. */
static void tell_others(void)
{
	unsigned cpu;

	for_each_cpu(cpu, cpu_online())
		if (cpu != this_cpu() && __atomic_load_n(&tm.ticking[cpu], __ATOMIC_ACQUIRE))
			softirq_raise(cpu, SOFTIRQ_CLOCK);
}

static void tick(void *data)
{
	struct pcpu *p = this_pcpu();

	if (tm.have_platform) {
		if (p->id == 0) {
			recalibrate();
			tell_others();
		} else {
			check_drift();
		}
		use_line();
	}
	timer_set(&tm.tick[p->id], now() + TICK);
}

/* See asm/time.h. */
void time_cpu_start(void)
{
	unsigned cpu = this_cpu();

	timer_init(&tm.tick[cpu], tick, NULL, cpu);
	softirq_open(SOFTIRQ_CLOCK, use_line);
	timer_set(&tm.tick[cpu], now() + TICK);
	__atomic_store_n(&tm.ticking[cpu], true, __ATOMIC_RELEASE);
}

static void choose_platform(void)
{
	static const struct {
		const char *name;
		bool (*init)(struct platform_timer *t);
	} timers[] = { { "hpet", hpet_init }, { "acpi", pmtimer_init } };
	const char *wanted = param_string("clocksource", "");

	for (unsigned i = 0; i < ARRAY_SIZE(timers) && !tm.have_platform; i++)
		if (!strcmp(wanted, timers[i].name))
			tm.have_platform = timers[i].init(&tm.platform);
	if (!strcmp(wanted, "pit") || !strcmp(wanted, "tsc"))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(timers) && !tm.have_platform; i++) {
		if (!strcmp(timers[i].name, "hpet") && !param_bool("hpet", true))
			continue;
		tm.have_platform = timers[i].init(&tm.platform);
	}
}

/* Measure the TSC by the platform timer. The line starts at the first sample. */
static bool calibrate_by_platform(void)
{
	struct sample a = take_sample(), b;
	uint64_t counts;
	int64_t ns;

	for (unsigned i = 0; i < MAX_LOOKS; i++) {
		counts = (tm.platform.read() - a.count) & tm.platform.mask;
		if (platform_ns(counts) >= (int64_t)CALIBRATE_NS)
			break;
	}
	b = take_sample();
	counts = (b.count - a.count) & tm.platform.mask;
	ns = platform_ns(counts);
	if (ns < (int64_t)CALIBRATE_NS || b.tsc <= a.tsc)
		return false;
	tm.count_base = a.count;
	tm.base.tsc = tm.middle.tsc = a.tsc;
	line_publish((struct time_line){ a.tsc, 0, timescale_make((uint64_t)ns, b.tsc - a.tsc) });
	return true;
}

/* Intel SDM vol. 3, 19.7.3: leaf 0x15 gives TSC/crystal and the crystal, 0x16 the base frequency in MHz. */
static uint64_t cpuid_khz(void)
{
	struct cpuid_regs r;

	if (cpu_features.max_leaf >= 0x15) {
		r = cpuid(0x15);
		if (r.a && r.b && r.c)
			return muldiv64(r.c, r.b, r.a) / 1000;
	}
	if (cpu_features.max_leaf >= 0x16) {
		r = cpuid(0x16);
		if (r.a & 0xffff)
			return (r.a & 0xffff) * 1000UL;
	}
	return 0;
}

/* No platform timer to follow: the TSC alone, its rate measured or believed once. */
static const char *calibrate_alone(void)
{
	uint64_t khz = pit_measure_tsc();
	const char *how = "no platform timer; measured by the PIT";

	if (!khz) {
		khz = cpuid_khz();
		how = "no platform timer; as CPUID says";
	}
	if (!khz) {
		khz = FALLBACK_KHZ;
		how = "assumed, for neither a timer nor CPUID tells";
	}
	line_publish((struct time_line){ rdtsc_ordered(), 0, timescale_make(1000000, khz) });
	return how;
}

/* See asm/time.h. */
void time_init(void)
{
	const char *how = "kept by ";
	uint64_t rtc;
	uint32_t khz;

	choose_platform();
	if (tm.have_platform && !calibrate_by_platform()) {
		printk(LOG_WARN, "Time: %s stops, not used\n", tm.platform.name);
		tm.have_platform = false;
	}
	if (!tm.have_platform)
		how = calibrate_alone();
	khz = time_tsc_khz();
	printk(LOG_INFO, "Time: TSC at %u.%03u MHz, %s%s\n", khz / 1000, khz % 1000, how,
	       tm.have_platform ? tm.platform.name : "");
	copy_rate(&this_pcpu()->arch);

	rtc = rtc_read();
	if (!rtc) {
		printk(LOG_WARN, "Time: no usable real time clock\n");
		return;
	}
	/* The wall clock is that of system time 0. */
	rtc -= min_u64(rtc, (uint64_t)(now() / NSEC_PER_SEC));
	wallclock_set((struct wallclock){ .sec = rtc });
}

/*
 * tsc_delta ------------------------------------------------------------------------------------------------
 * The new CPU asks, the boot CPU answers with its TSC. The answer was read between the asking and the arrival, so
 * asked - answer <= delta <= arrived - answer, and many rounds narrow that. Any delta within all of these intervals makes every message seen
 * arrive later than it was sent: no warp can be observed.
 */
#define SYNC_ROUNDS 2000u
#define SYNC_MIN_ROUNDS 16u
#define SYNC_ENOUGH_MS 20u
#define SYNC_MAX_MS 1000u
#define SYNC_DONE 0xffffffffu

static struct {
	unsigned cpu;	/* who is being measured, 0 = nobody */
	uint32_t asked; /* number of the last question */
	uint32_t answered;
	uint64_t tsc; /* the answer */
} sync;

/* See asm/time.h. */
void time_sync_boot(unsigned cpu)
{
	uint64_t end = rdtsc() + 2000 * (uint64_t)time_tsc_khz();
	uint32_t answered = 0;

	__atomic_store_n(&sync.asked, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&sync.answered, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&sync.cpu, cpu, __ATOMIC_RELEASE);
	while ((int64_t)(rdtsc() - end) < 0) {
		uint32_t asked = __atomic_load_n(&sync.asked, __ATOMIC_ACQUIRE);

		if (asked == SYNC_DONE)
			break;
		if (asked == answered) {
			cpu_pause();
			continue;
		}
		sync.tsc = rdtsc_ordered();
		__atomic_store_n(&sync.answered, asked, __ATOMIC_RELEASE);
		answered = asked;
	}
	__atomic_store_n(&sync.cpu, 0, __ATOMIC_RELEASE);
}

static bool wait_for(const unsigned *word, unsigned value, uint64_t end)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
		if ((int64_t)(rdtsc() - end) > 0)
			return false;
		cpu_pause();
	}
	return true;
}

/*
 * *delta: best value found, 0 if the boot CPU does not answer. False if it does not, or if no delta satisfies all
 * rounds: the two TSCs do not run alike. Takes little time unless the two CPUs are virtual and share a core.
 */
static bool measure_delta(unsigned cpu, int64_t *delta)
{
	uint64_t best = UINT64_MAX, start = rdtsc(), khz = time_tsc_khz();
	uint64_t enough = start + SYNC_ENOUGH_MS * khz, end = start + SYNC_MAX_MS * khz;
	int64_t low = INT64_MIN, high = INT64_MAX;
	uint32_t rounds = 0;

	*delta = 0;
	if (!wait_for(&sync.cpu, cpu, end))
		return false;
	while (rounds < SYNC_ROUNDS && (rounds < SYNC_MIN_ROUNDS || (int64_t)(rdtsc() - enough) < 0)) {
		uint64_t asked = rdtsc_ordered(), arrived;
		int64_t from, to;

		__atomic_store_n(&sync.asked, ++rounds, __ATOMIC_RELEASE);
		if (!wait_for(&sync.answered, rounds, end))
			break;
		arrived = rdtsc_ordered();
		from = (int64_t)(asked - sync.tsc);
		to = (int64_t)(arrived - sync.tsc);
		if (from > low)
			low = from;
		if (to < high)
			high = to;
		if (arrived - asked < best) {
			best = arrived - asked;
			*delta = from + (to - from) / 2;
		}
	}
	__atomic_store_n(&sync.asked, SYNC_DONE, __ATOMIC_RELEASE);
	if (low > high || best == UINT64_MAX)
		return false;
	/* Equal as far as anybody can see counts as equal. */
	*delta = low <= 0 && high >= 0 ? 0 : low + (high - low) / 2;
	return true;
}

/* See asm/time.h. */
void time_cpu_init(void)
{
	struct pcpu *p = this_pcpu();

	if (!measure_delta(p->id, &p->arch.tsc_delta))
		distrust_tsc("cannot be matched with the boot CPU's");
	else if (p->arch.tsc_delta)
		printk(LOG_INFO, "Time: TSC of CPU %u is %ld ticks from the boot CPU's\n", p->id,
		       (long)p->arch.tsc_delta);
	copy_rate(&p->arch);
}
