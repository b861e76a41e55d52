#!/usr/bin/env python3
"""Debian's QEMU, started by hospesd or in a driver domain by xl devd, serves an image to a guest whose front end the test plays."""
import os
import signal
import struct
import subprocess
import sys
import time

import tap
from lives import Lives, Problem
from qemus import is_stopped, stop
from sim import PAGE_SIZE, PATIENCE
from test_devd import AN_HOUR, DriverDomain

QEMU = tap.BUILD / "images/qemu-root"
SECTOR = 512
RING, DATA, RING_REF, DATA_REF = 16, 17, 100, 101  # frames of the guest, entries of its grant table
READ, WRITE, FLUSH = 0, 1, 3


class Disk:
    """The front end of a disk: one request at a time, of one page. The ring is that of 64-bit guests."""

    HEAD, ENTRY, ENTRIES = 64, 112, 32

    def __init__(self, guest, store, devid):
        self.guest, self.store = guest, store
        self.front = f"/local/domain/{guest.domid}/device/vbd/{devid}"
        self.back = self.store.read(self.front + "/backend")
        self.done = 0
        g = self.guest
        g.write(RING * PAGE_SIZE, bytes(PAGE_SIZE))
        g.write(RING * PAGE_SIZE + 4, struct.pack("<III", 1, 0, 1))
        g.grant(RING_REF, RING)
        g.grant(DATA_REF, DATA)
        self.port = g.alloc_port()
        for name, value in (("ring-ref", RING_REF), ("event-channel", self.port), ("protocol", "x86_64-abi"), ("state", 3)):
            self.store.write(f"{self.front}/{name}", value)
        self.store.wait_for(self.back + "/state", "4")
        self.store.write(self.front + "/state", 4)
        self.sectors = int(self.store.read(self.back + "/sectors"))

    def request(self, operation, sector, last=7, segments=1):
        g, ring = self.guest, RING * PAGE_SIZE
        entry = ring + self.HEAD + self.done % self.ENTRIES * self.ENTRY
        g.write(entry, struct.pack("<BBHxxxxQQIBBxx", operation, segments, 0, 1000 + self.done, sector, DATA_REF, 0, last))
        self.done += 1
        g.write(ring + 12, struct.pack("<I", self.done))  # tell of the answer
        g.write(ring, struct.pack("<I", self.done))
        g.notify(self.port)
        while struct.unpack("<I", g.read(ring + 8, 4))[0] != self.done:
            assert g.wait_event(self.port), "no answer"
        ident, _, status = struct.unpack("<QBxh", g.read(entry, 12))
        assert (ident, status) == (999 + self.done, 0), (ident, status)

    def read(self):
        out = b""
        for sector in range(0, self.sectors, 8):
            self.request(READ, sector)
            out += self.guest.read(DATA * PAGE_SIZE, PAGE_SIZE)
        return out

    def write(self, data):
        for at in range(0, len(data), PAGE_SIZE):
            self.guest.write(DATA * PAGE_SIZE, data[at:at + PAGE_SIZE])
            self.request(WRITE, at // SECTOR)
        self.request(FLUSH, 0, segments=0)


def img(*words):
    subprocess.run([QEMU / "qemu-img", *words], env=dict(os.environ, LD_LIBRARY_PATH=str(QEMU / "lib")), check=True)


def real_qemu(folder):
    """In the place of what usually plays it, and like that it tells of its start."""
    if not QEMU.exists():
        raise tap.Skip("no qemu-root: run scripts/qemu-root.sh")
    (folder / "qemu").write_text(f'#!/bin/sh\necho "$$ $*" >>{folder}/qemu.started\nexport LD_LIBRARY_PATH={QEMU}/lib LD_PRELOAD={(tap.BUILD / "sim/qemu_preload.so").resolve()}\n'
                                 f'exec {QEMU}/xen-qemu-system-i386 "$@"\n')


def world():
    """QEMU instead of the hands at the back end of the first domain's first disk."""
    w = Lives()
    try:
        real_qemu(w.folder)
        w.store.write("/local/domain/0/domid", "0")
        w.hands.wedged.add("/local/domain/0/backend/qdisk/1/51712")
    except BaseException:
        w.close()
        raise
    return w


def serves(word, kind, *options):
    """What is in an image is read, what is written is there afterwards, whatever becomes of hospesd meanwhile."""
    with world() as w:
        before, after = os.urandom(16 * PAGE_SIZE), os.urandom(16 * PAGE_SIZE)
        plain, image = w.folder / "disks/plain", w.folder / "disks/image"
        plain.write_bytes(before)
        img("convert", "-O", kind, *options, plain, image)
        c = w.config("web", disks=1)
        c["disks"][0].update(pdev_path=str(image), format=word)
        domid = w.call("domain.create", config=c, file="web.cfg", paused=True)["domid"]
        disk = Disk(w.attach(domid), w.store, 51712)
        assert disk.read()[:len(before)] == before
        w.hospesd.kill(signal.SIGKILL)
        w.start()
        disk.write(after)
        assert disk.read()[:len(after)] == after
        w.call("domain.destroy", domain="web")
        assert not w.leftovers(), w.leftovers()
        img("convert", "-f", kind, "-O", "raw", image, plain)
        assert plain.read_bytes()[:len(after)] == after


def test_qcow2():
    serves("qcow2", "qcow2")


def test_vhd():
    serves("vhd", "vpc", "-o", "force_size=on")


class DriverImage:
    """An image that a driver domain serves to a new guest: .disk, .back, and what was in it, .content."""

    def __init__(self, w):
        self.w, self.guest = w, w.guest()
        domid = self.guest.domid
        plain, image = w.folder / f"disks/plain{domid}", w.folder / f"disks/image{domid}.qcow2"
        self.content = os.urandom(4 * PAGE_SIZE)
        plain.write_bytes(self.content)
        img("convert", "-O", "qcow2", plain, image)
        self.back, self.front = w.back("qdisk", domid, 51712), f"/local/domain/{domid}/device/vbd/51712"
        for name, value in (("backend", self.back), ("backend-id", 0), ("virtual-device", 51712), ("device-type", "disk"), ("state", 1)):
            w.store.write(f"{self.front}/{name}", value)
        w.publish("qdisk", domid, 51712, **{"frontend": self.front, "frontend-id": domid, "params": f"qcow2:{image}", "dev": "xvda", "device-type": "disk",
                                            "removable": 0, "bootable": 1, "type": "qdisk"})
        w.store.wait_for(self.back + "/state", "2")
        self.disk = Disk(self.guest, w.store, 51712)

    def check(self):
        assert self.disk.read()[:len(self.content)] == self.content

    def remove(self):
        """As hospesd asks for it."""
        tx = self.w.store.transaction()
        self.w.store.write(self.back + "/online", 0, tx)
        self.w.store.write(self.back + "/state", 5, tx)
        self.w.store.rm(self.front, tx)
        self.w.store.commit(tx)
        self.w.store.wait_for(self.back, None)


def test_in_a_driver_domain():
    """xl devd has it started there; the image goes with its nodes, and QEMU with the image."""
    with DriverDomain() as w:
        real_qemu(w.host)
        image = DriverImage(w)
        image.check()
        w.again()
        image.check()
        image.remove()
        w.no_qemu()


def test_one_does_not_end():
    """Another domain's image is served in the driver domain while the QEMU of one whose nodes were taken away refuses to end."""
    with DriverDomain(AN_HOUR) as w:
        real_qemu(w.host)
        wedged = DriverImage(w)
        wedged.check()
        number = int(w.started.read_text().split()[0])
        stop(number)
        w.store.rm(wedged.back)
        other = DriverImage(w)
        other.check()
        other.remove()
        assert is_stopped(number)
        os.kill(number, signal.SIGCONT)
        w.no_qemu()


def test_not_in_that_format():
    """QEMU's refusal is in its log. The domain may be given up meanwhile."""
    with world() as w:
        w.again("qemu=3600000", "backend=300")
        c = w.config("web", disks=1)
        c["disks"][0]["format"] = "qcow2"
        asked = w.rpc.send("domain.create", config=c, file="web.cfg", paused=True)
        log, end = w.folder / "log/qemu-dm-web.log", time.time() + PATIENCE
        while not log.exists() or "not in qcow2 format" not in log.read_text():
            assert time.time() < end, "nothing is in the log"
            time.sleep(0.05)
        w.call("domain.destroy", domain="web")
        try:
            w.rpc.wait(asked)
        except Problem as p:
            assert p.data["code"] == "domain-destroyed", p.data
        else:
            raise AssertionError("it was created")
        assert not w.leftovers(), w.leftovers()


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
