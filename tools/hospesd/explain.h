/* What is known of a domain's trouble. */
#ifndef HOSPESD_EXPLAIN_H
#define HOSPESD_EXPLAIN_H

struct dom;
struct json_object;

/* The result of domain.explain. */
struct json_object *explain(const struct dom *d);

#endif
