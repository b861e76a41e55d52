/* In place of hv/arch/x86/hvm/section.h: a guest whose memory is an array of the test's, pages of which may be gone or read-only. */
#ifndef HVM_SECTION_H
#define HVM_SECTION_H

#include "asm/cpu.h"
#include "hv/domain.h"

#define FAKE_PAGES 32u

struct fake_memory {
	uint8_t page[FAKE_PAGES][4096] __attribute__((aligned(4096)));
	bool gone[FAKE_PAGES], readonly[FAKE_PAGES];
	bool within; /* a section */
};
extern struct fake_memory fake;

static inline bool p2m_section_begin(struct domain *d)
{
	fake.within = true;
	return false;
}

static inline void p2m_section_end(struct domain *d, bool on)
{
	fake.within = false;
}

static inline const void *p2m_section_map(struct vcpu *v, uint64_t gpa)
{
	uint64_t g = gpa >> PAGE_SHIFT;

	return fake.within && g < FAKE_PAGES && !fake.gone[g] ? fake.page[g] + (gpa & ~PAGE_MASK) : NULL;
}

static inline void *p2m_section_map_writable(struct vcpu *v, uint64_t gpa)
{
	const void *mem = p2m_section_map(v, gpa);

	return mem && !fake.readonly[gpa >> PAGE_SHIFT] ? (void *)(uintptr_t)mem : NULL;
}

#endif
