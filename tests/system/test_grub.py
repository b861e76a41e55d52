"""GRUB on a BIOS machine, from a CD made by scripts/iso.sh, by both protocols."""
import os
import shutil
import subprocess

import machine
from machine import Failed, Machine, ROOT, Skip, boot_test, guest, launch


def from_cd(protocol, said):
    if not shutil.which("grub-mkrescue") or not shutil.which("xorriso"):
        raise Skip("no grub-mkrescue and xorriso")
    tiny = {"name": "w64", "type": "pvh", "kernel": guest("hello64"), "memory": 4, "vcpus": 1, "extra": f"by-{protocol}"}
    iso = machine.BUILD / f"test-{protocol}.iso"
    run = subprocess.run(["sh", str(ROOT / "scripts" / "iso.sh"), str(iso), protocol, *launch([tiny])], capture_output=True, text=True,
                         env=dict(os.environ, BUILD=str(machine.BUILD)))
    if run.returncode:
        raise Failed(f"iso.sh: {run.stdout}{run.stderr}")
    try:
        with Machine([], memory="512M", cdrom=iso) as m:
            m.expect(rf"Hospes \S+, by {said} \(GRUB 2\.\S+.*\): console=com1,vga", timeout=90)
            m.expect(rf"HELLO from 64-bit guest .*'by-{protocol}'")
            m.expect_off()
    finally:
        iso.unlink()


@boot_test("system", weight=15)
def multiboot2():
    """Multiboot 2, as GRUB's multiboot2 and module2 do it."""
    from_cd("multiboot2", "multiboot2")


@boot_test("system", weight=15)
def multiboot1():
    """Multiboot 1, as GRUB's multiboot and module do it."""
    from_cd("multiboot", "multiboot")
