"""What `make run` shows: Debian's kernel as dom0 with nothing but Hospes' own daemons and xl beside busybox."""
import importlib.util
import os
import re

import machine
from machine import Machine, ROOT, boot_test


def run():
    spec = importlib.util.spec_from_file_location("run", ROOT / "scripts" / "run.py")
    module = importlib.util.module_from_spec(spec)
    # It takes the build's folder from the environment.
    os.environ.setdefault("BUILD", str(machine.BUILD))
    spec.loader.exec_module(module)
    return module


@boot_test("system", weight=90)
def two_domains():
    """Two domains get disk, network and console from our tools and see each other; xl lists them, top shows their devices, and nothing complains."""
    demo = run()
    with Machine(demo.dom0_modules(True), append=demo.DOM0, cpus=2, memory="2G", extra=demo.IOMMU) as m:
        demo.see_two(m)
        m.expect_off(60)
    for said in (r"^web +1 +128 +1 +[r-][b-]---- +\d+\.\d$", r"^db +2 +128 +1 ", r"2 packets transmitted, 2 packets received", r"^db: xvda holds 'the disk of db'",
                 r"^all +\d+", r"^ +web .* 1 +\d+ +\d+ +1 +0 +\d+ "):
        if not re.search(said, m.text, re.M):
            m.fail(f"nothing says /{said}/")
    if bad := re.search(r"^.*(Call Trace|BUG:|WARNING:|Oops|cannot be|xl: ).*$", m.text, re.M):
        m.fail(f"seen: {bad[0]}")
