/* xen-detect: whether this system runs on Xen's interface, and as which kind of guest. For scripts: the answer is the exit status too. */
#include <cpuid.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NONE, PV, HVM };

struct found {
	enum kind kind;
	char context[16]; /* the kernel's word for it, if it says one */
	char version[40];
};

/* A file of sysfs without the end of its line; false: it is not there. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = 0;
	return ok;
}

/* As CPUID shows it: only hardware containers see these leaves without asking the hypervisor in a way of its own. */
static bool by_cpuid(struct found *f)
{
	uint32_t eax, name[3], unused;

	__cpuid(1, eax, unused, name[0], unused);
	if (!(name[0] >> 31))
		return false; /* no hypervisor: the leaves would be those of something else */
	for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
		__cpuid(base, eax, name[0], name[1], name[2]);
		if (memcmp(name, "XenVMMXenVMM", 12) || eax < base + 2)
			continue;
		__cpuid(base + 1, eax, name[0], name[1], name[2]);
		f->kind = HVM;
		strcpy(f->context, "HVM");
		snprintf(f->version, sizeof(f->version), "V%u.%u", eax >> 16, eax & 0xffff);
		return true;
	}
	return false;
}

/* As the kernel shows it. */
static void by_sysfs(struct found *f)
{
	char line[16], minor[16];

	if (!read_line("/sys/hypervisor/type", line, sizeof(line)) || strcmp(line, "xen"))
		return;
	f->kind = PV;
	if (read_line("/sys/hypervisor/guest_type", f->context, sizeof(f->context)))
		f->kind = strcmp(f->context, "PV") ? HVM : PV;
	else
		strcpy(f->context, "PV");
	if (read_line("/sys/hypervisor/version/major", line, sizeof(line)) &&
	    read_line("/sys/hypervisor/version/minor", minor, sizeof(minor)))
		snprintf(f->version, sizeof(f->version), "V%s.%s", line, minor);
	else
		strcpy(f->version, "unknown version");
}

static void usage(void)
{
	puts("Usage: xen_detect [options]\n"
	     "Options:\n"
	     "  -h, --help    Display this information\n"
	     "  -q, --quiet   Quiesce normal informational output\n"
	     "  -P, --pv      Exit status 1 if not running as PV guest\n"
	     "  -H, --hvm     Exit status 1 if not running as HVM or PVH guest.\n"
	     "  -N, --none    Exit status 1 if running on Xen (PV or HVM)");
	exit(1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", 0, NULL, 'h' }, { "quiet", 0, NULL, 'q' }, { "pv", 0, NULL, 'P' },
		{ "hvm", 0, NULL, 'H' },  { "none", 0, NULL, 'N' },  { NULL, 0, NULL, 0 },
	};
	struct found f = { .kind = NONE };
	int wanted = -1, c;
	bool quiet = false;

	while ((c = getopt_long(argc, argv, "hqPHN", options, NULL)) >= 0) {
		switch (c) {
		case 'q':
			quiet = true;
			break;
		case 'P':
			wanted = PV;
			break;
		case 'H':
			wanted = HVM;
			break;
		case 'N':
			wanted = NONE;
			break;
		default:
			usage();
		}
	}
	by_sysfs(&f);
	if (f.kind == NONE)
		by_cpuid(&f);
	if (!quiet && f.kind == NONE)
		puts("Not running on Xen.");
	else if (!quiet)
		printf("Running in %s context on Xen %s.\n", f.context, f.version);
	return wanted >= 0 && (int)f.kind != wanted;
}
