/* Which devices are known and who owns each: boot, late arrivals, hidden ones, failures on the way, and the end of the owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/acpi.h"
#include "hv/iommu.h"
#include "hv/pci_access.h"
#include "pci_fake.h"

struct acpi_info acpi_info;

static struct {
	bool iommu;
	int attach_error, vpci_error, open_error;
	unsigned attached, detached, added, removed, destroyed;
} t;

bool pci_access_init(void)
{
	return true;
}

int pci_open_bus(uint16_t segment, uint8_t bus)
{
	return t.open_error;
}

bool iommu_enabled(void)
{
	return t.iommu;
}

int iommu_attach(struct pci_dev *dev, struct domain *d)
{
	if (d && t.attach_error)
		return t.attach_error;
	*(d ? &t.attached : &t.detached) += 1;
	return 0;
}

void iommu_domain_destroy(struct domain *d)
{
	t.destroyed++;
}

int vpci_add_device(struct domain *d, struct pci_dev *dev)
{
	t.added += !t.vpci_error;
	return t.vpci_error;
}

void vpci_remove_device(struct domain *d, struct pci_dev *dev)
{
	t.removed++;
}

void vpci_domain_destroy(struct domain *d)
{
}

static struct pci_sbdf at(uint8_t bus, unsigned slot, unsigned fn)
{
	return (struct pci_sbdf){ 0, bus, (uint8_t)(slot << 3 | fn) };
}

/* One machine for all tests: what is known stays known. */
static int boot(void **state)
{
	host_machine(16 << 20, 1);
	fake_add(0, 0, 0);
	fake_add(0, 2, 0)->cfg[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	fake.dev[1].cfg[PCI_SECONDARY_BUS] = 1;
	fake_add(1, 0, 0);
	fake_add(200, 4, 0); /* no bridge leads there */
	acpi_info.nr_mcfg = 2;
	acpi_info.mcfg[1].segment = 3;
	acpi_info.mcfg[1].bus_end = 255;
	fake_add(0, 1, 0)->s.segment = 3;
	fake.dev[4].cfg[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	fake.dev[4].cfg[PCI_SECONDARY_BUS] = 9;
	fake_add(9, 1, 0)->s.segment = 3;
	pci_init();
	return 0;
}

static struct domain *domain(domid_t id)
{
	struct domain *d = domain_get_by_id(id);

	memset(&t, 0, sizeof(t));
	if (d)
		domain_put(d);
	return d ? d : host_domain(id, 1, 4, ROLE_HARDWARE);
}

static void all_are_found(void **state)
{
	unsigned nr = 0;

	for (struct pci_dev *dev = pci_next(NULL); dev; dev = pci_next(dev)) {
		assert_ptr_equal(pci_find(dev->sbdf), dev);
		assert_int_equal(dev->owner, DOMID_INVALID);
		nr++;
	}
	assert_int_equal(nr, 6);
	assert_non_null(pci_find((struct pci_sbdf){ 3, 9, 8 }));
	assert_null(pci_find((struct pci_sbdf){ 5, 9, 8 }));
	assert_null(pci_find(at(1, 1, 0)));
}

static void one_owner(void **state)
{
	struct domain *d = domain(1), *e = domain(2);

	t.iommu = true;
	assert_int_equal(pci_assign_device(d, at(1, 0, 0)), 0);
	assert_int_equal(pci_assign_device(d, at(1, 0, 0)), 0); /* dom0 reports what it has */
	assert_int_equal(t.attached, 1);
	assert_int_equal(t.added, 1);
	assert_int_equal(pci_assign_device(e, at(1, 0, 0)), -EBUSY);
	assert_int_equal(pci_deassign_device(e, at(1, 0, 0)), -ENODEV);
	assert_int_equal(pci_assign_device(e, at(7, 7, 7)), -ENODEV);
	assert_int_equal(pci_assign_device(e, (struct pci_sbdf){ 8, 0, 0 }), -ENODEV);
	assert_int_equal(pci_deassign_device(d, at(1, 0, 0)), 0);
	assert_int_equal(t.detached, 1);
	assert_int_equal(pci_find(at(1, 0, 0))->owner, DOMID_INVALID);
	assert_int_equal(pci_assign_device(e, at(1, 0, 0)), 0);
	assert_int_equal(pci_deassign_device(e, at(1, 0, 0)), 0);
}

static void failures_leave_nothing(void **state)
{
	struct domain *d = domain(1);

	t.iommu = true;
	t.attach_error = -EIO;
	assert_int_equal(pci_assign_device(d, at(0, 0, 0)), -EIO);
	assert_int_equal(t.added, 0);
	t.attach_error = 0;
	t.vpci_error = -ENOMEM;
	assert_int_equal(pci_assign_device(d, at(0, 0, 0)), -ENOMEM);
	assert_int_equal(t.detached, 1);
	assert_int_equal(pci_find(at(0, 0, 0))->owner, DOMID_INVALID);
	t.open_error = -ENOMEM; /* a new bus, of a segment without CF8 */
	assert_int_equal(pci_assign_device(d, (struct pci_sbdf){ 3, 11, 0 }), -ENOMEM);
}

static void late_arrivals(void **state)
{
	struct domain *d = domain(1);

	assert_null(pci_find(at(2, 0, 0)));
	fake_add(2, 0, 0);
	assert_int_equal(pci_assign_device(d, at(2, 0, 0)), 0);
	assert_int_equal(pci_find(at(2, 0, 0))->owner, 1);
}

static void hidden(void **state)
{
	struct domain *d = domain(1);

	pci_hide(pci_find(at(200, 4, 0)));
	assert_int_equal(pci_assign_device(d, at(200, 4, 0)), -EBUSY);
	assert_int_equal(t.added, 0);
}

static void the_end_of_the_owner(void **state)
{
	struct domain *d = domain(1);

	assert_int_equal(pci_assign_device(d, at(0, 0, 0)), 0);
	put(fake.dev[0].cfg, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	t.iommu = true;
	pci_release_domain(d);
	assert_int_equal(t.removed, 2); /* with the late one */
	assert_int_equal(t.destroyed, 1);
	assert_int_equal(pci_find(at(0, 0, 0))->owner, DOMID_INVALID);
	/* It does no DMA any more. */
	assert_int_equal(fake_get(at(0, 0, 0), PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found), cmocka_unit_test(one_owner), cmocka_unit_test(failures_leave_nothing),
		cmocka_unit_test(late_arrivals), cmocka_unit_test(hidden),    cmocka_unit_test(the_end_of_the_owner),
	};

	return cmocka_run_group_tests(tests, boot, NULL);
}
