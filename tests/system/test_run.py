"""What `make run` shows: Debian's kernel as dom0 with nothing but Hospes' own daemons and xl beside busybox."""
import base64
import gzip
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import machine
from first_hour import promises_kept
from machine import Machine, ROOT, boot_test, image
from steps import by_step, differences

sys.path.append(str(ROOT / "tests" / "xl"))
from core_file import Core  # noqa: E402


def run():
    spec = importlib.util.spec_from_file_location("run", ROOT / "scripts" / "run.py")
    module = importlib.util.module_from_spec(spec)
    # It takes the build's folder from the environment.
    os.environ.setdefault("BUILD", str(machine.BUILD))
    spec.loader.exec_module(module)
    return module


def debians_xl():
    """Debian's xl and the libraries it names, from the dom0 of the comparison with real Xen."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cpio", "--quiet", "-idm", "bin/xl", "lib/*"], input=gzip.decompress(image("oracle-root.cpio.gz").read_bytes()), cwd=folder, check=True)
        found = pathlib.Path(folder)
        return {"debian/xl": (0o755, (found / "bin/xl").read_bytes()), "etc/xen/xl.conf": (0o644, b""),
                **{f"debian/lib/{p.name}": (0o755, p.read_bytes()) for p in (found / "lib").iterdir()}}


# What tests/system/dom0/whole.sh prints.
REST = {
    "the other xl": ["web 1 128 1", "db 2 128 1", "51712 4", "0 4"],
    "console": ["sum-42"],
    "pause": ["p"],
    "class": ['"class":"interactive"'],
    "core": ["its kernel is in it", "128 1"],
    "attach": ["the same", "51712 4", "51728 4"],
    "reboot": ["web is up again"],
    "killed": ["db 2", "web 3"],
    "shutdown": ["gone"],
    "destroyed": ["gone"],
    "destroyed by the other": ["gone"],
    "what is left": ["nothing"],
    "the other creates": ["three 128 1", "three is up", "gone"],
    "what is left again": ["nothing"],
}


def check_core(m, size, beginning, end):
    """The core of a running Linux with 128 MiB: its form, and that its one vCPU is where Linux is."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(beginning)
        f.seek(size - len(end))
        f.write(end)
        f.flush()
        core = Core(f.name)
        core.check()
    vcpu = core.vcpu(0)
    if core.nr_vcpus != 1 or not 120 << 8 < core.nr_pages <= 129 << 8 or not vcpu["cr0"] & 1 << 31 or (vcpu["rip"] >> 47 != 0x1ffff and not vcpu["cs"] & 3):
        m.fail(f"a core of {core.nr_vcpus} vCPUs and {core.nr_pages} pages, the first vCPU {vcpu}")


def rest_of_lives(m, patience, rest):
    """The lives of both domains to their ends, by our tools and by Debian's; and one Debian's made."""
    m.expect(r"^Yours: .*")
    m.send("sh /whole.sh; echo; echo REST'' done; poweroff -f\n")
    begin = m.mark
    end = m.expect(r"^REST done", timeout=300 * patience).start()
    said = m.text[begin:end].rstrip()
    core = re.search(r"^CORE (\d+) (\S+) (\S+)\n", said, re.M)
    if not core:
        m.fail("there is no core")
    check_core(m, int(core[1]), base64.b64decode(core[2]), base64.b64decode(core[3]))
    bad = differences(by_step(said.replace(core[0], "")), rest)
    if bad:
        m.fail("\n".join(bad))


def whole_lives(append, patience, rest=REST, **options):
    demo = run()
    whole = {"whole.sh": (0o644, (ROOT / "tests" / "system" / "dom0" / "whole.sh").read_bytes())}
    with Machine(demo.dom0_modules(False, {**whole, **debians_xl()}), append=append, memory="2G", extra=demo.IOMMU, **options) as m:
        demo.see_two(m, 400 * patience)
        shown = m.text
        rest_of_lives(m, patience, rest)
        m.expect_off(60 * patience)
    for said in (r"^web +1 +128 +1 +[r-][b-]---- +\d+\.\d$", r"^db +2 +128 +1 ", r"2 packets transmitted, 2 packets received", r"^db: xvda holds 'the disk of db'",
                 r"^all +\d+", r"^ +web .* 1 +\d+ +\d+ +1 +0 +\d+ "):
        if not re.search(said, shown, re.M):
            m.fail(f"nothing says /{said}/")
    if bad := re.search(r"^.*(Call Trace|BUG:|WARNING:(?! PVH is an experimental mode)|Oops|cannot be|xl: ).*$", m.text, re.M):
        m.fail(f"seen: {bad[0]}")
    return shown


@boot_test("system", weight=120)
def two_domains():
    """Two domains get disk, network and console from our tools and see each other; xl lists them, top shows their devices; then pause, attach, reboot,
    shutdown, a daemon killed, ends by our tools and Debian's, until nothing is left and nothing has complained."""
    promises_kept(whole_lives(run().DOM0, 1, cpus=2))


@boot_test("oracle", weight=300)
def two_domains_on_real_xen():
    """The same on Debian's real Xen: our tools need nothing of Hospes."""
    whole_lives("dom0=pvh dom0_mem=768M dom0_max_vcpus=1 bootscrub=0", machine.XEN_PATIENCE,
                rest=REST | {"class": ["no classes of latency"]}, **machine.real_xen())
