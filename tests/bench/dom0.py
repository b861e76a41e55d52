"""Rows of the benchmark that need a dom0: Debian's kernel and tools on Hospes and on Debian's real Xen 4.17, counted by the plugin count.c.

A row is a window between two markers. Its numbers are instructions: of the hypervisor, and of all guests. Both run under the same deterministic
clock, so every run gives the same numbers.
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))
import machine  # noqa: E402
from archive import behind, with_libraries  # noqa: E402
from machine import Failed, Machine, guest, image  # noqa: E402
from progress import step  # noqa: E402

BENCH = ROOT / "tests" / "bench"
MEMORY = "4G"
RATIO = 0.4      # of the hypervisor's share, to real Xen's
POWER_ON = 0.7   # of power-on to dom0's user space, everything counted
FLAT = 1.1       # of what an exit costs while one more domain is created, to that of the first one: docs/benchmark.md says why an exit

# part of tests/bench/dom0-init, name, what, first marker, last marker, number of operations in it
ROWS = [
    ("", "power_on", "power-on to dom0's user space, bzImage", None, 1, 1),
    ("create", "create", "xl create, Linux with 128 MiB: to xl's return", 10, 11, 1),
    ("create", "create_user", "the same, to the guest's user space", 10, 12, 1),
    ("create", "destroy", "xl destroy of it", 16, 17, 1),
    ("devices", "create_devices", "xl create with disk and network: to xl's return", 13, 14, 1),
    ("devices", "create_devices_user", "the same, to the guest's user space", 13, 15, 1),
    ("drivers", "event_self", "event to dom0 itself: send, read, unmask", 20, 21, 1000),
    ("drivers", "event_send", "event sent that is pending already", 22, 23, 1000),
    ("drivers", "event_guest", "event from dom0 to a guest and back", 24, 25, 990),
    ("drivers", "map_1", "gntdev: map, touch and unmap 1 page", 26, 27, 200),
    ("drivers", "map_16", "gntdev: map, touch and unmap 16 pages", 28, 29, 200),
    ("devices", "disk_read", "disk: guest reads, per MiB", 30, 31, 64),
    ("devices", "disk_write", "disk: guest writes, per MiB", 32, 33, 64),
    ("devices", "tcp_round_trip", "TCP round trip, guest to dom0 and back", 34, 35, 1000),
    ("devices", "tcp_send", "TCP from guest to dom0, per MiB", 36, 37, 16),
    ("devices", "tcp_receive", "TCP from dom0 to guest, per MiB", 38, 39, 16),
    ("many", "tiny_1", "xl create, guest of 4 MiB: the 1st", 2, 3, 1),
    ("many", "tiny_10", "the 10th living one", 4, 5, 1),
    ("many", "tiny_20", "the 20th living one", 6, 7, 1),
    ("many", "tiny_40", "the 40th living one", 8, 9, 1),
    ("many", "tiny_60", "the 60th living one", 62, 63, 1),
    ("many", "tiny_all", "all 60 of them, created and booted", 2, 63, 1),
    ("many", "list", "xl list of these", 18, 19, 1),
]
PARTS = ("create", "devices", "drivers", "many")
NUMBERS = ("hypervisor", "guests", "exits", "calls")
OURS = ("xenstored", "xenconsoled", "xen-init-dom0", "hospesd", "xl")


def root():
    """Dom0's initramfs, with all that its guests are made of, and our own tools beside Debian's."""
    work = (0o755, (machine.BUILD / "bench" / "work").read_bytes())
    modules = image("pv-modules")
    files = {"bench-init": (0o755, (BENCH / "domu-init").read_bytes()), "work": work}
    files.update({f"modules/{m.name}": (0o644, m.read_bytes()) for m in sorted((modules / "domu").iterdir())})
    initrd = behind(image("initramfs.gz").read_bytes(), files)
    scripts = {"bench-init": "dom0-init", "bench/lib": "dom0-lib", "bench/toolstack": "dom0-toolstack", "bench/block": "dom0-block", "bench/vif": "dom0-vif"}
    files = {"work": work, **{name: (0o755, (BENCH / script).read_bytes()) for name, script in scripts.items()},
             "bench/vmlinuz": (0o644, image("vmlinuz-cloud").read_bytes()), "bench/initrd": (0o644, initrd),
             "bench/quiet": (0o644, guest("quiet64").read_bytes()), "bench/answer": (0o644, guest("answer64").read_bytes()),
             **with_libraries({**{f"ours/{n}": machine.tool(n) for n in OURS}, "bin/xenstore-control": machine.tool("xenstore")})}
    files.update({f"bench/dom0/{m.name}": (0o644, m.read_bytes()) for m in sorted((modules / "dom0").iterdir())})
    return behind(image("oracle-root.cpio.gz").read_bytes(), files)


def parse_marks(text):
    """[(marker, hypervisor, guests, before, entries, calls)] of what count.c wrote; ValueError for a line it does not write."""
    marks = []
    for line in text.splitlines():
        words = line.split()
        if len(words) != 7 or words[0] != "MARK":
            raise ValueError(f"not a marker: {line}")
        marks.append(tuple(int(w) for w in words[1:]))
    return marks


def window(marks, first, last, times=1):
    """(hypervisor, guests, entries, calls) for each of @times between the first marker @first (None: power-on) and the next @last; None without both.
    What ran before there was a guest counts as a guest's: it is nobody's share but part of the whole."""
    begin = (None, 0, 0, 0, 0, 0) if first is None else next((m for m in marks if m[0] == first), None)
    if begin is None:
        return None
    after = marks if first is None else marks[marks.index(begin) + 1:]
    end = next((m for m in after if m[0] == last), None)
    if end is None:
        return None
    delta = [b - a for a, b in zip(begin[1:], end[1:])]
    return tuple(round(x / times) for x in (delta[0], delta[1] + delta[2], delta[3], delta[4]))


def session(xen, parts, profile=None, entries=(), kernel="vmlinuz-generic", timeout=3000):
    """Run @parts of dom0-init on real Xen or on Hospes; the markers, and what the console said. @profile: a file for what each instruction of the
    hypervisor did. @entries: addresses that are markers too (count.c)."""
    archive = machine.BUILD / f"bench-root.{os.getpid()}"
    counts = machine.BUILD / f"bench-counts.{os.getpid()}"
    archive.write_bytes(root())
    plugin = f"file={machine.BUILD / 'bench' / 'count.so'},out={counts}" + "".join(f",entry={e:x}" for e in entries)
    if profile:
        plugin += f",profile={profile}"
    options = {"kernel": image("xen")} if xen else {}
    try:
        with step(f"{' '.join(parts)} on {'real Xen' if xen else 'Hospes'}"), \
             Machine([f"{image(kernel)} console=hvc0 quiet loglevel=4 rdinit=/bench-init random.trust_cpu=on -- {' '.join(parts)}", archive],
                     append="dom0=pvh dom0_mem=1G dom0_max_vcpus=1", icount=True, memory=MEMORY,
                     extra=("-device", "amd-iommu,intremap=on", "-plugin", plugin), **options) as m:
            m.expect(r"BENCH done", timeout=timeout)
            if "BENCH failed" in m.text:
                m.fail("the session failed")
            (machine.BUILD / f"bench-{'xen' if xen else 'hospes'}.log").write_text(m.text)
            return parse_marks(counts.read_text()), m.text
    finally:
        archive.unlink(missing_ok=True)
        counts.unlink(missing_ok=True)


def measure(xen, parts):
    """{name: (hypervisor, guests, entries, calls)}"""
    marks, _ = session(xen, parts)
    found = {name: window(marks, first, last, times) for part, name, _, first, last, times in ROWS if not part or part in parts}
    missing = [name for name, numbers in found.items() if not numbers]
    if missing:
        raise Failed(f"no markers of {', '.join(missing)}")
    return found


def misses(name, ours, xen):
    """Which target row @name misses, as words, or nothing. @ours, @xen: all rows, of Hospes and of real Xen."""
    mine, theirs = ours[name], xen[name]
    if name == "power_on" and sum(mine[:2]) > POWER_ON * sum(theirs[:2]):
        return f"the whole is above {POWER_ON} of Xen's"
    if mine[0] > RATIO * theirs[0]:
        return f"the hypervisor's share is above {RATIO} of Xen's"
    if name.startswith("tiny_") and name != "tiny_all":
        return not_flat(mine, ours["tiny_1"], theirs, xen["tiny_1"])
    return ""


def not_flat(mine, first, theirs, xen_first):
    """The same for the creation of one more domain. Debian's tools ask about each living domain meanwhile; no answer may cost more for their number, and
    nobody may be made to ask oftener than on real Xen."""
    if mine[0] / mine[2] > FLAT * first[0] / first[2]:
        return f"an exit costs above {FLAT} of what it costs with the first one"
    if mine[3] - first[3] > theirs[3] - xen_first[3]:
        return "the hypercalls become more than on Xen"
    return ""
