"""hospesd on the simulated hypervisor, with back ends, console daemon and front ends that the test plays.

    with Lives(tap.BUILD) as world:
        d = world.create("web", disks=1, nics=1)        # the answer of domain.create
        world.shutdown(d["domid"], REBOOT)
        world.event("created")                           # of hospesd
"""
import json
import re
import signal
import socket
import struct
import threading
import time

import tap
from qemus import fake_qemu
from sim import PATIENCE
from world import Closed, SimWorld, Store, StoreError

__all__ = ["Hands", "Lives", "Problem", "Rpc"]


class Problem(Exception):
    """An error answer."""

    def __init__(self, error):
        self.code = error["code"]
        self.data = error.get("data", {})
        super().__init__(f"{self.data.get('code', error['code'])}: {error['message']}")


class Rpc:
    """A client of the socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.buffer = b""
        self.next = 0
        self.answers, self.events, self.progress = {}, [], []

    def send(self, method, **params):
        self.next += 1
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}).encode() + b"\n")
        return self.next

    def line(self, timeout=PATIENCE):
        self.socket.settimeout(timeout)
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("hospesd closed the connection")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def take(self, timeout=PATIENCE):
        m = self.line(timeout)
        if "id" in m:
            self.answers[m["id"]] = m
        elif m["method"] == "event":
            self.events.append(m["params"])
        else:
            self.progress.append(m["params"])

    def wait(self, ident):
        while ident not in self.answers:
            self.take()
        m = self.answers.pop(ident)
        if "error" in m:
            raise Problem(m["error"])
        return m["result"]

    def call(self, method, **params):
        return self.wait(self.send(method, **params))

    def event(self, name, domid=None, timeout=PATIENCE):
        """The next event of that name (and domain); others before it are dropped."""
        end = time.time() + timeout
        while True:
            while self.events:
                e = self.events.pop(0)
                if e["event"] == name and domid in (None, e["domid"]):
                    return e
            self.take(max(0.01, end - time.time()))

    def close(self):
        self.socket.close()


class Hands(threading.Thread):
    """Plays all back ends of domain 0, the console daemon and the guests' front ends: whatever comes is taken notice of."""

    def __init__(self, world, consoles=True):
        super().__init__(daemon=True)
        self.world = world
        self.plays_consoles = consoles
        self.stop = False
        self.wedged = set()      # back end paths that do not react any more
        self.connect = True      # front ends connect
        self.failure = None
        self.start()

    def run(self):
        while not self.stop:
            try:
                self.serve()
            except (OSError, StoreError, Closed) as e:
                if not self.stop and isinstance(e, StoreError) and e.name != "ENOENT":
                    self.failure = e
                time.sleep(0.01)  # the store was killed: it comes back

    def serve(self):
        s = Store(self.world.env["XENSTORED_PATH"])
        try:
            s.watch("/local/domain/0/backend", "b")
            s.watch("@introduceDomain", "i")
            while not self.stop:
                try:
                    path = s.event(0.5)
                except Exception as e:
                    if type(e).__name__ == "Timeout":
                        continue
                    raise
                if path == "@introduceDomain":
                    if self.plays_consoles:
                        self.consoles(s)
                elif path == "/local/domain/0/backend":
                    for kind in s.list(path):
                        for dom in s.list(f"{path}/{kind}"):
                            for dev in s.list(f"{path}/{kind}/{dom}"):
                                self.back(s, f"{path}/{kind}/{dom}/{dev}")
                else:
                    m = re.match(r"(/local/domain/0/backend/(?:v\w+|qdisk)/\d+/\d+)(/state|/online|)$", path)
                    if m:
                        self.back(s, m[1])
                    m = re.match(r"(/local/domain/\d+/device/v\w+/\d+)/state$", path)
                    if m:
                        back = s.read(m[1] + "/backend")
                        if back:
                            self.back(s, back)
        finally:
            s.close()

    def consoles(self, s):
        for dom in s.list("/local/domain"):
            if s.read(f"/local/domain/{dom}/console/tty") == "":
                s.write(f"/local/domain/{dom}/console/tty", f"/dev/pts/{dom}")

    def back(self, s, path):
        """One step of a back end, and of its front end."""
        if path in self.wedged or "*" in self.wedged:
            return
        state = s.read(path + "/state")
        front = s.read(path + "/frontend")
        if state == "1":
            if self.switch(s, path, "1", {path + "/feature-played": "1", path + "/state": "2"}) and self.connect and front:
                try:
                    s.watch(front + "/state", "f" + front)
                except StoreError as e:
                    if e.name != "EEXIST":  # of an earlier device at that place
                        raise
        elif state == "5":
            self.switch(s, path, "5", {path + "/state": "6"})
        elif state == "2" and self.connect and front:
            self.switch(s, path, "2", {path + "/state": "4", front + "/state": "4"})

    def switch(self, s, path, state, changes):
        """From that state, with all that belongs to it: in a transaction, as Linux does it, so that a device that goes meanwhile leaves nothing."""
        while True:
            tx = s.transaction()
            same = s.read(path + "/state", tx) == state
            for key, value in changes.items() if same else ():
                s.write(key, value, tx)
            try:
                s.commit(tx)
                return same
            except StoreError as e:
                if e.name != "EAGAIN":
                    raise


class Lives(SimWorld):
    """@program: hospesd with the sanitizers, or as it is installed. @consoles: the console daemon is played, not a real one."""

    def __init__(self, build=tap.BUILD, hands=True, start=True, options=(), program="hospesd-san", consoles=True, **keys):
        super().__init__(build, **keys)
        self.rpcs = []
        self.host = self.folder / "host"
        for d in ("host/loop", "host/net/br0", "lib", "log", "scripts", "disks", "cache"):
            (self.folder / d).mkdir(parents=True)
        self.kernel = self.folder / "kernel"
        self.kernel.write_bytes(elf())
        self.socket = self.folder / "hospesd.socket"
        self.options = ["--foreground", "--socket", self.socket, "--lib-dir", self.folder / "lib", "--log-dir", self.folder / "log",
                        "--state-dir", self.folder / "pending", "--cache-dir", self.folder / "cache", "--scripts", self.folder / "scripts",
                        "--config", self.folder / "xl.conf", "--lock-file", self.folder / "xl.lock", "--fake-host", self.host, "--qemu", self.folder / "qemu", *options]
        self.started = fake_qemu(self.folder)
        self.program = program
        self.hands = Hands(self, consoles) if hands else None
        self.hospesd = None
        try:
            if start:
                self.start()
        except Exception:
            self.close()  # nobody else will: the other daemons would stay
            raise

    def start(self, **env):
        if self.hospesd is None:
            self.hospesd = self.daemon(self.program, *self.options, env=env)
        else:
            self.hospesd.start(env)
        return self.client()

    def again(self, *waits):
        """Another daemon, with other deadlines: "backend=300"; none: the usual ones."""
        self.hospesd.kill(signal.SIGTERM)
        self.hospesd.args = [str(x) for x in [*self.options, *(word for wait in waits for word in ("--wait", wait))]]
        return self.start()

    def client(self):
        self.rpc = Rpc(self.socket)
        self.rpcs.append(self.rpc)
        self.rpc.call("events.subscribe")
        return self.rpc

    def close(self):
        if self.hands:
            self.hands.stop = True
            self.hands.join(PATIENCE)
        for r in self.rpcs:
            r.close()
        said = ""
        if self.hospesd:
            self.hospesd.stop()
            said = self.hospesd.output()
        super().close()
        if self.hands and self.hands.failure:
            raise self.hands.failure
        if "Sanitizer" in said or "runtime error" in said:
            raise AssertionError(said)

    # Requests.
    def call(self, method, **params):
        return self.rpc.call(method, **params)

    def config(self, name, disks=0, nics=0, memory=4096, **more):
        c = {"c_info": {"type": "pvh", "name": name}, "b_info": {"max_vcpus": 1, "avail_vcpus": [0], "max_memkb": memory, "target_memkb": memory,
             "kernel": str(self.kernel), "type.pvh": {}}, **more}
        for i in range(disks):
            file = self.folder / "disks" / f"{name}{i}"
            file.write_bytes(bytes(4096))
            c.setdefault("disks", []).append({"pdev_path": str(file), "vdev": f"xvd{chr(97 + i)}", "format": "raw", "readwrite": 1})
        for i in range(nics):
            c.setdefault("nics", []).append({"devid": i, "mac": "00:16:3e:00:%02x:%02x" % (hash(name) & 255, i), "bridge": "br0", "nictype": "vif"})
        return c

    def create(self, name, paused=False, **keys):
        return self.call("domain.create", config=self.config(name, **keys), file=f"{name}.cfg", paused=paused)

    def event(self, name, domid=None):
        return self.rpc.event(name, domid)

    # What there is.
    def loops(self):
        return sorted(p.name for p in (self.host / "loop").iterdir())

    def ports(self):
        return sorted(p.name for p in (self.host / "net" / "br0").iterdir())

    def domains(self):
        return self.sim.state()["domains"]

    def leftovers(self):
        """All that belongs to domains: in the store, on the disk, on the host, in the hypervisor."""
        s = self.store
        kept = {"hospes": [x for x in s.list("/hospes") if x != "pending"], "pending": s.list("/hospes/pending"), "libxl": s.list("/libxl"), "vm": s.list("/vm"),
                "local": [d for d in s.list("/local/domain") if d != "0"], "loops": self.loops(), "ports": self.ports(),
                "lib": sorted(p.name for p in (self.folder / "lib").iterdir()),
                "qemus": [p.name for p in self.folder.glob("*.qemu-*")],
                "notes": sorted(p.name for p in (self.folder / "pending").iterdir()) if (self.folder / "pending").exists() else []}
        for kind in ("vbd", "vif", "qdisk", "console"):
            for d in s.list(f"/local/domain/0/backend/{kind}"):
                kept.setdefault("backends", []).append(f"{kind}/{d}")
        return {k: v for k, v in kept.items() if v}

    def memory(self):
        s = self.sim.state()
        return s["free_frames"], s["domains"], s["mappings"]


def elf(size=4096, base=2 << 20):
    """The smallest kernel with a PVH note."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", base)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 7, 4096, base, base, size, size, 4096)
    head += struct.pack("<IIQQQQQQ", 4, 4, 1024, 0, 0, 20, 20, 4)
    return head.ljust(1024, b"\0") + note.ljust(3072, b"\0") + bytes(size)
