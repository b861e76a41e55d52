#!/usr/bin/env python3
"""What a request of domain 0 waits for when guests mean harm: a turn of the daemon's loop, which does so much for guests and no more.

Each turn is a profile of its own, written by callgrind when the daemon waits again, so instructions are counted and no clock matters. Domain 0
has its answers before guests have their part of a turn; what it may find in progress when its request comes is one such part.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
import hostile  # noqa: E402
from tap import main, test  # noqa: E402

# One turn's share of guests: 32 ordinary requests, and what one costs at most.
SHARE = 32 * 8000
# The most that one request may cost beyond that: to remove a guest's whole quota of nodes takes as long as it takes.
PER_NODE = 5000


class TurnDaemon(lab.Daemon):
    def command(self):
        return ["valgrind", "-q", "--tool=callgrind", "--dump-before=os_poll_wait",
                f"--callgrind-out-file={self.machine.dir}/turn"] + super().command()

    def turns(self):
        """Instructions of each turn since the last call, the least first."""
        costs = []
        for f in self.machine.dir.glob("turn.*"):
            total = re.search(r"^totals: (\d+)", f.read_text(), re.M)
            if total:
                costs.append(int(total[1]))
                f.unlink()
        return sorted(costs)


def percentile(costs, n):
    return costs[min(len(costs) - 1, len(costs) * n // 100)]


def turns_under(load, guests=4, rounds=40):
    yard = hostile.Yard(guests, TurnDaemon)
    act = load(yard)
    for i in range(60):
        act()
        if i % 6 == 0:
            yard.work(i)
    yard.daemon.turns()
    for i in range(rounds):
        act()
        yard.work(i)
    costs = yard.daemon.turns()
    assert len(costs) > rounds, len(costs)
    print(f"# {load.__name__}, {guests} guests: p50 {percentile(costs, 50)}, p99 {percentile(costs, 99)}, worst {costs[-1]}", flush=True)
    yard.close()
    return costs


@test
def latency_of_domain_0_beside_guests_that_do_nothing_more():
    """What they have set up and then leave alone: turns cost twice what they did, at most."""
    idle = percentile(turns_under(hostile.idle), 99)
    for load in hostile.requests_without_reading, hostile.watches_without_reading, hostile.watches_of_what_is_hidden, \
            hostile.transactions_left_open:
        assert percentile(turns_under(load), 99) < 2 * idle, (load.__name__, idle)


@test
def latency_of_domain_0_beside_guests_that_go_on():
    """As fast as they can: 99 of 100 turns cost no more than a share, however many guests there are."""
    idle = percentile(turns_under(hostile.idle), 99)
    for load, guests in (hostile.requests_as_fast_as_can_be, 4), (hostile.requests_as_fast_as_can_be, 20), (hostile.watches_read_at_once, 20), \
            (hostile.watches_set_and_reset, 8), (hostile.conflicts, 8):
        assert percentile(turns_under(load, guests), 99) < 2 * idle + SHARE, (load.__name__, idle)


@test
def latency_of_domain_0_beside_large_requests():
    """The worst of all turns: one request that undoes what fifty rounds have built, and the share."""
    costs = turns_under(hostile.trees_built_and_removed)
    nodes = 50 * 13
    assert costs[-1] < 2 * SHARE + PER_NODE * nodes, costs[-5:]


if __name__ == "__main__":
    main()
