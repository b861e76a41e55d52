"""Time as guests see it while their vCPUs are moved between CPUs."""
from machine import Machine, boot_test, guest, launch


@boot_test("system", weight=20)
def tsc_while_moving():
    """Twelve vCPUs of three domains share three CPUs, yielding all the time: RDTSC is monotonic on each, and all end."""
    domains = [{"name": f"t{i}", "type": "pvh", "kernel": guest(f"tsc{width}"), "memory": 8, "vcpus": 4} for i, width in enumerate((64, 32, 64))]
    with Machine(launch(domains), memory="256M", cpus=3) as m:
        m.expect_off()
        if m.text.count("ok TSC never ran backwards") != 3 or "WRONG" in m.text:
            m.fail("not every domain found its TSC monotonic")
