/*
 * Saved state of a domain's virtual hardware: a stream of records (abi/hvm_save.h). hv/core/domctl_context.c reads and writes the
 * stream; the architecture has one entry for each kind of record.
 */
#ifndef HV_CONTEXT_H
#define HV_CONTEXT_H

#include "hv/types.h"

struct domain;
struct hvm_save_header;
struct vcpu;

struct context_record {
	uint16_t code;
	uint32_t max; /* bytes, without its descriptor; 0: kept by other hypervisors, dropped here */
	/* Write @v's record to @buf; its length, 0 if there is nothing to tell. */
	size_t (*save)(struct vcpu *v, void *buf);
	/* Could @v be in that state? -EINVAL, or what fits. No effects. */
	int (*check)(struct vcpu *v, const void *rec, size_t len);
	/* It was checked. */
	void (*load)(struct vcpu *v, const void *rec, size_t len);
};

/* In ascending order of codes. The domain is paused whenever one of its functions runs. */
const struct context_record *arch_context_records(unsigned *nr);
/* What identifies this machine in a stream. */
void arch_context_header(const struct domain *d, struct hvm_save_header *h);

#endif
