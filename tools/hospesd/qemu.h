/* The QEMU of a domain with images: one process for all of them, from the first one's coming to the domain's end. The rest is in host/host_qemus.h. */
#ifndef HOSPESD_QEMU_H
#define HOSPESD_QEMU_H

struct dom;
struct problem;

/* When the settings are known, before all else of host/host_qemus.h. */
void qemu_open(void);
/* Have one for @d: it runs, or is started. 0 or -errno and the problem. Its end is told to plug_qemu_ended(). */
int qemu_have(struct dom *d, struct problem *p);

#endif
