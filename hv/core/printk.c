/* Hospes' messages: levels, time stamps, and the limit on what a guest can make Hospes say. */
#include "hv/printk.h"

#include "hv/boot.h"
#include "hv/console.h"
#include "hv/date.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/parse.h"
#include "hv/pcpu.h"
#include "hv/printf.h"
#include "hv/string.h"
#include "hv/time.h"

#define MESSAGE_MAX 1024
#define GUEST_WINDOW (5 * NSEC_PER_SEC)
#define GUEST_BURST 10u

enum stamp { STAMP_NONE, STAMP_DATE, STAMP_DATEMS, STAMP_BOOT, STAMP_RAW };

/* Below lower: always shown. Below upper: shown within the rate limit. Others: dropped. */
struct threshold {
	unsigned lower, upper;
};

/* Xen's severities; "none" is 0, each name lets its own severity through. */
enum { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFO, SEVERITY_DEBUG };

static struct {
	struct threshold xen, guest;
	enum stamp stamp;
} state = {
	.xen = { SEVERITY_INFO + 1, SEVERITY_INFO + 1 },
	.guest = { 0, SEVERITY_WARNING + 1 },
};

/* By the number of severities they let through. */
static const char *const level_names[] = { "none", "error", "warning", "info", "all" };
static const char *const stamp_names[] = { "none", "date", "datems", "boot", "raw" };

static int level_named(const char *s, size_t len)
{
	if (parse_is(s, len, "debug"))
		return SEVERITY_DEBUG + 1;
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++)
		if (parse_is(s, len, level_names[i]))
			return (int)i;
	return -1;
}

/* "level" or "lower/upper". -EINVAL: not understood, nothing is changed. */
static int parse_threshold(const char *list, struct threshold *t)
{
	const char *item;
	int lower, upper;
	size_t len;

	if (!parse_item(&list, '/', &item, &len))
		return err(-EINVAL);
	lower = upper = level_named(item, len);
	if (parse_item(&list, '/', &item, &len))
		upper = level_named(item, len);
	if (lower < 0 || upper < 0 || list)
		return err(-EINVAL);
	write_once(t->lower, (unsigned)lower);
	write_once(t->upper, (unsigned)(upper < lower ? lower : upper));
	return 0;
}

static void threshold_param(const char *option, struct threshold *t)
{
	const char *value = param_string(option, NULL);

	if (value && *value && parse_threshold(value, t))
		printk(LOG_WARN, "Option %s: no such level\n", option);
}

int printk_set_level(bool guest, const char *text)
{
	/* Nothing means what Hospes begins with. */
	if (!*text)
		text = guest ? "none/warning" : "info";
	return parse_threshold(text, guest ? &state.guest : &state.xen);
}

void printk_show_level(bool guest, char *buf, size_t size)
{
	const struct threshold *t = guest ? &state.guest : &state.xen;

	/* "debug" lets everything through. */
	hv_snprintf(buf, size, "%s/%s", level_names[read_once(t->lower)], level_names[read_once(t->upper)]);
}

int printk_set_stamp(const char *text)
{
	int on = parse_bool(text, strlen(text));

	for (unsigned i = 0; i < ARRAY_SIZE(stamp_names); i++) {
		if (!strcmp(text, stamp_names[i])) {
			write_once(state.stamp, (enum stamp)i);
			return 0;
		}
	}
	/* As Xen: the bare option means dates. */
	if (*text && on < 0)
		return err(-EINVAL);
	write_once(state.stamp, on == 0 ? STAMP_NONE : STAMP_DATE);
	return 0;
}

void printk_show_stamp(char *buf, size_t size)
{
	str_copy(buf, stamp_names[read_once(state.stamp)], size);
}

/* Read loglvl=, guest_loglvl=, console_timestamps=. After param_parse(). */
void printk_init(void)
{
	threshold_param("loglvl", &state.xen);
	threshold_param("guest_loglvl", &state.guest);
	if (printk_set_stamp(param_string("console_timestamps", "none")))
		printk(LOG_WARN, "Option console_timestamps: no such kind\n");
}

static void make_prefix(char *buf, size_t size)
{
	struct wallclock wc;
	struct date d;
	stime_t t;

	if (state.stamp == STAMP_NONE) {
		str_copy(buf, "(XEN) ", size);
		return;
	}
	t = now();
	wc = wallclock_get();
	if (state.stamp == STAMP_BOOT || (state.stamp != STAMP_RAW && !wc.sec)) {
		hv_snprintf(buf, size, "(XEN) [%5lu.%06lu] ", (unsigned long)(t / NSEC_PER_SEC),
			    (unsigned long)(t % NSEC_PER_SEC / 1000));
	} else if (state.stamp == STAMP_RAW) {
		hv_snprintf(buf, size, "(XEN) [%016lx] ", (unsigned long)t);
	} else {
		t += wc.nsec;
		d = date_from_seconds(wc.sec + (uint64_t)(t / NSEC_PER_SEC));
		if (state.stamp == STAMP_DATE)
			hv_snprintf(buf, size, "(XEN) [%04u-%02u-%02u %02u:%02u:%02u] ", d.year, d.month, d.day, d.hour,
				    d.minute, d.second);
		else
			hv_snprintf(buf, size, "(XEN) [%04u-%02u-%02u %02u:%02u:%02u.%03u] ", d.year, d.month, d.day,
				    d.hour, d.minute, d.second, (unsigned)(t % NSEC_PER_SEC / 1000000));
	}
}

/* The bucket of the domain whose vCPU is on this CPU: may it cause one more line? *@lost: lines left out before this one. */
static bool guest_may_log(unsigned *lost)
{
	struct vcpu *v = this_pcpu()->current;
	struct domain *d;
	unsigned used;
	stime_t t;

	*lost = 0;
	if (!v)
		return true;
	d = v->domain;
	t = now();
	/* Two vCPUs may both open a window: the limit is then a few lines off, no more. */
	if (!__atomic_load_n(&d->guest_log_tokens, __ATOMIC_RELAXED) ||
	    t - read_once(d->guest_log_time) > GUEST_WINDOW) {
		used = __atomic_exchange_n(&d->guest_log_tokens, 1, __ATOMIC_RELAXED);
		write_once(d->guest_log_time, t);
		if (used > GUEST_BURST)
			*lost = used - GUEST_BURST;
		return true;
	}
	used = __atomic_add_fetch(&d->guest_log_tokens, 1, __ATOMIC_RELAXED);
	if (used == 0)
		__atomic_store_n(&d->guest_log_tokens, GUEST_BURST + 1, __ATOMIC_RELAXED);
	return used != 0 && used <= GUEST_BURST;
}

/* As printk(). */
void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	static const uint8_t severity[] = {
		[LOG_ERR] = SEVERITY_ERROR,   [LOG_WARN] = SEVERITY_WARNING,	   [LOG_INFO] = SEVERITY_INFO,
		[LOG_DEBUG] = SEVERITY_DEBUG, [LOG_GUEST_WARN] = SEVERITY_WARNING, [LOG_GUEST_DEBUG] = SEVERITY_DEBUG,
	};
	bool guest = level >= LOG_GUEST_WARN;
	const struct threshold *t = guest ? &state.guest : &state.xen;
	char text[MESSAGE_MAX], prefix[48];
	unsigned lost = 0;
	size_t n;

	if (severity[level] >= t->upper)
		return;
	if (guest && severity[level] >= t->lower && !guest_may_log(&lost))
		return;
	n = (size_t)hv_vsnprintf(text, sizeof(text), fmt, ap);
	/* A cut line still ends as one. */
	if (n >= sizeof(text)) {
		n = sizeof(text) - 1;
		text[n - 1] = '\n';
	}
	make_prefix(prefix, sizeof(prefix));
	if (lost) {
		char note[64];
		int len = hv_snprintf(note, sizeof(note), "%u messages caused by d%u left out\n", lost,
				      this_pcpu()->current->domain->id);

		console_write(prefix, note, (size_t)len);
	}
	console_write(prefix, text, n);
}

/* See hv/printk.h. Any context but interrupt handlers; any lock may be held. */
void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

/* Debug builds: where the error @error was born. */
int err_trace(int error, const char *file, int line)
{
	printk(LOG_GUEST_DEBUG, "error %d from %s:%d\n", error, file, line);
	return error;
}
