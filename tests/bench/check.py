#!/usr/bin/env python3
"""Checks of the benchmark's own arithmetic, on made-up counts."""
import dom0
import profile_row

MARKS = """MARK 1 100 0 50 0
MARK 20 200 10 50 3
MARK 21 1200 2010 50 1003
MARK 20 5000 5000 50 5000
MARK 65535 6000 6000 50 6000
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
same("markers", len(marks), 5)
same("a window", dom0.window(marks, 20, 21), (1000, 2000, 1000))
same("a window for each of 1000", dom0.window(marks, 20, 21, 1000), (1, 2, 1))
same("from power-on, with the firmware", dom0.window(marks, None, 1), (100, 50, 0))
same("the first pair counts", dom0.window(marks, 1, 20), (100, 10, 3))
same("no end", dom0.window(marks, 21, 1), None)
same("no begin", dom0.window(marks, 2, 21), None)
for bad in ("MARK 1 2 3\n", "mark 1 2 3 4 5\n", "MARK 1 2 3 4 x\n", "noise"):
    refused(bad)

ours = {"tiny_1": (100, 0, 0), "tiny_40": (111, 0, 0), "create": (40, 0, 0)}
same("kept", dom0.misses("create", (40, 900, 0), (100, 1, 0), ours), "")
same("share", dom0.misses("create", (41, 0, 0), (100, 1, 0), ours) != "", True)
same("not flat", "first" in dom0.misses("tiny_40", ours["tiny_40"], (1000, 0, 0), ours), True)
same("power-on", "whole" in dom0.misses("power_on", (10, 71, 0), (50, 50, 0), ours), True)
same("power-on kept", dom0.misses("power_on", (10, 60, 0), (50, 50, 0), ours), "")

names = [(0x1000, "first"), (0x1010, "second"), (0x1014, "third")]
same("profile of a window", profile_row.between(PROFILE, 1, 21), {0x1000: 7, 0x1014: 1, 0x1010: 3, 0x2000: 4})
same("profile from power-on", profile_row.between(PROFILE, None, 1), {0x1000: 5})
same("by function", profile_row.by_function({0x1000: 7, 0x1014: 1, 0x1010: 3, 0x2000: 4, 0x10: 1}, names), {"first": 7, "second": 3, "third": 5, "?": 1})

rows = {name for _, name, *_ in dom0.ROWS}
same("names of rows", len(rows), len(dom0.ROWS))
same("parts of rows", {r[0] for r in dom0.ROWS} - {""}, set(dom0.PARTS))
print("the benchmark's arithmetic is right")
