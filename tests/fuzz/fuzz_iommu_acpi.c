/*
 * Any bytes as an IVRS or DMAR table. First byte: which; then the table, whose length and checksum are made right
 * half of the time.
 */
#include <stdlib.h>
#include <string.h>

#include "hv/drivers/iommu/acpi_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(uint8_t *t, uint32_t len, const char *sig)
{
	uint8_t sum = 0;

	memcpy(t, sig, 4);
	memcpy(t + 4, &len, sizeof(len));
	t[9] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + t[i]);
	t[9] = (uint8_t)-sum;
}

static void check_reserved(const struct acpi_reserved *r, unsigned nr)
{
	if (nr > IOMMU_MAX_RESERVED)
		abort();
	for (unsigned i = 0; i < nr; i++)
		if (r[i].end <= r[i].start || (r[i].start | r[i].end) & (PAGE_SIZE - 1))
			abort();
}

static void check_ivrs(const struct ivrs *iv)
{
	if (iv->nr_units > IOMMU_MAX_UNITS || iv->nr_ranges > IVRS_MAX_RANGES || iv->nr_specials > IVRS_MAX_SPECIALS)
		abort();
	for (unsigned i = 0; i < iv->nr_ranges; i++)
		if (iv->ranges[i].unit >= iv->nr_units || iv->ranges[i].first > iv->ranges[i].last)
			abort();
	for (unsigned i = 0; i < iv->nr_specials; i++)
		if (iv->specials[i].unit >= iv->nr_units)
			abort();
	check_reserved(iv->reserved, iv->nr_reserved);
}

static void check_dmar(const struct dmar *dm)
{
	if (dm->nr_units > IOMMU_MAX_UNITS || dm->nr_scopes > DMAR_MAX_SCOPES)
		abort();
	for (unsigned i = 0; i < dm->nr_units; i++)
		if (dm->units[i].scope + dm->units[i].nr_scopes > dm->nr_scopes)
			abort();
	for (unsigned i = 0; i < dm->nr_scopes; i++)
		if (!dm->scopes[i].nr_path || dm->scopes[i].nr_path > DMAR_MAX_PATH)
			abort();
	for (unsigned i = 0; i < dm->nr_reserved; i++)
		if (dm->reserved[i].scope + dm->reserved[i].nr_scopes > dm->nr_scopes)
			abort();
	check_reserved(dm->reserved, dm->nr_reserved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ivrs iv;
	static struct dmar dm;
	uint8_t *copy;

	if (size < 1)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if ((data[0] & 0x80) && size > 36)
		repair(copy, (uint32_t)(size - 1), data[0] & 1 ? "DMAR" : "IVRS");
	if (data[0] & 1) {
		(void)!dmar_parse(&dm, copy, size - 1);
		check_dmar(&dm);
	} else {
		(void)!ivrs_parse(&iv, copy, size - 1);
		check_ivrs(&iv);
	}
	free(copy);
	return 0;
}
