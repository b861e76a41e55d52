/* The domains there are, and the last ones there were: ours (with a record in /hospes) and those others made. */
#ifndef HOSPESD_DOM_H
#define HOSPESD_DOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "uuid.h"

struct json_object;
struct op;
struct xs_watch;

#define DOM_HISTORY 32 /* lines kept of each domain's life */

struct dom {
	struct dom *next;
	uint32_t id;
	uint8_t uuid[16];
	char *name;    /* "" until it is known */
	bool ours;     /* made by this daemon or an earlier one: its end is our business */
	bool ended;    /* its shutdown was seen and handled */
	bool gone;     /* no longer a domain: kept for dom_explain() */
	struct op *op; /* what is under way on the domain as a whole, or NULL */
	struct xs_watch *name_watch;
	struct problem problem; /* the last one */
	char *history[DOM_HISTORY];
	unsigned nr_history; /* ever */
	unsigned restarts;
	uint64_t introduced; /* sequence number, to find the oldest of the gone */
};

/* Find out what domains there are, now and on each change. 0 or -errno. */
int dom_open(void);
void dom_close(void);

/* Compare what there is with what is known. */
void dom_refresh(void);
/* Nothing is under way on @d any more: what happened to it meanwhile was passed over, so look at it once again, soon. */
void dom_look_again(struct dom *d);
struct dom *dom_first(void);
struct dom *dom_find(uint32_t id);
struct dom *dom_find_name(const char *name);
/* The one "domain" of @params means: a name or a number. NULL and the problem. @gone: also those that are no more. */
struct dom *dom_named(struct json_object *params, bool gone, struct problem *p);
/* A new domain of ours. Its name is known from here on. */
struct dom *dom_add(uint32_t id, const uint8_t uuid[16], const char *name, bool ours);
void dom_set_name(struct dom *d, const char *name);
/* It is no domain any more. */
void dom_gone(struct dom *d);

/* A domain of that name was to be and is not: what was wrong is kept as of one that is gone, without a number. */
void dom_never(const char *name, const struct problem *p);

/* Path of @name in the domain's record; to be freed. */
char *dom_record(const struct dom *d, const char *name);

/* A line of the domain's life: into its history and its log file. */
void dom_log(struct dom *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Remember it as the last problem, log it, keep it in the record. */
void dom_problem(struct dom *d, const struct problem *p);
/* An event for subscribers; @more (may be NULL) is taken over and gets the other members. */
void dom_event(const struct dom *d, const char *event, struct json_object *more);

#endif
