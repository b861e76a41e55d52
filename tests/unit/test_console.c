/*
 * The console: how output of Hospes and several domains shares a screen, the ring, and the way of typed characters.
 * Protects the promise that every line on the wire has one author and says who it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/conring.h"
#include "hv/console.h"
#include "hv/console_mux.h"
#include "hv/keyhandler.h"
#include "hv/pcpu.h"
#include "hv/boot.h"
#include "hv/printk.h"

/* The multiplexer alone ---------------------------------------------------------------------------------- */

static char screen[4096];
static size_t screen_len;

static void show(struct console_mux *m, const char *text, size_t n, bool guest)
{
	assert_true(screen_len + n < sizeof(screen));
	memcpy(screen + screen_len, text, n);
	screen_len += n;
	screen[screen_len] = '\0';
}

static void screen_is(const char *want)
{
	assert_string_equal(screen, want);
	screen_len = 0;
	screen[0] = '\0';
}

static struct console_mux fresh_mux(void)
{
	screen_len = 0;
	screen[0] = '\0';
	return (struct console_mux){ .emit = show, .open = MUX_NONE };
}

static void guest(struct console_mux *m, struct mux_guest *g, bool focused, const char *text)
{
	mux_write_guest(m, g, focused, text, strlen(text));
}

static void mux_hospes(void **state)
{
	struct console_mux m = fresh_mux();

	mux_write_xen(&m, 0, "(XEN) ", "one\ntwo\nthr", 11);
	mux_write_xen(&m, 0, "(XEN) ", "ee\n", 3);
	screen_is("(XEN) one\n(XEN) two\n(XEN) three\n");
	/* Another CPU does not write into an unfinished line. */
	mux_write_xen(&m, 0, "(XEN) ", "part", 4);
	mux_write_xen(&m, 1, "(XEN) ", "other\n", 6);
	screen_is("(XEN) part\n(XEN) other\n");
}

static void mux_alone(void **state)
{
	struct console_mux m = fresh_mux();
	struct mux_guest g = { .id = 1 };

	guest(&m, &g, true, "login: ");
	screen_is("login: "); /* at once, and no prefix for the only domain */
	mux_write_xen(&m, 0, "(XEN) ", "hello\n", 6);
	screen_is("\n(XEN) hello\n");
	guest(&m, &g, true, "root\r\n\x1b[1m# ");
	screen_is("login: root\n\x1b[1m# ");
}

static void mux_unfocused(void **state)
{
	struct console_mux m = fresh_mux();
	struct mux_guest g = { .id = 7 };

	guest(&m, &g, false, "par");
	screen_is("");
	guest(&m, &g, false, "tial\r\nnext");
	screen_is("(d7) partial\n");
	guest(&m, &g, false, "\n");
	screen_is("(d7) next\n");
	/* Nothing that could move the cursor or change colours. */
	guest(&m, &g, false,
	      "[\x1b[0;32m  OK  \x1b[0m] a\x07"
	      "b\x08\tc \x1b]0;title\x07"
	      "d \xe2\x97\x8f \xc3\xa9 \x9b"
	      "31m\n");
	screen_is("(d7) [  OK  ] ab\tc d \xe2\x97\x8f \xc3\xa9 31m\n");
	/* An unfinished sequence ends with its line. */
	guest(&m, &g, false, "a\x1b[12\nb\n");
	screen_is("(d7) a\n(d7) b\n");
}

static void mux_two(void **state)
{
	struct console_mux m = fresh_mux();
	struct mux_guest a = { .id = 1 }, b = { .id = 2 };

	guest(&m, &a, true, "# ");
	guest(&m, &b, false, "boot\n");
	screen_is("# \n(d2) boot\n");
	guest(&m, &a, true, "ls\n");
	screen_is("(d1) # ls\n"); /* two have printed: prefixes for all */
	guest(&m, &a, true, "# l");
	screen_is("(d1) # l");
	guest(&m, &a, true, "s");
	screen_is("s");
	guest(&m, &a, true, "\r# ls"); /* a redrawn line gets its prefix again */
	screen_is("\r(d1) # ls");
	guest(&m, &a, true, "\r");
	guest(&m, &a, true, "\n");
	screen_is("\n");
	/* a loses the focus in the middle of a line and ends it later. */
	guest(&m, &a, true, "mid");
	guest(&m, &a, false, "\n");
	screen_is("(d1) mid\n");
	/* b had an unfinished line when it gets the focus. */
	guest(&m, &b, false, "prompt> ");
	screen_is("");
	mux_flush_guest(&m, &b, false);
	screen_is("(d2) prompt> ");
	mux_forget_guest(&m, &b);
	screen_is("\n");
	guest(&m, &a, true, "alone\n");
	screen_is("alone\n");
}

static void mux_long(void **state)
{
	struct console_mux m = fresh_mux();
	struct mux_guest g = { .id = 1 };

	for (unsigned i = 0; i < 3 * MUX_LINE; i++)
		guest(&m, &g, false, "x");
	assert_int_equal(screen_len, 3 * (MUX_LINE + strlen("(d1) \n")));
}

/* The ring ------------------------------------------------------------------------------------------------ */

static void ring(void **state)
{
	char small[8], large[32], out[32];
	struct conring r = { .buf = small, .size = sizeof(small) };
	uint32_t at = 0;

	for (const char *c = "abcdefghij"; *c; c++)
		conring_put(&r, *c);
	assert_int_equal(conring_read(&r, &at, out, sizeof(out)), 8);
	assert_memory_equal(out, "cdefghij", 8);
	assert_int_equal(at, 10);
	assert_int_equal(conring_read(&r, &at, out, sizeof(out)), 0);
	conring_move(&r, large, sizeof(large));
	conring_put(&r, 'k');
	assert_int_equal(conring_read(&r, &at, out, sizeof(out)), 1);
	assert_int_equal(out[0], 'k');
	at = 0xdeadbeef; /* a made-up index reads from the oldest */
	assert_int_equal(conring_read(&r, &at, out, 3), 3);
	assert_memory_equal(out, "cde", 3);
	/* Indices may wrap. */
	r = (struct conring){ .buf = small, .size = sizeof(small), .prod = UINT32_MAX - 2, .cons = UINT32_MAX - 2 };
	at = UINT32_MAX - 2;
	for (const char *c = "12345"; *c; c++)
		conring_put(&r, *c);
	assert_int_equal(conring_read(&r, &at, out, sizeof(out)), 5);
	assert_memory_equal(out, "12345", 5);
}

/* All together on the fake machine -------------------------------------------------------------------------- */

static struct {
	domid_t who;
	char text[256];
	size_t len;
} typed;

static void reader(struct domain *d, const char *buf, size_t n)
{
	typed.who = d->id;
	memcpy(typed.text + typed.len, buf, n);
	typed.len += n;
	typed.text[typed.len] = '\0';
}

static void type(const char *text)
{
	typed.len = 0;
	typed.text[0] = '\0';
	console_input(text, strlen(text));
	host_run_softirqs(0);
}

static unsigned key_presses;

static void count_key(void)
{
	key_presses++;
}

/* host_log() sees what a device would: returns before each newline. */
static void log_is(const char *want)
{
	char text[4096];
	size_t n = 0;

	for (const char *c = host_log(); *c; c++)
		if (*c != '\r')
			text[n++] = *c;
	text[n] = '\0';
	assert_string_equal(text, want);
}

static void boot(const char *cmdline)
{
	host_machine(64UL << 20, 2);
	param_parse(cmdline);
	console_init();
	host_log();
}

static void input(void **state)
{
	struct domain *a, *b;

	boot("");
	keyhandler_register('z', count_key, "count");
	a = host_domain(1, 1, 16, 0);
	b = host_domain(2, 1, 16, 0);
	console_register_reader(a, reader);
	console_register_reader(b, reader);
	host_log();

	assert_int_equal(console_focus(), DOMID_XEN);
	type("z\n");
	assert_int_equal(key_presses, 1);
	log_is("(XEN) 'z' pressed -> count\n");
	type("\x01\x01\x01");
	assert_int_equal(console_focus(), 1);
	log_is("(XEN) *** Serial input to d1 (test1) (type 'CTRL-a' three times to switch input)\n");
	type("ab\x01"
	     "c");
	assert_int_equal(typed.who, 1);
	assert_string_equal(typed.text, "ab\x01"
					"c"); /* fewer than three pass */
	type("\x01\x01");
	assert_string_equal(typed.text, "");
	type("\x01"
	     "x");
	assert_int_equal(console_focus(), 2);
	assert_int_equal(typed.who, 2);
	assert_string_equal(typed.text, "x");
	type("\x01\x01\x01");
	assert_int_equal(console_focus(), DOMID_XEN);
	console_set_focus(1);
	assert_int_equal(console_focus(), 1);
	console_set_focus(99); /* nobody */
	assert_int_equal(console_focus(), 1);
	console_unregister(a);
	assert_int_equal(console_focus(), DOMID_XEN);
	console_unregister(a);
	console_unregister(b);
	host_log();
}

static void output(void **state)
{
	struct domain *a, *b;
	uint32_t at = 0;
	char buf[65536];
	size_t n;

	boot("conswitch=b");
	a = host_domain(1, 1, 16, 0);
	b = host_domain(2, 1, 16, 0);
	console_register_reader(a, reader);
	console_set_focus(1);
	host_log();
	/* An unfinished line waits a moment, so that a neighbour's line does not tear it. */
	console_guest_write(a, "wh", 2);
	console_guest_write(b, "other\n", 6);
	console_guest_write(a, "ole\n# ", 6);
	log_is("(d2) other\n(d1) whole\n");
	host_advance(MILLISECS(30));
	host_run_softirqs(0);
	log_is("(d1) # ");
	console_guest_write(b, "hel", 3);
	printk(LOG_INFO, "note %d\n", 5);
	console_guest_write(b, "lo\r\n", 4);
	log_is("\n(XEN) note 5\n(d2) hello\n");
	type("\x02\x02\x02");
	assert_int_equal(console_focus(), DOMID_XEN);
	/* The ring has Hospes' messages and, unless told otherwise, nothing of guests. */
	n = console_ring_read(buf, sizeof(buf) - 1, &at, false, false);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "(XEN) note 5\n"));
	assert_null(strstr(buf, "hello"));
	printk(LOG_INFO, "more\n");
	n = console_ring_read(buf, sizeof(buf) - 1, &at, true, true);
	buf[n] = '\0';
	assert_string_equal(buf, "(XEN) more\n");
	assert_int_equal(console_ring_read(buf, sizeof(buf), &at, false, false), 0);
	console_unregister(a);
	console_unregister(b);
	host_log();
}

static void levels(void **state)
{
	boot("loglvl=warning");
	printk(LOG_INFO, "no\n");
	printk(LOG_WARN, "yes\n");
	log_is("(XEN) yes\n");
	boot("loglvl=all guest_loglvl=all");
	printk(LOG_DEBUG, "debug\n");
	printk(LOG_GUEST_DEBUG, "guest\n");
	log_is("(XEN) debug\n(XEN) guest\n");
	boot("loglvl=none");
	printk(LOG_ERR, "no\n");
	log_is("");
	boot("loglvl=chatty");
	log_is("");
}

/* A guest gets ten lines in five seconds; what was left out is counted. */
static void rate_limit(void **state)
{
	struct domain *d;
	unsigned n = 0;

	boot("loglvl=info guest_loglvl=none/warning");
	d = host_domain(3, 1, 16, 0);
	host_log();
	host_set_time(NSEC_PER_SEC);
	this_pcpu()->current = d->vcpu[0];
	for (unsigned i = 0; i < 1000; i++)
		printk(LOG_GUEST_WARN, "bad guest\n");
	for (const char *c = host_log(); *c; c++)
		n += *c == '\n';
	assert_int_equal(n, 10);
	printk(LOG_GUEST_DEBUG, "detail\n");
	log_is("");
	host_advance(6 * NSEC_PER_SEC);
	printk(LOG_GUEST_WARN, "again\n");
	log_is("(XEN) 990 messages caused by d3 left out\n(XEN) again\n");
	this_pcpu()->current = NULL;
}

static void stamps(void **state)
{
	boot("console_timestamps=boot loglvl=info");
	host_set_time(12 * NSEC_PER_SEC + 345678901);
	printk(LOG_INFO, "x\n");
	log_is("(XEN) [   12.345678] x\n");
	wallclock_set((struct wallclock){ .sec = 1767225600 });
	boot("console_timestamps=datems loglvl=info");
	host_set_time(12 * NSEC_PER_SEC + 345678901);
	printk(LOG_INFO, "x\n");
	log_is("(XEN) [2026-01-01 00:00:12.345] x\n");
	boot("console_timestamps");
	host_set_time(NSEC_PER_SEC);
	printk(LOG_INFO, "x\n");
	log_is("(XEN) [2026-01-01 00:00:01] x\n");
	boot("console_timestamps=none");
	printk(LOG_INFO, "x\n");
	log_is("(XEN) x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mux_hospes), cmocka_unit_test(mux_alone), cmocka_unit_test(mux_unfocused),
		cmocka_unit_test(mux_two),    cmocka_unit_test(mux_long),  cmocka_unit_test(ring),
		cmocka_unit_test(input),      cmocka_unit_test(output),	   cmocka_unit_test(levels),
		cmocka_unit_test(rate_limit), cmocka_unit_test(stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
