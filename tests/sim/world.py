"""The simulated hypervisor with daemons of domain 0 around it, all of them the real programs.

    with SimWorld(build) as world:               # hospes-sim and xenstored
        d = world.daemon("xenconsoled", "--no-fork")   # waits until it says READY=1
        guest = world.guest()                    # introduced to the store, its ring answers: guest.store
        guest.store.write("data/x", "1")
        world.store.read(f"/local/domain/{guest.domid}/data/x")
"""
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import sim
from sim import PATIENCE, PAGE_SIZE, STORE_EVTCHN, STORE_PFN

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "store"))
from store_lab import (CONTROL, DIRECTORY, GET_PERMS, INTRODUCE, MKDIR, READ, RELEASE, RM, SET_PERMS, TX_END, TX_START, WATCH,  # noqa: E402
                       WRITE, Client, Closed, Talker, Timeout)

__all__ = ["CONTROL", "SimWorld", "Daemon", "GuestStore", "StoreError", "Timeout", "Closed"]


class StoreError(OSError):
    """The store answered with an error; .name is it."""

    def __init__(self, name, what):
        super().__init__(f"{what}: {name}")
        self.name = name


class StoreVerbs:
    """What a test asks a store for, over ask() of a Talker; text in, text out. Errors raise, but for read() and list() of nothing."""

    def verb(self, kind, body, tx=0, missing=None):
        out = self.ask(kind, body, tx, timeout=PATIENCE)
        if isinstance(out, str):
            if missing is not None and out == "ENOENT":
                return missing
            raise StoreError(out, body[:80])
        return out

    def read(self, path, tx=0):
        """None: there is no such node."""
        out = self.verb(READ, path.encode() + b"\0", tx, missing=False)
        return None if out is False else out.decode("latin-1")

    def write(self, path, value, tx=0):
        self.verb(WRITE, path.encode() + b"\0" + (value if isinstance(value, bytes) else str(value).encode()), tx)

    def list(self, path, tx=0):
        return sorted(n.decode() for n in self.verb(DIRECTORY, path.encode() + b"\0", tx, missing=b"").split(b"\0") if n)

    def mkdir(self, path, tx=0):
        self.verb(MKDIR, path.encode() + b"\0", tx)

    def rm(self, path, tx=0):
        self.verb(RM, path.encode() + b"\0", tx, missing=b"")

    def perms(self, path, *new):
        if new:
            self.verb(SET_PERMS, b"\0".join([path.encode(), *(p.encode() for p in new)]) + b"\0")
        return self.verb(GET_PERMS, path.encode() + b"\0").rstrip(b"\0").decode().split("\0")

    def transaction(self):
        return int(self.verb(TX_START, b"\0").rstrip(b"\0"))

    def commit(self, tx):
        self.verb(TX_END, b"T\0", tx)

    def watch(self, path, token="t"):
        self.verb(WATCH, path.encode() + b"\0" + token.encode() + b"\0")

    def event(self, timeout=PATIENCE):
        """The next watch event's path."""
        while not self.events:
            t, _, _, body = self.message(timeout)
            self.events.append(tuple(body.split(b"\0")[:2]))
        return self.events.pop(0)[0].decode()

    def wait_for(self, path, wanted, timeout=PATIENCE):
        """Wait until the node has the value, or until wanted(value) is true; the value. Watches, does not poll."""
        test = wanted if callable(wanted) else lambda v: v == wanted
        token = f"wait{self.req}"
        end = time.time() + timeout
        kept = []
        self.watch(path, token)
        try:
            while not test(value := self.read(path)):
                if time.time() > end:
                    raise AssertionError(f"{path} is {value!r} after {timeout} s")
                kept += [e for e in self.events if e[1].decode() != token]
                self.events = []
                try:
                    t, _, _, body = self.message(max(0.01, end - time.time()))
                except Timeout:
                    continue
                self.events.append(tuple(body.split(b"\0")[:2]))
            return value
        finally:
            self.ask(5, path.encode() + b"\0" + token.encode() + b"\0", timeout=PATIENCE)  # UNWATCH
            self.events = kept + [e for e in self.events if e[1].decode() != token]

    def tree(self, path):
        """All below a path: {relative path: value}."""
        out, todo = {}, [""]
        while todo:
            at = todo.pop()
            for name in self.list((path + at) or "/"):
                child = f"{at}/{name}"
                out[child] = self.read(path + child)
                todo.append(child)
        return out


class Store(Client, StoreVerbs):
    """A privileged client on the socket."""


class GuestStore(Talker, StoreVerbs):
    """A domain's kernel on its store ring."""

    def __init__(self, guest):
        super().__init__()
        self.guest = guest
        self.base = guest.param(STORE_PFN) * PAGE_SIZE
        self.port = guest.param(STORE_EVTCHN)
        guest.listen()

    def word(self, offset, value=None):
        if value is None:
            return struct.unpack("<I", self.guest.read(self.base + offset, 4))[0]
        self.guest.write(self.base + offset, struct.pack("<I", value & 0xFFFFFFFF))

    def transmit(self, data):
        while data:
            prod = self.word(2052)
            room = 1024 - ((prod - self.word(2048)) & 0xFFFFFFFF)
            if room <= 0:
                if not self.guest.wait_event(self.port):
                    raise Timeout
                continue
            n = min(room, len(data), 1024 - prod % 1024)
            self.guest.write(self.base + prod % 1024, data[:n])
            self.word(2052, prod + n)
            data = data[n:]
            self.guest.notify(self.port)

    def receive(self, timeout):
        while True:
            cons = self.word(2056)
            n = (self.word(2060) - cons) & 0xFFFFFFFF
            if n:
                n = min(n, 1024 - cons % 1024)
                data = self.guest.read(self.base + 1024 + cons % 1024, n)
                self.word(2056, cons + n)
                self.guest.notify(self.port)
                return data
            if not self.guest.wait_event(self.port, timeout):
                raise Timeout


class Daemon:
    """A program that stays; started again with start() after kill()."""

    def __init__(self, world, name, args, env=None, notify=True):
        self.world, self.name, self.args, self.notify = world, name, [str(a) for a in args], notify
        self.env = dict(world.env, **(env or {}))
        self.process = None
        self.start()

    def start(self, env=None):
        path = self.world.folder / f"{self.name}.notify"
        path.unlink(missing_ok=True)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(str(path))
        self.log = open(self.world.folder / f"{self.name}.log", "ab")
        self.process = subprocess.Popen([str(self.world.build / self.name), *self.args], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=dict(self.env, NOTIFY_SOCKET=str(path), **(env or {})))
        try:
            if self.notify:
                self.wait_ready(ready)
        finally:
            ready.close()

    def wait_ready(self, ready):
        fd = os.pidfd_open(self.process.pid)
        try:
            while True:
                got = select.select([ready, fd], [], [], PATIENCE)[0]
                if ready in got:
                    if b"READY=1" in ready.recv(4096):
                        return
                elif fd in got:
                    raise RuntimeError(f"{self.name} ended with {self.process.wait()}:\n{self.output()[-3000:]}")
                else:
                    raise RuntimeError(f"{self.name} is not ready after {PATIENCE} s:\n{self.output()[-3000:]}")
        finally:
            os.close(fd)

    def output(self):
        return (self.world.folder / f"{self.name}.log").read_text(errors="replace")

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)

    def wait(self, timeout=PATIENCE):
        """Until it ends by itself: its exit status."""
        return self.process.wait(timeout)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()


class SimWorld:
    """hospes-sim, xenstored and what a test adds, in one directory: self.folder; programs run with self.env."""

    def __init__(self, build, store_args=(), **sim_options):
        self.build = pathlib.Path(build)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hospes-world."))
        self.sim = sim.Sim(build, folder=self.folder, **sim_options)
        run = self.folder / "run"
        self.env = dict(self.sim.env, XENSTORED_RUNDIR=str(run), XENSTORED_PATH=str(run / "socket"),
                        PATH=f"{self.build.resolve()}:{os.environ['PATH']}")
        self.env.pop("XENSTORED_FAKE", None)
        self.daemons = []
        self.xenstored = self.daemon("xenstored", "-N", "--state-dir", str(self.folder / "state"), *store_args)
        self.store = Store(self.env["XENSTORED_PATH"])

    def daemon(self, name, *args, env=None, notify=True):
        """Start a daemon of build/ and wait until it says that it is ready (notify=False: do not wait)."""
        d = Daemon(self, name, args, env, notify)
        self.daemons.append(d)
        return d

    def run(self, *command, check=True, timeout=60, **more):
        """Run a program of build/ (or of the PATH): the finished process with text output."""
        program = self.build / command[0]
        words = [str(program.absolute()) if program.exists() else command[0], *(str(c) for c in command[1:])]
        env = dict(self.env, **more.pop("env", {}))
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=timeout, **more)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def guest(self, introduce=True, **options):
        """A domain like sim.guest(), known to the store."""
        g = self.sim.guest(**options)
        return self.introduce(g) if introduce else g

    def introduce(self, g):
        """As a toolstack: the domain's own directory, then the introduction."""
        path = f"/local/domain/{g.domid}"
        self.store.mkdir(path)
        self.store.perms(path, "n0", f"r{g.domid}")
        self.store.mkdir(f"{path}/data")
        self.store.perms(f"{path}/data", f"n{g.domid}")
        body = b"%d\0%d\0%d\0" % (g.domid, g.param(STORE_PFN), g.param(STORE_EVTCHN))
        self.store.verb(INTRODUCE, body)
        g.store = GuestStore(g)
        return g

    def attach(self, domid):
        """Play a domain that a toolstack has made and introduced."""
        g = self.sim.attach(domid)
        g.store = GuestStore(g)
        return g

    def reconnect(self):
        """After the store was killed and started again."""
        self.store.close()
        self.store = Store(self.env["XENSTORED_PATH"])

    def close(self):
        self.store.close()
        for d in reversed(self.daemons):
            d.stop()
        self.sim.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:  # what the daemons said belongs to the failure
            for d in self.daemons:
                if d.output():
                    print(f"# {d.name}: " + d.output()[-2000:].replace("\n", "\n# "))
        self.close()
