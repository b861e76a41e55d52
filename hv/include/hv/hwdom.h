/*
 * The hardware domain: the one that drives the machine's devices. Its ports, device memory, interrupts and tables are the machine's own
 * but for what Hospes needs itself. hv/arch/x86/hwdom/; hv/launch builds it.
 */
#ifndef HV_HWDOM_H
#define HV_HWDOM_H

#include "hv/domain.h"

/* The domain with ROLE_HARDWARE once built, or NULL. Holds a reference; there is at most one. */
extern struct domain *hardware_domain;

/* Must its RAM lie at the machine's addresses, as no IOMMU translates for its devices? */
bool hwdom_identity(void);
/* Give the fresh @d, without vCPUs, the machine's ports and interrupt controllers. -ENOMEM; hwdom_destroy() undoes it. */
int hwdom_init(struct domain *d) must_check;
/* Write the tables it gets to see into @buf, which it will find at @gpa, page aligned, RSDP first. Bytes used; -ENOMEM, -ENOSPC: they do not fit. */
long hwdom_acpi(const struct domain *d, uint8_t *buf, size_t size, uint64_t gpa) must_check;
/* Its kernel starts next and its map is final: hand over the devices. -ENOMEM: then it must not start. */
int hwdom_ready(struct domain *d) must_check;
/* No vCPU of @d exists any more: interrupts are silent when this returns. Nothing for other domains. */
void hwdom_destroy(struct domain *d);

/*
 * Hospes uses [@start, @start + @size) itself: the hardware domain reads ones there and cannot write. For device memory, by whole
 * pages; for ports. At boot, before the domain is built.
 */
void hwdom_withhold(paddr_t start, uint64_t size);
void hwdom_withhold_ports(uint16_t first, uint16_t last);

#endif
