#!/usr/bin/env python3
"""The store's daemon on the simulated hypervisor: rings mapped by grants, events, deaths, takeover."""
import sys

import tap
from sim import CRASH, HC_hvm_op
from world import CONTROL, SimWorld, StoreError


def test_guest_ring():
    with SimWorld(tap.BUILD) as world:
        guest = world.guest()
        guest.store.write("data/x", "1")
        assert world.store.read(f"/local/domain/{guest.domid}/data/x") == "1"
        world.store.write(f"/local/domain/{guest.domid}/data/big", "y" * 2000)
        assert guest.store.read("data/big") == "y" * 2000
        try:
            guest.store.write("/local/domain/0/x", "1")
            assert False, "a guest wrote to domain 0"
        except StoreError as e:
            assert e.name == "EACCES", e


def test_death_is_told():
    with SimWorld(tap.BUILD) as world:
        guest, witness = world.guest(), world.guest()
        world.store.watch("@releaseDomain", "end")
        world.store.watch("@introduceDomain", "begin")
        world.store.take_events()
        guest.shutdown(CRASH)
        assert world.store.event() == "@releaseDomain"
        assert world.store.read(f"/local/domain/{guest.domid}") is not None
        world.sim.destroy(guest.domid)
        assert world.store.event() == "@releaseDomain"
        witness.store.write("data/alive", "1")
        third = world.guest()
        assert world.store.event() == "@introduceDomain"
        third.store.write("data/a", "b")


def test_nothing_is_left():
    """Guests come and go: no page, port or mapping stays behind."""
    with SimWorld(tap.BUILD) as world:
        world.store.watch("@releaseDomain", "end")

        def life():
            guest = world.guest()
            guest.store.write("data/x", "1")
            world.store.take_events()
            world.sim.destroy(guest.domid)
            world.store.event()
            world.store.ask(16)  # whatever it is: the daemon has let go of the ring before it answers

        for i in range(3):
            life()
        before = world.sim.state()
        for i in range(5):
            life()
        after = world.sim.state()
        assert before == after, (before, after)


def test_kill_and_update():
    """The daemon dies under its guests, or is replaced: the rings go on."""
    with SimWorld(tap.BUILD) as world:
        guest = world.guest()
        guest.store.write("data/x", "before")
        world.xenstored.kill()
        world.xenstored.start()
        world.reconnect()
        assert guest.store.read("data/x") == "before"
        guest.store.write("data/x", "after")
        assert world.store.read(f"/local/domain/{guest.domid}/data/x") == "after"
        binary = str(world.build.resolve() / "xenstored").encode()
        assert world.store.ask(CONTROL, b"live-update\0-f\0" + binary + b"\0") == b"OK\0"
        assert world.store.ask(CONTROL, b"live-update\0-s\0", timeout=20) == b"OK\0"
        assert guest.store.read("data/x") == "after"
        guest.store.write("data/x", "updated")
        assert world.store.read(f"/local/domain/{guest.domid}/data/x") == "updated"
        assert world.sim.state()["mappings"] == 1


def test_failed_hypercall():
    """Where a ring is cannot be asked: the introduction fails, the daemon lives."""
    with SimWorld(tap.BUILD) as world:
        world.sim.fail_call(12, nr=HC_hvm_op)
        guest = world.guest()
        guest.store.write("data/x", "1")


tap.main(sys.modules[__name__])
