#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "domain/xlcfg.h"
#include "hcall/hcall.h"
#include "hv.h"
#include "version.h"
#include "host/host.h"

static struct settings s = {
	.lib_dir = "/var/lib/xen",
	.log_dir = "/var/log/xen",
	.state_dir = "/var/lib/hospes",
	.cache_dir = "/var/cache/hospes/kernels",
	.script_dir = "/etc/xen/scripts",
	.conf = "/etc/xen/xl.conf",
	.qemu = QEMU_XEN,
	.default_lock_file = "/var/lock/xl",
	.run_hotplug_scripts = true,
	.backend_ms = 10000,
	.script_ms = 40000,
	.console_ms = 10000,
	.connect_ms = 10000,
	.shutdown_ms = 60000,
	.dying_ms = 5000,
	.store_ms = 10000,
	.balloon_ms = 10000,
	.qemu_ms = 60000,
};
const struct settings *const settings = &s;

static const struct option options[] = {
	{ "foreground", no_argument, NULL, 'F' },
	{ "socket", required_argument, NULL, 's' },
	{ "lib-dir", required_argument, NULL, 'l' },
	{ "log-dir", required_argument, NULL, 'L' },
	{ "state-dir", required_argument, NULL, 'S' },
	{ "cache-dir", required_argument, NULL, 'C' },
	{ "scripts", required_argument, NULL, 'x' },
	{ "config", required_argument, NULL, 'f' },
	{ "lock-file", required_argument, NULL, 'K' },
	{ "fake-host", required_argument, NULL, 'H' },
	{ "wait", required_argument, NULL, 'w' },
	{ "qemu", required_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *f)
{
	fputs("Usage: hospesd [OPTION]...\n"
	      "Owns the life of every domain: creates, watches, reboots and takes them down. See hospesd(8).\n\n"
	      "  -F, --foreground     do not go into the background\n"
	      "  -s, --socket PATH    listen there instead of /run/hospes/hospesd.socket\n"
	      "  -f, --config FILE    settings instead of /etc/xen/xl.conf\n"
	      "      --lock-file FILE instead of /var/lock/xl, if the settings name none\n"
	      "      --lib-dir DIR    instead of /var/lib/xen\n"
	      "      --log-dir DIR    instead of /var/log/xen\n"
	      "      --state-dir DIR  instead of /var/lib/hospes\n"
	      "      --cache-dir DIR  instead of /var/cache/hospes\n"
	      "      --scripts DIR    instead of /etc/xen/scripts\n"
	      "      --qemu PROGRAM   the QEMU that serves images, instead of " QEMU_XEN "\n"
	      "      --wait NAME=MS   how long to wait: backend, script, console, connect, shutdown, dying, store, balloon, qemu\n"
	      "      --fake-host DIR  for tests: loop devices and bridges are files below DIR\n"
	      "  -h, --help; -V, --version\n",
	      f);
}

/* "backend=500" */
static bool set_wait(const char *text)
{
	static const struct {
		const char *name;
		unsigned *value;
	} waits[] = { { "backend", &s.backend_ms }, { "script", &s.script_ms },	    { "console", &s.console_ms },
		      { "connect", &s.connect_ms }, { "shutdown", &s.shutdown_ms }, { "dying", &s.dying_ms },
		      { "store", &s.store_ms },	    { "balloon", &s.balloon_ms },   { "qemu", &s.qemu_ms } };
	const char *eq = strchr(text, '=');
	char *end;
	unsigned long ms = eq ? strtoul(eq + 1, &end, 10) : 0;
	if (!eq || !eq[1] || *end || ms > 3600000)
		return false;
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		if (strlen(waits[i].name) == (size_t)(eq - text) &&
		    !strncmp(waits[i].name, text, (size_t)(eq - text))) {
			*waits[i].value = (unsigned)ms;
			return true;
		}
	return false;
}

int settings_parse(int argc, char **argv)
{
	int c;
	s.socket = getenv("HOSPESD_SOCKET");
	if (!s.socket)
		s.socket = "/run/hospes/hospesd.socket";
	while ((c = getopt_long(argc, argv, "Fs:f:hV", options, NULL)) != -1) {
		switch (c) {
		case 'F':
			s.foreground = true;
			break;
		case 's':
			s.socket = optarg;
			break;
		case 'l':
			s.lib_dir = optarg;
			break;
		case 'L':
			s.log_dir = optarg;
			break;
		case 'S':
			s.state_dir = optarg;
			break;
		case 'C':
			s.cache_dir = optarg;
			break;
		case 'x':
			s.script_dir = optarg;
			break;
		case 'f':
			s.conf = optarg;
			break;
		case 'K':
			s.default_lock_file = optarg;
			break;
		case 'H':
			host_fake(optarg);
			break;
		case 'q':
			s.qemu = optarg;
			break;
		case 'w':
			if (set_wait(optarg))
				break;
			fprintf(stderr, "hospesd: --wait %s: not NAME=MILLISECONDS with a known name\n", optarg);
			return 2;
		case 'h':
			usage(stdout);
			return 1;
		case 'V':
			puts("hospesd (Hospes)");
			return 1;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hospesd: %s: no arguments are expected\n", argv[optind]);
		return 2;
	}
	return 0;
}

/* The string setting @key, newly allocated, or NULL. */
static char *string_of(const struct xlcfg *cfg, const char *key)
{
	const struct xlcfg_value *v = xlcfg_get(cfg, key);
	return v && v->kind == XLCFG_STRING ? xstrdup(v->string) : NULL;
}

void settings_free(void)
{
	free(s.vif_script);
	free(s.vif_bridge);
	free(s.vif_gatewaydev);
	free(s.vif_backend);
	free(s.lock_file);
	s.vif_script = s.vif_bridge = s.vif_gatewaydev = s.vif_backend = s.lock_file = NULL;
}

static void read_autoballoon(const struct xlcfg_value *v)
{
	static const char *const words[] = { "auto", "on", "off" };
	s.autoballoon = AUTOBALLOON_AUTO;
	if (v && v->kind == XLCFG_NUMBER) {
		s.autoballoon = v->number ? AUTOBALLOON_ON : AUTOBALLOON_OFF;
		return;
	}
	for (unsigned i = 0; v && v->kind == XLCFG_STRING && i < 3; i++)
		if (!strcmp(v->string, words[i])) {
			s.autoballoon = i;
			return;
		}
	if (v)
		fprintf(stderr, "hospesd: %s:%d: autoballoon is none of auto, on, off\n", s.conf, v->line);
}

bool settings_autoballoon(void)
{
	xen_commandline_t line = "";
	const char *at;
	if (s.autoballoon != AUTOBALLOON_AUTO)
		return s.autoballoon == AUTOBALLOON_ON;
	if (hcall_features(hv_handle()) || hcall_version(hv_handle(), XENVER_commandline, line, sizeof(line)) < 0)
		return false;
	line[sizeof(line) - 1] = 0;
	at = strstr(line, "dom0_mem=");
	return !at || (at > line && at[-1] != ' ');
}

void settings_read_conf(void)
{
	struct text t = { NULL, 0, 0 };
	struct xlcfg cfg;
	const struct xlcfg_value *v;
	if (text_read_file(&t, s.conf)) {
		if (!s.lock_file)
			s.lock_file = xstrdup(s.default_lock_file);
		text_free(&t);
		return; /* it need not be there */
	}
	if (xlcfg_parse(&cfg, s.conf, t.s ? t.s : ""))
		fprintf(stderr, "hospesd: %s\n", cfg.error);
	settings_free();
	s.vif_script = string_of(&cfg, "vif.default.script");
	s.vif_bridge = string_of(&cfg, "vif.default.bridge");
	s.vif_gatewaydev = string_of(&cfg, "vif.default.gatewaydev");
	s.vif_backend = string_of(&cfg, "vif.default.backend");
	s.lock_file = string_of(&cfg, "lockfile");
	if (!s.lock_file)
		s.lock_file = xstrdup(s.default_lock_file);
	v = xlcfg_get(&cfg, "run_hotplug_scripts");
	s.run_hotplug_scripts = !v || v->kind != XLCFG_NUMBER || v->number;
	read_autoballoon(xlcfg_get(&cfg, "autoballoon"));
	v = xlcfg_get(&cfg, "domid_policy");
	s.random_domid = v && v->kind == XLCFG_STRING && !strcmp(v->string, "random");
	if (v && !s.random_domid && (v->kind != XLCFG_STRING || strcmp(v->string, "xen")))
		fprintf(stderr, "hospesd: %s:%d: domid_policy is neither \"xen\" nor \"random\"\n", s.conf, v->line);
	xlcfg_free(&cfg);
	text_free(&t);
}
