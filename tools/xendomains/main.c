/*
 * xendomains: starts domains with the host and takes them down with it. Everything is done by xl. Several at a time, but for what must
 * have an order: a domain whose devices another one serves starts after those before it, and the domains that serve stop last.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "store/store.h"
#include "xendomains.h"

#define CONFIG "/etc/default/xendomains"
#define CONFIG_ELSEWHERE "/etc/sysconfig/xendomains"
#define LOCK "/run/xendomains"
#define SAVED "Xen saved domain"

static struct settings settings;
static int failures;

static const char *lock_file(void)
{
	const char *s = getenv("XENDOMAINS_LOCK");

	return s ? s : LOCK;
}

/* A running domain. */
struct running {
	unsigned id;
	char *name;
	bool dying;
};

struct list {
	struct running *d;
	unsigned nr;
};

/* All but domain 0 and the one that has the store, the newest first. */
static struct list running(void)
{
	struct store *s = store_open(0);
	char *text = xl_output("list", NULL), *line, *rest,
	     *store_id = s ? store_read(s, 0, "/tool/xenstored/domid", NULL) : NULL;
	unsigned without = store_id ? (unsigned)strtoul(store_id, NULL, 10) : 0;
	struct list l = { 0 };

	for (line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
		char name[256], state[16];
		unsigned id;

		if (sscanf(line, "%255s %u %*u %*u %15s", name, &id, state) != 3 || id == 0 || id == without)
			continue;
		l.d = xrealloc(l.d, (l.nr + 1) * sizeof(*l.d));
		memmove(l.d + 1, l.d, l.nr * sizeof(*l.d));
		l.d[0] = (struct running){ id, xstrdup(name), state[5] == 'd' };
		l.nr++;
	}
	free(text);
	free(store_id);
	if (s)
		store_close(s);
	return l;
}

static void free_list(struct list *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		free(l->d[i].name);
	free(l->d);
}

static bool is_running(const struct list *l, const char *name)
{
	for (unsigned i = 0; i < l->nr; i++)
		if (!strcmp(l->d[i].name, name))
			return true;
	return false;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Names in a directory in order; none if there is no directory. */
static int names_in(const char *folder, struct dirent ***names)
{
	int n = *folder ? scandir(folder, names, visible, alphasort) : 0;

	return n < 0 ? 0 : n;
}

static void free_names(struct dirent **names, int nr)
{
	while (nr > 0)
		free(names[--nr]);
	if (names)
		free(names);
}

/* What a configuration file describes. */
struct wanted {
	char *name;  /* NULL: xl cannot read the file */
	bool served; /* another domain has back ends of it */
};

static struct wanted look_at(const char *file)
{
	char *text = xl_output("create --quiet --dryrun --defconfig", file);
	struct json_object *json = text ? json_tokener_parse(text) : NULL, *info, *name;
	struct wanted w = { 0 };

	if (json && json_object_object_get_ex(json, "c_info", &info) && json_object_object_get_ex(info, "name", &name))
		w.name = xstrdup(json_object_get_string(name));
	w.served = text && strstr(text, "\"backend_domname\"");
	json_object_put(json);
	free(text);
	return w;
}

static void fail(const char *what, const char *name, const struct job *j)
{
	char *said = j ? job_output(j) : xstrdup("xl cannot read its configuration");

	printf("\nAn error occurred while %s domain %s%s:\n%s\n", what, name, j && j->late ? " (it took too long)" : "",
	       said);
	free(said);
	failures++;
}

/*
 * Start.
 */

static void restored(struct job *j, bool ok)
{
	if (ok)
		unlink(j->file);
	else
		fail("restoring", j->name, j);
}

static bool is_saved_domain(const char *path)
{
	char head[sizeof(SAVED)] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool yes = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && read(fd, head, sizeof(SAVED) - 1) > 0 &&
		   !strcmp(head, SAVED);

	if (fd >= 0)
		close(fd);
	return yes;
}

static void restore_all(void)
{
	struct dirent **names = NULL;
	int nr = settings.restore ? names_in(settings.save, &names) : 0;

	if (nr)
		fputs("Restoring Xen domains:", stdout);
	for (int i = 0; i < nr; i++) {
		char *path = xasprintf("%s/%s", settings.save, names[i]->d_name);

		if (is_saved_domain(path)) {
			printf(" %s", names[i]->d_name);
			job_start(names[i]->d_name, path, 0, restored, "restore", path);
		}
		free(path);
	}
	jobs_wait();
	if (nr)
		puts("");
	free_names(names, nr);
}

static void created(struct job *j, bool ok)
{
	if (!ok)
		fail("creating", j->name, j);
}

/* One that was saved and did not come back wants a look by somebody, not another life. */
static bool was_saved(const char *name)
{
	char *path = xasprintf("%s/%s", settings.save, name);
	bool yes = *settings.save && settings.restore && !access(path, F_OK);

	free(path);
	return yes;
}

static void create_all(void)
{
	struct dirent **names = NULL;
	int nr = names_in(settings.automatic, &names);
	struct list there = running();

	if (nr)
		fputs("Starting auto Xen domains:", stdout);
	for (int i = 0; i < nr; i++) {
		char *file = xasprintf("%s/%s", settings.automatic, names[i]->d_name);
		struct wanted w = look_at(file);

		printf(" %s", names[i]->d_name);
		if (!w.name) {
			fail("creating", names[i]->d_name, NULL);
		} else if (is_running(&there, w.name) || was_saved(w.name)) {
			fputs("(skip)", stdout);
		} else {
			if (w.served)
				jobs_wait();
			job_start(w.name, NULL, 0, created, "create --quiet --defconfig", file);
		}
		free(w.name);
		free(file);
	}
	jobs_wait();
	if (nr)
		puts("");
	free_list(&there);
	free_names(names, nr);
}

static void start(void)
{
	int fd;

	if (!access(lock_file(), F_OK)) {
		puts("xendomains already running (lockfile exists)");
		return;
	}
	fd = open(lock_file(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	restore_all();
	create_all();
}

/*
 * Stop.
 */

/* Does it have back ends for others? */
static bool serves(struct store *s, unsigned id)
{
	char path[64];
	unsigned nr = 0;
	char **classes;

	snprintf(path, sizeof(path), "/local/domain/%u/backend", id);
	classes = s ? store_list(s, 0, path, &nr) : NULL;
	free(classes);
	return nr > 0;
}

static bool is_automatic(const char *name)
{
	struct dirent **names = NULL;
	int nr = names_in(settings.automatic, &names);
	bool yes = false;

	for (int i = 0; i < nr && !yes; i++) {
		char *file = xasprintf("%s/%s", settings.automatic, names[i]->d_name);
		struct wanted w = look_at(file);

		yes = w.name && !strcmp(w.name, name);
		free(w.name);
		free(file);
	}
	free_names(names, nr);
	return yes;
}

static void shut_down(struct job *j, bool ok)
{
	if (!ok)
		fail("shutting down", j->name, j);
}

static void begin_shutdown(const char *name, const char *id)
{
	char *words = xasprintf("shutdown %s", settings.shutdown);

	if (*settings.shutdown)
		job_start(name, NULL, settings.max_wait, shut_down, words, id);
	free(words);
}

static void saved(struct job *j, bool ok)
{
	if (ok)
		return;
	fail("saving", j->name, j);
	begin_shutdown(j->name, j->file);
}

static void begin_save(const char *name, const char *id)
{
	char *path, *words;

	if (!*settings.save) {
		begin_shutdown(name, id);
		return;
	}
	mkdir(settings.save, 0700);
	path = xasprintf("%s/%s", settings.save, name);
	words = xasprintf("save %s", id);
	job_start(name, id, settings.max_wait, saved, words, path);
	free(words);
	free(path);
}

static void migrated(struct job *j, bool ok)
{
	if (ok)
		return;
	fail("migrating", j->name, j);
	begin_save(j->name, j->file);
}

static void take_down(const struct running *d)
{
	char *id = xasprintf("%u", d->id), *words, *rest, *keys = xstrdup(settings.sysrq);

	printf(" %s", d->name);
	for (char *key = strtok_r(keys, " ", &rest); key; key = strtok_r(NULL, " ", &rest)) {
		words = xasprintf("sysrq %s", id);
		free(xl_output(words, key));
		free(words);
	}
	free(keys);
	if (d->dying) {
		fputs("(zomb)", stdout);
	} else if (*settings.migrate) {
		words = xasprintf("migrate %s %s", id, settings.migrate);
		job_start(d->name, id, settings.max_wait, migrated, words, NULL);
		free(words);
	} else {
		begin_save(d->name, id);
	}
	free(id);
}

static void stop(void)
{
	struct list l = running();
	struct store *s = store_open(0);

	fputs("Shutting down Xen domains:", stdout);
	for (int last = 0; last < 2; last++) {
		for (unsigned i = 0; i < l.nr; i++) {
			if (serves(s, l.d[i].id) != last)
				continue;
			if (settings.auto_only && !is_automatic(l.d[i].name))
				printf(" %s(skip)", l.d[i].name);
			else
				take_down(&l.d[i]);
		}
		jobs_wait();
	}
	puts("");
	if (s)
		store_close(s);
	free_list(&l);
	unlink(lock_file());
}

/*
 * Status.
 */

static int status(void)
{
	struct dirent **names = NULL;
	int nr = names_in(settings.automatic, &names), missing = 0;
	struct list l = running();
	struct text miss = { 0 };

	fputs("Checking for xendomains:", stdout);
	for (int i = 0; i < nr; i++) {
		char *file = xasprintf("%s/%s", settings.automatic, names[i]->d_name);
		struct wanted w = look_at(file);
		const char *name = w.name ? w.name : names[i]->d_name;

		if (is_running(&l, name))
			printf(" %s", name);
		else
			text_printf(&miss, " %s", name), missing++;
		free(w.name);
		free(file);
	}
	if (missing)
		printf(" MISS AUTO:%s", miss.s);
	free_names(names, nr);
	names = NULL;
	nr = settings.restore ? names_in(settings.save, &names) : 0;
	if (nr)
		fputs(" MISS SAVED:", stdout);
	for (int i = 0; i < nr; i++)
		printf(" %s", names[i]->d_name);
	puts("");
	free_names(names, nr);
	text_free(&miss);
	free_list(&l);
	return access(lock_file(), F_OK) ? 3 : missing || nr ? 1 : 0;
}

/* The xl that was installed with us. */
static void find_xl(void)
{
	char self[4096], *slash, *path;
	const char *old = getenv("PATH");
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = 0;
	path = xasprintf("%s:%s", self, old ? old : "/usr/sbin:/usr/bin:/sbin:/bin");
	setenv("PATH", path, 1);
	free(path);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "", *config = getenv("XENDOMAINS_CONFIG");
	char *list;

	if (strcmp(verb, "start") && strcmp(verb, "stop") && strcmp(verb, "restart") && strcmp(verb, "reload") &&
	    strcmp(verb, "status")) {
		printf("Usage: %s {start|stop|restart|reload|status}\n", argv[0]);
		return 3;
	}
	find_xl();
	list = xl_output("list", NULL);
	if (!list) /* not a control domain: there is nothing to do */
		return 0;
	free(list);
	if (config ? !settings_read(&settings, config) :
		     !settings_read(&settings, CONFIG) && !settings_read(&settings, CONFIG_ELSEWHERE)) {
		printf("%s not existing\n", config ? config : CONFIG);
		return strcmp(verb, "stop") ? 6 : 0;
	}
	if (!strcmp(verb, "status"))
		return status();
	if (strcmp(verb, "start"))
		stop();
	if (strcmp(verb, "stop"))
		start();
	return failures ? 1 : 0;
}
