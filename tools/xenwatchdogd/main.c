/*
 * xenwatchdogd: arms one of the domain's two watchdogs of the hypervisor, and sets it again and again. When nobody does so for the
 * timeout, because this system hangs, the hypervisor ends the domain: a control domain's end restarts the machine.
 *
 * The program is one thread that waits for signals with a time limit, so no signal is ever missed between two calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <abi/sched.h>
#include <abi/xen.h>

#include "hcall/hcall.h"

#define LAST_CHANCE 300 /* seconds a shutdown may take after our end before the host is restarted all the same */

struct settings {
	uint32_t timeout, period; /* seconds */
	bool foreground;
	bool disarm_at_exit;
};

static void __attribute__((noreturn)) fail(const char *what, int error)
{
	fprintf(stderr, "xenwatchdogd: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

/* Id 0: take a free watchdog; its id. Otherwise set that one, and with no seconds disarm it; 0. Or -errno. */
static int set_watchdog(struct hcall *h, uint32_t id, uint32_t seconds)
{
	struct sched_watchdog *w = hcall_alloc(h, sizeof(*w));
	long rc;

	if (!w)
		return -ENOMEM;
	w->id = id;
	w->timeout = seconds;
	rc = hcall(h, __HYPERVISOR_sched_op, SCHEDOP_watchdog, hcall_address(h, w), 0, 0, 0);
	hcall_free(h, w, sizeof(*w));
	return (int)rc;
}

static void usage(FILE *to)
{
	fputs("Usage: xenwatchdogd [-F] [-x] <timeout> [<sleep>]\n"
	      "-F, --foreground   do not become a daemon\n"
	      "-x, --save-exit    disarm the watchdog when told to end, instead of leaving it 300 seconds\n"
	      "-h, --help         this help\n"
	      "<timeout>          seconds after which a host that is silent is restarted\n"
	      "<sleep>            seconds between two signs of life; half of the timeout if not given\n",
	      to);
}

static uint32_t seconds(const char *word, const char *what)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(word, &end, 0);
	if (errno || *end || end == word || n == 0 || n > 86400) {
		fprintf(stderr, "xenwatchdogd: %s: '%s' is not a number of seconds from 1 to 86400\n", what, word);
		exit(EXIT_FAILURE);
	}
	return (uint32_t)n;
}

static struct settings parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "foreground", 0, NULL, 'F' },
		{ "save-exit", 0, NULL, 'x' },
		{ "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct settings s = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "Fxh", options, NULL)) >= 0) {
		if (c == 'F')
			s.foreground = true;
		else if (c == 'x')
			s.disarm_at_exit = true;
		else {
			usage(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
		}
	}
	if (optind >= argc || argc > optind + 2) {
		fprintf(stderr, "xenwatchdogd: usage: %s <timeout> <sleep>\n", argv[0]);
		exit(EXIT_FAILURE);
	}
	s.timeout = seconds(argv[optind], "timeout");
	s.period = s.timeout > 1 ? s.timeout / 2 : 1;
	if (optind + 1 < argc)
		s.period = seconds(argv[optind + 1], "sleep");
	if (s.period >= s.timeout && s.timeout > 1)
		fprintf(stderr,
			"xenwatchdogd: warning: a sign of life every %u s comes too late for a timeout of %u s\n",
			s.period, s.timeout);
	return s;
}

/* Whoever started us may go on once the watchdog is armed: the child says so, or has said why not. */
static int become_daemon(void)
{
	int report[2], null;
	char armed;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		fail("pipe", errno);
	pid = fork();
	if (pid < 0)
		fail("fork", errno);
	if (pid > 0) {
		close(report[1]);
		_exit(read(report[0], &armed, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	close(report[0]);
	setsid();
	if (chdir("/"))
		fail("chdir /", errno);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		fail("/dev/null", errno);
	return report[1];
}

static void armed(int report)
{
	if (report < 0)
		return;
	if (write(report, "", 1) != 1)
		exit(EXIT_FAILURE); /* who started us is gone and counts us as not started */
	close(report);
	dup2(STDIN_FILENO, STDERR_FILENO);
}

int main(int argc, char **argv)
{
	struct settings s = parse(argc, argv);
	struct timespec period = { .tv_sec = s.period };
	int report = s.foreground ? -1 : become_daemon();
	struct hcall *h = hcall_open();
	sigset_t signals;
	int id, rc, got;

	if (!h)
		fail("no hypercalls: is this a domain of a Xen or Hospes host?", errno);
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* A host short of memory is slow, not hung; without the right to lock we go on. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	id = set_watchdog(h, 0, s.timeout);
	if (id <= 0)
		fail("cannot arm a watchdog of the hypervisor", id ? -id : EIO);
	armed(report);
	do {
		got = sigtimedwait(&signals, NULL, &period);
		rc = got < 0 ? set_watchdog(h, (uint32_t)id, s.timeout) : 0;
		if (rc)
			fail("cannot set the watchdog", -rc);
	} while (got < 0);
	rc = set_watchdog(h, (uint32_t)id, got == SIGUSR1 || s.disarm_at_exit ? 0 : LAST_CHANCE);
	if (rc)
		fail("cannot set the watchdog for the last time", -rc);
	return EXIT_SUCCESS;
}
