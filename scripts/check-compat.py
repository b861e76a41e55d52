#!/usr/bin/env python3
"""Does every claim of docs/compatibility.md and docs/linux-configuration.md rest on a test that ran?

usage: check-compat.py TABLE... build/tests-ran.txt

Each table row is `| ID | what | state | proof |`. State is `yes`, `part` or `no`; `yes` and `part` need at least one
test in backquotes that ran, by its full name or as the program a test function belongs to.
"""
import re
import sys


def rows(text):
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and re.match(r"[A-Z0-9]{2,3}-[0-9A-Za-z_./, -]+$", cells[0]):
            yield number, cells


def main():
    ran = set()
    for name in open(sys.argv[-1]).read().split("\n"):
        ran.add(name)
        ran.add(name.split(":")[0])
    bad = seen = 0
    ids = set()
    for table, number, (ident, _, state, proof) in ((t, *row) for t in sys.argv[1:-1] for row in rows(open(t).read())):
        seen += 1
        if ident in ids:
            bad += 1
            print(f"{table}:{number}: {ident} has two rows")
        ids.add(ident)
        tests = re.findall(r"`([^`]+)`", proof)
        if state not in ("yes", "part", "no"):
            bad += 1
            print(f"{table}:{number}: {ident}: state '{state}' is none of yes, part, no")
        if state in ("yes", "part") and not tests:
            bad += 1
            print(f"{table}:{number}: {ident}: '{state}' without a test in backquotes")
        for test in tests:
            if test not in ran:
                bad += 1
                print(f"{table}:{number}: {ident}: test {test} does not exist or did not run")
    print(f"compatibility: {seen} rows, {bad} faults")
    sys.exit(1 if bad or not seen else 0)


main()
