#!/usr/bin/env python3
"""Debian's own hotplug scripts, unmodified, run by hospesd: with real interfaces, in namespaces of their own for network and files.

vif-route, vif-nat, vif-bridge and block-dummy do their work by `ip`, `ifconfig` and the store; Open vSwitch is played by a program that writes down
what it was asked for.
"""
import os
import pathlib
import select
import shutil
import subprocess
import sys

import tap
from lives import Hands, Lives, Problem
from sim import PATIENCE

SCRIPTS = tap.BUILD / "images/store-oracle/etc/xen/scripts"
TOOLS = ("ip", "ifconfig", "bash", "flock", "logger")
SYSFS = "mount -t sysfs sysfs /sys"
LOCAL = pathlib.Path("/usr/local/sbin")


def enter():
    """Start this program anew in a world where it may make interfaces and put files where the scripts look for them. A reason if that cannot be."""
    if not SCRIPTS.is_dir():
        return "make store-oracle first"
    missing = [t for t in TOOLS if not shutil.which(t, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing:
        return f"Debian's scripts need {', '.join(missing)}"
    if os.environ.get("HOSPES_ALONE"):
        subprocess.run(SYSFS.split(), check=True)  # /sys/class/net of the old network would stay
        return None
    alone = ["unshare", "--map-root-user", "--net", "--mount"]
    if subprocess.run([*alone, "sh", "-c", f"ip link add br0 type bridge && {SYSFS}"], capture_output=True).returncode:
        return "no namespaces with bridges here"
    os.environ["HOSPES_ALONE"] = "yes"
    os.execvp(alone[0], [*alone, sys.executable, *sys.argv])


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Backends(Hands):
    """Whose interfaces are real ones, made before the state tells of them and gone with the back end."""

    def switch(self, s, path, state, changes):
        _, kind, domid, devid = path.rsplit("/", 3)
        name = f"vif{domid}.{devid}"
        if kind == "vif" and state == "1" and name not in links():
            ip("link", "add", name, "type", "veth", "peer", "name", f"far{domid}.{devid}")
        return super().switch(s, path, state, changes)


def links():
    return [line.split()[0].split("@")[0] for line in ip("-brief", "link").splitlines()]


class Host(Lives):
    """Debian's scripts in the folder for them, their store tools, and an Open vSwitch that writes down its orders."""

    def __init__(self):
        super().__init__(hands=False)
        self.hands = Backends(self)
        shutil.copytree(SCRIPTS, self.folder / "scripts", dirs_exist_ok=True)
        # Under its own name hospesd would do the work itself.
        (self.folder / "scripts/bridge-by-script").symlink_to("vif-bridge")
        for place in ("/run", "/var/log", LOCAL):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        for place in ("/run/xenstored", "/var/log/xen"):
            pathlib.Path(place).mkdir()
        pathlib.Path("/run/xenstored/socket").symlink_to(self.env["XENSTORED_PATH"])
        for name in ("read", "write", "list"):
            (LOCAL / f"xenstore-{name}").symlink_to(self.build.resolve() / "xenstore")
        self.orders = self.folder / "orders"

    def switch(self, rest="exit 0"):
        """Install Open vSwitch; @rest: how it ends."""
        tool = LOCAL / "ovs-vsctl"
        tool.write_text(f'#!/bin/sh\necho "$*" >>{self.orders}\n{rest}\n')
        tool.chmod(0o755)

    def with_nic(self, script, **nic):
        c = self.config("web", nics=1)
        c["nics"][0].update(script=script, **nic)
        return c

    def made(self, c):
        """Create it: its id, and its interface's name."""
        domid = self.call("domain.create", config=c)["domid"]
        assert self.store.read(f"/local/domain/0/backend/vif/{domid}/0/hotplug-status") == "connected"
        return domid, f"vif{domid}.0"

    def refused(self, c, code, *words):
        try:
            self.call("domain.create", config=c)
        except Problem as p:
            assert p.data["code"] == code and all(word in p.data["cause"] for word in words), p.data
            assert p.data["domain"] == "web" and p.data["next"], p.data
        else:
            raise AssertionError("it was created")
        assert not self.leftovers(), self.leftovers()

    def ended(self):
        self.call("domain.destroy", domain="web")
        assert not self.leftovers(), self.leftovers()

    def close(self):
        for name in links():
            if name.startswith("far"):
                ip("link", "delete", name)
        super().close()
        for place in (LOCAL, "/var/log", "/run"):
            subprocess.run(["umount", place], check=False)


def host():
    if why:
        raise tap.Skip(why)
    return Host()


def uplink():
    if "uplink" not in links():
        ip("link", "add", "uplink", "type", "bridge")
        ip("address", "add", "192.0.2.1/24", "dev", "uplink")
        ip("link", "set", "uplink", "up")


def test_route():
    """vif-route: the domain's address leads to its interface, which answers for the way out; after its end no route is left. Without a way out it says so."""
    with host() as w:
        uplink()
        _, vif = w.made(w.with_nic("vif-route", ip="192.0.2.77", gatewaydev="uplink"))
        assert f"192.0.2.77 dev {vif} scope link src 192.0.2.1 metric 2" in ip("route"), ip("route")
        assert pathlib.Path(f"/proc/sys/net/ipv4/conf/{vif}/proxy_arp").read_text() == "1\n"
        w.ended()
        assert "192.0.2.77" not in ip("route")
        w.refused(w.with_nic("vif-route", ip="192.0.2.77", gatewaydev="nowhere"), "script-failed", "vif-route")


def test_nat():
    """vif-nat: an address by the domain's number, a router's on the interface."""
    with host() as w:
        domid, vif = w.made(w.with_nic("vif-nat"))
        assert f"10.0.{domid}.128" in ip("-4", "address", "show", "dev", vif)
        assert f"10.0.{domid}.1 dev {vif} scope link src 10.0.{domid}.128" in ip("route"), ip("route")
        w.ended()
        assert vif not in ip("route") and "DOWN" in ip("-brief", "link", "show", "dev", vif)


def test_bridge():
    """vif-bridge where it is named as a script: a port of the bridge, its MTU told to the domain. A bridge that is not there is named."""
    with host() as w:
        ip("link", "add", "real0", "mtu", "1400", "type", "bridge")
        domid, vif = w.made(w.with_nic("bridge-by-script", bridge="real0"))
        shown = ip("link", "show", "dev", vif)
        assert "master real0" in shown and "mtu 1400" in shown, shown
        assert w.store.read(f"/local/domain/{domid}/device/vif/0/mtu") == "1400"
        w.ended()
        assert "master" not in ip("link", "show", "dev", vif)
        w.refused(w.with_nic("bridge-by-script", bridge="nowhere"), "script-failed", "Could not find bridge device nowhere")


def test_openvswitch():
    """vif-openvswitch: port, tag and trunks as the configuration says, with the domain's name; it names what is missing, and is ended when it hangs."""
    with host() as w:
        c = w.with_nic("vif-openvswitch", bridge="ovs0.5:7:9")
        w.refused(c, "script-failed", "Unable to find ovs-vsctl tool")
        w.switch()
        _, vif = w.made(c)
        order = w.orders.read_text()
        assert f"--if-exists del-port {vif} -- add-port ovs0 {vif} tag=5 trunk=7,9 " in order and 'external-ids:"xen-vm-name"="web"' in order, order
        w.ended()
        assert w.orders.read_text()[len(order):] == f"--timeout=30 -- --if-exists del-port {vif}\n"
        w.switch('case "$*" in *add-port*) echo no database; exit 1;; esac')
        w.refused(c, "script-failed", "ovs-vsctl", "add-port ovs0", "failed")
        w.switch(f'case "$*" in *add-port*) echo $$ >{w.folder}/hung; exec sleep 1000;; esac')
        w.again("script=3000")
        w.refused(c, "script-timeout", "vif-openvswitch", "was killed")
        gone(w.folder / "hung")


def gone(file):
    """Wait for the end of the process that wrote its number there, which is nobody's child here any more."""
    try:
        fd = os.pidfd_open(int(file.read_text()))
    except (FileNotFoundError, ProcessLookupError):  # a busy machine: the deadline came before the script had got there
        return
    assert select.select([fd], [], [], PATIENCE)[0], "what the script waited for goes on"
    os.close(fd)


def test_block():
    """A disk's script that refuses is quoted, and nothing stays."""
    with host() as w:
        c = w.config("web", disks=1)
        c["disks"][0].update(script="block-dummy", pdev_path=f"dummy:{w.folder}/nothing")
        w.refused(c, "script-failed", f"{w.folder}/nothing does not exist")


why = enter()
if __name__ == "__main__":
    tap.main(sys.modules[__name__])
