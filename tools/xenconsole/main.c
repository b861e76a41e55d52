/* xenconsole: a terminal of a domain's console. docs/xenconsole.1.md. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "store/store.h"

#define TTY_WAIT 5000 /* ms until a terminal must be there */
#define SOCKET "/run/hospes/console.socket"

enum type { TYPE_ANY, TYPE_PV, TYPE_SERIAL, TYPE_VUART };

static struct {
	enum type type;
	unsigned num, domid;
	int notify_fd, escape;
	bool interactive;
	struct store *store;
	char *folder; /* of the domain's records */
	char *path;   /* of the tty's name */
	struct termios before;
	bool raw;
	volatile sig_atomic_t stop;
	char *lock;
} me = { .notify_fd = -1, .escape = ']' & 0x1f };

static void __attribute__((format(printf, 2, 3), noreturn)) fail(int err, const char *fmt, ...)
{
	va_list ap;

	fputs("xenconsole: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(err ? err : 1);
}

static void usage(FILE *to)
{
	fputs("Usage: xenconsole [OPTION] DOMID\n"
	      "Attaches to a virtual domain console\n\n"
	      "  -h, --help       display this help and exit\n"
	      "  -n, --num N      use console number N\n"
	      "  -t, --type TYPE  console type. must be 'pv', 'serial' or 'vuart'\n"
	      "  -e, --escape E   leave with control and this character instead of ]\n"
	      "  -s, --start-notify-fd N file descriptor used to notify parent\n"
	      "  -i, --interactive  read standard input although it is not a terminal\n"
	      "      --log        print what the console daemon has kept of DOMID, an id or a name, and exit\n",
	      to);
}

static void __attribute__((noreturn)) bad(const char *what)
{
	fprintf(stderr, "%s\nTry `xenconsole --help' for more information.\n", what);
	exit(EINVAL);
}

static unsigned number(const char *text, const char *what)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end || v > 32767)
		bad(what);
	return (unsigned)v;
}

static enum type parse_type(const char *s)
{
	if (!strcmp(s, "pv"))
		return TYPE_PV;
	if (!strcmp(s, "serial"))
		return TYPE_SERIAL;
	if (!strcmp(s, "vuart"))
		return TYPE_VUART;
	fprintf(stderr, "Invalid type argument\n");
	fprintf(stderr, "Console types supported are: serial, pv, vuart\n");
	exit(EINVAL);
}

/* History -------------------------------------------------------------------------------- */

/* What the daemon answers to "log": a line, and that many bytes. */
static int print_log(const char *who)
{
	const char *path = getenv("HOSPES_CONSOLE_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct text all = { 0 };
	char buf[4096], *line;
	size_t length, at = 0;
	ssize_t n;
	int fd;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path ? path : SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail(errno, "%s: %s. Only Hospes' xenconsoled keeps what domains said: is it the one that runs?",
		     to.sun_path, strerror(errno));
	dprintf(fd, "log %s %u\n", who, me.num);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		text_add_bytes(&all, buf, (size_t)n);
	close(fd);
	line = all.s ? memchr(all.s, '\n', all.len) : NULL;
	if (!line)
		fail(EIO, "the console daemon went away");
	*line++ = '\0';
	if (!strncmp(all.s, "error ", 6))
		fail(ESRCH, "%s", all.s + 6);
	length = all.len - (size_t)(line - all.s);
	while (at < length) {
		n = write(STDOUT_FILENO, line + at, length - at);
		if (n < 0 && errno != EINTR)
			fail(errno, "standard output: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	text_free(&all);
	return 0;
}

/* Terminal of the domain ------------------------------------------------------------------ */

/* The first console is a serial line if a device model serves the domain's. */
static void choose_path(void)
{
	char *type, *record;

	if (me.type == TYPE_ANY) {
		record = xasprintf("%s/console/type", me.folder);
		type = store_read(me.store, 0, record, NULL);
		me.type = type && !strcmp(type, "ioemu") ? TYPE_SERIAL : TYPE_PV;
		free(type);
		free(record);
	}
	if (me.type == TYPE_SERIAL)
		me.path = xasprintf("%s/serial/%u/tty", me.folder, me.num);
	else if (me.type == TYPE_VUART)
		me.path = xasprintf("%s/vuart/0/tty", me.folder);
	else if (me.num == 0)
		me.path = xasprintf("%s/console/tty", me.folder);
	else
		me.path = xasprintf("%s/device/console/%u/tty", me.folder, me.num);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The store names a terminal of this system: open it. */
static int try_tty(void)
{
	char *name = store_read(me.store, 0, me.path, NULL);
	int fd = -1;

	/* A domain must not make us open, and write to, any file. */
	if (name && !strncmp(name, "/dev/", 5) && !strstr(name, "/../")) {
		fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && !isatty(fd)) {
			close(fd);
			fd = -1;
		}
	}
	free(name);
	return fd;
}

static bool domain_there(void)
{
	unsigned nr;
	char **list = store_list(me.store, 0, me.folder, &nr);

	free(list);
	return list;
}

/* Wait for a terminal. -1: none came, or the domain is gone. */
static int open_tty(void)
{
	uint64_t end = now_ms() + TTY_WAIT, now;
	int fd;

	while ((fd = try_tty()) < 0 && !me.stop) {
		const char *token;

		now = now_ms();
		if (now >= end || !domain_there())
			break;
		/* A terminal that is named but gone is replaced in a moment, and that is an event too. */
		free(store_event(me.store, (int)(end - now), &token));
	}
	return fd;
}

/* Ours ----------------------------------------------------------------------------------- */

static void set_raw(bool yes)
{
	struct termios t;

	if (yes && !me.raw && isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &me.before)) {
		t = me.before;
		cfmakeraw(&t);
		me.raw = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
	} else if (!yes && me.raw) {
		tcsetattr(STDIN_FILENO, TCSANOW, &me.before);
		me.raw = false;
	}
}

static void restore(void)
{
	set_raw(false);
	if (me.lock)
		unlink(me.lock);
}

static void stopped(int sig)
{
	me.stop = 1;
}

static bool put(int fd, const char *p, size_t len)
{
	while (len && !me.stop) {
		ssize_t n = write(fd, p, len);
		struct pollfd ready = { .fd = fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			poll(&ready, 1, -1);
		else if (n < 0 && errno != EINTR)
			return false;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

enum end { END_LEAVE, END_TTY };

/* Carry bytes both ways until the user leaves or the terminal ends. */
static enum end carry(int tty)
{
	struct pollfd p[2] = { { .fd = me.interactive ? STDIN_FILENO : -1, .events = POLLIN },
			       { .fd = tty, .events = POLLIN } };
	char buf[512], *escape;
	ssize_t n;

	while (!me.stop) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents) {
			n = read(tty, buf, sizeof(buf));
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return END_TTY;
			if (n > 0 && !put(STDOUT_FILENO, buf, (size_t)n))
				return END_LEAVE;
		}
		if (p[0].revents) {
			n = read(STDIN_FILENO, buf, sizeof(buf));
			if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
				return END_LEAVE;
			escape = n > 0 ? memchr(buf, me.escape, (size_t)n) : NULL;
			if (n > 0 && !put(tty, buf, escape ? (size_t)(escape - buf) : (size_t)n))
				return END_TTY;
			if (escape)
				return END_LEAVE;
		}
	}
	return END_LEAVE;
}

/* One at a time: two readers would each get half. The file goes with its owner, so another may have a file that is gone. */
static void lock(void)
{
	struct stat ours, there;
	int fd;

	me.lock = xasprintf("/var/lock/xenconsole.%u", me.domid);
	for (;;) {
		fd = open(me.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT) /* a system without that directory */
			return;
		if (fd < 0)
			fail(errno, "Could not open %s: %s", me.lock, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			int err = errno;

			free(me.lock);
			me.lock = NULL;
			fail(err, "Could not lock /var/lock/xenconsole.%u: another xenconsole shows this console",
			     me.domid);
		}
		if (!fstat(fd, &ours) && !stat(me.lock, &there) && ours.st_ino == there.st_ino &&
		    ours.st_dev == there.st_dev)
			return;
		close(fd);
	}
}

static void notify_parent(void)
{
	const char msg = 0;

	if (me.notify_fd < 0)
		return;
	if (write(me.notify_fd, &msg, 1) != 1)
		fail(errno, "Could not notify parent with fd %d: %s", me.notify_fd, strerror(errno));
	close(me.notify_fd);
}

static int attach(void)
{
	struct sigaction act = { .sa_handler = stopped };
	int tty;

	me.store = store_open(0);
	if (!me.store)
		fail(errno, "Could not contact XenStore: %s", strerror(errno));
	me.folder = store_domain_path(me.store, me.domid);
	if (!me.folder)
		fail(errno, "%s", strerror(errno));
	choose_path();
	atexit(restore);
	me.interactive |= isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (me.interactive)
		lock();
	if (store_watch(me.store, me.path, "tty"))
		fail(errno, "Can't set watch for console pty: %s", strerror(errno));
	tty = open_tty();
	if (tty < 0)
		fail(ENOENT, "Could not read tty from store: domain %u has no such console, or no console daemon runs",
		     me.domid);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	signal(SIGTTOU, SIG_IGN);
	set_raw(me.interactive);
	notify_parent();
	while (tty >= 0 && carry(tty) == END_TTY) {
		close(tty);
		tty = open_tty(); /* the daemon was started again, or that was the end */
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "type", required_argument, NULL, 't' },
						 { "num", required_argument, NULL, 'n' },
						 { "help", no_argument, NULL, 'h' },
						 { "escape", required_argument, NULL, 'e' },
						 { "start-notify-fd", required_argument, NULL, 's' },
						 { "interactive", no_argument, NULL, 'i' },
						 { "log", no_argument, NULL, 'l' },
						 { NULL, 0, NULL, 0 } };
	bool log = false;
	int o;

	while ((o = getopt_long(argc, argv, "ht:n:e:s:i", options, NULL)) != -1) {
		switch (o) {
		case 'h':
			usage(stdout);
			return 0;
		case 't':
			me.type = parse_type(optarg);
			break;
		case 'n':
			me.num = number(optarg, "Invalid console number");
			break;
		case 'e':
			if (!optarg[0])
				bad("Invalid argument");
			me.escape = optarg[optarg[0] == '^' && optarg[1]] & 0x1f;
			break;
		case 's':
			me.notify_fd = (int)number(optarg, "Invalid argument");
			break;
		case 'i':
			me.interactive = true;
			break;
		case 'l':
			log = true;
			break;
		default:
			bad("Invalid argument");
		}
	}
	if (optind >= argc)
		bad("DOMID should be specified");
	if (log)
		return print_log(argv[optind]);
	me.domid = number(argv[optind], "Invalid DOMID");
	if (!me.domid)
		bad("Can't specify Domain-0");
	return attach();
}
