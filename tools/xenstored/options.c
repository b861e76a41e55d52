/* The command line: what Debian's xenstored takes, and a few of our own. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota.h"
#include "store/wire.h"

struct options options = {
	.journal = true,
	.update_fd = -1,
	.event_port = -1,
	.event_timeout_ms = 20000,
	.master_domid = 0,
	.priv_domid = ~0u,
};

enum {
	OPT_NO_JOURNAL = 256,
	OPT_JOURNAL,
	OPT_STATE_DIR,
	OPT_FAKE,
	OPT_UPDATE_FD,
	OPT_DOMID,
	OPT_KEEP_PRIVILEGES,
	OPT_TRACE_CONTROL
};

static const struct option long_options[] = {
	{ "no-domain-init", no_argument, NULL, 'D' },
	{ "entry-nb", required_argument, NULL, 'E' },
	{ "pid-file", required_argument, NULL, 'F' },
	{ "event", required_argument, NULL, 'e' },
	{ "master-domid", required_argument, NULL, 'm' },
	{ "priv-domid", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'H' },
	{ "no-fork", no_argument, NULL, 'N' },
	{ "output-pid", no_argument, NULL, 'P' },
	{ "entry-size", required_argument, NULL, 'S' },
	{ "trace-file", required_argument, NULL, 'T' },
	{ "trace-control", required_argument, NULL, OPT_TRACE_CONTROL },
	{ "transaction", required_argument, NULL, 't' },
	{ "perm-nb", required_argument, NULL, 'A' },
	{ "path-max", required_argument, NULL, 'M' },
	{ "quota", required_argument, NULL, 'Q' },
	{ "quota-soft", required_argument, NULL, 'q' },
	{ "timeout", required_argument, NULL, 'w' },
	{ "no-recovery", no_argument, NULL, 'R' },
	{ "internal-db", optional_argument, NULL, 'I' },
	{ "keep-orphans", no_argument, NULL, 'K' },
	{ "verbose", no_argument, NULL, 'V' },
	{ "watch-nb", required_argument, NULL, 'W' },
	{ "live-update", no_argument, NULL, 'U' },
	{ "no-journal", no_argument, NULL, OPT_NO_JOURNAL },
	{ "journal", required_argument, NULL, OPT_JOURNAL },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "fake-hypervisor", required_argument, NULL, OPT_FAKE },
	{ "update-fd", required_argument, NULL, OPT_UPDATE_FD },
	{ "domid", required_argument, NULL, OPT_DOMID },
	{ "keep-privileges", no_argument, NULL, OPT_KEEP_PRIVILEGES },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *to)
{
	fputs("Usage: xenstored [option]...\n"
	      "The store of a Xen host.\n\n"
	      "  -N, --no-fork               stay in the foreground\n"
	      "  -F, --pid-file FILE         write the daemon's process id to FILE\n"
	      "  -P, --output-pid            print the daemon's process id\n"
	      "  -D, --no-domain-init        no hypervisor: serve sockets only\n"
	      "  -T, --trace-file FILE       log every message to FILE\n"
	      "  -V, --verbose               the same, to the default file\n"
	      "  -E, --entry-nb N            nodes one domain may own\n"
	      "  -S, --entry-size N          bytes of one of its nodes\n"
	      "  -W, --watch-nb N            watches one domain may set\n"
	      "  -t, --transaction N         transactions one domain may have open\n"
	      "  -A, --perm-nb N             permissions of one node\n"
	      "  -M, --path-max N            characters of a path\n"
	      "  -Q, --quota NAME=N          any limit by its name: nodes, watches, transactions,\n"
	      "                              outstanding, memory, node-size, node-permissions,\n"
	      "                              path-max, transaction-nodes; 0 is no limit\n"
	      "  -q, --quota-soft NAME=N     the same, for a warning in the system log\n"
	      "  -w, --timeout watch-event=N seconds an event waits for a guest that does not read\n"
	      "  -m, --master-domid N        domain N is privileged, too\n"
	      "  -p, --priv-domid N          domain N is privileged, too\n"
	      "  -e, --event N               port of the ring of domain N of -m\n"
	      "  -K, --keep-orphans          do not remove the nodes of dead domains (dangerous)\n"
	      "  -R, --no-recovery           start empty whatever the journal holds\n"
	      "  -I, --internal-db[=on|off]  accepted: the store is in memory, its journal in a file\n"
	      "  -U, --live-update           take the state over from the daemon before\n"
	      "      --journal FILE          default: xenstored.journal beside the socket\n"
	      "      --state-dir DIR         where it is instead, as \"journal\"\n"
	      "      --no-journal            lose the store with the daemon\n"
	      "      --domid N               the domain this daemon runs in (0)\n"
	      "      --keep-privileges       do not give up capabilities\n"
	      "      --fake-hypervisor DIR   for tests: tools/xenstored/hyper_fake.h\n"
	      "  -H, --help                  this text\n\n"
	      "XENSTORED_RUNDIR (default /run/xenstored) and XENSTORED_PATH say where the socket is.\n",
	      to);
}

static void bad(const char *what, const char *value)
{
	fprintf(stderr, "xenstored: %s: \"%s\" cannot be used here. See xenstored --help.\n", what, value);
	exit(2);
}

static uint32_t number(const char *what, const char *s)
{
	uint64_t v;

	if (!wire_parse_number(s, UINT32_MAX, &v))
		bad(what, s);
	return (uint32_t)v;
}

static void limit(enum quota_type type, const char *what, const char *s)
{
	quota_set(NULL, type, false, number(what, s));
}

/* NAME=N */
static void named_limit(const char *what, const char *s, bool soft)
{
	const char *eq = strchr(s, '=');
	char name[32];
	bool also_soft = false;
	int type;

	if (!eq || (size_t)(eq - s) >= sizeof(name))
		bad(what, s);
	memcpy(name, s, (size_t)(eq - s));
	name[eq - s] = '\0';
	type = quota_find(name, &also_soft);
	if (type < 0)
		bad(what, s);
	quota_set(NULL, (enum quota_type)type, soft || also_soft, number(what, eq + 1));
}

static void set_paths(void)
{
	static char socket_path[256], journal_path[256];
	const char *env = getenv("XENSTORED_RUNDIR");

	options.rundir = env && *env ? env : "/run/xenstored";
	env = getenv("XENSTORED_PATH");
	if (snprintf(socket_path, sizeof(socket_path), "%s/socket", options.rundir) >= (int)sizeof(socket_path) ||
	    snprintf(journal_path, sizeof(journal_path), "%s/%s",
		     options.state_dir ? options.state_dir : options.rundir,
		     options.state_dir ? "journal" : "xenstored.journal") >= (int)sizeof(journal_path))
		bad("XENSTORED_RUNDIR or --state-dir", options.rundir);
	options.socket = env && *env ? env : socket_path;
	if (!options.journal_file)
		options.journal_file = journal_path;
	if (!options.fake_dir)
		options.fake_dir = getenv("XENSTORED_FAKE");
}

static void own_option(int o)
{
	switch (o) {
	case OPT_NO_JOURNAL:
		options.journal = false;
		break;
	case OPT_JOURNAL:
		options.journal_file = optarg;
		break;
	case OPT_STATE_DIR:
		options.state_dir = optarg;
		break;
	case OPT_FAKE:
		options.fake_dir = optarg;
		break;
	case OPT_UPDATE_FD:
		options.update_fd = (int)number("--update-fd", optarg);
		break;
	case OPT_DOMID:
		options.own_domid = number("--domid", optarg);
		if (options.own_domid >= WIRE_DOMID_FIRST_RESERVED)
			bad("--domid", optarg);
		break;
	case OPT_KEEP_PRIVILEGES:
		options.keep_privileges = true;
		break;
	default: /* --trace-control: every message or none, so there is nothing to choose */
		break;
	}
}

static void classic_option(int o)
{
	switch (o) {
	case 'D':
		options.no_domain_init = true;
		break;
	case 'E':
		limit(QUOTA_NODES, "-E", optarg);
		break;
	case 'S':
		limit(QUOTA_NODE_SIZE, "-S", optarg);
		break;
	case 'W':
		limit(QUOTA_WATCHES, "-W", optarg);
		break;
	case 't':
		limit(QUOTA_TRANSACTIONS, "-t", optarg);
		break;
	case 'A':
		limit(QUOTA_NODE_PERMISSIONS, "-A", optarg);
		break;
	case 'M':
		limit(QUOTA_PATH_MAX, "-M", optarg);
		break;
	case 'Q':
	case 'q':
		named_limit(o == 'Q' ? "-Q" : "-q", optarg, o == 'q');
		break;
	case 'w':
		if (strncmp(optarg, "watch-event=", 12))
			bad("-w", optarg);
		options.event_timeout_ms = 1000ull * number("-w", optarg + 12);
		break;
	case 'F':
		options.pid_file = optarg;
		break;
	case 'T':
		options.trace_file = optarg;
		break;
	case 'N':
		options.no_fork = true;
		break;
	case 'P':
		options.print_pid = true;
		break;
	case 'U':
		options.live_update = true;
		break;
	case 'K':
		options.keep_orphans = true;
		break;
	case 'R':
		options.no_recovery = true;
		break;
	case 'e':
		options.event_port = (int)number("-e", optarg);
		break;
	case 'm':
		options.master_domid = number("-m", optarg);
		break;
	case 'p':
		options.priv_domid = number("-p", optarg);
		break;
	default: /* -I and -V: nothing to do */
		break;
	}
}

void options_parse(int argc, char **argv)
{
	int o;

	options.argv = argv;
	while ((o = getopt_long(argc, argv, "DE:F:e:m:p:HNPS:T:t:A:M:Q:q:w:RI::KVW:U", long_options, NULL)) != -1) {
		if (o == 'H') {
			usage(stdout);
			exit(0);
		}
		if (o == '?') {
			usage(stderr);
			exit(2);
		}
		if (o >= 256)
			own_option(o);
		else
			classic_option(o);
	}
	/* "-I off" as two words is how the classic daemon's documentation writes it. */
	if (optind < argc && !(optind + 1 == argc && (!strcmp(argv[optind], "on") || !strcmp(argv[optind], "off"))))
		bad("argument", argv[optind]);
	set_paths();
}
