/* The console: serial and VGA output, the ring behind `xl dmesg`, input focus. hv/core/console.c. */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "hv/types.h"

struct domain;

/* A device that shows characters; polled output, never sleeps. */
struct console_driver {
	const char *name;
	void (*putc)(char c);
};
/* Add a device; what the ring holds is shown on it first, so early messages are not lost. At most 4; with the same name twice: once. */
void console_add(const struct console_driver *drv);
/* Boot, before the first printk with options known: levels, switch character, softirq. Needs param_parse() and this_pcpu(). */
void console_init(void);
/* Boot, with the allocator up: the ring grows to conring_size=. */
void console_init_ring(void);
/* Received bytes from an interrupt handler: queued, handled in SOFTIRQ_CONSOLE. */
void console_input(const char *buf, size_t n);

/*
 * Output of a domain (console ring, console_io, port E9): collected per domain and shown by whole lines with the
 * prefix "(dN) " when more than one domain has printed or the domain has no focus; bytes pass at once for the focused domain.
 */
void console_guest_write(struct domain *d, const char *buf, size_t n);
/* Who takes input: console_focus() is a domid or DOMID_XEN for Hospes itself. Three Ctrl-A rotate. */
domid_t console_focus(void);
void console_set_focus(domid_t id);
/* The input side of a domain that reads from Hospes: registered per domain by the console ring server or console_io. */
typedef void console_input_fn(struct domain *d, const char *buf, size_t n);
void console_register_reader(struct domain *d, console_input_fn *fn);
/* @d reads no more, or goes away: its unfinished line is shown, a focus it had returns to Hospes. Call it at destruction; harmless twice. */
void console_unregister(struct domain *d);

struct conring;

/* printk's way in: text of Hospes, @prefix before each line. */
void console_write(const char *prefix, const char *text, size_t n);
/* The machine is going down: output no longer waits for the lock, whoever holds it. */
void console_break_lock(void);
/*
 * Text for XEN_SYSCTL_readconsole: up to @n characters from *@index (@incremental) or from the oldest; *@index becomes where to go on.
 * @clear: forget the ring's text up to there. Returns the number of characters.
 */
size_t console_ring_read(char *buf, size_t n, uint32_t *index, bool incremental, bool clear);
/* Text for the ring alone, not for any device. */
void console_log(const char *text, size_t n);
/* The ring itself, for the end of the machine: nobody else writes any more. */
const struct conring *console_ring(void);

/* Let @d use console_io for input: a domain with the console role. -ENOMEM. hv/core/console_io.c. */
int console_io_attach(struct domain *d) must_check;
/* No more, and its queue goes: nobody has a reference on @d. */
void console_io_detach(struct domain *d);

#endif
