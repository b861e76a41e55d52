/* Requests: what each type's body must look like, who may send it, what answers it. */
#include "request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chores.h"
#include "commit.h"
#include "conflict.h"
#include "control.h"
#include "domain.h"
#include "journal.h"
#include "live.h"
#include "store.h"
#include "transaction.h"
#include "update.h"
#include "view.h"
#include "watch.h"

/* Components of a path that a guest may name. */
#define GUEST_DEPTH 32

static struct {
	char answer[XENSTORE_PAYLOAD_MAX];
	char path[XENSTORE_ABS_PATH_MAX + 1];
} scratch;

static int answer(struct request *r, const void *data, size_t len)
{
	r->out = data;
	r->out_len = len;
	return 0;
}

static int answer_ok(struct request *r)
{
	return answer(r, "OK", 3);
}

/*
 * Names.
 */

/* To find a node takes time for each component. */
static bool too_deep(const char *path)
{
	unsigned nr = 0;

	while ((path = strchr(path, '/')) && nr <= GUEST_DEPTH) {
		path++;
		nr++;
	}
	return nr > GUEST_DEPTH;
}

/* The absolute form of @len bytes at @given, in r->path. EINVAL. */
static int absolute_path(struct request *r, const char *given, size_t len)
{
	size_t at = 0;

	if (!wire_path_valid(given, len, false))
		return EINVAL;
	if (given[0] != '/')
		at = watch_home(r->c, scratch.path, sizeof(scratch.path));
	if (at + len > XENSTORE_ABS_PATH_MAX)
		return EINVAL;
	memcpy(scratch.path + at, given, len);
	scratch.path[at + len] = '\0';
	if (quota_too_big(r->c->domain, QUOTA_PATH_MAX, at + len - wire_domain_prefix(scratch.path)))
		return EINVAL;
	if (!conn_privileged(r->c) && too_deep(scratch.path))
		return EINVAL;
	r->path = scratch.path;
	return 0;
}

/* The body is one string and no more: its path goes to r->path. */
static int only_path(struct request *r)
{
	if (!r->len || memchr(r->body, '\0', r->len) != r->body + r->len - 1)
		return EINVAL;
	return absolute_path(r, r->body, r->len - 1);
}

/*
 * Operations on the tree.
 */

static int do_read(struct request *r)
{
	struct node *n;
	int err = only_path(r);

	if (!err)
		err = view_read(r->v, r->path, &n);
	return err ? err : answer(r, node_value(n), n->value_len);
}

static int do_directory(struct request *r)
{
	struct node *n;
	int err = only_path(r);

	if (!err)
		err = view_read(r->v, r->path, &n);
	if (err)
		return err;
	if (node_names_len(n) > XENSTORE_PAYLOAD_MAX)
		return E2BIG;
	node_names(n, r->buf);
	return answer(r, r->buf, node_names_len(n));
}

/* <path> <offset> to <generation> <names from that byte of the list on>, and an empty name at the end. */
static int do_directory_part(struct request *r)
{
	const char *args[2];
	uint64_t offset;
	struct node *n;
	size_t head, len;
	bool end;
	int err;

	if (wire_split(r->body, r->len, args, 2) != 2)
		return EINVAL;
	err = absolute_path(r, args[0], strlen(args[0]));
	if (err)
		return err;
	if (!wire_parse_number(args[1], UINT32_MAX, &offset))
		return EINVAL;
	err = view_read(r->v, r->path, &n);
	if (err)
		return err;
	head = (size_t)snprintf(r->buf, XENSTORE_PAYLOAD_MAX, "%" PRIu64, n->generation) + 1;
	len = node_names_part(n, offset, r->buf + head, XENSTORE_PAYLOAD_MAX - head - 1, &end);
	if (end)
		r->buf[head + len++] = '\0';
	/* The generation tells whether to begin again; a transaction cares for the names. */
	r->out_skip = head;
	return answer(r, r->buf, head + len);
}

static int do_get_perms(struct request *r)
{
	struct node *n;
	size_t len;
	int err = only_path(r);

	if (!err)
		err = view_read(r->v, r->path, &n);
	if (!err)
		err = perms_format(n->perms, r->buf, &len);
	return err ? err : answer(r, r->buf, len);
}

static int do_write(struct request *r)
{
	const char *nul = r->len ? memchr(r->body, '\0', r->len) : NULL;
	int err;

	if (!nul)
		return EINVAL;
	err = absolute_path(r, r->body, (size_t)(nul - r->body));
	if (!err)
		err = view_write(r->v, r->path, nul + 1, (size_t)(r->body + r->len - nul - 1));
	return err ? err : answer_ok(r);
}

static int do_mkdir(struct request *r)
{
	int err = only_path(r);

	if (!err)
		err = view_mkdir(r->v, r->path);
	return err ? err : answer_ok(r);
}

static int do_rm(struct request *r)
{
	int err = only_path(r);

	if (!err)
		err = view_rm(r->v, r->path);
	return err ? err : answer_ok(r);
}

/* Path and entries of SET_PERMS. */
static int parse_set_perms(struct request *r, const char **path, struct perm *perms, unsigned *nr)
{
	const char *args[PERMS_MAX + 1];
	int n = wire_split(r->body, r->len, args, PERMS_MAX + 1);

	if (n < 2 || n > PERMS_MAX + 1)
		return EINVAL;
	*path = args[0];
	*nr = (unsigned)n - 1;
	/* Before ids are looked up: that may ask the hypervisor for each. */
	if (quota_too_big(r->c->domain, QUOTA_NODE_PERMISSIONS, *nr))
		return ENOSPC;
	return perms_parse(args + 1, *nr, perms);
}

static int do_set_perms(struct request *r)
{
	struct perm perms[PERMS_MAX];
	const char *path;
	unsigned nr;
	int err = parse_set_perms(r, &path, perms, &nr);

	if (!err)
		err = absolute_path(r, path, strlen(path));
	if (!err)
		err = view_set_perms(r->v, r->path, perms, nr);
	return err ? err : answer_ok(r);
}

/*
 * Many changes in one request.
 */

/* @name below @dir, or as it is; in r->path. */
static int change_path(struct request *r, const char *dir, const char *name)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	int n;

	if (*name == '/' || !*dir)
		return absolute_path(r, name, strlen(name));
	n = snprintf(path, sizeof(path), *name ? "%s/%s" : "%s%s", dir, name);
	return (size_t)n < sizeof(path) ? absolute_path(r, path, (size_t)n) : EINVAL;
}

/* Permissions with blanks between. */
static int change_perms(struct request *r, const char *text)
{
	const char *args[PERMS_MAX];
	struct perm perms[PERMS_MAX];
	char copy[16 * PERMS_MAX], *save = NULL;
	unsigned nr = 0;
	int err;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return EINVAL;
	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
		if (nr == PERMS_MAX)
			return EINVAL;
		args[nr++] = s;
	}
	err = perms_parse(args, nr, perms);
	return err ? err : view_set_perms(r->v, r->path, perms, nr);
}

/* The next string of the body, or NULL. */
static const char *next_string(const struct request *r, size_t *at)
{
	const char *s = r->body + *at;

	if (*at >= r->len)
		return NULL;
	*at += strlen(s) + 1;
	return s;
}

static int do_changes(struct request *r)
{
	const char *dir = "", *what, *name, *value;
	size_t at = 0;
	int err = 0;

	if (!r->len || r->body[r->len - 1])
		return EINVAL;
	while (!err && (what = next_string(r, &at))) {
		name = next_string(r, &at);
		if (!name || !*what || what[1])
			return EINVAL;
		if (*what == 'd') {
			dir = name;
			continue;
		}
		err = change_path(r, dir, name);
		if (err)
			return err;
		value = *what == 'r' ? "" : next_string(r, &at);
		if (!value)
			return EINVAL;
		if (*what == 'w')
			err = view_write(r->v, r->path, value, strlen(value));
		else if (*what == 'p')
			err = change_perms(r, value);
		else if (*what == 'r')
			err = view_rm(r->v, r->path);
		else
			err = EINVAL;
		if (*what == 'r' && err == ENOENT)
			err = 0;
	}
	return err ? err : answer_ok(r);
}

/*
 * Permissions of the special names, which are in no tree and in no transaction.
 */

static int do_get_special(struct request *r)
{
	const struct perms *ps = r->body[r->len - 1] ? NULL : watch_special_perms(r->body);
	size_t len;
	int err;

	if (!ps || strlen(r->body) + 1 != r->len)
		return EINVAL;
	if (!(perms_access(ps, r->c) & WIRE_PERM_READ))
		return EACCES;
	err = perms_format(ps, r->buf, &len);
	return err ? err : answer(r, r->buf, len);
}

static int do_set_special(struct request *r)
{
	struct perm perms[PERMS_MAX];
	const struct perms *old;
	const char *path;
	unsigned nr;
	int err = parse_set_perms(r, &path, perms, &nr);

	if (err)
		return err;
	old = watch_special_perms(path);
	if (!old)
		return EINVAL;
	if (!conn_privileged(r->c))
		return EACCES;
	/* For one domain: they go with it, so it must be known. */
	if (strchr(path, '/'))
		(void)domain_get((uint32_t)strtoul(strchr(path, '/') + 1, NULL, 10));
	err = watch_set_special_perms(path, perms, nr);
	if (!err)
		journal_node(path, "", 0, perms, nr);
	return err ? err : answer_ok(r);
}

/*
 * Watches.
 */

/* The path as given, relative or special too, within limits; the absolute form is in r->path unless it is special. */
static int watch_path(struct request *r, const char *path)
{
	if (path[0] == '@')
		return wire_path_valid(path, strlen(path), true) ? 0 : EINVAL;
	return absolute_path(r, path, strlen(path));
}

static int do_watch(struct request *r)
{
	const char *args[3];
	uint64_t depth = 0;
	int64_t cost;
	int n = wire_split(r->body, r->len, args, 3), err;

	if (n != 2 && n != 3)
		return EINVAL;
	if (n == 3 && (!(r->c->domain->features & WIRE_FEATURE_WATCH_DEPTH) ||
		       !wire_parse_number(args[2], XENSTORE_ABS_PATH_MAX, &depth)))
		return EINVAL;
	err = watch_path(r, args[0]);
	if (err)
		return err;
	cost = (int64_t)watch_cost(r->c, args[0], args[1]);
	/* Without a refusal watch_add() finds out by itself. */
	if ((!quota_fits(r->c->domain, QUOTA_WATCHES, 1) || !quota_fits(r->c->domain, QUOTA_MEMORY, cost)) &&
	    watch_exists(r->c, args[0], args[1]))
		return EEXIST;
	if (quota_exceeded(r->c->domain, QUOTA_WATCHES, 1))
		return E2BIG;
	if (quota_exceeded(r->c->domain, QUOTA_MEMORY, cost))
		return ENOSPC;
	err = watch_add(r->c, args[0], args[1], n == 3 ? (int)depth : WATCH_ANY_DEPTH);
	if (err)
		return err;
	journal_watch(r->c, args[0], args[1], n == 3 ? (int)depth : WATCH_ANY_DEPTH, true);
	return answer_ok(r);
}

static int do_unwatch(struct request *r)
{
	const char *args[2];
	int err;

	if (wire_split(r->body, r->len, args, 2) != 2)
		return EINVAL;
	err = watch_path(r, args[0]);
	if (!err)
		err = watch_remove(r->c, args[0], args[1]);
	if (err)
		return err;
	journal_watch(r->c, args[0], args[1], WATCH_ANY_DEPTH, false);
	return answer_ok(r);
}

static void journal_unwatch(void *arg, const char *path, const char *token, int depth)
{
	journal_watch(arg, path, token, depth, false);
}

static void journal_forget_tx(void *arg, const struct store_tx *tx)
{
	journal_transaction(arg, tx->id, false);
}

/* So many of a guest's watches are removed at once, or one of its transactions. */
#define RESET_PART 4

/* The rest of them go as a chore, before its request comes again. */
struct reset {
	struct chore chore;
	uint32_t domain, conn;
};

static bool reset_is_large(const struct conn *c)
{
	return c->nr_watches > RESET_PART || c->nr_transactions > 1;
}

static bool reset_step(struct chore *chore)
{
	struct reset *s = (struct reset *)chore;
	const struct domain *d = domain_find(s->domain);
	struct conn *c = d ? d->conn : NULL;

	if (!c || c->id != s->conn || !reset_is_large(c)) {
		free(s);
		return true;
	}
	journal_begin(NULL);
	if (c->nr_transactions > 1) {
		uint32_t id = transaction_any(c);

		journal_transaction(c, id, false);
		(void)transaction_end(c, id, false);
	} else {
		for (int i = 0; i < RESET_PART; i++) {
			const struct watch *w = c->watches;

			journal_watch(c, w->path, w->token, w->depth, false);
			(void)watch_remove(c, w->path, w->token);
		}
	}
	journal_commit();
	return false;
}

bool request_drop_in_parts(const struct conn *c)
{
	struct reset *s = !conn_privileged(c) && reset_is_large(c) ? malloc(sizeof(*s)) : NULL;

	if (!s)
		return false;
	*s = (struct reset){ .chore.step = reset_step, .domain = c->domain->id, .conn = c->id };
	chores_add(&s->chore);
	return true;
}

static int do_reset_watches(struct request *r)
{
	if (r->len > 1 || (r->len && *r->body))
		return EINVAL;
	if (request_drop_in_parts(r->c))
		return EINPROGRESS;
	watch_each(r->c, journal_unwatch, r->c);
	transaction_each(r->c, journal_forget_tx, r->c);
	request_drop_state(r->c);
	return answer_ok(r);
}

/*
 * Transactions.
 */

static int do_transaction_start(struct request *r)
{
	uint32_t id;
	int err;

	if (r->tx)
		return transaction_find(r->c, r->tx) ? EBUSY : ENOENT;
	err = transaction_start(r->c, &id);
	if (err)
		return err;
	journal_transaction(r->c, id, true);
	return answer(r, r->buf, (size_t)snprintf(r->buf, XENSTORE_PAYLOAD_MAX, "%u", id) + 1);
}

static int do_transaction_end(struct request *r)
{
	int err;

	if (!transaction_find(r->c, r->tx))
		return ENOENT;
	if (r->len != 2 || r->body[1] || (r->body[0] != 'T' && r->body[0] != 'F'))
		return EINVAL;
	if (r->body[0] == 'T' && !transaction_ready(transaction_find(r->c, r->tx)))
		return EINPROGRESS;
	journal_transaction(r->c, r->tx, false);
	err = transaction_end(r->c, r->tx, r->body[0] == 'T');
	return err ? err : answer_ok(r);
}

/*
 * Domains.
 */

static int parse_numbers(struct request *r, uint64_t *out, unsigned nr, uint64_t max)
{
	const char *args[3];

	if (wire_split(r->body, r->len, args, 3) != (int)nr)
		return EINVAL;
	for (unsigned i = 0; i < nr; i++)
		if (!wire_parse_number(args[i], max, &out[i]))
			return EINVAL;
	return 0;
}

static int do_introduce(struct request *r)
{
	uint64_t n[3];
	int err = parse_numbers(r, n, 3, UINT64_MAX);

	if (!err && (n[0] >= WIRE_DOMID_FIRST_RESERVED || !n[2] || n[2] > UINT32_MAX))
		err = EINVAL;
	if (!err)
		err = domain_introduce((uint32_t)n[0], n[1], (uint32_t)n[2]);
	if (err)
		return err;
	live_touch();
	return answer_ok(r);
}

static int do_release(struct request *r)
{
	uint64_t id;
	int err = parse_numbers(r, &id, 1, 65535);

	if (!err && !id)
		err = EINVAL;
	if (!err)
		err = domain_release((uint32_t)id);
	return err ? err : answer_ok(r);
}

static int do_resume(struct request *r)
{
	uint64_t id;
	int err = parse_numbers(r, &id, 1, 65535);

	if (!err && !id)
		err = EINVAL;
	if (!err)
		err = domain_resume((uint32_t)id);
	return err ? err : answer_ok(r);
}

static int do_set_target(struct request *r)
{
	uint64_t n[2];
	int err = parse_numbers(r, n, 2, 65535);

	/* It decides who may see what. */
	chores_finish();
	if (!err)
		err = domain_set_target((uint32_t)n[0], (uint32_t)n[1]);
	if (err)
		return err;
	live_touch();
	return answer_ok(r);
}

static int do_is_introduced(struct request *r)
{
	uint64_t id;
	int err = parse_numbers(r, &id, 1, 65535);

	return err ? err : answer(r, domain_is_introduced((uint32_t)id) ? "T" : "F", 2);
}

static int do_get_domain_path(struct request *r)
{
	uint64_t id;
	int err = parse_numbers(r, &id, 1, 65535);

	if (err)
		return err;
	return answer(r, r->buf, (size_t)snprintf(r->buf, XENSTORE_PAYLOAD_MAX, "/local/domain/%u", (unsigned)id) + 1);
}

/* Text of a number, as GET_FEATURE and GET_QUOTA answer. */
static int answer_number(struct request *r, uint32_t n)
{
	return answer(r, r->buf, (size_t)snprintf(r->buf, XENSTORE_PAYLOAD_MAX, "%u", n) + 1);
}

static int do_get_feature(struct request *r)
{
	struct domain *d;
	uint64_t id;
	int err;

	if (!r->len || (r->len == 1 && !*r->body))
		return answer_number(r, DOMAIN_FEATURES);
	err = parse_numbers(r, &id, 1, 65535);
	if (err)
		return err;
	d = domain_get((uint32_t)id);
	return d ? answer_number(r, d->features) : ENOENT;
}

static int do_set_feature(struct request *r)
{
	struct domain *d;
	uint64_t n[2];
	int err = parse_numbers(r, n, 2, UINT32_MAX);

	if (err)
		return err;
	if (n[1] & ~(uint64_t)DOMAIN_FEATURES)
		return EINVAL;
	d = n[0] <= 65535 ? domain_get((uint32_t)n[0]) : NULL;
	if (!d)
		return ENOENT;
	if (d->introduced)
		return EBUSY;
	d->features = (uint32_t)n[1];
	journal_domain(d);
	return answer_ok(r);
}

/* [<domain>] <name> [<value>] at the end of @nr strings. */
static int parse_quota(const char *const *args, unsigned nr, struct domain **d, enum quota_type *type, bool *soft)
{
	uint64_t id;
	int t;

	*d = NULL;
	if (nr == 2) {
		if (!wire_parse_number(args[0], 65535, &id))
			return EINVAL;
		*d = domain_get((uint32_t)id);
		if (!*d)
			return ENOENT;
	}
	t = quota_find(args[nr - 1], soft);
	if (t < 0)
		return EINVAL;
	*type = (enum quota_type)t;
	return 0;
}

static int do_get_quota(struct request *r)
{
	enum quota_type type;
	const char *args[2];
	struct domain *d;
	bool soft;
	int n, err;

	if (!r->len || (r->len == 1 && !*r->body))
		return answer(r, r->buf, quota_names(r->buf, XENSTORE_PAYLOAD_MAX) + 1);
	n = wire_split(r->body, r->len, args, 2);
	if (n != 1 && n != 2)
		return EINVAL;
	err = parse_quota(args, (unsigned)n, &d, &type, &soft);
	if (err)
		return err;
	return answer_number(r, soft ? quota_soft_limit(d, type) : quota_limit(d, type));
}

static int do_set_quota(struct request *r)
{
	enum quota_type type;
	const char *args[3];
	struct domain *d;
	uint64_t value;
	bool soft;
	int n = wire_split(r->body, r->len, args, 3), err;

	if ((n != 2 && n != 3) || !wire_parse_number(args[n - 1], UINT32_MAX, &value))
		return EINVAL;
	err = parse_quota(args, (unsigned)n - 1, &d, &type, &soft);
	if (err)
		return err;
	quota_set(d, type, soft, (uint32_t)value);
	journal_quota(quota_name(type), d ? d->id : UINT32_MAX, (uint32_t)value, soft);
	return answer_ok(r);
}

static int do_control(struct request *r)
{
	const char *args[16];
	int n = wire_split(r->body, r->len, args, 16), err;
	size_t len = 0;

	if (n < 1 || n > 16)
		return EINVAL;
	/* What it tells is of a moment. */
	chores_finish();
	err = control_command(r->c, args, (unsigned)n, r->buf, XENSTORE_PAYLOAD_MAX, &len);
	return err ? err : answer(r, r->buf, len);
}

/*
 * The table.
 */

enum {
	TREE = 1,	/* works on a view; may be in a transaction */
	CHANGES = 2,	/* is a group of the journal */
	PRIVILEGED = 4, /* EACCES for others */
};

static const struct op {
	int (*run)(struct request *r);
	unsigned flags;
} ops[WIRE_TYPES] = {
	[XS_CONTROL] = { do_control, CHANGES | PRIVILEGED },
	[XS_DIRECTORY] = { do_directory, TREE },
	[XS_READ] = { do_read, TREE },
	[XS_GET_PERMS] = { do_get_perms, TREE },
	[XS_WATCH] = { do_watch, CHANGES },
	[XS_UNWATCH] = { do_unwatch, CHANGES },
	[XS_TRANSACTION_START] = { do_transaction_start, CHANGES },
	[XS_TRANSACTION_END] = { do_transaction_end, CHANGES },
	[XS_INTRODUCE] = { do_introduce, CHANGES | PRIVILEGED },
	[XS_RELEASE] = { do_release, CHANGES | PRIVILEGED },
	[XS_GET_DOMAIN_PATH] = { do_get_domain_path, 0 },
	[XS_WRITE] = { do_write, TREE | CHANGES },
	[XS_MKDIR] = { do_mkdir, TREE | CHANGES },
	[XS_RM] = { do_rm, TREE | CHANGES },
	[XS_SET_PERMS] = { do_set_perms, TREE | CHANGES },
	[XS_IS_DOMAIN_INTRODUCED] = { do_is_introduced, PRIVILEGED },
	[XS_RESUME] = { do_resume, CHANGES | PRIVILEGED },
	[XS_SET_TARGET] = { do_set_target, CHANGES | PRIVILEGED },
	[XS_RESET_WATCHES] = { do_reset_watches, CHANGES },
	[XS_DIRECTORY_PART] = { do_directory_part, TREE },
	[XS_GET_FEATURE] = { do_get_feature, PRIVILEGED },
	[XS_SET_FEATURE] = { do_set_feature, CHANGES | PRIVILEGED },
	[XS_GET_QUOTA] = { do_get_quota, PRIVILEGED },
	[XS_SET_QUOTA] = { do_set_quota, CHANGES | PRIVILEGED },
};

static const struct op many_changes = { do_changes, TREE | CHANGES | PRIVILEGED };
static const struct op get_special = { do_get_special, 0 }, set_special = { do_set_special, CHANGES };

/* NULL: ENOSYS. */
static const struct op *op_find(uint32_t type, const char *body, size_t len)
{
	if (type == WIRE_CHANGES)
		return &many_changes;
	if (type >= WIRE_TYPES || !ops[type].run)
		return NULL;
	if (len && *body == '@' && type == XS_GET_PERMS)
		return &get_special;
	if (len && *body == '@' && type == XS_SET_PERMS)
		return &set_special;
	return &ops[type];
}

int request_run(struct request *r)
{
	r->out = NULL;
	r->out_len = r->out_skip = 0;
	r->path = NULL;
	if (r->type == WIRE_CHANGES)
		return many_changes.run(r);
	return r->type < WIRE_TYPES && ops[r->type].flags & TREE ? ops[r->type].run(r) : ENOSYS;
}

/* One request on the live tree. */
static int serve_live(struct request *r, bool changes)
{
	int err;

	r->v = live_view(r->c);
	err = request_run(r);
	if (!changes)
		return err;
	if (err) {
		view_clear(r->v);
	} else if (r->v->first) {
		commit_note(r->v);
		view_emit(r->v);
		live_touch();
	}
	return err;
}

static int serve(struct request *r, const struct op *op)
{
	struct transaction *t;

	if (!op)
		return ENOSYS;
	if (op->flags & PRIVILEGED && !conn_privileged(r->c))
		return EACCES;
	if (!(op->flags & TREE))
		return op->run(r);
	/* On the live tree what came before a failure could not be taken back. */
	if (op == &many_changes && !r->tx)
		return EINVAL;
	if (!r->tx)
		return serve_live(r, op->flags & CHANGES);
	t = transaction_find(r->c, r->tx);
	return t ? transaction_serve(t, r) : ENOENT;
}

/* live-update answers by itself, perhaps from another process. */
static bool update_command(struct conn *c, const struct xsd_sockmsg *h, const char *body)
{
	static const char name[] = "live-update";

	if (h->type != XS_CONTROL || h->len < sizeof(name) || memcmp(body, name, sizeof(name)) || !conn_privileged(c) ||
	    body[h->len - 1])
		return false;
	update_control(c, h->req_id, h->tx_id, body + sizeof(name), h->len - sizeof(name));
	return true;
}

void request_handle(struct conn *c, const struct xsd_sockmsg *h, const char *body)
{
	const struct op *op = op_find(h->type, body, h->len);
	/* Inside a transaction nothing outlives the daemon but that it is open. */
	bool group = op && op->flags & CHANGES && !(op->flags & TREE && h->tx_id);
	struct request r = {
		.c = c, .type = h->type, .tx = h->tx_id, .body = body, .len = h->len, .buf = scratch.answer
	};
	int err;

	conflict_author(c);
	if (update_command(c, h, body))
		return;
	if (group)
		journal_begin(c);
	err = serve(&r, op);
	c->again = err == EINPROGRESS;
	c->passes = c->again ? c->passes + (c->passes < UINT8_MAX) : 0;
	if (c->again)
		journal_abandon();
	else if (err)
		conn_error(c, h->req_id, h->tx_id, err);
	else
		conn_reply(c, h->type, h->req_id, h->tx_id, r.out, r.out_len);
	if (!err && h->type == XS_WATCH)
		conn_event(c, body, body + strlen(body) + 1);
	if (group)
		journal_commit();
	conflict_author(NULL);
}

void request_drop_state(struct conn *c)
{
	transaction_drop_all(c);
	watch_remove_all(c);
}
