/* Lists of CPUs as xl writes and prints them. */
#include "domain/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Without a machine to ask. */
#define DEFAULT_CPUS 1024u
#define MAX_CPUS 65536u

static void set_range(struct cpu_list *l, unsigned first, unsigned last, bool value)
{
	for (unsigned i = first; i <= last && i < l->nr_bits; i++) {
		if (value)
			l->bits[i / 8] |= (uint8_t)(1u << i % 8);
		else
			l->bits[i / 8] &= (uint8_t) ~(1u << i % 8);
	}
}

/* "A" or "A-B", all of it. */
static int range(const char *s, unsigned long *first, unsigned long *last)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	*first = *last = strtoul(s, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return -EINVAL;
		*last = strtoul(end + 1, &end, 10);
	}
	return *end || *first > *last ? -EINVAL : 0;
}

/* One item between commas. */
static int item(struct cpu_list *l, char *s)
{
	bool value = true, nodes = false;
	unsigned long first, last;

	if (*s == '^') {
		value = false;
		s++;
	}
	if (strcmp(s, "all") == 0) {
		if (!value)
			return -EINVAL;
		l->all = true;
		set_range(l, 0, l->nr_bits - 1, true);
		return 0;
	}
	if (strncmp(s, "nodes:", 6) == 0 || strncmp(s, "node:", 5) == 0) {
		s = strchr(s, ':') + 1;
		nodes = true;
		if (*s == '^' && value) {
			value = false;
			s++;
		}
		if (strcmp(s, "all") == 0) {
			set_range(l, 0, l->nr_bits - 1, value);
			return 0;
		}
	}
	if (range(s, &first, &last))
		return -EINVAL;
	if (!value)
		l->all = false;
	if (nodes) { /* one node holds all CPUs */
		if (first == 0)
			set_range(l, 0, l->nr_bits - 1, value);
		return last == 0 ? 0 : -EINVAL;
	}
	if (first >= MAX_CPUS)
		return -EINVAL;
	set_range(l, (unsigned)first, last >= l->nr_bits ? l->nr_bits - 1 : (unsigned)last, value);
	return 0;
}

int cpu_list_parse(struct cpu_list *l, const char *text, unsigned nr_cpus)
{
	char *copy = xstrdup(text), *save, *s;
	int rc = 0;

	*l = (struct cpu_list){ .nr_bits = nr_cpus && nr_cpus <= MAX_CPUS ? nr_cpus : DEFAULT_CPUS };
	l->bits = xcalloc(l->nr_bits / 8 + 1, 1);
	for (s = strtok_r(copy, ", ", &save); s && rc == 0; s = strtok_r(NULL, ", ", &save))
		rc = item(l, s);
	free(copy);
	if (rc)
		cpu_list_free(l);
	return rc;
}

void cpu_list_free(struct cpu_list *l)
{
	free(l->bits);
	*l = (struct cpu_list){ 0 };
}

bool cpu_list_and(struct cpu_list *l, const struct cpu_list *mask)
{
	bool any = false, all = l->all;

	for (unsigned i = 0; i < l->nr_bits; i++) {
		bool stays = (l->all || l->bits[i / 8] >> i % 8 & 1) &&
			     (mask->all || (i < mask->nr_bits && (mask->bits[i / 8] >> i % 8 & 1)));

		set_range(l, i, i, stays);
		any |= stays;
		all &= stays;
	}
	l->all = all && mask->all;
	return any;
}

static bool has(const struct cpu_list *l, unsigned cpu)
{
	return cpu < l->nr_bits && l->bits && (l->bits[cpu / 8] >> cpu % 8 & 1);
}

char *cpu_list_format(const struct cpu_list *l, unsigned nr_cpus)
{
	struct text t = { 0 };
	unsigned set = 0;

	for (unsigned i = 0; i < nr_cpus; i++)
		set += has(l, i);
	if (l->all || set == nr_cpus)
		return xstrdup("all");
	if (!set)
		return xstrdup("none");
	for (unsigned i = 0; i < nr_cpus; i++) {
		unsigned last = i;

		if (!has(l, i))
			continue;
		while (last + 1 < nr_cpus && has(l, last + 1))
			last++;
		text_printf(&t, last > i ? "%s%u-%u" : "%s%u", t.len ? "," : "", i, last);
		i = last;
	}
	return t.s;
}
