/* Disk specifications, as xl-disk-configuration(5) has them. */
#include "domain/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"

struct reader {
	struct disk_config *d;
	const char *spec;
	unsigned positional; /* target, format, vdev, access */
	bool format_given;
	struct problem *p;
};

static int bad(struct reader *r, const char *next, const char *what, const char *near)
{
	return problem_set(r->p, EINVAL, "bad-disk", "disk", next, "%s '%s' in '%s'", what, near, r->spec);
}

static void replace(char **to, const char *s)
{
	free(*to);
	*to = xstrdup(s);
}

static int set_format(struct reader *r, const char *s)
{
	static const struct {
		const char *name;
		enum disk_format format;
	} formats[] = { { "raw", DISK_RAW }, { "qcow2", DISK_QCOW2 }, { "qcow", DISK_QCOW2 },
			{ "vhd", DISK_VHD }, { "qed", DISK_QED },     { "empty", DISK_EMPTY } };

	if (!*s)
		return 0;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(s, formats[i].name) == 0) {
			r->d->format = formats[i].format;
			r->format_given = true;
			return 0;
		}
	}
	return bad(r, "use raw, qcow2, vhd or qed", "unknown format", s);
}

static int set_access(struct reader *r, const char *s)
{
	if (!*s)
		return 0;
	if (strcmp(s, "r") == 0 || strcmp(s, "ro") == 0)
		r->d->readonly = true;
	else if (strcmp(s, "w") == 0 || strcmp(s, "rw") == 0)
		r->d->readonly = false;
	else
		return bad(r, "use r, ro, w or rw", "unknown access", s);
	return 0;
}

static void set_cdrom(struct reader *r)
{
	r->d->cdrom = r->d->removable = r->d->readonly = true;
}

/* The device name, with the old ":cdrom" and ":disk" behind and "ioemu:" before. */
static int set_vdev(struct reader *r, const char *s)
{
	const char *colon;

	if (!*s)
		return 0;
	if (strncmp(s, "ioemu:", 6) == 0)
		s += 6;
	colon = strchr(s, ':');
	if (colon && strcmp(colon, ":cdrom") == 0)
		set_cdrom(r);
	else if (colon && strcmp(colon, ":disk"))
		return bad(r, "use the name alone, or with :cdrom or :disk", "unknown kind of device", colon + 1);
	free(r->d->vdev);
	r->d->vdev = xasprintf("%.*s", (int)(colon ? colon - s : (long)strlen(s)), s);
	return 0;
}

/* The target, with the old prefixes that say format or script. */
static int set_target(struct reader *r, const char *s)
{
	static const char *const plain[] = { "phy:", "file:", "tap:", "tap2:", "tapdisk:", "aio:", "ioemu:" };
	static const char *const formats[] = { "raw:", "qcow2:", "qcow:", "vhd:", "qed:" };
	static const char *const scripts[] = { "iscsi:", "nbd:", "enbd:", "drbd:", "md:" };

	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
			if (strncmp(s, plain[i], strlen(plain[i])) == 0) {
				s += strlen(plain[i]);
				again = true;
			}
		}
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		size_t n = strlen(formats[i]);
		char name[8];

		if (strncmp(s, formats[i], n))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)n - 1, s);
		s += n;
		if (set_format(r, name))
			return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		size_t n = strlen(scripts[i]);

		if (strncmp(s, scripts[i], n))
			continue;
		free(r->d->script);
		r->d->script = xasprintf("block-%.*s", (int)n - 1, s);
		s += n;
	}
	replace(&r->d->target, s);
	return 0;
}

static int set_backend_type(struct reader *r, const char *s)
{
	static const char *const names[] = {
		[DISK_BACKEND_PHY] = "phy", [DISK_BACKEND_QDISK] = "qdisk", [DISK_BACKEND_STANDALONE] = "standalone"
	};

	if (strcmp(s, "tap") == 0 || strcmp(s, "qemu") == 0)
		s = "qdisk";
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(s, names[i]) == 0) {
			r->d->backend = (enum disk_backend)i;
			return 0;
		}
	}
	return bad(r, "use phy, qdisk or standalone", "unknown backendtype", s);
}

static int set_other(struct reader *r, const char *name, struct json_object *v)
{
	if (!r->d->others)
		r->d->others = json_object_new_object();
	json_object_object_add(r->d->others, name, v);
	return 0;
}

/* key=value; 1: not a key of ours. */
static int set_key(struct reader *r, const char *key, const char *value)
{
	if (strcmp(key, "vdev") == 0)
		return set_vdev(r, value);
	if (strcmp(key, "format") == 0)
		return set_format(r, value);
	if (strcmp(key, "access") == 0)
		return set_access(r, value);
	if (strcmp(key, "backendtype") == 0)
		return set_backend_type(r, value);
	if (strcmp(key, "backend") == 0)
		replace(&r->d->backend_domain, value);
	else if (strcmp(key, "script") == 0)
		replace(&r->d->script, value);
	else if (strcmp(key, "specification") == 0)
		return strcmp(value, "xen") == 0    ? 0 :
		       strcmp(value, "virtio") == 0 ? set_other(r, key, json_object_new_string(value)) :
						      bad(r, "use xen", "unknown specification", value);
	else if (strcmp(key, "devtype") == 0) {
		if (strcmp(value, "cdrom") == 0)
			set_cdrom(r);
		else if (strcmp(value, "disk"))
			return bad(r, "use disk or cdrom", "unknown devtype", value);
	} else {
		return 1;
	}
	return 0;
}

/* A word that stands alone; 1: not one of ours. */
static int set_word(struct reader *r, const char *s)
{
	if (strcmp(s, "cdrom") == 0)
		set_cdrom(r);
	else if (strcmp(s, "disk") == 0)
		;
	else if (strcmp(s, "direct-io-safe") == 0)
		r->d->direct_io_safe = true;
	else if (strcmp(s, "discard") == 0)
		return set_other(r, "discard_enable", json_object_new_string("True"));
	else if (strcmp(s, "no-discard") == 0) {
		r->d->discard_off = true;
		if (r->d->others)
			json_object_object_del(r->d->others, "discard_enable");
	} else if (strcmp(s, "trusted") == 0 || strcmp(s, "untrusted") == 0)
		r->d->untrusted = *s == 'u';
	else if (strcmp(s, "colo") == 0)
		return set_other(r, "colo_enable", json_object_new_string("True"));
	else
		return 1;
	return 0;
}

static int set_positional(struct reader *r, const char *s)
{
	/* The old form "target,vdev,access" after a prefix that names the format. */
	if (r->positional == 1 && r->format_given && disk_vdev_number(s) >= 0)
		r->positional++;
	switch (r->positional++) {
	case 0:
		return set_target(r, s);
	case 1:
		/* After "phy:x" and "file:x" too the format was left out. */
		if (*s && strcmp(s, "raw") && strncmp(r->spec, "/", 1) && strchr(r->spec, ':') &&
		    strchr(r->spec, ':') < strchr(r->spec, ',')) {
			r->positional = 3;
			return set_vdev(r, s);
		}
		return set_format(r, s);
	case 2:
		return set_vdev(r, s);
	case 3:
		return set_access(r, s);
	default:
		return bad(r, "name what follows the access: key=value", "one value too many:", s);
	}
}

static int read_part(struct reader *r, char *part)
{
	char *eq = strchr(part, '=');
	int rc;

	if (eq) {
		*eq = 0;
		rc = set_key(r, part, eq + 1);
		return rc == 1 ? bad(r, "see xl-disk-configuration(5) for the names there are", "unknown parameter",
				     part) :
				 rc;
	}
	rc = *part ? set_word(r, part) : 1;
	return rc == 1 ? set_positional(r, part) : rc;
}

int disk_config_parse(struct disk_config *d, const char *spec, struct problem *p)
{
	struct reader r = { .d = d, .spec = spec, .p = p };
	char *copy = xstrdup(spec), *s = copy;
	int rc = 0;

	*d = (struct disk_config){ 0 };
	while (rc == 0 && s) {
		char *comma;

		s += strspn(s, " \t");
		if (strncmp(s, "target=", 7) == 0) { /* the rest, commas and all */
			rc = set_target(&r, s + 7);
			break;
		}
		comma = strchr(s, ',');
		if (comma)
			*comma = 0;
		if (comma || *s || r.positional)
			rc = read_part(&r, s);
		s = comma ? comma + 1 : NULL;
	}
	free(copy);
	if (rc == 0 && d->cdrom && (!d->target || !*d->target))
		d->format = DISK_EMPTY;
	else if (rc == 0 && d->cdrom && d->format == DISK_EMPTY)
		d->format = DISK_RAW;
	if (rc == 0 && !d->vdev)
		rc = problem_set(p, EINVAL, "bad-disk", "disk",
				 "add the device the guest is to see, for example vdev=xvda", "no vdev in '%s'", spec);
	else if (rc == 0 && disk_vdev_number(d->vdev) < 0)
		rc = problem_set(p, EINVAL, "bad-disk", "disk", "name it xvda, xvdb, ... or see xen-vbd-interface(7)",
				 "'%s' is no name of a virtual block device", d->vdev);
	else if (rc == 0 && !d->cdrom && !d->target)
		rc = problem_set(p, EINVAL, "bad-disk", "disk", "add target=/path/of/image/or/device",
				 "no target in '%s'", spec);
	if (rc)
		disk_config_free(d);
	return rc;
}

void disk_config_free(struct disk_config *d)
{
	free(d->target);
	free(d->vdev);
	free(d->script);
	free(d->backend_domain);
	json_object_put(d->others);
	*d = (struct disk_config){ 0 };
}
