/*
 * The store, as the daemon uses it: asynchronous requests that survive the store's death, changes collected into one transaction, whole
 * directories read at once, watches with a function each.
 *
 * A request that could not be answered because the connection ended calls back with EIO; once the store is there again watches are
 * set anew and the functions of xs_on_up() are called.
 */
#ifndef HOSPESD_XS_H
#define HOSPESD_XS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @err: 0 or an errno value. @body ends with a NUL after its @len bytes; it is NULL on an error. */
typedef void xs_done(void *arg, int err, const char *body, size_t len);

/* Connect; if nobody is there, go on trying. 0 or -errno. */
int xs_open(void);
void xs_close(void);
/* The connection's end, before xs_close(): what is unanswered is told EIO, so all it is for must still be there. */
void xs_stop(void);
bool xs_up(void);
/* Call @fn(@arg) each time the store is there (again). One function. */
void xs_on_up(void (*fn)(void *arg), void *arg);
/* Number of requests sent so far. */
uint64_t xs_requests(void);

/* @done may be NULL. It is never called before these return. */
void xs_read(const char *path, xs_done *done, void *arg);
void xs_write(const char *path, const char *value, xs_done *done, void *arg);
/* The children's names, each with its NUL. */
void xs_list(const char *path, xs_done *done, void *arg);
void xs_rm(const char *path, xs_done *done, void *arg);
void xs_introduce(uint32_t domid, uint64_t gfn, uint32_t port, xs_done *done, void *arg);

/* Changes that become visible together. */
struct xs_batch;
struct xs_change {
	enum { XS_CHANGE_WRITE, XS_CHANGE_PERMS, XS_CHANGE_RM } kind;
	char *path;
	char *value; /* of PERMS: "n0 r7" */
};
struct xs_batch *xs_batch_new(void);
void xs_batch_free(struct xs_batch *b);
void xs_batch_write(struct xs_batch *b, const char *value, const char *path_fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Like snprintf for the value; the path is as it is. */
void xs_batch_printf(struct xs_batch *b, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* @perms: entries as the wire has them, separated by blanks: "n7 r0". */
void xs_batch_perms(struct xs_batch *b, const char *perms, const char *path_fmt, ...)
	__attribute__((format(printf, 3, 4)));
void xs_batch_rm(struct xs_batch *b, const char *path_fmt, ...) __attribute__((format(printf, 2, 3)));
const struct xs_change *xs_batch_changes(const struct xs_batch *b, size_t *nr);
/* Do it all in one transaction, again until it does not conflict. Takes @b over. Removing what is not there is no error. */
void xs_batch_commit(struct xs_batch *b, xs_done *done, void *arg);

/* A part of the tree. */
struct xs_node {
	struct xs_node *next, *children;
	char *value; /* NULL: it vanished or may not be read */
	char name[];
};
/* @root is the node at the path, to be freed by the callee, or NULL if there is none (@err ENOENT) or @err. */
typedef void xs_got_tree(void *arg, int err, struct xs_node *root);
/* Read @path with all below; at most 65536 nodes (E2BIG). */
void xs_read_tree(const char *path, xs_got_tree *got, void *arg);
void xs_node_free(struct xs_node *n);
/* The node at relative @path below @n, or NULL. */
const struct xs_node *xs_node_find(const struct xs_node *n, const char *path);
/* Its value, or NULL. */
const char *xs_node_value(const struct xs_node *n, const char *path);

/* @path is that of the change. */
typedef void xs_fired(void *arg, const char *path);
struct xs_watch;
/* As the store does, the function is called once soon after. */
struct xs_watch *xs_watch(const char *path, xs_fired *fn, void *arg);
/* No call comes after this. NULL is allowed. */
void xs_unwatch(struct xs_watch *w);

#endif
