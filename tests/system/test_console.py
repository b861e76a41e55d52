"""Our console daemon, its client and our records of domain 0 under Debian's xl: with each other and with Debian's own."""
import machine
from machine import boot_test, image
from test_dom0 import INIT
from test_xl import CONFIG, START, Session, finish

# Ours instead of Debian's, which can be started in its place. `typed` types a line, waits until the client shows an answer,
# and ends its input.
OURS = "mkdir -p /var/lock\n" + START.replace("xen-init-dom0 >/dev/null", "/xen-init-dom0 && /xen-init-dom0") \
    .replace("xenconsoled --pid-file", "/xenconsoled --pid-file") + """
daemon() { $1 --pid-file=/var/run/xenconsoled.pid --log=guest; }
# Until the process is gone or a zombie: the next one cannot have its ports before.
stop() { p=$(cat /var/run/xenconsoled.pid); kill $1 $p; i=0; while grep -q '^State:.[^Z]' /proc/$p/status 2>/dev/null && [ $i -lt 300 ]; do sleep 0.2; i=$((i+1)); done; rm -f /var/run/xenconsoled.pid; }
records() { { /xenstore ls -p /local; cat /var/lib/xen/userdata-d.0.* | tr '\\000' @; echo; } >$1; }
kept() { /xenconsole --log $1 && echo; }
typed() { rm -f /shown; (sleep 1; echo "$2"; i=0; while ! grep -qs "$3" /shown && [ $i -lt 60 ]; do sleep 1; i=$((i+1)); done) | $1 >/shown 2>&1; if grep -qs "$3" /shown; then echo "$3"; else tail -n 5 /shown; fi; }
"""


def files():
    return {"dom0-init": INIT.replace('echo "DOM0 ready"', OURS + 'echo "DOM0 ready"').encode(),
            **{name: (machine.BUILD / name).read_bytes() for name in ("xenconsoled", "xenconsole", "xen-init-dom0", "xenstore")},
            "debians": (image("store-oracle") / "usr/lib/xen-4.17/bin/xenconsole").read_bytes(),
            "vmlinuz": image("vmlinuz-cloud").read_bytes(), "initrd": image("initramfs.gz").read_bytes(),
            "linux.cfg": CONFIG.format(name="linux", kernel="/vmlinuz", memory=128, vcpus=1,
                                       more='ramdisk = "/initrd"\nextra = "console=hvc0 quiet hospes.do=shell"').encode()}


def typed(s, program, number):
    """Type a sum into the guest's shell by that program, and see the result."""
    s.check(f"typed '{program}' 'echo sum-$(({number}+1))' sum-{number + 1}", rf"^sum-{number + 1}$", timeout=120)


def records(s):
    """Ours and Debian's xen-init-dom0 leave the same in store and file system."""
    s.run("records /ours")
    s.run("/xenstore rm /local/domain/0/domid /local/domain/0/name /local/pool")
    s.check("xen-init-dom0", r"^Done setting up Dom0$")
    s.run("records /debians-own")
    s.check("cat /ours", r'name = "Domain-0"', r'"type": "pvh"')
    s.run("cmp /ours /debians-own")


def serves(s):
    records(s)
    s.check("xl list", r"^Domain-0 +0 ")
    s.run("xl create -q /linux.cfg", timeout=150)
    s.console("linux", r"USERSPACE", 150)
    typed(s, "/xenconsole -i 1", 10)
    typed(s, "/debians --interactive --num 0 --type pv 1", 20)
    # Killed, and what it knew is still known; the guest's shell goes on.
    s.run("stop -9")
    s.run("daemon /xenconsoled")
    typed(s, "/xenconsole -i 1", 30)
    s.check("kept linux", r"USERSPACE", r"sum-11", r"sum-31")
    # Debian's daemon takes over from ours, and ours from it.
    s.run("stop")
    s.run("daemon xenconsoled")
    typed(s, "/xenconsole -i -t pv 1", 40)
    s.run("stop")
    s.run("daemon /xenconsoled")
    typed(s, "/debians --interactive 1 --type pv", 50)
    s.run("xl destroy linux")
    s.check("kept linux", r"sum-51")
    finish(s)


@boot_test("system", weight=110)
def our_consoles_under_xl():
    """dom0 on Hospes: both ways, kill -9, takeover from and by Debian's daemon, the log of a dead domain."""
    with Session(files()) as s:
        serves(s)


@boot_test("oracle", weight=110)
def our_consoles_on_real_xen():
    """The same on Debian's real Xen."""
    with Session(files(), real_xen=True) as s:
        serves(s)
