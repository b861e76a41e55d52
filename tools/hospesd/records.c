#include "records.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dom.h"
#include "domain/config.h"
#include "guest/build.h"
#include "xs.h"

#define CONSOLE_LIMIT "1048576" /* bytes xenconsoled keeps for a domain nobody looks at */

static void number(struct xs_batch *b, uint32_t domid, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	xs_batch_write(b, text, "/local/domain/%u/%s", domid, name);
}

static void home(struct xs_batch *b, uint32_t domid, const char *name, const char *value)
{
	xs_batch_write(b, value, "/local/domain/%u/%s", domid, name);
}

/* A node the guest may write. */
static void guests_own(struct xs_batch *b, uint32_t domid, const char *name)
{
	char perms[16];
	home(b, domid, name, "");
	snprintf(perms, sizeof(perms), "n%u", domid);
	xs_batch_perms(b, perms, "/local/domain/%u/%s", domid, name);
}

static void records_vm(struct xs_batch *b, uint32_t domid, const uint8_t uuid[16], const char *name, const char *perms)
{
	char text[UUID_TEXT], when[32], path[UUID_TEXT + 8];
	struct timespec now;
	uuid_format(text, uuid);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(when, sizeof(when), "%lld.%02ld", (long long)now.tv_sec, now.tv_nsec / 10000000);
	xs_batch_write(b, "", "/vm/%s", text);
	xs_batch_perms(b, perms, "/vm/%s", text);
	xs_batch_write(b, text, "/vm/%s/uuid", text);
	xs_batch_write(b, name, "/vm/%s/name", text);
	xs_batch_write(b, when, "/vm/%s/start_time", text);
	snprintf(path, sizeof(path), "/vm/%s", text);
	xs_batch_write(b, path, "/local/domain/%u/vm", domid);
}

static void records_console(struct xs_batch *b, uint32_t domid, const struct guest_build *build)
{
	char front[48], back[64], record[48], perms[32], id[12];
	snprintf(front, sizeof(front), "/local/domain/%u/console", domid);
	snprintf(back, sizeof(back), "/local/domain/%u/backend/console/%u/0", build->console_domid, domid);
	snprintf(record, sizeof(record), "/libxl/%u/device/console/0", domid);
	snprintf(id, sizeof(id), "%u", domid);
	xs_batch_write(b, front, "%s/frontend", record);
	xs_batch_write(b, back, "%s/backend", record);
	xs_batch_write(b, id, "%s/frontend-id", record);
	xs_batch_write(b, "1", "%s/online", record);
	xs_batch_write(b, "1", "%s/state", record);
	xs_batch_write(b, "vt100", "%s/protocol", record);
	xs_batch_write(b, "", "%s", back);
	snprintf(perms, sizeof(perms), "n%u r%u", build->console_domid, domid);
	xs_batch_perms(b, perms, "%s", back);
	xs_batch_write(b, front, "%s/frontend", back);
	xs_batch_write(b, id, "%s/frontend-id", back);
	xs_batch_write(b, "1", "%s/online", back);
	xs_batch_write(b, "1", "%s/state", back);
	xs_batch_write(b, "vt100", "%s/protocol", back);
	home(b, domid, "console/backend", back);
	number(b, domid, "console/backend-id", build->console_domid);
	snprintf(perms, sizeof(perms), "n%u r%u", domid, build->console_domid);
	xs_batch_perms(b, perms, "%s/backend-id", front);
	home(b, domid, "console/limit", CONSOLE_LIMIT);
	home(b, domid, "console/type", "xenconsoled");
	home(b, domid, "console/output", "pty");
	number(b, domid, "console/port", build->console_port);
	number(b, domid, "console/ring-ref", build->console_gfn);
	home(b, domid, "console/tty", "");
}

void records_domain(struct xs_batch *b, const struct domain_config *config, const struct guest_build *build)
{
	static const char *const own[] = { "control/shutdown",
					   "control/feature-poweroff",
					   "control/feature-reboot",
					   "control/feature-suspend",
					   "control/sysrq",
					   "device/suspend/event-channel",
					   "data",
					   "drivers",
					   "feature",
					   "attr",
					   "error" };
	uint32_t domid = build->built_domid;
	unsigned vcpus = config->maxvcpus > config->vcpus ? config->maxvcpus : config->vcpus;
	char perms[32], name[48];
	snprintf(perms, sizeof(perms), "n0 r%u", domid);
	xs_batch_write(b, "", "/local/domain/%u", domid);
	xs_batch_perms(b, perms, "/local/domain/%u", domid);
	home(b, domid, "name", config->name);
	number(b, domid, "domid", domid);
	records_vm(b, domid, config->uuid, config->name, perms);
	for (unsigned i = 0; i < vcpus; i++) {
		snprintf(name, sizeof(name), "cpu/%u/availability", i);
		home(b, domid, name, i < config->vcpus ? "online" : "offline");
	}
	number(b, domid, "memory/static-max", config->maxmem > config->memory ? config->maxmem : config->memory);
	number(b, domid, "memory/target", config->memory);
	home(b, domid, "memory/videoram", "0");
	home(b, domid, "control/platform-feature-multiprocessor-suspend", "1");
	home(b, domid, "control/platform-feature-xs_reset_watches", "1");
	number(b, domid, "store/port", build->store_port);
	number(b, domid, "store/ring-ref", build->store_gfn);
	for (unsigned i = 0; i < sizeof(own) / sizeof(*own); i++)
		guests_own(b, domid, own[i]);
	xs_batch_write(b, "pvh", "/libxl/%u/type", domid);
	xs_batch_write(b, "qemu_xen", "/libxl/%u/dm-version", domid);
	records_console(b, domid, build);
}

void records_rename(struct xs_batch *b, uint32_t domid, const uint8_t uuid[16], const char *name)
{
	static const uint8_t none[16];
	char text[UUID_TEXT];
	uuid_format(text, uuid);
	home(b, domid, "name", name);
	if (memcmp(uuid, none, sizeof(none))) /* domain 0 has none, nor what is kept under it */
		xs_batch_write(b, name, "/vm/%s/name", text);
}

void records_uuid(struct xs_batch *b, uint32_t domid, const uint8_t old[16], const uint8_t new[16], const char *name)
{
	char text[UUID_TEXT], perms[32];
	snprintf(perms, sizeof(perms), "n0 r%u", domid);
	records_vm(b, domid, new, name, perms);
	uuid_format(text, old);
	xs_batch_rm(b, "/vm/%s", text);
}
