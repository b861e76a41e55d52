/*
 * Watches: a tree of path components with the watches set at each. A change looks at its own components only, so
 * neither the number of watches nor of connections matters to a write.
 *
 * A watch fires for its node and all below it, unless it has a depth (0: only the node, 1: its children too, ...). Removing a
 * node fires each watch inside the removed subtree once with its own path, if that existed.
 */
#ifndef XENSTORED_WATCH_H
#define XENSTORED_WATCH_H

#include "conn.h"
#include "perms.h"

struct watch_group;
struct watch_node;

struct watch {
	struct watch *next_in_conn, **prev_in_conn;
	struct watch *next_in_group, **prev_in_group;
	struct watch_group *group;
	struct conn *c;	  /* NULL: removed while events are being sent, freed after */
	uint64_t birth;	  /* number of the watch: later ones have larger ones */
	int depth;	  /* -1: no limit */
	bool relative;	  /* events name the path below /local/domain/<id>/ */
	const char *path; /* as given, for special names and the first event */
	const char *token;
	char data[];
};

#define WATCH_ANY_DEPTH (-1)

/*
 * Set a watch; @path as given: relative, absolute, or special. Nothing fires: the caller replies, then sends the first event.
 * EEXIST: same path and token; ENOMEM. Quota is the caller's to check.
 */
int watch_add(struct conn *c, const char *path, const char *token, int depth);
/* Bytes it would cost its domain: as if nobody else watched any part of the path. */
size_t watch_cost(const struct conn *c, const char *path, const char *token);
/* "/local/domain/7/" before a relative path of @c; its length, 0: there is no room for any. */
size_t watch_home(const struct conn *c, char *buf, size_t size);
bool watch_exists(const struct conn *c, const char *path, const char *token);
/* ENOENT: there is none. */
int watch_remove(struct conn *c, const char *path, const char *token);
/* All of a connection; safe while events are being sent, and twice. */
void watch_remove_all(struct conn *c);

/* Who may see an event: readers of the node or of its parent, before or after the change. NULL: it did/does not exist. */
struct watch_perms {
	struct perms *node[2], *parent[2];
};
/*
 * Send the events of a change at absolute @path. @exact: only watches set at @path itself (a node that vanished
 * with an ancestor). Connections may be closed by what this calls.
 *
 * Each connection is asked once whether it may see the change and takes events at all. An unprivileged one that has several
 * watches there is only told what it is owed (conn_owe()): making the events is work for the time when it takes them. If many such are concerned, they are told by a chore (chores.h).
 */
void watch_fire(const char *path, bool exact, const struct watch_perms *ps);
/*
 * The removal of a large subtree in three parts (removal.c): what privileged clients watch inside @removed, that was at @path, at once and from
 * below; what guests watch, node for node, as a chore; and @path itself, of which guests hear when that chore is done.
 */
struct node;
void watch_fire_inside_privileged(const char *path, struct node *removed);
void watch_fire_inside_guests(const char *path, const struct watch_perms *ps);
bool watch_inside(const char *path); /* is there a watch below it? */
/*
 * The events of a large commit are on their way, as a chore: meanwhile those of other changes come after them, for privileged clients too.
 */
void watch_in_order(bool begin);
void watch_fire_removed(const char *path, const struct watch_perms *ps);
/*
 * @introduceDomain or @releaseDomain for domain @id: plain watches get the bare name, watches with "/<id>" or a depth get
 * "<name>/<id>". The domain's state must already be what the event tells.
 */
void watch_fire_special(const char *name, uint32_t id);

/* What changed: one for all connections that are owed its events. */
struct change {
	uint32_t refs;
	uint32_t hash; /* of the path */
	int depth;     /* of the path: its components */
	bool exact;    /* only watches at the path itself */
	bool special;  /* the path is "<special name>/<id>" */
	char path[];
};
void change_put(struct change *ch);

/* The events of one change to one connection, outermost watches first, and how many of them were handed out. */
struct owed {
	struct change *change; /* a reference */
	uint64_t upto;	       /* of the watches there were then, the last one's number */
	unsigned level;	       /* watches of so many components are done, */
	uint64_t last;	       /* and of the next those up to this number */
};
/* The watch that was set last, for "upto". */
uint64_t watch_newest(const struct conn *c);
/*
 * Hand the next ones to @fn until it returns false: it did not take that one and no more. True: that was all. A watch that was
 * removed meanwhile has no event.
 */
bool owed_events(const struct conn *c, struct owed *o, bool (*fn)(void *arg, const char *path, const char *token),
		 void *arg);

/* All of a connection, in the order they were set. */
void watch_each(const struct conn *c, void (*fn)(void *arg, const char *path, const char *token, int depth), void *arg);
/* Send the first event of each watch of @c again, with its path as given. */
void watch_fire_all(struct conn *c);
/* Permissions of the two special names: NULL if @name is none. Set: ENOMEM, EINVAL. */
const struct perms *watch_special_perms(const char *name);
int watch_set_special_perms(const char *name, const struct perm *p, unsigned nr);
/* The two names with what holds for them, then what was set for single domains. */
void watch_each_special(void (*fn)(void *arg, const char *name, const struct perms *ps), void *arg);
/* Permissions set for one domain ("@releaseDomain/7") go with it, once its last event was sent. */
void watch_forget_special(uint32_t id);
/* Free what is left (tests). */
void watch_exit(void);

/*
 * Is any watch set at or below a path? A cursor follows a walk of the tree: NULL from watch_cursor() or watch_child()
 * means no watch at or below, so the walk need not ask further.
 */
struct watch_node *watch_cursor(const char *path);
struct watch_node *watch_child(struct watch_node *at, const char *name, size_t len);
bool watch_here(const struct watch_node *at);

/* Number of watches and bytes they take, for the memory report. */
void watch_stats(unsigned *nr, size_t *bytes);

#endif
