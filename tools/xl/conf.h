/* /etc/xen/xl.conf: what domains get when their own files do not say. */
#ifndef XL_CONF_H
#define XL_CONF_H

#include "domain/config.h"

/* Put the defaults into @c; then what only tools know: a UUID. A problem in the file is a remark on stderr. */
void conf_apply(struct domain_config *c);
/* For an interface on its own. */
void conf_apply_nic(struct nic_config *n);

#endif
