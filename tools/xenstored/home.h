/* The nodes a guest expects of whoever made it, for domains that the hypervisor launched by itself. */
#ifndef XENSTORED_HOME_H
#define XENSTORED_HOME_H

#include <stdint.h>

/* /local/domain/<id> of an unprivileged domain, unless it is there. @port: its end of the store's event channel. */
void home_make(uint32_t id, uint32_t port);

#endif
