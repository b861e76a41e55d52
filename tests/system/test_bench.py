"""The benchmark's counting: the plugin tells the hypervisor's instructions from its guest's, to the last one."""
import os
import sys

import machine
from machine import Failed, Machine, ROOT, boot_test, guest, launch

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import dom0 as bench  # noqa: E402

EXITS, TURNS = 1000, 10000  # as tests/guest/marked.c has them
CPUID = 800  # what one exit for CPUID may cost Hospes: a tenth more than it does


@boot_test("system", weight=10)
def counts_every_instruction():
    """All that is counted between two markers is what the deterministic clock went on by; a loop of the guest is the guest's alone."""
    counts = machine.BUILD / f"bench-counts.{os.getpid()}"
    try:
        with Machine(launch([{"name": "marked", "type": "pvh", "kernel": guest("marked64"), "memory": 4}]), icount=True,
                     extra=("-plugin", f"file={machine.BUILD / 'bench' / 'count.so'},out={counts}")) as m:
            ticks = int(m.expect(r"TICKS (\d+)\n")[1])
            m.expect_off()
        marks = bench.parse_marks(counts.read_text())
    finally:
        counts.unlink(missing_ok=True)
    hypervisor, guests, exits, _ = bench.window(marks, 1, 2)
    # The clock does not go on for an instruction that is intercepted; the guest reads it just inside the markers.
    if abs(hypervisor + guests - exits - ticks) > 16:
        raise Failed(f"{hypervisor} + {guests} instructions, {exits} of them intercepted, counted in {ticks} ticks")
    if not EXITS <= exits <= EXITS + 10:
        raise Failed(f"{exits} exits counted of {EXITS}")
    if hypervisor > CPUID * exits:
        raise Failed(f"{hypervisor / exits} instructions for each CPUID")
    hypervisor, guests, exits, _ = bench.window(marks, 3, 4)
    if (hypervisor, exits) != (0, 0) or not 2 * TURNS <= guests <= 2 * TURNS + 4:
        raise Failed(f"a loop of {2 * TURNS} instructions: {guests} of the guest, {hypervisor} of the hypervisor, {exits} exits")
    if not marks[0][3]:
        raise Failed("no firmware ran before the first guest")
