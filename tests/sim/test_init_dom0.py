#!/usr/bin/env python3
"""xen-init-dom0: the records Debian's 4.17 makes, once."""
import json
import sys

import tap
from sim import HC_domctl, HC_sysctl
from world import SimWorld

ZERO = "00000000-0000-0000-0000-000000000000"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
# As `cat` shows the file of Debian's on a PVH domain 0.
STUB = {"c_info": {"type": "pvh"}, "b_info": {"sched_params": {}, "type.pvh": {}, "arch_arm": {}, "arch_x86": {}}}


def records(world):
    found = {**{"/local/domain" + k: v for k, v in world.store.tree("/local/domain").items()},
             **{"/local/pool" + k: v for k, v in world.store.tree("/local/pool").items()}}
    return {k: v for k, v in found.items() if v}


def world():
    w = SimWorld(tap.BUILD)
    w.env["XEN_USERDATA_DIR"] = str(w.folder / "xen")
    return w


def test_records():
    with world() as w:
        assert w.run("xen-init-dom0").stdout == "Done setting up Dom0\n"
        wanted = {"/local/domain/0/domid": "0", "/local/domain/0/name": "Domain-0", "/local/pool/0/name": "Pool-0"}
        assert records(w) == wanted, records(w)
        files = list((w.folder / "xen").iterdir())
        assert [f.name for f in files] == [f"userdata-d.0.{ZERO}.libxl-json"]
        text = files[0].read_bytes()
        assert text.endswith(b"}\n\0") and json.loads(text[:-1])["c_info"] in ({"type": "pvh"}, {"type": "pv"})
        again = w.run("xen-init-dom0")
        assert again.stdout == "Dom0 is already set up\n" and records(w) == wanted


def test_uuid():
    with world() as w:
        w.run("xen-init-dom0", UUID)
        assert w.sim.domctl(0, 5)[76:92].hex() == UUID.replace("-", "")
        file = w.folder / "xen" / f"userdata-d.0.{UUID}.libxl-json"
        assert json.loads(file.read_bytes()[:-1])["c_info"]["uuid"] == UUID


def test_failures():
    """Whatever fails, the next run does it all."""
    with world() as w:
        for words, status in (((UUID, "x"), 1), (("x",), 1), ((UUID + "0",), 1)):
            assert w.run("xen-init-dom0", *words, check=False).returncode == status, words
        for nr in (HC_domctl, HC_sysctl):
            w.sim.fail_call(12, nr=nr)
            done = w.run("xen-init-dom0", check=False)
            assert done.returncode == 1 and "Cannot allocate memory" in done.stderr, done
            assert w.store.read("/local/domain/0/name") is None
        w.run("xen-init-dom0")
        assert w.store.read("/local/domain/0/name") == "Domain-0"


tap.main(sys.modules[__name__])
