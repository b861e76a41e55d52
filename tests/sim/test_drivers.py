#!/usr/bin/env python3
"""Back ends in a driver domain: its records, and its death and next life under front ends that go on."""
import signal
import sys
import threading

import tap
from lives import Lives, Problem
from sim import REBOOT
from world import Store


def backs(w, domid):
    return w.store.tree(f"/local/domain/{domid}/backend")


class Drivers(Lives):
    """A driver domain "drv", and "web" whose disk and interface it serves; the test is the drivers on both sides."""

    def __init__(self):
        super().__init__()
        self.drv = self.driver()
        self.served = self.serve()

    def driver(self):
        return self.create("drv", on_reboot="restart")["domid"]

    def serve(self):
        c = self.config("web", disks=1, nics=1)
        for d in (*c["disks"], *c["nics"]):
            d["backend_domname"] = "drv"
        asked = self.rpc.send("domain.create", config=c, file="web.cfg", paused=False)
        self.store.watch(f"/local/domain/{self.drv}", "drv")
        self.notice()
        return self.rpc.wait(asked)["domid"]

    def paths(self, of=None):
        web = of or getattr(self, "served", None)
        return [f"/local/domain/{self.drv}/backend/{kind}/{web}/{dev}" for kind, dev in (("vbd", 51712), ("vif", 0))]

    def notice(self):
        """The back ends' kernel and its devd, once for each device that comes."""
        seen = set()
        while len(seen) < 2:
            for kind in ("vbd", "vif"):
                for web in self.store.list(f"/local/domain/{self.drv}/backend/{kind}"):
                    for dev in self.store.list(f"/local/domain/{self.drv}/backend/{kind}/{web}"):
                        path = f"/local/domain/{self.drv}/backend/{kind}/{web}/{dev}"
                        if path not in seen and self.store.read(path + "/state") == "1":
                            self.store.write(path + "/state", "2")
                            seen.add(path)
            if len(seen) < 2:
                self.store.event()

    def end(self):
        """"web" is destroyed; its back ends let go."""
        asked = self.rpc.send("domain.destroy", domain="web")
        for path in self.paths():
            if self.store.read(path + "/state") is not None:
                self.store.wait_for(path + "/online", "0")
                self.store.write(path + "/state", "6")
        self.rpc.wait(asked)

    def connect(self):
        """What front ends write when they connect."""
        for path in self.paths():
            front = self.store.read(path + "/frontend")
            tx = self.store.transaction()
            for name, value in (("ring-ref", 8), ("event-channel", 9), ("queue-0/tx-ring-ref", 10), ("state", 4)):
                self.store.write(f"{front}/{name}", value, tx)
            self.store.commit(tx)
            self.store.write(path + "/state", "4")


def test_records():
    """All of it below the driver domain's own directory, which it may write, the guest may read; nothing of the host is touched."""
    with Drivers() as w:
        assert not w.loops() and not w.ports()
        for path in w.paths():
            front = w.store.read(path + "/frontend")
            assert w.store.perms(path)[0] == f"n{w.drv}" and f"r{w.served}" in w.store.perms(path)
            assert w.store.perms(front) == [f"n{w.served}", f"r{w.drv}"]
            assert w.store.read(front + "/backend-id") == str(w.drv) and w.store.read(front + "/backend") == path
            assert w.store.read(path + "/hotplug-status") in (None, "")


def again(w, how):
    """The driver domain ends and has its next life; front ends do nothing."""
    before = {p: w.store.tree(p) for p in w.paths()}
    fronts = {p: w.store.tree(w.store.read(p + "/frontend")) for p in w.paths()}
    how()
    for p, old in before.items():
        new = w.store.tree(p)
        assert new == {**{k: v for k, v in old.items() if k in new}, "/state": "1"}, (old, new)
        assert {"/frontend", "/online", "/script", "/frontend-id"} <= set(new), new
        assert w.store.perms(p)[0] == f"n{w.drv}"
        front = w.store.read(p + "/frontend")
        assert w.store.tree(front) == fronts[p]
        drv = w.attach(w.drv).store
        # The new life may read what the front end wrote for the last one.
        assert drv.read(front + "/queue-0/tx-ring-ref") == "10" and drv.read(front + "/state") == "4"
        drv.write(p + "/state", "2")


def test_next_life():
    with Drivers() as w:
        w.connect()

        def destroyed():
            w.call("domain.destroy", domain="drv")
            assert not backs(w, w.drv)
            assert w.driver() == w.drv

        def rebooted():
            w.rpc.events.clear()
            w.sim.shutdown(w.drv, REBOOT)
            w.event("created", w.drv)
            w.event("unpaused", w.drv)

        again(w, destroyed)
        w.connect()
        again(w, rebooted)
        w.connect()
        # A later daemon knows of it too.
        w.hospesd.kill(signal.SIGKILL)
        w.start()
        again(w, destroyed)
        w.end()
        w.call("domain.destroy", domain="drv")
        assert set(w.leftovers()) <= {"hospes"}, w.leftovers()


def test_restless_guest():
    """A guest that makes and removes nodes without end where its front ends write keeps no driver domain from its next life."""
    with Drivers() as w:
        w.connect()
        stop = threading.Event()

        def restless():
            s = Store(w.env["XENSTORED_PATH"])
            front = s.read(w.paths()[0] + "/frontend")
            while not stop.is_set():
                for i in range(8):
                    s.write(f"{front}/restless/{i}/{i}", "x")
                s.rm(f"{front}/restless")
            s.close()
        guest = threading.Thread(target=restless)
        guest.start()
        try:
            for _ in range(8):
                w.call("domain.destroy", domain="drv")
                assert w.driver() == w.drv
                assert all(w.store.tree(p)["/state"] == "1" for p in w.paths())
        finally:
            stop.set()
            guest.join()
        w.end()


def test_others_get_other_numbers():
    """Nobody else gets the number of a driver domain that may come back; one that serves nobody any more is an ordinary domain."""
    with Drivers() as w:
        w.connect()
        w.call("domain.destroy", domain="drv")
        assert w.create("other")["domid"] != w.drv
        w.end()
        assert w.driver() == w.drv
        assert not backs(w, w.drv)
        assert w.store.list("/hospes/drivers") == []
        w.call("domain.destroy", domain="drv")
        assert w.driver() != w.drv


def test_no_such_domain():
    with Lives() as w:
        c = w.config("web", disks=1)
        c["disks"][0]["backend_domname"] = "nosuch"
        try:
            w.call("domain.create", config=c, file="web.cfg", paused=False)
        except Problem as p:
            assert p.data["code"] == "no-such-domain", p
        else:
            raise AssertionError("it was created")


def test_images():
    """An image that the kernel does not know is left to the QEMU of the driver domain, whose devd starts it: there is none here."""
    with Lives() as w:
        drv = w.create("drv")["domid"]
        c = w.config("web", disks=1)
        c["disks"][0].update(backend_domname="drv", format="qcow2", pdev_path="/srv/there.qcow2")
        asked = w.rpc.send("domain.create", config=c, file="web.cfg", paused=False)
        path = f"/local/domain/{drv}/backend/qdisk/{drv + 1}/51712"
        w.store.wait_for(path + "/state", "1")
        w.store.write(path + "/state", "2")
        web = w.rpc.wait(asked)["domid"]
        assert w.store.read(path + "/params") == "qcow2:/srv/there.qcow2" and w.store.perms(path)[0] == f"n{drv}"
        assert w.store.read(f"/local/domain/{web}/device/vbd/51712/backend") == path
        assert not w.started.read_text()
        asked = w.rpc.send("domain.destroy", domain="web")
        w.store.wait_for(path + "/online", "0")
        w.store.write(path + "/state", "6")
        w.rpc.wait(asked)


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
