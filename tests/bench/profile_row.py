#!/usr/bin/env python3
"""Where Hospes spends its instructions in rows of the benchmark: `profile_row.py ROW...`, names of dom0.ROWS. One line for each function."""
import bisect
import os
import subprocess
import sys

import dom0
from dom0 import machine

LINES = 60


def symbols(path):
    """Sorted (address, name) of the functions in @path."""
    text = subprocess.run(["nm", "--defined-only", str(path)], capture_output=True, text=True, check=True).stdout
    return sorted((int(a, 16), n) for a, kind, n in (x.split(maxsplit=2) for x in text.splitlines()) if kind in "tTwW")


def between(text, first, last):
    """{address: count} of the windows from marker @first (None: power-on) to @last in what count.c wrote as a profile."""
    part, total, begun = {}, {}, first is None
    for line in text.splitlines():
        a, b = line.split()
        if a != "MARK":
            part[int(a, 16)] = part.get(int(a, 16), 0) + int(b)
            continue
        # A marker ends the part before it.
        for address, n in part.items() if begun else ():
            total[address] = total.get(address, 0) + n
        part = {}
        if begun and int(b) == last:
            return total
        begun = begun or int(b) == first
    return total


def by_function(counts, names):
    """{function: instructions}"""
    starts, total = [a for a, _ in names], {}
    for address, n in counts.items():
        at = bisect.bisect_right(starts, address) - 1
        name = names[at][1] if at >= 0 else "?"
        total[name] = total.get(name, 0) + n
    return total


def main():
    rows = [r for r in dom0.ROWS if r[1] in sys.argv[1:]]
    if not rows or len(rows) != len(sys.argv) - 1:
        sys.exit("usage: profile_row.py ROW...; rows: " + " ".join(r[1] for r in dom0.ROWS))
    path = machine.BUILD / "bench-profile.txt"
    marks, _ = dom0.session(False, [p for p in dom0.PARTS if p in {r[0] for r in rows}], profile=path)
    names = symbols(machine.BUILD / "hospes-syms")
    for _, _, what, first, last, times in rows:
        hypervisor, guests, entries, _ = dom0.window(marks, first, last, times)
        print(f"{what}: {hypervisor:,} in the hypervisor, {guests:,} in guests, {entries:,} exits")
        total = by_function(between(path.read_text(), first, last), names)
        whole = sum(total.values())
        for name, n in sorted(total.items(), key=lambda x: -x[1])[:LINES]:
            print(f"{n / times:15,.0f} {100 * n / whole:5.1f}%  {name}")


if __name__ == "__main__":
    machine.BUILD = machine.ROOT / os.environ.get("BUILD", "build")
    main()
