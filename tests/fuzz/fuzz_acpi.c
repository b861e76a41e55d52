/* Any bytes as any ACPI table. First byte: which; then the table, whose length and checksum are made right half of the time. */
#include <stdlib.h>
#include <string.h>

#include "hv/acpi.h"

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

static void check(const struct acpi_info *ai)
{
	if (ai->nr_cpus > ACPI_MAX_CPUS || ai->nr_ioapics > ACPI_MAX_IOAPICS || ai->nr_overrides > ACPI_MAX_OVERRIDES ||
	    ai->nr_nmis > ACPI_MAX_NMIS || ai->nr_mcfg > ACPI_MAX_MCFG || ai->nr_srat_mem > ACPI_MAX_SRAT_MEM ||
	    ai->nr_nodes > ACPI_MAX_NODES)
		abort();
	for (unsigned i = 0; i < ai->nr_overrides; i++)
		if (ai->overrides[i].source > 15)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *sig;
		int (*parse)(struct acpi_info *ai, const void *table, size_t len);
	} tables[] = { { "APIC", acpi_parse_madt }, { "FACP", acpi_parse_fadt }, { "HPET", acpi_parse_hpet },
		       { "MCFG", acpi_parse_mcfg }, { "SRAT", acpi_parse_srat }, { "SLIT", acpi_parse_slit } };
	static struct acpi_info ai;
	unsigned which, kinds = sizeof(tables) / sizeof(tables[0]);
	uint8_t *copy, a, b;
	paddr_t root;
	bool xsdt;

	if (size < 1)
		return 0;
	which = data[0] & 0x7f;
	size--;
	copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size);
	if ((data[0] & 0x80) && size >= ACPI_TABLE_HEADER_LEN)
		repair(copy, (uint32_t)size, which < kinds ? tables[which].sig : "DSDT");
	memset(&ai, 0, sizeof(ai));
	ai.nr_nodes = 3; /* for distances; of these domains */
	ai.proximity[1] = 1;
	ai.proximity[2] = size & 7;
	ai.nr_cpus = which & 1;
	if (which < kinds) {
		(void)!tables[which].parse(&ai, copy, size);
	} else {
		(void)!acpi_parse_s5(copy, size, &a, &b);
		(void)!acpi_parse_rsdp(copy, size, &root, &xsdt);
		(void)acpi_root_entry(copy, size, which & 1, which);
	}
	check(&ai);
	free(copy);
	return 0;
}
