/* The hardware domain: the one that drives the machine's devices. hv/arch/x86/hwdom/. */
#ifndef HV_HWDOM_H
#define HV_HWDOM_H

#include "hv/domain.h"

/* The domain with ROLE_HARDWARE once built, or NULL. Holds a reference; there is at most one. */
extern struct domain *hardware_domain;

#endif
