/* One file of the journal, and its rewriting: between journal.c and compact.c. */
#ifndef XENSTORED_JOURNAL_FILE_H
#define XENSTORED_JOURNAL_FILE_H

#include <stdbool.h>

#include "journal_format.h"

struct journal_file {
	int fd;
	char *map;
	size_t size;   /* mapped, and really there */
	size_t tail;   /* where the next frame goes */
	size_t cursor; /* where the next record goes, in the open frame */
	uint64_t sequence;
	bool failed;
};

int journal_file_create(struct journal_file *f, const char *path); /* 0 or an errno value */
void journal_file_close(struct journal_file *f);
void journal_file_begin(struct journal_file *f);
void journal_file_commit(struct journal_file *f);
/* @len more bytes of the open frame, a multiple of 8; NULL: it cannot grow, and is marked so. */
void *journal_file_append(struct journal_file *f, size_t len);

/* Records go to @to until the next call (NULL: the journal). Returns the old one. Only while no group is open. */
struct journal_file *journal_redirect(struct journal_file *to);
const struct journal_file *journal_current(void);
/* @by is the journal now, and takes the old file in exchange. */
void journal_replace(struct journal_file *by, const char *path);

/* compact.c: rewrite in slices, from the event loop, or now. */
void compact_start(const char *path);
int compact_now(const char *path); /* 0 or an errno value */
void compact_abandon(void);

#endif
