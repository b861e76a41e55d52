"""A machine with every kind of controller QEMU has, behind bridges too, for a dom0 that tries them all (scripts/dom0-devices-init)."""
import hashlib
import pathlib
import random
import tempfile

from machine import Machine, image

# Devices for each kind of disk; @bridge is a bus behind one.
DISKS = {
    "virtio-blk": ["virtio-blk-pci,drive={disk}{virtio}"],
    "ahci": ["ahci,id=sata", "ide-hd,drive={disk},bus=sata.0"],
    "nvme": ["nvme,drive={disk},serial=hospes,bus=bridge"],
    "xhci": ["qemu-xhci", "usb-storage,drive={disk}"],
}
NICS = {"e1000e": ("10.0.5", "e1000e,netdev={net}"), "virtio_net": ("10.0.6", "virtio-net-pci,netdev={net}{virtio}")}
FIRST, LAST = 0x4f534f48, 0x53455045
WINDOW = 4 << 30


def devices(tmp, chipset, iommu):
    """QEMU's arguments, and the checksum of each disk."""
    virtio = ",iommu_platform=on,disable-legacy=on" if iommu else ""
    extra, sums = list(iommu), {}
    extra += ["-device", "pcie-root-port,id=bridge" if chipset == "q35" else "pci-bridge,id=bridge,chassis_nr=1"]
    for i, (kind, parts) in enumerate(DISKS.items()):
        path = pathlib.Path(tmp) / f"{kind}.img"
        data = random.Random(i).randbytes(1 << 20)
        path.write_bytes(data)
        sums[kind] = hashlib.md5(data).hexdigest()
        extra += ["-drive", f"if=none,id=disk{i},file={path},format=raw,snapshot=on"]
        for part in parts:
            extra += ["-device", part.format(disk=f"disk{i}", virtio=virtio)]
    for i, (net, part) in enumerate(NICS.values()):
        extra += ["-netdev", f"user,id=net{i},net={net}.0/24", "-device", part.format(net=f"net{i}", virtio=virtio)]
    window = pathlib.Path(tmp) / "window"
    with window.open("wb") as f:
        f.write(FIRST.to_bytes(4, "little"))
        f.seek(WINDOW - 4)
        f.write(LAST.to_bytes(4, "little"))
    extra += ["-object", f"memory-backend-file,id=window,size={WINDOW},mem-path={window},share=on", "-device", "ivshmem-plain,memdev=window"]
    return extra, sums


def try_devices(kernel_args, iommu=(), chipset="q35"):
    """Boot with all devices at once, and @iommu, arguments of QEMU; returns the machine when it is off."""
    with tempfile.TemporaryDirectory() as tmp:
        extra, sums = devices(tmp, chipset, iommu)
        kernel = f"{image('vmlinuz-generic')} console=hvc0 quiet panic=-1 random.trust_cpu=on {kernel_args}"
        with Machine([kernel, image("dom0-devices.cpio.gz")], append="dom0=pvh dom0_mem=512M guest_loglvl=all", memory="2G", cpus=2,
                     machine=chipset, extra=extra) as m:
            m.expect("DEVICES begin", timeout=300)
            m.expect_all([rf"DISK {kind} {sums[kind]} Linux version" for kind in DISKS] + [rf"NIC {nic} answered" for nic in NICS] +
                         ["RESET survived", rf"WINDOW 0x0*[1-9a-f]\w{{8}} 0x{FIRST:08X} 0x{LAST:08X}"], timeout=240)
            m.expect("DEVICES end")
            m.expect_off()
        return m
