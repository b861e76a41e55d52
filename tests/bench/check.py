#!/usr/bin/env python3
"""Checks of the benchmark's own arithmetic, on made-up counts."""
import struct

import dom0
import calls  # noqa: E402, dom0 tells where oracle is
import profile_row
import toolstack

MARKS = """MARK 1 100 0 50 0 0
MARK 20 200 10 50 3 1
MARK 65534 300 10 50 3 1
MARK 21 1200 2010 50 1003 31
MARK 20 5000 5000 50 5000 50
MARK 65535 6000 6000 50 6000 60
"""
PROFILE = """1000 5
MARK 1
1000 7
1014 1
MARK 20
1010 3
2000 4
MARK 21
1000 9
MARK 65535
"""


def same(what, got, want):
    if got != want:
        raise SystemExit(f"{what}: got {got}, want {want}")


def refused(text):
    try:
        dom0.parse_marks(text)
    except ValueError:
        return
    raise SystemExit(f"taken for markers: {text}")


marks = dom0.parse_marks(MARKS)
same("markers", len(marks), 6)
same("a window", dom0.window(marks, 20, 21), (1000, 2000, 1000, 30))
same("a window for each of 1000", dom0.window(marks, 20, 21, 1000), (1, 2, 1, 0))
same("from power-on, with the firmware", dom0.window(marks, None, 1), (100, 50, 0, 0))
same("the first pair counts", dom0.window(marks, 1, 20), (100, 10, 3, 1))
same("no end", dom0.window(marks, 21, 1), None)
same("no begin", dom0.window(marks, 2, 21), None)
for bad in ("MARK 1 2 3\n", "mark 1 2 3 4 5 6\n", "MARK 1 2 3 4 5 x\n", "noise"):
    refused(bad)


def row(name, mine, theirs=(1000000, 1, 1, 100)):
    """What is said of a row that took (hypervisor, guests, exits, calls), the first creation having taken 100 for each of 10 exits and 5 calls."""
    return dom0.misses(name, {"tiny_1": (1000, 0, 10, 5), name: mine}, {"tiny_1": (1000000, 0, 10, 50), name: theirs})


same("kept", row("create", (40, 900, 0, 0), (100, 1, 0, 0)), "")
same("share", row("create", (41, 0, 0, 0), (100, 1, 0, 0)) != "", True)
same("sum is not flat", row("tiny_all", (9000, 0, 10, 5)), "")
same("flat", row("tiny_40", (2200, 0, 20, 55)), "")
same("exits are not flat", "first" in row("tiny_40", (2210, 0, 20, 5)), True)
same("calls are not flat", "hypercalls" in row("tiny_40", (2000, 0, 20, 56)), True)
same("power-on", "whole" in row("power_on", (10, 71, 0, 0), (50, 50, 0, 0)), True)
same("power-on kept", row("power_on", (10, 60, 0, 0), (50, 50, 0, 0)), "")

names = [(0x1000, "first"), (0x1010, "second"), (0x1014, "third")]
same("profile of a window", profile_row.between(PROFILE, 1, 21), {0x1000: 7, 0x1014: 1, 0x1010: 3, 0x2000: 4})
same("profile from power-on", profile_row.between(PROFILE, None, 1), {0x1000: 5})
same("by function", profile_row.by_function({0x1000: 7, 0x1014: 1, 0x1010: 3, 0x2000: 4, 0x10: 1}, names), {"first": 7, "second": 3, "third": 5, "?": 1})

# A session in which each command takes 5 M, forks nothing, and its guest begins after 3 M of them.
BY_NAME = {r.name: r for r in toolstack.ROWS}
SESSION_MARKS, SESSION_TEXT, at = [], "STORE create_linux 21\nSTORE destroy_linux 17\nSTORE create_devices 183\nOWN create_devices 41\nSTORE create_99 20\nDAEMONS 4 5000\n", 0
for first in sorted({r.first for r in toolstack.ROWS} | {46}):
    for number, step in ((first, 0), (toolstack.ENTRY, 3), (first + 1, 2)):
        at += step * toolstack.MILLION
        SESSION_MARKS.append((number, at, 0, 0, 0, at // 100000))
    SESSION_TEXT += f"RUN {first} forks 0 us 5000\n"
found, remains = toolstack.parse(SESSION_MARKS, SESSION_TEXT)
same("to the guest's entry", found["tiny"], {"hypervisor": 3000000, "instructions": 3000000, "calls": 30, "forks": 0, "ms": 5.0, "store": None, "own": None})
same("to the return", found["destroy"]["instructions"], 5000000)
same("what remains", remains, {"cleaning": 5000000, "daemons": 4, "kib": 5000})
same("promises kept", [r.name for r in toolstack.ROWS if toolstack.misses(r, found)], ["devices"])
found["tiny_100"]["instructions"] = 3400000
same("not flat for a toolstack", "first" in toolstack.misses(BY_NAME["tiny_100"], found), True)
found["tiny_100"].update(instructions=3000000, hypervisor=3400000)
same("the hypervisor is not flat", "hypervisor" in toolstack.misses(BY_NAME["tiny_100"], found), True)
found["tiny"]["forks"] = 1
same("forks", toolstack.misses(BY_NAME["tiny"], found), "forks")
found["create"]["instructions"] = 80000001
same("above a promise", toolstack.misses(BY_NAME["create"], found), "above 80 M")
note = struct.pack("<III4sQ", 4, 8, 18, b"Xen\0", 0x1234567)
elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0) + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(note), len(note), 4) + note
same("entry of a kernel", toolstack.pvh_entry(elf), 0x1234567)

# Each window of the micro-guest takes its number's worth, and one is missing.
CALLS = [(first + end, 1000 * first + end * first * times, 0, 0, 0, 0) for _, _, first, times in calls.HYPERVISOR for end in (0, 1)]
same("windows of calls", calls.windows(CALLS), {name: first for name, _, first, _ in calls.HYPERVISOR})
same("numbers of windows", len({first for _, _, first, _ in calls.HYPERVISOR}), len(calls.HYPERVISOR))
try:
    calls.windows(CALLS[:-1])
    raise SystemExit("a window without an end")
except calls.machine.Failed:
    pass

rows = {name for _, name, *_ in dom0.ROWS}
same("names of rows", len(rows), len(dom0.ROWS))
same("parts of rows", {r[0] for r in dom0.ROWS} - {""}, set(dom0.PARTS))
print("the benchmark's arithmetic is right")
