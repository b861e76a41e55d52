#!/usr/bin/env python3
"""Live update between Debian's C xenstored and ours, both ways: clients and guests go on as if nothing had happened."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from store_lab import CONTROL, IS_INTRODUCED, READ, SET_PERMS, GET_PERMS, TX_END, TX_START, WATCH, WRITE, Client, Guest, Machine, introduce  # noqa: E402
import tap  # noqa: E402

LIVE_UPDATE = b"live-update\0"


def binary(kind):
    return lab.BUILD / "xenstored" if kind == "ours" else lab.ORACLE / "usr/lib/xen-4.17/bin/xenstored"


def takeover(first, second):
    if not lab.oracle_ready():
        raise tap.Skip("make store-oracle first")
    machine = Machine()
    # Either daemon must find its hypervisor in the environment the other leaves.
    env = {"LD_PRELOAD": str(lab.BUILD / "store" / "preload.so"), "LD_LIBRARY_PATH": str(lab.LIBS)} if first == "ours" else {}
    daemon = lab.Daemon(machine, first, env=env)
    a, silent = Client(daemon.socket), Client(daemon.socket)
    machine.create(5)
    assert introduce(a, 5) == b"OK\0"
    guest, kernel = Guest(machine, 5), Guest(machine, 0)
    a.ask(WRITE, b"/a/b\0value")
    a.ask(SET_PERMS, b"/a/b\0n5\0r0\0")
    assert a.ask(WATCH, b"/a\0tok\0") == b"OK\0" and a.take_events() == [(b"/a", b"tok")]
    assert guest.ask(WATCH, b"/a/b\0gt\0") == b"OK\0" and guest.take_events() == [(b"/a/b", b"gt")]
    assert kernel.ask(READ, b"/a/b\0") == b"value"
    # One client is in the middle of a request.
    body = b"/a/b\0"
    silent.transmit(lab.struct.pack("<IIII", READ, 77, 0, len(body)) + body[:2])
    assert a.ask(CONTROL, LIVE_UPDATE + b"-f\0" + os.fsencode(binary(second)) + b"\0") == b"OK\0"
    assert a.ask(CONTROL, LIVE_UPDATE + b"-c\0-N\0") == b"OK\0"
    assert a.ask(CONTROL, LIVE_UPDATE + b"-s\0-t\00010\0", timeout=20) == b"OK\0"
    exe = os.readlink(f"/proc/{daemon.process.pid}/exe")
    assert exe == os.path.realpath(binary(second)), exe
    assert a.ask(READ, b"/a/b\0") == b"value" and a.ask(GET_PERMS, b"/a/b\0") == b"n5\0r0\0"
    silent.transmit(body[2:])
    assert silent.reply(77)[2] == b"value"
    assert guest.ask(WRITE, b"/a/b\0new") == b"OK\0"
    assert a.take_events() == [(b"/a/b", b"tok")] and guest.take_events() == [(b"/a/b", b"gt")]
    assert kernel.ask(READ, b"/a/b\0") == b"new"
    late = Client(daemon.socket)
    tx = late.ask(TX_START, b"\0")
    assert late.ask(TX_END, b"F\0", tx=int(tx[:-1])) == b"OK\0"
    machine.destroy(5)
    end = lab.time.time() + 5
    while late.ask(IS_INTRODUCED, b"5\0") != b"F\0" and lab.time.time() < end:
        lab.time.sleep(0.01)
    assert late.ask(READ, b"/a/b\0") == "ENOENT" and a.take_events() == [(b"/a/b", b"tok")]
    assert machine.bad_calls() == 0, daemon.output()
    for c in (a, silent, guest, kernel, late):
        c.close()
    daemon.stop()
    machine.close()


@tap.test
def takeover_from_debian():
    takeover("c", "ours")


@tap.test
def takeover_by_debian():
    takeover("ours", "c")


if __name__ == "__main__":
    tap.main()
