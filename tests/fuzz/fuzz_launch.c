/*
 * Boot modules as an attacker would write them: a launch tree through the whole of launch_parse(), or a kernel file through
 * the ELF reader. First byte: which. What comes out must keep the promises the builder relies on.
 */
#include <stdlib.h>

#include "hv/launch.h"
#include "hv/launch/elf.h"
#include "hv/string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct launch_config cfg;

static void check_domain(const struct launch_domain *d, unsigned nr_modules)
{
	if (d->domid >= DOMID_FIRST_RESERVED || d->cpus == 0 || d->cpus > DOMAIN_MAX_VCPUS || d->memory_kib < 2048 ||
	    d->kernel < 0 || d->kernel >= (int)nr_modules || d->ramdisk >= (int)nr_modules ||
	    d->config >= (int)nr_modules || d->roles & ~ROLE_ALL || !memchr(d->name, 0, sizeof(d->name)) ||
	    !memchr(d->bootargs, 0, sizeof(d->bootargs)))
		abort();
}

static void tree(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 1, 2, 0, 4 };

	if (launch_parse(&cfg, data, size, 4, size & 1 ? sizes : NULL))
		return;
	if (cfg.nr_domains > LAUNCH_MAX_DOMAINS || cfg.nr_links > LAUNCH_MAX_LINKS || cfg.nr_grants > LAUNCH_MAX_LINKS)
		abort();
	for (unsigned i = 0; i < cfg.nr_domains; i++) {
		check_domain(&cfg.domains[i], 4);
		for (unsigned j = 0; j < i; j++)
			if (cfg.domains[i].domid == cfg.domains[j].domid)
				abort();
	}
	for (unsigned i = 0; i < cfg.nr_links; i++)
		if (cfg.links[i].dom >= cfg.nr_domains || cfg.links[i].peer >= cfg.nr_domains || !cfg.links[i].port)
			abort();
	for (unsigned i = 0; i < cfg.nr_grants; i++)
		if (cfg.grants[i].dom >= cfg.nr_domains || cfg.grants[i].peer >= cfg.nr_domains ||
		    cfg.grants[i].ref < 8)
			abort();
}

static void kernel(const uint8_t *data, size_t size)
{
	struct elf_image e;
	struct elf_segment s;
	unsigned i = 0;

	if (elf_parse(&e, data, size))
		return;
	while (elf_next_load(&e, &i, &s)) {
		if (s.filesz > s.memsz || s.paddr < e.low || s.paddr + s.memsz > e.high)
			abort();
		if (s.filesz && (s.data < data || s.data + s.filesz > data + size))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		tree(data + 1, size - 1);
	else
		kernel(data + 1, size - 1);
	return 0;
}
