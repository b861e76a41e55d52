#!/usr/bin/env python3
"""hospesd, or the store under it, or the console daemon beside it, is killed at each step of each operation, in a domain's creation, its running, changes of
its devices and its end: what was begun is finished or undone, and nothing is left."""
import os
import pathlib
import re
import shutil
import signal
import sys
import threading
import time

import tap
from lives import Hands, Lives, Problem
from sim import CRASH, PATIENCE, POWEROFF, REBOOT
from world import Store

CREATE = ["create." + s for s in ("pool", "check", "lock", "balloon", "note", "build", "built", "publish", "introduce", "console", "devices", "unpause", "unpaused", "done")] + [
    "plug.wait", "plug.hotplug"]
DESTROY = ["destroy." + s for s in ("note", "settle", "look", "pause", "close", "devices", "images", "kill", "erase", "gone")] + [
    "unplug.wait", "unplug.hotplug"]
FAIL = CREATE[:6] + ["create.forget"]
RESTART = [s.replace("destroy", "restart") for s in DESTROY] + CREATE
RENAME = ["rename-restart." + s for s in ("note", "rename", "handle")] + CREATE
ATTACH = ["attach." + s for s in ("check", "look", "prepare", "publish", "plug", "connect", "save")] + ["plug.wait", "plug.hotplug"]
DETACH = ["detach." + s for s in ("close", "wait", "erase", "save")] + ["unplug.wait", "unplug.hotplug"]


SHUTDOWN = ["shutdown." + s for s in ("ask", "taken", "down")]
CHANGE = ["change." + s for s in ("begin", "done")]
DUMP = ["dump.write"]


class Case:
    """One world for a whole test: between cases nothing may be left but the witness, a domain that must not notice anything."""

    def __init__(self, kill):
        self.kill = kill

    def __enter__(self):
        self.w = Lives(options=["--wait", "backend=20000", "--wait", "console=60000"], hands=False, start=False) if self.kill == "console" else Lives(
            options=["--wait", "backend=20000"])
        if self.kill == "console":
            self.consoled()
        self.w.create("warm", disks=1, nics=1)
        self.w.call("domain.destroy", domain="warm")
        self.witness = self.w.create("witness", disks=1, nics=1)
        self.before = self.state()
        return self

    def consoled(self):
        """The real console daemon instead of hands that play one."""
        w = self.w
        w.hands = Hands(w, consoles=False)
        w.consoled = w.daemon("xenconsoled", "-i", "--log=guest", "--log-dir", w.folder / "log", "--history-dir", w.folder / "history", "--socket", w.folder / "console.socket")
        w.start()

    def __exit__(self, *exc):
        self.w.__exit__(*exc)

    def state(self):
        kept = self.w.leftovers()
        return kept, self.w.sim.state()["domains"]

    def at(self, point, action, wait=True):
        """Do @action with a daemon (or a store) that is killed at @point; then with new ones wait until nothing is under way."""
        w = self.w
        w.hospesd.kill(signal.SIGTERM)
        if self.kill == "hospesd":
            w.start(HOSPESD_DIE_AT=point)
            self.quietly(action, wait)
            w.hospesd.wait()
            assert w.hospesd.process.returncode == -signal.SIGKILL, (point, w.hospesd.process.returncode)
            w.start()
        else:
            w.start(HOSPESD_STOP_AT=point)
            self.quietly(action, wait=False)
            pid = w.hospesd.process.pid
            assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]), point
            if self.kill == "console":
                w.consoled.kill()
                w.consoled.start()
            else:
                w.xenstored.kill()
                w.xenstored.start()
                w.reconnect()
            os.kill(pid, signal.SIGCONT)
        if wait:
            self.settle()
        flags, pages, code = w.sim.info(self.witness["domid"])
        assert not flags & 0xd and w.store.read(f"/local/domain/{self.witness['domid']}/name") == "witness", flags

    def quietly(self, action, wait=True):
        try:
            self.ask = action(self.w)
            if wait and isinstance(self.ask, int):
                self.w.rpc.wait(self.ask)
        except (Problem, ConnectionError, TimeoutError):
            pass

    def answer(self):
        """Of what was asked for last: None, or the problem's code."""
        try:
            self.w.rpc.wait(self.ask)
        except Problem as p:
            return p.data["code"]

    def settle(self):
        end = time.time() + PATIENCE
        while True:
            pending = self.w.call("daemon.status")["pending"]
            if not pending:
                return
            assert time.time() < end, pending

    def domain(self, name):
        """Its explanation if it lives, else None."""
        try:
            told = self.w.call("domain.explain", domain=name)
            return None if told["state"] in ("gone", "not made") else told
        except Problem:
            return None

    def whole(self, name):
        """A domain that is there is all there."""
        w, told = self.w, self.domain(name)
        id = told["domid"]
        s = w.store
        assert told["state"] == "running", told
        assert s.read(f"/hospes/{id}/operation") is None and s.list(f"/hospes/{id}/device") == [], told
        assert s.read(f"/local/domain/{id}/console/tty"), told
        assert s.read(f"/local/domain/0/backend/vif/{id}/0/hotplug-status") == "connected"
        assert f"vif{id}.0" in w.ports()
        node = s.read(f"/local/domain/0/backend/vbd/{id}/51712/node")
        assert node and node.removeprefix("/dev/loop") in w.loops(), (node, w.loops())
        assert w.call("domain.config", domain=name)["c_info"]["name"] == name
        assert len(w.call("domain.config", domain=name)["disks"]) == len(s.list(f"/libxl/{id}/device/vbd"))
        return id

    def clean(self, *names):
        for n in names:
            if self.domain(n):
                self.w.call("domain.destroy", domain=n)
        assert self.state() == self.before, (self.state(), self.before)


def creations(kill):
    with Case(kill) as c:
        for point in CREATE:
            c.at(point, lambda w: w.rpc.send("domain.create", config=w.config("new", disks=1, nics=1)))
            there = c.domain("new")
            if there:
                c.whole("new")
            elif kill != "hospesd":
                raise AssertionError(f"{point}: a {kill} that comes back is no reason to give up")
            c.clean("new")


def test_create_hospesd_killed():
    creations("hospesd")


def test_create_store_killed():
    creations("store")


def failures(kill):
    """A creation that comes to nothing once it was noted."""
    with Case(kill) as c:
        bad = c.w.folder / "no-kernel"
        bad.write_bytes(bytes(4096))
        for point in FAIL:
            def create(w):
                config = w.config("new", disks=1, nics=1)
                config["b_info"]["kernel"] = str(bad)
                return w.rpc.send("domain.create", config=config)
            c.at(point, create, wait=kill == "hospesd")
            told = c.answer() if kill != "hospesd" else None
            assert told == (None if kill == "hospesd" else "kernel-format"), (point, told)
            c.settle()
            c.clean("new")


def test_failure_hospesd_killed():
    failures("hospesd")


def test_failure_store_killed():
    failures("store")


def test_killed_before_the_record():
    """The configuration lies on the disk and nothing else tells of it yet: not of a new domain, nor of the name and UUID of one that is kept."""
    with Case("hospesd") as c:
        w, point = c.w, "userdata.written"
        c.at(point, lambda w: w.rpc.send("domain.create", config=w.config("new", disks=1, nics=1)))
        assert c.domain("new") is None
        c.clean()
        d = w.create("new", disks=1, nics=1, on_reboot="restart")
        c.at(point, lambda w: w.sim.shutdown(d["domid"], REBOOT))
        assert c.whole("new") != d["domid"]
        c.clean("new")
        d = w.create("new", disks=1, nics=1, on_crash="restart_rename")
        c.at(point, lambda w: w.sim.shutdown(d["domid"], CRASH))
        assert c.whole("new") != d["domid"]
        c.clean("new", w.store.read(f"/local/domain/{d['domid']}/name"))


def test_files_of_nobody():
    """Configurations whose domains are no more go when hospesd comes; those of living domains stay, whoever made them, and so does all else."""
    with Case("hospesd") as c:
        w, uuid = c.w, "01234567-89ab-4cde-8f01-23456789abcd"
        other = w.sim.guest().domid  # as another toolstack makes one
        lib = w.folder / "lib"
        stay = [f"userdata-{kind}.{other}.{uuid}.{name}" for kind, name in (("d", "libxl-json"), ("l", "domain-userdata-lock"))]
        stay += [f"userdata-d.0.{uuid}.libxl-json", f"userdata-d.{c.witness['domid']}.{uuid}.libxl-json", f"userdata-d.999.{uuid}", "userdata-d.999.x.libxl-json",
                 f"userdata-d.x.{uuid}.libxl-json", f"other-d.999.{uuid}.libxl-json"]
        go = [f"userdata-{kind}.{id}.{uuid}.{name}" for id in (999, other + 1) for kind, name in
              (("d", "libxl-json"), ("d", "libxl-json.new"), ("l", "domain-userdata-lock"))]
        kept = {p.name for p in lib.iterdir()}
        for name in stay + go:
            (lib / name).write_text("{}")
        w.hospesd.kill()
        w.start()
        c.settle()
        assert {p.name for p in lib.iterdir()} == kept | set(stay), sorted(p.name for p in lib.iterdir())


def test_create_console_killed():
    creations("console")


def test_every_step_is_tried():
    """The lists above name all steps that the sources have."""
    tried = set(CREATE + FAIL + DESTROY + RESTART + RENAME + ATTACH + DETACH + SHUTDOWN + CHANGE + DUMP)
    found = set()
    for path in (pathlib.Path(__file__).resolve().parents[2] / "tools/hospesd").glob("*.c"):
        text = path.read_text()
        tables = {m[1]: re.findall(r'{ "([a-z]+)", ', m[2]) for m in re.finditer(r"op_step (\w+)\[\] = {(.*?)};", text, re.S)}
        for m in re.finditer(r'(?:\.name = |op_type \w+ = { )"([a-z-]+)",\s*(?:\.steps = )?(\w+)', text):
            found.update(f"{m[1]}.{step}" for step in tables[m[2]])
        found.update(f"{m[1]}.{m[2]}" for m in re.finditer(r'op_die_here\("([a-z]+)", "([a-z]+)"\)', text) if m[1] != "userdata")  # test_killed_before_the_record
    assert len(found) > 50 and found == tried, (found - tried, tried - found)


def runs(kill):
    """A domain that runs is renamed, then asked to shut down, and obeys."""
    with Case(kill) as c:
        w = c.w
        for point in CHANGE:
            d = c.w.create("old", disks=1, nics=1)
            c.at(point, lambda w: w.rpc.send("domain.rename", domain="old", name="new"))
            told = c.answer() if kill != "hospesd" else None
            name = w.store.read(f"/local/domain/{d['domid']}/name")
            assert name == "new" or (name == "old" and (told or kill == "hospesd")), (point, name, told)
            assert told is None or (kill, told) == ("store", "no-store"), (point, told)
            assert w.store.read(f"/vm/{d['uuid']}/name") == name == w.store.read(f"/hospes/{d['domid']}/name"), point
            c.whole(name)
            c.clean(name)
        for point in SHUTDOWN:
            d = c.w.create("tired", disks=1, nics=1, on_poweroff="destroy")
            word = f"/local/domain/{d['domid']}/control/shutdown"
            obeys = threading.Thread(target=obey, args=(w, d["domid"], word, point == "shutdown.down"))
            obeys.start()
            c.at(point, lambda w: w.rpc.send("domain.shutdown", domain="tired", wait=True), wait=False)
            obeys.join()
            if w.store.read(word) == "poweroff":
                w.store.write(word, "")
            if c.domain("tired"):
                w.sim.shutdown(d["domid"], POWEROFF)
            end = time.time() + PATIENCE
            while c.domain("tired"):
                assert time.time() < end, (point, c.domain("tired"))
            c.settle()
            c.clean()


def obey(w, domid, word, wanted):
    """A guest that takes the word away, by a connection of its own; only if the daemon is to come so far."""
    if not wanted:
        return
    s = Store(w.env["XENSTORED_PATH"])
    s.wait_for(word, "poweroff")
    s.write(word, "")
    s.close()


def test_run_hospesd_killed():
    runs("hospesd")


def test_run_store_killed():
    runs("store")


def test_run_console_killed():
    runs("console")


def destructions(kill):
    with Case(kill) as c:
        for point in DESTROY:
            d = c.w.create("old", disks=1, nics=1)
            c.at(point, lambda w: w.rpc.send("domain.destroy", domain="old"))
            # Before the devices were looked at nothing was begun.
            begun = kill != "hospesd" or point not in ("destroy.note", "destroy.settle", "destroy.look")
            assert not begun or c.domain("old") is None, point
            c.clean("old")


def test_destroy_hospesd_killed():
    destructions("hospesd")


def test_destroy_store_killed():
    destructions("store")


def test_destroy_console_killed():
    destructions("console")


def restarts(kill, points, reason, **policy):
    with Case(kill) as c:
        for point in points:
            d = c.w.create("phoenix", disks=1, nics=1, **policy)
            c.at(point, lambda w: w.sim.shutdown(d["domid"], reason))
            id = c.whole("phoenix")
            assert id != d["domid"], point
            assert c.w.store.read(f"/local/domain/{id}/vm") == "/vm/" + d["uuid"]
            kept = c.w.store.read(f"/local/domain/{d['domid']}/name")
            assert bool(kept) == (reason == CRASH), (point, kept)
            c.clean("phoenix", *([kept] if kept else []))


def test_restart_hospesd_killed():
    restarts("hospesd", RESTART, REBOOT, on_reboot="restart")


def test_restart_store_killed():
    restarts("store", RESTART, REBOOT, on_reboot="restart")


def test_restart_console_killed():
    restarts("console", RESTART, REBOOT, on_reboot="restart")


def test_rename_restart_hospesd_killed():
    restarts("hospesd", RENAME, CRASH, on_crash="restart_rename")


def test_rename_restart_store_killed():
    restarts("store", RENAME, CRASH, on_crash="restart_rename")


def dumps(kill):
    """The core is written anew by the next daemon; then the domain begins again."""
    with Case(kill) as c:
        core = c.w.folder / "lib/dump/phoenix"
        for point in DUMP + RESTART:
            d = c.w.create("phoenix", disks=1, nics=1, on_crash="coredump_restart")
            c.at(point, lambda w: w.sim.shutdown(d["domid"], CRASH))
            assert c.whole("phoenix") != d["domid"], point
            assert core.read_bytes()[:4] == b"\x7fELF", point
            shutil.rmtree(core.parent)
            c.clean("phoenix")


def test_dump_hospesd_killed():
    dumps("hospesd")


def test_dump_store_killed():
    dumps("store")


def attachments(kill):
    with Case(kill) as c:
        w = c.w
        d = w.create("host", disks=1, nics=1)
        c.before = c.state()
        (w.folder / "disks/more").write_bytes(bytes(4096))
        disk = {"pdev_path": str(w.folder / "disks/more"), "vdev": "xvdc", "format": "raw", "readwrite": 1}
        for kind, config, name in (("disk", disk, {"vdev": "xvdc"}), ("nic", {"bridge": "br0", "devid": 1}, {"devid": 1})):
            skip = "plug.hotplug" if kind == "disk" else None
            for point in ATTACH:
                c.at(point, lambda w: w.rpc.send("device.attach", domain="host", kind=kind, config=config))
                c.whole("host")
                there = len(w.call("device.list", domain="host", kind=kind)) == 2
                assert there or kill == "hospesd" and point in ("attach.check", "attach.look", "attach.prepare", "attach.publish"), (kind, point)
                if there:
                    w.call("device.detach", domain="host", kind=kind, **name)
                    w.store.rm(f"/local/domain/0/backend/{'vbd' if kind == 'disk' else 'vif'}/none")
                assert c.state() == c.before, (kind, point, c.state(), c.before)
            for point in DETACH:
                w.call("device.attach", domain="host", kind=kind, config=config)
                c.at(point, lambda w: w.rpc.send("device.detach", domain="host", kind=kind, **name))
                c.whole("host")
                if len(w.call("device.list", domain="host", kind=kind)) == 2:
                    assert point == "detach.close", (kind, point)
                    w.call("device.detach", domain="host", kind=kind, **name)
                assert c.state() == c.before, (kind, point, c.state(), c.before)


def test_hotplug_hospesd_killed():
    attachments("hospesd")


def test_hotplug_store_killed():
    attachments("store")


def test_hotplug_console_killed():
    attachments("console")


def test_end_while_nobody_looks():
    """Domains end while hospesd is away: it finds out, and does what their configurations say."""
    with Lives() as w:
        w.create("warm", disks=1, nics=1)
        w.call("domain.destroy", domain="warm")
        off = w.create("off", disks=1, nics=1)
        again = w.create("again", disks=1, nics=1, on_reboot="restart")
        torn = w.create("torn", disks=1, nics=1)
        w.hospesd.kill()
        w.sim.shutdown(off["domid"], POWEROFF)
        w.sim.shutdown(again["domid"], REBOOT)
        w.sim.destroy(torn["domid"])
        w.start()
        end = time.time() + PATIENCE
        while w.call("daemon.status")["pending"]:
            assert time.time() < end
        assert w.call("domain.explain", domain="again")["domid"] not in (again["domid"],)
        w.call("domain.destroy", domain="again")
        assert not w.leftovers(), w.leftovers()


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
