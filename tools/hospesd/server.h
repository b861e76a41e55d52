/*
 * The daemon's socket: JSON-RPC 2.0, one object per line, many clients, any number of requests under way. A client costs bounded memory:
 * lines, unread answers and requests under way have limits.
 */
#ifndef HOSPESD_SERVER_H
#define HOSPESD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct problem;

/* One request that waits for its answer. It outlives its client: answers to nobody are dropped. */
struct caller;
/* @params is an object, valid during the call. Must lead to exactly one caller_result() or caller_problem(), now or later. */
typedef void server_method(struct caller *c, struct json_object *params);
struct server_entry {
	const char *name;
	server_method *method;
};

/* Listen at @path, replacing a socket nobody listens at. @methods ends with a NULL name. 0 or -errno (-EADDRINUSE: a daemon runs). */
int server_open(const char *path, const struct server_entry *methods);
/* Listen on a descriptor that came with the program (socket activation). */
int server_adopt(int fd, const struct server_entry *methods);
void server_close(void);

/* Answer; @result is taken over, NULL means {}. The caller is gone then. */
void caller_result(struct caller *c, struct json_object *result);
void caller_problem(struct caller *c, const struct problem *p);
/* Tell how far a long request got. @c may be NULL. */
void caller_progress(struct caller *c, const char *step, uint64_t done, uint64_t total);
/* Call @gone(@arg) if its client goes before the answer; NULL: do not. False: it has gone. @c may be NULL. */
bool caller_on_gone(struct caller *c, void (*gone)(void *arg), void *arg);
/* From now on its client gets events. */
void caller_subscribe(struct caller *c);
/* An event for all who asked for them; taken over. */
void server_event(struct json_object *params);

#endif
