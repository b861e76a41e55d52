/*
 * Hypercall 33: what the hardware domain says of the machine's devices. It sees its interrupts as a machine's, so all that speaks of
 * interrupts by event channel (pirqs) does not exist for it, nor for any other guest in a hardware container.
 */
#include "physdev.h"

#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/pci.h"
#include "hv/printk.h"

/* The size without the words that may follow, which nobody needs: there is one node. */
#define DEVICE_ADD_SIZE 10u

static long mmcfg_reserved(struct vcpu *v, uint64_t arg)
{
	struct physdev_pci_mmcfg_reserved m;
	int rc;

	if (copy_from_guest(v, &m, arg, sizeof(m)))
		return err(-EFAULT);
	if (m.start_bus > m.end_bus)
		return err(-EINVAL);
	rc = vpci_add_mmcfg(v->domain, m.address, m.segment, m.start_bus, m.end_bus);
	return rc == -EEXIST ? 0 : rc;
}

static long device_add(struct vcpu *v, uint64_t arg)
{
	struct physdev_pci_device_add a;
	struct pci_sbdf s;
	int rc;

	if (copy_from_guest(v, &a, arg, DEVICE_ADD_SIZE))
		return err(-EFAULT);
	s = (struct pci_sbdf){ a.seg, a.bus, a.devfn };
	rc = pci_assign_device(v->domain, s);
	printk(LOG_GUEST_DEBUG, "PCI add device %04x:%02x:%02x.%u: %d\n", s.segment, s.bus, s.devfn >> 3, s.devfn & 7u,
	       rc);
	return rc;
}

static long device_remove(struct vcpu *v, uint64_t arg)
{
	struct physdev_pci_device dev;

	if (copy_from_guest(v, &dev, arg, sizeof(dev)))
		return err(-EFAULT);
	return pci_deassign_device(v->domain, (struct pci_sbdf){ dev.seg, dev.bus, dev.devfn });
}

/* The debug port of a USB controller is about to be reset, or was: Hospes has no console there. */
static long dbgp_op(struct vcpu *v, uint64_t arg)
{
	struct physdev_dbgp_op op;

	if (copy_from_guest(v, &op, arg, sizeof(op)))
		return err(-EFAULT);
	return op.bus == PHYSDEVOP_DBGP_BUS_UNKNOWN || op.bus == PHYSDEVOP_DBGP_BUS_PCI ? 0 : err(-EINVAL);
}

/* Hypercall 33: args[0] PHYSDEVOP_*, args[1] its structure. -ENOSYS for what does not exist for the caller, as in Xen. */
long do_physdev_op(struct vcpu *v, const uint64_t *args)
{
	if (!domain_has_role(v->domain, ROLE_HARDWARE))
		return err(-ENOSYS);
	switch ((uint32_t)args[0]) {
	case PHYSDEVOP_pci_mmcfg_reserved:
		return mmcfg_reserved(v, args[1]);
	case PHYSDEVOP_pci_device_add:
		return device_add(v, args[1]);
	case PHYSDEVOP_pci_device_remove:
		return device_remove(v, args[1]);
	case PHYSDEVOP_dbgp_op:
		return dbgp_op(v, args[1]);
	default:
		return err(-ENOSYS);
	}
}
