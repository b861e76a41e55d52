/* xen-diag: how many frames the grant table of a domain has, and how many it may have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/grant_table.h>

#include "hcall/hcall.h"

static void usage(void)
{
	fputs("xen-diag: xen diagnostic utility\n"
	      "Usage: xen-diag command [args]\n"
	      "Commands:\n"
	      "  help                       display this help\n"
	      "  gnttab_query_size <domid>  dump the current and max grant frames for <domid>\n",
	      stderr);
}

static int help(struct hcall *h, int argc, char **argv)
{
	(void)h, (void)argc, (void)argv;
	usage();
	return 0;
}

static int gnttab_query_size(struct hcall *h, int argc, char **argv)
{
	struct gnttab_query_size q = { 0 };
	int rc;

	if (argc != 1) {
		usage();
		return 1;
	}
	q.dom = (domid_t)strtol(argv[0], NULL, 10);
	rc = hcall_gnttab(h, GNTTABOP_query_size, &q, sizeof(q), 1);
	if (rc || q.status != GNTST_okay) {
		fprintf(stderr, "xen-diag: cannot ask for the size of the grant table of domain %u: %s\n", q.dom,
			rc			     ? strerror(-rc) :
			q.status == GNTST_bad_domain ? "there is no such domain, see xl list" :
						       "refused");
		return 1;
	}
	printf("domid=%u: nr_frames=%u, max_nr_frames=%u\n", q.dom, q.nr_frames, q.max_nr_frames);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct hcall *h, int argc, char **argv);
} commands[] = { { "help", help }, { "gnttab_query_size", gnttab_query_size } };

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct hcall *h;

		/* The beginning of a command will do. */
		if (strncmp(commands[i].name, argv[1], strlen(argv[1])))
			continue;
		h = hcall_open();
		if (!h) {
			fprintf(stderr, "failed to get the handler: %s\n", strerror(errno));
			return 0; /* as scripts have always seen it */
		}
		return commands[i].fn(h, argc - 2, argv + 2);
	}
	usage();
	return 0;
}
