"""Domains that lib/guest built: Debian's unmodified kernels reach user space in them, on Hospes and on Debian's real Xen (level oracle)."""
import re

import machine
from machine import boot_test, guest, image
from test_xl import CONFIG, Session, finish


def files():
    linux = {"vcpus": 2, "more": 'ramdisk = "/initrd"\nextra = "console=hvc0 quiet hospes.do=count"'}
    return {"create": (machine.BUILD / "dom0-create").read_bytes(), "initrd": image("initramfs.gz").read_bytes(),
            "cloud": image("vmlinuz-cloud").read_bytes(), "generic": image("vmlinuz-generic").read_bytes(), "small": guest("quiet64").read_bytes(),
            "cloud.cfg": CONFIG.format(name="cloud", kernel="/cloud", memory=160, **linux).encode(),
            "generic.cfg": CONFIG.format(name="generic", kernel="/generic", memory=256, **linux).encode(),
            "small.cfg": CONFIG.format(name="small", kernel="/small", memory=8, vcpus=1, more="").encode()}


def create(s, name, timeout=120):
    text = s.check(f"/create -c /cache -s -u /{name}.cfg", rf"^emulators see {1 if name == 'small' else 2} vcpus, result 0$", timeout=timeout)
    return int(re.search(r"^domid (\d+)", text, re.M)[1]), int(re.search(r"^total us \d+ hypercalls (\d+)", text, re.M)[1])


def debian_kernels(s):
    """Both kernels, the second time from the cache of what was unpacked."""
    for name in ("cloud", "generic"):
        create(s, name, 150)
        s.console(name, r"USERSPACE .* 2 CPU, .* PVH", 150)
        s.check(f"xl list {name}", rf"^{name} +\d+ +\d+ +2 ")
        s.run(f"xl destroy {name}")
    s.check("ls /cache", r"\.kernel$")
    s.run("sh -c 'rm /var/log/xen/console/*'")
    create(s, "cloud")
    s.console("cloud", r"BEAT guest", 150)
    s.run("xl destroy cloud")
    create(s, "small")
    s.check("xl list small", r"^small +\d+ +8 +1 ")
    s.run("xl destroy small")


@boot_test("system", weight=120)
def on_hospes():
    """Debian's cloud and generic kernels in domains built by lib/guest on Hospes, in a constant number of hypercalls."""
    with Session(files()) as s:
        debian_kernels(s)
        counts = {create(s, "small")[1] for _ in range(4)}
        if len(counts) != 1:
            s.m.fail(f"hypercalls of equal creations differ: {counts}")
        finish(s)


@boot_test("oracle", weight=150)
def on_real_xen():
    """The same with the hypercalls Xen 4.17 has."""
    with Session(files(), real_xen=True) as s:
        debian_kernels(s)
