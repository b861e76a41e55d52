#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define SMALLEST_HISTORY 4096u

struct options options = {
	.log_dir = "/var/log/xen/console",
	.pid_file = "/run/xen/xenconsoled.pid",
	.history_dir = "/run/hospes/console",
	.history_size = 64 << 10,
	.history_dead = 128,
	.socket = "/run/hospes/console.socket",
};

enum {
	OPT_LOG = 256,
	OPT_LOG_DIR,
	OPT_PID_FILE,
	OPT_REPLACE,
	OPT_HISTORY,
	OPT_HISTORY_DIR,
	OPT_HISTORY_DEAD,
	OPT_SOCKET
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "interactive", no_argument, NULL, 'i' },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-dir", required_argument, NULL, OPT_LOG_DIR },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "timestamp", required_argument, NULL, 't' },
	{ "overflow-data", required_argument, NULL, 'o' },
	{ "replace-escape", no_argument, NULL, OPT_REPLACE },
	{ "history", required_argument, NULL, OPT_HISTORY },
	{ "history-dir", required_argument, NULL, OPT_HISTORY_DIR },
	{ "history-dead", required_argument, NULL, OPT_HISTORY_DEAD },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ NULL, 0, NULL, 0 },
};

static void usage(void)
{
	printf("Usage: xenconsoled [option]...\n"
	       "Connects the consoles of domains with terminals, and keeps what they say.\n\n"
	       "  -i, --interactive           stay in the foreground, messages to standard error\n"
	       "      --pid-file FILE         default: %s\n"
	       "      --log WHAT              none, guest, hv or all: files of what domains, the hypervisor say\n"
	       "      --log-dir DIR           where: default %s\n"
	       "  -t, --timestamp WHAT        none, guest, hv or all: begin the lines of those with the time\n"
	       "      --replace-escape        write . for the character ESC to a domain's file\n"
	       "  -o, --overflow-data WHAT    discard (what is old) or keep (the domain waits) when nobody\n"
	       "                              reads a domain's terminal\n"
	       "      --history KIB           how much of each console is kept for `xl console --log` (%zu)\n"
	       "      --history-dir DIR       where: default %s; \"\" is memory alone\n"
	       "      --history-dead N        domains that are gone, whose output is kept (%u)\n"
	       "      --socket PATH           where questions for it are answered: default %s\n"
	       "  -v, --verbose               say more\n"
	       "  -V, --version               print the version\n"
	       "  -h, --help                  this text\n",
	       options.pid_file, options.log_dir, options.history_size >> 10, options.history_dir, options.history_dead,
	       options.socket);
}

static void bad(const char *what, const char *value, const char *wanted)
{
	fprintf(stderr, "xenconsoled: %s: '%s' is not %s\nTry `xenconsoled --help' for more information\n", what, value,
		wanted);
	exit(EINVAL);
}

/* none, guest, hv, all. */
static void choose(const char *what, const char *value, bool *guest, bool *hv)
{
	bool all = !strcmp(value, "all");

	*guest = all || !strcmp(value, "guest");
	*hv = all || !strcmp(value, "hv");
	if (!*guest && !*hv && strcmp(value, "none"))
		bad(what, value, "none, guest, hv or all");
}

static size_t number(const char *what, const char *value, size_t max)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (*end || end == value || *value == '-' || v > max)
		bad(what, value, "a number in range");
	return v;
}

void options_parse(int argc, char **argv)
{
	int o;

	while ((o = getopt_long(argc, argv, "hVvit:o:", long_options, NULL)) != -1) {
		switch (o) {
		case 'h':
			usage();
			exit(0);
		case 'V':
			puts("xenconsoled of Hospes, for Xen 4.17");
			exit(0);
		case 'v':
			options.verbose = true;
			break;
		case 'i':
			options.interactive = true;
			break;
		case OPT_LOG:
			choose("--log", optarg, &options.log_guest, &options.log_hv);
			break;
		case OPT_LOG_DIR:
			options.log_dir = optarg;
			break;
		case OPT_PID_FILE:
			options.pid_file = optarg;
			break;
		case 't':
			choose("--timestamp", optarg, &options.time_guest, &options.time_hv);
			break;
		case 'o':
			options.keep_overflow = !strcmp(optarg, "keep");
			if (!options.keep_overflow && strcmp(optarg, "discard"))
				bad("--overflow-data", optarg, "discard or keep");
			break;
		case OPT_REPLACE:
			options.replace_escape = true;
			break;
		case OPT_HISTORY:
			options.history_size = number("--history", optarg, 1 << 20) << 10;
			if (options.history_size < SMALLEST_HISTORY)
				options.history_size = SMALLEST_HISTORY;
			break;
		case OPT_HISTORY_DIR:
			options.history_dir = optarg;
			break;
		case OPT_HISTORY_DEAD:
			options.history_dead = (unsigned)number("--history-dead", optarg, 100000);
			break;
		case OPT_SOCKET:
			options.socket = optarg;
			break;
		default:
			fprintf(stderr, "Try `xenconsoled --help' for more information\n");
			exit(EINVAL);
		}
	}
	if (optind < argc)
		bad("argument", argv[optind], "something it takes");
}

static void say(int level, const char *fmt, va_list ap)
{
	va_list copy;

	va_copy(copy, ap);
	if (options.interactive || options.starting) {
		fputs("xenconsoled: ", stderr);
		vfprintf(stderr, fmt, copy);
		fputc('\n', stderr);
	}
	va_end(copy);
	if (!options.interactive)
		vsyslog(level, fmt, ap);
}

void notice(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_NOTICE, fmt, ap);
	va_end(ap);
}

void verbose(const char *fmt, ...)
{
	va_list ap;

	if (!options.verbose)
		return;
	va_start(ap, fmt);
	say(LOG_INFO, fmt, ap);
	va_end(ap);
}
