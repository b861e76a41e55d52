/* Start and end of the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "conn_io.h"
#include "domain.h"
#include "hyper.h"
#include "journal_io.h"
#include "loop.h"
#include "options.h"
#include "os_linux.h"
#include "recover.h"
#include "store.h"
#include "trace.h"
#include "update.h"

static struct source signals;
static int parent = -1; /* the end of a pipe on which the process that was started waits for us */

static void die(const char *what, int err)
{
	notice("%s: %s", what, strerror(err));
	exit(1);
}

/* Leave the caller's session; it waits until we serve, or fails as we do. */
static void become_daemon(void)
{
	int ends[2], null;
	char byte;
	pid_t pid;

	if (pipe(ends))
		die("pipe", errno);
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (pid) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(ends[0]);
	parent = ends[1];
	fcntl(parent, F_SETFD, FD_CLOEXEC);
	setsid();
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (pid)
		_exit(0);
	if (chdir("/"))
		die("/", errno);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		/* stdout stays until -P has printed. */
		dup2(null, STDIN_FILENO);
		close(null);
	}
}

static void release_parent(void)
{
	int null;

	if (parent < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	(void)!write(parent, "", 1);
	close(parent);
	parent = -1;
}

static void write_pid(void)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid()), fd;

	if (options.print_pid) {
		printf("%s", text);
		fflush(stdout);
	}
	if (!options.pid_file)
		return;
	fd = open(options.pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		die(options.pid_file, errno);
	close(fd);
}

static void signal_ready(struct source *s, unsigned what)
{
	int sig = os_signal_next(s->fd);

	if (sig == SIGTERM || sig == SIGINT)
		loop_stop();
	else if (sig == SIGHUP && options.trace_file)
		trace_open(options.trace_file); /* it was rotated away */
}

static void handle_signals(void)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, 0 };

	signal(SIGPIPE, SIG_IGN);
	signals = (struct source){ .ready = signal_ready, .fd = os_signal_fd(wanted) };
	if (signals.fd < 0 || loop_add(&signals, OS_IN))
		die("signals", errno);
}

static void open_hypervisor(void)
{
	int err;

	if (options.fake_dir)
		hyper = &hyper_fake;
	else if (!options.no_domain_init)
		hyper = &hyper_xen;
	err = hyper->open();
	if (err)
		die(options.fake_dir ? options.fake_dir : "the hypervisor's devices (-D serves without them)", err);
}

/* What was there before us: handed over, or left behind by a death. */
static void take_over(void)
{
	int err;

	if (options.live_update) {
		err = update_take_over();
		if (err)
			die("the state of the daemon before", err);
		return;
	}
	if (!options.journal || options.no_recovery)
		return;
	err = journal_recover(options.journal_file);
	if (err && err != ENOENT)
		notice("starting with an empty store: %s: %s", options.journal_file, strerror(err));
}

static void start(void)
{
	int err;

	if (options.live_update && (err = update_load()))
		die("the state of the daemon before", err);
	open_hypervisor();
	if ((err = domain_init()) || (err = store_init()))
		die("the empty store", err);
	take_over();
	if ((err = domain_start()))
		die("domain 0's ring and the hypervisor's events", err);
	if (options.journal && !journal_active()) {
		err = journal_create(options.journal_file);
		if (err)
			notice("without a journal, the store will not survive this daemon: %s: %s",
			       options.journal_file, strerror(err));
	}
	if (socket_listen_fd() < 0) {
		err = socket_listen(options.socket);
		if (err)
			die(options.socket, err);
	}
	domain_check_all();
	domain_introduce_waiting();
}

int main(int argc, char **argv)
{
	int err;

	options_parse(argc, argv);
	if (!options.no_fork && !options.live_update)
		become_daemon();
	openlog("xenstored", LOG_PID, LOG_DAEMON);
	umask(022);
	mkdir(options.rundir, 0755);
	if (options.state_dir)
		mkdir(options.state_dir, 0700);
	umask(077);
	os_raise_files();
	os_protect_memory();
	if (options.trace_file && (err = trace_open(options.trace_file)))
		die(options.trace_file, err);
	if ((err = loop_open()))
		die("epoll", err);
	handle_signals();
	start();
	write_pid();
	if (!options.keep_privileges && (err = os_drop_privileges()))
		notice("capabilities could not be given up: %s", strerror(err));
	release_parent();
	os_service_notify("READY=1\nSTATUS=serving");
	loop_run();
	os_service_notify("STOPPING=1");
	socket_stop();
	if (options.pid_file)
		unlink(options.pid_file);
	journal_close(false);
	return 0;
}
