/*
 * The console: devices, ring, and who gets what is typed. The lock is the highest rank, so printk works under any
 * other; input is handed out with no lock held.
 */
#include "hv/console.h"

#include "hv/boot.h"
#include "hv/conring.h"
#include "hv/console_mux.h"
#include "hv/domain.h"
#include "hv/keyhandler.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/time.h"
#include "xen.h"

#define MAX_DRIVERS 4u
#define EARLY_RING 16384u
#define INPUT_RING 256u /* power of two */
#define SWITCH_COUNT 3u
#define HELD_MAX 128u
#define HOLD_TIME \
	MILLISECS(30) /* of silence: longer than a slice of others amid a line, shorter than a typist notices */

/* A domain that has printed or reads. */
struct guest_console {
	struct list link;
	struct mux_guest out;
	console_input_fn *reader; /* NULL: only prints */
	char name[DOMAIN_NAME_LEN];
	char held[HELD_MAX]; /* the focused domain's unfinished line, until it ends or HOLD_TIME passes in silence */
	unsigned nr_held;
};

static void emit(struct console_mux *m, const char *text, size_t n, bool guest);

static char early_ring[EARLY_RING];

static struct {
	spinlock_t lock; /* RANK_CONSOLE: guards the fields down to focus */
	bool broken;	 /* set once by console_break_lock(), the lock means nothing any more */
	const struct console_driver *drivers[MAX_DRIVERS];
	unsigned nr_drivers;
	struct conring ring;
	struct console_mux mux;
	struct list guests; /* in order of registration: the order of rotation */
	domid_t focus;
	struct timer hold; /* shows what is held */
	bool guests_to_ring;
	char switch_key; /* control character that rotates the focus, 0 = none */

	unsigned nr_switch;		 /* of them seen in a row. CPU 0's softirq only */
	uint32_t input_prod, input_cons; /* interrupt writes prod, CPU 0's softirq cons */
	char input[INPUT_RING];
} con = {
	.lock = SPINLOCK_INIT(RANK_CONSOLE),
	.ring = { .buf = early_ring, .size = EARLY_RING },
	.mux = { .emit = emit, .open = MUX_NONE },
	.guests = LIST_INIT(con.guests),
	.focus = DOMID_XEN,
	.switch_key = 'a' - 'a' + 1,
};

static void lock_console(void)
{
	if (!__atomic_load_n(&con.broken, __ATOMIC_RELAXED))
		spin_lock(&con.lock);
}

static void unlock_console(void)
{
	if (spin_is_mine(&con.lock))
		spin_unlock(&con.lock);
}

static void emit(struct console_mux *m, const char *text, size_t n, bool guest)
{
	bool to_ring = !guest || con.guests_to_ring;

	for (size_t i = 0; i < n; i++) {
		for (unsigned j = 0; j < con.nr_drivers; j++) {
			if (text[i] == '\n')
				con.drivers[j]->putc('\r');
			con.drivers[j]->putc(text[i]);
		}
		if (to_ring)
			conring_put(&con.ring, text[i]);
	}
	/* Whoever copies the ring to a file hears of it. Not while the machine dies. */
	if (to_ring && n && !read_once(con.broken))
		domain_global_virq_later(VIRQ_CON_RING);
}

/* See hv/console.h. */
void console_add(const struct console_driver *drv)
{
	lock_console();
	for (unsigned i = 0; i < con.nr_drivers; i++)
		if (!strcmp(con.drivers[i]->name, drv->name))
			goto out;
	if (con.nr_drivers == MAX_DRIVERS)
		goto out;
	for (uint32_t i = con.ring.cons; i != con.ring.prod; i++) {
		char c = con.ring.buf[i & (con.ring.size - 1)];

		if (c == '\n')
			drv->putc('\r');
		drv->putc(c);
	}
	con.drivers[con.nr_drivers++] = drv;
out:
	unlock_console();
}

/* See hv/console.h. */
void console_write(const char *prefix, const char *text, size_t n)
{
	lock_console();
	mux_write_xen(&con.mux, this_cpu(), prefix, text, n);
	unlock_console();
}

/* See hv/console.h. */
void console_break_lock(void)
{
	__atomic_store_n(&con.broken, true, __ATOMIC_RELAXED);
}

/* See hv/console.h. */
size_t console_ring_read(char *buf, size_t n, uint32_t *index, bool incremental, bool clear)
{
	uint32_t from;
	size_t done;

	lock_console();
	from = incremental ? *index : con.ring.cons;
	done = conring_read(&con.ring, &from, buf, n);
	*index = from;
	if (clear)
		con.ring.cons = from;
	unlock_console();
	return done;
}

/* See hv/console.h. */
void console_log(const char *text, size_t n)
{
	lock_console();
	for (size_t i = 0; i < n; i++)
		conring_put(&con.ring, text[i]);
	unlock_console();
}

/* See hv/console.h. */
const struct conring *console_ring(void)
{
	return &con.ring;
}

/* The lock is held. */
static struct guest_console *find_guest(domid_t id)
{
	struct list *pos;

	list_for_each(pos, &con.guests) {
		struct guest_console *g = container_of(pos, struct guest_console, link);

		if (g->out.id == id)
			return g;
	}
	return NULL;
}

/*
 * The record of @d, made on first use, with the lock held; NULL (lock not held) without memory. Allocates before it
 * takes the lock, because the heap ranks below.
 */
static struct guest_console *lock_guest(struct domain *d)
{
	struct guest_console *g, *fresh;

	lock_console();
	g = find_guest(d->id);
	if (g)
		return g;
	unlock_console();
	fresh = xzalloc(struct guest_console);
	if (!fresh)
		return NULL;
	fresh->out.id = d->id;
	str_copy(fresh->name, d->name, sizeof(fresh->name));
	lock_console();
	g = find_guest(d->id);
	if (!g) {
		list_add_tail(&con.guests, &fresh->link);
		return fresh;
	}
	unlock_console();
	xfree(fresh);
	return lock_guest(d);
}

/* Show what is held of @g. The lock is held. */
static void flush_held(struct guest_console *g)
{
	if (g->nr_held)
		mux_write_guest(&con.mux, &g->out, con.focus == g->out.id, g->held, g->nr_held);
	g->nr_held = 0;
}

static void hold_timer(void *data)
{
	struct list *pos;

	(void)data;
	lock_console();
	list_for_each(pos, &con.guests)
		flush_held(container_of(pos, struct guest_console, link));
	unlock_console();
}

/*
 * Lines of the focused domain pass as wholes; an unfinished one (a prompt, an echo) follows after HOLD_TIME, so that what
 * others print meanwhile does not tear it. The lock is held. true: the timer must be (re)started.
 */
static bool hold(struct guest_console *g, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		g->held[g->nr_held++] = buf[i];
		if (buf[i] == '\n' || g->nr_held == HELD_MAX)
			flush_held(g);
	}
	return g->nr_held;
}

/* See hv/console.h. Any context but interrupts; locks below RANK_TIMER may be held. Without memory the text is lost. */
void console_guest_write(struct domain *d, const char *buf, size_t n)
{
	struct guest_console *g = lock_guest(d);
	bool start = false;

	if (!g)
		return;
	if (con.focus == d->id)
		start = hold(g, buf, n);
	else
		mux_write_guest(&con.mux, &g->out, false, buf, n);
	unlock_console();
	if (start)
		timer_set(&con.hold, now() + HOLD_TIME);
}

/* Who gets what is typed: a domain, or DOMID_XEN. */
domid_t console_focus(void)
{
	return read_once(con.focus);
}

/* Give the input to @id, a domain that reads, or DOMID_XEN. Says so on the console. Unknown ids change nothing. */
void console_set_focus(domid_t id)
{
	struct guest_console *g = NULL, *before;
	char name[DOMAIN_NAME_LEN] = "", hint[64] = "";
	char key;

	lock_console();
	if (id != DOMID_XEN) {
		g = find_guest(id);
		if (!g || !g->reader) {
			unlock_console();
			return;
		}
		str_copy(name, g->name, sizeof(name));
	}
	before = find_guest(con.focus);
	if (before)
		flush_held(before);
	con.focus = id;
	key = con.switch_key ? (char)(con.switch_key + 'a' - 1) : 0;
	unlock_console();

	if (key)
		snprintf(hint, sizeof(hint), " (type 'CTRL-%c' three times to switch input)", key);
	if (g)
		printk(LOG_WARN, "*** Serial input to d%u (%s)%s\n", id, name, hint);
	else
		printk(LOG_WARN, "*** Serial input to Hospes%s\n", hint);

	lock_console();
	g = find_guest(id);
	if (g)
		mux_flush_guest(&con.mux, &g->out, false);
	unlock_console();
}

/* See hv/console.h. Without memory @d stays without input. */
void console_register_reader(struct domain *d, console_input_fn *fn)
{
	struct guest_console *g = lock_guest(d);

	if (!g)
		return;
	g->reader = fn;
	str_copy(g->name, d->name, sizeof(g->name));
	unlock_console();
}

/* See hv/console.h. */
void console_unregister(struct domain *d)
{
	struct guest_console *g;
	bool focused;

	lock_console();
	g = find_guest(d->id);
	if (!g) {
		unlock_console();
		return;
	}
	flush_held(g);
	mux_forget_guest(&con.mux, &g->out);
	list_del(&g->link);
	focused = con.focus == d->id;
	unlock_console();
	xfree(g);
	if (focused)
		console_set_focus(DOMID_XEN);
}

/* Focus to the next reader after the present one, or back to Hospes. */
static void rotate_focus(void)
{
	domid_t next = DOMID_XEN;
	bool passed;
	struct list *pos;

	lock_console();
	passed = con.focus == DOMID_XEN;
	list_for_each(pos, &con.guests) {
		struct guest_console *g = container_of(pos, struct guest_console, link);

		if (passed && g->reader) {
			next = g->out.id;
			break;
		}
		if (g->out.id == con.focus)
			passed = true;
	}
	unlock_console();
	console_set_focus(next);
}

static void deliver(const char *buf, size_t n)
{
	console_input_fn *reader = NULL;
	struct guest_console *g;
	struct domain *d;
	domid_t focus;

	lock_console();
	focus = con.focus;
	g = focus == DOMID_XEN ? NULL : find_guest(focus);
	if (g)
		reader = g->reader;
	unlock_console();

	if (focus == DOMID_XEN) {
		for (size_t i = 0; i < n; i++)
			keyhandler_run(buf[i]);
		return;
	}
	d = reader ? domain_get_by_id(focus) : NULL;
	if (!d)
		return;
	reader(d, buf, n);
	domain_put(d);
}

/* One typed character. Switch characters are held back: three in a row rotate, fewer are passed on with what follows. */
static void input_char(char c)
{
	char key = con.switch_key;
	char out[SWITCH_COUNT + 1];
	size_t n = 0;

	if (key && c == key) {
		if (++con.nr_switch == SWITCH_COUNT) {
			con.nr_switch = 0;
			rotate_focus();
		}
		return;
	}
	for (; con.nr_switch; con.nr_switch--)
		out[n++] = key;
	out[n++] = c;
	deliver(out, n);
}

static void console_softirq(void)
{
	uint32_t cons = con.input_cons;

	while (cons != __atomic_load_n(&con.input_prod, __ATOMIC_ACQUIRE)) {
		char c = con.input[cons++ & (INPUT_RING - 1)];

		__atomic_store_n(&con.input_cons, cons, __ATOMIC_RELEASE);
		input_char(c);
	}
}

/* See hv/console.h. Called on CPU 0 only; what does not fit is lost. */
void console_input(const char *buf, size_t n)
{
	uint32_t prod = con.input_prod;

	for (size_t i = 0; i < n && prod - __atomic_load_n(&con.input_cons, __ATOMIC_ACQUIRE) < INPUT_RING; i++) {
		con.input[prod & (INPUT_RING - 1)] = buf[i];
		__atomic_store_n(&con.input_prod, ++prod, __ATOMIC_RELEASE);
	}
	softirq_raise(0, SOFTIRQ_CONSOLE);
}

/* See hv/console.h. */
void console_init(void)
{
	const char *key = param_string("conswitch", "a");

	con.switch_key = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 1) : 0;
	con.guests_to_ring = param_bool("console_to_ring", false);
	printk_init();
	timer_init(&con.hold, hold_timer, NULL, 0);
	softirq_open(SOFTIRQ_CONSOLE, console_softirq);
	keyhandler_init();
}

/* See hv/console.h. Without memory the ring stays as it is. */
void console_init_ring(void)
{
	uint64_t want = min_u64(param_size("conring_size", 65536), 1UL << 24);
	unsigned order = 0;
	struct frame *f;

	while ((PAGE_SIZE << order) < want)
		order++;
	if ((PAGE_SIZE << order) <= con.ring.size)
		return;
	f = alloc_frames(NULL, order, 0);
	if (!f)
		return;
	lock_console();
	conring_move(&con.ring, mfn_to_virt(frame_to_mfn(f)), (uint32_t)(PAGE_SIZE << order));
	unlock_console();
}
