/* Requests by chance, and answers as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

unsigned pick(unsigned n)
{
	t.random ^= t.random << 13;
	t.random ^= t.random >> 7;
	t.random ^= t.random << 17;
	return (unsigned)((t.random >> 11) % n);
}

bool chance(unsigned percent)
{
	return pick(100) < percent;
}

void random_path(struct op *op)
{
	unsigned depth = pick(4), at = 0;
	unsigned home = op->domid && chance(70) ? op->domid : pick(MAX_DOMAINS);
	op->relative = false;
	switch (pick(4)) {
	case 0:
		at = (unsigned)sprintf(op->path, "/r%u", pick(3));
		break;
	case 1:
		at = (unsigned)sprintf(op->path, "/pub");
		break;
	default:
		at = (unsigned)sprintf(op->path, "/local/domain/%u", home);
		op->relative = home == op->domid && depth && chance(50);
	}
	for (unsigned i = 0; i < depth; i++)
		at += (unsigned)sprintf(op->path + at, "/%c", 'a' + (int)pick(4));
	if (chance(1)) {
		op->path[0] = '\0';
		op->relative = false;
	}
}

void random_op(struct op *op, unsigned domid)
{
	static const enum op_type types[] = { OP_READ,	OP_READ,  OP_LIST,  OP_GET_PERMS, OP_WRITE,	OP_WRITE,
					      OP_WRITE, OP_WRITE, OP_MKDIR, OP_RM,	  OP_SET_PERMS, OP_SET_PERMS };
	op->type = types[pick(sizeof(types) / sizeof(*types))];
	op->domid = domid;
	op->len = 0;
	random_path(op);
	if (op->type == OP_RM && strchr(op->path + 1, '/') == NULL && chance(90))
		op->type = OP_READ; /* whole roots go seldom */
	if (op->type == OP_RM && !strncmp(op->path, "/local", 6) && strlen(op->path) < 17 && chance(90))
		op->type = OP_LIST;
	if (op->type == OP_WRITE) {
		op->len = chance(95) ? pick(24) : pick(1500);
		for (size_t i = 0; i < op->len; i++)
			op->value[i] = (char)pick(256);
	}
	op->nr_perms = 1 + pick(3);
	for (unsigned i = 0; i < op->nr_perms; i++) {
		op->perms[i].id = i || !domid ? pick(MAX_DOMAINS) : domid;
		op->perms[i].access = pick(4);
	}
	if (!*op->path)
		op->perms[0].id = 0; /* the root stays with us: it cannot go with a dead domain */
}

uint32_t wire_type(enum op_type type)
{
	static const uint32_t types[] = {
		XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS
	};
	return types[type];
}

size_t op_body(const struct op *op, char *out)
{
	const char *path = op->path;
	char home[32];
	size_t n = (size_t)sprintf(home, "/local/domain/%u/", op->domid);
	if (op->relative)
		path += n;
	n = (size_t)sprintf(out, "%s", *op->path ? path : "/") + 1;
	if (op->type == OP_WRITE) {
		memcpy(out + n, op->value, op->len);
		n += op->len;
	}
	for (unsigned i = 0; op->type == OP_SET_PERMS && i < op->nr_perms; i++)
		n += (size_t)sprintf(out + n, "%c%u", "nrwb"[op->perms[i].access], op -> perms[i].id) + 1;
	return n;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A daemon's answer as the model gives it: names sorted. */
void to_answer(const struct op *op, uint32_t type, const char *body, size_t len, struct answer *a)
{
	char *names[512];
	unsigned n = 0;
	a->err = type == XS_ERROR ? wire_error_number(body, len) : 0;
	a->len = a->err ? 0 : len;
	if (a->err)
		return;
	memcpy(a->data, body, len);
	if (op->type != OP_LIST)
		return;
	for (size_t at = 0; at < len; at += strlen(body + at) + 1)
		if (*op->path || strcmp(body + at, "tool")) /* the daemon's own */
			names[n++] = (char *)body + at;
	qsort(names, n, sizeof(*names), compare_names);
	a->len = 0;
	for (unsigned i = 0; i < n; i++)
		a->len += (size_t)sprintf(a->data + a->len, "%s", names[i]) + 1;
}

void show(const char *what, const struct op *op, const struct answer *a)
{
	fprintf(stderr, "  %s: domain %u %s %s%s value of %zu:", what, op->domid, wire_type_name(wire_type(op->type)),
		*op->path ? op->path : "/", op->relative ? " (relative)" : "", op->len);
	for (unsigned i = 0; op->type == OP_SET_PERMS && i < op->nr_perms; i++)
		fprintf(stderr, " %c%u", "nrwb"[op->perms[i].access], op -> perms[i].id);
	fprintf(stderr, " -> %s", a->err ? wire_error_name(a->err) : "");
	for (size_t i = 0; i < a->len && i < 80; i++)
		fprintf(stderr, a->data[i] >= ' ' && a->data[i] <= '~' ? "%c" : "\\%02x", a->data[i] & 0xff);
	fputc('\n', stderr);
}

void check_answer(const struct op *op, const struct mtree *tree, const struct answer *want, const struct answer *got)
{
	if (answers_equal(&t.m, op, tree, want, got))
		return;
	show("model ", op, want);
	show("daemon", op, got);
	die("after %lu operations", t.done);
}
