#!/usr/bin/env python3
"""xl top on a terminal: what it draws is what Debian's xentop draws, its keys, other sizes of the screen, more domains than lines; and in batches."""
import json
import re
import sys

import xl_lab
from terminal import Terminal
from xl_lab import BUILD, ORACLE, XL, XlWorld, good

DOWN, UP, LEFT, RIGHT = "\x1bOB", "\x1bOA", "\x1bOD", "\x1bOC"


def world():
    w = XlWorld(hands=False, start=False)
    w.named("web", pages=512, vcpus=2)
    w.named("a-very-long-name-of-a-domain", pages=300)
    w.named("gone").shutdown(0)
    w.named("crashed").shutdown(3)
    return w


def debians(w, *words, **more):
    env = dict(w.env, LD_LIBRARY_PATH=str((ORACLE / "usr/lib/x86_64-linux-gnu").resolve()), LD_PRELOAD=str((BUILD / "xltest/preload.so").resolve()))
    return Terminal([(ORACLE / "usr/lib/xen-4.17/bin/xentop").resolve(), *words], env, **more)


def ours(w, *words, **more):
    return Terminal([XL, "top", *words], w.env, **more)


def drawn(lines):
    """The table is there, down to the menu."""
    return "Quit" in lines[-1] and any("NAME  STATE" in line for line in lines)


def names(lines):
    return [line.split()[0] for line in lines if re.search(r"^ *\S+ [-dsbcpr]{6} ", line)]


def test_screen_as_debians():
    """Line by line, but for the time of day."""
    with world() as w:
        for words in ((), ("-f",), ("-d", "100")):
            with debians(w, *words) as a, ours(w, *words) as b:
                theirs, mine = a.wait("Debian's table", drawn), b.wait("the table", drawn)
                assert re.fullmatch(r"xentop - \d\d:\d\d:\d\d   Xen 4\.17.*", mine[0]) and mine[0][18:] == theirs[0][18:], (theirs[0], mine[0])
                assert theirs[1:] == mine[1:], "\n".join(theirs + mine)


def test_keys():
    with world() as w, ours(w, "-d", "1000") as t:
        lines = t.wait("the table", drawn)
        assert names(lines) == ["a-very-lon", "crashed", "Domain-0", "gone", "web"], lines
        t.type("v")
        t.wait("virtual CPUs", lambda s: sum(line.startswith("VCPUs(sec):") for line in s) == 5)
        t.type("V")
        t.wait("no virtual CPUs", lambda s: drawn(s) and not any(line.startswith("VCPUs(sec):") for line in s))
        t.type("r")
        t.wait("a header for each", lambda s: sum("NAME  STATE" in line for line in s) == 5)
        t.type("R")
        t.wait("one header", lambda s: sum("NAME  STATE" in line for line in s) == 1)
        t.type("ssss")  # state, seconds, share, memory
        t.wait("most memory first", lambda s: names(s)[:3] == ["Domain-0", "web", "a-very-lon"])
        t.type(DOWN)
        t.wait("the second first", lambda s: names(s)[:2] == ["web", "a-very-lon"])
        t.type(UP + RIGHT * 2)
        t.wait("columns moved to the left", lambda s: any(line.startswith("CPU(sec) CPU(%)") for line in s))
        t.type(LEFT * 9)
        t.wait("and back", lambda s: len(names(s)) == 5)
        t.type("d12\x7f")
        t.wait("a new delay", lambda s: s[-1] == "Delay in seconds: 1")
        t.type("\n")
        before = t.wait("the menu", drawn)[0]
        t.wait("another picture", lambda s: drawn(s) and s[0] != before)
        t.type("q")
        assert t.end() == 0


def test_devices():
    """N and B show interfaces and disks of a domain that has them; the counters are the kernel's."""
    with XlWorld() as w:
        disk = w.folder / "disks/a"
        disk.write_bytes(bytes(4096))
        good(w.xl("create", "-q", w.file("web", f'disk=["{disk},raw,xvda,w"]\nvif=["bridge=br0","bridge=br0"]')))
        net = w.folder / "root/proc/net"
        net.mkdir(parents=True)
        zeros = " 0" * 4
        (net / "dev").write_text("Inter-| Receive\n face |bytes\n    lo: 1 2 3 4" + zeros + " 5 6 7 8\n" +
                                 "".join(f"vif1.{n}: {n}2048 22 3 4{zeros} {n}4096 66 7 8{zeros}\n" for n in range(2)))
        vbd = w.folder / "root/sys/bus/xen-backend/devices/vbd-1-51712/statistics"
        vbd.mkdir(parents=True)
        for i, name in enumerate(("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect")):
            (vbd / name).write_text(f"{i + 1}1\n")
        w.env["XL_SYSROOT"] = str(w.folder / "root")
        with ours(w, "-d", "1000") as t:
            lines = t.wait("the table", drawn)
            row = next(line.split() for line in lines if line.strip().startswith("web"))
            assert row[9:18] == ["2", "13", "17", "1", "11", "21", "31", "41", "51"], row
            t.type("n")
            t.wait("two interfaces", lambda s: sum(bool(re.match(r"Net[01] RX: ", line)) for line in s) == 2)
            t.type("b")
            t.wait("a disk", lambda s: sum(line.startswith("VBD BlkBack 51712 [ca: 0]") for line in s) == 1)
            t.type("NB")
            t.wait("none of them", lambda s: drawn(s) and not any(line.startswith(("Net", "VBD Blk")) for line in s))


def test_other_sizes():
    """More domains than lines, a smaller and a larger screen, one too small for anything."""
    with XlWorld(hands=False, start=False) as w:
        for i in range(40):
            w.named(f"dom{i:02}", pages=16)
        with ours(w, "-d", "1000", columns=80, lines=24) as t:
            t.wait("the table", lambda s: len(names(s)) == 19 and drawn(s))
            t.type(DOWN * 5)
            t.wait("later ones", lambda s: names(s)[:1] == ["dom05"])
            t.type(DOWN * 60)
            t.wait("the last one", lambda s: names(s) == ["Domain-0"] or names(s) == ["dom39"])
            t.type(UP * 60)
            t.wait("the first one", lambda s: len(names(s)) == 19)
            t.resize(100, 50)
            t.wait("all of them", lambda s: len(names(s)) == 41)
            t.resize(60, 5)
            t.wait("a header and a menu", lambda s: "vBds" in s[-1] and "NAME  STATE" in s[3])
            t.resize(10, 2)
            t.wait("something", lambda s: s[0].startswith("xentop"))
            t.resize(80, 24)
            t.wait("the table again", lambda s: len(names(s)) == 19 and drawn(s))
            t.type("\x1b")
            assert t.end() == 0


def test_complaints_on_a_terminal():
    """Without a terminal, on one nobody knows, and with a hypervisor that goes away: it says so where it can be read."""
    with world() as w:
        r = w.xl("top")
        assert r.returncode == 1 and "(no-terminal)" in r.stderr and "-b" in r.stderr, r
        with Terminal(["env", "TERM=nonesuch", XL, "top"], w.env) as t:
            t.wait("a complaint", lambda s: any("(no-terminal)" in line for line in s))
            assert t.end() == 1
        with ours(w, "-d", "1") as t:
            t.wait("the table", drawn)
            w.sim.fail_call(1, nr=35, command=6)
            t.wait("a complaint", lambda s: any("(not-permitted)" in line for line in s) and any("next: " in line for line in s))
            assert t.end() == 1


def test_batch():
    with world() as w:
        out = good(w.xl("top", "-b", "-i", "2", "-d", "1"))
        assert out.count("NAME  STATE") == 2 and len(names(out.split("\n"))) == 10
        text = good(w.xl("--json", "top", "-i", "1"))
        assert {d["name"] for d in json.loads(text)} == {"Domain-0", "web", "gone", "crashed", "a-very-long-name-of-a-domain"}
        assert good(w.run("xentop", "-b", "-i", "1", check=False)) == good(w.xl("top", "-b", "-i", "1"))


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
