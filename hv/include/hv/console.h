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
void console_add(const struct console_driver *drv);
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
void console_unregister(struct domain *d);

/* Let @d use console_io for input: a domain with the console role. -ENOMEM. hv/core/console_io.c. */
int console_io_attach(struct domain *d) must_check;
void console_io_detach(struct domain *d);

#endif
