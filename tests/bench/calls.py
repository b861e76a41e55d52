"""Rows of the benchmark for single calls and exits: the micro-guest tests/guest/bench.c on Hospes and on Debian's real Xen 4.17.

Some are measured by the guest's clock, in instructions of hypervisor and guest together, for their targets are what a guest feels. The others, and all that come in
batches, are the hypervisor's instructions alone between two markers, as the plugin count.c tells them.
"""
import os
import re

import dom0
import machine
import oracle
from progress import step

MEMORY = "4G"
RATIO = 0.6   # of the whole, to real Xen's, by the clock
NATIVE = 100  # nothing of a hypervisor is seen: no exit

# name, width, what, target: instructions, or a part of real Xen's
CLOCK = [
    ("hypercall", "32", "null hypercall, flat 32-bit", 800),
    ("hypercall", "64", "null hypercall, 64-bit", RATIO),
    ("cpuid", "32", "CPUID exit, flat 32-bit", 800),
    ("cpuid", "64", "CPUID exit, 64-bit", 1000),
    ("msr", "32", "RDMSR exit, flat 32-bit", RATIO),
    ("msr", "64", "RDMSR exit, 64-bit", RATIO),
    ("port", "64", "I/O port exit", 600),
    ("event_self", "64", "event to self, with upcall and EOI", RATIO),
    ("timer_latency", "64", "singleshot timer: lateness of the upcall", dom0.RATIO),
    ("first_touch_4k", "64", "first touch of a 4 KiB page it was built with", NATIVE),
    ("first_touch_2m", "64", "first touch of 2 MiB it was built with", NATIVE),
    ("world_switch", "64", "yield to another vCPU", RATIO),
]
# name, what, first marker of bench.c, number of operations
HYPERVISOR = [
    ("timer", "singleshot timer: set, sleep, upcall", 0x100, 20),
    ("event_ping_pong", "event to another vCPU and back, one CPU", 0x102, 200),
    ("grant_copy_64", "grant copy of 64 bytes", 0x104, 1000),
    ("grant_copy_4096", "grant copy of a page", 0x106, 1000),
    ("grant_copy_batch", "grant copy, 32 pages to a call: each", 0x108, 992),
    ("grant_map_unmap", "grant map, touch and unmap", 0x10a, 1000),
    ("grant_map_batch", "grant map, touch and unmap, 32 to a call: each", 0x10c, 992),
    ("populate_4k", "populate 4 KiB and touch", 0x10e, 200),
    ("populate_2m", "populate 2 MiB and touch", 0x110, 1),
    ("balloon_out", "balloon of 64 MiB: out, 512 pages to a call", 0x112, 1),
    ("balloon_in", "balloon of 64 MiB: in", 0x114, 1),
]


def bench_guests():
    return oracle.guests("^bench(32|64)$")


def numbers(lines):
    return {m[1]: int(m[2]) for m in (re.match(r"BENCH (\S+) (\d+)", x) for x in lines) if m}


def windows(marks):
    """{name: instructions of the hypervisor} of HYPERVISOR's rows."""
    found = {name: (dom0.window(marks, first, first + 1, times) or [None])[0] for name, _, first, times in HYPERVISOR}
    missing = [name for name, n in found.items() if n is None]
    if missing:
        raise machine.Failed(f"no markers of {', '.join(missing)}")
    return found


def plugin(profile=None):
    """What QEMU needs to count, and where it writes."""
    out = machine.BUILD / f"bench-counts.{os.getpid()}"
    return ("-plugin", f"file={machine.BUILD / 'bench' / 'count.so'},out={out}" + (f",profile={profile}" if profile else "")), out


def on_hospes(guest, profile=None):
    """Lines of @guest, alone but for the one whose pages it maps, and the markers. Another domain would share the only CPU."""
    qemu, out = plugin(profile)
    try:
        lines, _ = oracle.hospes([guest], companion="granter64", cpus=1, icount=True, memory=MEMORY, timeout=1200, qemu=qemu)
        return numbers(lines[guest.name]), dom0.parse_marks(out.read_text())
    finally:
        out.unlink(missing_ok=True)


def counts():
    """({(name, width): ticks}, {name: instructions}) on Hospes and the same on real Xen, and what Xen's console said."""
    ours, xen = {}, {}
    for g in bench_guests():
        with step(f"{g.name} on Hospes"):
            ticks, marks = on_hospes(g)
        ours.update({(n, str(g.width)): v for n, v in ticks.items()})
        if g.width == 64:
            our_windows = windows(marks)
    qemu, out = plugin()
    try:
        with step("the same on real Xen"):
            lines, text = oracle.real_xen(bench_guests(), cpus=1, icount=True, memory=MEMORY, timeout=1500, idle=True, qemu=qemu)
        xen_windows = windows(dom0.parse_marks(out.read_text()))
    finally:
        out.unlink(missing_ok=True)
    for g in bench_guests():
        xen.update({(n, str(g.width)): v for n, v in numbers(lines[g.name]).items()})
    return (ours, our_windows), (xen, xen_windows), text


def free_of_hospes(domains):
    """KiB free with @domains idle domains of 4 MiB, by the debug key for memory."""
    quiet = {"type": "pvh", "kernel": machine.guest("quiet64"), "memory": 4}
    with machine.Machine(machine.launch([{"name": f"q{i}", **quiet} for i in range(domains)]), memory=MEMORY) as m:
        m.expect(r"Serial input to d1", timeout=60)
        for _ in range(domains):
            m.send("\x01\x01\x01")
            m.expect(r"Serial input to (d\d+|Hospes).*\n")
        m.send("m")
        return int(m.expect(r"Memory: \d+ frames, (\d+) free")[1]) * 4


def memory(xen_console):
    """(kept KiB, KiB beside its own 4 MiB for each idle domain), on Hospes and on Xen (there in steps of a MiB)."""
    with step("memory of idle domains on Hospes"):
        one, nine = free_of_hospes(1), free_of_hospes(9)
    each = (one - nine) // 8
    ours = (4 << 20) - one - each, each - 4096
    before, after = (int(re.search(rf"ORACLE free {w}(\d+)", xen_console)[1]) << 10 for w in ("", "with idle "))
    return ours, ((4 << 20) - (512 << 10) - before, (before - after) // 8 - 4096)


def rows():
    """(what, Xen's, ours, target) for each, and for memory, which the same boot of Xen tells."""
    (ours, our_windows), (xen, xen_windows), console = counts()
    found = []
    for name, width, what, target in CLOCK:
        theirs, mine = xen.get((name, width)), ours.get((name, width))
        found.append((what, theirs, mine, target if target > 1 else int(target * theirs) if theirs else 0))
    for name, what, *_ in HYPERVISOR:
        found.append((f"[hypervisor] {what}", xen_windows[name], our_windows[name], int(dom0.RATIO * xen_windows[name])))
    (kept, each), (xen_kept, xen_each) = memory(console)
    found.append((f"memory kept of {MEMORY}, KiB", xen_kept, kept, 36 << 10))
    found.append(("an idle domain of 4 MiB costs besides, KiB", xen_each, each, 512))
    return found
