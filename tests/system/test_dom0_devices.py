"""A dom0, Debian's generic kernel, drives every kind of controller QEMU has: reads a disk behind each, writes it, and pings through each network card;
once by MSI and MSI-X, once by interrupt lines."""
import hashlib
import pathlib
import random
import tempfile

from machine import Machine, boot_test, image

DISKS = {
    "virtio-blk": ["virtio-blk-pci,drive={}{virtio}"],
    "ahci": ["ide-hd,drive={},bus=ide.0"],
    "nvme": ["nvme,drive={},serial=hospes"],
    "xhci": ["qemu-xhci", "usb-storage,drive={}"],
}
NICS = {"e1000e": ("10.0.5", "e1000e,netdev={}"), "virtio_net": ("10.0.6", "virtio-net-pci,netdev={}{virtio}")}


def try_devices(kernel_args, iommu=()):
    """Boot with all devices at once; returns the console's text after the last result."""
    virtio = ",iommu_platform=on,disable-legacy=on" if iommu else ""
    with tempfile.TemporaryDirectory() as tmp:
        extra, sums = list(iommu), {}
        for i, (kind, devices) in enumerate(DISKS.items()):
            path = pathlib.Path(tmp) / f"{kind}.img"
            data = random.Random(i).randbytes(1 << 20)
            path.write_bytes(data)
            sums[kind] = hashlib.md5(data).hexdigest()
            extra += ["-drive", f"if=none,id=disk{i},file={path},format=raw,snapshot=on"]
            for d in devices:
                extra += ["-device", d.format(f"disk{i}", virtio=virtio)]
        for i, (net, device) in enumerate(NICS.values()):
            extra += ["-netdev", f"user,id=net{i},net={net}.0/24", "-device", device.format(f"net{i}", virtio=virtio)]
        kernel = f"{image('vmlinuz-generic')} console=hvc0 quiet panic=-1 random.trust_cpu=on {kernel_args}"
        with Machine([kernel, image("dom0-devices.cpio.gz")], append="dom0=pvh dom0_mem=512M guest_loglvl=all", memory="2G", cpus=2,
                     extra=extra) as m:
            m.expect("DEVICES begin", timeout=150)
            m.expect_all([rf"DISK {kind} {sums[kind]} Linux version" for kind in DISKS] + [rf"NIC {nic} answered" for nic in NICS], timeout=120)
            m.expect("DEVICES end", timeout=30)
            m.expect_off(60)
        return m


@boot_test("system", weight=60)
def by_messages():
    """MSI for AHCI, MSI-X for all others."""
    m = try_devices("")
    found = [x for x in m.text.splitlines() if x.startswith("IRQ ") and "PCI-MSI" in x]
    for name in ("virtio", "ahci", "nvme", "xhci", "eth"):
        if not any(name in x for x in found):
            m.fail(f"no message of {name}")


@boot_test("system", weight=60)
def by_lines():
    """pci=nomsi: level-triggered lines of the I/O APIC, shared."""
    m = try_devices("pci=nomsi")
    if "INTERRUPTS msi 0" not in m.text:
        m.fail("messages although forbidden")
