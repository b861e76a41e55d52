#!/usr/bin/env python3
"""How long a READ of domain 0 takes by the clock, beside each load of tests/store/hostile.py. Guests act in a process of their own, as fast as it can.

What must hold is tested by instructions (tests/store/test_latency.py); this shows what it comes to here.
"""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "store"))
import hostile  # noqa: E402
from store_lab import READ  # noqa: E402

READS, GUESTS = int(os.environ.get("READS", "4000")), int(os.environ.get("GUESTS", "4"))


def latencies(load):
    yard = hostile.Yard(GUESTS)
    act = load(yard)
    for i in range(100):
        yard.work(i)
    child = os.fork()
    if not child:
        while True:
            act()
    times = []
    for i in range(READS):
        # Something changes all the time, for those who watch.
        if i % 4 == 0:
            yard.work(i)
        start = time.perf_counter()
        yard.zero.ask(READ, b"/work/1\0")
        times.append((time.perf_counter() - start) * 1e6)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    yard.close()
    return sorted(times)


def main():
    print(f"| READ of domain 0 beside {GUESTS} guests, by the clock | p50 | p99 |")
    print("|---|---|---|")
    for load in [hostile.idle] + hostile.LOADS:
        t = latencies(load)
        print(f"| {load.__name__.replace('_', ' ')} | {t[len(t) // 2]:.0f} us | {t[len(t) * 99 // 100]:.0f} us |", flush=True)


if __name__ == "__main__":
    main()
