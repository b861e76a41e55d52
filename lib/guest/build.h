/*
 * From a configuration to a domain that can run: the hypercalls of a creation, and the image in its memory. Knows nothing of the store,
 * of devices or of daemons; the caller introduces the domain and unpauses it.
 *
 * Steps, in order; each can be timed and each can fail with a problem that names it:
 *   create      createdomain, vCPUs, affinity, scheduler parameters, limits, CPUID policy, TSC mode
 *   memory      claim, populate in superpages where alignment allows, memory map
 *   kernel      unpacked (cached by content), segments copied in
 *   ramdisk     copied in
 *   start       start info, command line, store and console pages with their grants (0 console, 1 store), ports, vCPU 0's state
 */
#ifndef GUEST_BUILD_H
#define GUEST_BUILD_H

#include <stdbool.h>
#include <stdint.h>

struct domain_config;
struct hcall;
struct problem;

/* Where unpacked kernels are kept. */
#define GUEST_KERNEL_CACHE "/var/cache/hospes/kernels"

/* Zeroed, then filled in as far as something is asked for. */
struct guest_build {
	/* Asked for. */
	uint32_t domid;			     /* wanted id, 0: the hypervisor chooses */
	uint32_t store_domid, console_domid; /* whom the ports and grants are for: 0 */
	uint32_t cpupool;		     /* number of the pool of config's name: 0 is the first */
	const char *kernel_cache;	     /* GUEST_KERNEL_CACHE, or NULL: none */
	bool verbose_timings;

	/* Found. */
	uint32_t built_domid;
	uint64_t store_gfn, console_gfn;
	uint32_t store_port, console_port; /* the guest's ports, to be bound by those domains */
	struct {
		const char *step;
		uint64_t ns;
		uint64_t hypercalls;
	} timing[12];
	unsigned nr_timings;
};

/*
 * Build the domain @c describes (type PVH here; others answer with the problem "type-not-supported"). On failure the domain is destroyed again and
 * nothing is left. @progress (may be NULL) is called between slices of long steps and may return false to give up (-ECANCELED).
 */
int guest_build(struct hcall *h, const struct domain_config *c, struct guest_build *b,
		bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
		struct problem *p);

/*
 * A kernel file made ready: an ELF image in memory (mmap), whether it was ELF, bzImage (gzip, bzip2, xz, lzma, lz4, zstd) or cached. Unpacking happens
 * in a child without rights (only to compute and to end; bounded memory and time); results are cached in @cache_dir: path, size, times and inode find the
 * entry, hashes of the bytes prove it. cache_dir NULL: no cache. Zeroes at the end of segments of an unpacked image may be cut off: a domain's memory is zero.
 * Callable from any thread; files may change meanwhile.
 */
struct guest_kernel {
	const uint8_t *elf;
	uint64_t size;
	bool from_cache;
	void *map; /* what close gives back */
	uint64_t map_size;
};
int guest_kernel_open(struct guest_kernel *k, const char *path, const char *cache_dir, struct problem *p);
void guest_kernel_close(struct guest_kernel *k);

#endif
