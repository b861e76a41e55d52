/* Inside the reader of xl.cfg: what its files share. */
#ifndef DOMAIN_PARSE_H
#define DOMAIN_PARSE_H

#include "domain/config.h"
#include "domain/xlcfg.h"

struct key_info;

struct parser {
	struct domain_config *c;
	struct xlcfg cfg;
	config_remark *remark;
	void *arg;
	struct problem *p; /* never NULL */
};

/* A problem at that line (0: on the command line). Returns -EINVAL. */
int parser_bad(struct parser *ps, int line, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void parser_remark(struct parser *ps, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* 1 found, 0 not there, -EINVAL with the problem. */
int parser_string(struct parser *ps, const char *key, const char **out);
int parser_number(struct parser *ps, const char *key, long long min, long long max, long long *out);
/* Call @fn for the string, or for each of the list. What it returns other than 0 ends it. */
int parser_for_strings(struct parser *ps, const char *key,
		       int (*fn)(struct parser *ps, const char *key, const char *s, int line));

/* parse_other.c: keys that only the JSON keeps; lists of resources; the screen of HVM domains. */
int parse_other(struct parser *ps, const struct key_info *k, const struct xlcfg_value *v);
int parse_hardware(struct parser *ps);
int parse_hvm(struct parser *ps);

#endif
