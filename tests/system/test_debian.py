"""A whole Debian 12, unmodified, as dom0: its stock Xen tools do everything they can do with guests. tests/system/dom0 has what is tried."""
import base64
import contextlib
import difflib
import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import tarfile
import threading

import machine
from machine import Failed, Machine, ROOT, boot_test, image
from steps import by_step

TRIALS = ROOT / "tests" / "system" / "dom0"


def churn_program():
    """tests/dom0/churn.c with the libraries that dom0 has too, Debian's."""
    out = machine.BUILD / "dom0-churn"
    new = out.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", new, ROOT / "tests" / "dom0" / "churn.c",
                    *(f"-lxen{name}" for name in ("ctrl", "guest", "evtchn", "gnttab", "store"))], check=True)
    return new.rename(out)


def vmlinux():
    """Debian's cloud kernel as it is behind its unpacker: libxenguest would unpack it for each guest."""
    packed = image("vmlinuz-cloud").read_bytes()
    at = packed.index(b"\x02\x21\x4c\x18")
    # What follows the packed kernel is none of lz4's business.
    out = machine.BUILD / f"vmlinux-cloud.{os.getpid()}.{threading.get_ident()}"
    with open(out, "wb") as f:
        subprocess.run(["lz4", "-d", "-c"], input=packed[at:], stdout=f, stderr=subprocess.DEVNULL, check=False)
    if out.read_bytes()[:4] != b"\x7fELF":
        raise Failed("the cloud kernel holds no ELF file packed by lz4")
    return out


def trial(path, *scripts):
    """A disk whose archive has the scripts of tests/system/dom0; @scripts: (name, "variable=value ...") run in this order."""
    lines = [f"{settings}; set -- /trial/{name}; . ./lib" for name, settings in scripts]
    script = pathlib.Path(f"{path}.run")
    script.write_text("\n".join(lines) + "\n")
    with tarfile.open(path, "w") as tar:
        for f in sorted(TRIALS.iterdir()):
            tar.add(f, "lib" if f.name == "run" else f.name)
        tar.add(script, "run")
        for guest in ("quiet64", "knock64"):
            tar.add(machine.guest(guest), guest)
        tar.add(churn_program(), "churn")
        if any(name == "linux.sh" for name, _ in scripts):
            kernel = vmlinux()
            tar.add(kernel, "vmlinux")
            kernel.unlink()
    script.unlink()
    with open(path, "ab") as f:
        f.truncate(-(-path.stat().st_size // 4096) * 4096)


def disks(path, iommu):
    """Dom0's disk and that of the trial, on the machine's AHCI controller, and an IOMMU if @iommu."""
    root = image("dom0-disk.img")
    return ("-drive", f"file={root},if=none,id=root,format=raw,snapshot=on", "-device", "ide-hd,bus=ide.0,drive=root,serial=root",
            "-drive", f"file={path},if=none,id=trial,format=raw,snapshot=on", "-device", "ide-hd,bus=ide.1,drive=trial,serial=trial",
            *(("-device", "amd-iommu,intremap=on") if iommu else ()))


# Into Debian's initial RAM disk: puts our store onto the disk just before the system starts from there. Debian's script would start one of its own.
STORE_HOOK = """#!/bin/sh
[ "$1" = prereqs ] && exit 0
mount -o remount,rw $rootmnt
cp /ours/xenstored $rootmnt/usr/local/sbin/xenstored
cp /ours/xenstore $rootmnt/usr/local/sbin/xenstore
cp /ours/xenstored.service $rootmnt/etc/systemd/system/
chmod 644 $rootmnt/etc/systemd/system/xenstored.service
mkdir -p $rootmnt/etc/systemd/system/multi-user.target.wants
ln -s ../xenstored.service $rootmnt/etc/systemd/system/multi-user.target.wants/
echo XENSTORED=/bin/true >>$rootmnt/etc/default/xen
mount -o remount,ro $rootmnt
"""


def our_store(path):
    """Debian's initial RAM disk with our store: the archive goes to @path."""
    unit = (ROOT / "packaging" / "systemd" / "xenstored.service.in").read_text()
    # Beside Debian's daemons, on either hypervisor.
    unit = re.sub(r"ExecCondition=.*\n", "", unit).replace("@LIBEXEC_DIR@", "/usr/local/sbin").encode()
    files = {"ours/xenstored": (machine.BUILD / "xenstored").read_bytes(), "ours/xenstore": (machine.BUILD / "xenstore").read_bytes(),
             "ours/xenstored.service": unit, "scripts/init-bottom/store": STORE_HOOK.encode(),
             "scripts/init-bottom/ORDER": b'/scripts/init-bottom/store "$@"\n/scripts/init-bottom/udev "$@"\n'}
    debian = image("dom0-initrd").read_bytes()
    # The kernel looks for the next archive at a multiple of four bytes.
    path.write_bytes(debian + bytes(-len(debian) % 4) + machine.cpio(files))
    return path


def run(scripts, xen=False, cpus=2, timeout=1800, iommu=True, more=(), arguments="", ours=False, **keys):
    """What the trial printed, by step: {step: [lines]}. @more: devices of the machine; @arguments of dom0's kernel; @ours: with our store."""
    path = machine.BUILD / f"trial.{os.getpid()}.{threading.get_ident()}"
    trial(path, *scripts)
    options = {"memory": "2G", "cpus": cpus, "extra": disks(path, iommu) + tuple(more), **keys}
    append = "dom0=pvh dom0_mem=1G loglvl=warning guest_loglvl=warning"
    if xen:
        # One CPU: Xen does not bear TSCs that drift apart, and QEMU's do.
        options.update(kernel=image("xen"), cpus=1)
        append += " dom0_max_vcpus=1 bootscrub=0 sync_console"
    kernel = f"{image('dom0-vmlinuz')} console=hvc0 root=LABEL=dom0 ro quiet random.trust_cpu=on systemd.show_status=0 {arguments}".rstrip()
    initrd = our_store(path.with_suffix(path.suffix + ".initrd")) if ours else image("dom0-initrd")
    try:
        with Machine([kernel, initrd], append=append, **options) as m:
            m.expect(r"^TRIAL begin", timeout=1800)
            m.expect(r"^TRIAL end", timeout=timeout)
            m.expect_off()
            text = m.text
    finally:
        path.unlink()
        if ours:
            initrd.unlink()
    return by_step(text[text.index("TRIAL begin"):text.rindex("TRIAL end")])


def expected():
    """What real Xen showed, by step."""
    return by_step((ROOT / "tests" / "system" / "dom0-expected.txt").read_text())


def compare(got, want, names):
    bad = []
    for step, lines in want.items():
        if got.get(step) != lines:
            bad += [f"step {step}:"] + list(difflib.unified_diff(lines, got.get(step, ["<never reached>"]), names[0], names[1], n=1, lineterm=""))
    if bad:
        raise Failed("\n".join(bad))


def look_at_trace(lines):
    """What Debian's xentrace wrote in dom0 becomes spans of dom0's vCPUs and their exits, by names."""
    try:
        data = gzip.decompress(base64.b64decode("".join(lines), validate=True))
    except (ValueError, OSError, EOFError) as e:
        raise Failed(f"xentrace gave no file ({e}): {lines[:3]}") from e
    path = machine.BUILD / f"trace.{os.getpid()}"
    path.write_bytes(data)
    try:
        done = subprocess.run([ROOT / "tools" / "hospes-trace" / "hospes-trace-json", path], capture_output=True, text=True, check=True)
    finally:
        path.unlink()
    events = json.loads(done.stdout)["traceEvents"]
    names = {e["name"] for e in events}
    for name in ("d0v0", "running", "blocked", "HLT", "VMMCALL", "hypercall", "inject interrupt", "wake"):
        if name not in names:
            raise Failed(f"nothing called {name} among {len(events)} events of {len(data)} bytes: {sorted(names)[:40]}")


TOOLS_AND_GUEST = [("tools.sh", ":"), ("guest.sh", "kernel=cloud")]


@boot_test("system", weight=220)
def stock_tools():
    """Debian's tools look at the machine, and lead a guest with disk and network through its life; outputs as on real Xen."""
    got = run(TOOLS_AND_GUEST)
    compare(got, expected(), ("expected", "Hospes"))
    look_at_trace(got.get("xentrace", []))


@boot_test("system", weight=200)
def generic_guest_and_churn():
    """Without an IOMMU: tiny guests come and go, some killed half-way, and leave nothing behind; ten Linux guests live at once."""
    steps = run([("churn.sh", "count=20"), ("ten.sh", ":")], iommu=False, memory="3G")
    if "equal before and after" not in steps["churn"]:
        raise Failed("\n".join(steps["churn"]))
    up = [x for x in steps["ten guests"] if x.endswith("is up")]
    if len(up) != 10 or steps["ten guests"][-1] != "Domain-0":
        raise Failed("\n".join(steps["ten guests"]))


SIZE = 8 << 20


class World:
    """The world outside the machine: gives a file on one port to whoever asks, takes one on another; the guest reaches both at QEMU's 10.0.2.2."""

    def __init__(self):
        self.give = random.Random(1).randbytes(SIZE)
        self.taken = b""
        self.listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ports = [s.getsockname()[1] for s in self.listening]
        for server, serve in zip(self.listening, (self.serve_file, self.take_file)):
            threading.Thread(target=self.serve, args=(server, serve), daemon=True).start()

    def serve(self, server, what):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                with peer:
                    peer.settimeout(120)
                    what(peer)

    def serve_file(self, peer):
        peer.sendall(self.give)

    def take_file(self, peer):
        data = bytearray()
        while len(data) < SIZE:
            piece = peer.recv(1 << 16)
            if not piece:
                break
            data += piece
        self.taken = bytes(data)
        peer.sendall(b"got %d\n" % len(data))

    def close(self):
        for server in self.listening:
            server.close()


def sha(data):
    return [hashlib.sha256(data).hexdigest()]


def granted_pages(iommu, arguments=""):
    """What the trial dma.sh printed and what came out of the machine; what both should be."""
    path = machine.BUILD / f"granted.{os.getpid()}.{threading.get_ident()}"
    before = random.Random(0).randbytes(2 * SIZE)
    path.write_bytes(before)
    world = World()
    try:
        steps = run([("dma.sh", f"from={world.ports[0]} to={world.ports[1]} size={SIZE}")], iommu=iommu, arguments=arguments,
                    more=("-drive", f"file={path},if=none,id=granted,format=raw", "-device", "ide-hd,bus=ide.2,drive=granted,serial=granted",
                          "-netdev", "user,id=net", "-device", "e1000e,netdev=net"))
        after = path.read_bytes()
    finally:
        world.close()
        path.unlink()
    got = {**steps, "the world": sha(world.taken), "the rest of the disk": sha(after[SIZE:])}
    want = {"arguments": [] if iommu else ["swiotlb=force"], "create": [], "disk read": sha(before), "disk written": sha(after[:SIZE]),
            "disk read back": sha(after[:SIZE]), "network in": sha(world.give), "network out": [f"got {SIZE}"], "faults": [],
            "the world": sha(after[:SIZE]), "the rest of the disk": sha(before[SIZE:])}
    return got, want


@boot_test("soak", weight=100)
def devices_and_granted_pages():
    """Without an IOMMU: a disk and a network card of the machine read and write a guest's own pages through dom0; every byte both ways."""
    got, want = granted_pages(iommu=False)
    compare(got, want, ("expected", "Hospes"))


@boot_test("soak", weight=220)
def stock_tools_on_our_store():
    """The same life of a guest with our store as a service of dom0's systemd: nothing differs."""
    compare(run(TOOLS_AND_GUEST, ours=True), expected(), ("expected", "with our store"))


WORKS = ["10.77.0.2 is up", "10.77.0.3 is up", "the same disk", "attached", "the same", "detached", "Name Mem VCPUs", "one 128 1", "two 128 1", "6"]
RESTARTS = {"store": ["active", "/usr/local/sbin/xenstored"], "works": WORKS, "after systemctl restart xenstored": WORKS, "after kill -KILL $(pid)": WORKS,
            "after kill -TERM $(pid)": WORKS, "after systemctl reload xenstored": ["the same process", *WORKS], "console": ["1"],
            "end": ["gone", "up again", "gone", "Name ID", "Domain-0 0", "0", "0", "0"], "failed units": []}


@boot_test("soak", weight=200)
def our_store_restarts():
    """Our store as a service of dom0's systemd is restarted, killed and updated under guests with disk and network: they and xl go on."""
    compare(run([("store.sh", ":")], ours=True), RESTARTS, ("expected", "Hospes"))


@boot_test("oracle", weight=400)
def our_store_restarts_on_xen():
    """The same on Debian's real Xen."""
    compare(run([("store.sh", ":")], ours=True, xen=True, timeout=1800), RESTARTS, ("expected", "Xen 4.17"))


def nothing_left(script, step, settings, **keys):
    """What the trial @script printed; Failed if the hypervisor then has other than before."""
    lines = run([(script, settings)], memory="4G", timeout=14400, **keys)[step]
    if "equal before and after" not in lines:
        raise Failed("\n".join(lines))
    return lines


@boot_test("soak", weight=1500)
def many_linux_guests():
    """200 Linux guests, half of them destroyed before they come to user space, some killed while they are made, leave nothing behind."""
    tens = int(os.environ.get("MANY_LINUX", "200")) // 10
    lines = nothing_left("linux.sh", "linux guests", f"times={tens}", cpus=1)
    if len([x for x in lines if x.endswith("has run")]) != 5 * tens:
        raise Failed("\n".join(lines))


def tiny_domains(count, cpus):
    lines = nothing_left("tiny.sh", "tiny domains", f"count={count}", cpus=cpus)
    done = re.search(r"^whole: (\d+), killed behind a step: (\d+), in between: (\d+)", "\n".join(lines), re.M)
    # One killed in between may have been faster.
    if not done or int(done[1]) != count - count // 10 or int(done[2]) != (count // 10 + 1) // 2:
        raise Failed("\n".join(lines))


@boot_test("soak", weight=1500)
def many_tiny_domains():
    """10,000 tiny domains by Debian's libxenctrl, a tenth killed behind each step of their making and in between, leave nothing behind."""
    tiny_domains(int(os.environ.get("MANY_TINY", "10000")), 1)


@boot_test("soak", weight=400)
def many_tiny_domains_on_two_cpus():
    """The same on two CPUs, where QEMU is slow: fewer."""
    tiny_domains(int(os.environ.get("MANY_TINY", "10000")) // 20, 2)


@boot_test("soak", weight=400)
def generic_kernel_as_guest():
    """The whole life again with the generic kernel as the guest's."""
    compare(run([("guest.sh", "kernel=generic")]), {k: v for k, v in expected().items() if k not in ("info",)}, ("expected", "Hospes"))


@boot_test("oracle", weight=900)
def stock_tools_on_xen():
    """What the other tests expect is what Debian's real Xen shows."""
    compare(run(TOOLS_AND_GUEST, xen=True, timeout=1800), expected(), ("expected", "Xen 4.17"))
