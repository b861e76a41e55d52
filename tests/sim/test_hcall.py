#!/usr/bin/env python3
"""lib/hcall and the simulated hypervisor itself."""
import subprocess
import sys

import tap
from sim import CRASH, HC_domctl, Sim, SimError


def test_library():
    """Every function of the library, by a program; then nothing of it is left."""
    with Sim(tap.BUILD) as sim:
        guest = sim.guest(pages=256)
        for again in range(2):  # what the first one leaves are domain 0's tables of ports and mappings
            before = sim.state()
            run = subprocess.run([tap.BUILD / "sim/hcall_check", str(guest.domid)], env=sim.env, capture_output=True, text=True, timeout=60)
            assert run.returncode == 0, run.stdout + run.stderr
        after = sim.state()
        assert before == after, (before, after)


def test_guest_memory_and_events():
    with Sim(tap.BUILD) as sim:
        a, b = sim.guest(), sim.guest()
        a.write(0x4ffe, b"over a page")
        assert a.read(0x4ffe, 11) == b"over a page" and b.read(0x4ffe, 4) == bytes(4)
        port = a.alloc_port(remote=b.domid)
        a.listen(), b.listen()
        mine = b.bind_port(a.domid, port)
        a.take_events(), b.take_events()
        a.pending.clear(), b.pending.clear()
        b.notify(mine)
        assert a.wait_event(port)
        assert not a.take_events()


def test_ends():
    """A domain that ends is seen so, and gives everything back when it is destroyed."""
    with Sim(tap.BUILD) as sim:
        sim.destroy(sim.guest().domid)  # tables of domain 0's map and heap pages are there now
        before = sim.state()["free_frames"]
        guest = sim.guest(pages=300)
        assert sim.state()["free_frames"] < before - 300
        assert sim.info(guest.domid)[2] is None
        guest.shutdown(CRASH)
        assert sim.info(guest.domid)[2] == CRASH
        sim.destroy(guest.domid)
        assert sim.info(guest.domid) is None
        assert sim.state()["free_frames"] == before


def test_failures():
    with Sim(tap.BUILD) as sim:
        guest = sim.guest()
        sim.fail_call(12, nr=HC_domctl, command=5, skip=1)
        assert sim.info(guest.domid) is not None
        assert sim.info(guest.domid) is None
        assert sim.info(guest.domid) is not None
        sim.take_memory(10)
        try:
            sim.guest()
            assert False, "a guest without memory"
        except SimError as e:
            assert e.errno == 12, e
        sim.take_memory(None)
        sim.guest()


tap.main(sys.modules[__name__])
