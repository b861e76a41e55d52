#!/usr/bin/env python3
"""The builder of guests (lib/guest) on the simulated hypervisor: what it leaves in a domain, what it costs, and that nothing is left when it fails."""
import gzip
import os
import re
import struct
import subprocess
import sys

import tap
from sim import CONSOLE_EVTCHN, CONSOLE_PFN, MAP_GRANTS, STORE_EVTCHN, STORE_PFN, UNMAP, Sim

MIB = 1 << 20
BASE, ENTRY = 2 * MIB, 2 * MIB + 0x40
ENOMEM, EINVAL = 12, 22
DOMCTL_GETHVMCONTEXT_PARTIAL, DOMCTL_GET_CPU_POLICY, DOMCTL_GETVCPUAFFINITY, DOMCTL_SCHEDULER = 55, 82, 25, 16


def kernel(pvh=True, size=100000, base=BASE):
    """An ELF image with text, a page of zeroes behind it, and the note."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", base + 0x40) if pvh else bytes(20)
    text = bytes((i * 7 + (i >> 8)) & 255 for i in range(size))
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 7, 4096, base, base, size, size + 4096, 4096)
    head += struct.pack("<IIQQQQQQ", 4, 4, 1024, 0, 0, 20, 20, 4)
    return head.ljust(1024, b"\0") + note.ljust(3072, b"\0") + text, text


class Bench:
    """A simulated machine and a folder with a kernel, a ramdisk and a configuration."""

    def __init__(self, **keys):
        self.sim = Sim(tap.BUILD, **keys)
        elf, self.text = kernel()
        self.ramdisk = os.urandom(3 * MIB + 5)
        self.file("kernel", elf)
        self.file("kernel.gz", gzip.compress(elf))
        self.file("ramdisk", self.ramdisk)
        self.file("old", kernel(pvh=False)[0])
        self.config()

    def path(self, name):
        return str(self.sim.folder / name)

    def file(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def config(self, **keys):
        keys = {"name": "guest", "type": "pvh", "kernel": self.path("kernel"), "memory": 16, "vcpus": 1, "extra": "console=hvc0 quiet", **keys}
        lines = [f"{k} = {v if isinstance(v, (int, list)) else repr(v)}" for k, v in keys.items() if v is not None]
        self.file("guest.cfg", ("\n".join(lines).replace("'", '"') + "\n").encode())

    def create(self, *options):
        """(status, output)"""
        run = subprocess.run([tap.BUILD / "sim/create", *options, self.path("guest.cfg")], env=self.sim.env, capture_output=True,
                             text=True, timeout=120)
        assert run.returncode in (0, 1) and not run.stderr, run.stdout + run.stderr
        return run.returncode, run.stdout

    def build(self, *options):
        """The new domain, and how many hypercalls it took."""
        status, text = self.create(*options)
        assert status == 0, text
        guest = self.sim.attach(int(re.search(r"^domid (\d+)", text, re.M)[1]))
        return guest, int(re.search(r"^total .* hypercalls (\d+)", text, re.M)[1])

    def fails(self, code, *words, options=()):
        before = self.state()
        status, text = self.create(*options)
        assert status == 1 and re.search(f"^problem {code}$", text, re.M), text
        for w in words:
            assert w in text, (w, text)
        assert "next: " in text, text
        assert self.state() == before, (self.state(), before)

    def state(self):
        """What must not change when a creation fails."""
        s = self.sim.state()
        return s["free_frames"], s["domains"], s["mappings"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sim.close()


def start_info(guest, address):
    magic, version, flags, nr_mods, mods, cmdline, rsdp, table, entries = struct.unpack("<IIIIQQQQI", guest.read(address, 52))
    assert (magic, version, flags) == (0x336ec578, 1, 0)
    text = guest.read(cmdline, 200).split(b"\0")[0].decode()
    ranges = [struct.unpack("<QQII", guest.read(table + 24 * i, 24))[:3] for i in range(entries)]
    module = struct.unpack("<QQ", guest.read(mods, 16)) if nr_mods else None
    return text, rsdp, ranges, module


def cpu_record(bench, guest):
    """rip, rbx, cr0 and cs of its first vCPU."""
    link = bench.sim.link
    gpa = link.request(2, 1)
    at = struct.unpack("<Q", gpa[2])[0] * 4096
    bench.sim.domctl(guest.domid, DOMCTL_GETHVMCONTEXT_PARTIAL, struct.pack("<IIQQ", 2, 0, 1032, gpa[0]))
    body = link.ram[at:at + 1032]
    link.request(3, gpa[0], 1)
    rbx, rip, cr0 = (struct.unpack_from("<Q", body, o)[0] for o in (520, 640, 656))
    return rip, rbx, cr0, struct.unpack_from("<I", body, 888)[0]


def cpuid(bench, guest):
    """{(leaf, subleaf): (a, b, c, d)} of its policy."""
    link = bench.sim.link
    gpa = link.request(2, 3)
    mfns = struct.unpack("<3Q", gpa[2])
    out = bench.sim.domctl(guest.domid, DOMCTL_GET_CPU_POLICY, struct.pack("<IIQQ", 300, 0, gpa[0], 0))
    data = b"".join(link.ram[m * 4096:m * 4096 + 4096] for m in mfns)
    link.request(3, gpa[0], 3)
    return {x[:2]: x[2:] for x in struct.iter_unpack("<6I", data[:24 * struct.unpack_from("<I", out)[0]])}


def test_what_is_in_it():
    with Bench() as b:
        b.config(ramdisk=b.path("ramdisk"))
        guest, _ = b.build()
        assert guest.read(BASE, len(b.text)) == b.text and not any(guest.read(BASE + len(b.text), 4096))
        rip, info, cr0, cs = cpu_record(b, guest)
        assert (rip, cr0, cs) == (ENTRY, 0x11, 0xc9b), (rip, cr0, cs)
        text, rsdp, ranges, module = start_info(guest, info)
        assert text == "console=hvc0 quiet"
        assert ranges[0] == (0, 16 * MIB, 1) and (0xfeff8000, 0x8000, 2) in ranges
        assert module[1] == len(b.ramdisk) and guest.read(*module) == b.ramdisk
        assert module[0] + module[1] <= 16 * MIB and info + 0x3000 <= module[0]
        assert rsdp == 0xfc000000 and guest.read(rsdp, 8) == b"RSD PTR " and guest.read(0xfffc0, 36) == guest.read(rsdp, 36)
        assert sum(guest.read(rsdp, 36)) % 256 == 0
        # Rings, their ports and grants.
        assert (guest.param(STORE_PFN), guest.param(CONSOLE_PFN)) == (0xfeffc, 0xfefff)
        assert not any(guest.read(0xfeffc000, 4096)) and not any(guest.read(0xfefff000, 4096))
        assert {guest.param(STORE_EVTCHN), guest.param(CONSOLE_EVTCHN)} == {1, 2}
        flags, pages, _ = b.sim.info(guest.domid)
        assert pages == 16 * 256 + 8 + 1, pages
        assert flags & 8, "it is paused"


def test_rings_serve_the_daemons():
    """References 0 and 1 are the rings' pages, for domain 0 to map; its ports can be bound."""
    with Bench() as b:
        guest, _ = b.build("-u")
        for ref, page in ((0, 0xfefff000), (1, 0xfeffc000)):
            mapping, _, frames = b.sim.link.request(MAP_GRANTS, guest.domid, 1, 3, payload=struct.pack("<I", ref))
            assert struct.unpack("<Q", frames)[0] == guest.frame(page >> 12)
            b.sim.link.request(UNMAP, mapping)
        assert not b.sim.info(guest.domid)[0] & 8


def test_kernel_cache():
    with Bench() as b:
        b.config(kernel=b.path("kernel.gz"))
        for _ in range(2):
            guest, _ = b.build("-c", b.path("cache"))
            assert guest.read(BASE, len(b.text)) == b.text and not any(guest.read(BASE + len(b.text), 4096))
        assert len([n for n in os.listdir(b.path("cache")) if n.endswith(".kernel")]) == 1


def test_options():
    with Bench() as b:
        b.config(vcpus=2, maxvcpus=3, cpus="1-2", cpu_weight=512, cap=50, tsc_mode="native", cpuid="host,avx=0,family=6")
        guest, _ = b.build("-d", "77")
        assert guest.domid == 77
        leaves = cpuid(b, guest)
        assert not leaves[1, 0xffffffff][2] >> 28 & 1 and leaves[1, 0xffffffff][0] >> 8 & 15 == 6
        assert leaves[1, 0xffffffff][3] >> 28 & 1, "hyper-threading is shown, as libxl does"
        b.config(cpuid=["1:ecx=xxx0xxxxxxxxxxxxxxxxxxxxxxxxxxxx"])
        plain = cpuid(b, b.build()[0])
        assert not plain[1, 0xffffffff][2] >> 28 & 1 and plain[1, 0xffffffff][0] >> 8 & 15 == 15
        out = b.sim.domctl(77, DOMCTL_SCHEDULER, struct.pack("<II", 6, 1))
        assert struct.unpack_from("<HH", out, 8) == (512, 50), out[:16]
        b.sim.domctl(77, 59)  # it has a TSC mode to tell
        b.fails("domid-taken", "77", options=("-d", "77"))
        b.config(max_event_channels=0)  # as many as without a word, as libxl has it: the store and the console need theirs
        b.build()


def test_memory_on_demand():
    with Bench() as b:
        b.config(memory=16, maxmem=64, ramdisk=b.path("ramdisk"))
        guest, _ = b.build()
        text, _, ranges, module = start_info(guest, cpu_record(b, guest)[1])
        assert ranges[0] == (0, 64 * MIB, 1) and guest.read(*module) == b.ramdisk
        assert b.sim.info(guest.domid)[1] == 16 * 256 + 8 + 1
        # Room below 4 GiB is left for what lies there; the rest is above.
        b.config(memory=64, maxmem=5120)
        guest, calls = b.build()
        ranges = start_info(guest, cpu_record(b, guest)[1])[2]
        assert ranges[0] == (0, 0xf0000000, 1) and ranges[-1] == (1 << 32, 5 * 1024 * MIB - 0xf0000000, 1), ranges
        assert b.sim.info(guest.domid)[1] == 64 * 256 + 8 + 1
        assert calls < 60, calls


def test_problems():
    with Bench() as b:
        b.config(type="hvm")
        b.fails("type-not-supported", "hvm")
        b.config(kernel="/nowhere")
        b.fails("no-such-file", "/nowhere", "kernel")
        b.config(kernel=b.path("old"))
        b.fails("kernel-not-pvh", "PHYS32_ENTRY")
        b.config(ramdisk="/nowhere")
        b.fails("no-such-file", "/nowhere", "ramdisk")
        b.config(ramdisk=b.path("ramdisk"), memory=4)
        b.fails("kernel-does-not-fit", "MiB")
        b.config(memory=1)
        b.fails("bad-value", "memory")
        b.config(extra="x" * 5000)
        b.fails("bad-value", "command line")
        b.config(memory=4096)
        b.fails("not-enough-memory", "4096 MiB")
        b.config(memory=16, maxmem=4096)
        b.build()
        b.config(memory=2048, maxmem=4096)
        b.fails("not-enough-memory", "2048 MiB")
        b.config(cpus="100-101")
        b.fails("bad-(cpus|value)")
        b.config(cpuid="host,nosuch=1")
        b.fails("bad-cpuid", "nosuch=1")
        b.config(cpuid="host,maxleaf=0x40")
        b.fails("cpuid-refused", "leaf 0x0")
        b.config(cpuid=["0x30:eax=1"])
        b.fails("cpuid-not-there", "0x30")
        b.config(cpu_weight=70000)
        b.fails("bad-value", "70000")
        b.config()
        b.fails("cancelled", options=("-x", "memory"))


def failures(b, errors):
    """The k-th hypercall fails, for all k: what is left is what was before, or the domain is whole. How many did it without."""
    guest, calls = b.build()
    before = b.state()
    without = 0
    for error in errors:
        for k in range(calls):
            b.sim.fail_call(error, skip=k)
            status, text = b.create()
            if status == 0:  # asked without need, or tried another way
                without += 1
                guest = b.sim.attach(int(re.search(r"^domid (\d+)", text, re.M)[1]))
                assert guest.read(BASE, len(b.text)) == b.text
                b.sim.destroy(guest.domid)
            else:
                assert "next: " in text, text
            assert b.state() == before, (k, error, text, b.state(), before)
    return without


def test_every_failure_is_undone():
    with Bench() as b:
        b.config(ramdisk=b.path("ramdisk"), cpus="0-1", cpu_weight=300, tsc_mode="native", cpuid="host,avx=0,aes=k")
        assert failures(b, (ENOMEM, EINVAL)) < 12


def test_every_failure_of_several_threads_is_undone():
    """A domain of 9 GiB, on demand: its memory is populated by several threads."""
    with Bench() as b:
        b.config(memory=16, maxmem=9 << 10)
        failures(b, (ENOMEM,))


def test_no_memory_at_any_point():
    with Bench() as b:
        b.config(ramdisk=b.path("ramdisk"))
        b.sim.destroy(b.build()[0].domid)
        free = b.sim.state()["free_frames"]
        before = b.state()
        for left in list(range(0, 60, 7)) + list(range(100, 16 * 256 + 700, 311)):
            b.sim.take_memory(left)
            status, text = b.create()
            b.sim.take_memory(None)
            if status == 0:
                b.sim.destroy(int(re.search(r"^domid (\d+)", text, re.M)[1]))
            else:
                assert re.search(r"^problem (not-enough-memory|out-of-memory|hypervisor-refused)$", text, re.M), text
            assert b.state() == before, (left, text, b.state(), before)
        assert status == 0 and free == before[0]


def test_cost_does_not_grow():
    """As many hypercalls with forty domains as with one, and few of them."""
    with Bench(ram=1024) as b:
        b.config(memory=8)
        counts = [b.build()[1] for _ in range(40)]
        assert len(set(counts)) == 1 and counts[0] < 45, counts
        b.config(memory=64)
        assert b.build()[1] < counts[0] + 5
        # With memory in pieces.
        b.sim.take_memory(9000)
        b.config(memory=16)
        b.build()
        b.sim.take_memory(None)


tap.main(sys.modules[__name__])
