#!/usr/bin/env python3
"""Compare the cost of things on Hospes and on Debian's real Xen 4.17, in one run.

Everything is counted, not timed: QEMU with one CPU and one instruction per nanosecond of its virtual clock, so a tick of the TSC is one
instruction and every run gives the same numbers. Both run the same micro-guest (calls.py), and the same dom0 with the same tools
(dom0.py), where a plugin of QEMU (count.c) tells the hypervisor's instructions from those of its guests. Prints tables and leaves
build/bench.json. Exit status 1 if a target is missed.

BENCH names the parts to run: calls, boot, of the rows with a dom0 create, devices, drivers, many, and toolstack (toolstack.py); quick is
"calls drivers", all is the default.
"""
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import calls  # noqa: E402
import dom0  # noqa: E402
import machine  # noqa: E402
from progress import step  # noqa: E402
import toolstack  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
machine.BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
BEGUN = 1  # the marker of tests/guest/triple.c


def power_on():
    """Instructions of all from power-on to the beginning of a guest's own code (tests/guest/triple.c), on Hospes and on real Xen, where it is dom0."""
    kernel = machine.guest("triple64")

    def count(modules, **options):
        counter, out = calls.plugin()
        try:
            with machine.Machine(modules, icount=True, memory=calls.MEMORY, extra=("-device", "amd-iommu,intremap=on", *counter), **options) as m:
                m.expect(r"[Tt]riple fault", timeout=1200)
            return sum(dom0.window(dom0.parse_marks(out.read_text()), None, BEGUN)[:2])
        finally:
            out.unlink(missing_ok=True)

    with step("power-on to a guest, on Hospes and on real Xen"):
        return (count(machine.launch([{"name": "triple", "type": "pvh", "kernel": kernel, "memory": 64, "on_reboot": "destroy", "on_crash": "destroy"}])),
                count([kernel], kernel=machine.image("xen"), append="dom0=pvh dom0_mem=64M"))


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
        why = dom0.misses(name, ours, xen)
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
    rows = (calls.rows() if "calls" in parts else []) + (boot() if "boot" in parts else [])
    kept, missed, number = [], [], len(rows)
    if rows:
        print(f"RAM {calls.MEMORY}, one CPU; unit: instructions, unless said")
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


if __name__ == "__main__":
    try:
        main()
    except machine.Failed as e:
        sys.exit(f"bench: {e}")
