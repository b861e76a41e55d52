/*
 * The journal's file: a header, then frames. A frame is one group: a length, a checksum seeded with its sequence number,
 * and records. The length is written last, so a frame that was not finished is not there. After the last frame all is zero.
 * Native byte order and layout: it never leaves the machine; another version or shape is refused.
 */
#ifndef XENSTORED_JOURNAL_FORMAT_H
#define XENSTORED_JOURNAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAGIC 0x6c6e726a70736f68ull /* "hospjrnl" */
#define JOURNAL_VERSION 1u

struct journal_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* where frames begin */
	char boot[40];	      /* of which life of the machine: the domains of an earlier one are gone */
	uint64_t reserved;
};

struct journal_frame {
	uint32_t len; /* of the records, a multiple of 8; 0: no more frames */
	uint32_t sum;
	uint64_t sequence; /* 1, 2, ... in each file */
};

enum journal_type {
	JOURNAL_NODE = 1,
	JOURNAL_RM,
	JOURNAL_WATCH,
	JOURNAL_UNWATCH,
	JOURNAL_TX_OPEN,
	JOURNAL_TX_CLOSE,
	JOURNAL_DOMAIN,
	JOURNAL_DOMAIN_GONE,
	JOURNAL_QUOTA,
	JOURNAL_RESET,
	JOURNAL_INPUT,
	JOURNAL_REPLY,
	JOURNAL_OUTPUT,
	JOURNAL_PART, /* what follows in this group counts with JOURNAL_PARTS of the same number */
	JOURNAL_PARTS,
};

/* Before each record; records start at multiples of 8. */
struct journal_record {
	uint16_t type;
	uint16_t domid; /* whose connection it is about */
	uint32_t len;	/* of what follows, without padding */
};

/*
 * JOURNAL_NODE: then the permissions, the path with its NUL, the value. Parents that are missing were made with it: they have its permissions
 * and no value. JOURNAL_RM is the path with its NUL alone.
 */
struct journal_node_record {
	uint32_t value_len;
	uint16_t path_len; /* with NUL */
	uint16_t nr_perms;
};
struct journal_perm_record {
	uint64_t unique;
	uint32_t id;
	uint8_t access, ignore;
	uint16_t reserved;
};

/* JOURNAL_WATCH, JOURNAL_UNWATCH: then path and token, each with its NUL. */
struct journal_watch_record {
	int32_t depth;
};
/* JOURNAL_TX_OPEN, JOURNAL_TX_CLOSE */
struct journal_tx_record {
	uint32_t id;
};

struct journal_domain_record {
	uint64_t unique, hyper_unique, gfn;
	uint32_t port, target, features;
	uint8_t introduced, shutdown_seen, reserved[2];
	uint8_t handle[16];
};

struct domain;
struct journal_domain_record journal_domain_record(const struct domain *d);
/* All but the life, which the domain has from its restoring, and whether it was introduced, which is for who can reach its ring. */
void journal_domain_restore(struct domain *d, const struct journal_domain_record *r);

/* JOURNAL_QUOTA: then the name with its NUL. */
struct journal_quota_record {
	uint32_t domid_or_all, value, soft;
};

/* JOURNAL_INPUT: then the gathered bytes of a message that is not whole. */
struct journal_input_record {
	uint32_t cons_page; /* req_cons as the page has it while this is written */
	uint32_t cons;	    /* as it will be */
};
/* JOURNAL_PART, JOURNAL_PARTS */
struct journal_part_record {
	uint64_t number;
};
/* JOURNAL_REPLY: then the message. */
struct journal_reply_record {
	uint32_t number;
};
/* JOURNAL_OUTPUT: then the rest of the message that was cut. */
struct journal_output_record {
	uint32_t from, to, done;
	uint32_t rest_event;
};

static inline size_t journal_pad(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

/* Checksum of @len bytes, a multiple of 8, at an 8-byte boundary. */
uint32_t journal_sum(uint64_t sequence, const void *p, size_t len);

#endif
