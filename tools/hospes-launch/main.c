/*
 * hospes-launch: make, check and show launch trees. `check` and `show` run the code the hypervisor itself runs at boot
 * (hv/launch/fdt.c and tree.c). Documentation: docs/launch.md.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hospes-launch.h"
#include "hv/launch.h"

int error(const char *fmt, ...)
{
	va_list ap;

	fputs("hospes-launch: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

char *read_file(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t n = 0, room = 0;

	if (!f) {
		error("%s: %s", path, strerror(errno));
		return NULL;
	}
	do {
		if (room - n < 2) {
			char *grown = realloc(data, room = room ? room * 2 : 4096);

			if (!grown) {
				error("%s: out of memory", path);
				goto err;
			}
			data = grown;
		}
		n += fread(data + n, 1, room - n - 1, f);
	} while (!feof(f) && !ferror(f));
	if (ferror(f)) {
		error("%s: %s", path, strerror(errno));
		goto err;
	}
	fclose(f);
	data[n] = 0;
	*size = n;
	return data;
err:
	fclose(f);
	free(data);
	return NULL;
}

/* Run the hypervisor's parser; modules after the tree, none given: not checked. NULL after a reported error. */
static const struct launch_config *parse(const char *file, char *const *mods, int nr_mods)
{
	static struct launch_config cfg;
	static uint64_t sizes[BOOT_MAX_MODULES];
	size_t size;
	char *blob = read_file(file, &size);

	if (!blob)
		return NULL;
	if (nr_mods >= (int)BOOT_MAX_MODULES) {
		error("more than %u modules", BOOT_MAX_MODULES - 1);
		free(blob);
		return NULL;
	}
	sizes[0] = size;
	for (int i = 0; i < nr_mods; i++) {
		struct stat st;

		if (stat(mods[i], &st)) {
			error("%s: %s", mods[i], strerror(errno));
			free(blob);
			return NULL;
		}
		sizes[i + 1] = (uint64_t)st.st_size;
	}
	/* A tree that cannot be read leaves its reason among the faults. */
	if (launch_parse(&cfg, blob, size, nr_mods ? (unsigned)nr_mods + 1 : BOOT_MAX_MODULES, nr_mods ? sizes : NULL))
		cfg.nr_domains = 0;
	free(blob);
	return &cfg;
}

/* Print faults; returns how many are more than notes. */
static unsigned print_faults(const struct launch_config *cfg)
{
	unsigned bad = cfg->nr_faults > LAUNCH_MAX_FAULTS ? cfg->nr_faults - LAUNCH_MAX_FAULTS : 0;

	for (unsigned i = 0; i < cfg->nr_faults && i < LAUNCH_MAX_FAULTS; i++) {
		fprintf(stderr, "%s%s\n", cfg->faults[i].note ? "note: " : "", cfg->faults[i].text);
		bad += !cfg->faults[i].note;
	}
	return bad;
}

static int cmd_check(int argc, char **argv)
{
	const struct launch_config *cfg = argc < 1 ? NULL : parse(argv[0], argv + 1, argc - 1);
	unsigned bad;

	if (!cfg)
		return argc < 1 ? error("check: which tree?") : -1;
	bad = print_faults(cfg);
	printf("%s: %u domains, %u links, %u grants, %u faults\n", argv[0], cfg->nr_domains, cfg->nr_links,
	       cfg->nr_grants, bad);
	return bad ? -1 : 0;
}

static void print_roles(uint32_t roles)
{
	static const char *const names[] = { "control", "hardware", "xenstore", "console", "boot" };
	const char *sep = "";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (roles >> i & 1) {
			printf("%s%s", sep, names[i]);
			sep = ",";
		}
	puts(*sep ? "" : "-");
}

static int cmd_show(int argc, char **argv)
{
	const struct launch_config *cfg = argc == 1 ? parse(argv[0], NULL, 0) : NULL;

	if (!cfg)
		return argc == 1 ? -1 : error("show: which tree?");
	printf("%-20s %5s %9s %5s %6s %7s  %s\n", "NAME", "DOMID", "MEM(MiB)", "VCPUS", "KERNEL", "RAMDISK", "ROLES");
	for (unsigned i = 0; i < cfg->nr_domains; i++) {
		const struct launch_domain *d = &cfg->domains[i];

		printf("%-20s %5u %9lu %5u %6d ", d->name, d->domid, (unsigned long)(d->memory_kib >> 10), d->cpus,
		       d->kernel);
		if (d->ramdisk < 0)
			printf("%7s  ", "-");
		else
			printf("%7d  ", d->ramdisk);
		print_roles(d->roles);
	}
	for (unsigned i = 0; i < cfg->nr_links; i++)
		printf("link  %s port %u <-> %s port %u\n", cfg->domains[cfg->links[i].dom].name, cfg->links[i].port,
		       cfg->domains[cfg->links[i].peer].name, cfg->links[i].peer_port);
	for (unsigned i = 0; i < cfg->nr_grants; i++)
		printf("grant %s ref %u gfn 0x%lx -> %s%s\n", cfg->domains[cfg->grants[i].dom].name, cfg->grants[i].ref,
		       (unsigned long)cfg->grants[i].gfn, cfg->domains[cfg->grants[i].peer].name,
		       cfg->grants[i].readonly ? " read-only" : "");
	return print_faults(cfg) ? -1 : 0;
}

/* A file name as QEMU's option parser wants it: commas doubled. */
static void print_qemu(const char *s)
{
	for (; *s; s++) {
		putchar(*s);
		if (*s == ',')
			putchar(',');
	}
}

static void print_modules(const struct module_list *m)
{
	for (size_t i = 0; i < m->nr; i++)
		printf("module %zu: %s\n", i, m->path[i]);
	printf("QEMU:  -initrd \"");
	for (size_t i = 0; i < m->nr; i++) {
		if (i)
			putchar(',');
		print_qemu(m->path[i]);
	}
	printf("\"\nGRUB:  multiboot2 /boot/hospes\n");
	for (size_t i = 0; i < m->nr; i++)
		printf("       module2 %s\n", m->path[i]);
}

static int write_list(const char *path, const struct module_list *m)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return error("%s: %s", path, strerror(errno));
	for (size_t i = 0; i < m->nr; i++)
		fprintf(f, "%s\n", m->path[i]);
	return fclose(f) ? error("%s: %s", path, strerror(errno)) : 0;
}

static int write_blob(const char *path, const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "wb");
	int bad;

	if (!f)
		return error("%s: %s", path, strerror(errno));
	bad = fwrite(data, 1, size, f) != size;
	bad |= fclose(f) != 0;
	return bad ? error("%s: %s", path, strerror(errno)) : 0;
}

static int cmd_compile(int argc, char **argv)
{
	const char *out = NULL, *list = NULL;
	struct module_list mods = { 0 };
	int nr = 0, rc;
	uint8_t *blob = NULL;
	size_t size = 0;

	for (int i = 0; i < argc; i++) {
		const char **to = strcmp(argv[i], "-o") == 0		? &out :
				  strcmp(argv[i], "--module-list") == 0 ? &list :
									  NULL;

		if (!to)
			argv[nr++] = argv[i];
		else if (++i < argc)
			*to = argv[i];
		else
			return error("compile: %s needs a file name", argv[i - 1]);
	}
	if (nr == 0 || !out)
		return error("compile: give xl.cfg files and -o <tree>");
	mods.path = malloc(sizeof(*mods.path));
	if (!mods.path || !(mods.path[0] = strdup(out)))
		return error("out of memory");
	mods.nr = 1;
	rc = compile_files(argv, (size_t)nr, &blob, &size, &mods);
	if (rc == 0)
		rc = write_blob(out, blob, size);
	if (rc == 0 && list)
		rc = write_list(list, &mods);
	if (rc == 0) {
		const struct launch_config *cfg = parse(out, NULL, 0);

		print_modules(&mods);
		rc = cfg && print_faults(cfg) == 0 ? 0 : -1;
	}
	for (size_t i = 0; i < mods.nr; i++)
		free(mods.path[i]);
	free(mods.path);
	free(blob);
	return rc;
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "compile", cmd_compile, "compile <xl.cfg>... -o <tree> [--module-list <file>]" },
	{ "check", cmd_check, "check <tree> [<module>...]" },
	{ "show", cmd_show, "show <tree>" },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].fn(argc - 2, argv + 2) ? 1 : 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "%s hospes-launch %s\n", i ? "      " : "usage:", commands[i].usage);
	return 2;
}
