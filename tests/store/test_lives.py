#!/usr/bin/env python3
"""What belongs to the life of a domain: permissions of special names for one domain, and domains that come without a toolstack, over deaths and
replacements of the daemon."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from store_lab import CONTROL, GET_PERMS, IS_INTRODUCED, READ, SET_PERMS, WATCH, Client, Guest, introduce  # noqa: E402
from tap import main, test  # noqa: E402

RECONNECT = 1


def killed(daemon):
    daemon.kill()
    daemon.start()


def killed_twice(daemon):
    """The second one starts from a journal that was rewritten."""
    killed(daemon)
    killed(daemon)


def updated(daemon):
    c = Client(daemon.socket)
    assert c.ask(CONTROL, b"live-update\0-f\0" + str(lab.BUILD / "xenstored").encode() + b"\0") == b"OK\0"
    assert c.ask(CONTROL, b"live-update\0-s\0", timeout=20) == b"OK\0"
    c.close()


def nothing(_):
    pass


def until(condition, what):
    end = time.time() + 20
    while not condition():
        assert time.time() < end, what
        time.sleep(0.002)


def serves(daemon):
    try:
        Client(daemon.socket).close()
    except OSError:
        return False
    return True


def perms(c, name):
    return c.ask(GET_PERMS, name + b"\0")


@test
def special_permissions_of_one_domain_last_as_long_as_it():
    for over in nothing, killed, killed_twice, updated:
        machine = lab.Machine()
        daemon = lab.Daemon(machine)
        zero = Client(daemon.socket)
        for n in 3, 7, 8:
            machine.create(n)
            assert introduce(zero, n) == b"OK\0"
        assert zero.ask(SET_PERMS, b"@releaseDomain/7\0n0\0r3\0") == b"OK\0"
        assert zero.ask(SET_PERMS, b"@introduceDomain/9\0n0\0b3\0") == b"OK\0"
        assert zero.ask(SET_PERMS, b"@releaseDomain/8\0n0\0r3\0") == b"OK\0"
        assert zero.ask(SET_PERMS, b"@introduceDomain\0n0\0r8\0") == b"OK\0"
        g = Guest(machine, 3)
        assert g.ask(WATCH, b"@releaseDomain\0out\0") == b"OK\0"
        assert g.ask(WATCH, b"@introduceDomain\0in\0") == b"OK\0"
        over(daemon)
        zero = Client(daemon.socket)
        g.take_events()
        assert perms(zero, b"@releaseDomain/7") == b"n0\0r3\0", over.__name__
        assert perms(zero, b"@introduceDomain/9") == b"n0\0b3\0", over.__name__
        assert perms(zero, b"@introduceDomain") == b"n0\0r8\0", over.__name__
        assert perms(zero, b"@introduceDomain/5") == b"n0\0r8\0", over.__name__
        # One it may hear of, one it may not.
        machine.create(5)
        assert introduce(zero, 5) == b"OK\0"
        assert g.take_events() == []
        machine.create(9)
        assert introduce(zero, 9) == b"OK\0"
        assert g.take_events() == [(b"@introduceDomain", b"in")], over.__name__
        machine.destroy(5)
        until(lambda: zero.ask(IS_INTRODUCED, b"5\0") == b"F\0", "5 goes")
        assert g.take_events() == []
        machine.destroy(7)
        until(lambda: zero.ask(IS_INTRODUCED, b"7\0") == b"F\0", "7 goes")
        assert g.take_events() == [(b"@releaseDomain", b"out")], over.__name__
        assert perms(zero, b"@releaseDomain/7") == b"n0\0", over.__name__
        # Nothing of it is left for the next of its number, and what is forgotten stays so.
        over(daemon)
        zero = Client(daemon.socket)
        g.take_events()
        assert perms(zero, b"@releaseDomain/7") == b"n0\0", over.__name__
        assert perms(zero, b"@releaseDomain/8") == b"n0\0r3\0", over.__name__
        machine.create(7)
        assert introduce(zero, 7) == b"OK\0"
        machine.destroy(7)
        until(lambda: zero.ask(IS_INTRODUCED, b"7\0") == b"F\0", "7 goes again")
        assert g.take_events() == [], over.__name__
        assert machine.bad_calls() == 0
        daemon.stop()
        machine.close()


@test
def special_permissions_go_with_a_domain_that_dies_unseen():
    """While there is no daemon, and one that nobody introduced."""
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    zero = Client(daemon.socket)
    machine.create(6)
    machine.create(7)
    machine.create(8)
    assert introduce(zero, 7) == b"OK\0"
    for n in 6, 7, 8:
        assert zero.ask(SET_PERMS, b"@releaseDomain/%d\0n0\0r3\0" % n) == b"OK\0"
    machine.destroy(6)
    until(lambda: perms(zero, b"@releaseDomain/6") == b"n0\0", "6 goes, whom nobody introduced")
    daemon.kill()
    machine.destroy(7)
    machine.destroy(8)
    machine.create(8)
    daemon.start()
    zero = Client(daemon.socket)
    assert perms(zero, b"@releaseDomain/7") == b"n0\0"
    assert perms(zero, b"@releaseDomain/8") == b"n0\0"
    daemon.stop()
    machine.close()


@test
def launched_domains_are_introduced_whenever_they_come():
    """One that waits at the start, and some that begin to wait later: with the next word from the hypervisor about any domain."""
    machine = lab.Machine()
    machine.create(2, port=9)
    guests = {2: Guest(machine, 2)}
    guests[2].word(2068, RECONNECT)
    daemon = lab.Daemon(machine)
    zero = Client(daemon.socket)
    assert zero.ask(IS_INTRODUCED, b"2\0") == b"T\0"
    zero.ask(WATCH, b"@introduceDomain\0in\0")
    zero.take_events()
    # 3 and 5 were launched; 4 belongs to a toolstack that has not come to its introduction yet.
    for n in 3, 4, 5:
        machine.create(n, port=9)
        guests[n] = Guest(machine, n)
        if n != 4:
            guests[n].word(2068, RECONNECT)
    assert zero.ask(IS_INTRODUCED, b"3\0") == b"F\0"
    machine.kick(lab.DOM_EXC)
    until(lambda: zero.ask(IS_INTRODUCED, b"3\0") == b"T\0", "3 is introduced")
    assert zero.ask(IS_INTRODUCED, b"5\0") == b"T\0" and zero.ask(IS_INTRODUCED, b"4\0") == b"F\0"
    assert zero.take_events() == [(b"@introduceDomain", b"in")] * 2
    for n in 2, 3, 5:
        g = guests[n]
        assert g.state == 0 and g.features == 15 and g.ask(READ, b"domid\0") == b"%d" % n
    # A domain that was released keeps its ring: it waits again only when it says so.
    assert zero.ask(lab.RELEASE, b"5\0") == b"OK\0"
    machine.kick(lab.DOM_EXC)
    machine.create(6, port=9)
    guests[6] = Guest(machine, 6)
    guests[6].word(2068, RECONNECT)
    machine.shutdown(3)
    until(lambda: zero.ask(IS_INTRODUCED, b"6\0") == b"T\0", "6 is introduced")
    assert zero.ask(IS_INTRODUCED, b"5\0") == b"F\0"
    # Over the daemon's death and replacement too.
    killed(daemon)
    updated(daemon)
    zero = Client(daemon.socket)
    machine.create(7, port=9)
    guests[7] = Guest(machine, 7)
    guests[7].word(2068, RECONNECT)
    machine.kick(lab.DOM_EXC)
    until(lambda: zero.ask(IS_INTRODUCED, b"7\0") == b"T\0", "7 is introduced")
    assert guests[7].ask(READ, b"domid\0") == b"7"
    assert machine.bad_calls() == 0
    daemon.stop()
    machine.close()


@test
def any_domain_is_an_entry_that_all_match():
    """The feature bit says so, and it is so: also for domains that come later, and over a restart."""
    any_domain = 0x7FF5
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    zero = Client(daemon.socket)
    machine.create(3)
    introduce(zero, 3)
    g = Guest(machine, 3)
    assert g.features & 8
    zero.ask(lab.WRITE, b"/all\0v")
    assert zero.ask(SET_PERMS, b"/all\0n0\0r%d\0" % any_domain) == b"OK\0"
    assert g.ask(READ, b"/all\0") == b"v" and g.ask(lab.WRITE, b"/all\0w") == "EACCES"
    for over in killed, updated:
        over(daemon)
        zero = Client(daemon.socket)
        assert perms(zero, b"/all") == b"n0\0r%d\0" % any_domain
        n = 4 if over is killed else 5
        machine.create(n)
        introduce(zero, n)
        assert Guest(machine, n).ask(READ, b"/all\0") == b"v"
    assert zero.ask(SET_PERMS, b"@releaseDomain\0n0\0r%d\0" % any_domain) == b"OK\0"
    assert g.ask(WATCH, b"@releaseDomain\0out\0") == b"OK\0"
    g.take_events()
    machine.destroy(4)
    until(lambda: zero.ask(IS_INTRODUCED, b"4\0") == b"F\0", "4 goes")
    assert g.take_events() == [(b"@releaseDomain", b"out")]
    daemon.stop()
    machine.close()


@test
def domains_that_went_leave_nothing():
    machine = lab.Machine()
    daemon = lab.Daemon(machine, args=["--no-journal"])
    zero = Client(daemon.socket)
    machine.create(3)

    def lives(n):
        for _ in range(n):
            assert introduce(zero, 3) == b"OK\0"
            assert zero.ask(SET_PERMS, b"@releaseDomain/3\0n0\0r3\0") == b"OK\0"
            assert zero.ask(lab.RELEASE, b"3\0") == b"OK\0"
        with open(f"/proc/{daemon.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))

    before = lives(500)
    after = lives(3000)
    assert after - before < 256, (before, after)
    daemon.stop()
    machine.close()


@test
def a_ring_is_where_its_page_says():
    """What was taken and answered before a death is known to be so: a guest that goes back in its ring then is heard again, as at any other time."""
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    zero = Client(daemon.socket)
    machine.create(3)
    introduce(zero, 3)
    g = Guest(machine, 3)
    before = g.word(2048)
    assert g.ask(READ, b"/local\0") == "EACCES"
    length = g.word(2048) - before
    daemon.kill()
    g.word(2048, g.word(2048) - length)
    daemon.start()
    g.kick()
    t, _, _, body = g.message()
    assert (t, body) == (lab.ERROR, b"EACCES\0")
    assert g.ask(READ, b"/none\0") == "EACCES"
    assert machine.bad_calls() == 0
    daemon.stop()
    machine.close()


@test
def many_that_start_at_once_are_one_in_the_end():
    """Nor is there another when the socket's file is lost, or the daemon has changed its program meanwhile."""
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    for change in (nothing, updated):
        change(daemon)
        os.rename(daemon.socket, daemon.socket + ".away")
        other = subprocess.run(daemon.command(), env=daemon.env, capture_output=True, text=True, timeout=60)
        assert other.returncode == 1 and "Address already in use" in other.stderr, other
        os.rename(daemon.socket + ".away", daemon.socket)
    daemon.kill()
    os.unlink(daemon.socket)
    for _ in range(8):
        many = [subprocess.Popen(daemon.command(), env=daemon.env, stdin=subprocess.DEVNULL, stdout=daemon.log, stderr=daemon.log) for _ in range(4)]
        until(lambda: len([p for p in many if p.poll() is None]) <= 1, "one daemon")
        left = [p for p in many if p.poll() is None]
        assert len(left) == 1, daemon.output()
        until(lambda: serves(daemon), "an answer of it")
        left[0].kill()
        left[0].wait()
        os.unlink(daemon.socket)
    daemon.log.close()
    machine.close()


if __name__ == "__main__":
    main()
