#!/usr/bin/env python3
"""Compare the cost of things on Hospes and on Debian's real Xen 4.17, in one run.

Everything is counted, not timed: QEMU with one CPU and one instruction per nanosecond of its virtual clock, so a tick of the TSC is one
instruction and every run gives the same numbers. Both run the same micro-guest (tests/guest/bench.c), and the same dom0 with the same tools
(dom0.py), where a plugin of QEMU (count.c) tells the hypervisor's instructions from those of its guests. Prints tables and leaves
build/bench.json. Exit status 1 if a target is missed.

BENCH names the parts to run: calls, boot, of the rows with a dom0 create, devices, drivers, many, and toolstack (toolstack.py); quick is
"calls drivers", all is the default.
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
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import dom0  # noqa: E402
import machine  # noqa: E402
import oracle  # noqa: E402
import toolstack  # noqa: E402

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
        lines, _ = oracle.hospes([g], companion="granter64", cpus=1, icount=True, memory=MEMORY, timeout=1200)
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
        end = time.time() + 1200
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


def calls():
    """Rows of the micro-guest, and of memory, which the same boot of Xen tells."""
    ours, xen, console = counts()
    rows = []
    for name, width, what, target in COUNTED:
        theirs, mine = xen.get((name, width)), ours.get((name, width))
        rows.append((what, theirs, mine, target if target else int(RATIO * theirs) if theirs else 0))
    (kept, each), (xen_kept, xen_each) = memory(console)
    rows.append((f"memory kept of {MEMORY}, KiB", xen_kept, kept, 36 << 10))
    rows.append(("an idle domain of 4 MiB costs besides, KiB", xen_each, each, 512))
    return rows


def boot():
    mine, theirs = power_on()
    return [("power-on to the guest's ELF entry", theirs, mine, 250000000),
            ("image, bytes", machine.image("xen").stat().st_size, (machine.BUILD / "hospes").stat().st_size, 1 << 20)]


def with_dom0(parts):
    """Rows that need a dom0, as printed and as kept; and which of them miss a target."""
    ours, xen = dom0.measure(False, parts), dom0.measure(True, parts)
    missed, kept = [], []
    names = {name: what for _, name, what, *_ in dom0.ROWS}
    width = max(len(names[n]) for n in ours)
    print(f"\n{'with a dom0: instructions':{width}}  {'hypervisor:':>13}{'':15} {'':6}  {'guests:':>13}{'':15} {'':6}  exits:")
    print(f"{'':{width}}  {'Xen 4.17':>13} {'Hospes':>14} {'ratio':>6}  {'Xen 4.17':>13} {'Hospes':>14} {'whole':>6}  Xen, Hospes")
    for name, mine in ours.items():
        theirs = xen[name]
        share, whole = mine[0] / theirs[0], (mine[0] + mine[1]) / (theirs[0] + theirs[1])
        why = dom0.misses(name, mine, theirs, ours)
        if why:
            missed.append(names[name])
        print(f"{names[name]:{width}}  {theirs[0]:13,} {mine[0]:14,} {share:6.2f}  {theirs[1]:13,} {mine[1]:14,} {whole:6.2f}  {theirs[2]:,} {mine[2]:,}"
              + (f"  MISSED: {why}" if why else ""))
        kept.append({"what": names[name], "name": name, "xen": dict(zip(dom0.NUMBERS, theirs)), "hospes": dict(zip(dom0.NUMBERS, mine)), "missed": why})
    return kept, missed


def main():
    wanted = os.environ.get("BENCH", "").split() or ["all"]
    parts = [p for w in wanted for p in {"all": ["calls", "boot", *dom0.PARTS, "toolstack"], "quick": ["calls", "drivers"]}.get(w, [w])]
    unknown = set(parts) - {"calls", "boot", *dom0.PARTS, "toolstack"}
    if unknown:
        sys.exit(f"bench: no part {' '.join(sorted(unknown))}: calls boot {' '.join(dom0.PARTS)} toolstack quick all")
    begin = time.time()
    rows = (calls() if "calls" in parts else []) + (boot() if "boot" in parts else [])
    kept, missed, number = [], [], len(rows)
    if rows:
        print(f"RAM {MEMORY}, one CPU; unit: instructions, unless said")
        missed += table(rows)
        kept += [dict(zip(("what", "xen", "hospes", "target"), r)) for r in rows]
    if any(p in dom0.PARTS for p in parts):
        more, more_missed = with_dom0([p for p in dom0.PARTS if p in parts])
        kept, missed, number = kept + more, missed + more_missed, number + len(more)
    if "toolstack" in parts:
        more, more_missed = toolstack.measure()
        kept, missed, number = kept + more, missed + more_missed, number + len(toolstack.ROWS)
    (machine.BUILD / "bench.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{number - len(missed)} of {number} rows meet their targets, in {time.time() - begin:.0f} s" + (": missed " + ", ".join(missed) if missed else ""))
    sys.exit(1 if missed else 0)


main()
