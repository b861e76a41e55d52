/* Which disk is in which domain's hands, so that none is written by one while another uses it. */
#ifndef HOSPESD_SHARING_H
#define HOSPESD_SHARING_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct host_block;
struct problem;

/*
 * @dev, looked at, is about to be @domid's (0: a domain that has no number yet). -EBUSY with the problem "disk-in-use" if another domain has it
 * and either of them writes; one that has ended and is only kept does not count.
 */
int sharing_claim(struct device *dev, uint32_t domid, struct problem *p);
/* The domain got its number. */
void sharing_settle(struct device *dev);
/* A claim that led to nothing. */
void sharing_drop(struct device *dev);
/* A disk others made, or an earlier daemon. From its target: that may be a file or a device, or gone. */
void sharing_learn(uint32_t domid, int devid, const char *target, bool write);
bool sharing_known(uint32_t domid, int devid);
/* The disk is no longer used; all of the domain's with @devid -1. */
void sharing_forget(uint32_t domid, int devid);

#endif
