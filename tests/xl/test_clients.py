#!/usr/bin/env python3
"""Programs that drive xl, as Debian has them: Pacemaker's agent ocf:heartbeat:Xen, and Ganeti's hypervisor module."""
import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
import threading
import unittest.mock

import xl_lab
from sim import CRASH, POWEROFF, REBOOT
from xl_lab import BUILD, XL, XlWorld, good

CLIENTS = (BUILD / "images/xl-clients").resolve()
RUNNING, STOPPED = 0, 7  # of OCF


def obey(w, domid, word="poweroff", code=POWEROFF):
    """What a guest's kernel does with the word."""
    path = f"/local/domain/{domid}/control/shutdown"
    w.store.wait_for(path, word)
    w.store.write(path, "")
    w.sim.shutdown(domid, code)


class Agent:
    """The script, its time running as fast as it can: what it sleeps for is another's doing, which is waited for elsewhere."""

    def __init__(self, w, name, file):
        bin = w.folder / "bin"
        bin.mkdir(exist_ok=True)
        for program, text in (("sleep", "exit 0"), ("crm_resource", "exit 1"), ("crm_attribute", "exit 1"), ("logger", "exit 0"),
                              ("xenstore-list", f"exec {(w.build / 'xenstore-list').resolve()} \"$@\"")):
            (bin / program).write_text(f"#!/bin/sh\n{text}\n")
            (bin / program).chmod(0o755)
        (bin / "xl").unlink(missing_ok=True)
        (bin / "xl").symlink_to(XL)
        self.env = dict(w.env, PATH=f"{bin}:{os.environ['PATH']}", OCF_ROOT=str(CLIENTS / "usr/lib/ocf"), OCF_RESKEY_xmfile=str(file),
                        OCF_FUNCTIONS_DIR=str(CLIENTS / "usr/lib/ocf/lib/heartbeat"), OCF_RESKEY_name=name, OCF_RESOURCE_INSTANCE=name,
                        OCF_RESOURCE_TYPE="Xen", OCF_RESOURCE_PROVIDER="heartbeat", OCF_RESKEY_shutdown_timeout="100000",
                        OCF_RESKEY_CRM_meta_interval="10000", HA_LOGFACILITY="none", HA_RSCTMP=str(w.folder), HA_VARRUN=str(w.folder))

    def start(self, action):
        return subprocess.Popen(["sh", str(CLIENTS / "usr/lib/ocf/resource.d/heartbeat/Xen"), action], env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, action):
        p = self.start(action)
        out, err = p.communicate(timeout=100)
        self.said = f"{action}: {p.returncode}\n{out}{err}"
        return p.returncode


def test_pacemaker():
    with XlWorld() as w:
        agent = Agent(w, "vm1", w.file("other"))
        assert agent.run("meta-data") == 0 and agent.run("validate-all") == 0, agent.said
        assert agent.run("monitor") == STOPPED, agent.said
        assert agent.run("start") == 0, agent.said  # xl create FILE name="vm1", quotes and all
        assert w.xl("domid", "vm1").stdout == "1\n" and w.xl("domid", "other").returncode == 1
        assert agent.run("monitor") == RUNNING, agent.said
        assert agent.run("start") == 0, agent.said  # again: it runs already
        assert w.domains() == 2
        stop = agent.start("stop")
        obey(w, 1)
        out, err = stop.communicate(timeout=100)
        assert stop.returncode == 0, out + err
        assert agent.run("monitor") == STOPPED and not w.leftovers(), (agent.said, w.leftovers())
        assert agent.run("stop") == 0, agent.said  # of one that is gone: a destroy that fails quickly and harmlessly
        # The same with memory managed by the agent: it reads xl info and the list, and writes into the file.
        agent.env.update(OCF_RESKEY_allow_mem_management="1", OCF_RESKEY_reserved_Dom0_memory="496")
        (w.folder / "other.cfg").write_text((w.folder / "other.cfg").read_text().replace("memory = ", "memory="))
        total = int(next(line.split()[2] for line in good(w.xl("info")).split("\n") if line.startswith("total_memory")))
        assert agent.run("start") == 0, agent.said
        assert f"memory={total - 496}" in (w.folder / "other.cfg").read_text()
        assert w.store.read("/local/domain/2/memory/target") == str((total - 496) << 10), agent.said


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """What Ganeti imports and hv_xen does not use."""

    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("OpenSSL", "pycurl", "simplejson", "pyparsing", "pyinotify", "bitarray", "psutil", "paramiko", "affinity", "google") or name == "ganeti.hypervisor.hv_kvm":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = unittest.mock.MagicMock(name=spec.name)
        module.__path__ = []
        module.__spec__ = spec
        return module

    def exec_module(self, module):
        pass


def ganeti(w):
    """Its module for PV hypervisors, on xl, with its files below the test's folder; and an instance."""
    if not any(isinstance(f, Absent) for f in sys.meta_path):
        sys.meta_path.insert(0, Absent())
        sys.path.insert(0, str(CLIENTS / "usr/share/ganeti/3.0"))
    from ganeti import constants, objects
    from ganeti.hypervisor import hv_xen
    cls = hv_xen.XenPvmHypervisor
    root = w.folder / "ganeti"
    for d in (root, root / "nic", root / "migration", root / "cfg"):
        d.mkdir(exist_ok=True)
    cls._ROOT_DIR, cls._NICS_DIR, cls._MIGRATION_DIR = str(root), str(root / "nic"), str(root / "migration")
    cls._DIRS = [cls._ROOT_DIR, cls._NICS_DIR, cls._MIGRATION_DIR]
    cls._INSTANCE_LIST_DELAYS, cls._INSTANCE_LIST_TIMEOUT = (0.01, 1.0, 0.01), 5
    cls.REBOOT_RETRY_INTERVAL = 0.01
    cls.REBOOT_RETRY_COUNT = 6000
    os.environ.update(w.env)
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin/xl").symlink_to(XL)
    os.environ["PATH"] = f"{root}/bin:{os.environ['PATH']}"
    hv = cls(_cfgdir=str(root / "cfg"), _cmd="xl")
    hvp = dict(constants.HVC_DEFAULTS[constants.HT_XEN_PVM], kernel_path=str(w.kernel), initrd_path="", root_path="/dev/xvda1", kernel_args="ro",
               use_bootloader=False, xen_cmd="xl")
    nic = objects.NIC(mac="00:16:3e:00:00:07", nicparams={"mode": "bridged", "link": "br0", "vlan": ""}, ip=None, name=None, network=None, netinfo=None)
    inst = objects.Instance(name="inst1.test", hypervisor="xen-pvm", hvparams=hvp, nics=[nic], tags=[],
                            beparams={"memory": 4, "minmem": 4, "maxmem": 4, "vcpus": 1, "always_failover": False})
    return hv, inst, hvp


def test_ganeti():
    with XlWorld() as w:
        hv, inst, hvp = ganeti(w)
        assert hv.Verify(hvparams=hvp) is None, hv.Verify(hvparams=hvp)
        node = hv.GetNodeInfo(hvparams=hvp)
        assert node["memory_total"] == 508 and node["cpu_total"] == 4 and node["memory_dom0"] == 32 and node["hv_version"] == (4, 17), node
        assert hv.ListInstances(hvparams=hvp) == []
        disk = w.folder / "disks/inst1"
        disk.write_bytes(bytes(4096))
        blocks = [(unittest.mock.Mock(mode="rw", dev_type="file", logical_id=("loop", str(disk))), str(disk), None)]
        hv.StartInstance(inst, blocks, False)
        domid = int(good(w.xl("domid", inst.name)))
        info = hv.GetInstanceInfo(inst.name, hvparams=hvp)
        assert tuple(info[:3]) == (inst.name, domid, 4), info
        assert hv.ListInstances(hvparams=hvp) == [inst.name]
        hv.BalloonInstanceMemory(inst, 3)
        assert w.store.read(f"/local/domain/{domid}/memory/target") == "3072"
        # Reboot: it looks until there is a new id.
        thread = threading.Thread(target=obey, args=(w, domid, "reboot", REBOOT))
        thread.start()
        hv.RebootInstance(inst)
        thread.join()
        domid = int(good(w.xl("domid", inst.name)))
        # Stop: on_poweroff is preserve, so it stays in the list, shut down, until Ganeti destroys it.
        seen = []
        thread = threading.Thread(target=lambda: (obey(w, domid), seen.append(w.xl("list").stdout)))
        thread.start()
        hv.StopInstance(inst)
        thread.join()
        assert hv.ListInstances(hvparams=hvp) == [] and not w.leftovers(), w.leftovers()
        # One that shuts itself down is listed so.
        hv.StartInstance(inst, blocks, True)
        domid = int(good(w.xl("domid", inst.name)))
        assert "--p---" in w.xl("list", inst.name).stdout
        good(w.xl("unpause", inst.name))
        w.sim.shutdown(domid, POWEROFF)
        w.event("shutdown", domid)
        from ganeti.hypervisor import hv_base
        assert hv.GetInstanceInfo(inst.name, hvparams=hvp)[4] == hv_base.HvInstanceState.SHUTDOWN
        hv.StopInstance(inst, force=True)
        assert not w.leftovers(), w.leftovers()


def test_ganeti_reads_all_states():
    """No state a domain may be in makes the whole host unreadable for Ganeti."""
    with XlWorld(hands=False) as w:
        hv, inst, hvp = ganeti(w)
        for i, end in enumerate((None, POWEROFF, CRASH)):
            g = w.named(f"d{i}")
            if end is not None:
                g.shutdown(end)
        good(w.xl("pause", "d0"))
        assert hv.ListInstances(hvparams=hvp) == ["d0"], good(w.xl("list"))
        assert {i[0] for i in hv.GetAllInstancesInfo(hvparams=hvp)} == {"d0", "d1"}
        r = w.xl("create", w.file("a b"))
        assert r.returncode == 1 and "(bad-name)" in r.stderr, r


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
