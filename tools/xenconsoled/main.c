/* xenconsoled: the consoles of domains, as terminals, files and history. docs/xenconsoled.8.md. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/service.h"
#include "console.h"
#include "domain.h"
#include "history.h"
#include "hv.h"
#include "loop.h"
#include "options.h"
#include "query.h"
#include "records.h"

static struct {
	struct source signals;
	int parent; /* waits until we serve; -1: nobody does */
	bool ready;
} daemon_state = { .signals.fd = -1, .parent = -1 };

/* The parent ends when the daemon serves, with its status if it fails. */
static void become_daemon(void)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe(ends) || (pid = fork()) < 0) {
		perror("xenconsoled: fork");
		exit(1);
	}
	if (pid) {
		close(ends[1]);
		exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(ends[0]);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	daemon_state.parent = ends[1];
	options.starting = true;
	setsid();
	if (chdir("/"))
		exit(1);
}

/* One daemon at a time: the file stays locked while it lives. */
static void write_pid(void)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int fd = open(options.pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0) {
		notice("%s: %s", options.pid_file, strerror(errno));
		exit(1);
	}
	if (lockf(fd, F_TLOCK, 0)) {
		notice("%s is locked: another xenconsoled runs", options.pid_file);
		exit(1);
	}
	if (ftruncate(fd, 0) || write(fd, text, (size_t)n) != n)
		notice("%s: %s", options.pid_file, strerror(errno));
}

/* Serving begins when everything that was there is known. */
static void look(uint64_t now)
{
	int null;

	if (daemon_state.ready || !records_idle())
		return;
	daemon_state.ready = true;
	service_notify("READY=1\n");
	if (daemon_state.parent < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	(void)!write(daemon_state.parent, "", 1);
	close(daemon_state.parent);
	daemon_state.parent = -1;
	options.starting = false;
}

static void signal_ready(struct source *s, unsigned what)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP) {
		loop_stop();
		return;
	}
	domain_reopen_logs();
	hv_log_reopen();
}

static void handle_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	daemon_state.signals =
		(struct source){ .ready = signal_ready, .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) };
	if (daemon_state.signals.fd < 0 || loop_add(&daemon_state.signals, LOOP_IN)) {
		perror("xenconsoled: signals");
		exit(1);
	}
}

/* Three descriptors for each console. */
static void raise_files(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &limit) && !getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	options_parse(argc, argv);
	if (!options.interactive) {
		openlog("xenconsoled", LOG_PID, LOG_DAEMON);
		become_daemon();
		write_pid();
	}
	umask(022);
	raise_files();
	loop_open();
	handle_signals();
	hv_open();
	history_setup(options.history_dir, options.history_size);
	console_setup();
	domain_setup();
	records_setup();
	query_setup();
	hv_log_start();
	loop_on_turn(look);
	loop_run();
	if (!options.interactive)
		unlink(options.pid_file);
	return 0;
}
