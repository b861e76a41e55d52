#!/usr/bin/env python3
"""Guests that mean harm beside a domain 0 that works: what they may hold is bounded, and domain 0's share of the daemon stays its own.

Cost is the number of instructions the daemon spends while domain 0 does a fixed amount of work, counted by callgrind, so that neither a
busy host nor its clock matters.
"""
import os
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
import hostile  # noqa: E402
from hostile import message, push  # noqa: E402
from store_lab import MKDIR, READ, RESET_WATCHES, SET_PERMS, TX_END, TX_START, WATCH, WRITE  # noqa: E402
from tap import main, test  # noqa: E402


class CountedDaemon(lab.Daemon):
    """Our daemon under callgrind."""

    def command(self):
        return ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.machine.dir}/cost"] + super().command()

    def instructions(self):
        """Instructions since the last call (or the start)."""
        subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, capture_output=True, timeout=60)
        dumps = sorted(self.machine.dir.glob("cost.*"))
        total = sum(int(line.split()[1]) for f in dumps for line in f.read_text().splitlines() if line.startswith("totals:"))
        for f in dumps:
            f.unlink()
        assert total > 0, f"callgrind wrote no total beside {self.machine.dir}/cost"
        return total


class Yard(hostile.Yard):
    def __init__(self, guests):
        super().__init__(guests, CountedDaemon)

    def memory(self):
        with open(f"/proc/{self.daemon.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))

    def cost(self, rounds=300, meanwhile=lambda: None):
        """The daemon's instructions for domain 0's ordinary work, with whatever the guests make it do @meanwhile."""
        self.daemon.instructions()
        for i in range(rounds):
            meanwhile()
            self.work(i)
        return self.daemon.instructions()


def stuff(guest, data, rounds):
    """Put as much into the ring as it takes without ever reading an answer."""
    sent = 0
    for _ in range(rounds):
        if push(guest, data):
            sent += 1
        else:
            time.sleep(0.0002)
    return sent


@test
def hostile_guest_that_never_reads():
    """Requests whose answers nobody takes: the daemon stops reading them, and holds little."""
    yard = Yard(4)
    idle = yard.cost()
    before = yard.memory()
    sent = [stuff(g, message(READ, b"/work/1\0"), 2000) for g in yard.guests]
    assert max(sent) < 400, sent
    assert yard.memory() - before < 4096, (before, yard.memory())
    busy = yard.cost()
    assert busy < 2 * idle, (idle, busy)
    # Taking the answers sets it going again.
    g = yard.guests[0]
    for _ in range(sent[0]):
        assert g.message()[0] == lab.ERROR
    assert g.ask(READ, b"/work/1\0") == "EACCES"
    yard.close()


def flood(yard):
    yard.open_work()
    yard.flood()


@test
def hostile_watch_flood_that_nobody_reads():
    """Watches on what domain 0 writes all the time, events never taken: at first, when all that comes is waiting already, and with full queues."""
    yard = Yard(4)
    idle = yard.cost()
    before = yard.memory()
    flood(yard)
    first, again = yard.cost(), yard.cost()
    assert first < 2 * idle, (idle, first)
    assert again < 2 * idle, (idle, again)
    for i in range(10000):
        yard.zero.send(WRITE, b"/work/more/%d\0" % i)
        if i % 100 == 99:
            yard.zero.reply(yard.zero.req - 99)
            for n in range(98, -1, -1):
                yard.zero.reply(yard.zero.req - n)
    full = yard.cost()
    assert full < 2 * idle, (idle, full)
    assert yard.memory() - before < 16384, (before, yard.memory())
    yard.close()


@test
def hostile_watches_of_what_may_not_be_read():
    """Watches at and above what domain 0 writes and the guests may not read: asked once per guest and change, not once per watch."""
    yard = Yard(4)
    yard.zero.ask(MKDIR, b"/work/t\0")
    idle = yard.cost()
    yard.flood((b"/",) * 61 + (b"/work", b"/work/t", b"/work/7"))
    busy = yard.cost()
    assert busy < 2 * idle, (idle, busy)
    assert [g.take_events() for g in yard.guests] == [[]] * 4
    yard.close()


@test
def hostile_watch_flood_that_is_read():
    """The events of a flood of watches are made for who takes them, when it does: each costs little, and none is lost."""
    yard = Yard(4)
    idle = yard.cost(30)
    flood(yard)
    taken = [0] * 4

    def read():
        for n, g in enumerate(yard.guests):
            taken[n] += len(g.take_events())

    # Each change is taken before the next.
    busy = yard.cost(30, read)
    read()
    assert taken == [128 * 60] * 4, taken
    asked = 31 * 4
    assert busy - idle < 1500 * sum(taken) + 20000 * asked, (idle, busy, (busy - idle) // sum(taken))
    yard.close()


@test
def hostile_readers_take_one_ring_a_turn():
    """Whatever guests are owed, and however fast they take it: a request of domain 0 waits for at most one ring full for each of them."""
    yard = Yard(4)
    flood(yard)
    for i in range(50):
        yard.zero.ask(WRITE, b"/work/%d\0" % i)
    idle, busy = [], []
    for _ in range(10):
        yard.daemon.instructions()
        yard.zero.ask(READ, b"/work/1\0")
        idle.append(yard.daemon.instructions())
        os.kill(yard.daemon.process.pid, signal.SIGSTOP)
        for g in yard.guests:
            assert (g.word(2060) - g.word(2056)) & 0xFFFFFFFF == 1024, "there is more to come all the time"
            g.word(2056, g.word(2060))
            g.kick()
        req = yard.zero.send(READ, b"/work/1\0")
        os.kill(yard.daemon.process.pid, signal.SIGCONT)
        yard.zero.reply(req)
        busy.append(yard.daemon.instructions())
    assert max(busy) - max(idle) < 4 * 40000, (idle, busy)
    yard.close()


@test
def hostile_conflicts_on_purpose():
    """Guests write what domain 0 reads in its transactions, as fast as they can: it gets through, and they are held back."""
    yard = Yard(3)
    zero = yard.zero
    zero.ask(WRITE, b"/shared\0" b"0")
    zero.ask(SET_PERMS, b"/shared\0b0\0")
    commits = 0
    for tries in range(300):
        tx = int(zero.ask(TX_START, b"\0").rstrip(b"\0"))
        zero.ask(READ, b"/shared\0", tx=tx)
        for g in yard.guests:
            stuff(g, message(WRITE, b"/shared\0%d" % tries), 3)
            # They read their answers, to be able to go on.
            while (g.word(2060) - g.word(2056)) & 0xFFFFFFFF:
                g.word(2056, g.word(2060))
                g.kick()
        zero.ask(WRITE, b"/mine\0x", tx=tx)
        commits += zero.ask(TX_END, b"T\0", tx=tx) == b"OK\0"
        if commits == 30:
            break
    assert commits >= 30, f"{commits} of {tries} transactions of domain 0 got through"
    yard.close()


@test
def hostile_transactions_left_open():
    """All quota's transactions held open while domain 0 changes everything: memory stays bounded."""
    yard = Yard(4)
    for g in yard.guests:
        ids = []
        for _ in range(12):
            out = g.ask(TX_START, b"\0")
            if out == "ENOSPC":
                break
            ids.append(int(out.rstrip(b"\0")))
        assert len(ids) == 10
        for tx in ids:
            g.ask(READ, b"/local\0", tx=tx)
            g.ask(WRITE, b"data/x\0v", tx=tx)
    before = yard.memory()
    idle = yard.cost()
    last = [yard.cost() for _ in range(20)][-1]
    assert yard.memory() - before < 16384, (before, yard.memory())
    assert last < 2 * idle, (idle, last)
    yard.close()


@test
def hostile_rings_and_floods_of_rubbish():
    """Bad indices, endless kicks, messages cut anywhere: only that domain suffers."""
    yard = Yard(6)
    idle = yard.cost()
    for i, g in enumerate(yard.guests):
        if i % 3 == 0:
            g.word(2052, g.word(2048) + 1025 + i)
        elif i % 3 == 1:
            g.word(2056, g.word(2060) + 7)
        else:
            stuff(g, struct.pack("<IIII", 0xFFFFFFFF, 0, 0, 5000), 1)
        for _ in range(2000):
            g.kick()
    busy = yard.cost()
    assert busy < 2 * idle, (idle, busy)
    good = [yard.zero.ask(lab.IS_INTRODUCED, b"%d\0" % n) for n in range(1, 7)]
    assert good == [b"T\0"] * 6, good
    yard.close()


@test
def hostile_watch_churn_and_resets():
    yard = Yard(3)
    before = yard.memory()
    for _ in range(60):
        for g in yard.guests:
            for i in range(20):
                g.ask(WATCH, b"/local/domain/0/%d\0t\0" % i)
            tx = int(g.ask(TX_START, b"\0").rstrip(b"\0"))
            g.ask(WRITE, b"x\0y", tx=tx)
            assert g.ask(RESET_WATCHES, b"\0", tx=tx) == b"OK\0"
            g.take_events(0)
    assert yard.memory() - before < 4096
    yard.close()


if __name__ == "__main__":
    main()
