/*
 * The guest's own page tables, walked in software: AMD APM vol. 2, chapter 5; SMEP and SMAP there in 5.6.5 and 5.6.6. Protection
 * keys are not applied: user pages reach us only as operands of emulated instructions, which name devices.
 */
#include "hvm/hvm.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hvm/section.h"
#include "policy.h"

#define PTE_P (1UL << 0)
#define PTE_RW (1UL << 1)
#define PTE_US (1UL << 2)
#define PTE_A (1UL << 5)
#define PTE_D (1UL << 6)
#define PTE_PS (1UL << 7)
#define PTE_NX (1UL << 63)
#define PTE_ADDR 0x000ffffffffff000UL

#define WALK_TRIES 4u
/* Bytes that are copied with interrupts off. */
#define SHORT_COPY 512u

/* Shape of a paging mode. */
struct walk_mode {
	uint8_t levels;
	uint8_t bits; /* index bits per level */
	uint8_t size; /* of an entry */
	bool pae;     /* three levels: the top entries have no rights */
};

static const struct walk_mode mode_32 = { 2, 10, 4, false };
static const struct walk_mode mode_pae = { 3, 9, 8, true };
static const struct walk_mode mode_long = { 4, 9, 8, false };
static const struct walk_mode mode_la57 = { 5, 9, 8, false };

static const struct walk_mode *walk_mode(const struct guest_paging *p)
{
	if (p->efer & EFER_LMA)
		return p->cr4 & CR4_LA57 ? &mode_la57 : &mode_long;
	return p->cr4 & CR4_PAE ? &mode_pae : &mode_32;
}

/* Bits no entry may have, whatever its level. */
static uint64_t reserved_always(struct vcpu *v, const struct guest_paging *p, const struct walk_mode *m)
{
	unsigned phys = v->domain->arch.policy->ext[8].a & 0x3f;

	if (m->size == 4)
		return 0;
	return (PTE_ADDR & ~((1UL << phys) - 1)) | (p->efer & EFER_NXE ? 0 : PTE_NX);
}

/* Bits a leaf with PTE_PS at @level may not have besides; levels that have no leaves refuse PTE_PS. */
static uint64_t reserved_large(const struct walk_mode *m, unsigned level)
{
	if (m->size == 4)
		return 1UL << 21;
	if (level >= 3)
		return PTE_PS;
	return ((1UL << (12 + level * 9)) - 1) & ~0x1fffUL; /* below the page's address, but for PAT in bit 12 */
}

/* A top-level PAE entry; bit 5 is reserved too, but some nested walkers set it. */
#define PDPTE_RESERVED (PTE_RW | PTE_US | PTE_D | PTE_PS | PTE_NX)

static uint64_t leaf_base(const struct walk_mode *m, unsigned level, uint64_t e)
{
	if (m->size == 4 && level == 1) /* PSE-36: address bits 39:32 lie in bits 20:13 */
		return (e & 0xffc00000UL) | (e & 0x1fe000UL) << 19;
	if (m->size == 4)
		return e & 0xfffff000UL;
	return e & PTE_ADDR & ~((1UL << (12 + level * 9)) - 1);
}

/* Read the tables down to a leaf. Inside a section. 0; -EFAULT an entry is not present; -EINVAL reserved bits. */
static inline __attribute__((always_inline)) int
walk_tables(struct vcpu *v, const struct guest_paging *p, const struct walk_mode *m, uint64_t va, struct guest_walk *w)
{
	uint64_t table = p->cr3 & (m->pae ? 0xffffffe0UL : m->size == 4 ? 0xfffff000UL : PTE_ADDR);
	uint64_t reserved = reserved_always(v, p, m), index_mask = (1UL << m->bits) - 1;
	bool large = m->size == 8 || (p->cr4 & CR4_PSE);
	unsigned level = m->levels, shift = 12 + level * m->bits;

	w->all = PTE_RW | PTE_US | PTE_A;
	w->nx = 0;
	while (level--) {
		uint64_t gpa, e;
		const void *at;

		shift -= m->bits;
		gpa = table + (va >> shift & index_mask) * m->size;
		at = p2m_section_map(v, gpa);
		if (unlikely(!at))
			return -EFAULT;
		e = m->size == 4 ? read_once(*(const uint32_t *)at) : read_once(*(const uint64_t *)at);
		w->at[level] = at;
		w->entry[level] = e;
		w->entry_gpa[level] = gpa;
		if (unlikely(!(e & PTE_P)))
			return -EFAULT;
		if (unlikely(e & reserved))
			return -EINVAL;
		table = m->size == 4 ? e & 0xfffff000UL : e & PTE_ADDR;
		if (m->pae && level == 2) {
			if (e & PDPTE_RESERVED)
				return -EINVAL;
			continue;
		}
		w->all &= e;
		w->nx |= e & PTE_NX;
		if (level && (!large || !(e & PTE_PS)))
			continue;
		if (level && (e & reserved_large(m, level)))
			return -EINVAL;
		w->leaf = level;
		w->shift = shift;
		w->base = leaf_base(m, level, e);
		return 0;
	}
	return -EFAULT;
}

/* May an access of kind @access use the page @w found? */
static bool rights_allow(const struct guest_paging *p, const struct guest_walk *w, uint32_t access)
{
	bool user_page = w->all & PTE_US;

	if ((access & PF_FETCH) && w->nx)
		return false;
	if (access & PF_USER)
		return user_page && (!(access & PF_WRITE) || (w->all & PTE_RW));
	if ((access & PF_FETCH) && user_page && (p->cr4 & CR4_SMEP))
		return false;
	if (!(access & PF_FETCH) && user_page && (p->cr4 & CR4_SMAP) && !(p->rflags & RFLAGS_AC))
		return false;
	return !(access & PF_WRITE) || (w->all & PTE_RW) || !(p->cr0 & CR0_WP);
}

/* Set @bits in the entry at @gpa if it is still @old. -EAGAIN: it is not, or its page went away. */
static int entry_set(struct vcpu *v, uint64_t gpa, unsigned size, uint64_t old, uint64_t bits)
{
	struct frame *f = p2m_get_frame(v->domain, gfn(gpa >> PAGE_SHIFT), true);
	bool ok;
	void *at;

	if (!f)
		return -EAGAIN;
	at = (char *)mfn_to_virt(frame_to_mfn(f)) + (gpa & ~PAGE_MASK);
	if (size == 4) {
		uint32_t e = (uint32_t)old;

		ok = __atomic_compare_exchange_n((uint32_t *)at, &e, (uint32_t)(old | bits), false, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED);
	} else {
		ok = __atomic_compare_exchange_n((uint64_t *)at, &old, old | bits, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED);
	}
	frame_put(f);
	p2m_mark_dirty(v->domain, gfn(gpa >> PAGE_SHIFT));
	return ok ? 0 : -EAGAIN;
}

/* Accessed bits on the way, dirty on the leaf when writing. */
static int set_accessed(struct vcpu *v, const struct walk_mode *m, const struct guest_walk *w, uint32_t access)
{
	for (unsigned level = m->levels; level-- > w->leaf;) {
		uint64_t want = PTE_A;

		if (m->pae && level == 2)
			continue;
		if (level == w->leaf && (access & PF_WRITE))
			want |= PTE_D;
		if ((w->entry[level] & want) == want)
			continue;
		if (entry_set(v, w->entry_gpa[level], m->size, w->entry[level], want))
			return -EAGAIN;
	}
	return 0;
}

static bool canonical(const struct walk_mode *m, uint64_t va)
{
	unsigned shift = 64 - (12 + 9 * m->levels);

	return (uint64_t)((int64_t)(va << shift) >> shift) == va;
}

/* Which page of a four-level space @va lies in, and what else of the mode decides how its entries are read; never 0. */
static uint64_t walk_key(const struct guest_paging *p, uint64_t va)
{
	return (va & PAGE_MASK) | (p->efer & EFER_NXE) | 1;
}

/* Where walks for @va are kept. A kernel's pages are asked for in the address spaces of several processes by turns. */
static struct guest_walk *walk_slot(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access)
{
	uint64_t n = (va ^ p->cr3) >> PAGE_SHIFT;

	return access & PF_FETCH ? &v->arch.code_walks[n % CODE_WALKS] : &v->arch.data_walks[n % DATA_WALKS];
}

/* Walk and check the rights, inside a section: fills @w and *@gpa, or -EFAULT and *@pfec. */
static int walk_checked(struct vcpu *v, const struct guest_paging *p, const struct walk_mode *m, uint64_t va,
			uint32_t access, struct guest_walk *w, uint64_t *gpa, uint32_t *pfec)
{
	uint64_t epoch = __atomic_load_n(&v->domain->p2m.epoch, __ATOMIC_ACQUIRE);
	int rc;

	w->key = 0;
	w->page = NULL;
	/* The mode nearly every guest is in gets code of its own, with all its constants folded. */
	if (likely(m == &mode_long)) {
		rc = walk_tables(v, p, &mode_long, va, w);
		w->key = rc ? 0 : walk_key(p, va);
		w->cr3 = p->cr3;
		w->epoch = epoch;
	} else {
		rc = walk_tables(v, p, m, va, w);
	}
	if (likely(!rc && rights_allow(p, w, access))) {
		*gpa = w->base + (va & ((1UL << w->shift) - 1));
		return 0;
	}
	*pfec = access & (PF_WRITE | PF_USER);
	if ((access & PF_FETCH) && ((p->efer & EFER_NXE) || (p->cr4 & CR4_SMEP)))
		*pfec |= PF_FETCH;
	if (rc != -EFAULT)
		*pfec |= PF_PRESENT;
	if (rc == -EINVAL)
		*pfec |= PF_RESERVED;
	return -EFAULT;
}

static bool accessed_set(const struct guest_walk *w, uint32_t access)
{
	return (w->all & PTE_A) && (!(access & PF_WRITE) || (w->entry[w->leaf] & PTE_D));
}

/* The mode of @p and @va as it sees it. NULL when @va is not canonical. */
static const struct walk_mode *walk_prepare(const struct guest_paging *p, uint64_t *va)
{
	const struct walk_mode *m = walk_mode(p);

	if (!(p->efer & EFER_LMA))
		*va = (uint32_t)*va;
	else if (unlikely(!canonical(m, *va)))
		return NULL;
	return m;
}

int guest_walk(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access, uint64_t *gpa,
	       uint32_t *pfec)
{
	const struct walk_mode *m;
	struct guest_walk *w;

	*pfec = 0;
	if (!(p->cr0 & CR0_PG)) {
		*gpa = (uint32_t)va;
		return 0;
	}
	m = walk_prepare(p, &va);
	if (!m)
		return -ERANGE;
	w = walk_slot(v, p, va, access);
	for (unsigned i = 0; i < WALK_TRIES; i++) {
		bool on = p2m_section_begin(v->domain);
		int rc = walk_checked(v, p, m, va, access, w, gpa, pfec);

		p2m_section_end(v->domain, on);
		if (rc)
			return rc;
		if (accessed_set(w, access) || !set_accessed(v, m, w, access))
			return 0;
	}
	return -EAGAIN;
}

/*
 * The walk that was made for @va before, if one made now would find the same and allow @access: it reads what that would read. NULL: ask for one.
 * Inside a section.
 */
static inline struct guest_walk *walk_known(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access)
{
	struct guest_walk *w = walk_slot(v, p, va, access);

	if (unlikely(w->key != walk_key(p, va) || w->cr3 != p->cr3 || !w->page || walk_mode(p) != &mode_long ||
		     w->epoch != __atomic_load_n(&v->domain->p2m.epoch, __ATOMIC_ACQUIRE)))
		return NULL;
	for (unsigned level = mode_long.levels; level-- > w->leaf;)
		if (unlikely(read_once(*(const uint64_t *)w->at[level]) != w->entry[level]))
			return NULL;
	if (unlikely(!rights_allow(p, w, access) || !accessed_set(w, access) || ((access & PF_WRITE) && !w->writable)))
		return NULL;
	return w;
}

/* What is at @gpa, in the page that @w (NULL: nobody) has found, for reading or writing. NULL: no RAM, or a write is to be prepared. Inside a section. */
static void *page_at(struct vcpu *v, struct guest_walk *w, uint64_t gpa, uint32_t access)
{
	bool write = access & PF_WRITE;
	void *mem = write ? p2m_section_map_writable(v, gpa) : (void *)(uintptr_t)p2m_section_map(v, gpa);

	if (w && mem) {
		w->page = (char *)mem - (gpa & ~PAGE_MASK);
		w->writable = write;
	}
	return mem;
}

/* Copy @n bytes out of a page: the usual 15 by two overlapping words. */
static void fetch_bytes(uint8_t *buf, const uint8_t *src, unsigned n)
{
	if (likely(n == INSN_MAX_LEN)) {
		__builtin_memcpy(buf, src, 8);
		__builtin_memcpy(buf + INSN_MAX_LEN - 8, src + INSN_MAX_LEN - 8, 8);
		return;
	}
	while (n--)
		buf[n] = src[n];
}

/* guest_fetch() of @n bytes that lie in one page, by a walk. */
static int fetch_walk(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access, uint8_t *buf,
		      unsigned n, uint32_t *pfec)
{
	const struct walk_mode *m = NULL;
	const uint8_t *src = NULL;
	struct guest_walk *w = NULL;
	uint64_t gpa = (uint32_t)va;
	int rc = 0;
	bool on;

	*pfec = 0;
	if (p->cr0 & CR0_PG) {
		m = walk_prepare(p, &va);
		if (!m)
			return -ERANGE;
		w = walk_slot(v, p, va, access);
	}
	on = p2m_section_begin(v->domain);
	if (w)
		rc = walk_checked(v, p, m, va, access, w, &gpa, pfec);
	if (likely(!rc)) {
		src = page_at(v, w, gpa, access);
		if (likely(src))
			fetch_bytes(buf, src, n);
	}
	p2m_section_end(v->domain, on);
	if (rc)
		return rc;
	if (w && unlikely(!accessed_set(w, access)) && set_accessed(v, m, w, access))
		return -EAGAIN;
	return src ? (int)n : -ENXIO;
}

int guest_fetch(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint8_t *buf, unsigned n, uint32_t *pfec)
{
	unsigned left = (unsigned)(PAGE_SIZE - (va & ~PAGE_MASK));
	uint32_t access = PF_FETCH | (p->cpl == 3 ? PF_USER : 0);
	const struct guest_walk *w = NULL;

	if (n > left)
		n = left;
	if (likely(p->cr0 & CR0_PG)) {
		bool on = p2m_section_begin(v->domain);

		w = walk_known(v, p, va, access);
		if (likely(w))
			fetch_bytes(buf, (const uint8_t *)w->page + (va & ~PAGE_MASK), n);
		p2m_section_end(v->domain, on);
	}
	return likely(w) ? (int)n : fetch_walk(v, p, va, access, buf, n, pfec);
}

static void copy_either_way(void *mem, void *buf, size_t n, uint32_t access)
{
	if (access & PF_WRITE)
		memcpy(mem, buf, n);
	else
		memcpy(buf, mem, n);
}

static struct argument_page *argument_page(struct vcpu *v, uint64_t va)
{
	return &v->arch.argument_page[(va >> PAGE_SHIFT) % ARGUMENT_PAGES];
}

/*
 * Copy @n bytes within a page that this hypercall has found already. Where it is holds until the call ends, as in a processor's TLB: this vCPU cannot
 * say meanwhile that its tables have changed. What lies there is looked up each time. false: nothing was done.
 */
static bool copy_found(struct vcpu *v, uint64_t va, void *buf, size_t n, uint32_t access)
{
	const struct argument_page *a = argument_page(v, va);
	void *mem;
	bool on;

	if (!v->arch.call || a->call != v->arch.call || a->va != va >> PAGE_SHIFT || (!a->write && (access & PF_WRITE)))
		return false;
	on = p2m_section_begin(v->domain);
	mem = page_at(v, NULL, a->gpa + (va & ~PAGE_MASK), access);
	if (likely(mem))
		copy_either_way(mem, buf, n, access);
	p2m_section_end(v->domain, on);
	return mem;
}

/*
 * What lies at @va, for reading or writing up to the end of its page, the short way: when its tables and the page are as they are to be, down to the
 * accessed and dirty bits. Opens a section, for close_page(), and tells in *@gpa where it is. NULL: there is none, the long way finds out why.
 */
static void *open_page(struct vcpu *v, const struct guest_paging *p, uint64_t va, uint32_t access, uint64_t *gpa,
		       bool *on)
{
	const struct walk_mode *m = NULL;
	struct guest_walk *w = NULL;
	void *mem = NULL;
	uint32_t pfec;

	*gpa = (uint32_t)va;
	*on = p2m_section_begin(v->domain);
	if (likely(p->cr0 & CR0_PG)) {
		w = walk_known(v, p, va, access);
		if (likely(w)) {
			*gpa = w->base + (va & ((1UL << w->shift) - 1));
			return w->page + (va & ~PAGE_MASK);
		}
		m = walk_prepare(p, &va);
		w = walk_slot(v, p, va, access);
	}
	if (!w || (m && !walk_checked(v, p, m, va, access, w, gpa, &pfec) && accessed_set(w, access)))
		mem = page_at(v, w, *gpa, access);
	if (unlikely(!mem))
		p2m_section_end(v->domain, *on);
	return mem;
}

static void close_page(struct vcpu *v, bool on)
{
	p2m_section_end(v->domain, on);
}

/* Copy @n bytes within one page the short way. false: nothing was done. */
static bool copy_in_section(struct vcpu *v, const struct guest_paging *p, uint64_t va, void *buf, size_t n,
			    uint32_t access)
{
	uint64_t gpa;
	bool on;
	void *mem = open_page(v, p, va, access, &gpa, &on);

	if (!mem)
		return false;
	copy_either_way(mem, buf, n, access);
	close_page(v, on);
	*argument_page(v, va) =
		(struct argument_page){ v->arch.call, va >> PAGE_SHIFT, gpa & PAGE_MASK, access & PF_WRITE };
	return true;
}

/* Copy @n bytes within one page, holding a reference on it. As guest_copy(). */
static int copy_page(struct vcpu *v, const struct guest_paging *p, uint64_t va, void *buf, size_t n, uint32_t access,
		     uint32_t *pfec)
{
	struct frame *f;
	uint64_t gpa;
	void *mem;
	int rc = guest_walk(v, p, va, access, &gpa, pfec);

	if (rc)
		return rc;
	f = p2m_get_frame(v->domain, gfn(gpa >> PAGE_SHIFT), access & PF_WRITE);
	if (!f)
		return -ENXIO;
	mem = (char *)mfn_to_virt(frame_to_mfn(f)) + (gpa & ~PAGE_MASK);
	copy_either_way(mem, buf, n, access);
	frame_put(f);
	if (access & PF_WRITE)
		p2m_mark_dirty(v->domain, gfn(gpa >> PAGE_SHIFT));
	return 0;
}

int guest_copy(struct vcpu *v, uint64_t va, void *buf, size_t len, uint32_t access, uint64_t *fault_va, uint32_t *pfec)
{
	struct guest_paging p;
	char *at = buf;

	virt->get_paging(v, &p);
	while (len) {
		size_t n = min_u64(len, PAGE_SIZE - (va & ~PAGE_MASK));
		*fault_va = va;
		if (n > SHORT_COPY || !copy_in_section(v, &p, va, at, n, access)) {
			int rc = copy_page(v, &p, va, at, n, access, pfec);

			if (rc)
				return rc;
		}
		at += n;
		va += n;
		len -= n;
	}
	return 0;
}

bool guest_fault(struct vcpu *v, int rc, uint64_t va, uint32_t pfec)
{
	switch (rc) {
	case -EFAULT:
		virt->set_cr(v, 2, va);
		virt->inject_exception(v, TRAP_PF, (int)pfec);
		return true;
	case -ERANGE:
		virt->inject_exception(v, TRAP_GP, 0);
		return true;
	default:
		return false;
	}
}

/* Copy between @buf and memory of the calling guest with the rights of its kernel. -EFAULT. */
static int copy_argument(struct vcpu *v, uint64_t gva, void *buf, size_t len, uint32_t access)
{
	uint64_t fault;
	uint32_t pfec;

	if (len <= SHORT_COPY && len <= PAGE_SIZE - (gva & ~PAGE_MASK) && copy_found(v, gva, buf, len, access))
		return 0;
	return guest_copy(v, gva, buf, len, access, &fault, &pfec) ? err(-EFAULT) : 0;
}

/* Copy of hypercall arguments. -EFAULT. */
int arch_guest_read(struct vcpu *v, void *dst, uint64_t gva, size_t len)
{
	return copy_argument(v, gva, dst, len, 0);
}

/* As arch_guest_read(), the other way. */
int arch_guest_write(struct vcpu *v, uint64_t gva, const void *src, size_t len)
{
	return copy_argument(v, gva, (void *)(uintptr_t)src, len, PF_WRITE);
}

/* Other vCPUs see the stores of a processor in the order of its program, which this is. */
static void store_between(char *at, uint64_t val)
{
	asm volatile("" : : : "memory");
	__atomic_store_n((uint64_t *)at, val, __ATOMIC_RELAXED);
	asm volatile("" : : : "memory");
}

/* See hv/arch.h. */
bool arch_guest_write_marked(struct vcpu *v, uint64_t gva, const void *src, size_t len, size_t at, uint64_t mark)
{
	struct guest_paging p;
	uint64_t gpa, last;
	char *mem;
	bool on;

	if (len > SHORT_COPY || len > PAGE_SIZE - (gva & ~PAGE_MASK))
		return false;
	virt->get_paging(v, &p);
	mem = open_page(v, &p, gva, PF_WRITE, &gpa, &on);
	if (!mem)
		return false;
	__builtin_memcpy(&last, (const char *)src + at, sizeof(last));
	store_between(mem + at, last | mark);
	memcpy(mem, src, at);
	memcpy(mem + at + sizeof(last), (const char *)src + at + sizeof(last), len - at - sizeof(last));
	store_between(mem + at, last);
	close_page(v, on);
	return true;
}
