/*
 * The model: what a store is, as simply as it can be said. A tree is a sorted list of nodes; an operation is a function of
 * a tree and a domain; a transaction is the list of its operations and answers. Nothing here is shared with the daemon.
 */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_DOMAINS 6 /* 0 and five guests */
#define MAX_PERMS 5
#define MAX_ANSWER 4200

struct mperm {
	unsigned id, access; /* bits: 1 read, 2 write */
	unsigned life;	     /* of the domain when the entry was made; 0: there was none */
};

struct mnode {
	int refs;
	unsigned nr_perms;
	struct mperm perms[MAX_PERMS];
	size_t len; /* of the value */
	char *value;
	char path[]; /* the root's is "" */
};

struct mtree {
	struct mnode **n;
	unsigned nr, size;
};

enum op_type { OP_READ, OP_LIST, OP_GET_PERMS, OP_WRITE, OP_MKDIR, OP_RM, OP_SET_PERMS };

struct op {
	enum op_type type;
	unsigned domid;
	bool relative; /* spelled so in the request */
	char path[96]; /* absolute; the root is "" */
	size_t len;
	char value[1600];
	unsigned nr_perms;
	struct mperm perms[MAX_PERMS];
};

struct answer {
	int err; /* errno value */
	size_t len;
	char data[MAX_ANSWER]; /* names of OP_LIST are sorted */
};

struct model {
	struct mtree live;
	unsigned life[MAX_DOMAINS]; /* 0: does not exist */
	unsigned next_life;
	unsigned node_limit;
};

void tree_copy(struct mtree *to, const struct mtree *from);
void tree_free(struct mtree *t);
struct mnode *tree_get(const struct mtree *t, const char *path);
unsigned tree_owned(const struct mtree *t, unsigned domid);
/* The first difference of two trees as text, or NULL. */
const char *tree_difference(const struct model *m, const struct mtree *a, const struct mtree *b);

/* May @domid read / write the node? */
unsigned model_access(const struct model *m, const struct mnode *n, unsigned domid);
/* Do @op on @t. @elsewhere: nodes its domain owns in the live tree beyond those in the one @t began as. */
void model_apply(const struct model *m, struct mtree *t, const struct op *op, int elsewhere, struct answer *out);
/* Are the answers the same, as far as a client can tell? */
bool answers_equal(const struct model *m, const struct op *op, const struct mtree *t, const struct answer *a,
		   const struct answer *b);
/* A domain is gone: its nodes with all below them go too. */
void model_domain_gone(struct model *m, unsigned domid);
void model_init(struct model *m);
/* Put a node as it was found. */
void tree_put(struct mtree *t, const char *path, const void *value, size_t len, const struct mperm *perms, unsigned nr);
/* "parent" of a path in @buf; false for the root. */
bool path_parent(const char *path, char *buf);
/* Is @path @top or below it? */
bool path_below(const char *path, const char *top);

#endif
