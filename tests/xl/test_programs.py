#!/usr/bin/env python3
"""The small programs of domain 0 beside Debian's unmodified ones, on two machines that are alike: exit status and output byte for byte."""
import difflib
import os
import pathlib
import re
import signal
import sys
import time

import xl_lab
from sim import PATIENCE
from xl_lab import XlWorld, good

ONES = ":".join(["ffffffff"] * 19)
# Program, and words of each run.
RUNS = (
    ("lsevtchn", "", "0", "1", "2", "x"),
    ("xen-diag", "", "help", "h", "nosuch", "gnttab_query_size 1", "gnttab_query_size 0", "gntt 1", "gnttab_query_size", "gnttab_query_size 1 2"),
    ("xen-cpuid", "", "-i", "-d", "-v", "detail", "info", "-d info", "--detail 1", "detail 1", "-h", "-z", "1:2:3", ONES, ONES + ":1", "1 2", "1-2-3", "3 detail",
     "1:zz:3", "-", "-p", "-p 1", "-p 0 1"),
)
# Xen's program of another directory.
HYPFS = ("", "nosuch", "tree", "tree x", "ls", "ls /", "ls /params", "ls /params/", "ls /buildinfo", "ls /buildinfo/compileinfo", "ls /buildinfo/version",
         "ls /cpupool", "ls /cpupool/0", "ls /nosuch", "ls //", "ls params", "ls /params/loglvl", "cat", "cat /buildinfo/version/major",
         "cat -b /buildinfo/version/minor", "cat -b /buildinfo/changeset", "cat /buildinfo/compileinfo/compiler", "cat /params", "cat /nosuch", "cat buildinfo",
         "cat /cpupool/0/sched-gran", "write /cpupool/0/sched-gran cpu", "write", "write /params/loglvl", "write /params/loglvl all", "cat /params/loglvl",
         "write /params/loglvl foo", "write /params/loglvl error/debug", "cat /params/loglvl", "write /params/nosuch 1", "write /params 1",
         "write /buildinfo/changeset x", "write /buildinfo/version/major 5", "write /buildinfo/version/major x", "write /params/console_timestamps boot",
         "cat /params/console_timestamps", "write /params/gnttab_max_frames 100", "cat /params/gnttab_max_frames", "write /params/gnttab_max_frames abc")
FAILS = (("lsevtchn", "99"), ("xen-diag", "gnttab_query_size 77"), ("xen-cpuid", "-p nosuch"), ("xen-cpuid", "-p 99"))


def world():
    w = XlWorld(hands=False)
    w.named("web", pages=512, vcpus=2)
    w.named("other")
    return w


def show(done):
    """Without the path of the program, and libxc's log."""
    err = "\n".join(line for line in done.stderr.split("\n") if not line.startswith("xc: "))
    text = f"exit status {done.returncode}\n{done.stdout}-- stderr:\n{err}"
    return re.sub(r"\S*/(\w[\w-]*?)(-san)?(?=[ :])", r"\1", text)


def policy_sizes(text):
    """How many leaves a policy has is the library's own number there and the hypervisor's here."""
    return re.sub(r"policy: \d+ leaves", "policy: N leaves", text)


def test_same_as_debians():
    with world() as theirs, world() as ours:
        wrong = []
        for program, *runs in RUNS:
            for words in (r.split() for r in runs):
                a = policy_sizes(show(theirs.oracle(*words, program=program)))
                b = policy_sizes(show(ours.run(program + "-san", *words, check=False)))
                if a != b:
                    wrong.append(f"{program} {words}:\n" + "\n".join(difflib.unified_diff(a.split("\n"), b.split("\n"), "Debian's", "ours", lineterm="", n=1)))
        assert not wrong, "\n".join(wrong)


def test_hypfs():
    """Every run beside Debian's on the same hypervisor code, which has Xen's tree as far as its options exist here."""
    with XlWorld(start=False, hands=False) as theirs, XlWorld(start=False, hands=False) as ours:
        for words in HYPFS:
            a = show(theirs.oracle(*words.split(), program="../../../sbin/xenhypfs"))
            b = show(ours.run("xenhypfs-san", *words.split(), check=False))
            assert a == b, f"{words}:\n{a}\nours:\n{b}"
        # The tree itself, as real Xen's: what is there has the same names and types.
        tree = good(ours.run("xenhypfs-san", "tree")).split()
        assert tree == ["/", "buildinfo/", "changeset", "compileinfo/", "compile_by", "compile_date", "compile_domain", "compiler", "version/", "extra", "major",
                        "minor", "cpupool/", "0/", "sched-gran", "params/", "console_timestamps", "gnttab_max_frames",
                        "gnttab_max_maptrack_frames", "guest_loglvl", "loglvl"], tree
        nobody = ours.run("xenhypfs-san", "tree", check=False, env={"HOSPES_SIM": "/nonexistent"})
        assert nobody.returncode == 2


def test_failures():
    """The same exit status; what we say is our own."""
    with world() as w:
        for program, words in FAILS:
            a = w.oracle(*words.split(), program=program)
            b = w.run(program + "-san", *words.split(), check=False)
            assert a.returncode == b.returncode == 1 and b.stderr.startswith(program), (program, words, b.stderr)


def test_xen_detect():
    """This machine as it is: under which hypervisor the tests run, if any, is the same for both."""
    with world() as w:
        for words in ("", "-P", "-H", "-N", "-q", "-qN", "--pv --quiet", "-h", "--nosuch"):
            a = w.oracle(*words.split(), program="../../../bin/xen-detect")
            b = w.run("xen-detect-san", *words.split(), check=False)
            assert show(a) == show(b), (words, show(a), show(b))


def pings(w, more):
    """Wait until so many hypercalls have come: the daemon is the only one who makes any."""
    wanted = w.sim.calls() + more
    end = time.time() + PATIENCE
    while w.sim.calls() < wanted:
        assert time.time() < end, "xenwatchdogd does nothing"
        time.sleep(0.05)


def dog(w, *words):
    return w.daemon("xenwatchdogd-san", *words, notify=False)


def bitten(w):
    return "d0: watchdog expired" in w.sim.log()


def test_watchdog_bites_when_nobody_pings():
    """The machine's clock is ours: whatever it says, signs of life come every second of the host's."""
    with XlWorld(start=False, hands=False) as w:
        w.xenstored.stop()
        d = dog(w, "-F", "30", "1")
        pings(w, 2)
        for _ in range(3):
            w.sim.advance(29)
            pings(w, 2)
            assert not bitten(w)
        d.process.send_signal(signal.SIGSTOP)
        w.sim.advance(29)
        assert not bitten(w)
        w.sim.advance(2)
        assert bitten(w)
        d.kill()


def test_watchdog_ends():
    """By a signal it leaves 300 seconds; USR1, and any signal with -x, disarm it."""
    for words, how, left in (((), signal.SIGTERM, 300), ((), signal.SIGHUP, 300), ((), signal.SIGUSR1, None), (("-x",), signal.SIGTERM, None)):
        with XlWorld(start=False, hands=False) as w:
            w.xenstored.stop()
            d = dog(w, *words, "-F", "30", "1")
            pings(w, 2)
            d.process.send_signal(how)
            assert d.wait() == 0
            w.sim.advance(left - 1 if left else 10000)
            assert not bitten(w), (words, how)
            w.sim.advance(2)
            assert bitten(w) == bool(left), (words, how)


def test_watchdog_becomes_a_daemon():
    """Who started it may go on once it is armed; it fails while that can still be seen."""
    with XlWorld(start=False, hands=False) as w:
        w.xenstored.stop()
        before = w.sim.state()["clients"]
        good(w.run("xenwatchdogd-san", "30", "1"))
        assert w.sim.state()["clients"] == before + 1
        good(w.run("xenwatchdogd-san", "30", "1"))
        third = w.run("xenwatchdogd-san", "30", "1", check=False)
        assert third.returncode == 1 and "No space left" in third.stderr, third.stderr
        daemons = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and of(w, p)]
        for pid in daemons:
            os.kill(pid, signal.SIGKILL)
        assert len(daemons) == 2
        w.sim.advance(31)
        assert bitten(w)


def of(w, proc):
    """True if that process is a daemon of this world."""
    try:
        return b"xenwatchdogd-san" in (proc / "cmdline").read_bytes() and w.sim.path.encode() in (proc / "environ").read_bytes()
    except OSError:
        return False


def test_watchdog_usage():
    with XlWorld(start=False, hands=False) as w:
        a, b = w.oracle(program="xenwatchdogd"), w.run("xenwatchdogd-san", check=False)
        assert show(a) == show(b)
        for words in (("x",), ("0",), ("-5",), ("30", "1", "2"), ("--nosuch", "1"), ("30", "y")):
            assert w.run("xenwatchdogd-san", *words, check=False).returncode == 1, words
        with_nothing = w.run("xenwatchdogd-san", "30", check=False, env={"HOSPES_SIM": "/nonexistent"})
        assert with_nothing.returncode == 1 and "no hypercalls" in with_nothing.stderr


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
