#!/usr/bin/env python3
"""Disks that QEMU serves: records as libxl's, no loop device, nobody else's file meanwhile, and an end that leaves nothing."""
import signal
import sys

import tap
from lives import Lives, Problem


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
    """No QEMU in domain 0: it says which service to start."""
    with Lives() as w:
        w.again("backend=300")
        w.hands.wedged.add("*")
        try:
            create(w, config(w, "web"))
        except Problem as p:
            assert p.data["code"] == "no-backend" and "xen-qemu-dom0-disk-backend" in p.data["next"], p.data
        else:
            raise AssertionError("it was created")
        assert not w.leftovers(), w.leftovers()


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
