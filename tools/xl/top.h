/* What xl top shows: pictures of all domains, one after the other, as a table. */
#ifndef XL_TOP_H
#define XL_TOP_H

#include <stdbool.h>
#include <time.h>

#include "domains.h"
#include "stats.h"

struct text;

struct top {
	bool full_names, networks, vbds, vcpus, repeat_header;
	unsigned delay;	 /* seconds */
	long rounds;	 /* -1: until ended */
	unsigned column; /* rows are ordered by it */
	/* Two pictures, for shares of CPUs. */
	struct domains now, before;
	struct stats *stats; /* of now, in order */
	struct timespec at;
	double seconds; /* between them; 0: there is only one */
};

/* Take the next picture. */
void top_look(struct top *top);
void top_free(struct top *top);
/* Order the rows of the present picture by top->column. */
void top_sort(struct top *top);
unsigned top_columns(void);
/* Percent of one CPU since the picture before. */
double top_share(const struct top *top, const struct domain *d);

/* The table from row @first on. */
void top_table(struct top *top, struct text *t, unsigned first);
/* Where the title of the column it is ordered by begins in the header, and how long it is. */
void top_mark(const struct top *top, int *at, int *len);
/* Three lines over the table: the hypervisor, domains by their states, memory. */
void top_summary(const struct top *top, struct text *t);

/* The same on a terminal, with keys. An exit status. */
int top_screen(struct top *top);

#endif
