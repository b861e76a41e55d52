/*
 * Flattened device trees, read only (Devicetree Specification 0.4, chapter 5). Pure: the blob is untrusted bytes, every access is
 * checked against its size. A node is named by the offset of its FDT_BEGIN_NODE token in the structure block.
 */
#ifndef LAUNCH_FDT_H
#define LAUNCH_FDT_H

#include "hv/types.h"

#define FDT_MAGIC 0xd00dfeedu
#define FDT_MAX_DEPTH 16u
#define FDT_NONE (-1) /* no such node */

struct fdt {
	const uint8_t *tree, *strings; /* structure and strings blocks */
	uint32_t tree_size, strings_size;
};

struct fdt_prop {
	const char *name; /* terminated */
	const uint8_t *data;
	uint32_t len;
	uint32_t next; /* offset of the token that follows */
};

/* Do the @size bytes at @blob start like a device tree? */
bool fdt_is_tree(const void *blob, size_t size);
/* Check the whole of @blob (tokens, nesting up to FDT_MAX_DEPTH, names, lengths). -EINVAL: not a tree Hospes can read. */
int fdt_open(struct fdt *f, const void *blob, size_t size) must_check;

/* Nodes: the root is 0; FDT_NONE at the end. */
int32_t fdt_first_child(const struct fdt *f, int32_t node);
int32_t fdt_next_sibling(const struct fdt *f, int32_t node);
/* The node's name with its unit address; the root's is "". */
const char *fdt_node_name(const struct fdt *f, int32_t node);
/* Child of @node called @name, with or without a unit address. */
int32_t fdt_child(const struct fdt *f, int32_t node, const char *name);

/* Properties of @node in file order; false at the end. */
bool fdt_first_prop(const struct fdt *f, int32_t node, struct fdt_prop *p);
bool fdt_next_prop(const struct fdt *f, struct fdt_prop *p);
bool fdt_find_prop(const struct fdt *f, int32_t node, const char *name, struct fdt_prop *p);

/* Is @compat one of the strings of the node's "compatible"? */
bool fdt_is_compatible(const struct fdt *f, int32_t node, const char *compat);
/* Is the property a single terminated string? */
bool fdt_prop_is_string(const struct fdt_prop *p);
/* Cell @i of a property; the caller has checked that len reaches it. */
uint32_t fdt_prop_cell(const struct fdt_prop *p, unsigned i);

#endif
