/* The screen of xl top: lines are cut at its edges, arrows move what is seen. */
#include <ctype.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "top.h"
#include "xl.h"

#define SUMMARY 3 /* lines */

static struct {
	SCREEN *screen;
	unsigned first; /* domain shown */
	int left;	/* column shown */
	bool prompt;	/* digits of a new delay are typed */
	char digits[6];
} ui;

/* The terminal as it was. Also before anything is complained of, and at the end of the program. */
static void leave(void)
{
	if (ui.screen)
		endwin();
	ui.screen = NULL;
}

/* The table's lines as far as they fit between summary and menu. */
static void draw_table(struct top *top)
{
	struct text t = { 0 };
	char *save, *line;
	int y = SUMMARY, at, len;

	top_table(top, &t, ui.first);
	for (line = strtok_r(t.s, "\n", &save); line && y < LINES - 1; line = strtok_r(NULL, "\n", &save), y++)
		if ((int)strlen(line) > ui.left)
			mvaddnstr(y, 0, line + ui.left, COLS);
	top_mark(top, &at, &len);
	at -= ui.left;
	if (at < 0) {
		len += at;
		at = 0;
	}
	if (len > 0 && at < COLS && SUMMARY < LINES - 1)
		mvchgat(SUMMARY, at, len, A_REVERSE, 0, NULL);
	text_free(&t);
}

static void draw(struct top *top)
{
	struct text t = { 0 };
	char *save, *line;
	int y = 0;

	erase();
	top_summary(top, &t);
	for (line = strtok_r(t.s, "\n", &save); line && y < LINES - 1; line = strtok_r(NULL, "\n", &save), y++)
		mvaddnstr(y, 0, line, COLS);
	text_free(&t);
	draw_table(top);
	if (ui.prompt)
		mvprintw(LINES - 1, 0, "Delay in seconds: %s", ui.digits);
	else
		mvaddnstr(LINES - 1, 0, "  Delay  Networks  vBds  VCPUs  Repeat header  Sort order  Quit", COLS - 1);
	refresh();
}

/* A key while the delay is typed. */
static void type_delay(struct top *top, int c)
{
	size_t n = strlen(ui.digits);

	if (c == '\n' || c == '\r' || c == KEY_ENTER || c == 27) {
		if (n && c != 27 && strtoul(ui.digits, NULL, 10))
			top->delay = (unsigned)strtoul(ui.digits, NULL, 10);
		ui.prompt = false;
	} else if (c < 128 && isdigit(c) && n + 1 < sizeof(ui.digits)) {
		ui.digits[n] = (char)c;
		ui.digits[n + 1] = 0;
	} else if ((c == KEY_BACKSPACE || c == 127 || c == 8) && n) {
		ui.digits[n - 1] = 0;
	}
}

static void scroll_by(struct top *top, int rows)
{
	long first = (long)ui.first + rows;

	if (first > (long)top->now.nr - 1)
		first = (long)top->now.nr - 1;
	ui.first = first > 0 ? (unsigned)first : 0;
}

/* One key; false: the end. */
static bool key(struct top *top, int c)
{
	switch (c < 128 ? tolower(c) : c) {
	case 'q':
	case 27:
		return false;
	case 'n':
		top->networks = !top->networks;
		break;
	case 'b':
		top->vbds = !top->vbds;
		break;
	case 'v':
		top->vcpus = !top->vcpus;
		break;
	case 'r':
		top->repeat_header = !top->repeat_header;
		break;
	case 's':
		top->column = (top->column + 1) % top_columns();
		top_sort(top);
		break;
	case 'd':
		ui.prompt = true;
		ui.digits[0] = 0;
		break;
	case KEY_DOWN:
		scroll_by(top, 1);
		break;
	case KEY_UP:
		scroll_by(top, -1);
		break;
	case KEY_NPAGE:
		scroll_by(top, LINES - SUMMARY - 2);
		break;
	case KEY_PPAGE:
		scroll_by(top, -(LINES - SUMMARY - 2));
		break;
	case KEY_RIGHT:
		ui.left += ui.left < 150 ? 10 : 0;
		break;
	case KEY_LEFT:
		ui.left -= ui.left ? 10 : 0;
		break;
	default: /* another size of the screen too: it is drawn anew after each key */
		break;
	}
	return true;
}

/* Milliseconds until the next picture is due. */
static int due(const struct top *top)
{
	struct timespec now;
	double left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = top->delay - (double)(now.tv_sec - top->at.tv_sec) - (double)(now.tv_nsec - top->at.tv_nsec) / 1e9;
	return left <= 0 ? 0 : left > 3600 ? 3600000 : (int)(left * 1000) + 1;
}

/* Keys until the picture is old; false: the end. */
static bool keys(struct top *top)
{
	int ms;

	while ((ms = due(top)) > 0) {
		int c;

		draw(top);
		timeout(ms);
		c = getch();
		if (c == ERR)
			continue;
		if (ui.prompt)
			type_delay(top, c);
		else if (!key(top, c))
			return false;
	}
	return true;
}

int top_screen(struct top *top)
{
	bool more = true;

	xl_hcall(); /* complain before the screen is taken */
	setlocale(LC_ALL, "");
	if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
		ui.screen = newterm(NULL, stdout, stdin);
	if (!ui.screen)
		return xl_fail(25, "no-terminal", "top", "run it on a terminal whose TERM is known here, or with -b",
			       "its screen cannot be drawn here");
	atexit(leave);
	xl_before_complaints(leave);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(100);
	for (long round = 0; more && (top->rounds < 0 || round < top->rounds); round++) {
		top_look(top);
		scroll_by(top, 0);
		more = keys(top);
	}
	leave();
	return XL_OK;
}
