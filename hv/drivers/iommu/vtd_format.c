/* Second-stage entries of VT-d's page tables (specification 9.8). Pure. */
#include "vtd.h"

#include "table.h"

static uint64_t vtd_leaf(mfn_t m, unsigned access, unsigned level)
{
	return (m.v << PAGE_SHIFT & VTD_PTE_ADDR) | (access & IOMMU_READ ? VTD_PTE_R : 0) |
	       (access & IOMMU_WRITE ? VTD_PTE_W : 0) | (level ? VTD_PTE_LARGE : 0);
}

static uint64_t vtd_table(mfn_t next, unsigned level)
{
	return (next.v << PAGE_SHIFT & VTD_PTE_ADDR) | VTD_PTE_R | VTD_PTE_W;
}

static struct io_entry vtd_decode(uint64_t pte, unsigned level)
{
	struct io_entry e = { .mfn = INVALID_MFN };

	if (!(pte & (VTD_PTE_R | VTD_PTE_W)))
		return e;
	e.mfn = mfn((pte & VTD_PTE_ADDR) >> PAGE_SHIFT);
	e.is_table = level && !(pte & VTD_PTE_LARGE);
	if (!e.is_table)
		e.access = (pte & VTD_PTE_R ? IOMMU_READ : 0) | (pte & VTD_PTE_W ? IOMMU_WRITE : 0);
	return e;
}

const struct io_format vtd_format = { .empty = 0, .leaf = vtd_leaf, .table = vtd_table, .decode = vtd_decode };
