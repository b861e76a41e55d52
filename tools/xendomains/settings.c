/* /etc/default/xendomains: assignments as a shell reads them, as far as such a file has any. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "xendomains.h"

static bool is_true(const char *s)
{
	return !strcmp(s, "true") || !strcmp(s, "yes") || !strcmp(s, "1");
}

/* The value up to a blank, or what is in quotes. Changes the line. */
static char *value_of(char *s)
{
	char quote = *s == '"' || *s == '\'' ? *s++ : 0;

	s[quote ? strcspn(s, quote == '"' ? "\"\n" : "'\n") : strcspn(s, " \t\n#;")] = 0;
	return s;
}

static void put(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value);
}

static void assign(struct settings *s, const char *name, const char *value)
{
	if (!strcmp(name, "XENDOMAINS_AUTO"))
		put(&s->automatic, value);
	else if (!strcmp(name, "XENDOMAINS_SAVE"))
		put(&s->save, value);
	else if (!strcmp(name, "XENDOMAINS_MIGRATE"))
		put(&s->migrate, value);
	else if (!strcmp(name, "XENDOMAINS_SHUTDOWN"))
		put(&s->shutdown, value);
	else if (!strcmp(name, "XENDOMAINS_SYSRQ"))
		put(&s->sysrq, value);
	else if (!strcmp(name, "XENDOMAINS_RESTORE"))
		s->restore = is_true(value);
	else if (!strcmp(name, "XENDOMAINS_AUTO_ONLY"))
		s->auto_only = is_true(value);
	else if (!strcmp(name, "XENDOMAINS_STOP_MAXWAIT"))
		s->max_wait = (unsigned)strtoul(value, NULL, 10);
}

bool settings_read(struct settings *s, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *equals;
	size_t size = 0;

	*s = (struct settings){ .max_wait = 300 };
	put(&s->automatic, "/etc/xen/auto");
	put(&s->save, "");
	put(&s->migrate, "");
	put(&s->shutdown, "--wait");
	put(&s->sysrq, "");
	while (f && getline(&line, &size, f) > 0) {
		char *name = line + strspn(line, " \t");

		equals = strchr(name, '=');
		if (*name == '#' || !equals)
			continue;
		*equals = 0;
		assign(s, name, value_of(equals + 1));
	}
	free(line);
	if (f)
		fclose(f);
	return f != NULL;
}
