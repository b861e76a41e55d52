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
#include "daemon.h"
#include "journal_io.h"
#include "loop.h"
#include "options.h"
#include "os_linux.h"
#include "trace.h"

static struct source signals;
static int parent = -1; /* the end of a pipe on which the process that was started waits for us */

/* Leave the caller's session; it waits until we serve, or fails as we do. */
static void become_daemon(void)
{
	int ends[2], null;
	char byte;
	pid_t pid;

	if (pipe(ends))
		daemon_die("pipe", errno);
	pid = fork();
	if (pid < 0)
		daemon_die("fork", errno);
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
		daemon_die("fork", errno);
	if (pid)
		_exit(0);
	if (chdir("/"))
		daemon_die("/", errno);
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
		daemon_die(options.pid_file, errno);
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
		daemon_die("signals", errno);
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
	os_steady_memory();
	if (options.trace_file && (err = trace_open(options.trace_file)))
		daemon_die(options.trace_file, err);
	if ((err = loop_open()))
		daemon_die("epoll", err);
	handle_signals();
	daemon_start();
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
