"""The simulated hypervisor for tests: start it, play guests and the machine, run programs of domain 0 on it.

    with Sim(build) as sim:
        g = sim.guest(pages=256)                 # a PVH domain with console and store rings, nobody built its kernel
        g.write(0x5000, b"hello")
        run(["xl", "list"], env=sim.env)         # any program that uses lib/hcall

Nothing here sleeps: what is waited for comes through a descriptor, within PATIENCE seconds.
"""
import array
import mmap
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import tempfile

PATIENCE = 30  # seconds until something that must come counts as lost

(HELLO, ALLOC, FREE, CALL, MAP_FOREIGN, MAP_RESOURCE, MAP_GRANTS, UNMAP, EVTCHN_OPEN, EVTCHN_ADOPT,
 EVTCHN) = range(1, 12)
GUEST, SHUTDOWN, PAGE, STATE, ADVANCE, LOG, FAIL, TAKE_MEMORY, GRANT = range(64, 73)
ANY = (1 << 64) - 1

HC_memory_op, HC_xen_version, HC_grant_table_op, HC_event_channel_op, HC_hvm_op, HC_sysctl, HC_domctl, HC_hospes_op = 12, 17, 20, 32, 34, 35, 36, 63
EVTCHNOP_bind_interdomain, EVTCHNOP_close, EVTCHNOP_send, EVTCHNOP_alloc_unbound = 0, 3, 4, 6
HVMOP_get_param = 1
STORE_PFN, STORE_EVTCHN, CONSOLE_PFN, CONSOLE_EVTCHN = 1, 2, 17, 18
POWEROFF, REBOOT, SUSPEND, CRASH, WATCHDOG, SOFT_RESET = range(6)
PAGE_SIZE = 4096


class SimError(OSError):
    """A request of the simulated hypervisor, or a hypercall, answered with an error."""


def check(rc, what):
    if rc < 0:
        raise SimError(-rc, f"{what}: {os.strerror(-rc)}")
    return rc


class Link:
    """A connection to hospes-sim."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        size, _, fd = self.request(HELLO, want_fd=True)
        self.ram = mmap.mmap(fd, size)
        os.close(fd)

    def ask(self, op, *args, payload=b"", want_fd=False):
        """(result, value, payload or descriptor)."""
        args = [a & ANY for a in args] + [0] * (9 - len(args))
        self.socket.send(struct.pack("<II9Q", op, len(payload), *args) + payload)
        data, control, _, _ = self.socket.recvmsg(65536, 64)
        result, value, length, _ = struct.unpack_from("<qQII", data)
        if want_fd and control:
            return result, value, array.array("i", control[0][2][:4])[0]
        return result, value, data[24:24 + length]

    def request(self, op, *args, payload=b"", want_fd=False):
        result, value, data = self.ask(op, *args, payload=payload, want_fd=want_fd)
        check(result, f"request {op}")
        return value, result, data

    def close(self):
        self.ram.close()
        self.socket.close()


class Sim:
    """hospes-sim as a child process, in a directory of its own."""

    def __init__(self, build, ram=512, cpus=4, dom0_pages=8192, folder=None, log=None):
        """@log: text that is in the hypervisor's log already."""
        self.build = pathlib.Path(build)
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="hospes-sim."))
        self.path = str(self.folder / "sim.socket")
        self.killed = False
        self.process = subprocess.Popen(
            [str(self.build / "hospes-sim"), f"--ram={ram}", f"--cpus={cpus}", f"--dom0-pages={dom0_pages}",
             *([f"--log={log}"] if log else []), self.path],
            stdout=subprocess.PIPE, stderr=open(self.folder / "sim.err", "wb"))
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError("hospes-sim did not start: " + self.errors())
        self.link = Link(self.path)
        self.env = dict(os.environ, HOSPES_SIM=self.path)

    def errors(self):
        """What it said to its standard error: sanitizers' reports, panics."""
        return (self.folder / "sim.err").read_text(errors="replace")

    def guest(self, pages=256, vcpus=1, domid=0, served=False):
        """A new domain as a toolstack makes one, with nothing in its memory; it is unpaused and never runs by itself. @served: Hospes serves its
        console, as for a domain of a launch tree."""
        return Guest(self, self.link.request(GUEST, domid, pages, vcpus, served)[0])

    def attach(self, domid):
        """Play a domain that a toolstack made."""
        return Guest(self, domid)

    def call(self, domid, nr, *args, vcpu=0):
        """Hypercall as that domain: the result, negative for an error."""
        return self.link.ask(CALL, domid, vcpu, nr, *args)[0]

    def shutdown(self, domid, code=POWEROFF):
        """The domain ends itself with this code."""
        self.link.request(SHUTDOWN, domid, code)

    def state(self):
        """What is in use, for leak checks: compare before and after."""
        names = ("free_frames", "domains", "ports", "mappings", "buffers", "clients")
        return dict(zip(names, self.numbers()))

    def told(self):
        """How many domains were in the lists that domain 0 got so far."""
        return self.numbers()[-2]

    def calls(self):
        """How many hypercalls domain 0 has made so far."""
        return self.numbers()[-1]

    def numbers(self):
        return struct.unpack("<8Q", self.link.request(STATE)[2])

    def advance(self, seconds):
        """The machine's clock stands still but for this; timers fire."""
        self.link.request(ADVANCE, int(seconds * 1e9))

    def log(self):
        """What the hypervisor said since the last time."""
        return self.link.request(LOG)[2].decode(errors="replace")

    def fail_call(self, error, nr=ANY, command=ANY, skip=0):
        """One of domain 0's next hypercalls fails: the one after @skip that match; with ANY, each that does."""
        self.link.request(FAIL, skip, error, nr, command)

    def take_memory(self, left):
        """Leave so many frames free; None gives all back."""
        self.link.request(TAKE_MEMORY, ANY if left is None else left)

    def domctl(self, domid, cmd, body=b""):
        """A control operation of domain 0: its body afterwards. Errors raise."""
        gpa = self.link.request(ALLOC, 1)
        address, mfn = gpa[0], struct.unpack("<Q", gpa[2])[0]
        op = struct.pack("<IIHxxxxxx", cmd, 0x15, domid) + body.ljust(128, b"\0")
        self.link.ram[mfn * PAGE_SIZE:mfn * PAGE_SIZE + len(op)] = op
        rc = self.call(0, HC_domctl, address)
        out = self.link.ram[mfn * PAGE_SIZE + 16:mfn * PAGE_SIZE + len(op)]
        self.link.request(FREE, address, 1)
        check(rc, f"domctl {cmd} of {domid}")
        return out

    def debug_keys(self, keys):
        """As xl debug-keys: the hypervisor says something."""
        address, _, data = self.link.request(ALLOC, 1)
        at = struct.unpack("<Q", data)[0] * PAGE_SIZE
        op = struct.pack("<IIQI", 7, 0x15, address + 256, len(keys)).ljust(256, b"\0") + keys
        self.link.ram[at:at + len(op)] = op
        rc = self.call(0, HC_sysctl, address)
        self.link.request(FREE, address, 1)
        check(rc, "debug keys")

    def destroy(self, domid):
        self.domctl(domid, 2)

    def info(self, domid):
        """(flags, pages, shutdown code or None), or None if there is no such domain."""
        try:
            out = self.domctl(domid, 5)
        except SimError:
            return None
        got, flags, pages = struct.unpack_from("<HxxIQ", out)
        if got != domid:
            return None
        return flags, pages, flags >> 16 & 255 if flags & 4 else None

    def die(self):
        """Killed, as a test wants it: no reason for close() to complain."""
        self.process.kill()
        self.process.wait()
        self.killed = True

    def close(self):
        """End it; a crash of the hypervisor's code raises."""
        status = self.process.poll()
        self.link.close()
        if status is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        errors = self.errors()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if (status is not None and not self.killed) or errors:
            raise RuntimeError(f"hospes-sim ended by itself ({status}):\n{errors}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


class Guest:
    """A domain, played by the test. Its hypercalls' arguments lie at @scratch of its memory."""

    scratch = 0x3000

    def __init__(self, sim, domid):
        self.sim, self.domid = sim, domid
        self.events_fd = None
        self.pending = set()
        self.store_ring = None

    # Memory.
    def frame(self, gfn):
        return self.sim.link.request(PAGE, self.domid, gfn)[0]

    def spans(self, gpa, length):
        while length:
            now = min(length, PAGE_SIZE - gpa % PAGE_SIZE)
            at = self.frame(gpa // PAGE_SIZE) * PAGE_SIZE + gpa % PAGE_SIZE
            yield at, now
            gpa += now
            length -= now

    def read(self, gpa, length):
        return b"".join(self.sim.link.ram[at:at + now] for at, now in self.spans(gpa, length))

    def write(self, gpa, data):
        for at, now in self.spans(gpa, len(data)):
            self.sim.link.ram[at:at + now] = data[:now]
            data = data[now:]

    # Hypercalls.
    def call(self, nr, *args, vcpu=0):
        return self.sim.call(self.domid, nr, *args, vcpu=vcpu)

    def op(self, nr, cmd, fmt, *values, third=0):
        """Hypercall with a command and a structure: the structure's values afterwards. Errors raise."""
        self.write(self.scratch, struct.pack(fmt, *values))
        check(self.call(nr, cmd, self.scratch, third), f"hypercall {nr}/{cmd} of domain {self.domid}")
        return struct.unpack(fmt, self.read(self.scratch, struct.calcsize(fmt)))

    def param(self, index):
        return self.op(HC_hvm_op, HVMOP_get_param, "<HxxIQ", 0x7ff0, index, 0)[2]

    def shutdown(self, code=POWEROFF):
        self.sim.shutdown(self.domid, code)

    def grant(self, ref, gfn, to=0, readonly=False):
        """Entry @ref of its grant table."""
        self.sim.link.request(GRANT, self.domid, ref, to, gfn, readonly)

    # Events.
    def listen(self):
        if self.events_fd is None:
            self.events_fd = self.sim.link.request(EVTCHN_OPEN, self.domid, want_fd=True)[2]
        return self.events_fd

    def take_events(self, timeout=0):
        """Add what is pending to self.pending; wait for something at most so long."""
        fd = self.listen()
        while select.select([fd], [], [], timeout)[0]:
            self.pending.update(p for p, in struct.iter_unpack("<I", os.read(fd, 4096)))
            timeout = 0
        return self.pending

    def wait_event(self, port, timeout=PATIENCE):
        """Wait until @port is notified; it counts as seen then. False if nothing came."""
        while port not in self.pending:
            before = len(self.pending)
            if len(self.take_events(timeout)) == before:
                return False
        self.pending.discard(port)
        return True

    def notify(self, port):
        self.op(HC_event_channel_op, EVTCHNOP_send, "<I", port)

    def alloc_port(self, remote=0):
        return self.op(HC_event_channel_op, EVTCHNOP_alloc_unbound, "<HHI", 0x7ff0, remote, 0)[2]

    def bind_port(self, remote, port):
        return self.op(HC_event_channel_op, EVTCHNOP_bind_interdomain, "<HxxII", remote, port, 0)[2]

    def close_port(self, port):
        self.op(HC_event_channel_op, EVTCHNOP_close, "<I", port)

    # The console ring as its kernel uses it: input 1024 bytes, output 2048, four indices.
    def console_indices(self):
        return struct.unpack("<4I", self.read(self.param(CONSOLE_PFN) * PAGE_SIZE + 3072, 16))

    def print(self, data, notify=True):
        """Put bytes into the console ring as far as there is room: how many."""
        base = self.param(CONSOLE_PFN) * PAGE_SIZE
        _, _, cons, prod = self.console_indices()
        count = min(len(data), 2048 - (prod - cons & 0xffffffff))
        for i in range(count):
            self.write(base + 1024 + (prod + i) % 2048, data[i:i + 1])
        self.write(base + 3072 + 12, struct.pack("<I", prod + count & 0xffffffff))
        if notify:
            self.notify(self.param(CONSOLE_EVTCHN))
        return count

    def typed(self):
        """Take what was typed at the console."""
        base = self.param(CONSOLE_PFN) * PAGE_SIZE
        cons, prod, _, _ = self.console_indices()
        data = b"".join(self.read(base + i % 1024, 1) for i in range(cons, prod))
        if data:
            self.write(base + 3072, struct.pack("<I", prod))
            self.notify(self.param(CONSOLE_EVTCHN))
        return data
