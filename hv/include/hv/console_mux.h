/*
 * How the output of Hospes and of several domains shares one screen: whole lines with a prefix, except that the
 * domain with the focus is shown at once. hv/core/console_mux.c; pure, the console's lock guards it.
 */
#ifndef HV_CONSOLE_MUX_H
#define HV_CONSOLE_MUX_H

#include "hv/types.h"

#define MUX_LINE 256u
#define MUX_NONE 0xffffffffu /* no unfinished line */

/* One domain's side. All zero but the id at the start. */
struct mux_guest {
	domid_t id;
	bool printed;	/* has ever shown something */
	bool cr;	/* a carriage return was seen and is held back until the next character */
	uint8_t escape; /* progress through an escape sequence that is being left out */
	uint8_t before; /* previous byte of the filtered text */
	unsigned len;
	char line[MUX_LINE]; /* the unfinished line of a domain without focus */
	unsigned nr_shown;
	char shown
		[MUX_LINE]; /* the unfinished line of the domain with focus: begun again when somebody else has broken it */
};

struct console_mux {
	/* Shows @n bytes; guest: written by a domain. */
	void (*emit)(struct console_mux *m, const char *text, size_t n, bool guest);
	uint32_t open;	     /* writer of the unfinished line on the screen: a domid, MUX_XEN + CPU, MUX_NONE */
	unsigned nr_printed; /* domains that have printed: with a second one, every line gets a prefix */
};
#define MUX_XEN 0x10000u

/* Hospes' text from CPU @cpu; @prefix goes before each line. */
void mux_write_xen(struct console_mux *m, unsigned cpu, const char *prefix, const char *text, size_t n);
/* Text of domain @g. @focused: passes byte by byte; otherwise filtered and by whole lines. */
void mux_write_guest(struct console_mux *m, struct mux_guest *g, bool focused, const char *text, size_t n);
/* Show what @g has of an unfinished line: it got the focus (@end false), or goes away (@end: the line ends). */
void mux_flush_guest(struct console_mux *m, struct mux_guest *g, bool end);
/* Forget @g: the prefix is left out again when only one domain remains. */
void mux_forget_guest(struct console_mux *m, struct mux_guest *g);

#endif
