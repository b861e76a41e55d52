/* /etc/xen/xl.conf: what domains get when their own files do not say. It is read when a command first needs it. */
#ifndef XL_CONF_H
#define XL_CONF_H

#include "domain/config.h"

/*
 * Put the defaults into @c; then what only tools know: a UUID. @all_cpus: vm.cpumask and its like are not looked at. XL_OK, or XL_FAILED if a
 * setting cannot be used or leaves the domain without CPUs, which was said.
 */
int conf_apply(struct domain_config *c, bool all_cpus);
/* For an interface on its own. */
int conf_apply_nic(struct nic_config *n);
/*
 * Take those CPUs away from @hard, a list that was given, that a domain of @type may not use. XL_FAILED: the file is wrong, which was said; *@empty: none
 * is left.
 */
int conf_mask(enum domain_type type, struct cpu_list *hard, bool *empty);

#endif
