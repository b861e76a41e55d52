#include "host_fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "host.h"

static const char *folder;

void host_fake(const char *path)
{
	folder = path;
}

const char *fake_folder(void)
{
	return folder;
}

#define LOOP_MAJOR 7

int fake_loop_attach(const char *path, const char *tag, struct host_block *b, struct problem *p)
{
	for (unsigned nr = 0; nr < 4096; nr++) {
		char *name = xasprintf("%s/loop/%u", fake_folder(), nr);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		free(name);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			break;
		dprintf(fd, "%s\n%s\n", tag, path);
		close(fd);
		snprintf(b->path, sizeof(b->path), "/dev/loop%u", nr);
		b->major = LOOP_MAJOR;
		b->minor = nr;
		return 0;
	}
	return problem_set(p, errno, "no-loop-device", "disk", "look at the directory of --fake-host",
			   "no loop device: %s", strerror(errno));
}

int fake_loop_detach(const char *device)
{
	char *name = xasprintf("%s/loop/%s", fake_folder(), device + strlen("/dev/loop"));
	int rc = unlink(name) ? -errno : 0;
	free(name);
	return rc;
}

void fake_loops(void (*fn)(void *arg, const char *device, const char *tag), void *arg)
{
	char *path = xasprintf("%s/loop", fake_folder()), device[300];
	DIR *dir = opendir(path);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		struct text t = { NULL, 0, 0 };
		char *name = xasprintf("%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' && !text_read_file(&t, name) && t.s) {
			t.s[strcspn(t.s, "\n")] = '\0';
			snprintf(device, sizeof(device), "/dev/loop%s", e->d_name);
			fn(arg, device, t.s);
		}
		text_free(&t);
		free(name);
	}
	if (dir)
		closedir(dir);
	free(path);
}

bool fake_bridge(const char *bridge, unsigned *mtu)
{
	char *path = xasprintf("%s/net/%s", fake_folder(), bridge);
	bool yes = !access(path, F_OK);
	free(path);
	if (yes && mtu)
		*mtu = 1500;
	return yes;
}

int fake_port_add(const char *dev, const char *bridge, unsigned mtu, struct problem *p)
{
	char *path = xasprintf("%s/net/%s/%s", fake_folder(), bridge, dev);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	free(path);
	if (fd < 0)
		return problem_set(p, errno, "no-such-bridge", "network",
				   "make the bridge, or correct bridge= in the configuration", "there is no bridge %s",
				   bridge);
	dprintf(fd, "%u\n", mtu);
	close(fd);
	return 0;
}

void fake_port_remove(const char *dev)
{
	char *path = xasprintf("%s/net", fake_folder());
	DIR *dir = opendir(path);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		char *port = xasprintf("%s/%s/%s", path, e->d_name, dev);
		unlink(port);
		free(port);
	}
	if (dir)
		closedir(dir);
	free(path);
}
