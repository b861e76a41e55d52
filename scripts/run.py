#!/usr/bin/env python3
"""The main job in one picture: `run.py [dom0|launch] [QEMU option...]`.

dom0    (the default) power on, Debian's kernel as dom0, Hospes' own daemons and xl in it make two domains with disk and network
launch  power on, and Hospes itself starts three isolated domains from one device tree, without a dom0

On a terminal it leaves you at a shell. In a pipe, or with CI set, it watches the boot and ends with a verdict.
"""
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))
import machine  # noqa: E402
from archive import behind, cpio, with_libraries  # noqa: E402
from machine import image  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
machine.BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD

PROGRAMS = ("xenstored", "xenstore", "xenconsoled", "xenconsole", "xen-init-dom0", "hospesd", "xl")
DOM0 = "dom0=pvh dom0_mem=768M dom0_max_vcpus=2"
IOMMU = ["-device", "amd-iommu,intremap=on"]
DOMAINS = [
    machine.linux("generic", kernel="vmlinuz-generic", memory=256, vcpus=2),
    machine.linux("cloud", kernel="vmlinuz-cloud", memory=128, vcpus=1),
]


def folder(name):
    return {f"modules/{m.name}": (0o644, m.read_bytes()) for m in sorted((image("pv-modules") / name).iterdir())}


def dom0_root(more):
    """Dom0's first root: busybox, our programs with the libraries they name, Debian's modules, what the guests boot, and @more files."""
    busybox = {"bin/busybox": (0o755, pathlib.Path("/bin/busybox").read_bytes())}
    here = ROOT / "scripts"
    guest = cpio({**busybox, **folder("domu"), "init": (0o755, (here / "demo-guest-init").read_bytes()),
                  **{d + "/.keep": (0o644, b"") for d in ("dev", "proc", "sys", "tmp")}})
    files = {**busybox, **folder("dom0"), "init": (0o755, (here / "demo-dom0-init").read_bytes()),
             "guests/vmlinuz": (0o644, image("vmlinuz-cloud").read_bytes()), "guests/initrd": (0o644, guest),
             **{d + "/.keep": (0o644, b"") for d in ("dev", "proc", "sys", "tmp", "run", "var", "sbin")},
             **with_libraries({f"bin/{p}": machine.tool(p) for p in PROGRAMS}), **more}
    path = machine.BUILD / "demo-root.cpio"
    path.write_bytes(behind(b"", files))
    return path


def dom0_modules(watched, more={}):
    # Six times Linux's patience with a CPU that does not come back: this one is emulated, perhaps on a busy machine.
    words = "console=hvc0 quiet loglevel=4 random.trust_cpu=on watchdog_thresh=60" + (" demo.watched" if watched else "")
    return [f"{image('vmlinuz-generic')} {words}", dom0_root(more)]


def launch_modules():
    tiny = {"name": "tiny", "type": "pvh", "kernel": machine.guest("hello64"), "memory": 4, "vcpus": 1, "extra": "a micro-guest"}
    return machine.launch(DOMAINS + [tiny])


def modules():
    """What scripts/iso.sh puts on a CD."""
    return launch_modules()


def interactive(mods, append, extra):
    # QEMU's own escape character is Ctrl-A too: give it Ctrl-T.
    argv = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-M", "q35", "-cpu", "qemu64,+svm,+npt,+vgif", "-smp", "2", "-m", "2G",
            "-nographic", "-echr", "0x14", "-no-reboot", "-nic", "none", "-kernel", str(machine.BUILD / "hospes"),
            "-append", f"console=com1 com1=115200,8n1 {append}",
            "-initrd", ",".join(str(x).replace(",", ",,") for x in mods), *extra]
    print("run: three Ctrl-A move the keyboard between Hospes and the domains; Ctrl-T X ends QEMU\n", flush=True)
    sys.exit(subprocess.call(argv))


def answer_each(m):
    """Type a command into the shell of each launched domain, and end it."""
    m.expect_all([r"USERSPACE generic: .*", r"USERSPACE cloud: .*", r"HELLO from 64-bit guest .*"], timeout=300)
    for name in ("generic", "cloud"):
        # Three Ctrl-A move the keyboard on; stop at the domain wanted.
        for _ in range(5):
            m.send("\x01\x01\x01")
            if m.expect(r"Serial input to (.*)\n", timeout=30)[1].find(name) >= 0:
                break
        m.send("\n")
        m.send("echo shell-of-$((40+2)) in " + name + "\n")
        m.expect("shell-of-42 in " + name, timeout=60)
        m.send("poweroff -f\n")
    return "three domains reached user space and answered"


def see_two(m, timeout=400):
    """Wait for what dom0's first process says of its two domains."""
    begin = time.time()
    if m.expect(r"DEMO (done|FAILED)", timeout=timeout)[1] == "FAILED":
        m.fail("the demonstration says so")
    return f"two domains with disk and network {time.time() - begin:.0f} s after power-on"


def watched(mods, append, extra, see):
    with machine.Machine(mods, append=append, cpus=2, memory="2G", extra=extra) as m:
        try:
            verdict = see(m)
            m.expect_off(timeout=60)
        except machine.Failed as failed:
            print(m.text)
            print(f"run: FAILED: {failed}")
            sys.exit(1)
        print(m.text)
    print(f"run: {verdict}; the machine powered itself off. Verdict: PASS")


def main():
    args = sys.argv[1:]
    demo = args.pop(0) if args and args[0] in ("dom0", "launch") else "dom0"
    terminal = sys.stdout.isatty() and sys.stdin.isatty() and not os.environ.get("CI")
    if demo == "dom0":
        mods, append, see = dom0_modules(not terminal), DOM0, see_two
        args = IOMMU + args
    else:
        mods, append, see = launch_modules(), "boot-timeline", answer_each
    if terminal:
        interactive(mods, append, args)
    watched(mods, append, args, see)


if __name__ == "__main__":
    main()
