#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <json-c/json.h>

#include "base/text.h"
#include "domain/xlcfg.h"
#include "xl.h"

static struct {
	bool read;
	struct xlcfg cfg;
} conf;

static const char *get(const char *key)
{
	const struct xlcfg_value *v;

	if (!conf.read) {
		const char *file = getenv("XL_CONF");
		struct text t = { 0 };

		if (!file)
			file = "/etc/xen/xl.conf";
		conf.read = true;
		if (text_read_file(&t, file) == 0 && xlcfg_parse(&conf.cfg, file, t.s))
			fprintf(stderr, "Failed to parse config file: %s\n", conf.cfg.error);
		text_free(&t);
	}
	v = xlcfg_get(&conf.cfg, key);
	return v && v->kind != XLCFG_LIST ? v->string : NULL;
}

static void take(char **to, const char *key)
{
	const char *s = get(key);

	if (!*to && s)
		*to = xstrdup(s);
}

void conf_apply_nic(struct nic_config *n)
{
	if (!n->gatewaydev)
		take(&n->bridge, "vif.default.bridge");
	take(&n->script, "vif.default.script");
	take(&n->gatewaydev, "vif.default.gatewaydev");
	take(&n->backend_domain, "vif.default.backend");
}

static void take_limit(uint32_t *to, const char *key)
{
	const char *s = get(key);

	if (*to == UINT32_MAX && s)
		*to = (uint32_t)strtoul(s, NULL, 0);
}

void conf_apply(struct domain_config *c)
{
	static const uint8_t none[16];
	const char *s = get("run_hotplug_scripts");

	domain_config_set_other(c, "c_info/run_hotplug_scripts",
				json_object_new_string(s && *s == '0' ? "False" : "True"));
	s = get("claim_mode");
	domain_config_set_other(c, "b_info/claim_mode", json_object_new_string(s && *s == '0' ? "False" : "True"));
	take_limit(&c->max_grant_frames, "max_grant_frames");
	take_limit(&c->max_maptrack_frames, "max_maptrack_frames");
	for (unsigned i = 0; i < c->nr_nics; i++)
		conf_apply_nic(&c->nics[i]);
	s = get("vm.cpumask");
	if (s && !c->affinity.hard.bits && !c->nr_vcpu_affinity)
		(void)cpu_list_parse(&c->affinity.hard, s, c->nr_cpus);
	if (memcmp(c->uuid, none, 16) == 0 && getrandom(c->uuid, 16, 0) == 16) {
		c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x40);
		c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
	}
}
