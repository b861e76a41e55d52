"""xenwatchdogd in a real dom0: the machine is restarted when it falls silent, and only then."""
import os
import subprocess

import archive
import machine
import test_dom0
from machine import Machine, boot_test, image


def root():
    """Dom0's archive with our daemon, which needs no libraries there."""
    out = machine.BUILD / f"watchdog-root.{os.getpid()}"
    program = out.with_suffix(out.suffix + ".bin")
    subprocess.run(["cc", "-static", machine.BUILD / "tool/xenwatchdogd/main.o", machine.BUILD / "tool/libhcall.a", "-o", program], check=True)
    out.write_bytes(archive.behind(test_dom0.archive().read_bytes(), {"bin/xenwatchdogd": (0o755, program.read_bytes())}))
    program.unlink()
    return out


@boot_test("system", weight=40)
def restarts_a_silent_machine():
    """Signs of life keep the machine up for several timeouts; with the daemon stopped the hypervisor restarts it."""
    initrd = root()
    try:
        with Machine([f"{image('vmlinux-generic')} console=hvc0 quiet loglevel=4 rdinit=/dom0-init random.trust_cpu=on", initrd],
                     append="dom0=pvh dom0_mem=512M dom0_max_vcpus=1 guest_loglvl=all", memory="1G", cpus=1) as m:
            m.expect(r"DOM0 ready", timeout=240)
            test_dom0.ask(m, "xenwatchdogd 8 1; echo armed-$?", r"armed-0\b")
            test_dom0.ask(m, "sleep 18; echo alive-$((9 + 9))", r"alive-18\b", timeout=240)
            if "watchdog expired" in m.text:
                m.fail("it bit a machine that is alive")
            m.send("kill -STOP $(grep -l '^xenwatchdogd$' /proc/[0-9]*/comm | sed 's/[^0-9]//g')\n")
            m.expect(r"d0: watchdog expired", timeout=240)
            m.expect(r"The hardware domain has ended: rebooting the machine")
            m.expect_off()
    finally:
        initrd.unlink()
