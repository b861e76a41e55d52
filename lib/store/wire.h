/*
 * The store's wire protocol as both its ends need it: types, error names, path rules, packing and cutting of messages.
 *
 * The daemon (tools/xenstored) and the clients (lib/store, tools/xenstore) share this file and wire.c. Nothing here
 * allocates, keeps state or does I/O. Build with -I. -Ilib.
 */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/xs_wire.h" /* types up to 22, struct xsd_sockmsg, the ring of Xen 4.17, limits */

/* Types after 4.17 (4.21 and 4.22), and a name for the hole RESTRICT left. */
enum {
	WIRE_RESTRICT_REMOVED = 20,
	XS_GET_FEATURE = 23,
	XS_SET_FEATURE = 24,
	XS_GET_QUOTA = 25,
	XS_SET_QUOTA = 26,
	WIRE_TYPES, /* one more than the last type we know */
};

/*
 * Hospes' own, for privileged clients inside a transaction: many changes in one request; ENOSYS from other daemons. The body is strings: "d" <directory>
 * (names that follow and do not begin with '/' are below it), "w" <name> <value>, "p" <name> <permissions with blanks between>, "r" <name> (no error
 * if it is not there). The answer is that of the first change that fails; those before it have been made.
 */
#define WIRE_CHANGES 0x4853u

/* Feature bits after 4.17: also the values of GET_FEATURE and of the ring's server_features. */
#define WIRE_FEATURE_WATCH_DEPTH 4
#define WIRE_FEATURE_ANY_DOMAIN 8
/* Permission entry that matches every domain (with WIRE_FEATURE_ANY_DOMAIN). */
#define WIRE_DOMID_ANY 0x7ff5u
/* The largest id a domain can have is one less; DOMID_SELF and friends are at and above it. */
#define WIRE_DOMID_FIRST_RESERVED 0x7ff0u
#define WIRE_DOMID_SELF 0x7ff0u

/* "READ" and so on; "?" for what is none. Never NULL. */
const char *wire_type_name(uint32_t type);

/* Name sent for an errno value; what has no name on the wire goes out as "EINVAL". Never NULL. */
const char *wire_error_name(int err);
/* errno value of @len bytes of an ERROR's body (the final NUL may be missing); unknown names are EINVAL. */
int wire_error_number(const char *name, size_t len);

/*
 * Paths. A name as a client may give it: "/" or components of [A-Za-z0-9_@-] joined by '/', relative or absolute, at most
 * 3072 bytes absolute and 2048 relative, no empty component, no '/' at the end. @special says whether a name that begins
 * with '@' ("@releaseDomain", "@releaseDomain/7") may pass as well.
 */
bool wire_path_valid(const char *path, size_t len, bool special);
/* Length of "/local/domain/<number>/" at the front of @path, 0 if it does not begin so. */
size_t wire_domain_prefix(const char *path);
/* The domain that a special name is of, 7 in "@introduceDomain/7", to @id. False: of none. */
bool wire_special_domain(const char *path, uint32_t *id);

/* Number of NULs in @len bytes: how many strings a body holds (a last string without NUL is not counted). */
unsigned wire_count_strings(const char *body, size_t len);
/*
 * Cut a body of NUL-terminated strings: at most @max pointers into @body go to @strings. Returns how many strings there
 * are (may exceed @max), or -1 if the body is empty or does not end with a NUL.
 */
int wire_split(const char *body, size_t len, const char **strings, unsigned max);
/* Decimal number without sign, blanks or anything after it, at most @max. False if it is not one. */
bool wire_parse_number(const char *s, uint64_t max, uint64_t *out);

/* One permission as text: letter and id, "b12". Returns the length without NUL, as snprintf would; 16 bytes suffice. */
#define WIRE_PERM_READ 1u
#define WIRE_PERM_WRITE 2u
int wire_perm_format(char *buf, size_t size, uint32_t id, unsigned access);
/* The reverse: exactly one of n, r, w, b and a decimal id <= 65535. */
bool wire_perm_parse(const char *s, uint32_t *id, unsigned *access);

/* Several pieces of a body, as a client puts it together. */
struct wire_piece {
	const void *data;
	size_t len;
};

/*
 * Write header and pieces to @out. Returns the bytes written, 0 if the body exceeds 4096 bytes or @size. @out may be NULL
 * to learn the size.
 */
size_t wire_pack(void *out, size_t size, uint32_t type, uint32_t req, uint32_t tx, const struct wire_piece *pieces,
		 unsigned nr_pieces);

/*
 * Look at the front of a byte stream. Returns the length of the first whole message (header copied to @h, body at
 * @in + 16), 0 if more bytes are needed (if at least 16 are there, @h is filled in), or -1 if its length exceeds 4096:
 * no later byte can be trusted.
 */
int wire_peek(const void *in, size_t len, struct xsd_sockmsg *h);

#endif
