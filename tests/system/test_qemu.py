"""Debian's QEMU as the back end of disks whose images the kernel does not know, started by hospesd on a whole Debian 12."""
from machine import Failed, boot_test, image
from steps import differences
from test_lives import programs, session

EXPECTED = {
    "daemons": ["serves"],
    "create": ["web is up", "qcow2:/tmp/from.qcow2 4", "vhd:/tmp/to.vhd 4"],
    "copy": ["the same in the guest"],
    "attach": ["connected", "the same in the guest", "1", "51712", "51728"],
    "the other xl": ["other is up", "2", "other is gone", "web has its disks"],
    "destroy": ["web is gone", "nobody serves", "the same in the image"],
}


def files(folder):
    return programs(folder) | {"qemu": image("qemu-root").resolve()}


@boot_test("soak", weight=200)
def serves_disks():
    """A guest copies a qcow2 image onto a vhd, gets a third disk and gives it back; another domain's is taken down by Debian's xl."""
    bad = differences(session("qemu.sh", files=files), EXPECTED)
    if bad:
        raise Failed("\n".join(bad))
