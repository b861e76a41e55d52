"""A running domain's memory is copied while it writes, by the log of its dirty pages."""
from machine import Machine, boot_test, guest, launch


@boot_test("boot", "system", weight=8)
def live_copy():
    """A control domain copies a writing one of each width, round by round: once that is paused the copy is right, and it is not lost by its end."""
    for width in (64, 32):
        writer = {"name": "writer", "type": "pvh", "kernel": guest(f"precopy{width}"), "memory": 4, "vcpus": 1, "launch_domid": 5, "extra": "role=writer"}
        copier = {"name": "copier", "type": "pvh", "kernel": guest(f"precopy{96 - width}"), "memory": 16, "vcpus": 1, "launch_domid": 6,
                  "launch_roles": ["control"], "extra": "role=copier other=5"}
        with Machine(launch([writer, copier]), memory="256M", cpus=2) as m:
            m.expect(r"precopy: done, \d+ pages copied")
            m.expect_off()
            wrong = [x for x in m.text.splitlines() if "WRONG" in x]
            if wrong:
                m.fail("\n".join(wrong))
