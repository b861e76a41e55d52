"""The hardware domain: Debian's unmodified generic kernel drives the machine, with Debian's Xen tools in its initramfs."""
import os
import pathlib
import re
import subprocess
import tempfile
import time

import machine
from machine import Machine, boot_test, guest, image, launch, linux

INIT = """#!/bin/sh
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/hvc0 >/dev/hvc0 2>&1
for m in xen-evtchn xen-gntdev xen-privcmd xenfs; do insmod /modules/$m.ko; done
mount -t xenfs xenfs /proc/xen
stty -echo
echo "DOM0 ready"
while read -r line; do eval "$line"; done
"""
IOMMU = ("-device", "amd-iommu,intremap=on")


def archive():
    """The tools' root with an init of ours behind it, made once."""
    out = machine.BUILD / "dom0-root.cpio.gz"
    root = image("oracle-root.cpio.gz").read_bytes()
    with tempfile.TemporaryDirectory() as tmp:
        init = pathlib.Path(tmp) / "dom0-init"
        init.write_text(INIT)
        init.chmod(0o755)
        data = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"dom0-init\n", cwd=tmp, stdout=subprocess.PIPE,
                              check=True).stdout
    new = out.with_suffix(f".{os.getpid()}")
    # The kernel looks for the next archive at a multiple of four bytes.
    new.write_bytes(root + bytes(-len(root) % 4) + data)
    new.rename(out)
    return out


def dom0(kernel="vmlinux-generic", append="", extra=(), cmdline="", **keys):
    options = {"memory": "2G", "cpus": 2, **keys}
    # Its patience with a CPU that does not come back is that of scripts/run.py.
    return Machine([f"{image(kernel)} console=hvc0 quiet loglevel=4 rdinit=/dom0-init random.trust_cpu=on watchdog_thresh=60 {cmdline}", archive()],
                   append=f"dom0=pvh dom0_mem=512M loglvl=all guest_loglvl=all {append}", extra=extra, **options)


def ask(m, command, answer, timeout=240):
    m.send(command + "\n")
    return m.expect(answer, timeout)


def nothing_bad(m):
    """Neither the kernel nor the hypervisor complained; Xen's banner calls its PVH dom0 an experiment."""
    bad = re.search(r"^.*(Call Trace|BUG:|WARNING:(?! PVH is an experimental mode)|Oops|unchecked MSR|irq \d+: nobody cared|cannot emulate|cannot be bound).*$", m.text, re.M)
    if bad:
        m.fail(f"seen: {bad[0]}")


@boot_test("boot", "system", weight=40)
def drives_the_machine():
    """Two vCPUs with an IOMMU: console both ways, clock, interrupt lines, tables, PCI; switches the machine off by ACPI itself."""
    with dom0(extra=IOMMU) as m:
        m.expect(r"d0: drives \d+ PCI devices")
        m.expect(r"DOM0 ready", timeout=240)
        ask(m, "echo cpus-$(grep -c ^processor /proc/cpuinfo)", r"cpus-2\b")
        ask(m, "echo year-$(date +%Y)", rf"year-{time.gmtime().tm_year}\b")
        ask(m, "cat /sys/hypervisor/properties/capabilities", r"hvm-3\.0-x86_64")
        ask(m, "cat /proc/xen/capabilities", r"control_d")
        # Real Xen's PVH dom0 has the same lines: SCI, keyboard, clock.
        ask(m, "grep -c 'IO-APIC.*acpi$' /proc/interrupts | sed s/^/sci-/", r"sci-1\b")
        ask(m, "grep -c 'IO-APIC.*rtc0$' /proc/interrupts | sed s/^/rtc-/", r"rtc-1\b")
        ask(m, "ls /sys/firmware/acpi/tables | tr '\\n' ' '", r"APIC DSDT FACP FACS MCFG")
        ask(m, "ls /sys/bus/pci/devices | grep -c 0000:00 | sed s/^/pci-/", r"pci-[3-9]\b")
        ask(m, "ls /sys/devices/system/xen_cpu | tr '\\n' ' '", r"xen_cpu0 xen_cpu1")
        # PIC, PIT, its gate, Hospes' serial port, PM timer: ones. The keyboard controller's status is the machine's.
        ask(m, "for p in 33 64 97 1021 1544; do dd if=/dev/port bs=1 skip=$p count=1 2>/dev/null; done | od -An -tx1 | tr -d ' ' | sed s/^/ports-/",
            r"ports-ffffffffff\b")
        ask(m, "dd if=/dev/port bs=1 skip=100 count=1 2>/dev/null | od -An -tx1 | tr -d ' ' | sed s/^/keyboard-/", r"keyboard-[0-7]")
        # An interrupt of the machine arrives: the clock's update tick, through pin 8.
        ask(m, "echo 0 >/sys/class/rtc/rtc0/wakealarm; echo +2 >/sys/class/rtc/rtc0/wakealarm; sleep 4; "
               "awk '/rtc0/ {print \"ticks-\" $2 + $3}' /proc/interrupts", r"ticks-[1-9]")
        nothing_bad(m)
        m.send("poweroff -f\n")
        m.expect_off()
        if re.search(r"\(XEN\) .*Power off", m.text):
            m.fail("Hospes switched the machine off, not its kernel")


@boot_test("system", weight=60)
def without_iommu():
    """Four vCPUs, the packed kernel, no IOMMU: RAM at the machine's own addresses, said loudly; a reboot resets the machine."""
    with dom0(kernel="vmlinuz-generic", cpus=4, append="dom0_vcpus_pin") as m:
        m.expect(r"d0 drives devices without an IOMMU")
        m.expect(r"DOM0 ready", timeout=280)
        ask(m, "echo cpus-$(grep -c ^processor /proc/cpuinfo)", r"cpus-4\b")
        m.to_hospes()
        m.send("q")
        m.expect(r'd0 "Domain-0"')
        m.send("\x01\x01\x01")
        m.expect(r"Serial input to d0")
        nothing_bad(m)
        m.send("reboot -f\n")
        m.expect(r"The hardware domain has ended: rebooting the machine")
        m.expect_off()


@boot_test("system", weight=40)
def crash_stays_with_noreboot():
    """The kernel's crash is told; with noreboot the machine stays for somebody to look at it."""
    with dom0(append="noreboot dom0_max_vcpus=1", cmdline="panic=0") as m:
        m.expect(r"DOM0 ready", timeout=240)
        ask(m, "echo cpus-$(grep -c ^processor /proc/cpuinfo)", r"cpus-1\b")
        m.send("echo c >/proc/sysrq-trigger\n")
        m.expect(r"Kernel panic - not syncing: sysrq")
        m.expect(r"Domain 0 \(Domain-0\) has crashed")
        m.expect(r"reboot prevented by noreboot")
        m.to_hospes()
        m.send("q")
        m.expect(r'd0 "Domain-0"')


@boot_test("system", weight=40)
def crash_resets():
    """Without noreboot a crash of the hardware domain resets the machine, as on Xen."""
    with dom0(append="dom0_max_vcpus=1", cmdline="panic=0") as m:
        m.expect(r"DOM0 ready", timeout=240)
        m.send("echo c >/proc/sysrq-trigger\n")
        m.expect(r"The hardware domain has ended: rebooting the machine")
        m.expect_off()


@boot_test("system", weight=60)
def beside_another_domain():
    """In a launch tree: a domain with all roles drives the machine, another one runs beside it."""
    domains = [{"name": "manager", "type": "pvh", "kernel": image("vmlinux-generic"), "ramdisk": archive(), "memory": 512, "vcpus": 2,
                "extra": "console=hvc0 quiet loglevel=4 rdinit=/dom0-init", "launch_domid": 0,
                "launch_roles": ["control", "hardware", "xenstore", "console", "boot"]},
               linux("beside", memory=96, do="count")]
    with Machine(launch(domains), memory="2G", cpus=2, extra=IOMMU) as m:
        m.expect_all([r"DOM0 ready", r"BEAT beside 3\b"], timeout=280)
        ask(m, "echo answer-$((40+2))", r"answer-42")
        m.expect(r"BEAT beside \d+")
        nothing_bad(m)
        m.send("poweroff -f\n")
        m.expect_off()


@boot_test("system", weight=10)
def sees_only_its_own():
    """A domain with all roles reads all RAM, maps what the special domains might own, touches what Hospes drives: nothing is there."""
    domains = [{"name": "host", "type": "pvh", "kernel": guest("host64"), "memory": 32, "extra": "other=1 limit=128", "launch_domid": 0,
                "launch_roles": ["control", "hardware", "xenstore", "console", "boot"]},
               {"name": "quiet", "type": "pvh", "kernel": guest("quiet64"), "memory": 4, "launch_domid": 1}]
    with Machine(launch(domains), memory="128M", cpus=2, extra=IOMMU, append="guest_loglvl=all") as m:
        m.expect(r"HOST done")
        bad = re.search(r"^.*(WRONG|UNEXPECTED).*$", m.text, re.M)
        if bad:
            m.fail(bad[0])
        m.expect_off()
