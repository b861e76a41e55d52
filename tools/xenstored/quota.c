/* Quotas of unprivileged domains. */
#include "quota.h"

#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "live.h"
#include "trace.h"

#define LOG_INTERVAL_MS 1000
#define LOG_LINES 20 /* about all domains in that time */

static const struct {
	const char *name, *what;
	uint32_t limit, soft;
} types[QUOTA_TYPES] = {
	[QUOTA_NODES] = { "nodes", "nodes owned", 1000, 0 },
	[QUOTA_WATCHES] = { "watches", "watches", 128, 0 },
	[QUOTA_TRANSACTIONS] = { "transactions", "open transactions", 10, 0 },
	[QUOTA_OUTSTANDING] = { "outstanding", "unread replies and events", 20, 0 },
	[QUOTA_MEMORY] = { "memory", "bytes held in the store", 2560 * 1024, 2048 * 1024 },
	[QUOTA_NODE_SIZE] = { "node-size", "bytes of one node", 2048, 0 },
	[QUOTA_NODE_PERMISSIONS] = { "node-permissions", "permissions of one node", 5, 0 },
	[QUOTA_PATH_MAX] = { "path-max", "bytes of a path", 2048, 0 },
	[QUOTA_TRANSACTION_NODES] = { "transaction-nodes", "requests of one transaction", 1024, 0 },
};

static struct {
	bool set[QUOTA_TYPES], soft_set[QUOTA_TYPES];
	uint32_t limit[QUOTA_TYPES], soft[QUOTA_TYPES];
	uint64_t lines_since; /* ms */
	unsigned lines;
	int64_t max[QUOTA_TYPES]; /* the most one unprivileged domain has used */
} common;

const char *quota_name(enum quota_type type)
{
	return types[type].name;
}

size_t quota_names(char *buf, size_t size)
{
	size_t at = 0;

	for (int i = 0; i < QUOTA_TYPES; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? " " : "", types[i].name);
	return at + (size_t)snprintf(buf + at, size - at, " soft-%s", types[QUOTA_MEMORY].name);
}

int quota_find(const char *name, bool *soft)
{
	*soft = !strncmp(name, "soft-", 5);
	if (*soft)
		name += 5;
	for (int i = 0; i < QUOTA_TYPES; i++)
		if (!strcmp(name, types[i].name))
			return i;
	return -1;
}

uint32_t quota_limit(const struct domain *d, enum quota_type type)
{
	if (d && domain_privileged(d))
		return 0;
	if (d && d->quota.own_limit & 1u << type)
		return d->quota.limit[type];
	return common.set[type] ? common.limit[type] : types[type].limit;
}

uint32_t quota_soft_limit(const struct domain *d, enum quota_type type)
{
	if (d && domain_privileged(d))
		return 0;
	if (d && d->quota.own_soft & 1u << type)
		return d->quota.soft[type];
	return common.soft_set[type] ? common.soft[type] : types[type].soft;
}

void quota_set(struct domain *d, enum quota_type type, bool soft, uint32_t value)
{
	uint16_t bit = (uint16_t)(1u << type);

	if (d && soft) {
		d->quota.soft[type] = value;
		d->quota.own_soft |= bit;
	} else if (d) {
		d->quota.limit[type] = value;
		d->quota.own_limit |= bit;
	} else if (soft) {
		common.soft[type] = value;
		common.soft_set[type] = true;
	} else {
		common.limit[type] = value;
		common.set[type] = true;
	}
	live_touch();
}

bool quota_is_own(const struct domain *d, enum quota_type type, bool soft)
{
	if (d)
		return (soft ? d->quota.own_soft : d->quota.own_limit) & 1u << type;
	return soft ? common.soft_set[type] : common.set[type];
}

/* May a line about this be logged now? A guest that runs into its limits must not fill the log. */
static bool log_allowed(struct quota *q, enum quota_type type)
{
	uint64_t now = store_clock();

	if (q->logged[type] && now - q->logged[type] < LOG_INTERVAL_MS)
		return false;
	if (now - common.lines_since >= LOG_INTERVAL_MS) {
		common.lines_since = now;
		common.lines = 0;
	}
	if (common.lines++ >= LOG_LINES)
		return false;
	q->logged[type] = now ? now : 1;
	return true;
}

static void refuse(struct domain *d, enum quota_type type, int64_t wanted, uint32_t limit)
{
	d->quota.refused[type]++;
	if (log_allowed(&d->quota, type))
		notice("domain %u: quota %s (%s): %lld wanted, limit %u, refused %u times so far", d->id,
		       types[type].name, types[type].what, (long long)wanted, limit, d->quota.refused[type]);
}

bool quota_fits(const struct domain *d, enum quota_type type, int64_t more)
{
	uint32_t limit = quota_limit(d, type);

	return !limit || more <= 0 || d->quota.use[type] + more <= (int64_t)limit;
}

bool quota_exceeded(struct domain *d, enum quota_type type, int64_t more)
{
	if (quota_fits(d, type, more))
		return false;
	refuse(d, type, d->quota.use[type] + more, quota_limit(d, type));
	return true;
}

bool quota_too_big(struct domain *d, enum quota_type type, uint64_t value)
{
	uint32_t limit = quota_limit(d, type);

	if (!limit || value <= limit)
		return false;
	refuse(d, type, (int64_t)value, limit);
	return true;
}

void quota_charge(struct domain *d, enum quota_type type, int64_t delta)
{
	int64_t before = d->quota.use[type];
	uint32_t soft = delta > 0 ? quota_soft_limit(d, type) : 0;

	d->quota.use[type] = before + delta;
	if (before + delta > common.max[type] && !domain_privileged(d))
		common.max[type] = before + delta;
	if (soft && before <= (int64_t)soft && before + delta > (int64_t)soft && log_allowed(&d->quota, type))
		notice("domain %u: soft quota %s (%s) exceeded: %lld, soft limit %u", d->id, types[type].name,
		       types[type].what, (long long)(before + delta), soft);
}

int quota_format(char *buf, size_t size, const struct domain *d, bool soft)
{
	size_t at = 0;

	if (size)
		*buf = '\0';
	for (enum quota_type i = 0; i < QUOTA_TYPES && at < size; i++) {
		uint32_t limit = soft ? quota_soft_limit(d, i) : quota_limit(d, i);

		if (d && i <= QUOTA_MEMORY)
			at += (size_t)snprintf(buf + at, size - at, "%-17s: %8lld of %8u %s, %u refused\n",
					       types[i].name, (long long)d->quota.use[i], limit, types[i].what,
					       d->quota.refused[i]);
		else if (!soft || i <= QUOTA_MEMORY)
			at += (size_t)snprintf(buf + at, size - at, "%-17s: %8u %s\n", types[i].name, limit,
					       types[i].what);
	}
	return (int)at;
}

int quota_format_max(char *buf, size_t size)
{
	size_t at = 0;

	for (enum quota_type i = 0; i <= QUOTA_MEMORY && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%-17s: %8lld %s\n", types[i].name,
				       (long long)common.max[i], types[i].what);
	return (int)at;
}

void quota_reset_max(void)
{
	memset(common.max, 0, sizeof(common.max));
}
