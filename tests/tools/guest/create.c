/*
 * Builds a domain from an xl.cfg file by lib/guest alone, for tests: no daemon owns it. usage: create [-c CACHE] [-d DOMID] [-x STEP] [-s] [-u] FILE [key=value]...
 *
 * -c keeps unpacked kernels there; -x gives up at that step; -s makes the records a kernel and the daemons need and introduces it to the store; -u
 * unpauses it. Prints what was built and what it took, or the problem with exit status 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi/dm_op.h"
#include "abi/domctl.h"
#include "base/problem.h"
#include "base/text.h"
#include "domain/config.h"
#include "guest/build.h"
#include "hcall/hcall.h"
#include "store/store.h"
#include "store/wire.h"

static int tell(const struct problem *p)
{
	char text[1200];

	problem_format(p, text, sizeof(text));
	printf("problem %s\n%s\n", p->code, text);
	return 1;
}

static void remark(void *arg, int line, const char *text)
{
	printf("remark line %d: %s\n", line, text);
}

/* Called between slices; @arg: the step to give up at. */
static bool progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
	return !arg || strcmp(arg, step) != 0 || done == 0 || total == 0;
}

/* The records ---------------------------------------------------------------------------------------------------- */

static struct {
	struct store *s;
	uint32_t domid;
	int err;
} store;

static void put(const char *path, bool guest_owns, const char *value)
{
	struct store_perm perms[2] = { { 0, 0 }, { store.domid, WIRE_PERM_READ } };
	char full[256];
	int err;

	snprintf(full, sizeof(full), "/local/domain/%u%s%s", store.domid, *path ? "/" : "", path);
	err = store_write(store.s, 0, full, value, strlen(value));
	if (guest_owns)
		perms[0].id = store.domid;
	if (!err)
		err = store_set_perms(store.s, 0, full, perms, guest_owns ? 1 : 2);
	if (err && !store.err) {
		printf("store: %s: %s\n", full, strerror(err));
		store.err = err;
	}
}

static void put_number(const char *path, unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", n);
	put(path, false, text);
}

static int introduce(const struct domain_config *c, const struct guest_build *b)
{
	char text[64];

	store.s = store_open(0);
	store.domid = b->built_domid;
	if (!store.s) {
		printf("store: %s\n", strerror(errno));
		return 1;
	}
	put("", false, "");
	put("name", false, c->name);
	put_number("domid", b->built_domid);
	snprintf(text, sizeof(text), "/local/domain/%u", b->built_domid);
	put("vm", false, text);
	put("control", true, "");
	put("control/shutdown", true, "");
	put("device", false, "");
	put("data", true, "");
	put("memory", false, "");
	put_number("memory/static-max", c->maxmem > c->memory ? c->maxmem : c->memory);
	put_number("memory/target", c->memory);
	put("cpu", false, "");
	for (unsigned i = 0; i < c->maxvcpus || i < c->vcpus; i++) {
		snprintf(text, sizeof(text), "cpu/%u/availability", i);
		put(text, false, i < c->vcpus ? "online" : "offline");
	}
	put("console", false, "");
	put_number("console/ring-ref", b->console_gfn);
	put_number("console/port", b->console_port);
	put("console/type", false, "xenconsoled");
	put("console/limit", false, "1048576");
	put("store", false, "");
	put_number("store/ring-ref", b->store_gfn);
	put_number("store/port", b->store_port);
	if (!store.err)
		store.err = store_introduce(store.s, b->built_domid, b->store_gfn, b->store_port);
	if (store.err)
		printf("store: %s\n", strerror(store.err));
	store_close(store.s);
	return store.err != 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* What whoever emulates the domain's devices would be told. */
static void tell_vcpus(struct hcall *h, uint32_t domid)
{
	struct xen_dm_op_nr_vcpus nr = { 0 };
	const struct hcall_area area = { &nr, sizeof(nr) };
	int rc = hcall_dm(h, domid, XEN_DMOP_nr_vcpus, &area, 1);

	printf("emulators see %u vcpus, result %d\n", nr.vcpus, rc);
}

static int make(struct hcall *h, const struct domain_config *c, struct guest_build *b, char *stop, bool with_store,
		bool unpause)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_unpausedomain };
	struct timespec from, to;
	struct problem p;
	int rc;

	problem_init(&p);
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (guest_build(h, c, b, progress, stop, &p))
		return tell(&p);
	if (with_store && introduce(c, b))
		return 1;
	op.domain = (domid_t)b->built_domid;
	rc = unpause ? hcall_domctl(h, &op) : 0;
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("domid %u store %#lx %u console %#lx %u\n", b->built_domid, (unsigned long)b->store_gfn, b->store_port,
	       (unsigned long)b->console_gfn, b->console_port);
	for (unsigned i = 0; i < b->nr_timings; i++)
		printf("step %s us %lu hypercalls %lu\n", b->timing[i].step, (unsigned long)b->timing[i].ns / 1000,
		       (unsigned long)b->timing[i].hypercalls);
	printf("total us %ld hypercalls %lu\n",
	       (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000, (unsigned long)hcall_count(h));
	tell_vcpus(h, b->built_domid);
	return rc != 0;
}

int main(int argc, char **argv)
{
	struct guest_build b = { 0 };
	bool with_store = false, unpause = false;
	struct domain_config c;
	struct text file = { 0 };
	struct problem p;
	char *stop = NULL;
	struct hcall *h;
	int opt, rc = 1;

	problem_init(&p);
	while ((opt = getopt(argc, argv, "c:d:x:su")) != -1) {
		if (opt == 'c')
			b.kernel_cache = optarg;
		else if (opt == 'd')
			b.domid = (uint32_t)atoi(optarg);
		else if (opt == 'x')
			stop = optarg;
		else if (opt == 's')
			with_store = true;
		else
			unpause = true;
	}
	if (optind >= argc || text_read_file(&file, argv[optind])) {
		printf("create: no file\n");
		return 2;
	}
	domain_config_init(&c);
	h = hcall_open();
	if (!h)
		printf("create: no hypervisor: %s\n", strerror(errno));
	else if (domain_config_parse(&c, argv[optind], file.s, argv + optind + 1, remark, NULL, &p))
		tell(&p);
	else
		rc = make(h, &c, &b, stop, with_store, unpause);
	hcall_close(h);
	domain_config_free(&c);
	text_free(&file);
	return rc;
}
