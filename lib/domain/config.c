/* The structure itself: defaults, copies, its end. */
#include "domain/config.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"

void domain_config_init(struct domain_config *c)
{
	*c = (struct domain_config){
		.type = DOMAIN_PV,
		.vcpus = 1,
		.maxvcpus = 1,
		.weight = -1,
		.cap = -1,
		.period = -1,
		.slice = -1,
		.latency = -1,
		.on_reboot = ACTION_RESTART,
		.on_soft_reset = ACTION_SOFT_RESET,
		.max_grant_frames = UINT32_MAX,
		.max_maptrack_frames = UINT32_MAX,
		.max_event_channels = UINT32_MAX,
		.overhead_max = UINT32_MAX,
		.max_grant_version = -1,
	};
}

static void free_strings(char **list, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		free(list[i]);
	free(list);
}

void domain_config_free(struct domain_config *c)
{
	char *const strings[] = { c->file,   c->name,	 c->pool,    c->seclabel,   c->init_seclabel, c->cpuid,
				  c->kernel, c->ramdisk, c->cmdline, c->bootloader, c->firmware,      c->passthrough };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	cpu_list_free(&c->affinity.hard);
	cpu_list_free(&c->affinity.soft);
	for (unsigned i = 0; i < c->nr_vcpu_affinity; i++) {
		cpu_list_free(&c->vcpu_affinity[i].hard);
		cpu_list_free(&c->vcpu_affinity[i].soft);
	}
	free(c->vcpu_affinity);
	for (char **s = c->bootloader_args; s && *s; s++)
		free(*s);
	free(c->bootloader_args);
	for (unsigned i = 0; i < c->nr_disks; i++)
		disk_config_free(&c->disks[i]);
	free(c->disks);
	for (unsigned i = 0; i < c->nr_nics; i++)
		nic_config_free(&c->nics[i]);
	free(c->nics);
	free_strings(c->channels, c->nr_channels);
	free_strings(c->pci, c->nr_pci);
	json_object_put(c->others);
	domain_config_init(c);
}

void domain_config_copy(struct domain_config *to, const struct domain_config *from)
{
	struct json_object *json = domain_config_json(from);

	domain_config_init(to);
	to->nr_cpus = from->nr_cpus;
	(void)domain_config_from_json(to, json, NULL);
	json_object_put(json);
	to->file = from->file ? xstrdup(from->file) : NULL;
	to->type_given = from->type_given;
	for (unsigned i = 0; i < to->nr_disks && i < from->nr_disks; i++)
		to->disks[i].line = from->disks[i].line;
	for (unsigned i = 0; i < to->nr_nics && i < from->nr_nics; i++)
		to->nics[i].line = from->nics[i].line;
}

void domain_config_set_other(struct domain_config *c, const char *path, struct json_object *value)
{
	char *copy = xstrdup(path), *save, *s;
	struct json_object *at, *next;

	if (!c->others)
		c->others = json_object_new_object();
	at = c->others;
	for (s = strtok_r(copy, "/", &save); s; at = next) {
		char *rest = strtok_r(NULL, "/", &save);

		if (!rest) {
			json_object_object_add(at, s, value);
			break;
		}
		if (!json_object_object_get_ex(at, s, &next) || !json_object_is_type(next, json_type_object)) {
			next = json_object_new_object();
			json_object_object_add(at, s, next);
		}
		s = rest;
	}
	free(copy);
}

struct json_object *domain_config_other(const struct domain_config *c, const char *path)
{
	char *copy = xstrdup(path), *save, *s;
	struct json_object *at = c->others;

	for (s = strtok_r(copy, "/", &save); s && at; s = strtok_r(NULL, "/", &save))
		if (!json_object_is_type(at, json_type_object) || !json_object_object_get_ex(at, s, &at))
			at = NULL;
	free(copy);
	return at;
}
