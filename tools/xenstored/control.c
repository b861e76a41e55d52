/* The administrator's commands. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "journal.h"
#include "live.h"
#include "perms.h"
#include "trace.h"
#include "watch.h"

/* What a command works with: arguments after its name, room for its answer. */
struct command {
	struct conn *c;
	const char *const *args;
	unsigned nr;
	char *answer;
	size_t size;
};

static int say(struct command *k, const char *text)
{
	snprintf(k->answer, k->size, "%s", text);
	return 0;
}

static int cmd_check(struct command *k)
{
	int faults = store_check();

	if (k->nr)
		return EINVAL;
	if (faults < 0)
		return ENOMEM;
	if (!faults)
		return say(k, "OK");
	snprintf(k->answer, k->size, "%d faults, see the log", faults);
	return 0;
}

/* The classic daemon switches single kinds of trace lines on and off; here there is one kind. */
static int cmd_log(struct command *k)
{
	bool on;

	if (!k->nr)
		return say(k, trace_on ? "Log on" : "Log off");
	if (k->nr > 1)
		return EINVAL;
	if (!strcmp(k->args[0], "on") || (k->args[0][0] == '+' && k->args[0][1]))
		on = true;
	else if (!strcmp(k->args[0], "off") || (k->args[0][0] == '-' && k->args[0][1]))
		on = false;
	else
		return EINVAL;
	return trace_set(on) ? EINVAL : say(k, "OK");
}

static int cmd_logfile(struct command *k)
{
	if (k->nr != 1)
		return EINVAL;
	return trace_open(*k->args[0] ? k->args[0] : NULL) ? EINVAL : say(k, "OK");
}

static int cmd_print(struct command *k)
{
	if (k->nr != 1)
		return EINVAL;
	notice("control: %s", k->args[0]);
	return say(k, "OK");
}

static int cmd_memreport(struct command *k)
{
	unsigned lists, watches;
	size_t list_bytes, watch_bytes, at;

	if (k->nr)
		return EINVAL;
	perms_stats(&lists, &list_bytes);
	watch_stats(&watches, &watch_bytes);
	at = (size_t)snprintf(k->answer, k->size,
			      "tree and snapshots: %zu bytes\npermissions: %u lists, %zu bytes\n"
			      "watches: %u, %zu bytes\n",
			      tree_bytes(), lists, list_bytes, watches, watch_bytes);
	for (const struct domain *d = domain_first(); d && at + 80 < k->size; d = d->next)
		if (!domain_privileged(d))
			at += (size_t)snprintf(
				k->answer + at, k->size - at, "domain %u: %lld bytes, %lld nodes, %lld watches\n",
				d->id, (long long)d->quota.use[QUOTA_MEMORY], (long long)d->quota.use[QUOTA_NODES],
				(long long)d->quota.use[QUOTA_WATCHES]);
	return 0;
}

/* set <name> <value>, for one domain or all. */
static int quota_command_set(struct command *k, struct domain *d, const char *const *args, bool soft)
{
	bool named_soft;
	uint64_t value;
	int type = quota_find(args[0], &named_soft);

	if (type < 0 || !wire_parse_number(args[1], UINT32_MAX, &value))
		return EINVAL;
	soft |= named_soft;
	quota_set(d, (enum quota_type)type, soft, (uint32_t)value);
	journal_quota(quota_name((enum quota_type)type), d ? d->id : UINT32_MAX, (uint32_t)value, soft);
	return say(k, "OK");
}

static int quota_command(struct command *k, bool soft)
{
	struct domain *d;
	uint64_t id;

	if (!k->nr) {
		quota_format(k->answer, k->size, NULL, soft);
		return 0;
	}
	if (k->nr == 3 && !strcmp(k->args[0], "set"))
		return quota_command_set(k, NULL, k->args + 1, soft);
	if (!soft && !strcmp(k->args[0], "max") && (k->nr == 1 || (k->nr == 2 && !strcmp(k->args[1], "-r")))) {
		quota_format_max(k->answer, k->size);
		if (k->nr == 2)
			quota_reset_max();
		return 0;
	}
	if (!wire_parse_number(k->args[0], 65535, &id))
		return EINVAL;
	d = domain_get((uint32_t)id);
	if (!d)
		return ENOENT;
	if (k->nr == 4 && !strcmp(k->args[1], "set"))
		return quota_command_set(k, d, k->args + 2, soft);
	if (k->nr != 1)
		return EINVAL;
	quota_format(k->answer, k->size, d, soft);
	return 0;
}

static int cmd_quota(struct command *k)
{
	return quota_command(k, false);
}

static int cmd_quota_soft(struct command *k)
{
	return quota_command(k, true);
}

static int cmd_help(struct command *k);

static const struct {
	const char *name;
	int (*run)(struct command *k);
	const char *args;
} commands[] = {
	{ "check", cmd_check, "" },
	{ "log", cmd_log, "[on|off|+<switch>|-<switch>]" },
	{ "logfile", cmd_logfile, "<file>" },
	{ "memreport", cmd_memreport, "" },
	{ "print", cmd_print, "<string>" },
	{ "quota", cmd_quota, "[set <name> <value>|max [-r]|<domid> [set <name> <value>]]" },
	{ "quota-soft", cmd_quota_soft, "[set <name> <value>|<domid> [set <name> <value>]]" },
	{ "live-update", NULL, "[-c <arguments>|-f <file>|-s [-t <seconds>] [-F]|-a]" },
	{ "help", cmd_help, "" },
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int cmd_help(struct command *k)
{
	size_t at = 0;

	for (size_t i = 0; i < NR_COMMANDS && at < k->size; i++)
		at += (size_t)snprintf(k->answer + at, k->size - at, "%-15s %s\n", commands[i].name, commands[i].args);
	return 0;
}

int control_command(struct conn *c, const char *const *args, unsigned nr, char *answer, size_t size, size_t *len)
{
	struct command k = { .c = c, .args = args + 1, .nr = nr - 1, .answer = answer, .size = size };

	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (commands[i].run && !strcmp(commands[i].name, args[0])) {
			int err = commands[i].run(&k);

			if (!err)
				*len = strlen(answer) + 1;
			return err;
		}
	return EINVAL;
}
