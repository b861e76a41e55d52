/* For tests that play guests: memory by guest-physical address and hypercalls with one argument structure. */
#ifndef GUEST_TEST_H
#define GUEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/string.h"

#define RAM (64UL << 20)
#define ARG 0x3000UL /* where tests put arguments */

/* Memory of @d at @gpa, which must be mapped; valid to the page's end. */
static inline void *gpa_ptr(struct domain *d, uint64_t gpa)
{
	mfn_t m = p2m_lookup(d, gfn(gpa >> PAGE_SHIFT), NULL, NULL);

	assert_true(mfn_valid_value(m));
	return (uint8_t *)mfn_to_virt(m) + gpa % PAGE_SIZE;
}

/* Put @arg into the guest, call, fetch it back. */
static inline long call_arg(struct vcpu *v, unsigned nr, uint64_t cmd, void *arg, size_t size)
{
	long rc;

	memcpy(gpa_ptr(v->domain, ARG), arg, size);
	rc = host_hypercall(v, nr, cmd, ARG, 1, 0, 0);
	memcpy(arg, gpa_ptr(v->domain, ARG), size);
	return rc;
}

/* This CPU has nothing else to do, not even to choose a vCPU: what looks whether its slice is over goes on. */
static inline void no_softirqs(void)
{
	__atomic_store_n(&this_pcpu()->softirqs, 0, __ATOMIC_RELAXED);
}

static inline int logged_out(void *bits, uint64_t at, const void *bytes, size_t len)
{
	memcpy((uint8_t *)bits + at, bytes, len);
	return 0;
}

/* Which of the first 64 pages of @d, whose writes are logged, were written since it was last asked. */
static inline uint64_t logged(struct domain *d)
{
	uint64_t bits = 0, pos = 0;
	int rc;

	do
		rc = p2m_log_dirty_clean(d, &pos, 64, logged_out, &bits, NULL);
	while (rc == -ERESTART);
	assert_int_equal(rc, 0);
	return bits;
}

static inline void log_end(struct domain *d)
{
	while (p2m_log_dirty_disable(d) == -ERESTART)
		;
}

static inline void kill_domain(struct domain *d)
{
	int rc;

	while ((rc = domain_kill(d)) == -ERESTART)
		;
	assert_int_equal(rc, 0);
}

#endif
