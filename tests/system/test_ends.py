"""How domains end, and that nobody else suffers from it."""
import time

from machine import Machine, boot_test, guest, launch, linux


def micro(name, program, **more):
    return {"name": name, "type": "pvh", "kernel": guest(program), "memory": 4, "vcpus": 1, **more}


@boot_test("system", weight=60)
def every_kind_of_end():
    """Power-off, reboot, panic, triple fault, HLT for ever, watchdog: each named; those that shall come back do; a heartbeat never stops."""
    domains = [linux("beat", memory=96, do="count"), linux("off", memory=96, do="poweroff"), linux("panic", memory=96, do="crash", extra="panic=0"),
               linux("again", memory=96, do="reboot"), micro("triple32", "triple32"), micro("triple64", "triple64"), micro("crash", "crash64"),
               micro("halt", "halt32"), micro("watchdog", "watchdog64"), micro("hello", "hello32"),
               micro("backagain", "crash32", on_crash="restart"), micro("gone", "reboot64", on_reboot="destroy")]
    with Machine(launch(domains), memory="1G", cpus=2) as m:
        m.expect_all([r"BEAT beat 1\b", r"Domain 2 \(off\) has powered off", r"Domain 3 \(panic\) has crashed",
                      r"Domain 4 \(again\) asks for a reboot", r"Domain 5 \(triple32\) has crashed", r"Domain 6 \(triple64\) has crashed",
                      r"Domain 7 \(crash\) has crashed", r"Domain 8 \(halt\) has powered off", r"Domain 9 \(watchdog\) was ended by its watchdog",
                      r"Domain 10 \(hello\) has powered off", r"(?s)(Domain 11 \(backagain\) has crashed.*){5}",
                      r"backagain \(d11\) ends right after its start again and again: restarts are delayed",
                      r"Domain 12 \(gone\) asks for a reboot"], timeout=240)
        m.expect(r"USERSPACE again:", timeout=120)
        m.expect(r"Domain 4 \(again\) asks for a reboot")
        for _ in range(3):
            m.expect(r"BEAT beat \d+")
        m.to_hospes()
        m.send("q")
        m.expect(r'd1 "beat"')
        m.expect(r"BEAT beat \d+")
        for name in ("off", "panic", "triple32", "triple64", "crash", "halt", "watchdog", "hello", "gone"):
            if f'"{name}": roles' in m.text:
                m.fail(f"{name} still exists")


@boot_test("system", weight=60)
def reboot_storm():
    """Three domains that reboot at once for ever are slowed down, cost no memory, and leave the others and the host alone."""
    domains = [linux("beat", memory=96, do="count"), linux("smp", kernel="vmlinuz-generic", memory=128, vcpus=2, do="smp"),
               *(micro(f"storm{i}", f"reboot{width}") for i, width in enumerate([32, 64, 64]))]
    with Machine(launch(domains), memory="1G", cpus=4) as m:
        m.expect_all([r"storm0 \(d3\) ends right after its start again", r"storm1 \(d4\) ends right after its start again",
                      r"storm2 \(d5\) ends right after its start again"])
        m.expect(r"SMP smp done on 2", timeout=240)
        m.expect(r"Domain 2 \(smp\) has powered off")
        m.to_hospes()
        time.sleep(1)
        # While all three wait for their turn, nothing of them is left.
        before = max(m.memory_now() for _ in range(5))
        seen = m.text.count("asks for a reboot")
        end = time.time() + 60
        while m.text.count("asks for a reboot") < seen + 3 and time.time() < end:
            m.expect(r"BEAT beat \d+")
        time.sleep(1)
        after = max(m.memory_now() for _ in range(5))
        if after != before:
            m.fail(f"free frames and heap bytes before {before}, after more reboots {after}")
        if m.text.count("again and again") != 3 or m.text.count("asks for a reboot") > 60:
            m.fail("the storm was not limited as it should be")
