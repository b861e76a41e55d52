/* xl console. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "console.h"
#include "domains.h"
#include "xl.h"

/* The program beside us, on the path, or where Debian keeps it. */
static int run(char *const *words)
{
	static const char *const places[] = { "/usr/sbin/xenconsole", "/usr/lib/xen-4.17/bin/xenconsole",
					      "/usr/lib/xen/bin/xenconsole" };
	int err;

	execvp("xenconsole", words);
	err = errno;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		execv(places[i], words);
	return xl_fail(err, "no-program", "console", "install xenconsole beside xl", "xenconsole cannot be run: %s",
		       strerror(err));
}

int console_run(uint32_t domid, const char *type, unsigned number)
{
	char id[16], num[16];
	char *words[] = { "xenconsole", id, "--num", num, "--type", (char *)(uintptr_t)type, NULL };

	snprintf(id, sizeof(id), "%u", domid);
	snprintf(num, sizeof(num), "%u", number);
	return run(words);
}

int cmd_console(int argc, char **argv)
{
	static const struct option longs[] = { { "log", 0, NULL, 'l' }, { "help", 0, NULL, 'h' }, { 0 } };
	const char *type = "pv";
	unsigned number = 0;
	bool log = false;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "t:n:e:", longs, 1)) >= 0) {
		if (opt == 't')
			type = optarg;
		else if (opt == 'n')
			number = (unsigned)strtoul(optarg, NULL, 10);
		log |= opt == 'l';
	}
	if (strcmp(type, "pv") && strcmp(type, "serial") && strcmp(type, "vuart")) {
		xl_refuse(EINVAL, "bad-value", "console", "use one of them",
			  "console type supported are: pv, serial, vuart");
		return XL_FAILED;
	}
	if (log) { /* also of a domain that is gone, so by what was written */
		int64_t domid = domain_lookup(argv[optind]);
		char id[16], num[16];
		char *words[] = { "xenconsole", "--log", "--num", num, domid < 0 ? argv[optind] : id, NULL };

		snprintf(id, sizeof(id), "%lld", (long long)domid);
		snprintf(num, sizeof(num), "%u", number);
		return run(words);
	}
	return console_run(domain_find(argv[optind]), type, number);
}
