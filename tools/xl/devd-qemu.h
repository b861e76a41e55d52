/* xl devd: a QEMU for each domain whose images this driver domain serves. It lives on when devd does not. */
#ifndef XL_DEVD_QEMU_H
#define XL_DEVD_QEMU_H

#include <stdbool.h>

struct problem;

/* Its files are in @folder instead of /run and /var/log/xen: for tests. */
void devd_qemu_fake(const char *folder);
/* Have one for domain @domid: it runs, or is started. 0 or -errno and the problem. */
int devd_qemu_have(unsigned domid, struct problem *p);
/* Nothing is served to @domid any more: end it, if it runs, and wait until it has. */
void devd_qemu_end(unsigned domid);
/* End those of domains that are not @needed: an earlier devd may not have seen the last image go. */
void devd_qemu_sweep(bool (*needed)(unsigned domid));

#endif
