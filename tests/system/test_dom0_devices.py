"""A dom0, Debian's generic kernel, drives every kind of controller QEMU has: reads a disk behind each, writes it, resets one, reads a window above all
RAM, and pings through each network card; by MSI and MSI-X or by interrupt lines."""
from devices import try_devices
from machine import boot_test


def messages(m):
    """Every driver has its messages."""
    found = [x for x in m.text.splitlines() if x.startswith("IRQ ") and "PCI-MSI" in x]
    for name in ("virtio", "ahci", "nvme", "xhci", "eth"):
        if not any(name in x for x in found):
            m.fail(f"no message of {name}")


def lines(m):
    if "INTERRUPTS msi 0" not in m.text:
        m.fail("messages although forbidden")


@boot_test("system", weight=60)
def by_messages():
    """MSI for AHCI, MSI-X for all others."""
    messages(try_devices(""))


@boot_test("system", weight=60)
def by_lines():
    """pci=nomsi: level-triggered lines of the I/O APIC, shared. On a chipset without MMCFG."""
    lines(try_devices("pci=nomsi", chipset="pc"))
