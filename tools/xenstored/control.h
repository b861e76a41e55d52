/* CONTROL: commands for the administrator, text in and text out. */
#ifndef XENSTORED_CONTROL_H
#define XENSTORED_CONTROL_H

#include "conn.h"

/*
 * One command of @nr strings (the first is its name); live-update is served elsewhere (update.h). The client's text, with its
 * NUL, goes to @answer of @size bytes and its length to *len. EINVAL: unknown command or arguments; ENOENT: no such domain.
 */
int control_command(struct conn *c, const char *const *args, unsigned nr, char *answer, size_t size, size_t *len);

/*
 * Look at everything that must be true of the live tree: names and their order, sums, owners' counts and sets. Each fault is reported
 * by notice(); returns how many there were, -1 without memory. Also for tests.
 */
int store_check(void);

#endif
