#!/usr/bin/env python3
"""Live update under load: 500 clients with transactions, half-sent requests, unread answers and watches, guests in the middle of a message."""
import os
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
        update(a, b"-t", b"1", b"-F")
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
            out = c.ask(TX_END, b"T\0", tx=c.tx)
            assert out in (b"OK\0", "EAGAIN"), out
            there = a.ask(READ, b"/tx/%d\0" % i)
            assert there == (b"x" if out == b"OK\0" else "ENOENT"), (out, there)
    assert machine.bad_calls() == 0
    daemon.stop()
    machine.close()


@test
def update_waits_for_transactions_without_force():
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    a, b = Client(daemon.socket), Client(daemon.socket)
    tx = int(b.ask(TX_START, b"\0").rstrip(b"\0"))
    b.ask(WRITE, b"/x\0v", tx=tx)
    assert a.ask(CONTROL, b"live-update\0-f\0" + BINARY + b"\0") == b"OK\0"
    req = a.send(CONTROL, b"live-update\0-s\0-t\0" b"5\0")
    # Others are served while it waits for the transaction.
    assert b.ask(READ, b"/x\0") == "ENOENT"
    assert b.ask(TX_END, b"T\0", tx=tx) == b"OK\0"
    assert a.reply(req)[2] == b"OK\0"
    # Nobody ends it: refused in time, and the transaction still works.
    tx = int(b.ask(TX_START, b"\0").rstrip(b"\0"))
    assert a.ask(CONTROL, b"live-update\0-f\0" + BINARY + b"\0") == b"OK\0"
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
