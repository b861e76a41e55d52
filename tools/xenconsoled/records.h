/* The store's records of consoles: what is read there, and what is told there. Survives the store's daemon. */
#ifndef XENCONSOLED_RECORDS_H
#define XENCONSOLED_RECORDS_H

#include <stdbool.h>

struct console;
struct domain;

/* Connect; ends the program if nobody listens. */
void records_setup(void);
/* Follow the records of a new domain's consoles; stop to. */
void records_domain(struct domain *d);
void records_forget(struct domain *d);
/* Is nothing under way? */
bool records_idle(void);

#endif
