/* xenhypfs: lists, reads and writes what the hypervisor keeps under paths. Output and exit statuses as Xen's program. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/text.h"
#include "hcall/hcall.h"
#include "hcall/hypfs.h"

#define TREE_DEPTH 32 /* deeper than this is a loop */

enum { GOOD, USAGE, NO_HYPFS, REFUSED };

static int usage(void)
{
	fputs("usage: xenhypfs ls <path>\n"
	      "       xenhypfs cat [-b] <path>\n"
	      "       xenhypfs write <path> <val>\n"
	      "       xenhypfs tree\n",
	      stderr);
	return USAGE;
}

static int refused(const char *what, int rc)
{
	fprintf(stderr, "could not %s: %s\n", what, strerror(-rc));
	return REFUSED;
}

static const char *type_name(uint8_t type)
{
	static const char *const names[] = { "<dir>", "<blob>", "<string>", "<uint>", "<int>", "<bool>" };

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "<\?\?\?>";
}

/* The entry of a listing at *@at, which is moved on; NULL behind the last or where the listing makes no sense. */
static const struct xen_hypfs_dirlistentry *next_entry(const struct xen_hypfs_direntry *dir, const char *data,
						       size_t *at)
{
	const struct xen_hypfs_dirlistentry *e = (const void *)(data + *at);
	size_t head = offsetof(struct xen_hypfs_dirlistentry, name);

	if (*at + head >= dir->content_len || !memchr(e->name, 0, dir->content_len - *at - head))
		return NULL;
	*at = e->off_next ? *at + e->off_next : dir->content_len;
	return e;
}

static int read_dir(struct hcall *h, const char *path, struct xen_hypfs_direntry *dir, void **data)
{
	int rc = hypfs_read(h, path, dir, data);

	if (!rc && dir->type != XEN_HYPFS_TYPE_DIR) {
		free(*data);
		*data = NULL;
		rc = -ENOTDIR;
	}
	return rc;
}

static int ls(struct hcall *h, int argc, char **argv)
{
	const struct xen_hypfs_dirlistentry *e;
	struct xen_hypfs_direntry dir;
	size_t at = 0;
	void *data;
	int rc;

	if (argc != 1)
		return usage();
	rc = read_dir(h, argv[0], &dir, &data);
	if (rc)
		return refused("read dir", rc);
	while ((e = next_entry(&dir, data, &at)))
		printf("%-8s r%c %s\n", type_name(e->e.type), e->e.max_write_len ? 'w' : '-', e->name);
	free(data);
	return GOOD;
}

/* A directory's entries, and theirs below them. */
static int print_tree(struct hcall *h, const char *path, unsigned depth)
{
	const struct xen_hypfs_dirlistentry *e;
	struct xen_hypfs_direntry dir;
	size_t at = 0;
	void *data;
	int rc = read_dir(h, path, &dir, &data);

	if (rc)
		return refused("read dir", rc);
	while (!rc && (e = next_entry(&dir, data, &at))) {
		bool below = e->e.type == XEN_HYPFS_TYPE_DIR;
		char *child;

		printf("%*s%s%s\n", (int)depth * 2, "", e->name, below ? "/" : "");
		if (!below || depth == TREE_DEPTH)
			continue;
		child = xasprintf("%s%s%s", path, path[1] ? "/" : "", e->name);
		rc = print_tree(h, child, depth + 1);
		free(child);
	}
	free(data);
	return rc;
}

static int tree(struct hcall *h, int argc, char **argv)
{
	(void)argv;
	if (argc)
		return usage();
	puts("/");
	return print_tree(h, "/", 1);
}

/* Contents the hypervisor keeps packed. @data is freed. -EPROTO: they are not what they are said to be. */
static int unpack(struct xen_hypfs_direntry *e, void **data)
{
	size_t size = (size_t)e->content_len * 32 + 65536;
	z_stream z = { .next_in = *data, .avail_in = e->content_len };
	char *out = xmalloc(size + 1);
	int rc;

	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)size;
	rc = inflateInit2(&z, 16 + MAX_WBITS);
	if (rc == Z_OK)
		rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	free(*data);
	*data = out;
	e->content_len = (uint32_t)z.total_out;
	return rc == Z_STREAM_END ? 0 : -EPROTO;
}

static void print_text(const char *s, size_t len)
{
	while (len && !s[len - 1])
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (isgraph(c) || isspace(c))
			putchar(c);
		else
			printf("\\x%02x", c);
	}
	putchar('\n');
}

static void print_number(const struct xen_hypfs_direntry *e, const void *data)
{
	uint64_t n = 0;

	memcpy(&n, data, e->content_len < sizeof(n) ? e->content_len : sizeof(n));
	if (e->type == XEN_HYPFS_TYPE_UINT)
		printf("%llu\n", (unsigned long long)n);
	else if (e->content_len == 8)
		printf("%lld\n", (long long)n);
	else
		printf("%d\n", e->content_len == 1 ? (int8_t)n : e->content_len == 2 ? (int16_t)n : (int32_t)n);
}

static int cat(struct hcall *h, int argc, char **argv)
{
	struct xen_hypfs_direntry e;
	bool bytes = argc && !strcmp(argv[0], "-b");
	void *data;
	int rc;

	if (argc != 1 + bytes)
		return usage();
	rc = hypfs_read(h, argv[bytes], &e, &data);
	if (!rc && e.type == XEN_HYPFS_TYPE_DIR)
		rc = -EISDIR;
	else if (!rc && e.encoding == XEN_HYPFS_ENC_GZIP)
		rc = unpack(&e, &data);
	if (rc) {
		free(data);
		return refused("read", rc);
	}
	if (e.type == XEN_HYPFS_TYPE_BOOL)
		puts(e.content_len && *(char *)data ? "on" : "off");
	else if (e.type == XEN_HYPFS_TYPE_UINT || e.type == XEN_HYPFS_TYPE_INT)
		print_number(&e, data);
	else if (bytes && e.type == XEN_HYPFS_TYPE_STRING)
		printf("%.*s\n", (int)e.content_len, (char *)data);
	else if (bytes)
		fwrite(data, 1, e.content_len, stdout);
	else
		print_text(data, e.content_len);
	free(data);
	return GOOD;
}

/* The value as the entry has it: numbers and switches are not kept as text. */
static int write_value(struct hcall *h, const char *path, const char *value)
{
	struct xen_hypfs_direntry e;
	void *data;
	uint64_t n;
	char *end;
	int rc = hypfs_read(h, path, &e, &data);

	if (rc)
		return rc;
	free(data);
	if (!e.max_write_len)
		return -EACCES;
	if (e.type == XEN_HYPFS_TYPE_STRING || e.type == XEN_HYPFS_TYPE_BLOB)
		return hypfs_write_text(h, path, value);
	errno = 0;
	n = strtoull(value, &end, 0);
	if (e.type == XEN_HYPFS_TYPE_BOOL) {
		n = !strcmp(value, "1") || !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true") ||
		    !strcmp(value, "enable");
		if (!n && strcmp(value, "0") && strcmp(value, "off") && strcmp(value, "no") && strcmp(value, "false") &&
		    strcmp(value, "disable"))
			return -EINVAL;
	} else if (errno || *end || end == value) {
		return -EINVAL;
	}
	return hypfs_write(h, path, &n, e.content_len < sizeof(n) ? e.content_len : sizeof(n));
}

static int write_entry(struct hcall *h, int argc, char **argv)
{
	int rc;

	if (argc != 2)
		return usage();
	rc = write_value(h, argv[0], argv[1]);
	return rc ? refused("write", rc) : GOOD;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(struct hcall *h, int argc, char **argv);
	} commands[] = { { "ls", ls }, { "cat", cat }, { "write", write_entry }, { "tree", tree } };
	struct hcall *h = hcall_open();

	if (!h || !hypfs_available(h)) {
		fputs("Could not open libxenhypfs\n", stderr);
		return NO_HYPFS;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].fn(h, argc - 2, argv + 2);
	return usage();
}
