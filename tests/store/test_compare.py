#!/usr/bin/env python3
"""Each scenario of scenarios.py on Debian's C xenstored and on ours: every answer the same, but for the lines of differences.txt.

A line there: scenario | the part of the record before " -> " | Debian's answer | ours | row of docs/xenstored.md.
"""
import os
import pathlib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from store_lab import ERROR, Client, Closed, Guest, Machine, Timeout, introduce, time  # noqa: E402
import scenarios  # noqa: E402
import tap  # noqa: E402

NAMES = {getattr(lab, n): n for n in ("CONTROL DIRECTORY READ GET_PERMS WATCH UNWATCH TX_START TX_END INTRODUCE RELEASE GET_DOMAIN_PATH WRITE MKDIR RM "
                                      "SET_PERMS IS_INTRODUCED RESUME SET_TARGET RESET_WATCHES DIRECTORY_PART").split()}
DIFFERENCES = pathlib.Path(__file__).with_name("differences.txt")
HERE = "tests/store/differences.txt"


def short(x):
    """repr() that stays readable for long values."""
    s = repr(x)
    return s if len(s) <= 160 else f"{s[:100]}...{len(s)} characters"


class World:
    def __init__(self, kind):
        self.machine = Machine()
        self.daemon = lab.Daemon(self.machine, kind)
        self.clients, self.record, self.gone = {}, [], set()

    def client(self, who, start=0):
        if who in self.clients:
            return self.clients[who]
        if who[0] == "g":
            n = int(who[1:])
            self.machine.create(n)
            c = Guest(self.machine, n, start)
            if "a" not in self.clients:
                self.clients["a"] = Client(self.daemon.socket)
            out = introduce(self.clients["a"], n)
            assert out == b"OK\0", out
        elif who == "k":
            c = Guest(self.machine, 0)
        else:
            c = Client(self.daemon.socket)
        self.clients[who] = c
        return c

    def note(self, what, value):
        self.record.append(f"{what} -> {short(value)}")
        return value

    def __call__(self, who, op, *words, tx=0, record=True):
        c = self.client(who)
        body = b"".join(w if isinstance(w, bytes) else w.encode() + b"\0" for w in words)
        try:
            t, _, out = c.reply(c.send(op, body, tx), 3)
            answer = out.rstrip(b"\0").decode(errors="replace") if t == ERROR else out
        except (Timeout, Closed, ConnectionError) as e:
            answer = "connection: " + type(e).__name__
            if self.daemon.process.poll() is not None:
                raise RuntimeError(f"{self.daemon.kind} died: " + self.daemon.output()[-3000:]) from e
        if record:
            self.note(f"{who} {NAMES.get(op, op)} {short(list(words))}" + (f" in {tx}" if tx else ""), answer)
        return answer

    def start(self, who):
        return int(self(who, lab.TX_START, "", record=False).rstrip(b"\0"))

    def ls(self, who, path, tx=0):
        out = self(who, lab.DIRECTORY, path, tx=tx, record=False)
        names = sorted(out.rstrip(b"\0").split(b"\0")) if isinstance(out, bytes) else out
        if path == "/" and isinstance(names, list):
            names = [n for n in names if n not in (b"tool", b"local")]
        return self.note(f"{who} lists {path}" + (f" in {tx}" if tx else ""), names)

    def events(self, who, record=True):
        out = self.client(who).take_events()
        out = [tuple(x.decode() for x in e) for e in out]
        if record:
            self.note(f"{who} sees", out)
        return out

    @staticmethod
    def wait(condition):
        end = time.time() + 1
        while not condition() and time.time() < end:
            time.sleep(0.005)

    @staticmethod
    def closed(c):
        try:
            c.message(1)
            return "a message"
        except Closed:
            return True
        except Timeout:
            return False

    def settle(self):
        time.sleep(0.03)

    def destroy(self, n):
        self.machine.destroy(n)
        self.settle()

    def reborn(self, n):
        self.clients.pop(f"g{n}").close()
        self.client(f"g{n}")

    def shutdown(self, n):
        self.machine.shutdown(n)
        self.settle()

    def revive(self, n):
        self.machine.revive(n)

    def close(self):
        status = self.daemon.process.poll()
        for c in self.clients.values():
            c.close()
        self.daemon.stop()
        bad = self.machine.bad_calls()
        self.machine.close()
        if status is not None:
            raise RuntimeError(f"{self.daemon.kind} died with {status}")
        assert not bad, f"{bad} wrong calls of the hypervisor"


def run(kind, fn):
    w = World(kind)
    try:
        fn(w)
    finally:
        w.close()
    return w.record


def load_differences():
    out = {}
    if DIFFERENCES.exists():
        for line in DIFFERENCES.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                name, what, theirs, ours, row = [x.strip() for x in line.split(" | ")]
                out[name, what, theirs, ours] = row
    return out


def compare(fn):
    name = fn.__name__
    theirs, ours = run("c", fn), run("ours", fn)
    wrong = []
    if len(theirs) != len(ours):
        wrong.append(f"{len(theirs)} answers of Debian's, {len(ours)} of ours")
    for a, b in zip(theirs, ours):
        if a == b:
            continue
        what, _, x = a.partition(" -> ")
        _, _, y = b.partition(" -> ")
        key = (name, what.replace(" | ", " "), x, y)
        if key in KNOWN:
            USED.add(key)
        else:
            wrong.append(f"{name} | {what} | {x} | {y} | ")
    assert not wrong, "differences not in " + HERE + ":\n" + "\n".join(wrong)


def make(fn):
    def test():
        if not lab.oracle_ready():
            raise tap.Skip("Debian's daemon was not fetched")
        compare(fn)
    test.__name__ = "compare_" + fn.__name__
    tap.test(test)


KNOWN, USED = load_differences(), set()
for f in scenarios.SCENARIOS:
    make(f)


@tap.test
def compare_no_difference_is_stale():
    if len(sys.argv) > 1 or not lab.oracle_ready():
        raise tap.Skip("only some scenarios ran")
    stale = [" | ".join(k) for k in KNOWN if k not in USED]
    assert not stale, "listed but not seen:\n" + "\n".join(stale)


@tap.test
def compare_differences_are_documented():
    text = (lab.ROOT / "docs" / "xenstored.md").read_text()
    missing = sorted({row for row in KNOWN.values() if f"| {row} |" not in text})
    assert not missing, f"no row in docs/xenstored.md for {missing}"


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--show":
        for f in scenarios.SCENARIOS:
            if sys.argv[3:] and f.__name__ not in sys.argv[3:]:
                continue
            print(f.__name__ + ":\n  " + "\n  ".join(run(sys.argv[2], f)))
    else:
        tap.main()
