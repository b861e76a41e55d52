/*
 * The grammar of xl.cfg: settings `key = value`, or `key += value` which adds to what the key has, ended by a new line or ';'; values are strings,
 * numbers and lists; '#' starts a comment. What keys mean is the caller's business.
 */
#ifndef DOMAIN_XLCFG_H
#define DOMAIN_XLCFG_H

#include <stdbool.h>
#include <stddef.h>

enum xlcfg_kind { XLCFG_STRING, XLCFG_NUMBER, XLCFG_LIST };

struct xlcfg_value {
	enum xlcfg_kind kind;
	int line;		   /* 0: not from the file (an override) */
	char *string;		   /* XLCFG_STRING; of a number its text */
	long long number;	   /* XLCFG_NUMBER */
	struct xlcfg_value *items; /* XLCFG_LIST */
	size_t nr_items;
};

struct xlcfg_setting {
	char *key;
	struct xlcfg_value value;
};

struct xlcfg {
	struct xlcfg_setting *settings; /* in file order; of two with one key the last counts */
	size_t nr_settings;
	char error[256]; /* "file:line: what is wrong" */
};

/* Parse @text, which is terminated; @file is for messages. -1 with cfg->error set. Free with xlcfg_free() in any case. */
int xlcfg_parse(struct xlcfg *cfg, const char *file, const char *text);
/* Read more settings, from the command line: they count instead of those before, or add to them; their lines are 0. */
int xlcfg_override(struct xlcfg *cfg, const char *text);
void xlcfg_free(struct xlcfg *cfg);
/* The setting that counts for @key, or NULL. */
const struct xlcfg_value *xlcfg_get(const struct xlcfg *cfg, const char *key);

#endif
