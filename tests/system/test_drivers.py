"""Driver domains: a domain whose back ends serve another one, under Debian's dom0 with our tools."""
import subprocess

from machine import Failed, ROOT, boot_test
from steps import differences
from test_lives import programs, session

DRIVERS = {
    "daemons": ["serves"],
    "driver domain": ["drv is up"],
    "web": ["web is up", "vbd 51712 connected", "vbd 51728 connected", "vif 0 connected"],
    "copy": ["under way"],
    "killed": ["still under way", "the same number", "vbd 51712 connected again", "vbd 51728 connected again", "vif 0 connected again"],
    "copied": ["the same was read", "the same was written", "2 packets transmitted, 2 received"],
    "destroyed": ["web gone", "drv gone", "0"],
}


def files(folder):
    """What any session has, and a program for the driver domain."""
    program = folder / "no-sg"
    subprocess.run(["cc", "-static", ROOT / "tests" / "dom0" / "no-sg.c", "-o", program], check=True)
    return programs(folder) | {"bin/no-sg": program}


@boot_test("soak", weight=200)
def killed_under_a_copy():
    """A domain's disks and interface are another one's; killed under a copy and made again, that domain serves on, and the copy is whole."""
    bad = differences(session("drivers.sh", files=files), DRIVERS)
    if bad:
        raise Failed("\n".join(bad))
