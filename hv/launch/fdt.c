/* Flattened device tree reader. See fdt.h. */
#include "fdt.h"

#include "hv/errno.h"
#include "hv/string.h"

/* Tokens of the structure block (specification 5.4.1). */
enum { TOKEN_BEGIN_NODE = 1, TOKEN_END_NODE = 2, TOKEN_PROP = 3, TOKEN_NOP = 4, TOKEN_END = 9 };

#define HEADER_SIZE 40u
#define VERSION_UNDERSTOOD 17u

struct token {
	uint32_t type;
	struct fdt_prop prop; /* TOKEN_PROP; for TOKEN_BEGIN_NODE only its name */
	uint32_t next;
};

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool read_cell(const struct fdt *f, uint32_t at, uint32_t *out)
{
	if (at > f->tree_size || f->tree_size - at < 4)
		return false;
	*out = get_be32(f->tree + at);
	return true;
}

/* A terminated string within @size bytes at @base, from @at; NULL if it does not end in there. */
static const char *string_at(const uint8_t *base, uint32_t size, uint32_t at)
{
	if (at >= size || !memchr(base + at, 0, size - at))
		return NULL;
	return (const char *)base + at;
}

static bool read_prop(const struct fdt *f, uint32_t at, struct token *t)
{
	uint32_t len, name;

	if (!read_cell(f, at, &len) || !read_cell(f, at + 4, &name))
		return false;
	at += 8;
	if (len > f->tree_size - at || ROUND_UP((uint64_t)len, 4UL) > f->tree_size - at)
		return false;
	t->prop.name = string_at(f->strings, f->strings_size, name);
	t->prop.data = f->tree + at;
	t->prop.len = len;
	t->next = at + ROUND_UP(len, 4u);
	t->prop.next = t->next;
	return t->prop.name != NULL;
}

/* Decode the token at @at, NOPs skipped. False if it does not lie in the block. */
static bool read_token(const struct fdt *f, uint32_t at, struct token *t)
{
	do {
		if (!read_cell(f, at, &t->type))
			return false;
		at += 4;
	} while (t->type == TOKEN_NOP);
	t->next = at;
	switch (t->type) {
	case TOKEN_BEGIN_NODE:
		t->prop.name = string_at(f->tree, f->tree_size, at);
		if (!t->prop.name)
			return false;
		t->next = ROUND_UP(at + (uint32_t)strlen(t->prop.name) + 1, 4u);
		return t->next <= f->tree_size;
	case TOKEN_PROP:
		return read_prop(f, at, t);
	case TOKEN_END_NODE:
	case TOKEN_END:
		return true;
	default:
		return false;
	}
}

bool fdt_is_tree(const void *blob, size_t size)
{
	return size >= HEADER_SIZE && get_be32(blob) == FDT_MAGIC;
}

/* One root, balanced nodes, properties before children, TOKEN_END last. */
static bool structure_ok(const struct fdt *f)
{
	bool children_seen[FDT_MAX_DEPTH + 1] = { false };
	struct token t;
	unsigned depth = 0;

	if (!read_cell(f, 0, &t.type) || t.type != TOKEN_BEGIN_NODE)
		return false;
	for (uint32_t at = 0; read_token(f, at, &t); at = t.next) {
		switch (t.type) {
		case TOKEN_BEGIN_NODE:
			if (depth == FDT_MAX_DEPTH)
				return false;
			children_seen[depth] = true;
			children_seen[++depth] = false;
			break;
		case TOKEN_PROP:
			if (depth == 0 || children_seen[depth])
				return false;
			break;
		case TOKEN_END_NODE:
			if (depth == 0)
				return false;
			if (--depth == 0)
				return read_token(f, t.next, &t) && t.type == TOKEN_END;
			break;
		default:
			return false;
		}
	}
	return false;
}

static bool block_ok(uint32_t total, uint32_t offset, uint32_t size)
{
	return offset >= HEADER_SIZE && offset <= total && size <= total - offset;
}

int fdt_open(struct fdt *f, const void *blob, size_t size)
{
	const uint8_t *h = blob;
	uint32_t total, tree_at, strings_at;

	if (!fdt_is_tree(blob, size))
		return -EINVAL;
	total = get_be32(h + 4);
	tree_at = get_be32(h + 8);
	strings_at = get_be32(h + 12);
	f->strings_size = get_be32(h + 32);
	f->tree_size = get_be32(h + 36);
	if (total > size || total > INT32_MAX || get_be32(h + 20) < VERSION_UNDERSTOOD ||
	    get_be32(h + 24) > VERSION_UNDERSTOOD)
		return -EINVAL;
	if (!block_ok(total, tree_at, f->tree_size) || !block_ok(total, strings_at, f->strings_size) || tree_at & 3)
		return -EINVAL;
	f->tree = h + tree_at;
	f->strings = h + strings_at;
	return structure_ok(f) ? 0 : -EINVAL;
}

const char *fdt_node_name(const struct fdt *f, int32_t node)
{
	struct token t;

	if (node < 0 || !read_token(f, (uint32_t)node, &t) || t.type != TOKEN_BEGIN_NODE)
		return "";
	return t.prop.name;
}

int32_t fdt_first_child(const struct fdt *f, int32_t node)
{
	struct token t;
	uint32_t at;

	if (node < 0 || !read_token(f, (uint32_t)node, &t) || t.type != TOKEN_BEGIN_NODE)
		return FDT_NONE;
	for (at = t.next; read_token(f, at, &t); at = t.next)
		if (t.type != TOKEN_PROP)
			return t.type == TOKEN_BEGIN_NODE ? (int32_t)at : FDT_NONE;
	return FDT_NONE;
}

int32_t fdt_next_sibling(const struct fdt *f, int32_t node)
{
	struct token t;
	unsigned depth = 0;
	uint32_t at;

	if (node < 0)
		return FDT_NONE;
	for (at = (uint32_t)node; read_token(f, at, &t); at = t.next) {
		if (t.type == TOKEN_BEGIN_NODE) {
			if (depth == 0 && at != (uint32_t)node)
				return (int32_t)at;
			depth++;
		} else if (t.type == TOKEN_END_NODE) {
			if (depth == 0)
				return FDT_NONE; /* the parent ends */
			depth--;
		} else if (t.type == TOKEN_END) {
			return FDT_NONE;
		}
	}
	return FDT_NONE;
}

int32_t fdt_child(const struct fdt *f, int32_t node, const char *name)
{
	size_t len = strlen(name);

	for (int32_t c = fdt_first_child(f, node); c != FDT_NONE; c = fdt_next_sibling(f, c)) {
		const char *n = fdt_node_name(f, c);

		if (strncmp(n, name, len) == 0 && (n[len] == 0 || n[len] == '@'))
			return c;
	}
	return FDT_NONE;
}

static bool prop_at(const struct fdt *f, uint32_t at, struct fdt_prop *p)
{
	struct token t;

	if (!read_token(f, at, &t) || t.type != TOKEN_PROP)
		return false;
	*p = t.prop;
	return true;
}

bool fdt_first_prop(const struct fdt *f, int32_t node, struct fdt_prop *p)
{
	struct token t;

	if (node < 0 || !read_token(f, (uint32_t)node, &t) || t.type != TOKEN_BEGIN_NODE)
		return false;
	return prop_at(f, t.next, p);
}

bool fdt_next_prop(const struct fdt *f, struct fdt_prop *p)
{
	return prop_at(f, p->next, p);
}

bool fdt_find_prop(const struct fdt *f, int32_t node, const char *name, struct fdt_prop *p)
{
	for (bool more = fdt_first_prop(f, node, p); more; more = fdt_next_prop(f, p))
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

bool fdt_is_compatible(const struct fdt *f, int32_t node, const char *compat)
{
	struct fdt_prop p;

	if (!fdt_find_prop(f, node, "compatible", &p))
		return false;
	for (uint32_t at = 0; at < p.len;) {
		const char *s = string_at(p.data, p.len, at);

		if (!s)
			return false;
		if (strcmp(s, compat) == 0)
			return true;
		at += (uint32_t)strlen(s) + 1;
	}
	return false;
}

bool fdt_prop_is_string(const struct fdt_prop *p)
{
	return p->len > 0 && memchr(p->data, 0, p->len) == p->data + p->len - 1;
}

uint32_t fdt_prop_cell(const struct fdt_prop *p, unsigned i)
{
	return get_be32(p->data + 4UL * i);
}
