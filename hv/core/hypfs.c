/*
 * hypfs_op: facts about the hypervisor, and those options that may change while it runs, as a tree of small files. The tree is
 * a table of paths; directories are what paths have before a slash, and so need no entries. Names and formats are Xen's.
 */
#include "abi/hypfs.h"
#include "hv/cpupool.h"
#include "hv/errno.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/parse.h"
#include "hv/printf.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "compile.h"

#define TEXT_MAX 128u  /* the longest contents, with the NUL */
#define WRITE_MAX 32u  /* the longest value of an option, with the NUL */
#define POOLS_MAX 256u /* pools that are listed */
#define LISTING_MAX 1024u

/* A file. Strings have a function that makes them, and one that takes a new value if they may be changed. */
struct file {
	const char *path; /* without the slash it begins with */
	uint8_t type;
	uint32_t value; /* of a number */
	void (*show)(char *buf, size_t size);
	int (*store)(const char *text);
};

static void show_changeset(char *buf, size_t size)
{
	str_copy(buf, XEN_CHANGESET, size);
}

static void show_by(char *buf, size_t size)
{
	str_copy(buf, XEN_COMPILE_BY, size);
}

static void show_date(char *buf, size_t size)
{
	str_copy(buf, XEN_COMPILE_DATE, size);
}

static void show_domain(char *buf, size_t size)
{
	str_copy(buf, XEN_COMPILE_DOMAIN, size);
}

static void show_compiler(char *buf, size_t size)
{
	str_copy(buf, XEN_COMPILER, size);
}

static void show_extra(char *buf, size_t size)
{
	str_copy(buf, XEN_EXTRAVERSION, size);
}

static void show_granularity(char *buf, size_t size)
{
	str_copy(buf, "cpu", size);
}

/* Only a pool without CPUs could change it, and there is nothing to change it to. */
static int store_granularity(const char *text)
{
	(void)text;
	return err(-EBUSY);
}

static void show_loglvl(char *buf, size_t size)
{
	printk_show_level(false, buf, size);
}

static int store_loglvl(const char *text)
{
	return printk_set_level(false, text);
}

static void show_guest_loglvl(char *buf, size_t size)
{
	printk_show_level(true, buf, size);
}

static int store_guest_loglvl(const char *text)
{
	return printk_set_level(true, text);
}

static void show_frames(char *buf, size_t size)
{
	hv_snprintf(buf, size, "%u", grant_default_frames());
}

static void show_maptrack(char *buf, size_t size)
{
	hv_snprintf(buf, size, "%u", grant_default_maptrack_frames());
}

/* A number of frames, handed to @set. -EINVAL. */
static int store_limit(const char *text, void (*set)(unsigned n))
{
	int64_t n;

	if (parse_int(text, &n) || n <= 0 || n > INT32_MAX)
		return err(-EINVAL);
	set((unsigned)n);
	return 0;
}

static int store_frames(const char *text)
{
	return store_limit(text, grant_set_default_frames);
}

static int store_maptrack(const char *text)
{
	return store_limit(text, grant_set_default_maptrack_frames);
}

/* In order, as listings are. '#' stands for the number of a CPU pool. */
static const struct file files[] = {
	{ "buildinfo/changeset", XEN_HYPFS_TYPE_STRING, 0, show_changeset, NULL },
	{ "buildinfo/compileinfo/compile_by", XEN_HYPFS_TYPE_STRING, 0, show_by, NULL },
	{ "buildinfo/compileinfo/compile_date", XEN_HYPFS_TYPE_STRING, 0, show_date, NULL },
	{ "buildinfo/compileinfo/compile_domain", XEN_HYPFS_TYPE_STRING, 0, show_domain, NULL },
	{ "buildinfo/compileinfo/compiler", XEN_HYPFS_TYPE_STRING, 0, show_compiler, NULL },
	{ "buildinfo/version/extra", XEN_HYPFS_TYPE_STRING, 0, show_extra, NULL },
	{ "buildinfo/version/major", XEN_HYPFS_TYPE_UINT, XEN_VERSION, NULL, NULL },
	{ "buildinfo/version/minor", XEN_HYPFS_TYPE_UINT, XEN_SUBVERSION, NULL, NULL },
	{ "cpupool/#/sched-gran", XEN_HYPFS_TYPE_STRING, 0, show_granularity, store_granularity },
	{ "params/console_timestamps", XEN_HYPFS_TYPE_STRING, 0, printk_show_stamp, printk_set_stamp },
	{ "params/gnttab_max_frames", XEN_HYPFS_TYPE_STRING, 0, show_frames, store_frames },
	{ "params/gnttab_max_maptrack_frames", XEN_HYPFS_TYPE_STRING, 0, show_maptrack, store_maptrack },
	{ "params/guest_loglvl", XEN_HYPFS_TYPE_STRING, 0, show_guest_loglvl, store_guest_loglvl },
	{ "params/loglvl", XEN_HYPFS_TYPE_STRING, 0, show_loglvl, store_loglvl },
};

/* Contents of one file or directory, as the caller gets them. */
struct contents {
	struct xen_hypfs_direntry e;
	uint8_t data[LISTING_MAX];
	uint16_t last; /* where the last entry of a listing begins */
};

static size_t component(const char *path)
{
	const char *slash = strchr(path, '/');

	return slash ? (size_t)(slash - path) : strlen(path);
}

/* Is the number of a pool at the beginning of @path that of one that exists? */
static bool pool_named(const char *path, size_t len)
{
	struct cpupool_info info;
	unsigned id = 0;

	if (len == 0 || len > 9 || (len > 1 && path[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (path[i] < '0' || path[i] > '9')
			return false;
		id = id * 10 + (unsigned)(path[i] - '0');
	}
	return cpupool_info(id, &info) == 0 && info.id == id;
}

/* How @path lies to @file: 0 elsewhere, 1 it is the file, 2 it is a directory above; then *@rest is what follows there. */
static int relate(const char *path, const char *file, const char **rest)
{
	while (*path) {
		size_t len = component(path), n = component(file);
		bool pool = n == 1 && *file == '#';

		if (pool ? !pool_named(path, len) : len != n || strncmp(path, file, len))
			return 0;
		path += len;
		file += n;
		path += *path == '/';
		if (!*file)
			return *path ? 0 : 1;
		file++;
	}
	*rest = file;
	return 2;
}

static struct xen_hypfs_direntry file_entry(const struct file *f, char *text)
{
	struct xen_hypfs_direntry e = { .type = f->type, .content_len = sizeof(f->value) };

	if (f->type == XEN_HYPFS_TYPE_STRING) {
		f->show(text, TEXT_MAX);
		e.content_len = (uint32_t)strlen(text) + 1;
	}
	e.max_write_len = f->store ? WRITE_MAX : 0;
	return e;
}

/* One more entry of a listing; what has no room is left out. */
static void list(struct contents *c, struct xen_hypfs_direntry e, const char *name, size_t len)
{
	struct xen_hypfs_dirlistentry entry = { .e = e };
	size_t head = offsetof(struct xen_hypfs_dirlistentry, name), size = (head + len + 1 + 3) & ~(size_t)3;
	uint8_t *at = c->data + c->e.content_len;
	uint16_t off;

	if (c->e.content_len + size > sizeof(c->data))
		return;
	if (c->e.content_len) {
		off = (uint16_t)(c->e.content_len - c->last);
		memcpy(c->data + c->last + offsetof(struct xen_hypfs_dirlistentry, off_next), &off, sizeof(off));
	}
	memcpy(at, &entry, head);
	memcpy(at + head, name, len);
	c->last = (uint16_t)c->e.content_len;
	c->e.content_len += (uint32_t)size;
}

static void list_pools(struct contents *c)
{
	struct xen_hypfs_direntry dir = { .type = XEN_HYPFS_TYPE_DIR };
	struct cpupool_info info;
	char name[12];

	for (unsigned id = 0, n = 0; n < POOLS_MAX && cpupool_info(id, &info) == 0; n++) {
		hv_snprintf(name, sizeof(name), "%u", info.id);
		list(c, dir, name, strlen(name));
		id = info.id + 1;
		if (!id)
			return;
	}
}

/* The part of @f's path that lies in the directory: a file, or once for many files a directory. */
static void list_part(struct contents *c, const struct file *f, const char *rest, const char *before, char *text)
{
	size_t len = component(rest);
	struct xen_hypfs_direntry e = { .type = XEN_HYPFS_TYPE_DIR };

	if (before && component(before) == len && !strncmp(before, rest, len))
		return;
	if (*rest == '#') {
		list_pools(c);
		return;
	}
	if (!rest[len])
		e = file_entry(f, text);
	list(c, e, rest, len);
}

/* What is at @path, which may end with a slash. The file, or NULL for a directory, whose listing is in @c then. -ENOENT. */
static int find(const char *path, const struct file **file, struct contents *c)
{
	const char *rest = NULL, *before = NULL;
	char text[TEXT_MAX];

	memset(c, 0, sizeof(*c));
	*file = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		switch (relate(path, files[i].path, &rest)) {
		case 1:
			*file = &files[i];
			return 0;
		case 2:
			list_part(c, &files[i], rest, before, text);
			before = rest;
		}
	}
	return before ? 0 : err(-ENOENT);
}

/* The caller's path without the slash it begins with. -EFAULT, -EINVAL: too long, no NUL at its end, no slash. */
static int get_path(struct vcpu *v, uint64_t gva, uint64_t len, char *path)
{
	if (len < 2 || len > XEN_HYPFS_MAX_PATHLEN)
		return err(-EINVAL);
	if (copy_from_guest(v, path, gva, len))
		return err(-EFAULT);
	if (path[0] != '/' || strnlen(path, len) != len - 1)
		return err(-EINVAL);
	memmove(path, path + 1, len - 1);
	return 0;
}

static void read_file(const struct file *f, struct contents *c)
{
	c->e = file_entry(f, (char *)c->data);
	if (f->type != XEN_HYPFS_TYPE_STRING)
		memcpy(c->data, &f->value, sizeof(f->value));
}

/* -EINVAL: no room even for what it is; -ENOBUFS: the caller now knows how much there is. */
static long op_read(struct vcpu *v, const char *path, uint64_t gva, uint64_t size)
{
	const struct file *f;
	struct contents c;
	int rc = find(path, &f, &c);

	if (rc)
		return rc;
	if (f)
		read_file(f, &c);
	if (size < sizeof(c.e))
		return err(-EINVAL);
	if (copy_to_guest(v, gva, &c.e, sizeof(c.e)))
		return err(-EFAULT);
	if (size - sizeof(c.e) < c.e.content_len)
		return err(-ENOBUFS);
	return copy_to_guest(v, gva + sizeof(c.e), c.data, c.e.content_len);
}

/* -EACCES: read-only, a directory too; -ENOSPC: longer than any value; -EINVAL: not a value of it. */
static long op_write(struct vcpu *v, const char *path, uint64_t gva, uint64_t size)
{
	const struct file *f;
	struct contents c;
	char text[WRITE_MAX];
	int rc = find(path, &f, &c);

	if (rc)
		return rc;
	if (!f || !f->store)
		return err(-EACCES);
	if (size > sizeof(text))
		return err(-ENOSPC);
	if (size == 0)
		return err(-EINVAL);
	if (copy_from_guest(v, text, gva, size))
		return err(-EFAULT);
	if (strnlen(text, size) != size - 1)
		return err(-EINVAL);
	return f->store(text);
}

/* Hypercall 42: operation, path, its length, buffer, its size. The control role is needed. */
long do_hypfs_op(struct vcpu *v, const uint64_t *args)
{
	char path[XEN_HYPFS_MAX_PATHLEN];
	int rc;

	switch ((uint32_t)args[0]) {
	case XEN_HYPFS_OP_get_version:
		return args[1] | args[2] | args[3] | args[4] ? err(-EINVAL) : XEN_HYPFS_VERSION;
	case XEN_HYPFS_OP_read:
	case XEN_HYPFS_OP_write_contents:
		rc = get_path(v, args[1], args[2], path);
		if (rc)
			return rc;
		return (uint32_t)args[0] == XEN_HYPFS_OP_read ? op_read(v, path, args[3], args[4]) :
								op_write(v, path, args[3], args[4]);
	default:
		return err(-EOPNOTSUPP);
	}
}
