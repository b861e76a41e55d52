#!/usr/bin/env python3
"""Core files of domains: form, contents, faults, and those written when a domain ends."""
import shutil
import struct
import sys

import xl_lab
from core_file import Core
from sim import CRASH, PAGE_SIZE, WATCHDOG
from xl_lab import XlWorld, good


def test_core_file():
    """Every page of the domain is in it with its contents, and the registers of each virtual CPU."""
    with XlWorld() as w:
        good(w.xl("create", "-q", w.file("web"), "vcpus=2", "maxvcpus=3"))
        guest = w.attach(1)
        guest.write(0x5000, b"find me")
        guest.write((3 << 20) + 100, b"and me")
        path = w.folder / "core"
        path.write_text("of an earlier time")
        path.chmod(0o666)
        assert good(w.xl("dump-core", "web", path)) == ""
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_blocks * 512 < path.stat().st_size // 2, "pages of zeroes take room"
        core = Core(path)
        core.check()
        assert core.nr_vcpus == 3
        pages = core.pages()
        assert len(pages) == w.sim.info(1)[1], "not all its pages"
        assert pages[5].startswith(b"find me") and pages[(3 << 20) // PAGE_SIZE][100:106] == b"and me"
        for gfn in [g for g in pages if any(pages[g])] + [0, 7]:
            assert pages[gfn] == guest.read(gfn * PAGE_SIZE, PAGE_SIZE), hex(gfn)
        first, second = core.vcpu(0), core.vcpu(1)
        assert first["flags"] & 0x24 == 0x24 and first["rip"] == 2 << 20 and first["cr0"] & 1 and first["rbx"], first
        assert not second["flags"] & 0x20, second
        assert not w.sim.info(1)[0] & 8, "it was left paused"


def test_core_file_with_holes():
    """What the guest has given back is not there; a dump in the middle of the store's life takes nothing from anybody."""
    with XlWorld() as w:
        good(w.xl("create", "-q", w.file("web")))
        guest = w.attach(1)
        guest.write(guest.scratch, struct.pack("<QQIIH", guest.scratch + 64, 1, 0, 0, 0x7ff0).ljust(64, b"\0") + struct.pack("<Q", 9))
        assert guest.call(12, 1, guest.scratch) == 1, "XENMEM_decrease_reservation"
        before = w.memory()
        good(w.xl("dump-core", "web", w.folder / "core"))
        assert w.memory() == before
        pages = Core(w.folder / "core").pages()
        assert 9 not in pages and 8 in pages and len(pages) == w.sim.info(1)[1]


def test_nothing_is_left_of_a_failure():
    with XlWorld() as w:
        good(w.xl("create", "-q", w.file("web")))
        for nr, command, code in ((36, 33, "hypervisor-refused"), (36, 61, "hypervisor-refused"), (12, 14, "hypervisor-refused")):
            w.sim.fail_call(12, nr=nr, command=command)
            r = w.xl("--json", "dump-core", "web", w.folder / "core")
            assert r.returncode == 1 and f'"code":"{code}"' in r.stderr.replace(" ", ""), r
            assert not (w.folder / "core").exists(), command


def test_core_at_the_end():
    """on_crash and on_watchdog: the core is written first, then what else was asked for is done; also if it cannot be written."""
    with XlWorld() as w:
        dump = w.folder / "lib/dump"
        good(w.xl("create", "-q", w.file("crash", 'on_crash="coredump-restart"')))
        w.attach(1).write(0x7000, b"what it was about")
        w.sim.shutdown(1, CRASH)
        assert w.event("dumped", 1)["file"] == str(dump / "crash")
        assert w.event("unpaused")["domain"] == "crash"
        assert Core(dump / "crash").pages()[7].startswith(b"what it was about")
        assert dump.stat().st_mode & 0o777 == 0o700
        good(w.xl("destroy", "crash"))

        good(w.xl("create", "-q", w.file("dog", 'on_watchdog="coredump-destroy"')))
        (dump / "dog").mkdir()
        w.sim.shutdown(3, WATCHDOG)
        w.event("destroyed", 3)
        told = w.xl("explain", "dog").stdout
        assert "cannot-write" in told and str(dump / "dog") in told, told
        shutil.rmtree(dump)
        assert not w.leftovers(), w.leftovers()


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
