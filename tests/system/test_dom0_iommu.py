"""A dom0 behind each kind of IOMMU: all its devices work, their interrupts remapped; and what a device may not reach it does not."""
import gzip
import pathlib
import subprocess
import tempfile

from devices import try_devices
from machine import Machine, boot_test, image

AMD = ("-device", "amd-iommu,intremap=on")
INTEL = ("-device", "intel-iommu,intremap=on")

# QEMU's "edu" does DMA of 64 bytes wherever its registers say: 80h from, 88h to, 90h how much, 98h start (and bit 1: to memory).
EDU = r"""#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
for d in /sys/bus/pci/devices/*; do
	[ "$(busybox cat "$d/device")" = 0x11e8 ] && edu=$d
done
echo 1 >"$edu/enable"
busybox printf '\006' | busybox dd of="$edu/config" bs=1 seek=4 conv=notrunc 2>/dev/null
read -r bar rest <"$edu/resource"
reg() { busybox devmem $((bar + $1)) 32 "$2"; }
dma() {
	echo "EDU $1 $2"
	if [ "$1" = reads ]; then reg 0x80 "$2"; reg 0x88 0x40000; run=1; else reg 0x80 0x40000; reg 0x88 "$2"; run=3; fi
	reg 0x90 64
	reg 0x98 $run
	n=0
	while [ $(($(busybox devmem $((bar + 0x98)) 32) & 1)) = 1 ] && [ $n -lt 50 ]; do busybox sleep 0.1; n=$((n + 1)); done
	busybox sleep 1.5
	echo "EDU done"
}
dma reads 0x1000000
dma reads 0x30000000
dma writes 0x31000000
dma reads 0x1000000
busybox poweroff -f
"""


def initrd_with(path, files):
    """The dom0's initramfs with @files (name: text, executable) laid over it."""
    with tempfile.TemporaryDirectory() as tmp:
        for name, text in files.items():
            (pathlib.Path(tmp) / name).write_text(text)
            (pathlib.Path(tmp) / name).chmod(0o755)
        cpio = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tmp, input="\n".join(files).encode(),
                              stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(image("dom0-devices.cpio.gz").read_bytes() + gzip.compress(cpio))


def stray_dma(iommu, kind, told):
    """The device reads and writes machine memory that is not dom0's (it has 512 MiB): stopped and told. Its own memory it reaches before and after."""
    with tempfile.TemporaryDirectory() as tmp:
        initrd = pathlib.Path(tmp) / "initrd"
        initrd_with(initrd, {"edu-init": EDU})
        kernel = f"{image('vmlinux-generic')} console=hvc0 quiet panic=-1 random.trust_cpu=on rdinit=/edu-init"
        extra = [*iommu, "-device", "edu,dma_mask=0xffffffff,addr=0x9"]
        with Machine([kernel, initrd], append="dom0=pvh dom0_mem=512M", memory="2G", cpus=2, extra=extra) as m:
            m.expect(rf"IOMMU: {kind}, 1 unit, .* interrupt remapping on")
            m.expect(r"EDU reads 0x1000000$", timeout=150)
            if "stopped" in m.text:
                m.fail("something was stopped before anything was done")
            m.expect("EDU reads 0x30000000")
            m.expect(told("read", 0x30000000))
            m.expect("EDU writes 0x31000000")
            m.expect(told("write", 0x31000000))
            m.expect(r"EDU reads 0x1000000$")
            m.expect_off()
        if "at 0x1000000 " in m.text:
            m.fail("what is dom0's own was stopped")


def console(iommu, kind):
    """Nothing to launch: the unit is on, and what is typed arrives, by a line whose interrupt is remapped."""
    with Machine([], append="iommu=verbose", memory="256M", extra=iommu) as m:
        m.expect(rf"IOMMU 0: {kind} at 0xfed[89]0000")
        m.expect(rf"IOMMU: {kind}, 1 unit, devices blocked until they are given to a domain, interrupt remapping on")
        m.expect("this console stays")
        for _ in range(3):
            m.memory_now()


@boot_test("boot", "system", weight=5)
def console_behind_amd():
    console(AMD, "AMD-Vi")


@boot_test("boot", "system", weight=5)
def console_behind_intel():
    console(INTEL, "VT-d")


@boot_test("system", weight=5)
def switched_off():
    """iommu=off, and no IOMMU where one is demanded."""
    with Machine([], append="iommu=off", memory="256M", extra=AMD) as m:
        m.expect("IOMMU: switched off by iommu=")
        m.expect("this console stays")
    with Machine([], append="iommu=force noreboot", memory="256M") as m:
        m.expect("iommu=force, but there is no IOMMU to use: none found")


@boot_test("system", weight=60)
def devices_behind_amd():
    """Disks, USB and network cards of every kind behind AMD's IOMMU; virtio asked to use it."""
    try_devices("", AMD)


@boot_test("system", weight=60)
def devices_behind_intel():
    """The same behind Intel's, with three levels of tables and caches that must be written back."""
    try_devices("", INTEL)


@boot_test("system", weight=60)
def lines_behind_amd():
    """Level-triggered lines, whose redirection entry holds an index: each fires again after its end."""
    try_devices("pci=nomsi", AMD)


@boot_test("system", weight=60)
def lines_behind_intel():
    """The same by VT-d's remappable format."""
    try_devices("pci=nomsi", INTEL)


def conventional_bridge(iommu):
    """A disk on a conventional bus, for which the bridge speaks."""
    with tempfile.TemporaryDirectory() as tmp:
        disk = pathlib.Path(tmp) / "disk.img"
        disk.write_bytes(b"hospes" * 20000)
        kernel = f"{image('vmlinuz-generic')} console=hvc0 quiet panic=-1 random.trust_cpu=on devices.disks=1 devices.nics=0"
        extra = [*iommu, "-drive", f"if=none,id=disk,file={disk},format=raw,snapshot=on", "-device", "pcie-pci-bridge,id=old",
                 "-device", "virtio-blk-pci,drive=disk,bus=old,addr=1,iommu_platform=on,disable-legacy=on"]
        with Machine([kernel, image("dom0-devices.cpio.gz")], append="dom0=pvh dom0_mem=512M", memory="1G", cpus=2, extra=extra) as m:
            m.expect("interrupt remapping on")
            m.expect(r"DISK virtio-blk \w{32} Linux version", timeout=200)


@boot_test("system", weight=40)
def behind_a_bridge_amd():
    conventional_bridge(AMD)


@boot_test("system", weight=40)
def behind_a_bridge_intel():
    conventional_bridge(INTEL)


@boot_test("system", weight=40)
def stray_dma_amd():
    """A device that DMAs outside its domain is stopped by AMD's IOMMU. QEMU 7's never writes its event log, so whose request it was is not known."""
    stray_dma(AMD, "AMD-Vi", lambda what, address: rf"IOMMU: (\w+ of device 0000:00:09.0, of d0, at {address:#x} stopped|unit at \S+ a device's request was stopped)")


@boot_test("system", weight=40)
def stray_dma_intel():
    """And by Intel's, which names device, owner, direction and address."""
    stray_dma(INTEL, "VT-d", lambda what, address: rf"IOMMU: {what} of device 0000:00:09.0, of d0, at {address:#x} stopped: nothing is mapped there")
