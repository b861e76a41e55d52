/* Entries of the AMD IOMMU's page tables (48882, 2.2.3). Pure. */
#include "amd.h"

#include "table.h"

static uint64_t amd_leaf(mfn_t m, unsigned access, unsigned level)
{
	return (m.v << PAGE_SHIFT & AMD_PTE_ADDR) | AMD_PTE_PR | AMD_PTE_FC | (access & IOMMU_READ ? AMD_PTE_IR : 0) |
	       (access & IOMMU_WRITE ? AMD_PTE_IW : 0);
}

static uint64_t amd_table(mfn_t next, unsigned level)
{
	return (next.v << PAGE_SHIFT & AMD_PTE_ADDR) | AMD_PTE_PR | AMD_PTE_NEXT(level) | AMD_PTE_IR | AMD_PTE_IW;
}

static struct io_entry amd_decode(uint64_t pte, unsigned level)
{
	struct io_entry e = { .mfn = INVALID_MFN };

	if (!(pte & AMD_PTE_PR))
		return e;
	e.mfn = mfn((pte & AMD_PTE_ADDR) >> PAGE_SHIFT);
	e.is_table = pte & AMD_PTE_NEXT(7);
	if (!e.is_table)
		e.access = (pte & AMD_PTE_IR ? IOMMU_READ : 0) | (pte & AMD_PTE_IW ? IOMMU_WRITE : 0);
	return e;
}

const struct io_format amd_format = {
	.empty = AMD_PTE_ABSENT, .leaf = amd_leaf, .table = amd_table, .decode = amd_decode
};
