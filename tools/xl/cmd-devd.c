/*
 * xl devd: the part of the toolstack that runs where the back ends are. In a driver domain it watches the domain's own back ends
 * in the store, and gives each what the host must: a loop device under a disk image, a QEMU if the kernel does not know the image's
 * format, a place on the bridge for an interface, or the run of a script. When a device goes it takes that away, and then the back
 * end's nodes, for which the toolstack waits.
 *
 * What is done is in the store, so a devd that is killed goes on where it was: hotplug-status says that a device is plugged.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"
#include "cmd.h"
#include "devd-qemu.h"
#include "host/host.h"
#include "store/store.h"
#include "xl.h"

#define LOG_FILE "/var/log/xen/xldevd.log"
#define SCRIPT_SECONDS 40
#define INTERFACE_TRIES 200 /* of 10 ms: the driver makes an interface right after it tells of its state */

static void take_events(void *arg);

/* The kinds of devices, by the name of their directory. */
enum kind { DISK, NIC, IMAGE, NR_KINDS };
static const char *const kind_names[] = { [DISK] = "vbd", [NIC] = "vif", [IMAGE] = "qdisk" };

/* One that was plugged, and what must be taken away again. */
struct plugged {
	struct plugged *next;
	enum kind kind;
	char *path; /* "backend/vbd/7/51712", as all of the domain's own paths are */
	char *node, *target;
	char *netdev;
	char *script;
	bool leaving; /* the last image of its domain: it is let go of when QEMU has ended */
};

static struct {
	struct store *store;
	struct plugged *devices;
	int rc; /* what the command returns */
} devd;

static char *value(const char *path, const char *name)
{
	char *full = xasprintf("%s/%s", path, name);
	char *v = store_read(devd.store, 0, full, NULL);

	free(full);
	return v;
}

static int set(uint32_t tx, const char *path, const char *name, const char *text)
{
	char *full = xasprintf("%s/%s", path, name);
	int rc = store_write(devd.store, tx, full, text, strlen(text));

	free(full);
	return rc;
}

static struct plugged *find(const char *path)
{
	struct plugged *d = devd.devices;

	while (d && strcmp(d->path, path))
		d = d->next;
	return d;
}

static void forget(struct plugged *d)
{
	struct plugged **at = &devd.devices;

	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	free(d->path);
	free(d->node);
	free(d->target);
	free(d->netdev);
	free(d->script);
	free(d);
}

/* Is it a script of somebody's own, and not the one whose work is built in? */
static bool own_script(const char *script, bool disk)
{
	const char *base = script ? strrchr(script, '/') : NULL;

	return script && *script && strcmp(base ? base + 1 : script, disk ? "block" : "vif-bridge");
}

/* Run it as Xen's scripts are; the exit status. What it prints goes to our log. */
static int run_script(const char *script, const char *path, bool disk, const char *what, const char *vif)
{
	char *netdev = vif ? value(path, "gatewaydev") : NULL;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		alarm(SCRIPT_SECONDS); /* goes on over the exec: a script that hangs is ended */
		setenv("script", script, 1);
		setenv("XENBUS_TYPE", disk ? "vbd" : "vif", 1);
		setenv("XENBUS_PATH", path, 1);
		setenv("XENBUS_BASE_PATH", "backend", 1);
		if (vif) {
			setenv("vif", vif, 1);
			setenv("netdev", netdev ? netdev : "", 1);
		}
		execl(script, script, what, disk ? NULL : "type_if=vif", NULL);
		fprintf(stderr, "xl devd: %s: %s\n", script, strerror(errno));
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	free(netdev);
	return status;
}

/* Tell the toolstack and whoever reads the log that a device cannot be had. What a script told already says more than that it failed. */
static void complain(const char *path, const struct problem *p)
{
	char *told = value(path, "hotplug-error");

	fprintf(stderr, "xl devd: %s: %s\n    next: %s\n", path, told ? told : p->cause, p->next);
	if (!told)
		set(0, path, "hotplug-error", p->cause);
	set(0, path, "hotplug-status", "error");
	free(told);
}

/* All a disk's driver waits for, at once. */
struct found_disk {
	const char *path;
	const struct host_block *block;
};

static int write_disk(struct store *s, uint32_t tx, void *arg)
{
	const struct found_disk *f = arg;
	char number[16];
	int rc = 0;

	(void)s;
	snprintf(number, sizeof(number), "%x:%x", f->block->major, f->block->minor);
	if (f->block->file)
		rc = set(tx, f->path, "node", f->block->path);
	rc = rc ? rc : set(tx, f->path, "physical-device-path", f->block->path);
	rc = rc ? rc : set(tx, f->path, "physical-device", number);
	return rc ? rc : set(tx, f->path, "hotplug-status", "connected");
}

static int plug_disk(struct plugged *d, struct problem *p)
{
	char *mode = value(d->path, "mode"), *slash = strchr(d->path, '/');
	bool write = mode && strchr(mode, 'w');
	struct host_block b = { 0 };
	struct found_disk f = { d->path, &b };
	int rc;

	free(mode);
	if (!d->target)
		return problem_set(p, ENOENT, "no-such-file", "disk", "look at the disk= line", "there are no params");
	rc = host_block_look(d->target, write, &b, p);
	if (!rc && b.file) {
		rc = host_loop_attach(d->target, write, slash ? slash + 1 : d->path, &b, p);
		b.file = true;
		d->node = rc ? NULL : xstrdup(b.path);
	}
	if (rc)
		return rc;
	rc = store_transact(devd.store, write_disk, &f);
	/* One that went meanwhile is unplugged when its end is seen. */
	return rc && rc != ENOENT && rc != EACCES ?
		       problem_set(p, rc, "store-refused", "disk", "look at the store's daemon", "%s", strerror(rc)) :
		       0;
}

static int plug_nic(struct plugged *d, const char *vif, struct problem *p)
{
	char *bridge = value(d->path, "bridge"), *name = value(d->path, "vifname"), *mtu = value(d->path, "mtu");
	unsigned size = mtu ? (unsigned)strtoul(mtu, NULL, 10) : 0;
	int rc = -ENODEV;

	if (!size && bridge)
		host_bridge(bridge, &size);
	for (unsigned i = 0; i < INTERFACE_TRIES && rc; i++) {
		problem_init(p);
		rc = host_port_add(vif, name, bridge ? bridge : "xenbr0", size, p);
		if (strcmp(p->code, "no-interface"))
			break;
		poll(NULL, 0, 10);
	}
	if (!rc)
		d->netdev = xstrdup(name ? name : vif);
	free(bridge);
	free(name);
	free(mtu);
	if (!rc)
		set(0, d->path, "hotplug-status", "connected");
	return rc;
}

static const char *vif_name(const char *path, char buf[48])
{
	unsigned domid, devid;

	if (sscanf(path, "backend/vif/%u/%u", &domid, &devid) != 2)
		return NULL;
	snprintf(buf, 48, "vif%u.%u", domid, devid);
	return buf;
}

/* The domain that a device is for. */
static unsigned served_domain(const char *path)
{
	unsigned domid = 0;

	sscanf(path, "backend/%*[^/]/%u", &domid);
	return domid;
}

static struct plugged *add_image(const char *path)
{
	struct plugged *d = xcalloc(1, sizeof(*d));

	d->kind = IMAGE;
	d->path = xstrdup(path);
	d->next = devd.devices;
	devd.devices = d;
	return d;
}

/* An image, which QEMU finds by itself. */
static void plug_image(const char *path)
{
	struct problem p;

	problem_init(&p);
	add_image(path);
	if (devd_qemu_have(served_domain(path), &p))
		complain(path, &p);
	else
		printf("xl devd: %s has its QEMU\n", path);
}

static bool is_closed(const char *state, const char *online)
{
	return state && atoi(state) == 6 && online && !strcmp(online, "0");
}

/* Is an image to be served to that domain? By the store: not all that is there may have been seen yet. Where it cannot be asked, none is ended. */
static bool has_images(unsigned domid)
{
	char *dir = xasprintf("backend/%s/%u", kind_names[IMAGE], domid);
	unsigned nr = 0;
	char **ids = store_list(devd.store, 0, dir, &nr);
	bool any = !ids && errno != ENOENT;

	for (unsigned i = 0; ids && i < nr && !any; i++) {
		char *path = xasprintf("%s/%s", dir, ids[i]), *online = value(path, "online"),
		     *state = value(path, "state");

		any = state ? !is_closed(state, online) : errno != ENOENT;
		free(path);
		free(online);
		free(state);
	}
	free(ids);
	free(dir);
	return any;
}

/* @adopt: an earlier devd did the work; only learn what there is to be taken away. */
static void plug(const char *path, enum kind kind, bool adopt)
{
	bool disk = kind == DISK;
	struct plugged *d = xcalloc(1, sizeof(*d));
	char *script = value(path, "script"), vif[48];
	const char *name = disk ? NULL : vif_name(path, vif);
	struct problem p;
	int rc = 0;

	problem_init(&p);
	d->kind = kind;
	d->path = xstrdup(path);
	d->target = disk ? value(path, "params") : NULL;
	if (own_script(script, disk)) {
		d->script = xstrdup(script);
		if (!adopt && run_script(script, path, disk, disk ? "add" : "online", name))
			rc = problem_set(&p, EIO, "script-failed", "hotplug", "look at what it printed", "%s failed",
					 script);
	} else if (adopt) {
		d->node = disk ? value(path, "node") : NULL;
		d->netdev = disk ? NULL : value(path, "vifname");
		if (!disk && !d->netdev)
			d->netdev = xstrdup(name);
	} else {
		rc = disk ? plug_disk(d, &p) : plug_nic(d, name, &p);
	}
	free(script);
	if (rc)
		complain(path, &p);
	/* Kept all the same: it is not tried again until it has gone. */
	d->next = devd.devices;
	devd.devices = d;
	if (!rc)
		printf("xl devd: %s %s\n", path, adopt ? "was plugged before" : "plugged");
}

/* Is it the last image that its QEMU had? Then that is ended, and until it is nobody else may use the file. */
static bool ends_with_qemu(struct plugged *d)
{
	unsigned domid = served_domain(d->path);

	if (d->kind != IMAGE || d->leaving)
		return d->leaving;
	d->leaving = !has_images(domid);
	if (d->leaving)
		devd_qemu_end(domid);
	return d->leaving;
}

/* Take away what it has. False: that goes on, and qemu_gone() does the rest. */
static bool unplug(struct plugged *d)
{
	bool disk = d->kind == DISK;
	char vif[48];
	int rc = 0;

	if (ends_with_qemu(d))
		return false;
	if (d->script)
		run_script(d->script, d->path, disk, disk ? "remove" : "offline", disk ? NULL : vif_name(d->path, vif));
	if (d->node)
		rc = host_loop_detach(d->node, d->target);
	if (rc && rc != -ENXIO && rc != -ENOENT)
		fprintf(stderr, "xl devd: %s stays behind: %s\n", d->node, strerror(-rc));
	if (d->netdev)
		host_port_remove(d->netdev);
	printf("xl devd: %s unplugged\n", d->path);
	forget(d);
	return true;
}

/* What is to be done for the device at @path now. */
static void look_at(const char *path, enum kind kind)
{
	char *online = value(path, "online"), *status = value(path, "hotplug-status"), *state = value(path, "state");
	bool gone = !state && errno == ENOENT, closed = is_closed(state, online);
	struct plugged *d = find(path);
	int n = state ? atoi(state) : 0;

	if (kind != IMAGE && state && !d && status && !strcmp(status, "connected")) {
		plug(path, kind, true);
		d = find(path);
	} else if (closed && !d && kind == IMAGE) {
		d = add_image(path); /* an earlier devd's */
	}
	if (gone || closed) {
		if ((!d || unplug(d)) && closed)
			store_rm(devd.store, 0, path);
	} else if (!state) {
		; /* the store did not tell, and will not */
	} else if (d && d->leaving) {
		d->leaving = false; /* it came again meanwhile */
	} else if (!d && kind == IMAGE) {
		plug_image(path); /* again after a death of ours: QEMU knows what is plugged */
	} else if (!d && (n == 2 || (kind == DISK && n == 1))) {
		plug(path, kind, false);
	}
	free(state);
	free(online);
	free(status);
}

static struct plugged *leaving_image(unsigned domid)
{
	struct plugged *d = devd.devices;

	while (d && (!d->leaving || served_domain(d->path) != domid))
		d = d->next;
	return d;
}

/* Nobody has the image any more: whoever waits for that may know. */
static void let_go(struct plugged *d)
{
	char *path = xstrdup(d->path), *state = value(path, "state"), *online = value(path, "online");

	printf("xl devd: %s unplugged\n", path);
	forget(d);
	if (is_closed(state, online))
		store_rm(devd.store, 0, path);
	else
		look_at(path, IMAGE);
	free(path);
	free(state);
	free(online);
}

/* A domain's QEMU has ended. Where it was not to, its images are told of it, and not tried again until they have gone. */
static void qemu_gone(unsigned domid, bool asked)
{
	struct plugged *d;
	struct problem p;
	int rc = 0;

	problem_init(&p);
	while ((d = leaving_image(domid)))
		let_go(d);
	if (!asked)
		rc = problem_set(&p, EIO, "qemu-ended", "disks", "look at the end of its log",
				 "the QEMU that serves it has ended");
	else if (has_images(domid)) /* they came while it was on its way out */
		rc = devd_qemu_have(domid, &p);
	for (d = devd.devices; d && rc; d = d->next)
		if (d->kind == IMAGE && served_domain(d->path) == domid)
			complain(d->path, &p);
	loop_defer(take_events, NULL);
}

/* The devices of one class, each as a path with three more parts. */
static void look_at_class(enum kind kind)
{
	unsigned nr, devs;
	char *dir = xasprintf("backend/%s", kind_names[kind]);
	char **domains = store_list(devd.store, 0, dir, &nr);

	for (unsigned i = 0; domains && i < nr; i++) {
		char *of_domain = xasprintf("%s/%s", dir, domains[i]);
		char **ids = store_list(devd.store, 0, of_domain, &devs);

		for (unsigned k = 0; ids && k < devs; k++) {
			char *path = xasprintf("%s/%s", of_domain, ids[k]);

			look_at(path, kind);
			free(path);
		}
		free(ids);
		free(of_domain);
	}
	free(domains);
	free(dir);
}

static void look_at_all(void)
{
	struct plugged *d = devd.devices;

	for (enum kind kind = DISK; kind < NR_KINDS; kind++)
		look_at_class(kind);
	/* Those whose nodes have gone are not among them. */
	while (d) {
		struct plugged *next = d->next;
		char *state = value(d->path, "state");

		if (!state && errno == ENOENT)
			unplug(d);
		free(state);
		d = next;
	}
	devd_qemu_sweep(has_images);
}

/* What happened at @path. */
static void happened(const char *path)
{
	const char *back = strstr(path, "backend/");
	char class[16], one[80];
	unsigned domid, devid;

	if (!back || sscanf(back, "backend/%15[^/]/%u/%u", class, &domid, &devid) != 3) {
		look_at_all();
		return;
	}
	snprintf(one, sizeof(one), "backend/%s/%u/%u", class, domid, devid);
	for (enum kind kind = DISK; kind < NR_KINDS; kind++)
		if (!strcmp(class, kind_names[kind]))
			look_at(one, kind);
}

/* All that the store has told. Events also come with its answers, so whoever asked it anything from outside takes them then. */
static void take_events(void *arg)
{
	const char *token;
	char *event;

	(void)arg;
	while ((event = store_event(devd.store, 0, &token))) {
		happened(event);
		free(event);
	}
	if (errno != EAGAIN && !devd.rc) {
		devd.rc = xl_fail(errno, "no-store", "devd",
				  "look at the store's daemon: this one is to be started again",
				  "the store is gone: %s", strerror(errno));
		loop_stop();
	}
	fflush(stdout);
}

static void store_ready(void *arg, uint32_t events)
{
	(void)events;
	take_events(arg);
}

static void told_to_end(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	loop_stop();
}

static int serve(const char *fake)
{
	sigset_t ends;
	int rc;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	rc = loop_open();
	if (rc)
		return xl_fail(-rc, "internal", "devd", "start it again", "cannot wait: %s", strerror(-rc));
	devd_qemu_open(fake, qemu_gone);
	loop_add(signalfd(-1, &ends, SFD_CLOEXEC), EPOLLIN, told_to_end, NULL);
	loop_add(store_fd(devd.store), EPOLLIN, store_ready, NULL);
	loop_defer(take_events, NULL);
	loop_run();
	return devd.rc;
}

/* 0 in the daemon; does not return in the one that was started. */
static int become_daemon(const char *pidfile)
{
	int log;
	FILE *f;

	if (daemon(0, 1))
		return xl_fail(errno, "out-of-memory", "devd", "free memory or processes", "%s", strerror(errno));
	f = pidfile ? fopen(pidfile, "we") : NULL;
	if (pidfile && (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f)))
		return xl_fail(errno, "cannot-write", "devd", "name another file", "%s: %s", pidfile, strerror(errno));
	log = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0)
		log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	close(log);
	log = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(log, STDIN_FILENO);
	close(log);
	return 0;
}

int cmd_devd(int argc, char **argv)
{
	static const struct option longs[] = { { "pidfile", 1, NULL, 'p' }, { "help", 0, NULL, 'h' }, { 0 } };
	const char *pidfile = NULL, *fake = getenv("XL_DEVD_FAKE_HOST");
	bool foreground = false;
	int opt, rc;

	while ((opt = xl_option(xl_command(), argc, argv, "Fp:", longs, 0)) >= 0) {
		foreground |= opt == 'F';
		if (opt == 'p')
			pidfile = optarg;
	}
	if (fake)
		host_fake(fake);
	rc = foreground ? 0 : become_daemon(pidfile);
	if (rc)
		return rc;
	devd.store = store_open(0);
	if (!devd.store)
		return xl_fail(errno, "no-store", "devd", "load xen-xenbus-frontend, or start xenstored here",
			       "there is no way to the store: %s", strerror(errno));
	/* Whatever there is already comes with the first event. */
	rc = store_watch(devd.store, "backend", "devd");
	if (rc)
		return xl_fail(rc, "no-store", "devd", "look at the store's daemon", "cannot watch: %s", strerror(rc));
	return serve(fake);
}
