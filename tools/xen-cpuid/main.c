/* xen-cpuid: which processor features the hypervisor knows of, has and gives, as words or by names; CPU policies leaf by leaf. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/domctl.h>
#include <abi/sysctl.h>

#include "features.h"
#include "hcall/hcall.h"

struct leaf {
	uint32_t leaf, subleaf, a, b, c, d;
};

struct msr {
	uint32_t index, flags;
	uint64_t value;
};

static void __attribute__((noreturn)) fail(const char *what, int error)
{
	fprintf(stderr, "xen-cpuid: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

static struct hcall *open_hypervisor(void)
{
	struct hcall *h = hcall_open();

	if (!h)
		fail("no hypercalls: is this domain 0 of a Xen or Hospes host?", errno);
	return h;
}

/* Featuresets. */

static void print_bits(const char *names, uint32_t word)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		size_t len = strcspn(names, " ");
		bool named = len && (len > 1 || *names != '.');

		if (word >> bit & 1) {
			if (named)
				printf(" %.*s", (int)len, names);
			else
				printf(" <%u>", bit);
		}
		names += len;
		names += *names == ' ';
	}
}

/* One line, and with @detail one for each word. */
static void print_set(const char *name, const uint32_t *words, unsigned nr, bool detail)
{
	printf("%-24s        ", name);
	for (unsigned i = 0; i < nr; i++)
		printf("%08x%c", words[i], i + 1 < nr ? ':' : '\n');
	for (unsigned i = 0; detail && i < nr; i++) {
		const struct feature_word *w = i < NR_FEATURE_WORDS ? &feature_words[i] : NULL;

		printf("  [%02u] %-24s", i, w ? w->name : "<UNKNOWN>");
		print_bits(w ? w->bits : "", words[i]);
		puts("");
	}
}

/* What the hypervisor says of set @index: at most @nr words, which are zeroes before. How many there are, or -errno. */
static int ask_set(struct hcall *h, uint32_t index, uint32_t *words, unsigned nr)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_featureset };
	size_t size = nr * sizeof(*words);
	uint32_t *buffer = NULL;
	int rc;

	op.u.cpu_featureset.index = index;
	op.u.cpu_featureset.nr_features = nr;
	if (nr) {
		buffer = hcall_alloc(h, size);
		if (!buffer)
			fail("featureset", ENOMEM);
		op.u.cpu_featureset.features = hcall_address(h, buffer);
	}
	rc = hcall_sysctl(h, &op);
	if (!rc && nr)
		memcpy(words, buffer, size);
	if (nr)
		hcall_free(h, buffer, size);
	return rc ? rc : (int)op.u.cpu_featureset.nr_features;
}

static void print_sets(bool detail)
{
	static const struct {
		const char *name;
		uint32_t index;
	} sets[] = {
		{ "Raw", XEN_SYSCTL_cpu_featureset_raw },	{ "Host", XEN_SYSCTL_cpu_featureset_host },
		{ "PV Default", XEN_SYSCTL_cpu_featureset_pv }, { "HVM Default", XEN_SYSCTL_cpu_featureset_hvm },
		{ "PV Max", XEN_SYSCTL_cpu_featureset_pv_max }, { "HVM Max", XEN_SYSCTL_cpu_featureset_hvm_max },
	};
	struct hcall *h = open_hypervisor();
	uint32_t *words;
	int nr = ask_set(h, 0, NULL, 0);

	if (nr <= 0 || nr > 1024)
		fail("cannot ask for the length of featuresets", nr < 0 ? -nr : EPROTO);
	printf("nr_features: %u\n", (unsigned)nr);
	if (!detail) {
		printf("       %24s ", "KEY");
		for (unsigned i = 0; i < (unsigned)nr; i++)
			printf("%-8s ", i < NR_FEATURE_WORDS ? feature_words[i].brief : "???");
		puts("");
	}
	puts("\nStatic sets:");
	for (unsigned i = 0; i < NR_STATIC_SETS; i++)
		print_set(static_sets[i].name, static_sets[i].words, NR_FEATURE_WORDS, detail);
	puts("\nDynamic sets:");
	words = malloc((size_t)nr * sizeof(*words));
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		int rc;

		if (!words)
			fail("featureset", ENOMEM);
		memset(words, 0, (size_t)nr * sizeof(*words));
		rc = ask_set(h, sets[i].index, words, (unsigned)nr);
		if (rc == -EOPNOTSUPP)
			printf("%s featureset not supported by Xen\n", sets[i].name);
		else if (rc < 0)
			fail(sets[i].name, -rc);
		else
			print_set(sets[i].name, words, (unsigned)nr, detail);
	}
	free(words);
	hcall_close(h);
}

/* Words in hexadecimal with colons between them. */
static void print_given(const char *text)
{
	uint32_t words[NR_FEATURE_WORDS];
	const char *p = text;
	unsigned nr = 0;
	int used;

	while (nr < NR_FEATURE_WORDS && sscanf(p, "%x%n", &words[nr], &used) == 1) {
		p += used;
		nr++;
		if (*p != ':' || nr == NR_FEATURE_WORDS)
			break;
		p++;
	}
	if (!nr) {
		fprintf(stderr, "'%s' unrecognized - skipping\n", text);
		return;
	}
	if (*p)
		fprintf(stderr, "'%s' unrecognized - ignoring\n", p);
	print_set("Raw", words, nr, true);
}

/* Policies. */

struct policy {
	uint32_t nr_leaves, nr_msrs;
	struct leaf *leaves; /* hypercall memory */
	struct msr *msrs;
};

static void print_policy(const char *name, const struct policy *p)
{
	printf("%s policy: %u leaves, %u MSRs\n", name, p->nr_leaves, p->nr_msrs);
	printf(" CPUID:\n  %-8s %-8s -> %-8s %-8s %-8s %-8s\n", "leaf", "subleaf", "eax", "ebx", "ecx", "edx");
	for (uint32_t i = 0; i < p->nr_leaves; i++) {
		const struct leaf *l = &p->leaves[i];

		if (l->a | l->b | l->c | l->d)
			printf("  %08x:%08x -> %08x:%08x:%08x:%08x\n", l->leaf, l->subleaf, l->a, l->b, l->c, l->d);
	}
	printf(" MSRs:\n  %-8s -> %-16s\n", "index", "value");
	for (uint32_t i = 0; i < p->nr_msrs; i++)
		printf("  %08x -> %016llx\n", p->msrs[i].index, (unsigned long long)p->msrs[i].value);
}

/* The sizes of the largest policy, and memory for it. */
static void policy_sizes(struct hcall *h, struct policy *p)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_policy };
	int rc = hcall_sysctl(h, &op);

	if (rc)
		fail("cannot ask for the size of CPU policies", -rc);
	p->nr_leaves = op.u.cpu_policy.nr_leaves;
	p->nr_msrs = op.u.cpu_policy.nr_msrs;
	p->leaves = hcall_alloc(h, (p->nr_leaves + 1) * sizeof(*p->leaves));
	p->msrs = hcall_alloc(h, (p->nr_msrs + 1) * sizeof(*p->msrs));
	if (!p->leaves || !p->msrs)
		fail("CPU policy", ENOMEM);
}

static void print_policies(void)
{
	static const struct {
		const char *name;
		uint32_t index;
	} policies[] = {
		{ "Raw", XEN_SYSCTL_cpu_policy_raw },
		{ "Host", XEN_SYSCTL_cpu_policy_host },
		{ "PV Max", XEN_SYSCTL_cpu_policy_pv_max },
		{ "HVM Max", XEN_SYSCTL_cpu_policy_hvm_max },
		{ "PV Default", XEN_SYSCTL_cpu_policy_pv_default },
		{ "HVM Default", XEN_SYSCTL_cpu_policy_hvm_default },
	};
	struct hcall *h = open_hypervisor();
	struct policy max;

	policy_sizes(h, &max);
	printf("Xen reports there are maximum %u leaves and %u MSRs\n", max.nr_leaves, max.nr_msrs);
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_policy };
		struct policy p = max;
		int rc;

		op.u.cpu_policy.index = policies[i].index;
		op.u.cpu_policy.nr_leaves = max.nr_leaves;
		op.u.cpu_policy.nr_msrs = max.nr_msrs;
		op.u.cpu_policy.leaves = hcall_address(h, max.leaves);
		op.u.cpu_policy.msrs = hcall_address(h, max.msrs);
		rc = hcall_sysctl(h, &op);
		if (rc == -EOPNOTSUPP) {
			printf("%s policy not supported by Xen\n", policies[i].name);
			continue;
		}
		if (rc)
			fail(policies[i].name, -rc);
		p.nr_leaves = op.u.cpu_policy.nr_leaves;
		p.nr_msrs = op.u.cpu_policy.nr_msrs;
		print_policy(policies[i].name, &p);
	}
	hcall_close(h);
}

static void print_domain_policy(const char *word)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_get_cpu_policy };
	struct hcall *h;
	struct policy p;
	char *end, name[32];
	unsigned long domid = strtoul(word, &end, 0);
	int rc;

	if (end == word || *end || domid >= DOMID_FIRST_RESERVED) {
		fprintf(stderr, "xen-cpuid: '%s' is not the id of a domain: xl list shows them\n", word);
		exit(EXIT_FAILURE);
	}
	h = open_hypervisor();
	policy_sizes(h, &p);
	op.domain = (domid_t)domid;
	op.u.cpu_policy.nr_leaves = p.nr_leaves;
	op.u.cpu_policy.nr_msrs = p.nr_msrs;
	op.u.cpu_policy.leaves = hcall_address(h, p.leaves);
	op.u.cpu_policy.msrs = hcall_address(h, p.msrs);
	rc = hcall_domctl(h, &op);
	snprintf(name, sizeof(name), "Domain %lu", domid);
	if (rc)
		fail(name, -rc);
	p.nr_leaves = op.u.cpu_policy.nr_leaves;
	p.nr_msrs = op.u.cpu_policy.nr_msrs;
	print_policy(name, &p);
	hcall_close(h);
}

/* What was asked for; later options win, as do the words "info" and "detail" in place of them. */
struct request {
	enum { INFO, DETAIL, POLICY } mode;
	bool given; /* some mode was named */
};

static struct request parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", 0, NULL, 'h' },    { "info", 0, NULL, 'i' },	 { "detail", 0, NULL, 'd' },
		{ "verbose", 0, NULL, 'v' }, { "policy", 0, NULL, 'p' }, { NULL, 0, NULL, 0 },
	};
	struct request r = { .mode = INFO };
	int c;

	while ((c = getopt_long(argc, argv, "hidvp", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			r.mode = POLICY;
			break;
		case 'd':
		case 'v':
			r.mode = DETAIL;
			break;
		case 'i':
			r.mode = INFO;
			break;
		default:
			if (c != 'h')
				printf("Bad option '%c'\n", c);
			printf("Usage: %s [ info | detail | <featureset>* ]\n", argv[0]);
			exit(EXIT_SUCCESS);
		}
		r.given = true;
	}
	if (optind < argc && !r.given && (!strcmp(argv[optind], "info") || !strcmp(argv[optind], "detail"))) {
		r.mode = argv[optind][0] == 'd' ? DETAIL : INFO;
		r.given = true;
	}
	return r;
}

int main(int argc, char **argv)
{
	struct request r = parse(argc, argv);

	if (r.mode == POLICY) {
		if (optind < argc)
			print_domain_policy(argv[optind]);
		else
			print_policies();
		return EXIT_SUCCESS;
	}
	if (r.given || optind == argc) {
		print_sets(r.mode == DETAIL);
		return EXIT_SUCCESS;
	}
	while (optind < argc)
		print_given(argv[optind++]);
	return EXIT_SUCCESS;
}
