#!/usr/bin/env python3
"""Our xenstore-* beside Debian's unmodified ones, on one kind of daemon: output and exit status byte for byte, messages with the same beginning."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from store_lab import WRITE  # noqa: E402
from tap import Skip, main, test  # noqa: E402

VALUES = [b"a\0", b"\0a", b"\0007", b"\0019", b"", b"x\0\0", b'"q"', b"\x1b[0m", b"\xc3\xa9", b"\x7f1", b"\x01a", b"\x0f5", b"\x80", b"a\\b"]
LONG = "n" * 70

# Each line runs with Debian's tools and with ours. \\ in a word is the tool's escape.
STEPS = [
    "read -R /v/all", "read /v/all", "ls /v", "ls -p /v", "ls -f /v", "ls -fp /v", "ls", "ls -p", "ls --flat --prefix /",
    "read /v/k0 /v/k1", "read -p /v/k0 /v/k1", "read /v/k0 /none /v/k1", "read -R /v/k1 /v/k0", "read --raw /v/k0", "read -s /v/k0",
    "read -pR /v/k6", "list / /v", "list -p /v", "list -p /", "list /none", "list /v/k0", "list --prefix /v /",
    "exists /v", "exists /v /no", "exists /no", "exists /v /v/k0",
    "write /w/a 1 /w/b 2", "write /w/a", r"write /w/x a\tb\n\r\\\"\001\x41\7\18\xg", r"write /w/y \q", r"write /w/y a\0b", r"write /w/z \x",
    r"write /w/e \x4 /w/f \777 /w/g \400 /w/h \8 /w/i \ /w/j \' /w/k \r\t\n", r"write -R /w/raw a\tb", "write bad%path x", "write /w// x",
    "chmod /w n0 r1 b2", "ls -p /", "chmod -r /w n0 r3", "ls -p /", "chmod -u /w/a n0 w4", "ls -pf /", "chmod /w x9", "chmod /none n0",
    "chmod /w", "ls /none", "ls /w /v", "ls -h", "read", "read -h", "list", "rm", "rm -h", "exists", "watch", "chmod", "write",
    "rm -t /t/a/b/c", "ls -f /", "rm -t /t2/a/b", "list /t2", "rm /none", "rm /none/x", "rm /", "rm /w/a /w/b", "rm /w", "exists /w",
    "watch -n 1 /v", "watch -n1 /v /w", "watch -n 2 /v /w", "watch --number=1 @releaseDomain", "watch -n 1 bad%path",
    "read bad%path", "read //", "read /v/", "ls /long", "ls -p /long", "ls -f /long", "ls /v/", "list -p /v/", "read data", "write data here",
    "read data /local/domain/0/data", "ls -p /big", "list /big", "control", "control check", "control log on", "control log off",
    "control print hello", "control live-update", "control live-update -s -t", "control live-update -c",
]


class Side:
    def __init__(self, ours, kind="c"):
        self.ours = ours
        self.machine = lab.Machine()
        self.daemon = lab.Daemon(self.machine, kind)
        self.client = lab.Client(self.daemon.socket)
        self.env = {k: v for k, v in self.daemon.env.items() if k not in ("LD_PRELOAD", "XENSTORED_FAKE")}
        if not ours:
            self.env["LD_LIBRARY_PATH"] = str(lab.LIBS)
        c = self.client
        c.ask(WRITE, b"/v/all\0" + bytes(range(256)))
        for i, v in enumerate(VALUES):
            c.ask(WRITE, b"/v/k%d\0" % i + v)
        c.ask(WRITE, b"/t/a/b/c\0")
        c.ask(WRITE, b"/t2/a/b\0")
        c.ask(WRITE, b"/t2\0full")
        c.ask(WRITE, b"/long/a\0" + b"y" * 300)
        for n in range(60, 84):
            c.ask(WRITE, b"/long/" + b"n" * n + b"\0" + b"z" * (n % 13))
        for n in range(600):
            c.ask(WRITE, b"/big/child-%d\0%d" % (n, n))

    def command(self, name, words):
        if self.ours:
            return [str(lab.BUILD / f"xenstore-{name}")] + words
        folder = "usr/lib/xen-4.17/bin" if name == "control" else "usr/bin"
        return [str(lab.ORACLE / folder / f"xenstore-{name}")] + words

    def run(self, line):
        words = line.split(" ")
        r = subprocess.run(self.command(words[0], words[1:]), env=self.env, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        where = self.command(words[0], [])[0].rsplit("/", 1)[0].encode() + b"/"
        return r.returncode, r.stdout.replace(where, b""), r.stderr.replace(where, b"")

    def tty(self, line, columns):
        """Output on a terminal of that width."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        words = line.split(" ")
        p = subprocess.Popen(self.command(words[0], words[1:]), env=self.env, stdout=slave, stderr=slave, stdin=subprocess.DEVNULL)
        os.close(slave)
        out = b""
        try:
            while True:
                part = os.read(master, 65536)
                if not part:
                    break
                out += part
        except OSError:
            pass
        os.close(master)
        return p.wait(), out

    def close(self):
        self.client.close()
        self.daemon.stop()
        self.machine.close()


def both(kind="c"):
    if not lab.oracle_ready():
        raise Skip("Debian's tools were not fetched")
    return Side(False, kind), Side(True, kind)


def begins(theirs, ours):
    """Every line of their message begins one of ours, in order."""
    lines = ours.split(b"\n")
    at = 0
    for line in filter(None, theirs.split(b"\n")):
        while at < len(lines) and not lines[at].startswith(line.rstrip()):
            at += 1
        if at == len(lines):
            return False
        at += 1
    return True


@test
def xenstore_tools_as_debian():
    theirs, ours = both()
    bad = []
    for line in STEPS:
        a, b = theirs.run(line), ours.run(line)
        if a[:2] != b[:2] or not begins(a[2], b[2]):
            bad.append(f"{line}:\n  {a}\n  {b}"[:1500])
    a, b = theirs.run("ls -fp"), ours.run("ls -fp")
    theirs.close()
    ours.close()
    assert not bad, "\n".join(bad)
    assert a == b


@test
def xenstore_ls_on_terminals():
    theirs, ours = both()
    bad = [f"{c} {line}" for c in (10, 40, 61, 62, 63, 80, 132) for line in ("ls /", "ls -p /v", "ls -fp /")
           if theirs.tty(line, c) != ours.tty(line, c)]
    theirs.close()
    ours.close()
    assert not bad, bad


@test
def xenstore_json_and_one_name():
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    c = lab.Client(daemon.socket)
    c.ask(WRITE, b'/j/a\0x"y\\\n\xff')
    c.ask(WRITE, "/j/b\0é".encode())

    def run(*words):
        r = subprocess.run([str(lab.BUILD / "xenstore"), *words], env=daemon.env, capture_output=True, timeout=20)
        assert r.returncode == 0, (words, r)
        return json.loads(r.stdout)
    assert run("read", "--json", "/j/a", "/j/b") == {"/j/a": 'x"y\\\nÿ', "/j/b": "é"}
    assert run("list", "--json", "/j") == {"/j": ["a", "b"]}
    assert run("exists", "--json", "/j") == {"/j": True}
    assert run("ls", "-p", "--json", "/j") == {"a": {"value": 'x"y\\\nÿ', "perms": ["n0"], "children": {}},
                                               "b": {"value": "é", "perms": ["n0"], "children": {}}}
    assert run("watch", "--json", "-n", "1", "/j") == {"path": "/j"}
    for n in range(1000):
        c.ask(WRITE, b"/big/a-long-name-of-a-child-%d\0" % n)
    assert len(run("list", "--json", "/big")["/big"]) == 1000
    daemon.stop()
    machine.close()


if __name__ == "__main__":
    main()
