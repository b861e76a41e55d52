"""A whole Debian 12 as dom0 with our store, console daemon, hospesd and xl in place of its own; its own xl looks on and takes part."""
import os
import pathlib
import subprocess
import tarfile
import threading

import machine
from machine import Failed, Machine, ROOT, boot_test, image
from steps import by_step, differences
from test_debian import disks

LIBRARIES = {"hospesd": "guest domain hcall store host base -lz -llzma -lbz2 -lzstd -llz4", "xl": "guest domain rpc hcall store host base -lncurses -ltinfo"}


def static(name):
    """The program without shared libraries: Debian's dom0 has not all of them."""
    out = machine.BUILD / f"{name}-static.{os.getpid()}"
    objects = sorted(machine.BUILD / "tool" / name / "tools" / name / f"{c.stem}.o" for c in (ROOT / "tools" / name).glob("*.c"))
    libraries = [w if w[0] == "-" else machine.BUILD / f"tool/lib{w}.a" for w in LIBRARIES[name].split()]
    subprocess.run(["cc", "-static", "-pthread", *objects, *libraries, "-ljson-c", "-o", out], check=True, stderr=subprocess.DEVNULL)
    return out


def trial(path, script):
    """The archive the dom0 runs: our programs and a script of tests/system/dom0."""
    folder = ROOT / "tests" / "system" / "dom0"
    run = pathlib.Path(f"{path}.run")
    run.write_text(f"set -- /trial/{script}; . ./lib\n")
    made = {n: static(n) for n in LIBRARIES}
    with tarfile.open(path, "w") as tar:
        tar.add(folder / "run", "lib")
        tar.add(folder / script, script)
        tar.add(run, "run")
        for n in ("xenstored", "xenconsoled", "xen-init-dom0"):
            tar.add(machine.BUILD / n, f"bin/{n}")
        for n, p in made.items():
            tar.add(p, f"bin/{n}")
            p.unlink()
    run.unlink()
    with open(path, "ab") as f:
        f.truncate(-(-path.stat().st_size // 4096) * 4096)


def session(script, timeout=900):
    """What the script printed, by step."""
    path = machine.BUILD / f"lives.{os.getpid()}.{threading.get_ident()}"
    trial(path, script)
    options = {"memory": "2G", "cpus": 2, "extra": disks(path, True)}
    append = "dom0=pvh dom0_mem=1G loglvl=warning guest_loglvl=warning"
    kernel = (f"{image('dom0-vmlinuz')} console=hvc0 root=LABEL=dom0 ro quiet random.trust_cpu=on systemd.show_status=0 "
              "systemd.mask=xen.service")
    try:
        with Machine([kernel, image("dom0-initrd")], append=append, **options) as m:
            m.expect(r"^TRIAL begin", timeout=240)
            m.expect(r"^TRIAL end", timeout=timeout)
            text = m.text
    finally:
        path.unlink()
    return by_step(text[text.index("TRIAL begin"):text.rindex("TRIAL end")])


EXPECTED = {
    "daemons": ["serves"],
    "create": ["one is up", "two is up"],
    "the other xl": ["one 128 1", "two 128 1", "51712 0 4", "51728 0 4", "00:16:3e:00:00:01 4"],
    "disk and net": ["2 packets transmitted, 2 received", "the same", "vif1.0 br0", "vif2.0 br0"],
    "attach": ["the same", "00:16:3e:00:00:77 4", "51712", "00:16:3e:00:00:01"],
    "reboot": ["one is up again", "one 3"],
    "killed": ["both up"],
    "destroyed by the other": ["gone", "nothing in /hospes/2"],
    "destroyed": ["gone"],
    "nothing is left": ["0 loop devices", "0 ports"],
    "the other creates": ["three is up", "the same", "gone"],
    "nothing is left again": ["0 loop devices", "0 ports"],
}


def check(steps):
    bad = differences(steps, EXPECTED)
    if bad:
        raise Failed("\n".join(bad) + "\n\n" + "\n".join(f"STEP {s}\n" + "\n".join(x) for s, x in steps.items()))


@boot_test("soak", weight=400)
def our_tools():
    """Domains with disk and network, made by us and by Debian's xl, each worked on by the other."""
    check(session("lives.sh"))
