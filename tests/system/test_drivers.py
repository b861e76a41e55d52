"""Driver domains: a domain whose back ends serve another one, under Debian's dom0 with our tools."""
from machine import Failed, boot_test
from test_lives import session

DRIVERS = {
    "daemons": ["serves"],
    "driver domain": ["drv is up"],
    "web": ["web is up", "vbd 51712 connected", "vbd 51728 connected", "vif 0 connected"],
    "copy": ["under way"],
    "killed": ["still under way", "the same number", "vbd 51712 connected again", "vbd 51728 connected again", "vif 0 connected again"],
    "copied": ["the same was read", "the same was written", "2 packets transmitted, 2 received"],
    "destroyed": ["web gone", "drv gone", "0"],
}


@boot_test("soak", weight=200)
def killed_under_a_copy():
    """A domain's disks and interface are another one's; killed under a copy and made again, that domain serves on, and the copy is whole."""
    steps = session("drivers.sh")
    if steps != DRIVERS:
        raise Failed("\n".join(f"STEP {s}\n" + "\n".join(x) for s, x in steps.items()))
