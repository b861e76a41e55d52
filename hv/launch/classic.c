/* Classic boot: no tree, the first module is the kernel of dom0, the second its initrd, and dom0 holds every role. */
#include "fdt.h"
#include "hv/errno.h"
#include "hv/loader_abi.h"
#include "hv/mm.h"
#include "hv/parse.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "internal.h"

#define KEEP_MAX (128UL << 20) /* at most this much is left for Hospes by default, as in Xen */
#define KEEP_FIXED (16UL << 20)

/* One size of dom0_mem=: "1G", or "-256M": all but that. False if it is neither. */
static bool parse_amount(const char *s, size_t len, uint64_t all, uint64_t *out)
{
	bool minus = len && *s == '-';
	char word[24];

	s += minus;
	len -= minus;
	if (len == 0 || len >= sizeof(word))
		return false;
	memcpy(word, s, len);
	word[len] = 0;
	if (parse_size(word, out))
		return false;
	if (minus)
		*out = *out < all ? all - *out : 0;
	return true;
}

/* dom0_mem=<size>[,min:<size>][,max:<size>]; bytes. */
static void parse_dom0_mem(const char *list, uint64_t all, uint64_t *mem, uint64_t *max)
{
	uint64_t min = 0, v;
	const char *item;
	size_t len;

	while (parse_item(&list, ',', &item, &len)) {
		uint64_t *to = mem;

		if (len > 4 && (memcmp(item, "min:", 4) == 0 || memcmp(item, "max:", 4) == 0)) {
			to = item[1] == 'i' ? &min : max;
			item += 4;
			len -= 4;
		}
		if (parse_amount(item, len, all, &v))
			*to = v;
		else
			printk(LOG_WARN, "dom0_mem: '%.*s' is no size: ignored\n", (int)len, item);
	}
	*mem = max_u64(*mem, min);
	if (*max && *mem > *max)
		*mem = *max;
}

/* dom0_max_vcpus=<n> or [<min>]-[<max>]: as many as the machine has CPUs, within those bounds. */
static uint32_t parse_dom0_vcpus(const char *s)
{
	uint64_t min = 1, max = DOMAIN_MAX_VCPUS, n = nr_cpus_online();
	const char *end = s;

	if (*s && *s != '-' && parse_u64(s, &end, &min))
		end = s;
	if (end != s && !*end)
		max = min;
	else if (*end == '-' && end[1] && (parse_u64(end + 1, &end, &max) || *end))
		max = DOMAIN_MAX_VCPUS;
	n = max_u64(min_u64(n, max), min);
	return (uint32_t)(n < 1 ? 1 : min_u64(n, DOMAIN_MAX_VCPUS));
}

/* dom0=pvh is what is built; other kinds are named in entries of boot loaders made for Xen. */
static void check_dom0_kind(void)
{
	if (param_list_bool("dom0", "pv", false) && !param_list_bool("dom0", "pvh", false))
		printk(LOG_WARN, "dom0=pv is not built here: dom0 is PVH, which Debian's kernel can be as well\n");
}

/* See internal.h. */
int launch_classic(struct launch_config *cfg, const struct boot_info *bi)
{
	struct launch_domain *d = &cfg->domains[0];
	uint64_t all = mm_free_frames() << PAGE_SHIFT, keep, mem, max = 0;

	memset(cfg, 0, sizeof(*cfg));
	if (bi->nr_modules == 0)
		return err(-ENOENT);
	/* Scratch for the loader, and page tables: 8 bytes for each 4 KiB at worst. */
	keep = KEEP_FIXED + min_u64(all / 16, KEEP_MAX) + LOADER_HEAP + 2 * bi->modules[0].size;
	mem = keep < all ? all - keep : 0;
	parse_dom0_mem(param_string("dom0_mem", ""), all, &mem, &max);
	check_dom0_kind();

	(void)str_copy(d->node, "dom0", sizeof(d->node));
	(void)str_copy(d->name, "Domain-0", sizeof(d->name));
	d->mode = LAUNCH_MODE_64BIT;
	d->permissions = LAUNCH_PERMIT_CONTROL | LAUNCH_PERMIT_HARDWARE;
	d->functions = LAUNCH_FUNCTION_LEGACY_DOM0;
	d->roles = ROLE_ALL;
	d->cpus = parse_dom0_vcpus(param_string("dom0_max_vcpus", ""));
	d->pin_each = param_bool("dom0_vcpus_pin", false);
	d->memory_kib = mem >> 10;
	d->max_memory_kib = max >> 10;
	d->kernel = 0;
	d->ramdisk = bi->nr_modules > 1 ? 1 : -1;
	d->config = -1;
	d->on_reboot = LAUNCH_RESTART;
	cfg->nr_domains = 1;
	return 0;
}
