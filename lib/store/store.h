/*
 * A client of the store: blocking calls, one at a time on a handle. For programs with an event loop see store/async.h.
 *
 * Functions that return int give 0 or an errno value; those that return a pointer give NULL and set errno. What they
 * return is one piece of malloc()ed memory for free(). A handle is for one thread. After EIO it is dead: close it.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Never try the kernel's device, or only that one. */
#define STORE_SOCKET_ONLY 1u
#define STORE_DEVICE_ONLY 2u

/*
 * Find the daemon: XENSTORED_PATH (socket or device), XENSTORED_RUNDIR/socket, /run/xenstored/socket, then
 * /dev/xen/xenbus and /proc/xen/xenbus.
 */
struct store *store_open(unsigned flags);
/* Drops watches and open transactions. */
void store_close(struct store *s);
/* Readable when an event may be there. */
int store_fd(const struct store *s);

/* @tx is 0 or the id of a transaction. A value has a NUL after its @len bytes (@len may be NULL). */
char *store_read(struct store *s, uint32_t tx, const char *path, size_t *len);
/* Many values, asked for together: values[i] is as store_read() would give it. One by one, waiting costs several times what reading does. */
void store_read_several(struct store *s, const char *const *paths, unsigned nr, char **values);
int store_write(struct store *s, uint32_t tx, const char *path, const void *value, size_t len);
int store_mkdir(struct store *s, uint32_t tx, const char *path);
int store_rm(struct store *s, uint32_t tx, const char *path);
/* Names of the children: *@nr pointers. Directories of any size (a large one is read in parts). */
char **store_list(struct store *s, uint32_t tx, const char *path, unsigned *nr);

struct store_perm {
	uint32_t id;
	unsigned access; /* WIRE_PERM_* */
};
/* The first entry is the owner and what everybody else may do. */
struct store_perm *store_get_perms(struct store *s, uint32_t tx, const char *path, unsigned *nr);
int store_set_perms(struct store *s, uint32_t tx, const char *path, const struct store_perm *perms, unsigned nr);

int store_transaction_start(struct store *s, uint32_t *tx);
/* EAGAIN: nothing was done, do it all again. */
int store_transaction_end(struct store *s, uint32_t tx, bool commit);
/*
 * Run @fn in a transaction until it commits. What @fn returns other than 0 aborts and is returned; it may be called
 * several times and must begin afresh each time.
 */
int store_transact(struct store *s, int (*fn)(struct store *s, uint32_t tx, void *arg), void *arg);

int store_watch(struct store *s, const char *path, const char *token);
/* Only changes at most @depth levels below: needs a daemon with that feature, EINVAL otherwise. */
int store_watch_depth(struct store *s, const char *path, const char *token, unsigned depth);
int store_unwatch(struct store *s, const char *path, const char *token);
/* The next event, waiting at most @timeout_ms (-1: for ever): path, NUL, token, NUL. NULL with errno EAGAIN: none came. */
char *store_event(struct store *s, int timeout_ms, const char **token);

/* Domains: for privileged clients. */
int store_introduce(struct store *s, uint32_t domid, uint64_t gfn, uint32_t port);
int store_release(struct store *s, uint32_t domid);
int store_resume(struct store *s, uint32_t domid);
int store_set_target(struct store *s, uint32_t domid, uint32_t target);
int store_is_introduced(struct store *s, uint32_t domid, bool *introduced);
char *store_domain_path(struct store *s, uint32_t domid);

/* CONTROL: the words of the command; the daemon's text. */
char *store_control(struct store *s, const char *const *words, unsigned nr);

#endif
