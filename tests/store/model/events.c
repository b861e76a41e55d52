/* Which events must come of a change, and which may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static bool readable(const struct mtree *tree, const char *path, unsigned domid)
{
	const struct mnode *n = tree_get(tree, path);
	return n && model_access(&t.m, n, domid) & 1;
}

static bool visible(const struct mtree *before, const struct mtree *after, const char *path, unsigned domid)
{
	char up[96];
	if (readable(before, path, domid) || readable(after, path, domid))
		return true;
	return path_parent(path, up) && (readable(before, up, domid) || readable(after, up, domid));
}

/* Take the event (@path absolute, @w) from the client's list; waits for it. */
bool take_event(struct client *c, const struct watch *w, const char *path)
{
	const char *text = *path ? path : "/";
	char home[32];
	size_t n = (size_t)sprintf(home, "/local/domain/%u/", c->link.domid);
	if (w->relative)
		text += n;
	for (;;) {
		for (struct event **at = &c->link.events, *e; (e = *at); at = &e->next) {
			if (strcmp(e->path, text) || strcmp(e->token, w->token))
				continue;
			*at = e->next;
			if (!e->next)
				c->link.events_end = at;
			free(e);
			t.events++;
			return true;
		}
		if (!link_wait_event(&c->link, 3000))
			return false;
	}
}

void no_more_events(const char *when)
{
	for (unsigned i = 0; i < LINKS; i++) {
		struct event *e = t.c[i].link.events;
		if (t.c[i].open && e)
			die("%s: client %u (domain %u) got an event that nothing explains: %s %s", when, i,
			    t.c[i].link.domid, e->path, e->token);
	}
}

/* @path changed between the two trees (@removed: with its subtree): each watch that must fire, has. */
void expect_events(const struct mtree *before, const struct mtree *after, const char *path, bool removed)
{
	for (unsigned i = 0; i < LINKS; i++) {
		struct client *c = &t.c[i];
		for (unsigned k = 0; c->open && k < MAX_WATCHES; k++) {
			const struct watch *w = &c->watches[k];
			const char *fired;
			if (!w->set)
				continue;
			if (path_below(path, w->path))
				fired = path;
			else if (removed && path_below(w->path, path) && tree_get(before, w->path))
				fired = w->path;
			else
				continue;
			if (!visible(before, after, fired, c->link.domid))
				continue;
			if (!take_event(c, w, fired)) {
				die("client %u (domain %u) missed the event %s %s", i, c->link.domid, fired, w->token);
			}
		}
	}
}

static void __attribute__((noreturn))
missed_event(const struct tx *x, const struct mtree *before, const struct mtree *after, unsigned client,
	     const char *path, const char *token)
{
	struct mnode *a = tree_get(before, path), *b = tree_get(after, path);
	for (unsigned i = 0; i < x->nr; i++)
		show("of it", &x->log[i].op, &x->log[i].answer);
	die("client %u missed the event %s %s of a commit (before %d, after %d, after %lu operations)", client, path,
	    token, a != NULL, b != NULL, t.done);
}

/* Did an operation name the node that came, went or changed? (Not just one above or below it.) */
static bool touched(const struct tx *x, const char *path, bool gone, bool made)
{
	bool explicit = false, below = false, there = !made;
	for (unsigned i = 0; i < x->nr; i++) {
		const struct op *op = &x->log[i].op;
		bool same = !strcmp(op->path, path);
		if (op->type <= OP_GET_PERMS || x->log[i].answer.err)
			continue;
		if (op->type == OP_RM && same && !there)
			continue; /* gone before it was named */
		there = op->type == OP_RM ? there && !path_below(path, op->path) : there || path_below(op->path, path);
		if (op->type == OP_RM && path_below(path, op->path)) {
			explicit = same && gone;
			below = false;
		} else if (same && (op->type == OP_WRITE || op->type == OP_SET_PERMS)) {
			explicit = !gone;
		} else if (same && op->type == OP_MKDIR) {
			explicit |= made && !below;
		} else if (path_below(op->path, path)) {
			below = true;
		}
	}
	return explicit;
}

/* After a commit: every node that differs has been told; more events for nodes it touched are fine. */
void expect_commit_events(const struct mtree *before, const struct mtree *after, const struct tx *x)
{
	for (unsigned i = 0, k = 0; i < before->nr || k < after->nr;) {
		const struct mnode *a = i < before->nr ? before->n[i] : NULL, *b = k < after->nr ? after->n[k] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
		const char *path = order > 0 ? b->path : a->path;
		bool implicit;
		if (order <= 0)
			i++;
		if (order >= 0)
			k++;
		if (order == 0 && a == b)
			continue;
		/* A removed descendant tells only its own watches; an implicit parent is told by what was made below it. */
		implicit = !touched(x, path, order<0, order> 0);
		for (unsigned l = 0; !implicit && l < LINKS; l++) {
			struct client *c = &t.c[l];
			/* Only privileged clients: what guests may see of intermediate states is not worth modelling. */
			for (unsigned w = 0; c->open && !c->link.domid && w < MAX_WATCHES; w++)
				if (c->watches[w].set && path_below(path, c->watches[w].path) &&
				    !take_event(c, &c->watches[w], path))
					missed_event(x, before, after, l, path, c->watches[w].token);
		}
	}
	/* The rest must belong to what the transaction did. */
	for (unsigned i = 0; i < LINKS; i++) {
		struct client *c = &t.c[i];
		char out[4097];
		size_t len;
		if (!c->open)
			continue;
		link_ask(&c->link, XS_GET_DOMAIN_PATH, 0, "0", 2, out, &len);
		for (struct event *e = c->link.events; e; e = e->next) {
			char path[192];
			bool explained = false;
			if (e->path[0] == '/')
				strcpy(path, strcmp(e->path, "/") ? e->path : "");
			else
				snprintf(path, sizeof(path), "/local/domain/%u/%s", c->link.domid, e->path);
			for (unsigned l = 0; l < x->nr; l++)
				explained |= x->log[l].op.type > OP_GET_PERMS && path_below(path, x->log[l].op.path);
			if (!explained)
				die("client %u: a commit fired %s", i, e->path);
			t.events++;
		}
		link_forget_events(&c->link);
	}
}
