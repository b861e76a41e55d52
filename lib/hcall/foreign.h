/* Memory of other domains, mapped. */
#ifndef HCALL_FOREIGN_H
#define HCALL_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

struct hcall;

/*
 * Map @nr guest frames of @domid, one page after the other. @prot as for mmap(). @errs (may be NULL) gets 0 or -errno per frame, and the
 * mapping is then made with holes (touching one is SIGBUS/SIGSEGV); without @errs one bad frame fails the call. NULL and errno.
 */
void *foreign_map(struct hcall *h, uint32_t domid, int prot, const uint64_t *gfns, size_t nr, int *errs);
int foreign_unmap(struct hcall *h, void *p, size_t nr);

/* XENMEM_acquire_resource: @nr frames from @frame of resource @type/@id (grant table, ioreq pages ...). NULL and errno. */
void *foreign_map_resource(struct hcall *h, uint32_t domid, unsigned type, unsigned id, uint64_t frame, size_t nr,
			   int prot);

/*
 * Copy @len bytes into @domid's memory at guest-physical @gpa, zeroes where @src is NULL. Uses Hospes' copy operation where the hypervisor
 * has it (one hypercall per range), else maps (also on Xen). 0 or -errno; nothing is said of what was written before an error.
 */
int foreign_write(struct hcall *h, uint32_t domid, uint64_t gpa, const void *src, size_t len);
int foreign_read(struct hcall *h, uint32_t domid, uint64_t gpa, void *dst, size_t len);

#endif
