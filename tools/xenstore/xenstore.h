/* The parts of the xenstore tool. */
#ifndef TOOLS_XENSTORE_H
#define TOOLS_XENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum mode {
	MODE_NONE,
	MODE_CHMOD,
	MODE_CONTROL,
	MODE_EXISTS,
	MODE_LIST,
	MODE_LS,
	MODE_READ,
	MODE_RM,
	MODE_WATCH,
	MODE_WRITE
};

struct settings {
	enum mode mode;
	bool prefix;  /* -p: print paths (read, list) or permissions (ls) */
	bool tidy;    /* -t */
	bool recurse; /* -r */
	bool upto;    /* -u */
	bool raw;     /* -R */
	bool flat;    /* -f */
	bool json;    /* --json */
	int events;   /* -n, -1 for ever */
	int depth;    /* -d, -1 none */
};

/* Output is kept until the transaction is over, for it may be done again. */
struct text {
	char *data;
	size_t len, size;
};
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *t, const void *data, size_t len);
/* Printable: \t \n \r \\, octal below 8, hexadecimal for the rest. */
void text_escaped(struct text *t, const char *value, size_t len);
/* A JSON string with its quotes: bytes that are no UTF-8 become U+0080 to U+00FF. */
void text_json(struct text *t, const char *value, size_t len);
void text_print(struct text *t);
void text_free(struct text *t);
/* Undo text_escaped() in place; returns the length. */
size_t unescape(char *s);

/* Each does its command on the words at @argv and returns the exit status, or -EAGAIN for once more. */
void cmd_ls(struct store *s, const struct settings *set, const char *path);
int cmd_control(struct store *s, const struct settings *set, int argc, char **argv);
int control_usage(const char *program);

#endif
