/* Finding functions, capabilities and sizes of BARs in configuration space, with the loops and lies broken hardware offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "asm/host.h"
#include "hv/pci_scan.h"
#include "pci_fake.h"

static struct {
	struct pci_sbdf seen[64];
	unsigned nr;
} t;

static void found(struct pci_sbdf s, void *ctx)
{
	t.seen[t.nr++] = s;
}

static struct fake_dev *begin(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(&t, 0, sizeof(t));
	return fake_add(0, 0, 0);
}

static void functions_are_found(void **state)
{
	begin();
	fake_add(0, 5, 0)->cfg[PCI_HEADER_TYPE] = PCI_HEADER_MULTI;
	fake_add(0, 5, 3);
	fake_add(0, 6, 0);
	fake_add(0, 6, 1); /* its function 0 says there is none */
	fake_add(1, 0, 0);
	pci_scan_bus(0, 0, found, NULL);
	assert_int_equal(t.nr, 4);
	assert_int_equal(t.seen[2].devfn, 5 << 3 | 3);
	pci_scan_bus(0, 2, found, NULL);
	assert_int_equal(t.nr, 4);
}

static void bridges(void **state)
{
	struct fake_dev *f = begin();

	f->cfg[PCI_SECONDARY_BUS] = 7;
	assert_int_equal(pci_secondary_bus(f->s), 0);
	f->cfg[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE | PCI_HEADER_MULTI;
	assert_int_equal(pci_secondary_bus(f->s), 7);
}

static void capabilities(void **state)
{
	struct fake_dev *f = begin();

	assert_int_equal(pci_find_cap(f->s, PCI_CAP_ID_MSI), 0);
	fake_cap(f, 0x50, PCI_CAP_ID_MSI);
	fake_cap(f, 0xa0, PCI_CAP_ID_MSIX);
	assert_int_equal(pci_find_cap(f->s, PCI_CAP_ID_MSI), 0x50);
	assert_int_equal(pci_find_cap(f->s, PCI_CAP_ID_MSIX), 0xa0);
	assert_int_equal(pci_find_cap(f->s, 1), 0);
	f->cfg[0x51] = 0xa0; /* a loop */
	assert_int_equal(pci_find_cap(f->s, 1), 0);
	f->cfg[0x50] = 0xff; /* an empty bus behind it */
	assert_int_equal(pci_find_cap(f->s, 1), 0);
	assert_int_equal(pci_find_cap((struct pci_sbdf){ 0, 9, 9 }, 1), 0);
}

static void extended_capabilities(void **state)
{
	struct fake_dev *f = begin();

	assert_int_equal(pci_find_ext_cap(f->s, 1), 0);
	put(f->cfg, 0x100, 4, 0x14010001);
	put(f->cfg, 0x140, 4, 0x10010003); /* back to the first */
	assert_int_equal(pci_find_ext_cap(f->s, 3), 0x140);
	assert_int_equal(pci_find_ext_cap(f->s, 4), 0);
	put(f->cfg, 0x140, 4, 0xffffffff);
	assert_int_equal(pci_find_ext_cap(f->s, 4), 0);
}

static void sizes(void **state)
{
	struct fake_dev *f = begin();
	struct pci_bar_info b;

	fake_bar(f, 0, 0xe0000000, 0x1000, PCI_BAR_PREFETCH);
	assert_int_equal(pci_probe_bar(f->s, PCI_BAR0, false, &b), 1);
	assert_int_equal(b.size, 0x1000);
	assert_true(b.prefetch);
	assert_int_equal(fake_get(f->s, PCI_BAR0, 4), 0xe0000008);
	fake_bar(f, 1, 0x600000000, 0x200000000, PCI_BAR_TYPE_64);
	assert_int_equal(pci_probe_bar(f->s, PCI_BAR0 + 4, false, &b), 2);
	assert_int_equal(b.size, 0x200000000);
	/* The last register cannot be half of two. */
	fake_bar(f, 5, 0xe0000000, 0x1000, PCI_BAR_TYPE_64);
	assert_int_equal(pci_probe_bar(f->s, PCI_BAR0 + 20, true, &b), 1);
	assert_int_equal(pci_probe_bar(f->s, PCI_BAR0 + 12, false, &b), 1);
	assert_int_equal(b.size, 0);
}

static void msi_layouts(void **state)
{
	struct pci_msi_layout l;

	pci_msi_layout(0x50, 0, &l);
	assert_int_equal(l.data, 0x58);
	assert_int_equal(l.end, 0x5a);
	pci_msi_layout(0x50, PCI_MSI_64 | PCI_MSI_MASKABLE | 5 << PCI_MSI_CAPABLE_SHIFT, &l);
	assert_int_equal(l.data, 0x5c);
	assert_int_equal(l.mask, 0x60);
	assert_int_equal(l.end, 0x68);
	assert_int_equal(l.log2_capable, 5);
	pci_msi_layout(0x50, 7 << PCI_MSI_CAPABLE_SHIFT, &l);
	assert_int_equal(l.log2_capable, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found),	 cmocka_unit_test(bridges), cmocka_unit_test(capabilities),
		cmocka_unit_test(extended_capabilities), cmocka_unit_test(sizes),   cmocka_unit_test(msi_layouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
