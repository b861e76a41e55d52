/*
 * xenstore <command>, also under the names xenstore-<command>: read, write, list, ls, rm, exists, chmod, watch, control.
 * Options, output and exit status are those of the classic tools; reasons are added to their messages.
 */
#include "xenstore.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/wire.h"

static const struct {
	const char *name;
	enum mode mode;
	const char *usage;
} modes[] = {
	{ "read", MODE_READ, "[-h] [-p] [-s] [-R] key [...]" },
	{ "write", MODE_WRITE, "[-h] [-s] [-R] key value [...]" },
	{ "rm", MODE_RM, "[-h] [-s] [-t] key [...]" },
	{ "exists", MODE_EXISTS, "[-h] [-p] [-s] key [...]" },
	{ "list", MODE_LIST, "[-h] [-p] [-s] key [...]" },
	{ "ls", MODE_LS, "[-h] [-f] [-p] [-s] [path]" },
	{ "chmod", MODE_CHMOD, "[-h] [-u] [-r] [-s] key <mode [modes...]>" },
	{ "watch", MODE_WATCH, "[-h] [-n NR] key" },
	{ "control", MODE_CONTROL, "<command> [<arg>...]" },
};
#define NR_MODES (sizeof(modes) / sizeof(*modes))

static enum mode find_mode(const char *name)
{
	for (unsigned i = 0; i < NR_MODES; i++)
		if (!strcmp(modes[i].name, name))
			return modes[i].mode;
	return MODE_NONE;
}

static void __attribute__((noreturn)) usage(const char *program, const char *word, enum mode mode)
{
	unsigned i = 0;
	if (mode == MODE_CONTROL)
		exit(control_usage(program));
	if (mode == MODE_NONE)
		errx(1, "Usage: %s <mode> [-h] [...]", program);
	while (modes[i].mode != mode)
		i++;
	errx(1, "Usage: %s %s%s%s", program, word, *word ? " " : "", modes[i].usage);
}

/* One command's run: everything is done in one transaction. */
struct run {
	struct settings set;
	struct text out;
	int argc;
	char **argv;
	int status; /* of the exit */
};

static void read_key(struct run *r, struct store *s, uint32_t tx, const char *key, bool first)
{
	size_t len;
	char *value = store_read(s, tx, key, &len);
	if (!value) {
		warnx("couldn't read path %s: %s", key, strerror(errno));
		r->status = 1;
		return;
	}
	if (r->set.json) {
		text_add(&r->out, first ? "{" : ", ");
		text_json(&r->out, key, strlen(key));
		text_add(&r->out, ": ");
		text_json(&r->out, value, len);
	} else {
		if (r->set.prefix)
			text_add(&r->out, "%s: ", key);
		if (r->set.raw)
			text_bytes(&r->out, value, len);
		else
			text_escaped(&r->out, value, len);
		if (!r->set.raw)
			text_add(&r->out, "\n");
	}
	free(value);
}

static void write_key(struct run *r, struct store *s, uint32_t tx, const char *key, const char *text)
{
	char *value = strdup(text);
	size_t len;
	int rc;
	if (!value)
		err(1, "malloc");
	len = r->set.raw ? strlen(value) : unescape(value);
	rc = store_write(s, tx, key, value, len);
	if (rc) {
		warnx("could not write path %s: %s", key, strerror(rc));
		r->status = 1;
	}
	free(value);
}

static void list_key(struct run *r, struct store *s, uint32_t tx, const char *key, bool first)
{
	unsigned nr;
	char **names = store_list(s, tx, key, &nr);
	if (!names) {
		warnx("could not list path %s: %s", key, strerror(errno));
		r->status = 1;
		return;
	}
	if (r->set.json) {
		text_add(&r->out, first ? "{" : ", ");
		text_json(&r->out, key, strlen(key));
		text_add(&r->out, ": [");
	}
	for (unsigned i = 0; i < nr; i++) {
		if (r->set.json) {
			text_add(&r->out, i ? ", " : "");
			text_json(&r->out, names[i], strlen(names[i]));
		} else if (r->set.prefix) {
			text_add(&r->out, "%s/%s\n", key, names[i]);
		} else {
			text_add(&r->out, "%s\n", names[i]);
		}
	}
	text_add(&r->out, r->set.json ? "]" : "");
	free(names);
}

/* A node without value and children, which -t removes. */
static bool is_bare(struct store *s, uint32_t tx, const char *path)
{
	size_t len = 1;
	unsigned nr = 1;
	char *value = store_read(s, tx, path, &len), **names;
	bool bare = false;
	if (value && !len) {
		names = store_list(s, tx, path, &nr);
		bare = names && !nr;
		free(names);
	}
	free(value);
	return bare;
}

static void remove_key(struct run *r, struct store *s, uint32_t tx, const char *key)
{
	char *path = strdup(key), *slash;
	int rc = path ? store_rm(s, tx, path) : ENOMEM;
	if (rc) {
		warnx("could not remove path %s: %s", key, strerror(rc));
		r->status = 1;
	}
	while (!rc && r->set.tidy && (slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		if (!is_bare(s, tx, path))
			break;
		rc = store_rm(s, tx, path);
		if (rc) {
			warnx("could not remove path %s: %s", path, strerror(rc));
			r->status = 1;
		}
	}
	free(path);
}

static int exists_key(struct run *r, struct store *s, uint32_t tx, const char *key, bool first)
{
	char *value = store_read(s, tx, key, NULL);
	free(value);
	if (r->set.json) {
		text_add(&r->out, first ? "{" : ", ");
		text_json(&r->out, key, strlen(key));
		text_add(&r->out, ": %s", value ? "true" : "false");
	}
	return !value;
}

static void set_perms(struct store *s, uint32_t tx, const char *path, const struct store_perm *perms, unsigned nr)
{
	int rc = store_set_perms(s, tx, path, perms, nr);
	if (rc == EAGAIN)
		errx(1, "Error occurred setting permissions on '%s'", path);
	if (rc) {
		errno = rc;
		err(1, "Error occurred setting permissions on '%s'", path);
	}
}

static void chmod_below(struct store *s, uint32_t tx, const char *path, const struct store_perm *perms, unsigned nr)
{
	unsigned n;
	char **names = store_list(s, tx, path, &n), *full;
	for (unsigned i = 0; names && i < n; i++) {
		if (asprintf(&full, "%s%s%s", path, strcmp(path, "/") ? "/" : "", names[i]) < 0)
			err(1, "malloc");
		set_perms(s, tx, full, perms, nr);
		chmod_below(s, tx, full, perms, nr);
		free(full);
	}
	free(names);
}

static void chmod_key(struct run *r, struct store *s, uint32_t tx)
{
	struct store_perm perms[16];
	unsigned nr = 0;
	char *path = strdup(r->argv[0]), *slash, *end;
	for (int i = 1; i < r->argc; i++, nr++) {
		const char *word = r->argv[i];
		const char *letter = strchr("nrwb", word[0]);
		if (nr == sizeof(perms) / sizeof(*perms))
			errx(1, "too many permissions");
		if (!letter || !*letter)
			errx(1, "Invalid permission specification: '%c'", word[0]);
		perms[nr].access =
			(unsigned)(letter - "nrwb"); /* none, read, write, both: in the order of their bits */
		perms[nr].id = (uint32_t)strtoul(word + 1, &end, 10);
		if (end == word + 1 || *end)
			errx(1, "Invalid permission specification: '%s'", word);
	}
	if (!path)
		err(1, "malloc");
	set_perms(s, tx, path, perms, nr);
	if (r->set.recurse)
		chmod_below(s, tx, path, perms, nr);
	while (r->set.upto && (slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		set_perms(s, tx, path, perms, nr);
	}
	free(path);
}

static int run_keys(struct store *s, uint32_t tx, void *arg)
{
	struct run *r = arg;
	r->out.len = 0;
	r->status = 0;
	for (int i = 0; i < r->argc && !r->status; i++) {
		switch (r->set.mode) {
		case MODE_READ:
			read_key(r, s, tx, r->argv[i], i == 0);
			break;
		case MODE_WRITE:
			write_key(r, s, tx, r->argv[i], r->argv[i + 1]);
			i++;
			break;
		case MODE_LIST:
			list_key(r, s, tx, r->argv[i], i == 0);
			break;
		case MODE_RM:
			remove_key(r, s, tx, r->argv[i]);
			break;
		case MODE_EXISTS:
			r->status = exists_key(r, s, tx, r->argv[i], i == 0);
			break;
		default:
			chmod_key(r, s, tx);
			return 0;
		}
	}
	if (r->set.json && r->out.len)
		text_add(&r->out, "}\n");
	return r->status ? ECANCELED : 0;
}

static int cmd_watch(struct run *r, struct store *s)
{
	const char *token;
	char *event, number[16];
	int rc, left = r->set.events;
	for (int i = 0; i < r->argc; i++) {
		/* The token tells paths apart that are watched twice. */
		snprintf(number, sizeof(number), "%d", i);
		rc = r->set.depth < 0 ? store_watch(s, r->argv[i], number) :
					store_watch_depth(s, r->argv[i], number, (unsigned)r->set.depth);
		if (rc)
			errx(1, "Unable to add watch on %s: %s", r->argv[i], strerror(rc));
	}
	while (left < 0 || left-- > 0) {
		event = store_event(s, -1, &token);
		if (!event)
			err(1, "watch");
		if (r->set.json) {
			text_add(&r->out, "{\"path\": ");
			text_json(&r->out, event, strlen(event));
			text_add(&r->out, "}");
		} else {
			text_add(&r->out, "%s", event);
		}
		text_add(&r->out, "\n");
		text_print(&r->out);
		free(event);
	}
	return 0;
}

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },	    { "flat", no_argument, NULL, 'f' },
	{ "socket", no_argument, NULL, 's' },	    { "prefix", no_argument, NULL, 'p' },
	{ "tidy", no_argument, NULL, 't' },	    { "upto", no_argument, NULL, 'u' },
	{ "recurse", no_argument, NULL, 'r' },	    { "raw", no_argument, NULL, 'R' },
	{ "number", required_argument, NULL, 'n' }, { "depth", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },	    { NULL, 0, NULL, 0 },
};

/* Read the options; returns flags of store_open(), or -1 if help was asked for. */
static int parse(struct settings *set, int argc, char **argv)
{
	int c, flags = 0;
	while ((c = getopt_long(argc, argv, set->mode == MODE_CONTROL ? "+h" : "hfspturn:Rd:", long_options, NULL)) !=
	       -1) {
		switch (c) {
		case 'h':
			return -1;
		case 'f':
			set->flat = true;
			break;
		case 's':
			flags = STORE_SOCKET_ONLY;
			break;
		case 'p':
			set->prefix = true;
			break;
		case 't':
			set->tidy = true;
			break;
		case 'u':
			set->upto = true;
			break;
		case 'r':
			set->recurse = true;
			break;
		case 'R':
			set->raw = true;
			break;
		case 'n':
			set->events = atoi(optarg);
			break;
		case 'd':
			set->depth = atoi(optarg);
			break;
		case 'j':
			set->json = true;
			break;
		}
	}
	return flags;
}

static int run(struct run *r, struct store *s)
{
	int rc;
	switch (r->set.mode) {
	case MODE_CONTROL:
		return cmd_control(s, &r->set, r->argc, r->argv);
	case MODE_WATCH:
		return cmd_watch(r, s);
	case MODE_LS:
		if (!r->argc)
			cmd_ls(s, &r->set, "/");
		for (int i = 0; i < r->argc; i++)
			cmd_ls(s, &r->set, r->argv[i]);
		return 0;
	default:
		rc = store_transact(s, run_keys, r);
		text_print(&r->out);
		text_free(&r->out);
		if (rc && rc != ECANCELED)
			errx(1, "couldn't end transaction: %s", strerror(rc));
		return r->status;
	}
}

int main(int argc, char **argv)
{
	struct run r = { .set = { .events = -1, .depth = -1 } };
	const char *program = argv[0], *base = strrchr(argv[0], '/'), *word = "";
	struct store *s;
	int flags, status;
	base = base ? base + 1 : argv[0];
	if (!strncmp(base, "xenstore-", 9)) {
		r.set.mode = find_mode(base + 9);
	} else {
		if (argc < 2)
			usage(program, word, MODE_NONE);
		r.set.mode = find_mode(argv[1]);
		word = argv[1];
		argv++;
		argc--;
	}
	if (r.set.mode == MODE_NONE)
		errx(1, "unknown mode %s\n(modes are: read write list ls rm exists chmod watch control)",
		     *word ? word : base);
	flags = parse(&r.set, argc, argv);
	r.argc = argc - optind;
	r.argv = argv + optind;
	if (flags < 0 || (r.argc < 1 && r.set.mode != MODE_LS) || (r.set.mode == MODE_WRITE && r.argc % 2))
		usage(program, word, r.set.mode);
	s = store_open((unsigned)flags);
	if (!s)
		err(1, "xs_open");
	status = run(&r, s);
	store_close(s);
	return status;
}
