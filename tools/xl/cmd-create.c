/* xl create, config-update. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/text.h"
#include "cmd.h"
#include "conf.h"
#include "console.h"
#include "domain/config.h"
#include "domains.h"
#include "machine.h"
#include "xl.h"

/* As Debian's xl leaves: what could not be read, no file, anything else. */
enum { CREATE_FAILED = 3, CREATE_NO_FILE = 6 };

struct create {
	const char *file;
	char **overrides;
	bool quiet, paused, console, foreground, dry, timings, all_cpus;
};

struct remarks {
	const char *file;
	bool quiet;
};

static void on_remark(void *arg, int line, const char *text)
{
	const struct remarks *r = arg;

	if (r->quiet)
		return;
	if (xl_json()) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "remark", json_object_new_string(text));
		json_object_object_add(o, "file", json_object_new_string(r->file));
		json_object_object_add(o, "line", line ? json_object_new_int(line) : NULL);
		xl_put_json(stderr, o, JSON_C_TO_STRING_PLAIN);
	} else if (line)
		fprintf(stderr, "%s:%d: warning: %s\n", r->file, line, text);
	else {
		fprintf(stderr, "%s: warning: %s\n", r->file, text);
	}
}

/* The file and what the command line adds to it. XL_OK, or the exit status. */
static int read_config(const struct create *r, struct domain_config *c)
{
	struct remarks remarks = { r->file ? r->file : "command line", r->quiet };
	struct text t = { 0 };
	struct problem p;
	int rc;

	problem_init(&p);
	domain_config_init(c);
	c->nr_cpus = (machine_nr_cpus() + 7) & ~7u; /* libxl's bitmaps have whole bytes */
	if (r->file) {
		rc = text_read_file(&t, r->file);
		if (rc) {
			xl_refuse(-rc, "no-such-file", "configuration", "give the path of the domain's configuration",
				  "Failed to read config file: %s: %s", r->file, strerror(-rc));
			text_free(&t);
			return CREATE_FAILED;
		}
		if (!r->quiet && !xl_json())
			fprintf(stderr, "Parsing config from %s\n", r->file);
	}
	rc = domain_config_parse(c, remarks.file, t.s ? t.s : "", r->overrides, on_remark, &remarks, &p);
	text_free(&t);
	if (rc) {
		xl_problem(&p);
		return XL_FAILED;
	}
	return conf_apply(c, r->all_cpus || r->dry); /* Debian's dry run does not look at CPUs either */
}

static void print_config(const struct domain_config *c)
{
	struct json_object *o = domain_config_json(c);
	struct text t = { 0 };

	json_print(&t, o);
	printf("%s\n", t.s);
	text_free(&t);
	json_object_put(o);
}

/* From where we are; hospesd is somewhere else. */
static void make_absolute(char **path)
{
	char *dir, *old = *path;

	if (!old || !*old || *old == '/')
		return;
	dir = getcwd(NULL, 0);
	if (!dir) /* the directory is gone: whoever looks will find nothing */
		return;
	*path = xasprintf("%s/%s", dir, old);
	free(dir);
	free(old);
}

/* The configuration as hospesd gets it. */
static struct json_object *config_to_send(struct domain_config *c)
{
	make_absolute(&c->kernel);
	make_absolute(&c->ramdisk);
	return domain_config_json(c);
}

static void print_timings(struct json_object *result)
{
	struct json_object *a, *step, *v;
	int64_t total = 0;

	if (!json_object_object_get_ex(result, "timings", &a) || !json_object_is_type(a, json_type_array))
		return;
	printf("%-24s %10s %10s %10s\n", "Step", "us", "hypercalls", "store");
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		struct json_object *t = json_object_array_get_idx(a, i);
		int64_t ns = json_object_object_get_ex(t, "ns", &v) ? json_object_get_int64(v) : 0, calls, store;

		calls = json_object_object_get_ex(t, "hypercalls", &v) ? json_object_get_int64(v) : 0;
		store = json_object_object_get_ex(t, "store_requests", &v) ? json_object_get_int64(v) : 0;
		total += ns;
		json_object_object_get_ex(t, "step", &step);
		printf("%-24s %10lld %10lld %10lld\n", step ? json_object_get_string(step) : "?", (long long)ns / 1000,
		       (long long)calls, (long long)store);
	}
	printf("%-24s %10lld\n", "all", (long long)total / 1000);
}

/* Waiting for a domain's end. It may come before the answer that says which domain it is: until then events are kept. */
struct death {
	uint32_t domid;
	bool gone;
	struct early {
		char *event;
		uint32_t domid;
		struct json_object *params;
	} * early;
	unsigned nr_early;
};

static void on_event(void *arg, const char *event, uint32_t domid, struct json_object *params)
{
	struct death *d = arg;
	struct json_object *reason = NULL;

	if (d->domid == PROBLEM_NO_DOMID) {
		d->early = xrealloc(d->early, (d->nr_early + 1) * sizeof(*d->early));
		d->early[d->nr_early++] = (struct early){ xstrdup(event), domid, json_object_get(params) };
		return;
	}
	if (domid != d->domid)
		return;
	if (strcmp(event, "shutdown") == 0) {
		json_object_object_get_ex(params, "reason", &reason);
		fprintf(stderr, "Domain %u has shut down: %s\n", domid, reason ? json_object_get_string(reason) : "?");
	} else if (strcmp(event, "destroyed") == 0) {
		fprintf(stderr, "Domain %u has been destroyed.\n", domid);
		d->gone = true;
	}
}

/* It is @domid we wait for (PROBLEM_NO_DOMID: none, it was not made): go through what came too early. */
static void death_of(struct death *d, uint32_t domid)
{
	unsigned nr = d->nr_early;

	d->domid = domid;
	for (unsigned i = 0; i < nr; i++) {
		if (domid != PROBLEM_NO_DOMID)
			on_event(d, d->early[i].event, d->early[i].domid, d->early[i].params);
		free(d->early[i].event);
		json_object_put(d->early[i].params);
	}
	free(d->early);
	d->early = NULL;
	d->nr_early = 0;
}

/* -F: stay until the domain is gone. */
static int wait_for_death(struct death *d)
{
	int rc = XL_OK;

	while (!d->gone && rc == XL_OK)
		rc = xl_wait_event();
	return rc;
}

static int make(const struct create *r, struct domain_config *c)
{
	struct json_object *params = json_object_new_object(), *result, *v;
	struct death death = { .domid = PROBLEM_NO_DOMID };
	struct problem p;

	if (r->quiet)
		xl_set_quiet();
	/* Old files do not say. Kernels of the last ten years have the entry of PVH; one that has not is refused by that reason. */
	if (!c->type_given && c->type == DOMAIN_PV) {
		c->type = DOMAIN_PVH;
		if (!r->quiet && !xl_json())
			fprintf(stderr, "%s: warning: no type is given: the domain is started as PVH\n",
				r->file ? r->file : "command line");
	}
	if (r->foreground && xl_events(on_event, &death))
		return CREATE_FAILED;
	json_object_object_add(params, "config", config_to_send(c));
	if (r->file) {
		char *path = realpath(r->file, NULL);

		json_object_object_add(params, "file", json_object_new_string(path ? path : r->file));
		free(path);
	}
	json_object_object_add(params, "paused", json_object_new_boolean(r->paused));
	problem_init(&p);
	result = xl_ask("domain.create", params, &p);
	if (!result) {
		death_of(&death, PROBLEM_NO_DOMID);
		problem_domain(&p, c->name, PROBLEM_NO_DOMID);
		xl_problem(&p);
		return CREATE_FAILED;
	}
	if (json_object_object_get_ex(result, "domid", &v))
		death_of(&death, (uint32_t)json_object_get_int64(v));
	if (xl_json())
		xl_print_json(json_object_get(result));
	else if (r->timings)
		print_timings(result);
	json_object_put(result);
	fflush(stdout);
	if (r->console)
		return console_run(death.domid, "pv", 0); /* only comes back if it cannot */
	return r->foreground ? wait_for_death(&death) : XL_OK;
}

static const struct option longs[] = { { "defconfig", 1, NULL, 'f' },
				       { "dryrun", 0, NULL, 'n' },
				       { "quiet", 0, NULL, 'q' },
				       { "vncviewer", 0, NULL, 'V' },
				       { "vncviewer-autopass", 0, NULL, 'A' },
				       { "ignore-global-affinity-masks", 0, NULL, 'i' },
				       { "timings", 0, NULL, 'T' },
				       { "help", 0, NULL, 'h' },
				       { 0 } };

int cmd_create(int argc, char **argv)
{
	struct create r = { .dry = xl_dry_run() };
	struct domain_config c;
	bool viewer = false;
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "cdeFf:npqVA", longs, 0)) >= 0) {
		r.console |= opt == 'c';
		r.foreground |= opt == 'F';
		r.dry |= opt == 'n';
		r.paused |= opt == 'p';
		r.quiet |= opt == 'q';
		r.timings |= opt == 'T';
		r.all_cpus |= opt == 'i';
		viewer |= opt == 'V' || opt == 'A';
		if (opt == 'f')
			r.file = optarg;
		/* -d and -e change nothing: hospesd writes the log, and nobody stays in the background. */
	}
	if (!xl_config_words(argc, argv, &r.file, &r.overrides))
		return XL_USAGE;
	if (!r.file && !*r.overrides) {
		xl_refuse(EINVAL, "no-such-file", "configuration", "give the path of the domain's configuration",
			  "Config file not specified and none in save file");
		return CREATE_NO_FILE;
	}
	if (viewer)
		fprintf(stderr, "xl: -V and -A are for HVM domains, which come with a later release: ignored\n");
	rc = read_config(&r, &c);
	if (rc == XL_OK && r.dry)
		print_config(&c);
	else if (rc == XL_OK)
		rc = make(&r, &c);
	domain_config_free(&c);
	return rc;
}

int cmd_config_update(int argc, char **argv)
{
	struct create r = { .dry = xl_dry_run() };
	struct json_object *params, *result;
	struct domain_config c;
	uint32_t domid;
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "dqf:", longs, 0)) >= 0) {
		r.quiet |= opt == 'q';
		if (opt == 'f')
			r.file = optarg;
	}
	if (optind == argc) {
		if (!xl_json())
			command_help(xl_command());
		return xl_refuse(EINVAL, "bad-request", "config-update", "name a domain: see xl list",
				 "xl config-update requires a domain argument");
	}
	if (!xl_json())
		fprintf(stderr, "WARNING: xl now has better capability to manage domain configuration, "
				"avoid using this command when possible\n");
	domid = domain_find(argv[optind++]);
	if (!xl_config_words(argc, argv, &r.file, &r.overrides))
		return XL_USAGE;
	if (!r.file) {
		return xl_refuse(EINVAL, "no-such-file", "configuration", "give the path of the domain's configuration",
				 "Config file not specified");
	}
	rc = read_config(&r, &c);
	if (rc == XL_OK && r.dry) {
		print_config(&c);
	} else if (rc == XL_OK) {
		if (!xl_json())
			printf("setting dom%u configuration\n", domid);
		params = xl_domain_params(domid);
		json_object_object_add(params, "config", config_to_send(&c));
		result = xl_ask("domain.config_update", params, NULL);
		json_object_put(result);
		rc = result ? XL_OK : XL_FAILED;
	}
	domain_config_free(&c);
	return rc;
}
