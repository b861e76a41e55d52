/* xl block-*, network-*, channel-list. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cmd.h"
#include "conf.h"
#include "domain/config.h"
#include "domains.h"
#include "store/store.h"
#include "xl.h"

/*
 * What the store has of a device, by libxl's layout: /libxl/<id>/device/<kind>/<devid> points to both ends. The front end's directory is the guest's: only
 * numbers are shown from there, and nothing of which the record knows better.
 */
struct device {
	unsigned devid;
	char *record, *backend, *frontend; /* paths, "" where missing */
};

static char *read_under(const char *path, const char *name)
{
	char *full = xasprintf("%s/%s", path, name), *s;

	s = *path ? store_read(xl_store(), 0, full, NULL) : NULL;
	free(full);
	return s;
}

static int number_under(const char *path, const char *name)
{
	char *s = read_under(path, name);
	int n = s ? atoi(s) : -1;

	free(s);
	return n;
}

static int compare(const void *a, const void *b)
{
	const struct device *x = a, *y = b;

	return x->devid < y->devid ? -1 : x->devid > y->devid;
}

static struct device *devices(uint32_t domid, const char *kind, unsigned *nr)
{
	char *path = xasprintf("/libxl/%u/device/%s", domid, kind);
	char **names = store_list(xl_store(), 0, path, nr);
	struct device *d = xcalloc(names ? *nr : 0, sizeof(*d));

	if (!names)
		*nr = 0;
	for (unsigned i = 0; i < *nr; i++) {
		char *own = xasprintf("%s/%s", path, names[i]);

		d[i].devid = (unsigned)strtoul(names[i], NULL, 10);
		d[i].record = own;
		d[i].backend = read_under(own, "backend");
		d[i].frontend = read_under(own, "frontend");
		if (!d[i].backend)
			d[i].backend = xstrdup("");
		if (!d[i].frontend)
			d[i].frontend = xstrdup("");
	}
	qsort(d, *nr, sizeof(*d), compare);
	free(names);
	free(path);
	return d;
}

static void devices_free(struct device *d, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		free(d[i].record);
		free(d[i].backend);
		free(d[i].frontend);
	}
	free(d);
}

/* Whose directory its back end's is in; -1: it has none. */
static int backend_id(const struct device *d)
{
	int id;

	return sscanf(d->backend, "/local/domain/%d/", &id) == 1 ? id : -1;
}

static void put_number(struct json_object *o, const char *name, int n)
{
	json_object_object_add(o, name, n < 0 ? NULL : json_object_new_int(n));
}

static struct json_object *base_json(const struct device *d, uint32_t domid)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "domid", json_object_new_int64(domid));
	json_object_object_add(o, "devid", json_object_new_int64(d->devid));
	put_number(o, "backend_id", backend_id(d));
	put_number(o, "state", number_under(d->frontend, "state"));
	put_number(o, "event_channel", number_under(d->frontend, "event-channel"));
	json_object_object_add(o, "backend_path", json_object_new_string(d->backend));
	json_object_object_add(o, "frontend_path", json_object_new_string(d->frontend));
	return o;
}

static void show_disk(const struct device *d, uint32_t domid, struct json_object *a)
{
	if (xl_json()) {
		struct json_object *o = base_json(d, domid);
		char *s = read_under(d->backend, "dev");

		json_object_object_add(o, "vdev", s ? json_object_new_string(s) : NULL);
		free(s);
		s = read_under(d->backend, "params");
		json_object_object_add(o, "params", s ? json_object_new_string(s) : NULL);
		free(s);
		json_object_array_add(a, o);
		return;
	}
	printf("%-5d %-3d %-6d %-5d %-6d %-8d %-30s\n", d->devid, backend_id(d), (int)domid,
	       number_under(d->frontend, "state"), number_under(d->frontend, "event-channel"),
	       number_under(d->frontend, "ring-ref"), d->backend);
}

static void show_nic(const struct device *d, uint32_t domid, struct json_object *a)
{
	char *mac = read_under(d->record, "mac");

	if (xl_json()) {
		struct json_object *o = base_json(d, domid);
		char *bridge = read_under(d->backend, "bridge");

		json_object_object_add(o, "mac", mac ? json_object_new_string(mac) : NULL);
		json_object_object_add(o, "bridge", bridge ? json_object_new_string(bridge) : NULL);
		json_object_array_add(a, o);
		free(bridge);
	} else {
		printf("%-3d %-2d %-17s%6d %5d %6d %5d/%-11d %-30s\n", d->devid, backend_id(d),
		       mac ? mac : "00:00:00:00:00:00", (int)d->devid, number_under(d->frontend, "state"),
		       number_under(d->frontend, "event-channel"), number_under(d->frontend, "tx-ring-ref"),
		       number_under(d->frontend, "rx-ring-ref"), d->backend);
	}
	free(mac);
}

/* The terminal's name lies in the guest's directory: it may not speak to ours. */
static char *terminal_of(const struct device *d)
{
	char *tty = read_under(d->frontend, "tty");

	for (char *c = tty; c && *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return tty;
}

static void show_channel(const struct device *d, uint32_t domid, struct json_object *a)
{
	char *connection, *tty;

	if (xl_json()) {
		json_object_array_add(a, base_json(d, domid));
		return;
	}
	connection = read_under(d->record, "connection");
	tty = !connection || strcmp(connection, "pty") == 0 ? terminal_of(d) : NULL;
	/* Debian's counts channels from 0; the first console, which is none, is device 0. */
	printf("%-3d %-2d %-5d %-6d %-8d %-10s ", d->devid - 1, backend_id(d), number_under(d->frontend, "state"),
	       number_under(d->frontend, "port"), number_under(d->frontend, "ring-ref"),
	       connection ? connection : "pty");
	if (tty)
		printf("%-30s ", tty);
	printf("\n");
	free(connection);
	free(tty);
}

static int list(int argc, char **argv, const char *kind, const char *header,
		void (*show)(const struct device *, uint32_t, struct json_object *))
{
	struct json_object *a = json_object_new_array();

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	if (!xl_json())
		printf("%s\n", header);
	fflush(stdout);
	for (; optind < argc; optind++) {
		/* As Debian's: the disks of others are still shown, and nothing else. */
		int64_t domid = show == show_disk ? domain_lookup(argv[optind]) : domain_find(argv[optind]);
		struct device *d;
		unsigned nr;

		if (domid < 0) {
			xl_refuse(ESRCH, "no-such-domain", "name", "see xl list for the domains there are",
				  "%s is an invalid domain identifier", argv[optind]);
			continue;
		}
		d = devices((uint32_t)domid, kind, &nr);
		for (unsigned i = 0; i < nr; i++)
			if (strcmp(kind, "console") || d[i].devid) /* the first is the console itself */
				show(&d[i], (uint32_t)domid, a);
		devices_free(d, nr);
	}
	if (xl_json())
		return xl_print_json(a);
	json_object_put(a);
	return XL_OK;
}

int cmd_block_list(int argc, char **argv)
{
	return list(argc, argv, "vbd", "Vdev  BE  handle state evt-ch ring-ref BE-path                       ",
		    show_disk);
}

int cmd_network_list(int argc, char **argv)
{
	return list(argc, argv, "vif",
		    "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                       ",
		    show_nic);
}

int cmd_channel_list(int argc, char **argv)
{
	return list(argc, argv, "console", "Idx BE state evt-ch ring-ref connection                               ",
		    show_channel);
}

/* Attach and detach ------------------------------------------------------------------------------------------- */

/* The words of a specification, as one. */
static char *join(char **words)
{
	struct text t = { 0 };

	for (; *words; words++)
		text_printf(&t, "%s%s", t.len ? "," : "", *words);
	return t.s ? t.s : xstrdup("");
}

static int attach(uint32_t domid, const char *kind, struct json_object *config)
{
	struct json_object *params;

	if (xl_dry_run()) {
		struct text t = { 0 };

		json_print(&t, config);
		printf("%s: %s\n", strcmp(kind, "nic") ? kind : "vif", t.s);
		text_free(&t);
		json_object_put(config);
		return XL_OK;
	}
	params = xl_domain_params(domid);
	json_object_object_add(params, "kind", json_object_new_string(kind));
	json_object_object_add(params, "config", config);
	return xl_do("device.attach", params);
}

int cmd_block_attach(int argc, char **argv)
{
	struct disk_config d;
	struct problem p;
	uint32_t domid;
	char *spec;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_find(argv[optind]);
	spec = join(argv + optind + 1);
	problem_init(&p);
	if (disk_config_parse(&d, spec, &p)) {
		rc = xl_problem(&p);
	} else {
		rc = attach(domid, "disk", disk_config_json(&d));
		disk_config_free(&d);
	}
	free(spec);
	return rc;
}

int cmd_network_attach(int argc, char **argv)
{
	struct nic_config n;
	struct problem p;
	uint32_t domid;
	char *spec;
	int rc;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	domid = domain_find(argv[optind]);
	spec = join(argv + optind + 1);
	problem_init(&p);
	if (nic_config_parse(&n, spec, &p)) {
		rc = xl_problem(&p);
	} else {
		rc = conf_apply_nic(&n);
		if (rc == XL_OK)
			rc = attach(domid, "nic", nic_config_json(&n));
		nic_config_free(&n);
	}
	free(spec);
	return rc;
}

static int detach(uint32_t domid, const char *kind, const char *what, bool force)
{
	bool disk = strcmp(kind, "disk") == 0, number = strspn(what, "0123456789") == strlen(what) && *what;
	struct json_object *params = xl_domain_params(domid);

	json_object_object_add(params, "kind", json_object_new_string(kind));
	if (number)
		json_object_object_add(params, "devid", json_object_new_int64(strtol(what, NULL, 10)));
	else
		json_object_object_add(params, disk ? "vdev" : "mac", json_object_new_string(what));
	json_object_object_add(params, "force", json_object_new_boolean(force));
	return xl_do("device.detach", params);
}

int cmd_block_detach(int argc, char **argv)
{
	static const struct option longs[] = { { "force", 0, NULL, 'f' }, { "help", 0, NULL, 'h' }, { 0 } };
	bool force = xl_force();
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "f", longs, 2)) >= 0)
		force |= opt == 'f';
	return detach(domain_find(argv[optind]), "disk", argv[optind + 1], force);
}

int cmd_network_detach(int argc, char **argv)
{
	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	return detach(domain_find(argv[optind]), "nic", argv[optind + 1], xl_force());
}
