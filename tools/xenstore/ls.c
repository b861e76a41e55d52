/* xenstore-ls: a tree as text or JSON. */
#include "xenstore.h"

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store/wire.h"

#define TAG_LENGTH 8 /* of ' = "..."' */

struct listing {
	struct store *s;
	const struct settings *set;
	struct text out;
	int width;  /* longer lines are cut */
	int column; /* where permissions begin */
};

static void add_perms(struct listing *l, const char *path)
{
	struct text *t = &l->out;
	unsigned nr;
	struct store_perm *p = store_get_perms(l->s, 0, path, &nr);
	char entry[24];
	if (!p) {
		text_print(t);
		warn("\ncould not access permissions for %s", path);
		return;
	}
	text_add(t, l->set->json ? ", \"perms\": [" : "  (");
	for (unsigned i = 0; i < nr; i++) {
		wire_perm_format(entry, sizeof(entry), p[i].id, p[i].access);
		if (l->set->json)
			text_add(t, "%s\"%s\"", i ? ", " : "", entry);
		else
			text_add(t, "%s%s", i ? "," : "", entry);
	}
	text_add(t, l->set->json ? "]" : ")");
	free(p);
}

static void add_value(struct listing *l, int at, const char *value, size_t len)
{
	struct text *t = &l->out, shown = { 0 };
	size_t before;
	int cut;
	text_escaped(&shown, value, len);
	if ((size_t)l->width < (size_t)at + len + TAG_LENGTH) {
		cut = l->width - TAG_LENGTH - at;
		text_add(t, " = \"%.*s\\...\"", cut >= 0 && cut < (int)shown.len ? cut : (int)shown.len,
			 shown.len ? shown.data : "");
	} else {
		before = t->len;
		text_add(t, " = \"%.*s\"", (int)shown.len, shown.len ? shown.data : "");
		at += (int)(t->len - before);
		if (l->set->prefix) {
			text_add(t, " ");
			for (at++; at < l->column && at < l->width; at++)
				text_add(t, "%c", at & 1 ? '.' : ' ');
		}
	}
	text_free(&shown);
}

static char *join(const char *path, const char *name)
{
	char *out;
	if (asprintf(&out, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", name) < 0)
		err(1, "malloc in do_ls");
	return out;
}

static char **children(struct listing *l, const char *path, unsigned depth, unsigned *nr)
{
	char **names = store_list(l->s, 0, path, nr);
	/* What vanishes while we look is passed over. */
	if (!names && (!depth || errno != ENOENT)) {
		text_print(&l->out);
		err(1, "xs_directory (%s)", path);
	}
	return names;
}

static void list_text(struct listing *l, const char *path, unsigned depth)
{
	struct text *t = &l->out;
	unsigned nr;
	char **names = children(l, path, depth, &nr);
	for (unsigned i = 0; names && i < nr; i++) {
		char *full = join(path, names[i]), *value;
		size_t len, start = t->len;
		int at = 0;
		if (l->set->flat) {
			text_add(t, "%s", full);
		} else {
			text_add(t, "%*s", (int)depth, "");
			at = l->width - TAG_LENGTH - (int)depth;
			text_add(t, "%.*s", at, names[i]);
			at = (int)(t->len - start);
		}
		value = store_read(l->s, 0, full, &len);
		if (value) {
			add_value(l, at, value, len);
			if (l->set->prefix)
				add_perms(l, full);
			text_add(t, "\n");
		} else {
			text_add(t, ":\n");
		}
		free(value);
		if (t->len > 65536)
			text_print(t);
		list_text(l, full, depth + 1);
		free(full);
	}
	free(names);
}

static void list_json(struct listing *l, const char *path, unsigned depth)
{
	struct text *t = &l->out;
	unsigned nr;
	char **names = children(l, path, depth, &nr);
	text_add(t, "{");
	for (unsigned i = 0; names && i < nr; i++) {
		char *full = join(path, names[i]), *value;
		size_t len;
		text_add(t, "%s\n%*s", i ? "," : "", (int)depth + 1, "");
		text_json(t, names[i], strlen(names[i]));
		text_add(t, ": {\"value\": ");
		value = store_read(l->s, 0, full, &len);
		if (value)
			text_json(t, value, len);
		else
			text_add(t, "null");
		free(value);
		if (l->set->prefix)
			add_perms(l, full);
		text_add(t, ", \"children\": ");
		list_json(l, full, depth + 1);
		text_add(t, "}");
		free(full);
	}
	text_add(t, "}");
	free(names);
}

/* Print what is below @path; exits if it cannot be listed. */
void cmd_ls(struct store *s, const struct settings *set, const char *path)
{
	struct listing l = { s, set, { 0 }, 80, 60 };
	struct winsize window = { 0 };
	if (set->flat) {
		l.width = INT_MAX / 2;
		l.column = 0;
	}
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && window.ws_col > 2)
		l.width = window.ws_col - 2;
	if (set->json) {
		list_json(&l, path, 0);
		text_add(&l.out, "\n");
	} else {
		list_text(&l, path, 0);
	}
	text_print(&l.out);
	text_free(&l.out);
}
