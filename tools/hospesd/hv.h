/* The hypercalls of a domain's life, on the loop's own handle (each returns at once) or on the given one. 0 or -errno. */
#ifndef HOSPESD_HV_H
#define HOSPESD_HV_H

#include <stdbool.h>
#include <stdint.h>

#include "domctl.h"

struct hcall;

int hv_open(void);
void hv_close(void);
struct hcall *hv_handle(void);

/* -ESRCH: there is no such domain. */
int hv_info(uint32_t domid, struct xen_domctl_getdomaininfo *info);
/* All domains, by id, in newly allocated *@list: their number. */
int hv_list(struct xen_domctl_getdomaininfo **list);
int hv_pause(uint32_t domid);
int hv_unpause(uint32_t domid);
/* Take its memory back: long for a large one, so from a thread. 0 too if others hold pages still: it is dying then. */
int hv_destroy(struct hcall *h, uint32_t domid);
int hv_max_mem(uint32_t domid, uint64_t kib);
int hv_pod_target(uint32_t domid, uint64_t pages);
int hv_set_handle(uint32_t domid, const uint8_t uuid[16]);
int hv_trigger_power(uint32_t domid);
/* Who has mapped what @domid granted, dead or not: @each is called with a domain and the number of its grants. -ENOSYS: this hypervisor does not tell. */
int hv_grant_holders(uint32_t domid, void (*each)(void *arg, uint32_t holder, unsigned grants), void *arg);
/* Memory no domain has and nobody is promised, in KiB. */
uint64_t hv_free_kib(void);
/* CPUs of the machine; 0: not known. */
unsigned hv_nr_cpus(void);
/* What the scheduler of the first pool goes by for that domain; false: it has no such numbers. */
bool hv_share(uint32_t domid, unsigned *weight, unsigned *cap);
/* Why it shut down: SHUTDOWN_*. */
static inline unsigned hv_reason(const struct xen_domctl_getdomaininfo *info)
{
	return (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
}

#endif
