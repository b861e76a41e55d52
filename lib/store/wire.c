/* The store's wire protocol: names, paths, strings and messages. */
#include "store/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[WIRE_TYPES] = {
	[XS_CONTROL] = "CONTROL",
	[XS_DIRECTORY] = "DIRECTORY",
	[XS_READ] = "READ",
	[XS_GET_PERMS] = "GET_PERMS",
	[XS_WATCH] = "WATCH",
	[XS_UNWATCH] = "UNWATCH",
	[XS_TRANSACTION_START] = "TRANSACTION_START",
	[XS_TRANSACTION_END] = "TRANSACTION_END",
	[XS_INTRODUCE] = "INTRODUCE",
	[XS_RELEASE] = "RELEASE",
	[XS_GET_DOMAIN_PATH] = "GET_DOMAIN_PATH",
	[XS_WRITE] = "WRITE",
	[XS_MKDIR] = "MKDIR",
	[XS_RM] = "RM",
	[XS_SET_PERMS] = "SET_PERMS",
	[XS_WATCH_EVENT] = "WATCH_EVENT",
	[XS_ERROR] = "ERROR",
	[XS_IS_DOMAIN_INTRODUCED] = "IS_DOMAIN_INTRODUCED",
	[XS_RESUME] = "RESUME",
	[XS_SET_TARGET] = "SET_TARGET",
	[XS_RESET_WATCHES] = "RESET_WATCHES",
	[XS_DIRECTORY_PART] = "DIRECTORY_PART",
	[XS_GET_FEATURE] = "GET_FEATURE",
	[XS_SET_FEATURE] = "SET_FEATURE",
	[XS_GET_QUOTA] = "GET_QUOTA",
	[XS_SET_QUOTA] = "SET_QUOTA",
};

const char *wire_type_name(uint32_t type)
{
	if (type == WIRE_CHANGES)
		return "CHANGES";
	return type < WIRE_TYPES && type_names[type] ? type_names[type] : "?";
}

/* All that may be on the wire: clients know these and no more. */
static const struct {
	int number;
	const char *name;
} errors[] = {
	{ EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" },	{ EISDIR, "EISDIR" },
	{ ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" },	{ EIO, "EIO" },
	{ ENOSYS, "ENOSYS" }, { EROFS, "EROFS" },   { ENOTEMPTY, "ENOTEMPTY" }, { EBUSY, "EBUSY" },
	{ EAGAIN, "EAGAIN" }, { E2BIG, "E2BIG" },   { EISCONN, "EISCONN" },	{ EPERM, "EPERM" },
};

const char *wire_error_name(int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].number == err)
			return errors[i].name;
	return "EINVAL";
}

int wire_error_number(const char *name, size_t len)
{
	len = strnlen(name, len);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strlen(errors[i].name) == len && !memcmp(errors[i].name, name, len))
			return errors[i].number;
	return EINVAL;
}

/* Locale has no say in what a path may hold. */
static const bool path_char[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true, ['-'] = true, ['@'] = true,
};

bool wire_path_valid(const char *path, size_t len, bool special)
{
	if (!len || len > (path[0] == '/' ? XENSTORE_ABS_PATH_MAX : XENSTORE_REL_PATH_MAX))
		return false;
	if (path[0] == '@' && !special)
		return false;
	if (path[0] == '/' && len == 1)
		return true;
	for (size_t i = 0; i < len; i++)
		if (path[i] == '/') {
			if (i + 1 == len || path[i + 1] == '/')
				return false;
		} else if (!path_char[(unsigned char)path[i]]) {
			return false;
		}
	return true;
}

size_t wire_domain_prefix(const char *path)
{
	static const char prefix[] = "/local/domain/";
	size_t i = sizeof(prefix) - 1;

	if (strncmp(path, prefix, i))
		return 0;
	if (path[i] < '0' || path[i] > '9')
		return 0;
	while (path[i] >= '0' && path[i] <= '9')
		i++;
	return path[i] == '/' ? i + 1 : 0;
}

bool wire_special_domain(const char *path, uint32_t *id)
{
	const char *slash = strchr(path, '/');
	uint64_t n;

	if (path[0] != '@' || !slash || !wire_parse_number(slash + 1, WIRE_DOMID_FIRST_RESERVED - 1, &n))
		return false;
	*id = (uint32_t)n;
	return true;
}

unsigned wire_count_strings(const char *body, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += !body[i];
	return n;
}

int wire_split(const char *body, size_t len, const char **strings, unsigned max)
{
	unsigned n = 0;

	if (!len || body[len - 1])
		return -1;
	for (size_t at = 0; at < len; at += strlen(body + at) + 1, n++)
		if (n < max)
			strings[n] = body + at;
	return (int)n;
}

bool wire_parse_number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned digit = (unsigned char)*s - '0';

		if (digit > 9 || n > max / 10 || n * 10 > max - digit)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

int wire_perm_format(char *buf, size_t size, uint32_t id, unsigned access)
{
	return snprintf(buf, size, "%c%u", "nrwb"[access & (WIRE_PERM_READ | WIRE_PERM_WRITE)], id);
}

bool wire_perm_parse(const char *s, uint32_t *id, unsigned *access)
{
	uint64_t n;

	switch (*s) {
	case 'n':
		*access = 0;
		break;
	case 'r':
		*access = WIRE_PERM_READ;
		break;
	case 'w':
		*access = WIRE_PERM_WRITE;
		break;
	case 'b':
		*access = WIRE_PERM_READ | WIRE_PERM_WRITE;
		break;
	default:
		return false;
	}
	if (!wire_parse_number(s + 1, 65535, &n))
		return false;
	*id = (uint32_t)n;
	return true;
}

size_t wire_pack(void *out, size_t size, uint32_t type, uint32_t req, uint32_t tx, const struct wire_piece *pieces,
		 unsigned nr_pieces)
{
	struct xsd_sockmsg h = { .type = type, .req_id = req, .tx_id = tx };
	size_t len = 0;

	for (unsigned i = 0; i < nr_pieces; i++) {
		if (pieces[i].len > XENSTORE_PAYLOAD_MAX - len)
			return 0;
		len += pieces[i].len;
	}
	if (!out)
		return sizeof(h) + len;
	if (size < sizeof(h) + len)
		return 0;
	h.len = (uint32_t)len;
	memcpy(out, &h, sizeof(h));
	out = (char *)out + sizeof(h);
	for (unsigned i = 0; i < nr_pieces; i++) {
		if (pieces[i].len)
			memcpy(out, pieces[i].data, pieces[i].len);
		out = (char *)out + pieces[i].len;
	}
	return sizeof(h) + len;
}

int wire_peek(const void *in, size_t len, struct xsd_sockmsg *h)
{
	if (len < sizeof(*h))
		return 0;
	memcpy(h, in, sizeof(*h));
	if (h->len > XENSTORE_PAYLOAD_MAX)
		return -1;
	return len - sizeof(*h) < h->len ? 0 : (int)(sizeof(*h) + h->len);
}
