/* Recursive-descent parser of xl.cfg. See xlcfg.h. */
#include "xlcfg.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEPTH 8

struct reader {
	struct xlcfg *cfg;
	const char *file, *at;
	int line;
	bool override; /* from the command line, which has no lines */
};

static int __attribute__((format(printf, 2, 3))) error(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	int n = r->override ? snprintf(r->cfg->error, sizeof(r->cfg->error), "%s: ", r->file) :
			      snprintf(r->cfg->error, sizeof(r->cfg->error), "%s:%d: ", r->file, r->line);

	if (n < 0 || (size_t)n >= sizeof(r->cfg->error))
		return -1;
	va_start(ap, fmt);
	vsnprintf(r->cfg->error + n, sizeof(r->cfg->error) - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* One more element of @size bytes at the end of an array; NULL without memory. */
static void *grow(void *array, size_t n, size_t size)
{
	return n >= (size_t)-1 / size - 1 ? NULL : realloc(array, (n + 1) * size);
}

/* Blanks and comments; with @lines also ends of lines. */
static void skip(struct reader *r, bool lines)
{
	for (;; r->at++) {
		if (*r->at == '#')
			while (*r->at && *r->at != '\n')
				r->at++;
		if (*r->at == '\n') {
			if (!lines)
				return;
			r->line++;
		} else if (*r->at == '\\' && r->at[1] == '\n') {
			r->at++;
			r->line++;
		} else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
			return;
		}
	}
}

static int parse_value(struct reader *r, struct xlcfg_value *v, int depth);

/* One escape after the backslash; returns the character or -1. */
static int parse_escape(struct reader *r)
{
	static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
	char c = *r->at++;
	const char *p = c ? strchr(names, c) : NULL;
	int v = 0, n = 0;

	if (p)
		return values[p - names];
	if (c == 'x') {
		for (; n < 2 && isxdigit((unsigned char)*r->at); n++, r->at++)
			v = v * 16 +
			    (isdigit((unsigned char)*r->at) ? *r->at - '0' : tolower((unsigned char)*r->at) - 'a' + 10);
		return n ? v : error(r, "\\x without a hexadecimal digit");
	}
	if (c >= '0' && c <= '7') {
		for (r->at--; n < 3 && *r->at >= '0' && *r->at <= '7'; n++)
			v = v * 8 + (*r->at++ - '0');
		return v & 0xff;
	}
	if (c == '\\' || c == '\'' || c == '"')
		return c;
	r->at--;
	return error(r, "unknown escape \\%c in a string", isprint((unsigned char)c) ? c : '?');
}

static int parse_string(struct reader *r, struct xlcfg_value *v)
{
	char quote = *r->at++;
	size_t n = 0;

	v->kind = XLCFG_STRING;
	v->string = malloc(strcspn(r->at, "\n") + 1); /* never longer than the rest of its line */
	if (!v->string)
		return error(r, "out of memory");
	v->string[0] = 0;
	while (*r->at != quote) {
		int c = (unsigned char)*r->at;

		if (c == 0 || c == '\n')
			return error(r, "string without its closing %c", quote);
		r->at++;
		if (c == '\\')
			c = parse_escape(r);
		if (c < 0)
			return -1;
		if (c == 0)
			return error(r, "a string cannot contain a zero byte");
		v->string[n++] = (char)c;
		v->string[n] = 0;
	}
	r->at++;
	return 0;
}

static int parse_number(struct reader *r, struct xlcfg_value *v)
{
	const char *start = r->at;
	char *end;

	v->kind = XLCFG_NUMBER;
	errno = 0;
	v->number = strtoll(r->at, &end, 0);
	if (errno == ERANGE)
		return error(r, "number out of range");
	if (isalnum((unsigned char)*end) || *end == '_' || *end == '.')
		return error(r, "not a number: %.20s (strings need quotes)", r->at);
	r->at = end;
	v->string = strndup(start, (size_t)(end - start));
	return v->string ? 0 : error(r, "out of memory");
}

static int parse_list(struct reader *r, struct xlcfg_value *v, int depth)
{
	v->kind = XLCFG_LIST;
	if (depth == LIST_DEPTH)
		return error(r, "lists nested deeper than %d", LIST_DEPTH);
	r->at++;
	for (;;) {
		struct xlcfg_value *items;

		skip(r, true);
		if (*r->at == ']')
			break;
		items = grow(v->items, v->nr_items, sizeof(*items));
		if (!items)
			return error(r, "out of memory");
		v->items = items;
		memset(&items[v->nr_items], 0, sizeof(*items));
		if (parse_value(r, &items[v->nr_items++], depth + 1))
			return -1;
		skip(r, true);
		if (*r->at == ',')
			r->at++;
		else if (*r->at != ']')
			return error(r, "expected ',' or ']' in a list");
	}
	r->at++;
	return 0;
}

static int parse_value(struct reader *r, struct xlcfg_value *v, int depth)
{
	v->line = r->override ? 0 : r->line;
	if (*r->at == '"' || *r->at == '\'')
		return parse_string(r, v);
	if (*r->at == '[')
		return parse_list(r, v, depth);
	if (isdigit((unsigned char)*r->at) || *r->at == '-')
		return parse_number(r, v);
	return error(r, "expected a string in quotes, a number or a list");
}

static void free_value(struct xlcfg_value *v)
{
	free(v->string);
	for (size_t i = 0; i < v->nr_items; i++)
		free_value(&v->items[i]);
	free(v->items);
}

static struct xlcfg_value *find(const struct xlcfg *cfg, size_t nr, const char *key)
{
	for (size_t i = nr; i-- > 0;)
		if (strcmp(cfg->settings[i].key, key) == 0)
			return &cfg->settings[i].value;
	return NULL;
}

/* The setting just read was `key += value`: put @old and it together and drop the old one's value. */
static int add_value(struct reader *r, struct xlcfg_value *old, struct xlcfg_setting *s)
{
	struct xlcfg_value *v = &s->value;

	if ((old->kind == XLCFG_LIST) != (v->kind == XLCFG_LIST))
		return error(r, "%s: cannot add a list to a single value or the other way round", s->key);
	if (v->kind == XLCFG_LIST) {
		struct xlcfg_value *items;

		if (!v->nr_items)
			items = NULL;
		else if (!(items = realloc(old->items, (old->nr_items + v->nr_items) * sizeof(*items))))
			return error(r, "out of memory");
		if (items) {
			memcpy(items + old->nr_items, v->items, v->nr_items * sizeof(*items));
			old->items = items;
			old->nr_items += v->nr_items;
		}
		free(v->items);
		v->items = old->items;
		v->nr_items = old->nr_items;
		old->items = NULL;
		old->nr_items = 0;
	} else {
		size_t n = strlen(old->string), m = strlen(v->string);
		char *joined = malloc(n + m + 1);

		if (!joined)
			return error(r, "out of memory");
		memcpy(joined, old->string, n);
		memcpy(joined + n, v->string, m + 1);
		free(v->string);
		v->string = joined;
		v->kind = XLCFG_STRING;
	}
	return 0;
}

static int parse_setting(struct reader *r)
{
	struct xlcfg *cfg = r->cfg;
	const char *key = r->at;
	struct xlcfg_setting *s;
	struct xlcfg_value *old;
	bool add;

	while (isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.') /* xl.conf has dots */
		r->at++;
	if (r->at == key || isdigit((unsigned char)*key))
		return error(r, "expected the name of a setting");
	s = grow(cfg->settings, cfg->nr_settings, sizeof(*s));
	if (!s)
		return error(r, "out of memory");
	cfg->settings = s;
	s += cfg->nr_settings;
	memset(s, 0, sizeof(*s));
	s->key = strndup(key, (size_t)(r->at - key));
	cfg->nr_settings++;
	if (!s->key)
		return error(r, "out of memory");
	skip(r, false);
	add = *r->at == '+';
	if (r->at[add] != '=')
		return error(r, "expected '=' after %s", s->key);
	r->at += add + 1;
	skip(r, false);
	if (parse_value(r, &s->value, 0))
		return -1;
	skip(r, false);
	if (*r->at && *r->at != '\n' && *r->at != ';')
		return error(r, "unexpected text after the value of %s", s->key);
	old = add ? find(cfg, cfg->nr_settings - 1, s->key) : NULL;
	return old ? add_value(r, old, s) : 0;
}

static int parse_all(struct reader *r)
{
	for (;;) {
		skip(r, true);
		if (*r->at == 0)
			return 0;
		if (*r->at == ';')
			r->at++;
		else if (parse_setting(r))
			return -1;
	}
}

int xlcfg_parse(struct xlcfg *cfg, const char *file, const char *text)
{
	struct reader r = { cfg, file, text, 1, false };

	memset(cfg, 0, sizeof(*cfg));
	return parse_all(&r);
}

int xlcfg_override(struct xlcfg *cfg, const char *text)
{
	struct reader r = { cfg, "command line", text, 1, true };

	return parse_all(&r);
}

void xlcfg_free(struct xlcfg *cfg)
{
	for (size_t i = 0; i < cfg->nr_settings; i++) {
		free(cfg->settings[i].key);
		free_value(&cfg->settings[i].value);
	}
	free(cfg->settings);
	cfg->settings = NULL;
	cfg->nr_settings = 0;
}

const struct xlcfg_value *xlcfg_get(const struct xlcfg *cfg, const char *key)
{
	return find(cfg, cfg->nr_settings, key);
}
