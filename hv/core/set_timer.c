/* Hypercall 15: the calling vCPU's one-shot timer, in its oldest form. */
#include "hv/domain.h"
#include "hv/hypercall.h"

/* Times further away than this are taken for the wrapped arithmetic of a guest whose clock ran ahead. */
#define SANE_SHIFT 50
#define INSANE_DELAY MILLISECS(100)

/*
 * args[0]: absolute system time in ns, for a 32-bit caller its low half with the high one in args[1]. 0 cancels, the past fires at once. A
 * time before zero or weeks ahead fires soon, as Xen does, for a guest that sleeps for ever has no way to notice its mistake. Always 0.
 */
long do_set_timer_op(struct vcpu *v, const uint64_t *args)
{
	stime_t timeout = (stime_t)(v->hc.guest32 ? (args[0] & UINT32_MAX) | args[1] << 32 : args[0]);
	stime_t t = now();

	if (timeout == 0)
		timer_stop(&v->singleshot_timer);
	else if (timeout < 0 || (timeout > t && (timeout - t) >> SANE_SHIFT))
		timer_set(&v->singleshot_timer, t + INSANE_DELAY);
	else
		timer_set(&v->singleshot_timer, timeout);
	return 0;
}
