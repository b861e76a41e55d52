#!/usr/bin/env python3
"""Compare the cost of things on Hospes and on Debian's real Xen 4.17, in one run.

Everything is counted, not timed: QEMU with one CPU and one instruction per nanosecond of its virtual clock, so a tick of the TSC is one
instruction and every run gives the same numbers. Both run the same micro-guest (tests/guest/bench.c). Prints a table and leaves
build/bench.json. Exit status 1 if a target is missed.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))
import machine  # noqa: E402
import oracle  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
machine.BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
MEMORY = "4G"

# name, width or "", what, absolute target or None for RATIO times Xen's
RATIO = 0.6
NATIVE = 100  # nothing of a hypervisor is seen: no exit
COUNTED = [
    ("hypercall", "32", "null hypercall, flat 32-bit", 800),
    ("hypercall", "64", "null hypercall, 64-bit", None),
    ("cpuid", "32", "CPUID exit, flat 32-bit", 800),
    ("cpuid", "64", "CPUID exit, 64-bit", 1000),
    ("msr", "32", "RDMSR exit, flat 32-bit", None),
    ("msr", "64", "RDMSR exit, 64-bit", None),
    ("port", "64", "I/O port exit", 600),
    ("event_self", "64", "event to self, with upcall and EOI", None),
    ("event_ping_pong", "64", "event to another vCPU and back, one CPU", None),
    ("timer_latency", "64", "singleshot timer: lateness of the upcall", None),
    ("grant_copy_64", "64", "grant copy of 64 bytes", None),
    ("grant_copy_4096", "64", "grant copy of a page", None),
    ("grant_map_unmap", "64", "grant map, touch and unmap", None),
    ("populate_4k", "64", "populate 4 KiB and touch", None),
    ("populate_2m", "64", "populate 2 MiB and touch", None),
    ("first_touch_4k", "64", "first touch of a 4 KiB page it was built with", NATIVE),
    ("first_touch_2m", "64", "first touch of 2 MiB it was built with", NATIVE),
    ("world_switch", "64", "yield to another vCPU", None),
]


def bench_guests():
    return [g for g in oracle.guests("^bench(32|64)$")]


def numbers(lines):
    return {m[1]: int(m[2]) for m in (re.match(r"BENCH (\S+) (\d+)", x) for x in lines) if m}


def counts():
    """{(name, width): instructions} on Hospes and on real Xen."""
    ours = {}
    for g in bench_guests():
        # One at a time: another domain would share the only CPU.
        lines, _ = oracle.hospes([g], companion="granter64", cpus=1, icount=True, memory=MEMORY, timeout=300)
        ours.update({(n, str(g.width)): v for n, v in numbers(lines[g.name]).items()})
    lines, text = oracle.real_xen(bench_guests(), cpus=1, icount=True, memory=MEMORY, timeout=1500, idle=True)
    xen = {}
    for g in bench_guests():
        xen.update({(n, str(g.width)): v for n, v in numbers(lines[g.name]).items()})
    return ours, xen, text


def pm_timer(argv, kernel, append, modules):
    """Instructions from power-on until the machine has ended: boots with a guest that says one line and dies of a triple fault, and reads the ACPI
    PM timer of the stopped machine. The way from the guest's end to the machine's is included, so it errs upward."""
    folder = tempfile.mkdtemp(dir=machine.BUILD)
    path = f"{folder}/qmp"
    proc = subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-rtc",
                             "base=2026-01-01T00:00:00,clock=vm", "-M", "q35", "-cpu", "qemu64,+svm,+npt,+vgif", "-smp", "1", "-m", MEMORY,
                             "-display", "none", "-nic", "none", "-serial", "file:" + f"{folder}/log", "-no-reboot", "-no-shutdown",
                             "-qmp", f"unix:{path},server=on,wait=off", "-kernel", str(kernel), "-append", f"console=com1 com1=115200,8n1 {append}",
                             "-initrd", ",".join(str(x) for x in modules), *argv])
    try:
        for _ in range(100):
            if os.path.exists(path):
                break
            time.sleep(0.1)
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        f = s.makefile("rw")

        def ask(command, **arguments):
            f.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            f.flush()
            while True:
                answer = json.loads(f.readline())
                if "return" in answer or "error" in answer:
                    return answer.get("return")

        f.readline()
        ask("qmp_capabilities")
        end = time.time() + 300
        while ask("query-status")["status"] not in ("shutdown", "paused"):
            if time.time() > end:
                raise machine.Failed("the machine did not end:\n" + open(f"{folder}/log").read()[-2000:])
            time.sleep(0.3)
        text = ask("human-monitor-command", **{"command-line": "i /w 0x608"})
        ticks = int(re.search(r"= (0x[0-9a-f]+)", text)[1], 16)
        return ticks * 1000000000 // 3579545, pathlib.Path(f"{folder}/log").read_text(errors="replace")
    finally:
        proc.kill()
        proc.wait()
        subprocess.run(["rm", "-rf", folder])


def power_on():
    """Instructions from power-on to the first one of the guest's own ELF entry (an upper bound), for both."""
    kernel = machine.guest("triple64")
    ours, _ = pm_timer([], machine.BUILD / "hospes", "", machine.launch([{"name": "halt", "type": "pvh", "kernel": kernel, "memory": 64, "on_reboot": "destroy", "on_crash": "destroy"}]))
    xen, _ = pm_timer(["-device", "amd-iommu,intremap=on"], machine.image("xen"), "dom0=pvh dom0_mem=64M", [kernel])
    return ours, xen


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
    one, nine = free_of_hospes(1), free_of_hospes(9)
    each = (one - nine) // 8
    ours = (4 << 20) - one - each, each - 4096
    before, after = (int(re.search(rf"ORACLE free {w}(\d+)", xen_console)[1]) << 10 for w in ("", "with idle "))
    return ours, ((4 << 20) - (512 << 10) - before, (before - after) // 8 - 4096)


def table(rows):
    width = max(len(r[0]) for r in rows)
    print(f"{'what':{width}}  {'Xen 4.17':>12} {'Hospes':>12} {'ratio':>6}  target")
    missed = []
    for what, xen, ours, target in rows:
        ratio = f"{ours / xen:.2f}" if xen and ours is not None else "-"
        verdict = "" if ours is not None and ours <= target else "  MISSED"
        if verdict:
            missed.append(what)
        show = [f"{x:,}" if isinstance(x, int) else f"{x:.2f}" if x is not None else "?" for x in (xen, ours, target)]
        print(f"{what:{width}}  {show[0]:>12} {show[1]:>12} {ratio:>6}  <= {show[2]}{verdict}")
    return missed


def main():
    ours, xen, console = counts()
    rows = []
    for name, width, what, target in COUNTED:
        theirs, mine = xen.get((name, width)), ours.get((name, width))
        rows.append((what, theirs, mine, target if target else int(RATIO * theirs) if theirs else 0))
    mine, theirs = power_on()
    rows.append(("power-on to the guest's ELF entry", theirs, mine, 250000000))
    rows.append(("image, bytes", machine.image("xen").stat().st_size, (machine.BUILD / "hospes").stat().st_size, 1 << 20))
    (kept, each), (xen_kept, xen_each) = memory(console)
    rows.append((f"memory kept of {MEMORY}, KiB", xen_kept, kept, 36 << 10))
    rows.append(("an idle domain of 4 MiB costs besides, KiB", xen_each, each, 512))
    print(f"RAM {MEMORY}, one CPU; unit: instructions, unless said")
    missed = table(rows)
    (machine.BUILD / "bench.json").write_text(json.dumps([dict(zip(("what", "xen", "hospes", "target"), r)) for r in rows], indent=1) + "\n")
    print(f"{len(rows) - len(missed)} of {len(rows)} targets met" + (": missed " + ", ".join(missed) if missed else ""))
    sys.exit(1 if missed else 0)


main()
