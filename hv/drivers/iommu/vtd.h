/*
 * Layouts of Intel VT-d in legacy mode: registers, root and context entries, queue, faults, interrupt entries
 * (specification 4.0). Pure.
 */
#ifndef IOMMU_VTD_H
#define IOMMU_VTD_H

#include "hv/types.h"

/* Registers (11.4) */
#define VTD_CAP 0x08u
#define VTD_ECAP 0x10u
#define VTD_GCMD 0x18u
#define VTD_GSTS 0x1cu
#define VTD_RTADDR 0x20u
#define VTD_CCMD 0x28u
#define VTD_FSTS 0x34u
#define VTD_FECTL 0x38u
#define VTD_FEDATA 0x3cu
#define VTD_FEADDR 0x40u
#define VTD_FEUADDR 0x44u
#define VTD_PMEN 0x64u
#define VTD_IQH 0x80u
#define VTD_IQT 0x88u
#define VTD_IQA 0x90u
#define VTD_IRTA 0xb8u
#define VTD_REGS_SIZE 0x1000u /* at least; fault and IOTLB registers may lie beyond */

#define CAP_DOMAINS(cap) (1u << (4 + 2 * ((cap)&7)))
#define CAP_RWBF (1UL << 4)
#define CAP_PLMR (1UL << 5)
#define CAP_PHMR (1UL << 6)
#define CAP_CACHING (1UL << 7)
#define CAP_SAGAW(cap) ((unsigned)((cap) >> 8) & 0x1f)
#define CAP_FAULT_OFFSET(cap) ((unsigned)((cap) >> 24 & 0x3ff) * 16)
#define CAP_2M (1UL << 34)
#define CAP_1G (1UL << 35)
#define CAP_PAGE_SELECTIVE (1UL << 39)
#define CAP_FAULTS(cap) ((unsigned)((cap) >> 40 & 0xff) + 1)
#define CAP_MAX_ORDER(cap) ((unsigned)((cap) >> 48 & 0x3f))

#define ECAP_COHERENT (1UL << 0)
#define ECAP_QUEUE (1UL << 1)
#define ECAP_INTERRUPTS (1UL << 3)
#define ECAP_X2APIC (1UL << 4)
#define ECAP_IOTLB_OFFSET(ecap) ((unsigned)((ecap) >> 8 & 0x3ff) * 16)

/* Global command and status have the same bits; these are not one-shot. */
#define GCMD_TRANSLATE (1u << 31)
#define GCMD_ROOT (1u << 30)
#define GCMD_WRITE_BUFFER (1u << 27)
#define GCMD_QUEUE (1u << 26)
#define GCMD_REMAP (1u << 25)
#define GCMD_REMAP_TABLE (1u << 24)
#define GCMD_COMPAT (1u << 23)
#define GSTS_KEPT (GCMD_TRANSLATE | GCMD_QUEUE | GCMD_REMAP)

#define CCMD_GO (1UL << 63)
#define CCMD_GLOBAL (1UL << 61)
#define IOTLB_GO (1UL << 63)
#define IOTLB_GLOBAL (1UL << 60)
#define IOTLB_DOMAIN (2UL << 60)
#define IOTLB_DRAIN (1UL << 49 | 1UL << 48)

#define PMEN_ENABLE (1u << 31)
#define PMEN_STATUS (1u << 0)

#define FSTS_OVERFLOW (1u << 0)
#define FSTS_PENDING (1u << 1)
#define FSTS_QUEUE_ERROR (1u << 4)
#define FSTS_COMPLETION_ERROR (1u << 5)
#define FSTS_TIMEOUT (1u << 6)
#define FSTS_QUEUE_ERRORS (FSTS_QUEUE_ERROR | FSTS_COMPLETION_ERROR | FSTS_TIMEOUT)
#define FECTL_MASKED (1u << 31)

/* Fault record (11.4.14), its second word */
#define FAULT_VALID (1UL << 63)
#define FAULT_READ (1UL << 62)
#define FAULT_REASON(w) ((unsigned)((w) >> 32 & 0xff))

/* Root and context entries (9.1, 9.3) */
#define ENTRY_PRESENT (1UL << 0)
#define CONTEXT_QUIET (1UL << 1) /* FPD: faults are not recorded */

/* Second-stage entries (9.8) */
#define VTD_PTE_R (1UL << 0)
#define VTD_PTE_W (1UL << 1)
#define VTD_PTE_LARGE (1UL << 7)
#define VTD_PTE_ADDR 0x000ffffffffff000UL

#define VTD_QUEUE_BYTES 4096u
#define VTD_DESCRIPTOR 16u

struct vtd_descriptor {
	uint64_t w[2];
};

/* 6.5.2.1: all context entries */
static inline struct vtd_descriptor vtd_inv_contexts(void)
{
	return (struct vtd_descriptor){ { 1 | 1UL << 4, 0 } };
}

/* 6.5.2.3: all translations, after reads and writes under way have drained */
static inline struct vtd_descriptor vtd_inv_all(void)
{
	return (struct vtd_descriptor){ { 2 | 1UL << 4 | 3UL << 6, 0 } };
}

static inline struct vtd_descriptor vtd_inv_domain(uint16_t domain)
{
	return (struct vtd_descriptor){ { 2 | 2UL << 4 | 3UL << 6 | (uint64_t)domain << 16, 0 } };
}

static inline struct vtd_descriptor vtd_inv_pages(uint16_t domain, uint64_t dfn, unsigned order)
{
	return (struct vtd_descriptor){ { 2 | 3UL << 4 | 3UL << 6 | (uint64_t)domain << 16,
					  (dfn >> order << order << 12) | order } };
}

/* 6.5.2.7: interrupt entries, all or 2^@order from @index */
static inline struct vtd_descriptor vtd_inv_interrupts_all(void)
{
	return (struct vtd_descriptor){ { 4, 0 } };
}

static inline struct vtd_descriptor vtd_inv_interrupt(unsigned index)
{
	return (struct vtd_descriptor){ { 4 | 1UL << 4 | (uint64_t)index << 32, 0 } };
}

/* 6.5.2.8: when all before is done store @value at @address */
static inline struct vtd_descriptor vtd_wait(paddr_t address, uint32_t value)
{
	return (struct vtd_descriptor){ { 5 | 1UL << 5 | (uint64_t)value << 32, address & ~3UL } };
}

/* Interrupt entry (9.9): messages of requester @id only. */
static inline uint64_t vtd_irte_low(uint32_t dest, uint8_t vector, unsigned mode, bool logical, bool level, bool wide)
{
	return 1 | (logical ? 1UL << 2 : 0) | (level ? 1UL << 4 : 0) | (uint64_t)(mode & 7) << 5 |
	       (uint64_t)vector << 16 | (wide ? (uint64_t)dest << 32 : (uint64_t)(dest & 0xff) << 40);
}

static inline uint64_t vtd_irte_high(uint16_t id)
{
	return id | 1UL << 18; /* SVT 1, SQ 0: all 16 bits must match */
}

/* What a device sends (5.1.5.2): the handle, with the data added to it. */
static inline uint64_t vtd_message_address(unsigned handle)
{
	return 0xfee00000UL | (uint64_t)(handle & 0x7fff) << 5 | 1UL << 4 | 1UL << 3 | (uint64_t)(handle >> 15) << 2;
}

/* What an I/O APIC's register holds (5.1.5.1); vector, trigger, polarity and mask stay as they were. */
static inline uint64_t vtd_ioapic_entry(uint64_t rte, unsigned handle)
{
	return (rte & (0xffUL | 1UL << 13 | 1UL << 15 | 1UL << 16)) | 1UL << 48 | (uint64_t)(handle & 0x7fff) << 49 |
	       (uint64_t)(handle >> 15) << 11;
}

#endif
