/* xl devd: a QEMU for each domain whose images this driver domain serves. It lives on when devd does not. */
#ifndef XL_DEVD_QEMU_H
#define XL_DEVD_QEMU_H

#include <stdbool.h>

struct problem;

/*
 * When the loop is open, before all else here. @gone is called when one has ended, because it was @asked to or by itself. @fake: for tests, its files are in
 * that folder instead of /run and /var/log/xen, and XL_DEVD_FAKE_END_MS is how long one has for its end.
 */
void devd_qemu_open(const char *fake, void (*gone)(unsigned domid, bool asked));
/* Have one for domain @domid: it runs, or is started; where one is just being ended, ask again when it is gone. 0 or -errno and the problem. */
int devd_qemu_have(unsigned domid, struct problem *p);
/* Nothing is served to @domid any more: end it. Its end is told later, from the loop, also if none runs. */
void devd_qemu_end(unsigned domid);
/* End those of domains that are not @needed: an earlier devd may not have seen the last image go. */
void devd_qemu_sweep(bool (*needed)(unsigned domid));

#endif
