#!/usr/bin/env python3
"""Live update under load: 500 clients with transactions, half-sent requests, unread answers and watches, guests in the middle of a message."""
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from store_lab import CONTROL, READ, RM, TX_END, TX_START, WATCH, WATCH_EVENT, WRITE, Client, Guest, introduce  # noqa: E402
from tap import main, test  # noqa: E402

BINARY = str(lab.BUILD / "xenstored").encode()
CLIENTS = 500


def update(c, *options):
    assert c.ask(CONTROL, b"live-update\0-f\0" + BINARY + b"\0") == b"OK\0"
    end = time.time() + 20
    while True:
        out = c.ask(CONTROL, b"live-update\0-s\0" + b"".join(o + b"\0" for o in options), timeout=20)
        if out != b"BUSY\0":
            assert out == b"OK\0", out
            return
        assert time.time() < end
        time.sleep(0.01)


def message(kind, req, body, tx=0):
    return struct.pack("<IIII", kind, req, tx, len(body)) + body


@test
def update_with_500_connections():
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    a = Client(daemon.socket)
    pid = daemon.process.pid
    guests = []
    for n in range(1, 6):
        machine.create(n)
        introduce(a, n)
        a.ask(lab.MKDIR, b"/local/domain/%d\0" % n)
        a.ask(lab.SET_PERMS, b"/local/domain/%d\0n%d\0" % (n, n))
        g = Guest(machine, n)
        assert g.ask(WATCH, b"data\0tok\0") == b"OK\0"
        g.take_events()
        guests.append(g)
    clients = [Client(daemon.socket) for _ in range(CLIENTS)]
    for i, c in enumerate(clients):
        assert c.ask(WRITE, b"/c/%d/v\0%d" % (i, i)) == b"OK\0"
        assert c.ask(WATCH, b"/c/%d\0tok%d\0" % (i, i)) == b"OK\0"
        if i % 3 == 0:
            c.tx = int(c.ask(TX_START, b"\0").rstrip(b"\0"))
            assert c.ask(WRITE, b"/tx/%d\0x" % i, tx=c.tx) == b"OK\0"
        c.take_events(0)
    for round in range(3):
        for i, c in enumerate(clients):
            full = message(READ, 7000 + i, b"/c/%d/v\0" % i)
            c.cut = 1 + (i * 7 + round) % (len(full) - 1)
            c.transmit(full[:c.cut])
            c.rest = full[c.cut:]
        for i, g in enumerate(guests):
            full = message(WRITE, 9000 + i, b"data\0" + b"z" * 700)
            g.transmit(full[:100 + i])
            g.rest = full[100 + i:]
        before = time.time()
        update(a)
        assert time.time() - before < 10
        assert daemon.process.poll() is None and daemon.process.pid == pid
        for i, c in enumerate(clients):
            c.transmit(c.rest)
            t, req, _, body = c.message()
            while t == WATCH_EVENT:
                t, req, _, body = c.message()
            assert (t, req, body) == (READ, 7000 + i, b"%d" % i), (i, t, req, body)
        for i, g in enumerate(guests):
            g.transmit(g.rest)
            t, req, _, body = g.message()
            while t == WATCH_EVENT:
                t, req, _, body = g.message()
            assert (t, req) == (WRITE, 9000 + i), (t, req, body)
            assert a.ask(READ, b"/local/domain/%d/data\0" % (i + 1)) == b"z" * 700
    for i, c in enumerate(clients):
        c.events.clear()
        assert a.ask(WRITE, b"/c/%d/v\0changed" % i) == b"OK\0"
        assert (b"/c/%d/v" % i, b"tok%d" % i) in c.take_events(0.001), i
        assert c.ask(WATCH, b"/c/%d\0tok%d\0" % (i, i)) == "EEXIST"
        if i % 3 == 0:
            assert a.ask(READ, b"/tx/%d\0" % i) == "ENOENT"
            assert c.ask(TX_END, b"T\0", tx=c.tx) == b"OK\0"
            assert a.ask(READ, b"/tx/%d\0" % i) == b"x"
    assert machine.bad_calls() == 0
    daemon.stop()
    machine.close()


def random_request(dice):
    """One on a small tree, so that many meet at the same nodes."""
    path = b"/s" + b"".join(b"/" + dice.choice((b"a", b"b", b"c")) for _ in range(dice.randrange(1, 4)))
    kind = dice.choice((READ, READ, lab.DIRECTORY, lab.GET_PERMS, WRITE, WRITE, lab.MKDIR, RM, lab.SET_PERMS))
    if kind == WRITE:
        return kind, path + b"\0" + dice.choice((b"", b"1", b"2", b"longer value"))
    if kind == lab.SET_PERMS:
        return kind, path + b"\0" + dice.choice((b"n0", b"r0", b"b3")) + b"\0"
    return kind, path + b"\0"


def transactions_in_lots(clients, updates):
    """Many transactions at once with writers between them, the same each time; all answers. Updates come in the middle of requests."""
    dice = random.Random(4711)
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    a = Client(daemon.socket)
    machine.create(3)
    introduce(a, 3)
    a.ask(WRITE, b"/s/a/b/c\0v")
    a.ask(lab.SET_PERMS, b"/s\0b0\0")
    everyone = [Client(daemon.socket) for _ in range(clients)]
    guest = Guest(machine, 3)
    everyone[clients // 2] = guest
    answers = []
    for c in everyone:
        c.tx = int(c.ask(TX_START, b"\0").rstrip(b"\0"))
    for round in range(6):
        halves = []
        for c in everyone:
            kind, body = random_request(dice)
            request = message(kind, 100 + round, body, c.tx)
            cut = dice.randrange(0, len(request))
            c.transmit(request[:cut])
            halves.append((c, request[cut:]))
        if round in updates:
            update(a)
        for n, (c, rest) in enumerate(halves):
            c.transmit(rest)
            answers.append(c.message()[0::3])
            if n % 50 == 0:
                answers.append(a.ask(*random_request(dice)))
    outcome = []
    for n, c in enumerate(everyone):
        # A failed one more or less must not be what the next depends on: the tree goes its way by other requests.
        outcome.append(c.ask(TX_END, dice.choice((b"T\0", b"T\0", b"F\0")), tx=c.tx))
        if n % 10 == 0:
            answers.append(a.ask(*random_request(dice)))
    assert a.ask(CONTROL, b"check\0") in (b"", b"OK\0", b"\0")
    answers += [a.ask(lab.DIRECTORY, b"/s\0"), a.ask(lab.DIRECTORY, b"/s/a\0"), a.ask(READ, b"/s/b\0")]
    assert machine.bad_calls() == 0
    daemon.stop()
    machine.close()
    return answers, outcome


@test
def update_leaves_open_transactions_as_they_are():
    """500 of them, their requests in pieces: every answer, every commit and every conflict is the one that comes without an update."""
    with_updates, outcome = transactions_in_lots(500, (1, 2, 4))
    without, outcome_without = transactions_in_lots(500, ())
    assert with_updates == without, next((n, x, y) for n, (x, y) in enumerate(zip(with_updates, without)) if x != y)
    assert outcome == outcome_without
    ends = {out if isinstance(out, str) else out.decode() for out in outcome}
    assert ends == {"OK\0", "EAGAIN"} and min(outcome.count(b"OK\0"), outcome.count("EAGAIN")) > 50, ends


@test
def update_to_another_program_waits_for_transactions():
    """One that may not know what to do with them: it is not started before they end."""
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    other = machine.dir / "other"
    other.write_text(f'#!/bin/sh\nexec {BINARY.decode()} "$@"\n')
    other.chmod(0o755)
    start = b"live-update\0-f\0" + str(other).encode() + b"\0"
    a, b = Client(daemon.socket), Client(daemon.socket)
    tx = int(b.ask(TX_START, b"\0").rstrip(b"\0"))
    b.ask(WRITE, b"/x\0v", tx=tx)
    assert a.ask(CONTROL, start) == b"OK\0"
    req = a.send(CONTROL, b"live-update\0-s\0-t\0" b"5\0")
    # Others are served while it waits for the transaction.
    assert b.ask(READ, b"/x\0") == "ENOENT"
    assert b.ask(TX_END, b"T\0", tx=tx) == b"OK\0"
    assert a.reply(req)[2] == b"OK\0"
    # Nobody ends it: refused in time, and the transaction still works.
    tx = int(b.ask(TX_START, b"\0").rstrip(b"\0"))
    assert a.ask(CONTROL, start) == b"OK\0"
    out = a.ask(CONTROL, b"live-update\0-s\0-t\0" b"1\0")
    assert out not in (b"OK\0", b"BUSY\0") and b"transaction" in out, out
    assert b.ask(TX_END, b"T\0", tx=tx) == b"OK\0"
    assert b.ask(READ, b"/x\0") == b"v"
    daemon.stop()
    machine.close()


@test
def update_to_what_cannot_run_is_refused():
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    a = Client(daemon.socket)
    a.ask(WRITE, b"/x\0v")
    assert a.ask(CONTROL, b"live-update\0-f\0/none\0") not in (b"OK\0",)
    bad = machine.dir / "bad"
    bad.write_text("this is no program")
    bad.chmod(0o755)
    out = a.ask(CONTROL, b"live-update\0-f\0" + str(bad).encode() + b"\0")
    if out == b"OK\0":
        out = a.ask(CONTROL, b"live-update\0-s\0-t\0" b"1\0-F\0")
        assert out != b"OK\0", out
    assert a.ask(READ, b"/x\0") == b"v"
    daemon.stop()
    machine.close()


@test
def update_then_killed():
    """What the updated daemon has acknowledged survives its death as before."""
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    a = Client(daemon.socket)
    a.ask(WRITE, b"/before\0v")
    update(a)
    a.ask(WRITE, b"/after\0w")
    a.ask(RM, b"/before\0")
    daemon.kill()
    daemon.start()
    a = Client(daemon.socket)
    assert a.ask(READ, b"/after\0") == b"w" and a.ask(READ, b"/before\0") == "ENOENT"
    daemon.stop()
    machine.close()


if __name__ == "__main__":
    main()
