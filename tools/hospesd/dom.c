#include "dom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/text.h"
#include "store/wire.h"
#include "hv.h"
#include "life.h"
#include "server.h"
#include "settings.h"
#include "sharing.h"
#include "uuid.h"
#include "xs.h"

#define KEEP_GONE 64	  /* domains that are no more, for dom_explain() */
#define LOG_MAX (1 << 20) /* bytes of a domain's log file; there are two of them at most */

static struct {
	struct dom *all;
	struct xs_watch *introduced, *released;
	bool refresh_due;
	struct timer dying; /* nothing tells when the last page of a dying domain is let go of */
	uint64_t sequence;
	unsigned nr_gone;
} doms;

struct dom *dom_first(void)
{
	return doms.all;
}

struct dom *dom_find(uint32_t id)
{
	struct dom *d = doms.all;
	while (d && (d->gone || d->id != id))
		d = d->next;
	return d;
}

struct dom *dom_find_name(const char *name)
{
	struct dom *d = doms.all;
	while (d && (d->gone || strcmp(d->name, name)))
		d = d->next;
	return d;
}

static struct dom *find_gone(const char *name, int64_t id)
{
	struct dom *found = NULL;
	for (struct dom *d = doms.all; d; d = d->next)
		if (d->gone && (name ? !strcmp(d->name, name) : d->id == id) &&
		    (!found || d->introduced > found->introduced))
			found = d;
	return found;
}

struct dom *dom_named(struct json_object *params, bool gone, struct problem *p)
{
	struct json_object *o = NULL;
	struct dom *d = NULL;
	json_object_object_get_ex(params, "domain", &o);
	if (json_object_is_type(o, json_type_int)) {
		int64_t id = json_object_get_int64(o);
		d = id >= 0 && id < 0x7ff0 ? dom_find((uint32_t)id) : NULL;
		if (!d && gone)
			d = find_gone(NULL, id);
	} else if (json_object_is_type(o, json_type_string)) {
		const char *name = json_object_get_string(o);
		d = dom_find_name(name);
		if (!d && gone)
			d = find_gone(name, -1);
	} else {
		problem_set(p, EINVAL, "bad-request", "request", "send the domain's name, or its id as a number",
			    "the parameter 'domain' is missing");
		return NULL;
	}
	if (!d)
		problem_set(p, ENOENT, "no-such-domain", "domain", "look at the names and ids in xl list",
			    "there is no domain '%s'", json_object_get_string(o));
	return d;
}

static void dom_free(struct dom *d)
{
	struct dom **at = &doms.all;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	xs_unwatch(d->name_watch);
	for (unsigned i = 0; i < DOM_HISTORY; i++)
		free(d->history[i]);
	free(d->name);
	free(d);
}

static void got_name(void *arg, int err, const char *body, size_t len)
{
	struct dom *d = dom_find((uint32_t)(uintptr_t)arg);
	(void)len;
	if (d && !err && strcmp(d->name, body))
		dom_set_name(d, body);
}

static void name_changed(void *arg, const char *path)
{
	struct dom *d = arg;
	char name[48];
	(void)path;
	snprintf(name, sizeof(name), "/local/domain/%u/name", d->id);
	xs_read(name, got_name, (void *)(uintptr_t)d->id);
}

struct dom *dom_add(uint32_t id, const uint8_t uuid[16], const char *name, bool ours)
{
	struct dom *d = dom_find(id);
	char path[48];
	if (!d) {
		d = xcalloc(1, sizeof(*d));
		d->id = id;
		d->name = xstrdup("");
		d->next = doms.all;
		doms.all = d;
		snprintf(path, sizeof(path), "/local/domain/%u/name", id);
		d->name_watch = xs_watch(path, name_changed, d);
	}
	problem_init(&d->problem);
	memcpy(d->uuid, uuid, 16);
	d->introduced = ++doms.sequence;
	d->ours = ours;
	if (*name)
		dom_set_name(d, name);
	return d;
}

void dom_set_name(struct dom *d, const char *name)
{
	free(d->name);
	d->name = xstrdup(name);
}

void dom_gone(struct dom *d)
{
	struct dom *oldest = NULL;
	if (d->gone)
		return;
	d->gone = true;
	sharing_forget(d->id, -1);
	xs_unwatch(d->name_watch);
	d->name_watch = NULL;
	if (++doms.nr_gone <= KEEP_GONE)
		return;
	for (struct dom *x = doms.all; x; x = x->next)
		if (x->gone && !x->op && x != d && (!oldest || x->introduced < oldest->introduced))
			oldest = x;
	if (oldest) {
		dom_free(oldest);
		doms.nr_gone--;
	}
}

char *dom_record(const struct dom *d, const char *name)
{
	return xasprintf("/hospes/%u/%s", d->id, name);
}

static void refresh_due(void *arg);

static int by_domain(const void *key, const void *entry)
{
	uint32_t id = *(const uint32_t *)key;
	const struct xen_domctl_getdomaininfo *info = entry;
	return (id > info->domain) - (id < info->domain);
}

/* Whom each entry of @list belongs to, in @found; those that are in none are told that they vanished. */
static void match(struct dom **found, const struct xen_domctl_getdomaininfo *list, int nr)
{
	const struct xen_domctl_getdomaininfo *info;
	unsigned nr_vanished = 0, nr_known = 0;
	struct dom **vanished;
	for (struct dom *d = doms.all; d; d = d->next)
		nr_known++;
	vanished = xcalloc(nr_known, sizeof(struct dom *));
	for (struct dom *d = doms.all; d; d = d->next) {
		if (d->gone)
			continue;
		info = nr ? bsearch(&d->id, list, (size_t)nr, sizeof(*list), by_domain) : NULL;
		if (info && !memcmp(info->handle, d->uuid, 16))
			found[info - list] = d;
		else
			vanished[nr_vanished++] = d;
	}
	for (unsigned i = 0; i < nr_vanished; i++)
		life_vanished(vanished[i]);
	free(vanished);
}

void dom_refresh(void)
{
	struct xen_domctl_getdomaininfo *list;
	int nr = hv_list(&list);
	struct dom **found;
	doms.refresh_due = false;
	if (nr < 0)
		return;
	found = xcalloc((size_t)nr, sizeof(struct dom *));
	match(found, list, nr);
	for (int i = 0; i < nr; i++) {
		/* One that vanished may still be being cleared away while its number has a new owner. */
		if (!found[i] && !dom_find(list[i].domain))
			found[i] = dom_add(list[i].domain, list[i].handle, "", false);
		if (list[i].flags & XEN_DOMINF_dying)
			timer_set(&doms.dying, 1000, refresh_due, NULL);
		if (found[i])
			life_seen(found[i], &list[i]);
	}
	free(found);
	free(list);
}

static void refresh_due(void *arg)
{
	(void)arg;
	dom_refresh();
}

static void changed(void *arg, const char *path)
{
	(void)arg;
	(void)path;
	if (!doms.refresh_due)
		loop_defer(refresh_due, NULL);
	doms.refresh_due = true;
}

/* Somebody was introduced: ourselves by a creation, or by other tools. The hypervisor's list takes as long as there are domains. */
static void arrived(void *arg, const char *path)
{
	struct xen_domctl_getdomaininfo info;
	uint32_t id;
	struct dom *d;
	if (!wire_special_domain(path, &id) || hv_info(id, &info) || (info.flags & XEN_DOMINF_dying)) {
		changed(arg, path);
		return;
	}
	d = dom_find(id);
	if (!d)
		d = dom_add(id, info.handle, "", false);
	if (d->gone || memcmp(d->uuid, info.handle, sizeof(d->uuid)))
		changed(arg, path); /* an old one with that id has ended */
	else
		life_seen(d, &info);
}

void dom_look_again(struct dom *d)
{
	struct xen_domctl_getdomaininfo info;
	/* One hypercall tells whether there is anything to do, however many domains there are. */
	if (!d->gone && !hv_info(d->id, &info) && (info.flags & XEN_DOMINF_shutdown))
		changed(NULL, NULL);
}

int dom_open(void)
{
	doms.introduced = xs_watch("@introduceDomain", arrived, NULL);
	doms.released = xs_watch("@releaseDomain", changed, NULL);
	dom_refresh();
	return 0;
}

void dom_close(void)
{
	timer_cancel(&doms.dying);
	while (doms.all)
		dom_free(doms.all);
	xs_unwatch(doms.introduced);
	xs_unwatch(doms.released);
}

/* Open the log; one that has become too long makes room for another, for a guest that reboots without end must not fill the disk. */
static int open_log(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	struct stat st;
	char *old;
	int fd = open(path, flags, 0644);
	if (fd < 0 || fstat(fd, &st) || st.st_size < LOG_MAX)
		return fd;
	close(fd);
	old = xasprintf("%s.1", path);
	(void)rename(path, old); /* if it cannot be, it goes on growing */
	free(old);
	return open(path, flags, 0644);
}

static void log_file(const struct dom *d, const char *line)
{
	char *path;
	int fd;
	if (!*d->name || strchr(d->name, '/') || d->name[0] == '.')
		return;
	path = xasprintf("%s/xl-%s.log", settings->log_dir, d->name);
	fd = open_log(path);
	if (fd >= 0) {
		dprintf(fd, "%s\n", line);
		close(fd);
	}
	free(path);
}

void dom_log(struct dom *d, const char *fmt, ...)
{
	char when[32], text[1024];
	time_t now = time(NULL);
	struct tm tm;
	va_list args;
	char *line;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	line = d->id == PROBLEM_NO_DOMID ? xasprintf("%s %s", when, text) :
					   xasprintf("%s domain %u: %s", when, d->id, text);
	log_file(d, line);
	free(d->history[d->nr_history % DOM_HISTORY]);
	d->history[d->nr_history++ % DOM_HISTORY] = line;
}

void dom_never(const char *name, const struct problem *p)
{
	struct dom *d = xcalloc(1, sizeof(*d));
	d->id = PROBLEM_NO_DOMID;
	d->name = xstrdup(name);
	d->introduced = ++doms.sequence;
	d->next = doms.all;
	doms.all = d;
	dom_problem(d, p);
	dom_gone(d);
}

void dom_problem(struct dom *d, const struct problem *p)
{
	char text[1200];
	d->problem = *p;
	dom_log(d, "%s: %s (%s)", p->step, p->cause, p->code);
	dom_log(d, "  next: %s", p->next);
	if (d->ours && !d->gone) {
		struct json_object *o = problem_json(p);
		char *path = dom_record(d, "problem");
		snprintf(text, sizeof(text), "%s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		xs_write(path, text, NULL, NULL);
		free(path);
		json_object_put(o);
	}
}

void dom_event(const struct dom *d, const char *event, struct json_object *more)
{
	struct json_object *o = more ? more : json_object_new_object();
	json_object_object_add(o, "domain", json_object_new_string(d->name));
	json_object_object_add(o, "domid", json_object_new_int64(d->id));
	json_object_object_add(o, "event", json_object_new_string(event));
	server_event(o);
}
