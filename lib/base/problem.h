/*
 * What went wrong, for a person and for a program: the domain, the step, the cause and what to do next.
 *
 * A function that can fail takes a `struct problem *` and fills it where the facts are; callers pass it on. Printed by tools as
 *
 *   xl: domain 'web' (7): disk xvda: /srv/web.img does not exist (no-such-file)
 *       next: create the image, or correct the line 12 of /etc/xen/web.cfg
 *
 * and with --json as an object of the same fields.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#define PROBLEM_NO_DOMID 0xffffffffu

struct problem {
	int err; /* errno value, never 0 once set */
	char code
		[32]; /* stable word for programs: "no-such-file", "name-taken", ...; docs/problems.md lists them all */
	char domain[64]; /* name, or "" */
	uint32_t domid;	 /* or PROBLEM_NO_DOMID */
	char step[64];	 /* what was being done: "disk xvda", "kernel", "memory" */
	char cause[512]; /* a sentence without capital and full stop */
	char next[512];	 /* what to do about it; never empty */
};

/* Empty. */
void problem_init(struct problem *p);
/* Fill it, unless it is filled already (the first cause counts). Returns -@err, for `return problem_set(...)`. @p may be NULL. */
int problem_set(struct problem *p, int err, const char *code, const char *step, const char *next, const char *cause_fmt,
		...) __attribute__((format(printf, 6, 7)));
/* Name the domain it is about, if that is not yet said. */
void problem_domain(struct problem *p, const char *name, uint32_t domid);
/* As text of one or two lines, without "xl: " and without newline at the end. Returns the length snprintf() would. */
int problem_format(const struct problem *p, char *buf, unsigned size);
struct json_object;
/* As JSON and back (unknown members are ignored). */
struct json_object *problem_json(const struct problem *p);
void problem_from_json(struct problem *p, struct json_object *json);

#endif
