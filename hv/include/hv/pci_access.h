/* Reaching configuration space. hv/drivers/pci_access.c; pci_read() and pci_write() of hv/pci.h are there too. */
#ifndef HV_PCI_ACCESS_H
#define HV_PCI_ACCESS_H

#include "hv/types.h"

/* Before any other access. Is there more than CF8 reaches? */
bool pci_access_init(void);
/*
 * Make all registers of @bus reachable that can be. For segment 0 what CF8 reaches always is. -ENODEV no such bus, -ENOMEM. The caller
 * holds RANK_PCI, or boots.
 */
int pci_open_bus(uint16_t segment, uint8_t bus) must_check;

#endif
