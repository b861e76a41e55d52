"""A whole Debian 12 as dom0 with our store, console daemon, hospesd and xl in place of its own; its own xl looks on and takes part."""
import pathlib
import subprocess
import tarfile
import tempfile

import machine
from machine import Failed, Machine, ROOT, boot_test, image
from steps import by_step, differences
from test_debian import disks

LIBRARIES = {"hospesd": "guest domain hcall store host base -lz -llzma -lbz2 -lzstd -llz4", "xl": "guest domain rpc hcall store host base -lncurses -ltinfo"}


def static(folder, name):
    """The program without shared libraries: Debian's dom0 has not all of them."""
    out = folder / name
    objects = sorted(machine.BUILD / "tool" / name / "tools" / name / f"{c.stem}.o" for c in (ROOT / "tools" / name).glob("*.c"))
    libraries = [w if w[0] == "-" else machine.BUILD / f"tool/lib{w}.a" for w in LIBRARIES[name].split()]
    subprocess.run(["cc", "-static", "-pthread", *objects, *libraries, "-ljson-c", "-o", out], check=True, stderr=subprocess.DEVNULL)
    return out


def programs(folder):
    """Our programs that a dom0 needs, by their names in the archive; some are made in @folder."""
    made = {n: machine.BUILD / n for n in ("xenstored", "xenconsoled", "xen-init-dom0")} | {n: static(folder, n) for n in LIBRARIES}
    return {f"bin/{n}": p for n, p in made.items()}


def trial(folder, script, files):
    """The archive the dom0 runs: @files and a script of tests/system/dom0."""
    scripts = ROOT / "tests" / "system" / "dom0"
    path, run = folder / "trial", folder / "run"
    run.write_text(f"set -- /trial/{script}; . ./lib\n")
    with tarfile.open(path, "w") as tar:
        for name, file in {"lib": scripts / "run", script: scripts / script, "run": run, **files}.items():
            tar.add(file, name)
    with open(path, "ab") as f:
        f.truncate(-(-path.stat().st_size // 4096) * 4096)
    return path


def session(script, timeout=1800, files=programs):
    """What the script printed, by step. @files(folder) says what it finds beside itself, and may leave that in the folder."""
    append = "dom0=pvh dom0_mem=1G loglvl=warning guest_loglvl=warning"
    kernel = (f"{image('dom0-vmlinuz')} console=hvc0 root=LABEL=dom0 ro quiet random.trust_cpu=on systemd.show_status=0 "
              "systemd.mask=xen.service")
    with tempfile.TemporaryDirectory(prefix="lives.", dir=machine.BUILD) as tmp:
        path = trial(pathlib.Path(tmp), script, files(pathlib.Path(tmp)))
        with Machine([kernel, image("dom0-initrd")], append=append, memory="2G", cpus=2, extra=disks(path, True)) as m:
            m.expect(r"^TRIAL begin", timeout=900)
            m.expect(r"^TRIAL end", timeout=timeout)
            text = m.text
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
