/*
 * The migration stream of Xen (docs/designs/xenstore-migration): a header, then records of type, length and body, each padded
 * to 8 bytes. Version 2 adds quotas, features and the depth of watches.
 */
#ifndef XENSTORED_STREAM_H
#define XENSTORED_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_type {
	STREAM_END,
	STREAM_GLOBAL,
	STREAM_CONNECTION,
	STREAM_WATCH,
	STREAM_TRANSACTION,
	STREAM_NODE,
	STREAM_GLOBAL_QUOTA,
	STREAM_DOMAIN,
	STREAM_WATCH_EXTENDED,
	/* Ours alone; others skip what they do not know. */
	STREAM_HOSPES_DOMAIN = 0x40000001, /* id u16, pad u16, then struct journal_domain_record */
	STREAM_HOSPES_TREE = 0x40000002,   /* u64: the next generation; then the key of answers, u64 twice */
	/*
	 * A transaction whose log goes on: u32 connection, u32 transaction, u32 STREAM_TX_*, u32 refreshes, u64 age, u64 ms, i64 nodes, i64
	 * bytes, then its requests: u32 type, u32 length, u64 answer, body. It comes after the tree; after it, as documented, a pending
	 * node for each one that it sees otherwise.
	 */
	STREAM_HOSPES_TX = 0x40000003,
};

#define STREAM_CONN_RING 0
#define STREAM_CONN_SOCKET 1
#define STREAM_NO_DOMAIN 0x7ff4 /* DOMID_INVALID */
#define STREAM_NO_DEPTH 0xffff
#define STREAM_STALE 1 /* flag of a permission */
#define STREAM_TX_DOOMED 1
#define STREAM_TX_FAILED 2
#define STREAM_TX_SNAPSHOT 4
#define STREAM_NODE_WRITTEN 2 /* access of a pending node */

/* Being written: grows; @failed once memory ran out, and nothing is added then. */
struct stream_out {
	char *p;
	size_t len, size;
	size_t record; /* where the open record begins */
	bool failed;
};
void stream_start(struct stream_out *s, unsigned version);
void stream_begin(struct stream_out *s, enum stream_type type);
void stream_commit(struct stream_out *s);
void stream_put(struct stream_out *s, const void *p, size_t len);
void stream_put16(struct stream_out *s, uint16_t v);
void stream_put32(struct stream_out *s, uint32_t v);
void stream_put64(struct stream_out *s, uint64_t v);

/* Being read: every access is checked; after one that failed @bad is set and all further ones give 0. */
struct stream_in {
	const char *p;
	size_t len;
	bool swap, bad;
};
/* Check the header; *version. 0 or EINVAL. */
int stream_open(struct stream_in *s, const void *p, size_t len, unsigned *version);
/* Cut the next record off: its body to @body. False: the stream ended, well (with @s->bad clear) or not. */
bool stream_next(struct stream_in *s, uint32_t *type, struct stream_in *body);
uint16_t stream_get16(struct stream_in *s);
uint32_t stream_get32(struct stream_in *s);
uint64_t stream_get64(struct stream_in *s);
/* @len bytes in place; NULL: not there. */
const void *stream_get(struct stream_in *s, size_t len);
/* @len bytes that are one NUL-terminated string; NULL: they are not. */
const char *stream_string(struct stream_in *s, size_t len);

#endif
