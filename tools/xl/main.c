/* xl: the tool of a Hospes or Xen host. Words and options as Debian's; docs/xl.1.md. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl.h"

static const struct command *running;

const struct command *xl_command(void)
{
	return running;
}

const struct command *command_find(const char *name)
{
	const struct command *found = NULL;
	size_t len = strlen(name);

	/* An old name that Ganeti uses. */
	if (strcmp(name, "debug") == 0)
		name = "debug-keys";
	for (unsigned i = 0; i < nr_commands; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		if (strncmp(commands[i].name, name, len))
			continue;
		if (found)
			len = (size_t)-1; /* two begin so: only the whole name will do */
		else
			found = &commands[i];
	}
	return len == (size_t)-1 ? NULL : found;
}

void command_help(const struct command *c)
{
	printf("Usage: xl [-vtT%s%s] %s %s\n\n%s.\n\n", c->modifies ? "f" : "", c->dry_run ? "N" : "", c->name,
	       c->usage, c->what);
	if (c->options)
		printf("Options:\n\n%s\n", c->options);
	fflush(stdout);
}

int cmd_help(int argc, char **argv)
{
	const struct command *c;

	if (argc > 1) {
		c = command_find(argv[1]);
		if (c)
			command_help(c);
		else
			printf("command \"%s\" not implemented\n", argv[1]);
		return XL_OK;
	}
	/* Four lines, then a name on each line that begins with one blank: completion scripts count on it. */
	printf("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n");
	for (unsigned i = 0; i < nr_commands; i++) {
		printf(" %-19s ", commands[i].name);
		if (strlen(commands[i].name) > 19)
			printf("\n %-19s ", "");
		printf("%s\n", commands[i].what);
	}
	fflush(stdout);
	return XL_OK;
}

/* Take "--json" out of the words, wherever it stands before a "--". */
static bool take_json(int *argc, char **argv)
{
	int n = 1;
	bool json = false, more = true;

	for (int i = 1; i < *argc; i++) {
		more = more && strcmp(argv[i], "--");
		if (more && strcmp(argv[i], "--json") == 0)
			json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	*argc = n;
	return json;
}

/* Run it; what it printed must have arrived. */
static int run(const struct command *c, int argc, char **argv)
{
	int rc;

	running = c;
	optind = 0; /* begin anew, glibc's way */
	rc = c->run(argc, argv);
	if (fflush(stdout) || ferror(stdout))
		return xl_fail(EIO, "output", "standard output",
			       "see that its disk is not full and its reader still reads",
			       "what was printed could not be written");
	return rc;
}

int main(int argc, char **argv)
{
	bool dry_run = false, force = false, progress = false, json = take_json(&argc, argv);
	const char *slash = strrchr(argv[0], '/');
	const struct command *c;
	int opt, verbose = 0;

	if (strcmp(slash ? slash + 1 : argv[0], "xentop") == 0) {
		xl_set_options(false, false, 0, json, false);
		return run(command_find("top"), argc, argv);
	}

	while ((opt = getopt(argc, argv, "+vftTNj")) >= 0) {
		switch (opt) {
		case 'v':
			verbose++;
			break;
		case 'f':
			force = true;
			break;
		case 't':
			progress = true;
			break;
		case 'T': /* time stamps in the log: ours is journald's */
			break;
		case 'N':
			dry_run = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			fprintf(stderr, "unknown global option\n");
			return XL_FAILED;
		}
	}
	xl_set_options(dry_run, force, verbose, json, progress);
	if (optind == argc) {
		cmd_help(1, NULL);
		return XL_FAILED;
	}
	argc -= optind;
	argv += optind;
	if (strcmp(argv[0], "help") == 0)
		return cmd_help(argc, argv);
	c = command_find(argv[0]);
	if (!c)
		return xl_refuse(ENOSYS, "bad-request", argv[0], "see xl help for the commands there are",
				 "command not implemented");
	if (dry_run && !c->dry_run)
		return xl_refuse(EINVAL, "bad-request", c->name, "leave -N out",
				 "command does not implement -N (dryrun) option");
	return run(c, argc, argv);
}
