/* CONTROL: commands for the administrator, text in and text out. */
#ifndef XENSTORED_CONTROL_H
#define XENSTORED_CONTROL_H

#include "conn.h"

/*
 * One command of @nr strings (the first is its name). Text for the client to @answer of @size bytes (4096) and its length to *len.
 * EINVAL: unknown command or arguments.
 */
int control_command(struct conn *c, const char *const *args, unsigned nr, char *answer, size_t size, size_t *len);

#endif
