/* See fdt_write.h. */
#include "fdt_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_BEGIN_NODE = 1, TOKEN_END_NODE = 2, TOKEN_PROP = 3, TOKEN_END = 9 };
#define HEADER_SIZE 40u
#define RESERVE_MAP 16u /* one terminating entry */

static void append(struct fdt_buffer *b, const void *data, size_t len)
{
	if (b->size - b->len < len) {
		b->size = (b->len + len) * 2;
		b->data = realloc(b->data, b->size);
		if (!b->data) {
			fputs("hospes-launch: out of memory\n", stderr);
			exit(1);
		}
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void append_cell(struct fdt_buffer *b, uint32_t v)
{
	uint8_t be[4];

	put_be32(be, v);
	append(b, be, 4);
}

static void pad(struct fdt_buffer *b)
{
	while (b->len % 4)
		append(b, "", 1);
}

void fdtw_begin(struct fdt_writer *w, const char *node)
{
	append_cell(&w->tree, TOKEN_BEGIN_NODE);
	append(&w->tree, node, strlen(node) + 1);
	pad(&w->tree);
}

void fdtw_end(struct fdt_writer *w)
{
	append_cell(&w->tree, TOKEN_END_NODE);
}

/* Offset of @name among the strings, appended on first use. */
static uint32_t string_offset(struct fdt_writer *w, const char *name)
{
	size_t at = 0;

	while (at < w->strings.len) {
		const char *s = (const char *)w->strings.data + at;

		if (strcmp(s, name) == 0)
			return (uint32_t)at;
		at += strlen(s) + 1;
	}
	append(&w->strings, name, strlen(name) + 1);
	return (uint32_t)at;
}

void fdtw_prop(struct fdt_writer *w, const char *name, const void *data, size_t len)
{
	append_cell(&w->tree, TOKEN_PROP);
	append_cell(&w->tree, (uint32_t)len);
	append_cell(&w->tree, string_offset(w, name));
	append(&w->tree, data, len);
	pad(&w->tree);
}

void fdtw_cells(struct fdt_writer *w, const char *name, const uint32_t *cells, size_t n)
{
	append_cell(&w->tree, TOKEN_PROP);
	append_cell(&w->tree, (uint32_t)(4 * n));
	append_cell(&w->tree, string_offset(w, name));
	for (size_t i = 0; i < n; i++)
		append_cell(&w->tree, cells[i]);
}

void fdtw_cell(struct fdt_writer *w, const char *name, uint32_t v)
{
	fdtw_cells(w, name, &v, 1);
}

void fdtw_u64(struct fdt_writer *w, const char *name, uint64_t v)
{
	uint32_t cells[2] = { (uint32_t)(v >> 32), (uint32_t)v };

	fdtw_cells(w, name, cells, 2);
}

void fdtw_string(struct fdt_writer *w, const char *name, const char *s)
{
	fdtw_prop(w, name, s, strlen(s) + 1);
}

uint8_t *fdtw_finish(struct fdt_writer *w, size_t *size)
{
	uint8_t head[HEADER_SIZE + RESERVE_MAP] = { 0 };
	uint32_t total;
	struct fdt_buffer out = { 0 };
	const uint32_t tree_at = sizeof(head);

	append_cell(&w->tree, TOKEN_END);
	total = tree_at + (uint32_t)w->tree.len + (uint32_t)w->strings.len;
	put_be32(head, 0xd00dfeed);
	put_be32(head + 4, total);
	put_be32(head + 8, tree_at);
	put_be32(head + 12, tree_at + (uint32_t)w->tree.len);
	put_be32(head + 16, HEADER_SIZE); /* memory reservations */
	put_be32(head + 20, 17);	  /* version */
	put_be32(head + 24, 16);	  /* last compatible version */
	put_be32(head + 32, (uint32_t)w->strings.len);
	put_be32(head + 36, (uint32_t)w->tree.len);
	append(&out, head, sizeof(head));
	append(&out, w->tree.data, w->tree.len);
	append(&out, w->strings.data, w->strings.len);
	free(w->tree.data);
	free(w->strings.data);
	memset(w, 0, sizeof(*w));
	*size = out.len;
	return out.data;
}
