"""Store daemons on a host without a hypervisor: ours, Debian's xenstored ("c") and oxenstored ("o"), with guests we play.

The fake hypervisor is the directory of tools/xenstored/hyper_fake.h; ours speaks it itself, Debian's through tests/store/lab/preload.c.
"""
import mmap
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import tempfile
import shutil
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
ORACLE = BUILD / "images" / "store-oracle"
LIBS = ORACLE / "usr" / "lib" / "x86_64-linux-gnu"

MAGIC, DOMAINS, DOM_EXC = 0x656B6166, 32768, 65535
(CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TX_START, TX_END, INTRODUCE, RELEASE, GET_DOMAIN_PATH, WRITE, MKDIR, RM,
 SET_PERMS, WATCH_EVENT, ERROR, IS_INTRODUCED, RESUME, SET_TARGET, HOLE, RESET_WATCHES, DIRECTORY_PART, GET_FEATURE, SET_FEATURE,
 GET_QUOTA, SET_QUOTA) = range(27)


class Timeout(Exception):
    pass


class Closed(Exception):
    pass


class Machine:
    """The fake hypervisor's files, domain 0 with a kernel ring made."""

    def __init__(self, kernel=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="store-lab."))
        self.unique = 1
        with open(self.dir / "hyper", "wb") as f:
            f.truncate(64 + 32 * DOMAINS)
        self.file = open(self.dir / "hyper", "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)
        struct.pack_into("<I", self.map, 0, MAGIC)
        os.mkfifo(self.dir / "evtchn")
        self.events = os.open(self.dir / "evtchn", os.O_RDWR | os.O_NONBLOCK)
        self.fifos = {}
        (self.dir / "run").mkdir()
        self._entry(0)
        if kernel:
            self._files(0)

    def _entry(self, domid, port=0):
        self.unique += 1
        top, = struct.unpack_from("<I", self.map, 4)
        struct.pack_into("<I", self.map, 4, max(top, domid))
        struct.pack_into("<BBBBIQ", self.map, 64 + 32 * domid, 0, 0, 0, 0, port, self.unique)
        struct.pack_into("<B", self.map, 64 + 32 * domid, 1)

    def _files(self, domid):
        with open(self.dir / f"dom{domid}.ring", "wb") as f:
            f.truncate(4096)
        fifo = self.dir / f"dom{domid}.event"
        if not fifo.exists():
            os.mkfifo(fifo)
            self.fifos[domid] = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def create(self, domid, port=0):
        self._files(domid)
        self._entry(domid, port)

    def kick(self, port):
        os.write(self.events, struct.pack("<I", port))

    def shutdown(self, domid, code=0):
        struct.pack_into("<BB", self.map, 64 + 32 * domid + 2, 1, code)
        self.kick(DOM_EXC)

    def revive(self, domid):
        struct.pack_into("<BB", self.map, 64 + 32 * domid + 2, 0, 0)

    def destroy(self, domid):
        struct.pack_into("<B", self.map, 64 + 32 * domid, 0)
        self.kick(DOM_EXC)

    def notified(self, domid):
        return struct.unpack_from("<I", self.map, 64 + 32 * domid + 16)[0]

    def bad_calls(self):
        return struct.unpack_from("<I", self.map, 8)[0]

    def close(self):
        os.close(self.events)
        for fd in self.fifos.values():
            os.close(fd)
        self.map.close()
        self.file.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Daemon:
    """kind: ours, c or o."""

    def __init__(self, machine, kind="ours", args=(), binary=None, env=None):
        self.machine, self.kind = machine, kind
        self.rundir = machine.dir / "run"
        self.socket = str(self.rundir / "socket")
        self.args, self.binary = list(args), binary
        self.env = dict(os.environ, XENSTORED_FAKE=str(machine.dir), XENSTORED_RUNDIR=str(self.rundir),
                        XENSTORED_PATH=self.socket, **(env or {}))
        self.log = open(machine.dir / f"{kind}.log", "ab")
        self.process = None
        self.start()

    def command(self):
        d = self.machine.dir
        if self.kind == "ours":
            return [str(self.binary or BUILD / "xenstored"), "-N", "--fake-hypervisor", str(d), "--state-dir", str(d / "state")] + self.args
        self.env["LD_PRELOAD"] = str(BUILD / "store" / "preload.so")
        self.env["LD_LIBRARY_PATH"] = str(LIBS)
        if self.kind == "c":
            return [str(ORACLE / "usr/lib/xen-4.17/bin/xenstored"), "-N", "-F", str(d / "c.pid")] + self.args
        conf = d / "oxenstored.conf"
        conf.write_text(f"pid-file = {d}/o.pid\npersistent = false\nquota-activate = true\nquota-maxentity = 1000\nquota-maxsize = 2048\n"
                        "quota-maxwatch = 100\nquota-transaction = 10\nquota-maxrequests = 1024\nquota-path-max = 1024\nxenstored-log-file = /dev/null\n"
                        f"access-log-file = {d}/o-access.log\nxenstored-kva = /proc/xen/xsd_kva\nxenstored-port = /proc/xen/xsd_port\n")
        return [str(ORACLE / "usr/lib/xen-4.17/bin/oxenstored"), "--no-fork", "--config-file", str(conf)] + self.args

    def start(self):
        self.process = subprocess.Popen(self.command(), env=self.env, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.time() + 10
        while time.time() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} ended with {self.process.returncode}: " + self.output()[-2000:])
            try:
                c = Client(self.socket)
                c.ask(READ, b"/\0")
                c.close()
                return
            except (OSError, Closed):
                time.sleep(0.01)
        raise RuntimeError(f"{self.kind} does not answer: " + self.output()[-2000:])

    def output(self):
        return (self.machine.dir / f"{self.kind}.log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if self.kind == "o" else signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        return self.process.returncode


class Talker:
    """Requests and answers over some byte stream; watch events that come in between are kept in order in self.events."""

    def __init__(self):
        self.pending, self.events, self.order, self.req = b"", [], [], 0

    def message(self, timeout=5.0):
        """The next message: (type, req, tx, body)."""
        end = time.time() + timeout
        while True:
            if len(self.pending) >= 16:
                t, req, tx, n = struct.unpack_from("<IIII", self.pending)
                if len(self.pending) >= 16 + n:
                    body, self.pending = self.pending[16:16 + n], self.pending[16 + n:]
                    return t, req, tx, body
            left = end - time.time()
            if left <= 0:
                raise Timeout
            self.pending += self.receive(left)

    def send(self, kind, body=b"", tx=0, req=None, length=None):
        if req is None:
            self.req += 1
            req = self.req
        self.transmit(struct.pack("<IIII", kind, req, tx, len(body) if length is None else length) + body)
        return req

    def reply(self, req, timeout=5.0):
        while True:
            t, r, tx, body = self.message(timeout)
            if t == WATCH_EVENT:
                self.events.append(tuple(body.split(b"\0")[:2]))
                self.order.append("event")
                continue
            self.order.append("reply")
            if r != req:
                raise AssertionError(f"reply to {r}, expected {req}")
            return t, tx, body

    def ask(self, kind, body=b"", tx=0, timeout=5.0):
        """Body of the answer, or the error's name as str."""
        t, _, out = self.reply(self.send(kind, body, tx), timeout)
        if t == ERROR:
            return out.rstrip(b"\0").decode()
        if t != kind:
            raise AssertionError(f"answer of type {t} to {kind}")
        return out

    def take_events(self, quiet=0.03, most=100000):
        """Events until nothing came for a moment; ends with a request of ours, after which all that was caused is here."""
        self.ask(GET_DOMAIN_PATH, b"0\0")
        try:
            while len(self.events) < most:
                t, _, _, body = self.message(quiet)
                assert t == WATCH_EVENT
                self.events.append(tuple(body.split(b"\0")[:2]))
        except (Timeout, Closed):
            pass
        out, self.events = self.events, []
        return out


class Client(Talker):
    def __init__(self, path):
        super().__init__()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)

    def transmit(self, data):
        self.sock.sendall(data)

    def receive(self, timeout):
        if not select.select([self.sock], [], [], timeout)[0]:
            raise Timeout
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            raise Closed from None
        if not data:
            raise Closed
        return data

    def close(self):
        self.sock.close()


class Guest(Talker):
    """Domain @domid's kernel on its ring."""

    def __init__(self, machine, domid, start=0):
        super().__init__()
        self.machine, self.domid = machine, domid
        self.file = open(machine.dir / f"dom{domid}.ring", "r+b")
        self.ring = mmap.mmap(self.file.fileno(), 4096)
        # An index moves by one store, as a guest's does; struct would write it byte by byte, and the daemon see the halves.
        self.words = memoryview(self.ring).cast("I")
        if start:
            struct.pack_into("<IIII", self.ring, 2048, start, start, start, start)

    def word(self, offset, value=None):
        if value is None:
            return self.words[offset // 4]
        self.words[offset // 4] = value & 0xFFFFFFFF

    def indices(self):
        return tuple(self.words[512:516])

    features = property(lambda self: self.word(2064))
    state = property(lambda self: self.word(2068))
    error = property(lambda self: self.word(2072))

    def transmit(self, data, timeout=5.0):
        end = time.time() + timeout
        while data:
            cons, prod = self.word(2048), self.word(2052)
            room = 1024 - ((prod - cons) & 0xFFFFFFFF)
            if room <= 0:
                if time.time() > end:
                    raise Timeout
                self.wait(0.05)
                continue
            at = prod % 1024
            n = min(room, len(data), 1024 - at)
            self.ring[at:at + n] = data[:n]
            self.word(2052, prod + n)
            data = data[n:]
            self.kick()

    def kick(self):
        self.machine.kick(self.domid)

    def wait(self, timeout):
        fd = self.machine.fifos[self.domid]
        if select.select([fd], [], [], timeout)[0]:
            os.read(fd, 4096)

    def receive(self, timeout):
        end = time.time() + timeout
        while True:
            cons, prod = self.word(2056), self.word(2060)
            n = (prod - cons) & 0xFFFFFFFF
            if n:
                assert n <= 1024
                at = cons % 1024
                n = min(n, 1024 - at)
                data = bytes(self.ring[1024 + at:1024 + at + n])
                self.word(2056, cons + n)
                self.kick()
                return data
            left = end - time.time()
            if left <= 0:
                raise Timeout
            self.wait(min(left, 0.05))

    def close(self):
        self.words.release()
        self.ring.close()
        self.file.close()


def introduce(client, domid, gfn=1, port=1):
    return client.ask(INTRODUCE, b"%d\0%d\0%d\0" % (domid, gfn, port))


def oracle_ready():
    """Are Debian's daemons and the preload library there?"""
    return (ORACLE / "usr/lib/xen-4.17/bin/xenstored").exists() and (BUILD / "store" / "preload.so").exists()
