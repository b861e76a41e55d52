#include "hv/console_mux.h"

#include "hv/printf.h"
#include "hv/string.h"

enum { ESCAPE_NONE, ESCAPE_START, ESCAPE_CSI, ESCAPE_STRING };

/* Make the cursor stand at a line of @writer: end somebody else's, begin an own one with @prefix. */
static void enter(struct console_mux *m, uint32_t writer, const char *prefix, bool guest)
{
	if (m->open != MUX_NONE && m->open != writer) {
		m->emit(m, "\n", 1, m->open < MUX_XEN);
		m->open = MUX_NONE;
	}
	if (m->open == MUX_NONE) {
		m->emit(m, prefix, strlen(prefix), guest);
		m->open = writer;
	}
}

/* See hv/console_mux.h. */
void mux_write_xen(struct console_mux *m, unsigned cpu, const char *prefix, const char *text, size_t n)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) + 1 : n;

		enter(m, MUX_XEN + cpu, prefix, false);
		m->emit(m, text, len, false);
		if (end)
			m->open = MUX_NONE;
		text += len;
		n -= len;
	}
}

static void guest_prefix(const struct console_mux *m, const struct mux_guest *g, bool focused, char *prefix,
			 size_t size)
{
	if (focused && m->nr_printed <= 1)
		prefix[0] = '\0';
	else
		hv_snprintf(prefix, size, "(d%u) ", g->id);
}

/*
 * Is @c fit to be shown among other lines? Control characters and escape sequences are not (ECMA-48, 5.4: CSI parameters end with
 * 0x40-0x7e), nor C1 controls, raw or as UTF-8; other UTF-8 is.
 */
static bool printable(struct mux_guest *g, uint8_t c)
{
	uint8_t before = g->before;

	g->before = c;
	switch (g->escape) {
	case ESCAPE_START:
		g->escape = c == '[' ? ESCAPE_CSI : c == ']' || c == 'P' ? ESCAPE_STRING : ESCAPE_NONE;
		return false;
	case ESCAPE_CSI:
		if (c >= 0x40 && c <= 0x7e)
			g->escape = ESCAPE_NONE;
		if (c != '\n' && c != 0x1b)
			return false;
		break;
	case ESCAPE_STRING:
		if (c == 0x07)
			g->escape = ESCAPE_NONE;
		if (c != '\n' && c != 0x1b)
			return false;
		break;
	default:
		break;
	}
	g->escape = ESCAPE_NONE;
	if (c == 0x1b) {
		g->escape = ESCAPE_START;
		return false;
	}
	if (c >= 0x80 && c < 0xa0)
		return before >= 0x80 && before != 0xc2;
	return c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f);
}

static void show_line(struct console_mux *m, struct mux_guest *g)
{
	char prefix[16];

	guest_prefix(m, g, false, prefix, sizeof(prefix));
	enter(m, g->id, prefix, true);
	m->emit(m, g->line, g->len, true);
	m->emit(m, "\n", 1, true);
	m->open = MUX_NONE;
	g->len = 0;
}

static void write_lines(struct console_mux *m, struct mux_guest *g, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!printable(g, (uint8_t)text[i]))
			continue;
		if (text[i] != '\n')
			g->line[g->len++] = text[i];
		/* The rest of a line it began while it had the focus: nothing new to show. */
		else if (!g->len && m->open == g->id) {
			m->emit(m, "\n", 1, true);
			m->open = MUX_NONE;
			continue;
		}
		if (text[i] == '\n' || g->len == MUX_LINE)
			show_line(m, g);
	}
}

/* One character of the focused domain. A line that others have broken starts over, so that it can be read whole. */
static void show_char(struct console_mux *m, struct mux_guest *g, const char *prefix, char c)
{
	if (m->open != g->id) {
		enter(m, g->id, prefix, true);
		m->emit(m, g->shown, g->nr_shown, true);
	}
	m->emit(m, &c, 1, true);
	if (c == '\n') {
		m->open = MUX_NONE;
		g->nr_shown = 0;
	} else if (g->nr_shown < MUX_LINE) {
		g->shown[g->nr_shown++] = c;
	}
}

static void write_through(struct console_mux *m, struct mux_guest *g, const char *text, size_t n)
{
	char prefix[16];

	guest_prefix(m, g, true, prefix, sizeof(prefix));
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\r' && !g->cr) {
			g->cr = true;
			continue;
		}
		/* A lone return starts the same line over, so its prefix is due again. */
		if (g->cr && text[i] != '\n')
			g->nr_shown = 0;
		if (g->cr && text[i] != '\n' && m->open == g->id) {
			m->emit(m, "\r", 1, true);
			m->emit(m, prefix, strlen(prefix), true);
		}
		g->cr = text[i] == '\r';
		if (g->cr)
			continue;
		show_char(m, g, prefix, text[i]);
	}
}

/* See hv/console_mux.h. */
void mux_write_guest(struct console_mux *m, struct mux_guest *g, bool focused, const char *text, size_t n)
{
	if (!n)
		return;
	if (!g->printed) {
		g->printed = true;
		m->nr_printed++;
	}
	if (focused) {
		if (g->len)
			mux_flush_guest(m, g, false);
		write_through(m, g, text, n);
	} else {
		g->cr = false;
		g->nr_shown = 0;
		write_lines(m, g, text, n);
	}
}

/* See hv/console_mux.h. */
void mux_flush_guest(struct console_mux *m, struct mux_guest *g, bool end)
{
	char prefix[16];

	if (g->len) {
		guest_prefix(m, g, !end, prefix, sizeof(prefix));
		enter(m, g->id, prefix, true);
		m->emit(m, g->line, g->len, true);
		g->len = 0;
	}
	if (end && m->open == g->id) {
		m->emit(m, "\n", 1, true);
		m->open = MUX_NONE;
	}
}

/* See hv/console_mux.h. */
void mux_forget_guest(struct console_mux *m, struct mux_guest *g)
{
	mux_flush_guest(m, g, true);
	if (g->printed)
		m->nr_printed--;
	g->printed = false;
}
