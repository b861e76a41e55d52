/*
 * Control: what of the machine's devices a domain may be given. The toolstack passes on what its own domain has: all of it for
 * the one that drives the machine, else what it was given itself.
 */
#include "control.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/rangeset.h"

#define NR_IRQS 1024u
#define NR_PORTS 65536u
#define MAX_FRAMES (1UL << 40) /* of 52 bits of physical address */

/* Does the caller own [@s, @e] of what @own of it holds a part of? Another toolstack may change that meanwhile. */
static bool permitted(struct domain *caller, const struct rangeset *own, uint64_t s, uint64_t e)
{
	bool has;

	spin_lock(&caller->lock);
	has = domain_has_role(caller, ROLE_HARDWARE) || rangeset_contains(own, s, e);
	spin_unlock(&caller->lock);
	return has;
}

static int change(struct domain *d, struct rangeset *r, uint64_t s, uint64_t e, bool allow)
{
	int rc;

	spin_lock(&d->lock);
	rc = allow ? rangeset_add(r, s, e) : rangeset_remove(r, s, e);
	spin_unlock(&d->lock);
	return rc;
}

/* One interrupt. -EINVAL no such number, -EPERM. */
long domctl_irq_permission(struct domctl *c)
{
	const struct xen_domctl_irq_permission *p = &c->op.u.irq_permission;

	if (p->pirq >= NR_IRQS)
		return err(-EINVAL);
	if (!permitted(c->v->domain, &c->v->domain->control.irqs, p->pirq, p->pirq) || arch_irq_private(p->pirq))
		return err(-EPERM);
	return change(c->d, &c->d->control.irqs, p->pirq, p->pirq, p->allow_access);
}

/* Frames of devices' memory. -EINVAL, -EPERM. */
long domctl_iomem_permission(struct domctl *c)
{
	const struct xen_domctl_iomem_permission *p = &c->op.u.iomem_permission;
	uint64_t s = p->first_mfn, e = s + p->nr_mfns - 1;

	if (e < s || e >= MAX_FRAMES)
		return err(-EINVAL);
	if (!permitted(c->v->domain, &c->v->domain->control.iomem, s, e) || arch_iomem_private(s, e))
		return err(-EPERM);
	return change(c->d, &c->d->control.iomem, s, e, p->allow_access);
}

/* I/O ports. -EINVAL, -EPERM. */
long domctl_ioport_permission(struct domctl *c)
{
	const struct xen_domctl_ioport_permission *p = &c->op.u.ioport_permission;
	uint64_t s = p->first_port, e = s + p->nr_ports - 1;

	if (p->nr_ports == 0 || e >= NR_PORTS)
		return err(-EINVAL);
	if (!permitted(c->v->domain, &c->v->domain->control.ioports, s, e) || arch_ioport_private(s, e))
		return err(-EPERM);
	return change(c->d, &c->d->control.ioports, s, e, p->allow_access);
}
