#include "userdata.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "domain/config.h"
#include "op.h"
#include "settings.h"

static char *userdata_path(uint32_t domid, const uint8_t uuid[16])
{
	char text[UUID_TEXT];
	uuid_format(text, uuid);
	return xasprintf("%s/userdata-d.%u.%s.libxl-json", settings->lib_dir, domid, text);
}

/* Take @path over. */
static int write_json(char *path, struct json_object *json)
{
	struct text t = { NULL, 0, 0 };
	char *tmp = xasprintf("%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
	size_t at = 0;
	json_print(&t, json);
	if (fd < 0)
		rc = -errno;
	while (!rc && at < t.len) {
		ssize_t n = write(fd, t.s + at, t.len - at);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0 && close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path))
		rc = -errno;
	if (rc)
		unlink(tmp);
	free(tmp);
	free(path);
	text_free(&t);
	return rc;
}

static struct json_object *read_json(char *path)
{
	struct text t = { NULL, 0, 0 };
	struct json_object *o = NULL;
	if (!text_read_file(&t, path) && t.s)
		o = json_tokener_parse(t.s);
	text_free(&t);
	free(path);
	return o;
}

int userdata_write(uint32_t domid, const uint8_t uuid[16], struct json_object *json)
{
	int rc = write_json(userdata_path(domid, uuid), json);
	op_die_here("userdata", "written");
	return rc;
}

struct json_object *userdata_read(uint32_t domid, const uint8_t uuid[16])
{
	return read_json(userdata_path(domid, uuid));
}

/*
 * libxl adds the video memory of its configuration to the target it finds in the store, and takes -1 for it where the configuration does not say: Debian's
 * xl list -l would show a KiB less than there is.
 */
void userdata_complete(struct domain_config *c)
{
	if (!domain_config_other(c, "b_info/video_memkb"))
		domain_config_set_other(c, "b_info/video_memkb", json_object_new_int(0));
}

int userdata_config(struct domain_config *c, uint32_t domid, const uint8_t uuid[16], struct problem *p)
{
	struct json_object *json = userdata_read(domid, uuid);
	int rc;
	if (!json)
		return problem_set(p, ENOENT, "no-configuration", "configuration",
				   "create it again from its configuration file",
				   "there is no configuration of it in %s", settings->lib_dir);
	domain_config_init(c);
	rc = domain_config_from_json(c, json, p);
	json_object_put(json);
	if (rc)
		domain_config_free(c);
	return rc;
}

/* Files whose names match, after the kind of user data. */
static void remove_matching(char *pattern)
{
	glob_t g;
	if (!glob(pattern, GLOB_NOSORT, NULL, &g)) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	free(pattern);
}

void userdata_remove(uint32_t domid, const uint8_t uuid[16])
{
	char text[UUID_TEXT];
	uuid_format(text, uuid);
	remove_matching(xasprintf("%s/userdata-?.%u.%s.*", settings->lib_dir, domid, text));
}

void userdata_remove_all(uint32_t domid)
{
	remove_matching(xasprintf("%s/userdata-?.%u.*", settings->lib_dir, domid));
}

void userdata_sweep(bool (*lives)(void *arg, uint32_t domid), void *arg)
{
	char *pattern = xasprintf("%s/userdata-?.*.*.*", settings->lib_dir);
	glob_t g;
	if (!glob(pattern, GLOB_NOSORT, NULL, &g)) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			const char *name = strrchr(g.gl_pathv[i], '/') + 1, *dot;
			char text[UUID_TEXT];
			uint8_t uuid[16];
			uint32_t domid;
			int at = 0;
			if (sscanf(name, "userdata-%*c.%5" SCNu32 ".%n", &domid, &at) != 1 || !at)
				continue;
			dot = strchr(name + at, '.');
			if (!dot || dot - (name + at) != UUID_TEXT - 1)
				continue;
			memcpy(text, name + at, UUID_TEXT - 1);
			text[UUID_TEXT - 1] = '\0';
			if (!uuid_parse(uuid, text) || lives(arg, domid))
				continue;
			fprintf(stderr, "hospesd: %s is of a domain that is no more: taken away\n", name);
			unlink(g.gl_pathv[i]);
		}
		globfree(&g);
	}
	free(pattern);
}

static char *pending_path(const uint8_t uuid[16])
{
	char text[UUID_TEXT];
	uuid_format(text, uuid);
	return xasprintf("%s/%s.json", settings->state_dir, text);
}

int pending_write(const uint8_t uuid[16], struct json_object *json)
{
	if (mkdir(settings->state_dir, 0700) && errno != EEXIST)
		return -errno;
	return write_json(pending_path(uuid), json);
}

struct json_object *pending_read(const uint8_t uuid[16])
{
	return read_json(pending_path(uuid));
}

void pending_remove(const uint8_t uuid[16])
{
	char *path = pending_path(uuid);
	unlink(path);
	free(path);
}
