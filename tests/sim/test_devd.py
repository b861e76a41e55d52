#!/usr/bin/env python3
"""xl devd on the simulated hypervisor: the test is the toolstack, the back ends' drivers and, by a directory, the kernel of the driver domain."""
import os
import signal
import sys
import time

import tap
from qemus import fake_qemu, served, serving, stop
from sim import PATIENCE
from world import SimWorld

ROUNDS = 50
AN_HOUR = 3600 * 1000  # as milliseconds


class DriverDomain(SimWorld):
    """Domain 0 plays the driver domain: paths of its own begin at its place in the store."""

    HOME = "/local/domain/0"

    def __init__(self, end_ms=20000):
        """@end_ms: what a QEMU has for its end before it is killed."""
        super().__init__(tap.BUILD)
        self.host = self.folder / "host"
        for d in ("host/loop", "host/net/br0", "disks"):
            (self.folder / d).mkdir(parents=True)
        self.image = self.folder / "disks" / "image"
        self.image.write_bytes(bytes(4096))
        self.env.update(XL_DEVD_FAKE_HOST=str(self.host), XL_DEVD_FAKE_END_MS=str(end_ms), ASAN_OPTIONS="detect_leaks=0:exitcode=99")
        self.store.write(self.HOME + "/domid", "0")
        self.started = fake_qemu(self.host)
        self.devd = self.daemon("xl-san", "devd", "-F", notify=False)

    def back(self, kind, domid, devid):
        return f"{self.HOME}/backend/{kind}/{domid}/{devid}"

    def add(self, kind, domid, devid, **nodes):
        """As hospesd writes them, as far as a driver domain looks; the driver takes notice."""
        path = self.publish(kind, domid, devid, **nodes)
        self.store.write(path + "/state", "2")
        return path

    def publish(self, kind, domid, devid, **nodes):
        """Only what hospesd does."""
        path = self.back(kind, domid, devid)
        usual = {"bridge": "br0", "hotplug-status": ""} if kind == "vif" else {"params": self.image, "mode": "w", "type": "phy"}
        tx = self.store.transaction()
        for name, value in {"online": "1", "state": "1", **usual, **nodes}.items():
            self.store.write(f"{path}/{name}", value, tx)
        self.store.commit(tx)
        return path

    def plugged(self, path):
        self.store.wait_for(path + "/hotplug-status", "connected")

    def close_device(self, path):
        self.store.write(path + "/online", "0")
        self.store.write(path + "/state", "6")

    def remove(self, path):
        self.close_device(path)
        self.store.wait_for(path + "/state", None)

    def loops(self):
        return [p.name for p in (self.host / "loop").iterdir()]

    def ports(self):
        return [p.name for p in (self.host / "net/br0").iterdir()]

    def nothing_left(self):
        assert not self.loops() and not self.ports(), (self.loops(), self.ports())

    def seen(self):
        """Wait until devd has done what it does at once for all that happened until now: a disk of somebody else comes and goes."""
        disk = self.add("vbd", 99, 51712)
        self.plugged(disk)
        self.remove(disk)

    def no_qemu(self):
        """None runs, and its file is gone as well: that is the last that is done."""
        served(self.started, [])
        end = time.time() + PATIENCE
        while list(self.host.glob("xldevd.qemu-*")):
            assert time.time() < end, "its file is there"
            time.sleep(0.01)

    def again(self):
        self.devd.kill(signal.SIGKILL)
        self.devd.start()


def test_fifty_times():
    """A disk and an interface come and go; each time both are served, and nothing stays behind."""
    with DriverDomain() as w:
        for n in range(ROUNDS):
            disk, nic = w.add("vbd", n + 1, 51712), w.add("vif", n + 1, 0)
            w.plugged(disk)
            w.plugged(nic)
            assert len(w.loops()) == 1 and w.ports() == [f"vif{n + 1}.0"], (w.loops(), w.ports())
            assert w.store.read(disk + "/physical-device") == "7:0"
            assert w.store.read(disk + "/node") == "/dev/loop0"
            for path in (disk, nic) if n % 2 else (nic, disk):
                w.remove(path)
            w.nothing_left()
        w.devd.process.send_signal(signal.SIGTERM)
        assert w.devd.wait() == 0


def test_many_at_once():
    with DriverDomain() as w:
        paths = [w.add(kind, n, 51712 if kind == "vbd" else 0) for n in range(1, ROUNDS + 1) for kind in ("vbd", "vif")]
        for path in paths:
            w.plugged(path)
        assert len(w.loops()) == ROUNDS == len(w.ports())
        # The toolstack may take the nodes away by itself, and whole directories.
        for n in range(1, ROUNDS + 1):
            w.store.rm(f"{w.HOME}/backend/vbd/{n}")
            w.store.rm(f"{w.HOME}/backend/vif/{n}")
        last = w.add("vbd", 99, 51712)
        w.plugged(last)
        w.remove(last)
        w.nothing_left()


def test_killed():
    """Its successor knows what is plugged, plugs what came meanwhile, and takes away what went."""
    with DriverDomain() as w:
        disk, nic = w.add("vbd", 1, 51712), w.add("vif", 1, 0)
        w.plugged(disk)
        w.plugged(nic)
        w.devd.kill()
        late = w.add("vbd", 2, 51712)
        w.close_device(disk)
        w.devd.start()
        w.plugged(late)
        w.store.wait_for(disk + "/state", None)
        assert len(w.loops()) == 1 and w.ports() == ["vif1.0"], (w.loops(), w.ports())
        w.again()
        w.remove(late)
        w.remove(nic)
        w.nothing_left()


def test_what_cannot_be_had():
    """No file, no bridge: the toolstack is told, and the next device is served."""
    with DriverDomain() as w:
        for path in (w.add("vbd", 1, 51712, params="/nonexistent"), w.add("vif", 1, 0, bridge="nosuch")):
            w.store.wait_for(path + "/hotplug-status", "error")
            assert w.store.read(path + "/hotplug-error")
            w.remove(path)
        good = w.add("vbd", 2, 51712)
        w.plugged(good)
        w.remove(good)
        w.nothing_left()


def test_scripts():
    with DriverDomain() as w:
        log, script = w.folder / "ran", w.folder / "block-mine"
        script.write_text(f"#!/bin/sh\necho \"$1 $XENBUS_PATH\" >>{log}\n"
                          "[ \"$1\" = remove ] || xenstore-write $XENBUS_PATH/physical-device 7:7 $XENBUS_PATH/hotplug-status connected\n")
        script.chmod(0o755)
        disk = w.add("vbd", 1, 51712, script=script)
        w.plugged(disk)
        assert w.store.read(disk + "/physical-device") == "7:7"
        w.remove(disk)
        assert log.read_text().split("\n") == ["add backend/vbd/1/51712", "remove backend/vbd/1/51712", ""]
        bad = w.folder / "vif-bad"
        bad.write_text("#!/bin/sh\nxenstore-write $XENBUS_PATH/hotplug-error \"no way out of $netdev\"\nexit 3\n")
        bad.chmod(0o755)
        nic = w.add("vif", 1, 0, script=bad, gatewaydev="eth7")
        w.store.wait_for(nic + "/hotplug-status", "error")
        assert w.store.read(nic + "/hotplug-error") == "no way out of eth7"
        w.remove(nic)
        bad.write_text("#!/bin/sh\nexit 3\n")
        nic = w.add("vif", 1, 0, script=bad)
        w.store.wait_for(nic + "/hotplug-status", "error")
        assert w.store.read(nic + "/hotplug-error") == f"{bad} failed"
        w.remove(nic)


def test_images():
    """Those the kernel does not know: one QEMU for each domain they are for, from the first to the last of them; it lives on when devd is killed."""
    with DriverDomain() as w:
        one, two, other = w.add("qdisk", 1, 51712), w.add("qdisk", 1, 51728), w.add("qdisk", 2, 51712)
        before = served(w.started, [1, 2])
        w.again()
        w.remove(one)
        w.remove(other)
        assert served(w.started, [1]) == {1: before[1]}
        w.remove(two)
        w.no_qemu()
        assert len(w.started.read_text().splitlines()) == 2


def stopped_qemu(w):
    """One that was asked to end, for its domain's only image is closed, and cannot: the image, and its number."""
    image = w.add("qdisk", 1, 51712)
    number = served(w.started, [1])[1]
    stop(number)
    w.close_device(image)
    w.seen()
    return image, number


def test_qemu_does_not_end():
    """Others are served while one refuses to end, with disks and images; who waits for its image is not told yet that it is free."""
    with DriverDomain(AN_HOUR) as w:
        image, number = stopped_qemu(w)
        others = [w.add("vbd", 2, 51712), w.add("vif", 2, 0), w.add("qdisk", 3, 51712)]
        w.plugged(others[0])
        w.plugged(others[1])
        assert served(w.started, [1, 3])[1] == number
        w.remove(others[0])
        w.remove(others[1])
        w.nothing_left()
        w.remove(others[2])
        assert served(w.started, [1])[1] == number and w.store.read(image + "/state") == "6"
        os.kill(number, signal.SIGCONT)
        w.store.wait_for(image + "/state", None)
        w.no_qemu()


def test_qemu_is_killed():
    """One that has not ended when its time is over; the next devd does the same to one that it finds."""
    with DriverDomain(300) as w:
        image, _ = stopped_qemu(w)
        w.store.wait_for(image + "/state", None)
        w.no_qemu()
    with DriverDomain(AN_HOUR) as w:
        image, number = stopped_qemu(w)
        w.devd.kill()
        assert serving(w.started) == {1: number}
        w.devd.start({"XL_DEVD_FAKE_END_MS": "300"})
        w.store.wait_for(image + "/state", None)
        assert not serving(w.started), "its image was free before it had ended"
        w.no_qemu()


def test_image_comes_while_qemu_ends():
    """The one that is on its way out may have shut its ears: another serves the image, when it is gone."""
    with DriverDomain(AN_HOUR) as w:
        first, number = stopped_qemu(w)
        second = w.add("qdisk", 1, 51728)
        w.seen()
        assert serving(w.started) == {1: number} and len(w.started.read_text().splitlines()) == 1
        os.kill(number, signal.SIGCONT)
        w.store.wait_for(first + "/state", None)
        assert served(w.started, [1])[1] != number
        w.remove(second)
        w.no_qemu()
        assert len(w.started.read_text().splitlines()) == 2


def test_same_image_comes_while_qemu_ends():
    with DriverDomain(AN_HOUR) as w:
        image, number = stopped_qemu(w)
        w.add("qdisk", 1, 51712)
        w.seen()
        os.kill(number, signal.SIGCONT)
        end = time.time() + PATIENCE
        while len(w.started.read_text().splitlines()) < 2:
            assert time.time() < end, "it is not served"
            time.sleep(0.01)
        assert served(w.started, [1])[1] != number
        w.remove(image)
        w.no_qemu()


def test_qemu_ends_by_itself():
    """The toolstack is told at once; the image is tried again when it has gone and come."""
    with DriverDomain() as w:
        image = w.add("qdisk", 1, 51712)
        os.kill(served(w.started, [1])[1], signal.SIGKILL)
        w.store.wait_for(image + "/hotplug-status", "error")
        assert "QEMU" in w.store.read(image + "/hotplug-error")
        assert not list(w.host.glob("xldevd.qemu-*"))
        w.remove(image)
        w.add("qdisk", 1, 51712)
        served(w.started, [1])


def test_last_image_goes_unseen():
    with DriverDomain() as w:
        disk = w.add("qdisk", 1, 51712)
        served(w.started, [1])
        w.devd.kill()
        w.store.rm(disk)
        w.devd.start()
        served(w.started, [])


def test_no_qemu():
    with DriverDomain() as w:
        (w.host / "qemu").unlink()
        disk = w.add("qdisk", 1, 51712)
        w.store.wait_for(disk + "/hotplug-status", "error")
        assert "QEMU" in w.store.read(disk + "/hotplug-error")
        w.remove(disk)


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
