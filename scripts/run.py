#!/usr/bin/env python3
"""The main job in one picture: power on, and Hospes itself starts three isolated domains from one device tree.

On a terminal it leaves you at the domains' shells. In a pipe, or with CI set, it watches the boot, types one command into a
shell, and ends with a verdict.
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))
import machine  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
machine.BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD

DOMAINS = [
    machine.linux("generic", kernel="vmlinuz-generic", memory=256, vcpus=2),
    machine.linux("cloud", kernel="vmlinuz-cloud", memory=128, vcpus=1),
]


def modules():
    tiny = {"name": "tiny", "type": "pvh", "kernel": machine.guest("hello64"), "memory": 4, "vcpus": 1, "extra": "a micro-guest"}
    return machine.launch(DOMAINS + [tiny])


def interactive(mods):
    # QEMU's own escape character is Ctrl-A too: give it Ctrl-T.
    argv = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-M", "q35", "-cpu", "qemu64,+svm,+npt,+vgif", "-smp", "2", "-m", "2G",
            "-nographic", "-echr", "0x14", "-no-reboot", "-nic", "none", "-kernel", str(machine.BUILD / "hospes"),
            "-append", "console=com1 com1=115200,8n1 boot-timeline",
            "-initrd", ",".join(str(x).replace(",", ",,") for x in mods), *sys.argv[1:]]
    print("run: three Ctrl-A move the keyboard between Hospes and the domains; Ctrl-T X ends QEMU\n", flush=True)
    sys.exit(subprocess.call(argv))


def watched(mods):
    with machine.Machine(mods, append="boot-timeline", cpus=2, memory="2G") as m:
        try:
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
            m.expect_off(timeout=60)
        except machine.Failed as failed:
            print(m.text)
            print(f"run: FAILED: {failed}")
            sys.exit(1)
        print(m.text)
    print("run: three domains reached user space and answered; the machine powered itself off. Verdict: PASS")


if __name__ == "__main__":
    mods = modules()
    if sys.stdout.isatty() and sys.stdin.isatty() and not os.environ.get("CI"):
        interactive(mods)
    else:
        watched(mods)
