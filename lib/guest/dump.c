#include "guest/dump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/domctl.h"
#include "abi/memory.h"
#include "abi/version.h"
#include "base/problem.h"
#include "guest/dump_vcpu.h"
#include "hcall/foreign.h"
#include "hcall/hcall.h"

#define PAGE 4096u
#define BATCH 1024u /* frames asked about by one call: as many as a hypervisor answers */
#define WINDOW 256u /* pages mapped at a time */
#define CORE_MAGIC_HVM 0xf00febeeull
#define DUMPCORE_NONE 0x2000000u
#define DUMPCORE_HEADER 0x2000001u
#define DUMPCORE_XEN_VERSION 0x2000002u
#define DUMPCORE_FORMAT_VERSION 0x2000003u

enum { SECTION_NULL, SECTION_NAMES, SECTION_NOTE, SECTION_VCPUS, SECTION_INFO, SECTION_PFNS, SECTION_PAGES, SECTIONS };

static const char names[] = "\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_shared_info\0.xen_pfn\0.xen_pages";

struct version_note {
	uint64_t major, minor;
	xen_extraversion_t extra;
	struct xen_compile_info compile;
	xen_capabilities_info_t capabilities;
	xen_changeset_info_t changeset;
	struct xen_platform_parameters platform;
	uint64_t pagesize;
};
_Static_assert(sizeof(struct version_note) == 1280, "Xen's layout");

struct note {
	Elf64_Nhdr head;
	char owner[4];
};

/* All notes as they lie in the file. */
struct notes {
	struct note none;
	struct note header;
	uint64_t magic, nr_vcpus, nr_pages, page_size;
	struct note version;
	struct version_note xen;
	struct note format;
	uint64_t format_version;
};
_Static_assert(sizeof(struct notes) == 1384, "no padding");

struct dump {
	struct hcall *h;
	uint32_t domid;
	const char *path;
	int fd;
	bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
	void *arg;
	struct problem *p;

	struct xen_domctl_getdomaininfo info;
	Elf64_Shdr sections[SECTIONS];
	uint64_t at; /* where the next section begins */
	uint64_t *pfns, nr_pages, room;
};

static int refused(struct dump *d, const char *what, long rc)
{
	return problem_set(d->p, (int)-rc, rc == -ESRCH ? "no-such-domain" : "hypervisor-refused", "dump",
			   "see what the hypervisor says: xl dmesg", "%s: %s", what, strerror((int)-rc));
}

static int write_at(struct dump *d, const void *bytes, size_t len, uint64_t at)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = pwrite(d->fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return problem_set(d->p, n ? errno : EIO, "cannot-write", "dump",
					   "give a file on a disk with room for the domain's memory", "%s: %s", d->path,
					   strerror(n ? errno : EIO));
		p += n;
		len -= (size_t)n;
		at += (size_t)n;
	}
	return 0;
}

/* A section of @len bytes at the present place of the file. */
static void add_section(struct dump *d, unsigned which, uint32_t type, uint64_t len, uint64_t entry)
{
	const char *name = names;

	for (unsigned i = 0; i < which; i++)
		name += strlen(name) + 1;
	d->sections[which] = (Elf64_Shdr){ .sh_name = (Elf64_Word)(name - names),
					   .sh_type = type,
					   .sh_offset = d->at,
					   .sh_size = len,
					   .sh_addralign = 1,
					   .sh_entsize = entry };
	d->at += len;
}

static int find_domain(struct dump *d)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)d->domid };
	int rc = hcall_domctl(d->h, &op);

	d->info = op.u.getdomaininfo;
	if (!rc && d->info.domain != d->domid)
		rc = -ESRCH;
	if (rc)
		return refused(d, "the domain cannot be looked at", rc);
	if (!(d->info.flags & XEN_DOMINF_hvm_guest))
		return problem_set(d->p, ENOTSUP, "type-not-supported", "dump",
				   "look at its console instead: xl console --log", "it is a PV domain");
	return 0;
}

static int write_vcpus(struct dump *d)
{
	unsigned nr = d->info.max_vcpu_id + 1;
	struct dump_vcpu *v;
	int rc;

	v = dump_vcpus(d->h, d->domid, nr, &rc);
	if (!v && rc == -EINVAL && d->domid == 0)
		return problem_set(d->p, EINVAL, "control-domain", "dump", "use kdump inside it",
				   "a domain cannot dump itself");
	if (!v)
		return refused(d, "its processors' registers cannot be read", rc);
	rc = write_at(d, v, nr * sizeof(*v), d->at);
	add_section(d, SECTION_VCPUS, SHT_PROGBITS, nr * sizeof(*v), sizeof(*v));
	free(v);
	return rc;
}

/* What hypervisors need not tell; without it the section is empty. */
static int write_shared_info(struct dump *d)
{
	uint64_t gfn = d->info.shared_info_frame;
	int err = 0, rc = 0;
	void *page = gfn == ~0ull ? NULL : foreign_map(d->h, d->domid, PROT_READ, &gfn, 1, &err);

	if (page && !err)
		rc = write_at(d, page, PAGE, d->at);
	add_section(d, SECTION_INFO, SHT_PROGBITS, page && !err ? PAGE : 0, PAGE);
	if (page)
		foreign_unmap(d->h, page, 1);
	return rc;
}

static bool is_zero(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)page;

	for (unsigned i = 0; i < PAGE / 8; i++)
		if (w[i])
			return false;
	return true;
}

/* Pages @gfns; those that went away since they were asked about are left out. */
static int write_pages(struct dump *d, const uint64_t *gfns, unsigned nr)
{
	int errs[WINDOW], rc = 0;
	uint8_t *p = foreign_map(d->h, d->domid, PROT_READ, gfns, nr, errs);

	if (!p)
		return refused(d, "its memory cannot be mapped", -errno);
	if (d->nr_pages + nr > d->room) {
		uint64_t room = d->room * 2 + WINDOW, *more = realloc(d->pfns, room * sizeof(*more));

		if (!more)
			rc = problem_set(d->p, ENOMEM, "out-of-memory", "dump", "free memory of domain 0",
					 "no memory for the list of %llu pages", (unsigned long long)room);
		else
			d->pfns = more, d->room = room;
	}
	for (unsigned i = 0; i < nr && !rc; i++) {
		if (errs[i])
			continue;
		if (!is_zero(p + (size_t)i * PAGE))
			rc = write_at(d, p + (size_t)i * PAGE, PAGE, d->at + d->nr_pages * PAGE);
		d->pfns[d->nr_pages++] = gfns[i];
	}
	foreign_unmap(d->h, p, nr);
	return rc;
}

/* Which of the @nr frames from @first on are there? They replace the contents of @gfns, memory for hypercalls; @nr becomes their number. */
static int ask_frames(struct dump *d, uint64_t first, uint64_t *gfns, unsigned *nr)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = (domid_t)d->domid };
	unsigned there = 0;
	int rc;

	for (unsigned i = 0; i < *nr; i++)
		gfns[i] = first + i;
	op.u.getpageframeinfo3.num = *nr;
	op.u.getpageframeinfo3.array = hcall_address(d->h, gfns);
	rc = hcall_domctl(d->h, &op);
	if (rc)
		return refused(d, "its memory cannot be looked at", rc);
	for (unsigned i = 0; i < *nr; i++)
		if ((gfns[i] & XEN_DOMCTL_PFINFO_XTAB) < XEN_DOMCTL_PFINFO_BROKEN)
			gfns[there++] = first + i;
	*nr = there;
	return 0;
}

static int write_memory(struct dump *d)
{
	domid_t id = (domid_t)d->domid;
	long last = hcall_memory(d->h, XENMEM_maximum_gpfn, &id, sizeof(id));
	uint64_t *gfns = hcall_alloc(d->h, BATCH * sizeof(*gfns));
	int rc = 0;

	if (last < 0 || !gfns) {
		rc = refused(d, "its memory cannot be measured", gfns ? last : -ENOMEM);
		last = -1;
	}
	d->at = (d->at + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	for (uint64_t first = 0; !rc && first <= (uint64_t)last; first += BATCH) {
		unsigned nr = BATCH;

		if ((uint64_t)last - first < BATCH - 1)
			nr = (unsigned)((uint64_t)last - first) + 1;
		rc = ask_frames(d, first, gfns, &nr);
		for (unsigned i = 0; i < nr && !rc; i += WINDOW)
			rc = write_pages(d, gfns + i, nr - i < WINDOW ? nr - i : WINDOW);
		if (!rc && nr && d->progress && !d->progress(d->arg, "dump", d->nr_pages, d->info.tot_pages))
			rc = problem_set(d->p, ECANCELED, "cancelled", "dump", "repeat the command", "it was given up");
	}
	if (gfns)
		hcall_free(d->h, gfns, BATCH * sizeof(*gfns));
	add_section(d, SECTION_PAGES, SHT_PROGBITS, d->nr_pages * PAGE, PAGE);
	if (!rc)
		rc = write_at(d, d->pfns, d->nr_pages * sizeof(*d->pfns), d->at);
	add_section(d, SECTION_PFNS, SHT_PROGBITS, d->nr_pages * sizeof(*d->pfns), sizeof(*d->pfns));
	return rc;
}

static struct note note_of(uint32_t type, size_t len)
{
	return (struct note){ { 4, (Elf64_Word)len, type }, "Xen" };
}

static void ask_version(struct hcall *h, struct version_note *v)
{
	long version = hcall_version(h, XENVER_version, NULL, 0), pagesize = hcall_version(h, XENVER_pagesize, NULL, 0);

	v->major = (uint64_t)version >> 16;
	v->minor = version & 0xffff;
	(void)hcall_version(h, XENVER_extraversion, v->extra, sizeof(v->extra));
	(void)hcall_version(h, XENVER_compile_info, &v->compile, sizeof(v->compile));
	(void)hcall_version(h, XENVER_capabilities, v->capabilities, sizeof(v->capabilities));
	(void)hcall_version(h, XENVER_changeset, v->changeset, sizeof(v->changeset));
	(void)hcall_version(h, XENVER_platform_parameters, &v->platform, sizeof(v->platform));
	v->pagesize = pagesize > 0 ? (uint64_t)pagesize : PAGE;
}

/* What stands before the rest, when the rest is known. */
static int write_head(struct dump *d, uint64_t notes_at)
{
	Elf64_Ehdr e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_CORE,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_shoff = sizeof(e),
			 .e_ehsize = sizeof(e),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = SECTIONS,
			 .e_shstrndx = SECTION_NAMES };
	struct notes n = { .none = note_of(DUMPCORE_NONE, 0),
			   .header = note_of(DUMPCORE_HEADER, 32),
			   .magic = CORE_MAGIC_HVM,
			   .nr_vcpus = d->info.max_vcpu_id + 1,
			   .nr_pages = d->nr_pages,
			   .page_size = PAGE,
			   .version = note_of(DUMPCORE_XEN_VERSION, sizeof(n.xen)),
			   .format = note_of(DUMPCORE_FORMAT_VERSION, 8),
			   .format_version = 1 };
	int rc;

	ask_version(d->h, &n.xen);
	rc = write_at(d, names, sizeof(names), d->at);
	add_section(d, SECTION_NAMES, SHT_STRTAB, sizeof(names), 0);
	if (!rc)
		rc = write_at(d, &n, sizeof(n), notes_at);
	if (!rc)
		rc = write_at(d, d->sections, sizeof(d->sections), sizeof(e));
	return rc ? rc : write_at(d, &e, sizeof(e), 0);
}

static int write_core(struct dump *d)
{
	uint64_t notes_at = sizeof(Elf64_Ehdr) + sizeof(d->sections);
	int rc;

	d->at = notes_at;
	add_section(d, SECTION_NOTE, SHT_NOTE, sizeof(struct notes), 0);
	d->sections[SECTION_NOTE].sh_addralign = 4;
	rc = write_vcpus(d);
	if (!rc)
		rc = write_shared_info(d);
	if (!rc)
		rc = write_memory(d);
	if (!rc)
		rc = write_head(d, notes_at);
	if (!rc && fsync(d->fd) && errno != EINVAL && errno != EROFS)
		rc = problem_set(d->p, errno, "cannot-write", "dump",
				 "give a file on a disk with room for the domain's memory", "%s: %s", d->path,
				 strerror(errno));
	return rc;
}

int guest_dump(struct hcall *h, uint32_t domid, const char *path,
	       bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total), void *arg,
	       struct problem *p)
{
	struct dump d = { .h = h, .domid = domid, .path = path, .progress = progress, .arg = arg, .p = p };
	struct stat st;
	int rc;

	problem_domain(p, NULL, domid);
	rc = find_domain(&d);
	if (rc)
		return rc;
	d.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	if (d.fd < 0)
		return problem_set(p, errno, "cannot-write", "dump",
				   "name a file in a directory that exists and can be written", "%s: %s", path,
				   strerror(errno));
	if (fstat(d.fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)fchmod(d.fd, 0600); /* an old file may be for all to read */
	rc = write_core(&d);
	close(d.fd);
	free(d.pfns);
	if (rc && S_ISREG(st.st_mode))
		unlink(path);
	return rc;
}
