/* What reading configuration space tells: who is there, how large its BARs are. hv/drivers/pci_scan.c. */
#ifndef HV_PCI_SCAN_H
#define HV_PCI_SCAN_H

#include "hv/pci.h"
#include "hv/types.h"

typedef void pci_found_fn(struct pci_sbdf s, void *ctx);
/* Call @found for every function that answers on @bus. */
void pci_scan_bus(uint16_t segment, uint8_t bus, pci_found_fn *found, void *ctx);
bool pci_present(struct pci_sbdf s);
/* The bus behind @s if it is a bridge, else 0. */
unsigned pci_secondary_bus(struct pci_sbdf s);

struct pci_bar_info {
	bool io, is64, prefetch;
	uint64_t address, size; /* size 0: no BAR there */
};
/*
 * Find size and kind of the BAR at @reg by writing ones; the value comes back. The caller has switched decoding off. @last: no
 * register follows. Returns how many registers it takes, 1 or 2.
 */
unsigned pci_probe_bar(struct pci_sbdf s, unsigned reg, bool last, struct pci_bar_info *b);
/* The same for the expansion ROM's. */
void pci_probe_rom(struct pci_sbdf s, unsigned reg, struct pci_bar_info *b);

#endif
