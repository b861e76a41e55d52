"""Debian's unmodified xl 4.17 manages PVH domains from a PVH dom0. The same session runs on Debian's real Xen (level oracle)."""
import os
import pathlib
import re
import subprocess
import tempfile

import machine
from machine import Machine, ROOT, boot_test, guest, image
from test_dom0 import INIT, IOMMU, ask, nothing_bad

# Daemons as Debian starts them, and a function that runs a command and tells its status.
START = r"""
mkdir -p /dev/pts /var/log/xen/console
mount -t devpts devpts /dev/pts
dd if=/init of=/dev/random bs=512 count=8 2>/dev/null
xenstored --pid-file /var/run/xenstored.pid
while [ ! -e /var/run/xenstored/socket ]; do sleep 0.2; done
xen-init-dom0 >/dev/null
xenconsoled --pid-file=/var/run/xenconsoled.pid --log=guest
r() { echo "+ $*"; "$@" 2>&1; echo "= $?"; }
# Wait until domain $1 has another number than $2: it is its next self.
next_self() { i=0; until id=$(xl domid "$1" 2>/dev/null) && [ "$id" != "$2" ]; do i=$((i+1)); [ $i -lt 240 ] || return 1; sleep 0.2; done; }
# Wait until domain $1 has state $2, a pattern, in xl list.
has_state() { i=0; until xl list "$1" | grep -q " $2 "; do i=$((i+1)); [ $i -lt 240 ] || return 1; sleep 0.2; done; }
log() { i=0; while [ $i -lt $2 ]; do grep -qs "$3" /var/log/xen/console/guest-$1.log && break; sleep 1; i=$((i+1)); done; grep -s "$3" /var/log/xen/console/guest-$1.log | tail -n 1; }
"""

CONFIG = """name = "{name}"
type = "pvh"
kernel = "{kernel}"
{more}
memory = {memory}
vcpus = {vcpus}
on_crash = "destroy"
"""


def archive(files):
    """The tools' root and @files (name -> bytes) behind it."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        names = []
        for name, data in {"dom0-init": INIT.replace('echo "DOM0 ready"', START + 'echo "DOM0 ready"').encode(), **files}.items():
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o755)
            names.append(name)
        data = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input="\n".join(names).encode() + b"\n", cwd=tmp,
                              stdout=subprocess.PIPE, check=True).stdout
    root = image("oracle-root.cpio.gz").read_bytes()
    out = machine.BUILD / f"xl-root.{os.getpid()}"
    # The kernel looks for the next archive at a multiple of four bytes.
    out.write_bytes(root + bytes(-len(root) % 4) + data)
    return out


def linux_files():
    return {"vmlinuz": image("vmlinuz-cloud").read_bytes(), "initrd": image("initramfs.gz").read_bytes(),
            "linux.cfg": CONFIG.format(name="linux", kernel="/vmlinuz", memory=160, vcpus=2,
                                       more='ramdisk = "/initrd"\nextra = "console=hvc0 quiet hospes.do=count"').encode(),
            "small.cfg": CONFIG.format(name="small", kernel="/small", memory=8, vcpus=1, more="").encode(),
            "triple.cfg": CONFIG.format(name="triple", kernel="/triple", memory=8, vcpus=1, more='on_reboot = "preserve"').encode(),
            "crash.cfg": CONFIG.format(name="crash", kernel="/crash", memory=8, vcpus=1, more='on_reboot = "destroy"').replace(
                'on_crash = "destroy"', 'on_crash = "preserve"').encode(),
            "triple": guest("triple64").read_bytes(), "crash": guest("crash64").read_bytes(),
            "small": guest("quiet64").read_bytes(), "pool.cfg": b'name = "second"\nsched = "credit2"\ncpus = ["1"]\n'}


def program(name):
    """tests/dom0/@name.c, a program for dom0 that needs no libraries there."""
    out = machine.BUILD / f"dom0-{name}"
    subprocess.run(["cc", "-O1", "-static", "-I", ROOT, "-iquote", ROOT / "abi", "-o", out, ROOT / "tests" / "dom0" / f"{name}.c"], check=True)
    return out.read_bytes()


class Session:
    """A dom0 at the prompt of test_dom0's init; commands answer with their output and status."""

    def __init__(self, files, real_xen=False, **keys):
        self.root = archive(files)
        options = {"memory": "2G", "cpus": 2, "extra": IOMMU, **(machine.real_xen() if real_xen else {}), **keys}
        self.patience = machine.XEN_PATIENCE if real_xen else 1
        self.m = Machine([f"{image('vmlinux-generic')} console=hvc0 quiet loglevel=4 rdinit=/dom0-init random.trust_cpu=on", self.root],
                         append="dom0=pvh dom0_mem=512M dom0_max_vcpus=1 loglvl=all guest_loglvl=all bootscrub=0", **options)

    def __enter__(self):
        self.m.__enter__()
        self.m.expect(r"DOM0 ready", timeout=150 * self.patience)
        return self

    def __exit__(self, *exc):
        self.root.unlink(missing_ok=True)
        self.m.__exit__(*exc)

    def run(self, command, status=0, timeout=240):
        """Run @command in dom0; its output. Lines of the hypervisor are not part of it."""
        self.m.send(f"r {command}\n")
        found = self.m.expect(rf"^(?:\(d0\) )?\+ {re.escape(command.split()[0])}.*\n((?:.*\n)*?)(?:\(d0\) )?= (\d+)$", timeout * self.patience)
        if int(found[2]) != status:
            self.m.fail(f"'{command}' ended with {found[2]}, not {status}")
        lines = [re.sub(r"^\(d0\) ", "", x) for x in found[1].splitlines() if not x.startswith("(XEN)")]
        return "\n".join(lines)

    def console(self, name, pattern, timeout=240):
        """Wait for @pattern in the console log of domain @name."""
        return ask(self.m, f"log {name} {timeout} '{pattern}'", pattern.replace(r"\.", "."), (timeout + 30) * self.patience)

    def check(self, command, *patterns, **keys):
        """@command's output contains each of @patterns."""
        text = self.run(command, **keys)
        for p in patterns:
            if not re.search(p, text, re.M):
                self.m.fail(f"'{command}' does not say /{p}/ but:\n{text}")
        return text


def observe(s):
    """What xl tells of the machine and of domain 0."""
    s.check("xl info", r"^xen_version +: 4\.17\.", r"^nr_cpus +: 2$", r"^cores_per_socket +: 2$", r"^threads_per_core +: 1$", r"^nr_nodes +: 1$",
            r"^virt_caps +: .*hvm.*hap", r"^xen_scheduler +: credit2$", r"^free_cpus +: 0$", r"^outstanding_claims +: 0$", r"^xen_caps +: .*hvm-3\.0-x86_64")
    s.check("xl info -n", r"^cpu: +core +socket +node\n +0: +0 +0 +0\n +1: +1 +0 +0$", r"^numa_info")
    s.check("xl list", r"^Domain-0 +0 +51\d +1 +r-----")
    s.check("xl vcpu-list", r"^Domain-0 +0 +0 +\d +r-- .*all / all$")
    s.check("xl cpupool-list", r"^Pool-0 +2 +credit2 +y +1$")
    s.check("xl sched-credit2", r"ratelimit=1000us", r"^Domain-0 +0 +256 +0$")
    s.check("xl uptime", r"^Domain-0 +0 +")
    s.check("xl dmesg", r"^")
    s.check("xl debug-keys h")


def small_domain(s):
    """A micro-guest of 8 MiB lives and dies by xl's word."""
    s.run("xl create -q /small.cfg")
    s.check("xl list", r"^small +\d+ +8 +1 ")
    s.check("xl create -q /small.cfg", status=3)  # the name is taken
    s.run("xl pause small")
    s.check("xl list small", r"-[b-]p---")
    s.run("xl unpause small")
    s.run("xl rename small tiny")
    s.check("xl domid tiny", r"^\d+$")
    s.run("xl vcpu-pin tiny 0 1 0-1")
    s.check("xl vcpu-list tiny", r" 1 / 0-1$|  1 / all$")
    s.run("xl sched-credit2 -d tiny -w 512 -c 50")
    s.check("xl sched-credit2 -d tiny", r"^tiny +\d+ +512 +50$")
    s.run("xl destroy tiny")
    s.check("xl list tiny", status=1)


def ends(s):
    """A triple fault is a reboot, the default of xl's domains; a crash is one. What xl is told to keep stays to be looked at."""
    s.run("xl create -q /triple.cfg")
    s.run("has_state triple ---sr-")
    s.run("xl destroy triple")
    s.run("xl create -q /crash.cfg")
    s.run("has_state crash ---sc-")
    s.run("xl destroy crash")
    s.check("xl list triple", status=1)


def pools(s):
    """A second pool takes a CPU and a domain, and gives them back."""
    s.run("xl create -q /small.cfg")
    s.run("xl cpupool-cpu-remove Pool-0 1")
    s.run("xl cpupool-create /pool.cfg")
    s.check("xl cpupool-list", r"^Pool-0 +1 +credit2 +y +2$", r"^second +1 +credit2 +y +0$")
    s.run("xl cpupool-migrate small second")
    s.check("xl cpupool-list", r"^second +1 +credit2 +y +1$")
    s.check("xl list --cpupool small", r" second$")
    s.run("xl cpupool-migrate small Pool-0")
    s.run("xl cpupool-destroy second")
    s.run("xl cpupool-cpu-add Pool-0 1")
    s.check("xl cpupool-list", r"^Pool-0 +2 +credit2 +y +2$")
    s.run("xl destroy small")


def linux_domain(s):
    """Debian's cloud kernel with two vCPUs: to user space, and all that one does to a running domain."""
    s.run("xl create -q /linux.cfg", timeout=120)
    s.console("linux", r"USERSPACE .* 2 CPU, .* PVH", 150)
    s.check("xl list linux", r"^linux +\d+ +160 +2 ")
    s.run("xl mem-set linux 140")
    s.check("xl vcpu-list linux", r"^linux +\d+ +1 +\d ")
    s.run("xl vcpu-set linux 1")
    s.run("xl sysrq linux h")
    s.console("linux", r"sysrq: HELP", 30)
    s.run("xl trigger linux nmi")
    s.console("linux", r"NMI", 30)
    s.check("xl vcpu-list linux", r"^linux +\d+ +1 +- +--p ")
    s.run("xl pause linux")
    s.run("xl unpause linux")
    s.console("linux", r"BEAT guest", 30)
    s.check("xl list linux", r"^linux +\d+ +140 +1 ")
    # There is no init in it that a power-off could ask; a reboot is the kernel's own. xl makes it anew under the next id.
    old = s.run("xl domid linux")
    s.run("xl reboot linux")
    s.run(f"next_self linux {old}", timeout=300)
    s.run("xl destroy linux")


def finish(s):
    nothing_bad(s.m)
    s.m.send("poweroff -f\n")
    s.m.expect_off(60 * s.patience)


@boot_test("boot", "system", weight=60)
def manages_small_domains():
    """xl info, list, create, pause, rename, pin, weight, pools, destroy on Hospes."""
    with Session(linux_files()) as s:
        observe(s)
        small_domain(s)
        ends(s)
        pools(s)
        finish(s)


@boot_test("system", weight=120)
def manages_linux():
    """Debian's kernel under xl: create, memory, vCPUs, sysrq, NMI, pause, reboot."""
    with Session(linux_files()) as s:
        linux_domain(s)
        finish(s)


@boot_test("system", weight=100)
def state_goes_in_as_it_came_out():
    """Debian's kernel with two vCPUs runs on after its state was read, loaded and read again, and is the same."""
    with Session({**linux_files(), "context": program("context")}) as s:
        s.run("xl create -q /linux.cfg", timeout=120)
        s.console("linux", r"USERSPACE .* 2 CPU", 150)
        for beat in (5, 10):
            s.check("/context 1", r"^context: 0 differences$")
            s.console("linux", rf"BEAT guest {beat}", 60)
        finish(s)


@boot_test("oracle", weight=120)
def real_xen_says_the_same():
    """The same sessions on Debian's real Xen: the tests above ask for nothing Xen does not give."""
    with Session(linux_files(), real_xen=True, cpus=2) as s:
        observe(s)
        small_domain(s)
        ends(s)
        pools(s)
        linux_domain(s)
        finish(s)
