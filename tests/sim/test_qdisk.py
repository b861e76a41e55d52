#!/usr/bin/env python3
"""Disks that QEMU serves: records as libxl's, no loop device, nobody else's file meanwhile, and an end that leaves nothing."""
import os
import signal
import sys
import time

import tap
from lives import Lives, Problem
from qemus import served, serving, stop
from sim import PATIENCE


def config(w, name, fmt="qcow2", **more):
    c = w.config(name, disks=1)
    c["disks"][0].update(format=fmt, **more)
    return c


def back(domid):
    return f"/local/domain/0/backend/qdisk/{domid}/51712"


def create(w, c):
    return w.call("domain.create", config=c, file="a.cfg", paused=False)["domid"]


def test_records():
    """Node by node what libxl 4.17 writes for backendtype=qdisk."""
    with Lives() as w:
        for fmt, word, more in (("qcow2", "qcow2", {}), ("vhd", "vhd", {}), ("raw", "aio", {"backend": "qdisk"})):
            name = f"web-{fmt}"
            d = create(w, config(w, name, fmt, **more))
            nodes = w.store.tree(back(d))
            played = {"/feature-played": "1", "/state": "4"}  # the test's QEMU
            assert nodes == {"/frontend": f"/local/domain/{d}/device/vbd/51712", "/params": f"{word}:{w.folder}/disks/{name}0", "/frontend-id": str(d), "/online": "1",
                             "/removable": "0", "/bootable": "1", "/dev": "xvda", "/type": "qdisk", "/mode": "w", "/device-type": "disk", "/discard-enable": "1",
                             "/specification": "xen", **played}, nodes
            front = w.store.tree(f"/local/domain/{d}/device/vbd/51712")
            assert front["/backend"] == back(d) and front["/virtual-device"] == "51712", front
            record = w.store.tree(f"/libxl/{d}/device/vbd/51712")
            assert record["/backend"] == back(d) and record["/type"] == "qdisk" and "/script" not in record, record
            assert not w.loops()
        listed = w.call("device.list", domain="web-qcow2", kind="disk")
        assert listed[0]["devid"] == 51712, listed
        for fmt in ("qcow2", "vhd", "raw"):
            w.call("domain.destroy", domain=f"web-{fmt}")
        assert not w.leftovers(), w.leftovers()


def test_attach_and_detach():
    with Lives() as w:
        w.create("web")
        image = w.folder / "disks" / "more"
        image.write_bytes(bytes(4096))
        disk = {"pdev_path": str(image), "vdev": "xvdb", "format": "qcow2", "readwrite": 1}
        done = w.call("device.attach", domain="web", kind="disk", config=disk)
        assert done["connected"] and done["backend_path"].startswith("/local/domain/0/backend/qdisk/"), done
        w.call("device.detach", domain="web", kind="disk", vdev="xvdb")
        assert w.store.read(done["backend_path"] + "/state") is None
        w.call("domain.destroy", domain="web")
        assert not w.leftovers(), w.leftovers()


def test_not_shared():
    """Of one image only one writer, whoever serves it, also after hospesd has been killed."""
    with Lives() as w:
        create(w, config(w, "web"))
        again = config(w, "other", "raw")
        again["disks"][0]["pdev_path"] = str(w.folder / "disks" / "web0")
        for _ in range(2):
            try:
                create(w, again)
            except Problem as p:
                assert p.data["code"] == "disk-in-use", p.data
            else:
                raise AssertionError("two write one image")
            w.hospesd.kill(signal.SIGKILL)
            w.start()
        w.call("domain.destroy", domain="web")
        create(w, again)


def test_nobody_serves():
    """QEMU runs and takes no notice: its log is named."""
    with Lives() as w:
        w.again("qemu=300")
        w.hands.wedged.add("*")
        refused(w, "no-backend", "qemu-dm-")
        assert not w.leftovers(), w.leftovers()


def refused(w, code, advice):
    try:
        create(w, config(w, "web"))
    except Problem as p:
        assert p.data["code"] == code and advice in p.data["next"], p.data
    else:
        raise AssertionError("it was created")


def test_one_for_each_domain():
    """It serves all images of a domain, outlives hospesd, is known where libxl looks for it, and ends with the domain."""
    with Lives() as w:
        first, second = create(w, config(w, "web")), create(w, config(w, "other"))
        image = w.folder / "disks" / "more"
        image.write_bytes(bytes(4096))
        w.call("device.attach", domain="web", kind="disk", config={"pdev_path": str(image), "vdev": "xvdb", "format": "vhd", "readwrite": 1})
        before = served(w.started, [first, second])
        for domid, number in before.items():
            assert w.store.read(f"/local/domain/{domid}/image/device-model-pid") == str(number)
        assert all(words in w.started.read_text() for words in ("-xen-attach", "-M xenpv"))
        w.hospesd.kill(signal.SIGKILL)
        w.start()
        w.call("device.detach", domain="web", kind="disk", vdev="xvdb")
        w.call("device.attach", domain="web", kind="disk", config={"pdev_path": str(image), "vdev": "xvdc", "format": "qcow2", "readwrite": 1})
        assert serving(w.started) == before and len(w.started.read_text().splitlines()) == 2
        w.call("domain.destroy", domain="web")
        assert sorted(serving(w.started)) == [second]
        w.call("domain.destroy", domain="other")
        assert not serving(w.started) and not w.leftovers(), w.leftovers()


def test_none_without_images():
    with Lives() as w:
        w.create("web", disks=1, nics=1)
        w.call("domain.destroy", domain="web")
        assert not w.started.read_text()


def test_cannot_start():
    with Lives(options=["--qemu", "/nowhere/qemu"]) as w:
        refused(w, "no-qemu", "qemu-system-xen")
        assert not w.leftovers(), w.leftovers()


def test_only_read():
    """What QEMU would refuse a minute later."""
    with Lives() as w:
        try:
            create(w, config(w, "web", readwrite=0))
        except Problem as p:
            assert p.data["code"] == "read-only-image" and "raw" in p.data["next"], p.data
        else:
            raise AssertionError("it was created")
        assert not w.started.read_text() and not w.leftovers(), w.leftovers()


def test_ends_at_once():
    """Nobody waits for one that is gone, nor for what it would have let go of."""
    with Lives(options=["--wait", "qemu=3600000", "--wait", "backend=3600000"]) as w:
        w.hands.wedged.add("*")
        (w.folder / "qemu").write_text("#!/bin/sh\necho it has no license\nexit 1\n")
        refused(w, "qemu-ended", "qemu-dm-")
        assert (w.folder / "log/qemu-dm-web.log").read_text() == "it has no license\n"
        assert not w.leftovers(), w.leftovers()


def test_ends_under_a_domain():
    with Lives(options=["--wait", "backend=3600000"]) as w:
        domid = create(w, config(w, "web"))
        w.hands.wedged.add("*")
        os.kill(served(w.started, [domid])[domid], signal.SIGKILL)
        w.call("domain.destroy", domain="web")
        assert "has ended" in (w.folder / "log/xl-web.log").read_text()
        assert not w.leftovers(), w.leftovers()


def test_says_too_much():
    """A guest can have its QEMU complain without end: the log is cut, also by a daemon that did not start it."""
    with Lives() as w:
        domid = create(w, config(w, "web"))
        served(w.started, [domid])
        log = w.folder / "log/qemu-dm-web.log"
        for again in (False, True):
            if again:
                w.hospesd.kill()
                w.start()
            os.truncate(log, (1 << 20) + 1)
            end = time.time() + PATIENCE
            while log.stat().st_size > 1 << 20:
                assert time.time() < end, "the log stays as long as it is"
                time.sleep(0.1)
            assert log.read_text() == "(more than 1048576 bytes that were here are gone)\n"
        w.call("domain.destroy", domain="web")
        assert not w.leftovers(), w.leftovers()


def test_does_not_end():
    """One that does not go when it is asked to is killed."""
    with Lives() as w:
        domid = create(w, config(w, "web"))
        w.again("qemu=300")
        number = served(w.started, [domid])[domid]
        stop(number)
        w.call("domain.destroy", domain="web")
        assert not serving(w.started) and not w.leftovers(), w.leftovers()


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
