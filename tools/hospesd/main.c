/* hospesd: creates domains, watches over them, takes them down. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/service.h"
#include "base/text.h"
#include "dom.h"
#include "hv.h"
#include "life.h"
#include "methods.h"
#include "op.h"
#include "ops.h"
#include "qemu.h"
#include "server.h"
#include "settings.h"
#include "sharing.h"
#include "work.h"
#include "xs.h"

static struct {
	bool recovered;
	int ready_fd; /* where the parent waits in the background mode; -1 */
	struct xs_watch *backends;
} daemon_state = { .ready_fd = -1 };

/* The directories the socket's path needs. */
static void make_directory(const char *path)
{
	char dir[256];
	char *slash;
	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
}

/* Everything an earlier daemon left is known and being dealt with: now clients may come. */
static void recovered(void)
{
	int rc;
	daemon_state.recovered = true;
	make_directory(settings->socket);
	rc = server_open(settings->socket, methods);
	if (rc) {
		fprintf(stderr, "hospesd: %s: %s\n", settings->socket,
			rc == -EADDRINUSE ? "another hospesd listens there" : strerror(-rc));
		exit(1);
	}
	service_notify("READY=1");
	if (daemon_state.ready_fd >= 0) {
		if (write(daemon_state.ready_fd, "", 1) < 0)
			perror("hospesd");
		close(daemon_state.ready_fd);
		daemon_state.ready_fd = -1;
		rc = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; rc >= 0 && fd < 3; fd++)
			dup2(rc, fd);
	}
}

static void store_up(void *arg)
{
	(void)arg;
	if (!daemon_state.recovered) {
		life_recover(recovered);
		return;
	}
	op_store_up();
	dom_refresh();
}

/* A disk another toolstack made. */
struct foreign {
	uint32_t domid;
	int devid;
};

static void got_foreign(void *arg, int err, struct xs_node *back)
{
	struct foreign *f = arg;
	const char *target = xs_node_value(back, "params"), *mode = xs_node_value(back, "mode");
	if (!err && target && *target == '/' && dom_find(f->domid))
		sharing_learn(f->domid, f->devid, target, mode && strchr(mode, 'w'));
	xs_node_free(back);
	free(f);
}

/* Back ends notice devices and let go of them; other toolstacks make some. */
static void backend_changed(void *arg, const char *path)
{
	unsigned domid;
	int devid, end = 0;
	(void)arg;
	plug_backend_changed(path);
	if (sscanf(path, "/local/domain/0/backend/vbd/%u/%d/physical-device%n", &domid, &devid, &end) == 2 && end &&
	    !path[end] && !sharing_known(domid, devid)) {
		struct foreign *f = xmalloc(sizeof(*f));
		char *back = xasprintf("/local/domain/0/backend/vbd/%u/%d", domid, devid);
		*f = (struct foreign){ domid, devid };
		xs_read_tree(back, got_foreign, f);
		free(back);
	}
}

static void signalled(void *arg, uint32_t events)
{
	struct signalfd_siginfo info;
	int fd = *(int *)arg;
	(void)events;
	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		settings_read_conf();
	else
		loop_stop();
}

/* One daemon at a time, whatever the socket says: the lock goes with the process. */
static void lock(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[256];
	int fd;
	make_directory(settings->socket);
	snprintf(path, sizeof(path), "%s.lock", settings->socket);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &l)) {
		fprintf(stderr, "hospesd: %s: %s\n", path,
			errno == EAGAIN || errno == EACCES ? "another hospesd runs" : strerror(errno));
		exit(1);
	}
}

/* The parent waits until the child serves, so that who started us may go on. */
static void go_into_background(void)
{
	int fds[2];
	char c;
	pid_t pid;
	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
		perror("hospesd");
		exit(1);
	}
	if (pid) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	daemon_state.ready_fd = fds[1];
}

int main(int argc, char **argv)
{
	static int signal_fd;
	struct loop_fd *signals;
	sigset_t set;
	int rc = settings_parse(argc, argv);
	if (rc)
		return rc - 1;
	umask(022);
	settings_read_conf();
	if (!settings->foreground)
		go_into_background();
	lock();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	rc = loop_open();
	if (!rc)
		rc = hv_open();
	if (rc) {
		fprintf(stderr, "hospesd: %s\n",
			rc == -ENOENT ? "there is no hypervisor here (no /dev/xen/privcmd)" : strerror(-rc));
		return 1;
	}
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signals = loop_add(signal_fd, EPOLLIN, signalled, &signal_fd);
	work_open();
	qemu_open();
	xs_on_up(store_up, NULL);
	dom_open();
	daemon_state.backends = xs_watch("/local/domain/0/backend", backend_changed, NULL);
	xs_open();
	loop_run();
	service_notify("STOPPING=1");
	server_close();
	work_close();
	xs_stop();
	dom_close();
	xs_close();
	loop_remove(signals);
	hv_close();
	settings_free();
	loop_close();
	return 0;
}
