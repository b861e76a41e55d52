"""A yard of guests that mean harm, each load a function that sets it up and returns what they do again and again."""
import struct

import store_lab as lab
from store_lab import MKDIR, READ, RESET_WATCHES, RM, SET_PERMS, TX_END, TX_START, WATCH, WRITE, Client, Guest, Machine, introduce


RING_STATE, RECONNECT = 2068, 1


def message(kind, body, tx=0):
    return struct.pack("<IIII", kind, 1, tx, len(body)) + body


def push(guest, data):
    """Whole message into the ring if there is room, as no guest's driver would: without a look at what comes back.

    An event only if the daemon may have seen all there was: it is pending anyway while there is more.
    """
    cons, prod = guest.word(2048), guest.word(2052)
    if 1024 - ((prod - cons) & 0xFFFFFFFF) < len(data):
        guest.kick()
        return False
    for i, byte in enumerate(data):
        guest.ring[(prod + i) % 1024] = byte
    guest.word(2052, prod + len(data))
    if prod == guest.word(2048):
        guest.kick()
    return True


def fill(guest, data):
    """As many as fit."""
    while push(guest, data):
        pass


def drain(guest):
    """Throw away what the ring has."""
    if guest.word(2060) != guest.word(2056):
        guest.word(2056, guest.word(2060))
        guest.kick()


class Yard:
    """A machine with a daemon, domain 0's client and some guests with homes of their own."""

    def __init__(self, guests, daemon=lab.Daemon):
        self.machine = Machine()
        self.daemon = daemon(self.machine)
        self.zero = Client(self.daemon.socket)
        self.guests = []
        for n in range(1, guests + 1):
            self.machine.create(n)
            assert introduce(self.zero, n) == b"OK\0"
            self.zero.ask(MKDIR, b"/local/domain/%d\0" % n)
            self.zero.ask(SET_PERMS, b"/local/domain/%d\0n%d\0" % (n, n))
            self.guests.append(Guest(self.machine, n))

    def open_work(self):
        """What domain 0 works on becomes readable to all."""
        for d in b"/work", b"/work/t", b"/work/more":
            self.zero.ask(MKDIR, d + b"\0")
            self.zero.ask(SET_PERMS, d + b"\0r0\0")

    def flood(self, paths=(b"/work",)):
        """All watches a guest may have, each of which fires for everything domain 0 does."""
        for g in self.guests:
            for i in range(128):
                assert g.ask(WATCH, paths[i % len(paths)] + b"\0token-%d\0" % i) == b"OK\0"
            g.take_events()

    def work(self, i):
        """One piece of domain 0's ordinary work: five requests."""
        c = self.zero
        c.ask(WRITE, b"/work/%d\0value" % (i % 50))
        c.ask(READ, b"/work/%d\0" % (i % 50))
        tx = int(c.ask(TX_START, b"\0").rstrip(b"\0"))
        c.ask(WRITE, b"/work/t/%d\0v" % (i % 300), tx=tx)
        assert c.ask(TX_END, b"T\0", tx=tx) == b"OK\0"

    def close(self):
        assert self.daemon.process.poll() is None, self.daemon.output()[-2000:]
        bad = self.machine.bad_calls()
        self.daemon.stop()
        self.machine.close()
        assert not bad


def idle(_):
    return lambda: None


def requests_without_reading(yard):
    return lambda: [fill(g, message(READ, b"/work/1\0")) for g in yard.guests]


def requests_as_fast_as_can_be(yard):
    def act():
        for g in yard.guests:
            drain(g)
            fill(g, message(WRITE, b"data\0some value"))
    return act


def watches_without_reading(yard):
    yard.open_work()
    yard.flood()
    return lambda: None


def watches_read_at_once(yard):
    yard.open_work()
    yard.flood()
    return lambda: [drain(g) for g in yard.guests]


def watches_read_slowly(yard):
    """Long queues of changes, of which a little is taken at a time."""
    yard.open_work()
    yard.flood()
    for i in range(300):
        yard.zero.ask(WRITE, b"/work/more/%d\0" % i)

    def act():
        for g in yard.guests:
            g.word(2056, g.word(2056) + min(300, (g.word(2060) - g.word(2056)) & 0xFFFFFFFF))
            g.kick()
    return act


def watches_of_what_is_hidden(yard):
    yard.flood((b"/", b"/work", b"/work/t", b"/work/7"))
    return lambda: None


def watches_set_and_reset(yard):
    nr = {}

    def act():
        for g in yard.guests:
            drain(g)
            for _ in range(16):
                nr[g.domid] = nr.get(g.domid, 0) + 1
                if nr[g.domid] % 100:
                    push(g, message(WATCH, b"/work/%d\0token\0" % (nr[g.domid] % 100)))
                else:
                    push(g, message(RESET_WATCHES, b"\0"))
    return act


def conflicts(yard):
    yard.zero.ask(WRITE, b"/work/t\0")
    for d in b"/work", b"/work/t":
        yard.zero.ask(SET_PERMS, d + b"\0b0\0")

    def act():
        for g in yard.guests:
            drain(g)
            push(g, message(WRITE, b"/work/t\0%d" % g.domid))
            push(g, message(WRITE, b"/work/7\0%d" % g.domid))
    return act


def transactions_left_open(yard):
    for g in yard.guests:
        for _ in range(10):
            tx = int(g.ask(TX_START, b"\0").rstrip(b"\0"))
            g.ask(READ, b"/local\0", tx=tx)
            g.ask(WRITE, b"data/x\0v", tx=tx)
    return lambda: None


def transactions_committed(yard, writes=40):
    """Transactions of many writes, as fast as they are served. Ids are given in order."""
    state = [[0, []] for _ in yard.guests]

    def act():
        for g, st in zip(yard.guests, state):
            drain(g)
            while True:
                if not st[1]:
                    st[0] += 1
                    st[1] = [message(TX_START, b"\0")]
                    st[1] += [message(WRITE, b"data/%d\0v%d" % (i, st[0]), st[0]) for i in range(writes)]
                    st[1].append(message(TX_END, b"T\0", st[0]))
                if not push(g, st[1][0]):
                    break
                st[1].pop(0)
    return act


def transactions_that_remove(yard):
    """A large subtree, removed in one transaction after the other, and none of them committed."""
    for g in yard.guests:
        for i in range(200):
            g.ask(WRITE, b"tree/%d\0v" % i)
    last = [0] * len(yard.guests)

    def act():
        for n, g in enumerate(yard.guests):
            drain(g)
            for _ in range(4):
                if not push(g, message(TX_START, b"\0")):
                    break
                last[n] += 1
                push(g, message(RM, b"tree\0", last[n]))
                push(g, message(TX_END, b"F\0", last[n]))
    return act


def removed_in_the_end(yard, requests):
    """Each guest's requests(turn), and a removal of the whole tree at every 50th turn."""
    counts = [0] * len(yard.guests)

    def act():
        for n, g in enumerate(yard.guests):
            drain(g)
            counts[n] += 1
            for request in requests(counts[n]) if counts[n] % 50 else [message(RM, b"tree\0")]:
                push(g, request)
    return act


def trees_built_and_removed(yard):
    """A subtree of many nodes, removed by one request."""
    return removed_in_the_end(yard, lambda turn: [message(WRITE, b"tree/%d/%d\0v" % (turn, i)) for i in range(12)])


def nodes_made_far_down(yard):
    """Each request makes as many nodes as a guest's may."""
    return removed_in_the_end(yard, lambda turn: [message(WRITE, b"tree/%d/a/b/c/d/e/f\0v" % turn)])


def connections_begun_anew(yard):
    """All watches and transactions a guest may have, dropped by a new beginning of its connection, again and again."""
    turns = [0] * len(yard.guests)

    def act():
        for n, g in enumerate(yard.guests):
            drain(g)
            turns[n] += 1
            if turns[n] % 12 == 0:
                g.word(RING_STATE, RECONNECT)
                g.kick()
            elif g.word(RING_STATE) == 0:
                push(g, message(TX_START, b"\0"))
                for i in range(10):
                    push(g, message(WATCH, b"/work/%d\0token-%d\0" % (i, turns[n])))
    return act


def broken_rings_and_kicks(yard):
    for i, g in enumerate(yard.guests):
        if i % 3 == 0:
            g.word(2052, g.word(2048) + 1025 + i)
        elif i % 3 == 1:
            g.word(2056, g.word(2060) + 7)
        else:
            push(g, struct.pack("<IIII", 0xFFFFFFFF, 0, 0, 5000))
    return lambda: [g.kick() for g in yard.guests for _ in range(10)]


LOADS = [requests_without_reading, requests_as_fast_as_can_be, watches_without_reading, watches_read_at_once, watches_read_slowly,
         watches_of_what_is_hidden, watches_set_and_reset, conflicts, transactions_left_open, transactions_committed, transactions_that_remove,
         trees_built_and_removed, nodes_made_far_down, connections_begun_anew, broken_rings_and_kicks]
