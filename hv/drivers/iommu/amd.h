/* Layouts of the AMD IOMMU: registers, device table, commands, events, interrupt table (48882, revision 3.08). Pure. */
#ifndef IOMMU_AMD_H
#define IOMMU_AMD_H

#include "hv/types.h"

/* Registers (3.4) */
#define AMD_DEVICE_TABLE 0x00u
#define AMD_COMMAND_BASE 0x08u
#define AMD_EVENT_BASE 0x10u
#define AMD_CONTROL 0x18u
#define AMD_EXCLUSION_BASE 0x20u
#define AMD_EXCLUSION_LIMIT 0x28u
#define AMD_FEATURES 0x30u
#define AMD_COMMAND_HEAD 0x2000u
#define AMD_COMMAND_TAIL 0x2008u
#define AMD_EVENT_HEAD 0x2010u
#define AMD_EVENT_TAIL 0x2018u
#define AMD_STATUS 0x2020u
#define AMD_REGS_SIZE 0x4000u

#define CONTROL_ENABLE (1UL << 0)
#define CONTROL_HT_TUN (1UL << 1)
#define CONTROL_EVENT_LOG (1UL << 2)
#define CONTROL_EVENT_INT (1UL << 3)
#define CONTROL_PASS_PW (1UL << 8)
#define CONTROL_RES_PASS_PW (1UL << 9)
#define CONTROL_COHERENT (1UL << 10)
#define CONTROL_ISOC (1UL << 11)
#define CONTROL_COMMANDS (1UL << 12)
#define CONTROL_GA (1UL << 17)
#define CONTROL_XT (1UL << 50)

#define STATUS_OVERFLOW (1u << 0)
#define STATUS_EVENT_INT (1u << 1)
#define STATUS_WAIT_INT (1u << 2)
#define STATUS_EVENT_RUN (1u << 3)
#define STATUS_COMMAND_RUN (1u << 4)

#define FEATURE_XT (1UL << 2)
#define FEATURE_INVALIDATE_ALL (1UL << 6)
#define FEATURE_GA (1UL << 7)

/* Capability block in the unit's PCI configuration (3.3): its header */
#define CAP_NP_CACHE (1u << 26)
#define CAP_FEATURES (1u << 27)

/* Entries of command buffer and event log have 16 bytes; the length fields are log2 of their number. */
#define AMD_QUEUE_LENGTH (8UL << 56)
#define AMD_QUEUE_BYTES 4096u
#define AMD_EVENT_LENGTH (12UL << 56)
#define AMD_EVENT_ORDER 4u
#define AMD_EVENT_BYTES 65536u
#define AMD_ENTRY 16u

/* Device table entry (2.2.2.1), first word */
#define DTE_V (1UL << 0)
#define DTE_TV (1UL << 1)
#define DTE_MODE(n) ((uint64_t)(n) << 9)
#define DTE_IR (1UL << 61)
#define DTE_IW (1UL << 62)
/* second */
#define DTE_QUIET (1UL << 33) /* SE: no events of page faults */
#define DTE_SYS_MGT_SHIFT 36  /* from the data setting's bits 5:4 to bits 41:40 */
/* third */
#define DTE_IV (1UL << 0)
#define DTE_TABLE_LENGTH(n) ((uint64_t)(n) << 1)
#define DTE_INT_REMAP (2UL << 60)
#define DTE_INIT_PASS (1UL << 56)
#define DTE_EINT_PASS (1UL << 57)
#define DTE_NMI_PASS (1UL << 58)
#define DTE_LINT0_PASS (1UL << 62)
#define DTE_LINT1_PASS (1UL << 63)

/* Page tables (2.2.3): levels count from 1 there. A present entry's "next level" 0 makes it a leaf. */
#define AMD_PTE_PR (1UL << 0)
#define AMD_PTE_NEXT(n) ((uint64_t)(n) << 9)
#define AMD_PTE_FC (1UL << 60)
#define AMD_PTE_IR (1UL << 61)
#define AMD_PTE_IW (1UL << 62)
#define AMD_PTE_ADDR 0x000ffffffffff000UL
/*
 * An absent entry, of which only bit 0 counts (table 15). The next level in it makes QEMU report the fault, which it
 * does not for one that is all zero.
 */
#define AMD_PTE_ABSENT AMD_PTE_NEXT(1)

/* Interrupt remapping entries (2.2.5): 32 bits, or 128 with wide APIC ids. */
#define AMD_IRTE_ENABLE (1u << 0)

/* Entries of a device's interrupt table: 2^9, what any unit takes (2.2.2.1, IntTabLen). */
#define AMD_INT_ENTRIES 512u
#define AMD_INT_LOG2 9u

struct amd_command {
	uint64_t w[2];
};

#define AMD_COMMAND_OPCODE(n) ((uint64_t)(n) << 60)

/* 2.4.1: store @value at @address when all before is done. */
static inline struct amd_command amd_cmd_wait(paddr_t address, uint64_t value)
{
	return (struct amd_command){ { AMD_COMMAND_OPCODE(1) | (address & 0x000ffffffffffff8UL) | 1, value } };
}

/* 2.4.2 */
static inline struct amd_command amd_cmd_device(uint16_t id)
{
	return (struct amd_command){ { AMD_COMMAND_OPCODE(2) | id, 0 } };
}

/* 2.4.3: 2^@order frames around @dfn, and what is cached of tables; order 52 and more: everything of the domain. */
static inline struct amd_command amd_cmd_pages(uint16_t domain, uint64_t dfn, unsigned order)
{
	uint64_t address = dfn << 12;

	if (order >= 51)
		address = 0x7ffffffffffff000UL | 1;
	else if (order)
		/* The size is told by the lowest clear bit of the address, the bits below it set. */
		address = (dfn >> order << order << 12) | ((1UL << (order - 1)) - 1) << 12 | 1;
	return (struct amd_command){ { AMD_COMMAND_OPCODE(3) | (uint64_t)domain << 32, address | 2 } };
}

/* 2.4.5 */
static inline struct amd_command amd_cmd_interrupts(uint16_t id)
{
	return (struct amd_command){ { AMD_COMMAND_OPCODE(5) | id, 0 } };
}

/* 2.4.8 */
static inline struct amd_command amd_cmd_all(void)
{
	return (struct amd_command){ { AMD_COMMAND_OPCODE(8), 0 } };
}

/* Event codes (2.5) */
enum amd_event {
	AMD_EVENT_DTE = 1,
	AMD_EVENT_PAGE_FAULT = 2,
	AMD_EVENT_DTE_HARDWARE = 3,
	AMD_EVENT_TABLE_HARDWARE = 4,
	AMD_EVENT_COMMAND = 5,
	AMD_EVENT_COMMAND_HARDWARE = 6,
	AMD_EVENT_IOTLB_TIMEOUT = 7,
	AMD_EVENT_REQUEST = 8,
};

#define EVENT_CODE(w0) ((unsigned)((w0) >> 60))
#define EVENT_INTERRUPT (1UL << 51) /* I */
#define EVENT_PRESENT (1UL << 52)   /* PR */
#define EVENT_WRITE (1UL << 53)	    /* RW */
#define EVENT_RIGHTS (1UL << 54)    /* PE */

#endif
