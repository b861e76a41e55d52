#!/usr/bin/env python3
"""What a domain costs domain 0: the daemons as they are installed, a hundred living domains with disk, interface and console, and no process or
thread for any of them. Counted, not timed."""
import os
import pathlib
import sys
import tempfile
import time

import tap
from lives import Lives
from sim import PATIENCE

DOMAINS = 100
REQUESTS, CALLS = 40, 40
NEIGHBOURS = 20
# KiB. What the three daemons have for themselves, and for each domain.
DAEMONS, EACH = 4 << 10, 64


def field(pid, n):
    """Number @n of /proc/PID/stat, counted as proc(5) does."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(text[text.rindex(")") + 2:].split()[n - 3])


def had_children(pid):
    """Whether a process has children or had some: what those that it waited for did is added to its own cminflt."""
    now = "".join((t / "children").read_text() for t in pathlib.Path(f"/proc/{pid}/task").iterdir())
    return bool(now.strip()) or field(pid, 11) > 0


def memory(pid):
    """KiB: its share of all it uses, as `make bench` counts."""
    line = next(x for x in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if x.startswith("Pss:"))
    return int(line.split()[1])


class Dom0(Lives):
    """All daemons of domain 0; only back ends and guests are played."""

    def __init__(self, **keys):
        super().__init__(tap.BUILD, program="hospesd", start=False, consoles=False, **keys)
        try:
            self.consoled = self.daemon("xenconsoled", "-i", "--log=guest", "--log-dir", self.folder / "log", "--history-dir", self.folder / "history",
                                        "--socket", self.folder / "console.socket")
            self.start()
        except Exception:
            self.close()
            raise

    def all(self):
        return {d.name: d.process.pid for d in (self.xenstored, self.consoled, self.hospesd)}


def costs(w, name):
    """(store requests, hypercalls) of a creation with disk and interface."""
    steps = w.create(name, disks=1, nics=1)["timings"]
    return sum(t["store_requests"] for t in steps), sum(t["hypercalls"] for t in steps)


def test_only_the_new_one_is_looked_at():
    """A creation has no daemon list all living domains: it would cost the more the more there are. An end may have."""
    with Dom0(ram=256) as w:
        for i in range(NEIGHBOURS):
            w.create(f"d{i}")
        before = w.sim.told()
        for i in range(NEIGHBOURS, 2 * NEIGHBOURS):
            w.create(f"d{i}")
        told = w.sim.told() - before
        print(f"# {NEIGHBOURS} creations beside as many domains: {told} were told about")
        # xenstored and xenconsoled ask about the new one, and what came late of the creations before may fall in here: one list of theirs.
        assert told <= 3 * NEIGHBOURS, told
        for i in range(2 * NEIGHBOURS):
            w.call("domain.destroy", domain=f"d{i}")
        end = time.time() + PATIENCE
        while w.sim.told() < before + told + NEIGHBOURS:
            assert time.time() < end, "lists are not counted"
            time.sleep(0.01)


def test_a_hundred_living_domains():
    with Dom0(ram=1024) as w:
        costs(w, "warm")
        w.call("domain.destroy", domain="warm")
        first = costs(w, "d0")
        before = {n: memory(p) for n, p in w.all().items()}
        taken = [first] + [costs(w, f"d{i}") for i in range(1, DOMAINS)]
        after = {n: memory(p) for n, p in w.all().items()}
        each = sum(after.values()) - sum(before.values())
        print(f"# store requests and hypercalls of the first {first}, of the last {taken[-1]}; KiB with one {before}, with {DOMAINS} {after}")
        assert all(r <= REQUESTS and c <= CALLS for r, c in taken), taken
        assert len({c for _, c in taken}) == 1, taken
        # A watch may fire once or twice, as the daemons come: not one creation counts but many, to which each living domain would add.
        half = DOMAINS // 2
        assert sum(r for r, _ in taken[half:]) <= sum(r for r, _ in taken[:half]) + half, taken
        assert sum(before.values()) <= DAEMONS and each <= EACH * (DOMAINS - 1), (before, after)
        for name, pid in w.all().items():
            assert not had_children(pid), name
            assert len(os.listdir(f"/proc/{pid}/task")) <= 6, name
        for i in range(DOMAINS):
            w.call("domain.destroy", domain=f"d{i}")
        assert not had_children(w.all()["hospesd"])
        assert not w.leftovers(), w.leftovers()


def test_children_would_be_seen():
    """The one case that needs a process is a script of the host's owner: the count above sees it."""
    with Dom0() as w:
        script = w.folder / "scripts" / "mine"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        c = w.config("scripted", nics=1)
        c["nics"][0]["script"] = "mine"
        assert not had_children(w.hospesd.process.pid)
        w.call("domain.create", config=c)
        assert had_children(w.hospesd.process.pid)


def test_restless_guest():
    """What a guest may write of its console's records has nobody read them: a write of it is one request of the store and no more."""
    with tempfile.NamedTemporaryFile() as trace, Dom0(store_args=("--trace-file", trace.name)) as w:
        web = w.create("web")["domid"]
        guest = w.attach(web).store
        before = pathlib.Path(trace.name).read_text().count("/console/ring-ref")
        assert before
        for i in range(100):
            guest.write(f"/local/domain/{web}/console/backend-id", str(i % 7))
            guest.write(f"/local/domain/{web}/console/backend-id/{i % 3}", "x")
        w.call("domain.destroy", domain="web")
        reads = pathlib.Path(trace.name).read_text().count("/console/ring-ref") - before
        assert reads <= 4, f"{reads} times"  # at its end


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
