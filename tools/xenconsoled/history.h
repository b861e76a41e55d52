/*
 * The last bytes a console said, in a mapped file: they outlive the domain and, after kill -9, the daemon. A byte has a
 * position that never changes: the number of bytes before it. Everything that wants output (log, terminal, questions) reads here
 * from the position it has come to.
 */
#ifndef XENCONSOLED_HISTORY_H
#define XENCONSOLED_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history;

/* Which life of which domain. */
struct history_id {
	uint32_t domid, nr; /* of the domain; of the console within it */
	uint8_t handle[16];
};

/* Files go to @dir ("" or a directory that cannot be made: memory only), @size bytes are kept of each. */
void history_setup(const char *dir, size_t size);
/* The one of @id, kept from before or new. Never fails: at worst it is in memory alone. */
struct history *history_open(const struct history_id *id);
/* As history_open() for a domain that is gone; NULL if there is none. */
struct history *history_find(uint32_t domid, uint32_t nr);
/* Each file left by a daemon before, in any order. */
void history_each(void (*fn)(void *arg, const struct history_id *id, const char *name, uint64_t died), void *arg);
void history_close(struct history *h);
void history_remove(uint32_t domid, uint32_t nr);

size_t history_size(const struct history *h);
/* Positions: after the last byte, and of the first one that is still there. */
uint64_t history_end(const struct history *h);
uint64_t history_begin(const struct history *h);
/*
 * Copy bytes from position *@at on (moved on to the first that is still there) to @to; how many. *@at is moved past them.
 */
size_t history_read(const struct history *h, uint64_t *at, void *to, size_t max);
/* Add what came out of a ring, in which it ends at index @ring. */
void history_add(struct history *h, const void *bytes, size_t len, uint32_t ring);
/* A ring stands at index @cons and has @waiting bytes: from which index on they are news, if the daemon died while it took some. */
uint32_t history_resume(struct history *h, uint32_t cons, size_t waiting);

/* What the log has got of it. */
uint64_t history_logged(const struct history *h);
void history_set_logged(struct history *h, uint64_t at);
void history_set_name(struct history *h, const char *name);
/* The domain is gone; @now in seconds since 1970. */
void history_set_died(struct history *h, uint64_t now);
uint64_t history_died(const struct history *h);
const char *history_name(const struct history *h);

#endif
