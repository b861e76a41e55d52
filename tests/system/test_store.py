"""Our xenstored as the store of a whole machine: Debian's xl and kernels use it, and it dies and is replaced under them."""
import machine
from machine import boot_test, image
from test_dom0 import INIT
from test_xl import CONFIG, START, Session, finish

# Ours instead of Debian's. The process id is in a file; `again` starts it after a death. xenconsoled gives up when its connection breaks, and
# without it a guest stops at its full console.
OURS = START.replace("xenstored --pid-file", "rm -rf /var/run; ln -s /run /var/run; mkdir -p /run/xen; /xenstored --pid-file") + """
again() { /xenstored --pid-file /var/run/xenstored.pid; kill $(cat /var/run/xenconsoled.pid) 2>/dev/null; sleep 1; rm -f /var/run/xenconsoled.pid
xenconsoled --pid-file=/var/run/xenconsoled.pid --log=guest; }
pid() { cat /var/run/xenstored.pid; }
"""


def files():
    return {"dom0-init": INIT.replace('echo "DOM0 ready"', OURS + 'echo "DOM0 ready"').encode(),
            "xenstored": (machine.BUILD / "xenstored").read_bytes(), "xenstore": (machine.BUILD / "xenstore").read_bytes(),
            "vmlinuz": image("vmlinuz-cloud").read_bytes(), "initrd": image("initramfs.gz").read_bytes(),
            "linux.cfg": CONFIG.format(name="linux", kernel="/vmlinuz", memory=128, vcpus=1,
                                       more='ramdisk = "/initrd"\nextra = "console=hvc0 quiet hospes.do=count"').encode()}


def serves_dies_and_is_replaced(s):
    """A kernel's watch on control/shutdown outlives kill -9 and an update of the daemon: only so does it hear of `xl shutdown`."""
    s.check("/xenstore ls /local/domain/0", r'^domid = "0"', r'^ feature-poweroff = "1"')  # the latter is of dom0's kernel, through its ring
    s.run("xl create -q /linux.cfg", timeout=150)
    s.console("linux", r"USERSPACE", 150)
    before = s.check("/xenstore ls -p /local/domain", r'feature-poweroff = "1"', r'name = "linux"')
    first = s.run("pid")
    s.run("kill -9 $(pid)")
    s.run("again")
    if s.run("pid") == first or s.run("/xenstore ls -p /local/domain") != before:
        s.m.fail("the store is not what it was before the daemon died")
    s.check("xl list linux", r"^linux +\d+ +128 +1 ")
    s.run("/xenstore control live-update /xenstored")
    if s.run("/xenstore ls -p /local/domain") != before:
        s.m.fail("the store is not what it was before the update")
    s.check("/xenstore control check", r"^")
    s.run("xl shutdown -w linux", timeout=200)
    # The xl that waited for its end has lost the store with the first daemon.
    s.run("xl destroy linux")
    left = s.run("/xenstore list /local/domain")
    if left != "0":
        s.m.fail(f"domains left in the store: {left}")
    finish(s)


@boot_test("system", weight=120)
def our_store_under_xl():
    """dom0 on Hospes with our store: create, kill -9, restart, update, shutdown."""
    with Session(files()) as s:
        serves_dies_and_is_replaced(s)


@boot_test("oracle", weight=120)
def our_store_on_real_xen():
    """The same on Debian's real Xen."""
    with Session(files(), real_xen=True) as s:
        serves_dies_and_is_replaced(s)
