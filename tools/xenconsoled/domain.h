/* Domains: which there are, which there were. */
#ifndef XENCONSOLED_DOMAIN_H
#define XENCONSOLED_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

struct console;
struct text;

struct domain {
	struct domain *next, *next_hash;
	uint32_t id;
	uint8_t handle[16];
	uint64_t seen; /* in which look at the hypervisor's list */
	char name[64]; /* "" while unknown */
	struct console *consoles;
};

/* What a daemon before us has kept. */
void domain_setup(void);
/* Compare with the hypervisor's list soon. */
void domain_look(void);
/* Domain @id was introduced: look at that one alone if it is new. The hypervisor's list takes as long as there are domains. */
void domain_arrived(uint32_t id);
struct domain *domain_find(uint32_t id);
void domain_each(void (*fn)(struct domain *d));
struct console *domain_console(uint32_t id, uint32_t nr);
/* The toolstack's name for it. */
void domain_set_name(struct domain *d, const char *name);
/* Open all logs anew. */
void domain_reopen_logs(void);

/* Answers to questions. @who: a name or an id; of the dead the last one counts. False: no such domain, or no such console. */
bool domain_history(const char *who, uint32_t nr, struct text *out);
/* One line each: id, console, "alive" or when it died, bytes kept, name. */
void domain_list(struct text *out);

#endif
