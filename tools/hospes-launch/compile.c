/* xl.cfg files -> launch tree. Keys that only mean something to xl are named in a note, unknown keys are errors. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdt_write.h"
#include "hospes-launch.h"
#include "lib/domain/keys.h"
#include "lib/domain/xlcfg.h"

#define MAX_DOMAINS 64
#define MAX_CPUS 256
#define TEXT_MAX 1024
#define PHANDLE_DOMAIN 1u    /* + index of the domain */
#define PHANDLE_LINK 0x1000u /* + index of the link end */

enum { PERMIT_CONTROL = 1, PERMIT_HARDWARE = 2 };
#define FUNCTION_BOOT 1u
#define FUNCTION_CONSOLE 4u
#define FUNCTION_XENSTORE (1u << 30)

struct config {
	const char *file;
	struct xlcfg cfg;
	const char *name;
};

/* One end of a link: "port=peer:peerport" in one file makes both ends. */
struct link_end {
	size_t dom;
	uint32_t port, phandle, target;
};

struct compiler {
	struct config *c;
	size_t nr;
	struct module_list *mods;
	struct link_end ends[128];
	size_t nr_ends;
	struct fdt_writer w;
};

/* Keys compile understands; the last ones are its own. */
static const char *const used_keys[] = {
	"name",		 "type", "kernel",	 "ramdisk",	 "memory",	 "maxmem",	  "vcpus",	"uuid",
	"extra",	 "root", "cmdline",	 "on_poweroff",	 "on_reboot",	 "on_crash",	  "cpu_weight", "cap",
	"latency_class", "cpus", "launch_domid", "launch_roles", "launch_links", "launch_grants",
};

static bool in_list(const char *const *list, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], key) == 0)
			return true;
	return false;
}
#define IN(list, key) in_list(list, sizeof(list) / sizeof((list)[0]), key)

static int check_keys(const struct config *c)
{
	int rc = 0;

	for (size_t i = 0; i < c->cfg.nr_settings; i++) {
		const struct xlcfg_setting *s = &c->cfg.settings[i];

		if (IN(used_keys, s->key))
			continue;
		if (key_find(s->key))
			fprintf(stderr, "note: %s:%d: %s has no effect on a domain launched at boot\n", c->file,
				s->value.line, s->key);
		else
			rc = error("%s:%d: unknown setting %s", c->file, s->value.line, s->key);
	}
	return rc;
}

/* Typed look-ups: 1 found, 0 absent, -1 after an error --------------------------------------------------- */

static int get_string(const struct config *c, const char *key, const char **out)
{
	const struct xlcfg_value *v = xlcfg_get(&c->cfg, key);

	*out = NULL;
	if (!v)
		return 0;
	if (v->kind != XLCFG_STRING)
		return error("%s:%d: %s must be a string", c->file, v->line, key);
	*out = v->string;
	return 1;
}

static int get_number(const struct config *c, const char *key, long long min, long long max, long long *out)
{
	const struct xlcfg_value *v = xlcfg_get(&c->cfg, key);
	char *end;

	if (!v)
		return 0;
	if (v->kind == XLCFG_NUMBER)
		*out = v->number;
	else if (v->kind == XLCFG_STRING && *v->string && (*out = strtoll(v->string, &end, 0), *end == 0))
		; /* xl takes numbers in quotes */
	else
		return error("%s:%d: %s must be a number", c->file, v->line, key);
	if (*out < min || *out > max)
		return error("%s:%d: %s = %lld is not between %lld and %lld", c->file, v->line, key, *out, min, max);
	return 1;
}

/* Call @fn for the string or each string of the list under @key. */
static int for_strings(struct compiler *k, size_t dom, const char *key,
		       int (*fn)(struct compiler *, size_t, const char *, int))
{
	const struct config *c = &k->c[dom];
	const struct xlcfg_value *v = xlcfg_get(&c->cfg, key);
	int rc = 0;

	if (!v)
		return 0;
	if (v->kind == XLCFG_STRING)
		return fn(k, dom, v->string, v->line);
	for (size_t i = 0; v->kind == XLCFG_LIST && i < v->nr_items && rc == 0; i++)
		rc = v->items[i].kind == XLCFG_STRING ?
			     fn(k, dom, v->items[i].string, v->items[i].line) :
			     error("%s:%d: %s: strings expected", c->file, v->items[i].line, key);
	return v->kind == XLCFG_NUMBER ?
		       error("%s:%d: %s must be a string or a list of strings", c->file, v->line, key) :
		       rc;
}

static int find_domain(const struct compiler *k, const char *name, size_t len)
{
	for (size_t i = 0; i < k->nr; i++)
		if (strlen(k->c[i].name) == len && strncmp(k->c[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

/* Settings ------------------------------------------------------------------------------------------------ */

static int put_uuid(struct fdt_writer *w, const struct config *c)
{
	uint8_t uuid[16] = { 0 };
	const char *s;
	unsigned n = 0;
	int rc = get_string(c, "uuid", &s);

	if (rc <= 0)
		return rc;
	for (const char *p = s; *p; p++) {
		if (*p == '-')
			continue;
		if (!isxdigit((unsigned char)*p) || n == 32)
			return error("%s: uuid \"%s\" is not a UUID", c->file, s);
		uuid[n / 2] =
			(uint8_t)(uuid[n / 2] << 4 |
				  (isdigit((unsigned char)*p) ? *p - '0' : tolower((unsigned char)*p) - 'a' + 10));
		n++;
	}
	if (n != 32)
		return error("%s: uuid \"%s\" is not a UUID", c->file, s);
	fdtw_prop(w, "domain-uuid", uuid, sizeof(uuid));
	return 0;
}

static int put_action(struct fdt_writer *w, const struct config *c, const char *key, const char *prop)
{
	static const char *const destroy[] = { "destroy", "coredump-destroy", "preserve", "soft-reset" };
	static const char *const restart[] = { "restart", "coredump-restart", "rename-restart" };
	const char *s;
	int rc = get_string(c, key, &s);

	if (rc <= 0)
		return rc;
	if (!IN(destroy, s) && !IN(restart, s))
		return error("%s: %s: \"%s\" is no action", c->file, key, s);
	if (strcmp(s, "destroy") && strcmp(s, "restart"))
		fprintf(stderr, "note: %s: %s = \"%s\" is done as %s\n", c->file, key, s,
			IN(destroy, s) ? "destroy" : "restart");
	fdtw_string(w, prop, IN(destroy, s) ? "destroy" : "restart");
	return 0;
}

static int put_class(struct fdt_writer *w, const struct config *c)
{
	static const char *const classes[] = { "interactive", "normal", "batch" };
	const char *s;
	int rc = get_string(c, "latency_class", &s);

	if (rc <= 0)
		return rc;
	if (!IN(classes, s))
		return error("%s: latency_class: \"%s\" is neither interactive nor normal nor batch", c->file, s);
	fdtw_string(w, "hospes,class", s);
	return 0;
}

/* Add one of "all", "3", "2-5", "^4" to @set. */
static int cpu_item(bool set[MAX_CPUS], const char *s, size_t len)
{
	bool value = true;
	char word[32], *end;
	long first, last;

	if (len && *s == '^') {
		value = false;
		s++;
		len--;
	}
	if (len == 0 || len >= sizeof(word))
		return -1;
	memcpy(word, s, len);
	word[len] = 0;
	if (strcmp(word, "all") == 0) {
		for (unsigned i = 0; i < MAX_CPUS; i++)
			set[i] = value;
		return 0;
	}
	first = last = strtol(word, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		last = strtol(end + 1, &end, 10);
	if (end == word || *end || first < 0 || first > last || last >= MAX_CPUS)
		return -1;
	for (long i = first; i <= last; i++)
		set[i] = value;
	return 0;
}

static bool cpu_set[MAX_CPUS];

static int cpu_string(struct compiler *k, size_t dom, const char *s, int line)
{
	for (const char *at = s;;) {
		size_t len = strcspn(at, ",");

		if (cpu_item(cpu_set, at, len))
			return error("%s:%d: cpus: \"%s\" is no list of CPUs", k->c[dom].file, line, s);
		if (at[len] == 0)
			return 0;
		at += len + 1;
	}
}

static int put_cpus(struct compiler *k, size_t dom)
{
	const struct xlcfg_value *v = xlcfg_get(&k->c[dom].cfg, "cpus");
	uint32_t cells[MAX_CPUS];
	size_t n = 0;

	if (!v)
		return 0;
	if (v->kind == XLCFG_LIST && v->nr_items > 1)
		fprintf(stderr, "note: %s:%d: cpus: all vCPUs share the union of the list\n", k->c[dom].file, v->line);
	memset(cpu_set, 0, sizeof(cpu_set));
	if (for_strings(k, dom, "cpus", cpu_string))
		return -1;
	for (uint32_t i = 0; i < MAX_CPUS; i++) {
		if (!cpu_set[i])
			continue;
		if (i == 0 || !cpu_set[i - 1])
			cells[n++] = i;
		if (i == MAX_CPUS - 1 || !cpu_set[i + 1])
			cells[n++] = i;
	}
	if (n == 0)
		return error("%s:%d: cpus: no CPU is left", k->c[dom].file, v->line);
	if (n != 2 || cells[1] != MAX_CPUS - 1 || cells[0] != 0)
		fdtw_cells(&k->w, "hospes,affinity", cells, n);
	return 0;
}

static uint32_t roles_permissions, roles_functions;

static int role_string(struct compiler *k, size_t dom, const char *s, int line)
{
	static const struct {
		const char *name;
		uint32_t permission, function;
	} roles[] = {
		{ "control", PERMIT_CONTROL, 0 },     { "hardware", PERMIT_HARDWARE, 0 },
		{ "xenstore", 0, FUNCTION_XENSTORE }, { "console", 0, FUNCTION_CONSOLE },
		{ "boot", 0, FUNCTION_BOOT },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, s) == 0) {
			roles_permissions |= roles[i].permission;
			roles_functions |= roles[i].function;
			return 0;
		}
	return error("%s:%d: launch_roles: \"%s\" is none of control, hardware, xenstore, console, boot",
		     k->c[dom].file, line, s);
}

static int put_roles(struct compiler *k, size_t dom)
{
	roles_permissions = roles_functions = 0;
	if (for_strings(k, dom, "launch_roles", role_string))
		return -1;
	fdtw_cell(&k->w, "permissions", roles_permissions);
	fdtw_cell(&k->w, "functions", roles_functions);
	return 0;
}

/* cmdline wins over root and extra, as in xl. */
static int make_cmdline(const struct config *c, char *out, size_t size)
{
	const char *cmdline, *root, *extra;
	int n;

	if (get_string(c, "cmdline", &cmdline) < 0 || get_string(c, "root", &root) < 0 ||
	    get_string(c, "extra", &extra) < 0)
		return -1;
	if (cmdline && (root || extra))
		fprintf(stderr, "note: %s: cmdline is given: root and extra are not used\n", c->file);
	if (cmdline)
		n = snprintf(out, size, "%s", cmdline);
	else
		n = snprintf(out, size, "%s%s%s%s", root ? "root=" : "", root ? root : "", root && extra ? " " : "",
			     extra ? extra : "");
	return n < 0 || (size_t)n >= size ? error("%s: the command line is longer than %zu bytes", c->file, size - 1) :
					    0;
}

/* Modules --------------------------------------------------------------------------------------------------- */

static int add_module(struct module_list *m, const char *path)
{
	char **grown;

	for (size_t i = 1; i < m->nr; i++)
		if (strcmp(m->path[i], path) == 0)
			return (int)i;
	grown = realloc(m->path, (m->nr + 1) * sizeof(*grown));
	if (!grown)
		return error("out of memory");
	m->path = grown;
	m->path[m->nr] = strdup(path);
	return m->path[m->nr] ? (int)m->nr++ : error("out of memory");
}

static int put_module(struct compiler *k, const char *kind, const char *path, const char *bootargs)
{
	char compat[64], node[32];
	int n = snprintf(compat, sizeof(compat), "module,%s%cmultiboot,module", kind, 0), i = add_module(k->mods, path);

	if (i < 0)
		return -1;
	snprintf(node, sizeof(node), "module@%d", i);
	fdtw_begin(&k->w, node);
	fdtw_prop(&k->w, "compatible", compat, (size_t)n + 1);
	fdtw_cell(&k->w, "mb-index", (uint32_t)i);
	if (bootargs && *bootargs)
		fdtw_string(&k->w, "bootargs", bootargs);
	fdtw_end(&k->w);
	return 0;
}

/* Links and grants ---------------------------------------------------------------------------------------------- */

/* "<port>=<peer>:<port>" */
static int link_string(struct compiler *k, size_t dom, const char *s, int line)
{
	struct link_end *e = &k->ends[k->nr_ends];
	char *end;
	unsigned long port = strtoul(s, &end, 0), peer_port;
	const char *colon = *end == '=' ? strrchr(end + 1, ':') : NULL;
	int peer = colon ? find_domain(k, end + 1, (size_t)(colon - end - 1)) : -1;

	if (!colon || end == s || (peer_port = strtoul(colon + 1, &end, 0), *end || end == colon + 1))
		return error("%s:%d: launch_links: \"%s\" is not port=domain:port", k->c[dom].file, line, s);
	if (peer < 0)
		return error("%s:%d: launch_links: \"%s\": no such domain in the other files", k->c[dom].file, line, s);
	if (k->nr_ends + 2 > sizeof(k->ends) / sizeof(k->ends[0]))
		return error("%s:%d: launch_links: too many links", k->c[dom].file, line);
	e[0] = (struct link_end){ dom, (uint32_t)port, PHANDLE_LINK + (uint32_t)k->nr_ends,
				  PHANDLE_LINK + (uint32_t)k->nr_ends + 1 };
	e[1] = (struct link_end){ (size_t)peer, (uint32_t)peer_port, e[0].target, e[0].phandle };
	k->nr_ends += 2;
	return 0;
}

static void put_links(struct compiler *k, size_t dom)
{
	for (size_t i = 0; i < k->nr_ends; i++) {
		const struct link_end *e = &k->ends[i];
		char node[32];

		if (e->dom != dom)
			continue;
		snprintf(node, sizeof(node), "evtchn@%x", e->port);
		fdtw_begin(&k->w, node);
		fdtw_string(&k->w, "compatible", "xen,evtchn-v1");
		fdtw_cell(&k->w, "phandle", e->phandle);
		fdtw_cells(&k->w, "xen,evtchn", (const uint32_t[]){ e->port, e->target }, 2);
		fdtw_end(&k->w);
	}
}

/* "<ref>=<peer>:<gfn>[:ro]" */
static int grant_string(struct compiler *k, size_t dom, const char *s, int line)
{
	char *end, node[32];
	unsigned long ref = strtoul(s, &end, 0);
	unsigned long long frame;
	const char *colon = *end == '=' && end != s ? strchr(end + 1, ':') : NULL;
	int peer = colon ? find_domain(k, end + 1, (size_t)(colon - end - 1)) : -1;

	if (colon)
		frame = strtoull(colon + 1, &end, 0);
	if (!colon || end == colon + 1 || (*end && strcmp(end, ":ro")))
		return error("%s:%d: launch_grants: \"%s\" is not ref=domain:gfn[:ro]", k->c[dom].file, line, s);
	if (peer < 0)
		return error("%s:%d: launch_grants: \"%s\": no such domain in the other files", k->c[dom].file, line,
			     s);
	snprintf(node, sizeof(node), "grant@%lx", ref);
	fdtw_begin(&k->w, node);
	fdtw_string(&k->w, "compatible", "hospes,grant-v1");
	fdtw_cell(&k->w, "ref", (uint32_t)ref);
	fdtw_u64(&k->w, "gfn", frame);
	fdtw_cell(&k->w, "peer", PHANDLE_DOMAIN + (uint32_t)peer);
	if (*end)
		fdtw_prop(&k->w, "read-only", "", 0);
	fdtw_end(&k->w);
	return 0;
}

/* Domains ----------------------------------------------------------------------------------------------------- */

static int put_numbers(struct compiler *k, const struct config *c)
{
	long long memory = 0, maxmem = 0, v = 1;
	int rc;

	rc = get_number(c, "launch_domid", 0, 0x7fef, &v);
	if (rc < 0)
		return -1;
	fdtw_cell(&k->w, "domid", rc ? (uint32_t)v : 0x80000000u);
	v = 1;
	if (get_number(c, "vcpus", 1, 128, &v) < 0)
		return -1;
	fdtw_cell(&k->w, "cpus", (uint32_t)v);
	rc = get_number(c, "memory", 2, 16 << 20, &memory);
	if (rc <= 0)
		return rc ? rc : error("%s: memory is missing", c->file);
	fdtw_u64(&k->w, "memory", (uint64_t)memory << 10);
	rc = get_number(c, "maxmem", memory, 16 << 20, &maxmem);
	if (rc > 0)
		fdtw_u64(&k->w, "hospes,max-memory", (uint64_t)maxmem << 10);
	if (rc >= 0 && (rc = get_number(c, "cpu_weight", 1, 65535, &v)) > 0)
		fdtw_cell(&k->w, "hospes,weight", (uint32_t)v);
	if (rc >= 0 && (rc = get_number(c, "cap", 0, 65535, &v)) > 0)
		fdtw_cell(&k->w, "hospes,cap", (uint32_t)v);
	return rc < 0 ? -1 : 0;
}

static int put_domain(struct compiler *k, size_t dom)
{
	const struct config *c = &k->c[dom];
	const char *kernel, *ramdisk, *type;
	char node[32], cmdline[TEXT_MAX];

	if (get_string(c, "type", &type) < 0)
		return -1;
	if (!type || strcmp(type, "pvh"))
		return error("%s: type = \"pvh\" is the only kind launched at boot", c->file);
	if (get_string(c, "kernel", &kernel) < 0 || get_string(c, "ramdisk", &ramdisk) < 0)
		return -1;
	if (!kernel)
		return error("%s: kernel is missing", c->file);
	snprintf(node, sizeof(node), "domain@%zu", dom + 1);
	fdtw_begin(&k->w, node);
	fdtw_string(&k->w, "compatible", "xen,domain");
	fdtw_cell(&k->w, "phandle", PHANDLE_DOMAIN + (uint32_t)dom);
	fdtw_string(&k->w, "domain-name", c->name);
	fdtw_cell(&k->w, "mode", 4);
	if (put_numbers(k, c) || put_roles(k, dom) || put_uuid(&k->w, c) || put_cpus(k, dom) ||
	    put_action(&k->w, c, "on_poweroff", "hospes,on-poweroff") ||
	    put_action(&k->w, c, "on_reboot", "hospes,on-reboot") ||
	    put_action(&k->w, c, "on_crash", "hospes,on-crash") || put_class(&k->w, c) ||
	    make_cmdline(c, cmdline, sizeof(cmdline)) || put_module(k, "kernel", kernel, cmdline) ||
	    (ramdisk && put_module(k, "ramdisk", ramdisk, NULL)))
		return -1;
	put_links(k, dom);
	if (for_strings(k, dom, "launch_grants", grant_string))
		return -1;
	fdtw_end(&k->w);
	return 0;
}

static int read_config(struct compiler *k, struct config *c, const char *file)
{
	size_t size;
	char *text = read_file(file, &size);
	int rc;

	if (!text)
		return -1;
	c->file = file;
	rc = xlcfg_parse(&c->cfg, file, text);
	free(text);
	k->nr++; /* its settings are freed from now on, whatever comes */
	if (rc)
		return error("%s", c->cfg.error);
	if (check_keys(c))
		return -1;
	if (get_string(c, "name", &c->name) <= 0 || !*c->name)
		return error("%s: name is missing or no string", file);
	if (strlen(c->name) > 63)
		return error("%s: name is longer than 63 bytes", file);
	k->nr--;
	rc = find_domain(k, c->name, strlen(c->name));
	k->nr++;
	return rc < 0 ? 0 : error("%s: name \"%s\" is used by %s too", file, c->name, k->c[rc].file);
}

/* See hospes-launch.h. */
int compile_files(char *const *files, size_t nr, uint8_t **blob, size_t *size, struct module_list *mods)
{
	static struct compiler k;
	static struct config configs[MAX_DOMAINS];
	int rc = 0;

	k.c = configs;
	k.mods = mods;
	if (nr > MAX_DOMAINS)
		return error("more than %d domains", MAX_DOMAINS);
	for (size_t i = 0; i < nr; i++)
		if (read_config(&k, &configs[i], files[i]))
			rc = -1;
	for (size_t i = 0; rc == 0 && i < nr; i++)
		rc = for_strings(&k, i, "launch_links", link_string);
	if (rc == 0) {
		fdtw_begin(&k.w, "");
		fdtw_begin(&k.w, "chosen");
		fdtw_begin(&k.w, "hypervisor");
		fdtw_string(&k.w, "compatible", "hypervisor,xen");
		fdtw_begin(&k.w, "config");
		fdtw_string(&k.w, "compatible", "xen,config");
		fdtw_end(&k.w);
	}
	for (size_t i = 0; rc == 0 && i < nr; i++)
		rc = put_domain(&k, i);
	if (rc == 0) {
		for (unsigned i = 0; i < 3; i++)
			fdtw_end(&k.w);
		*blob = fdtw_finish(&k.w, size);
	} else {
		size_t n;

		free(fdtw_finish(&k.w, &n));
	}
	for (size_t i = 0; i < k.nr; i++)
		xlcfg_free(&configs[i].cfg);
	return rc;
}
