/* All keys of xl.cfg that the structure does not hold by itself: where libxl's JSON keeps them, and for whom they are. */
#ifndef DOMAIN_KEYS_H
#define DOMAIN_KEYS_H

#include <stdint.h>

enum key_kind {
	KEY_STRUCT,  /* read by parse.c */
	KEY_BOOL,    /* "True" or "False" */
	KEY_NUMBER,  /* times scale */
	KEY_STRING,  /* as it is */
	KEY_STRINGS, /* a list, or one string as a list of one */
	KEY_NAMED,   /* known, not kept */
};

#define FOR_PV 1u
#define FOR_PVH 2u
#define FOR_HVM 4u
#define FOR_ALL 7u

struct key_info {
	const char *key;
	enum key_kind kind;
	const char *path; /* in the JSON, or NULL: not kept */
	uint32_t scale;
	unsigned types;	     /* domains it means something to */
	const char *feature; /* not NULL: what it belongs to, which is not there */
};

/* NULL: no such key. */
const struct key_info *key_find(const char *key);
extern const struct key_info key_table[];
extern const unsigned nr_keys;

#endif
