/*
 * A domain's memory and registers as a file: the ELF core format of xl dump-core, which crash(8) and gdb scripts read. Sections .note.Xen,
 * .xen_prstatus (a vcpu_guest_context per vCPU), .xen_shared_info, .xen_pfn (frame numbers, ascending) and .xen_pages (their bytes, in that order).
 */
#ifndef GUEST_DUMP_H
#define GUEST_DUMP_H

#include <stdbool.h>
#include <stdint.h>

struct hcall;
struct problem;

/* Where Debian's xl puts the dumps of crashed domains, each under its domain's name. */
#define GUEST_DUMP_DIR "/var/lib/xen/dump"

/*
 * Write the core of @domid, which may run meanwhile, to @path: a new file that only its owner may read, replacing an old one. Pages full of zeroes become
 * holes. @progress (may be NULL) is called now and then with numbers of pages and may return false to give up (-ECANCELED). On failure no
 * file is left: 0 or -errno and the problem.
 */
int guest_dump(struct hcall *h, uint32_t domid, const char *path,
	       bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
	       struct problem *p);

#endif
