"""Our Debian packages on a Debian 12 that knew nothing of them: installed, found by GRUB's stock menu, all services up, domains that come and go
with the machine, an upgrade under them, and purged without a trace. tests/system/host/run is what happens on the machine, over boots of it."""
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

import machine
from machine import Failed, Machine, ROOT, boot_test, image
from steps import by_step
from test_debian import compare

# The disk has no boot loader of its own: this is GRUB's, on a CD. Once something is installed, the menu is the one update-grub wrote.
# no_timer_check: Linux panics where an emulated timer is late, as on a busy host.
MENU = """serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
search --no-floppy --label --set=disk dom0
if [ -f ($disk)/installed ]; then
  set root=$disk
  configfile ($disk)/boot/grub/grub.cfg
else
  linux ($disk)/vmlinuz root=LABEL=dom0 rw quiet console=ttyS0 no_timer_check init=/usr/local/sbin/trial
  initrd ($disk)/initrd.img
  boot
fi
"""


def cd(path):
    with tempfile.TemporaryDirectory(dir=machine.BUILD) as tmp:
        grub = pathlib.Path(tmp) / "boot" / "grub"
        grub.mkdir(parents=True)
        (grub / "grub.cfg").write_text(MENU)
        run = subprocess.run(["grub-mkrescue", "-o", path, tmp], capture_output=True, text=True)
        if run.returncode:
            raise Failed(f"grub-mkrescue: {run.stderr}")


def packages(folder):
    run = subprocess.run(["make", "-s", "-C", str(ROOT), f"BUILD={machine.BUILD}", f"DISTDIR={folder}", "deb"], capture_output=True, text=True)
    if run.returncode:
        raise Failed(f"make deb: {run.stdout}{run.stderr}")
    return folder / "deb"


def guest_initrd():
    """The guests', which end when they are asked to: the kernel calls this."""
    return image("initramfs.gz").read_bytes() + machine.cpio({"sbin/poweroff": b"#!/bin/sh\nexec /bin/poweroff -f\n"})


def trial(folder, **settings):
    """The archive the machine finds on its second disk."""
    path = folder / "trial"
    (folder / "settings").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    (folder / "initrd").write_bytes(guest_initrd())
    with tarfile.open(path, "w") as tar:
        for name in ("run", "files"):
            tar.add(ROOT / "tests" / "system" / "host" / name, name)
        tar.add(packages(folder), "debs")
        tar.add(image("vmlinuz-cloud").resolve(), "vmlinuz")
        for name in ("settings", "initrd"):
            tar.add(folder / name, name)
    with open(path, "ab") as f:
        f.truncate(-(-path.stat().st_size // 4096) * 4096)
    return path


def life(init, domains, whole):
    """What each step printed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="install.", dir=machine.BUILD))
    try:
        disks = {"root": image("host-disk.img"), "trial": trial(folder, init=init, domains=" ".join(domains), whole="yes" if whole else "no")}
        cd(folder / "cd")
        extra = ["-boot", "d", "-device", "amd-iommu,intremap=on"]
        for bus, (name, file) in enumerate(disks.items()):
            extra += ["-drive", f"file={file},if=none,id={name},format=raw,snapshot=on", "-device", f"ide-hd,bus=ide.{bus},drive={name},serial={name}"]
        with Machine([], cpus=2, memory="2G", cdrom=folder / "cd", resets=True, extra=extra) as m:
            for _ in range(3 if whole else 2):
                m.expect("TRIAL begin", timeout=900)
                m.expect("^TRIAL end", timeout=900)
            m.expect_off()
            return by_step("".join(re.findall(r"TRIAL begin\n(.*?)^TRIAL end", m.text, re.M | re.S)))
    finally:
        shutil.rmtree(folder)


NAMES = ("expected", "Hospes")
INSTALLED = {
    "install": ["menuentry 'Debian GNU/Linux, with Xen hypervisor'", "multiboot2\t/boot/xen-4.17-hospes.gz"],
    "host": ["xen_extra              : .7-hospes-0.1", "/usr/lib/xen-4.17-hospes/bin/xenstored", "Running in PVH context on Xen", "Domain-0",
             "/usr/lib/xen-4.17-hospes"],
}
WHOLE = {**INSTALLED, "domains": ["one", "two"], "upgrade": ["the same store", "the same domains"], "end": ["one poweroff", "two poweroff"],
         "purge": ["equal before and after", "0"]}
UNITS = ("proc-xen.mount", "xenstored", "xen-init-dom0", "xenconsoled", "hospesd", "xendomains", "xen-watchdog")
SYSTEMD = [*(f"{unit} active" for unit in UNITS), "xendriverdomain inactive", "running"]
SYSVINIT = ["xenstored, xenconsoled and hospesd run", "the watchdog runs", "xenfs /proc/xen"]


@boot_test("system", weight=200)
def with_systemd():
    """All units are active, none failed, one that does not belong is skipped; a domain comes with the machine and is taken down."""
    compare(life("systemd", ["one"], whole=False), {**INSTALLED, "services": SYSTEMD, "domains": ["one"], "end": ["one poweroff"]}, NAMES)


@boot_test("soak", weight=300)
def whole_life_with_systemd():
    """Two domains, an upgrade under them, their end with the machine's, and a purge that leaves nothing."""
    compare(life("systemd", ["one", "two"], whole=True), {**WHOLE, "services": SYSTEMD}, NAMES)


@boot_test("soak", weight=300)
def whole_life_with_sysvinit():
    """The same under Debian's SysV init."""
    compare(life("sysv", ["one", "two"], whole=True), {**WHOLE, "services": SYSVINIT}, NAMES)
