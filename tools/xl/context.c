/* Options, handles and complaints of every command. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include <abi/sysctl.h>
#include <abi/version.h>

#include "hcall/hcall.h"
#include "rpc/rpc.h"
#include "store/store.h"
#include "xl.h"

static struct {
	bool dry_run, force, json, progress, quiet;
	int verbose;
	struct hcall *hcall;
	struct store *store;
	struct rpc *rpc;
	void (*before_complaints)(void);
	bool drawn; /* a line of progress stands on the terminal */
	xl_event *on_event;
	void *event_arg;
} context;

void xl_set_options(bool dry_run, bool force, int verbose, bool json, bool progress)
{
	context.dry_run = dry_run;
	context.force = force;
	context.verbose = verbose;
	context.json = json;
	context.progress = progress;
}

bool xl_dry_run(void)
{
	return context.dry_run;
}

bool xl_force(void)
{
	return context.force;
}

bool xl_verbose(void)
{
	return context.verbose > 0;
}

bool xl_json(void)
{
	return context.json;
}

void xl_set_quiet(void)
{
	context.quiet = true;
}

bool xl_progress(void)
{
	return !context.json && !context.quiet && (context.progress || isatty(STDERR_FILENO));
}

void xl_before_complaints(void (*fn)(void))
{
	context.before_complaints = fn;
}

void xl_put_json(FILE *to, struct json_object *o, int flags)
{
	struct text t = { 0 };
	size_t len;
	const char *s = json_object_to_json_string_length(o, flags, &len);

	text_add_json(&t, s, len);
	fprintf(to, "%s\n", t.s);
	text_free(&t);
	json_object_put(o);
}

int xl_problem(const struct problem *p)
{
	char text[1400];

	if (context.before_complaints)
		context.before_complaints();
	fflush(stdout);
	if (context.json) {
		xl_put_json(stderr, problem_json(p), JSON_C_TO_STRING_PLAIN);
		return XL_FAILED;
	}
	problem_format(p, text, sizeof(text));
	fprintf(stderr, "xl: %s\n", text);
	return XL_FAILED;
}

int xl_fail(int err, const char *code, const char *step, const char *next, const char *fmt, ...)
{
	struct problem p;
	char cause[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	problem_init(&p);
	problem_set(&p, err, code, step, next, "%s", cause);
	return xl_problem(&p);
}

int xl_refuse(int err, const char *code, const char *step, const char *next, const char *fmt, ...)
{
	char cause[512];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	if (!context.json) {
		fflush(stdout);
		fprintf(stderr, "%s\n", cause);
		return XL_FAILED;
	}
	n = strlen(cause);
	while (n && strchr(".\n", cause[n - 1]))
		cause[--n] = 0;
	return xl_fail(err, code, step, next, "%s", cause);
}

int xl_hcall_failed(int rc, uint32_t domid, const char *step, const char *what)
{
	struct problem p;
	const char *code, *next;
	long version;

	switch (-rc) {
	case EPERM:
		code = "not-permitted";
		next = "run it as root in the control domain";
		break;
	case EACCES: /* Xen's answer to tools of another version */
		version = hcall_version(xl_hcall(), XENVER_version, NULL, 0);
		return xl_fail(
			EPROTO, "wrong-version", step,
			"use the xl of the hypervisor's release, or boot the hypervisor of this one",
			"this xl speaks the control interface of 4.17 (%#x), the hypervisor is %ld.%ld and speaks another",
			XEN_SYSCTL_INTERFACE_VERSION, version >> 16, version & 0xffff);
	case ESRCH:
		code = "no-such-domain";
		next = "see xl list: the domain may just have ended";
		break;
	case ENOSYS:
	case EOPNOTSUPP:
		code = "not-supported";
		next = "see xl info for what this hypervisor offers";
		break;
	case EBUSY:
		code = "busy";
		next = "see xl cpupool-list and xl vcpu-list for who uses it";
		break;
	case ENOMEM:
		code = "out-of-memory";
		next = "free memory: see free_memory of xl info";
		break;
	default:
		code = "hypervisor-refused";
		next = "see what the hypervisor says: xl dmesg";
	}
	problem_init(&p);
	if (domid != PROBLEM_NO_DOMID)
		problem_domain(&p, NULL, domid);
	problem_set(&p, -rc, code, step, next, "the hypervisor refused %s: %s", what, strerror(-rc));
	return xl_problem(&p);
}

int xl_print_json(struct json_object *o)
{
	xl_put_json(stdout, o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	return XL_OK;
}

struct hcall *xl_hcall(void)
{
	if (context.hcall)
		return context.hcall;
	context.hcall = hcall_open();
	if (!context.hcall) {
		int err = errno;

		if (err == EACCES || err == EPERM)
			xl_fail(err, "not-permitted", "hypervisor", "run it as root",
				"its device may not be opened: %s", strerror(err));
		else
			xl_fail(err, "no-hypervisor", "hypervisor",
				"boot Hospes or Xen, and load the kernel's modules xen-privcmd and xenfs",
				"this system does not run on one, or its device is missing: %s", strerror(err));
		exit(XL_FAILED);
	}
	return context.hcall;
}

struct store *xl_store_try(void)
{
	if (!context.store)
		context.store = store_open(0);
	return context.store;
}

struct store *xl_store(void)
{
	if (!xl_store_try()) {
		int err = errno;

		xl_fail(err ? err : ENOENT, "no-store", "store",
			"start it: systemctl start xenstored, or service xen start", "xenstored does not answer: %s",
			strerror(err));
		exit(XL_FAILED);
	}
	return context.store;
}

struct rpc *xl_rpc(void)
{
	struct problem p;

	if (context.rpc)
		return context.rpc;
	problem_init(&p);
	context.rpc = rpc_connect(true, &p);
	if (!context.rpc)
		exit(xl_problem(&p));
	return context.rpc;
}

void xl_draw(const char *step, uint64_t done, uint64_t total)
{
	if (!xl_progress())
		return;
	if (total)
		fprintf(stderr, "\r\033[K%s: %llu of %llu", step, (unsigned long long)done, (unsigned long long)total);
	else
		fprintf(stderr, "\r\033[K%s", step);
	fflush(stderr);
	context.drawn = true;
}

void xl_draw_end(void)
{
	if (context.drawn)
		fprintf(stderr, "\r\033[K");
	context.drawn = false;
}

/* What hospesd tells while it works. */
static void on_notification(void *arg, const char *method, struct json_object *params)
{
	struct json_object *step = NULL, *done = NULL, *total = NULL;

	(void)arg;
	if (strcmp(method, "event") == 0 && params && context.on_event) {
		struct json_object *event, *domid;

		if (json_object_object_get_ex(params, "event", &event) &&
		    json_object_object_get_ex(params, "domid", &domid))
			context.on_event(context.event_arg, json_object_get_string(event),
					 (uint32_t)json_object_get_int64(domid), params);
		return;
	}
	if (strcmp(method, "progress") || !params)
		return;
	json_object_object_get_ex(params, "step", &step);
	json_object_object_get_ex(params, "done", &done);
	json_object_object_get_ex(params, "total", &total);
	if (step)
		xl_draw(json_object_get_string(step), done ? (uint64_t)json_object_get_int64(done) : 0,
			total ? (uint64_t)json_object_get_int64(total) : 0);
}

int xl_events(xl_event *fn, void *arg)
{
	struct json_object *o;

	context.on_event = fn;
	context.event_arg = arg;
	o = xl_ask("events.subscribe", NULL, NULL);
	json_object_put(o);
	return o ? XL_OK : XL_FAILED;
}

int xl_wait_event(void)
{
	int rc = rpc_wait(xl_rpc(), -1, on_notification, NULL);

	return rc ? xl_fail(-rc, "daemon-lost", "waiting for domains", "see xl list: hospesd goes on without us",
			    "hospesd went away: %s", strerror(-rc)) :
		    XL_OK;
}

struct json_object *xl_ask(const char *method, struct json_object *params, struct problem *p)
{
	struct problem own;
	struct json_object *result;

	if (!p)
		problem_init(&own);
	result = rpc_call(xl_rpc(), method, params, -1, on_notification, NULL, p ? p : &own);
	xl_draw_end();
	if (!result && !p)
		xl_problem(&own);
	return result;
}

int xl_do(const char *method, struct json_object *params)
{
	struct json_object *result = xl_ask(method, params, NULL);

	if (!result)
		return XL_FAILED;
	if (xl_json())
		return xl_print_json(result);
	json_object_put(result);
	return XL_OK;
}

struct json_object *xl_domain_params(uint32_t domid)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "domain", json_object_new_int64(domid));
	return o;
}

int xl_option(const struct command *c, int argc, char **argv, const char *shorts, const struct option *longs,
	      int nr_words)
{
	static const struct option none[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	char with_help[64];
	int opt;

	snprintf(with_help, sizeof(with_help), "%sh", shorts);
	opterr = 0;
	opt = getopt_long(argc, argv, with_help, longs ? longs : none, NULL);
	if (opt == '?') {
		if (optopt)
			xl_refuse(EINVAL, "bad-request", c->name, "see xl help with the command's name",
				  "option `%c' not supported.", optopt);
		else
			xl_refuse(EINVAL, "bad-request", c->name, "see xl help with the command's name",
				  "option `%s' not supported.", argv[optind - 1]);
		exit(XL_USAGE);
	}
	if (opt == 'h') {
		command_help(c);
		exit(XL_OK);
	}
	if (opt == -1 && argc - optind < nr_words) {
		if (!xl_json())
			command_help(c);
		xl_refuse(EINVAL, "bad-request", c->name, "see xl help with the command's name",
			  "'xl %s' requires at least %d argument%s.\n", c->name, nr_words, nr_words > 1 ? "s" : "");
		exit(XL_USAGE);
	}
	return opt;
}

bool xl_config_words(int argc, char **argv, const char **file, char ***settings)
{
	int n = optind;

	*settings = argv + optind;
	for (int i = optind; i < argc; i++) {
		if (strchr(argv[i], '=')) {
			argv[n++] = argv[i];
		} else if (!*file) {
			*file = argv[i];
		} else {
			if (!xl_json())
				command_help(xl_command());
			xl_fail(EINVAL, "bad-request", xl_command()->name,
				"name one file; what is added to it is written key=value",
				"'%s' is neither a setting nor the only configuration file", argv[i]);
			return false;
		}
	}
	argv[n] = NULL;
	return true;
}

bool xl_parse_size(const char *s, uint64_t *kib)
{
	char *end;
	unsigned long long n;
	unsigned shift;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno)
		return false;
	switch (*end) {
	case 0:
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'b':
	case 'B':
		shift = 0;
		break;
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	case 't':
	case 'T':
		shift = 40;
		break;
	default:
		return false;
	}
	if (*end && end[1])
		return false;
	if (n > UINT64_MAX >> shift)
		return false;
	*kib = n << shift >> 10;
	return true;
}
