#!/usr/bin/env python3
"""What a request of domain 0 waits for, and costs, when guests mean harm: at the 99th percentile no more than twice what it costs alone.

A turn of the daemon's loop has two parts: domain 0's, which ends when its answers are out, and one piece of work for guests. Each part is a
profile of its own, written by callgrind when the next begins, so instructions are counted and no clock matters. A request that comes while a
piece is being done waits for the rest of it: here it is charged all of it, and all of its own part.
"""
import functools
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
import hostile  # noqa: E402
from tap import main, test  # noqa: E402

GUESTS = 20
# Callgrind counts a string instruction once for each byte it moves; so the library is told to move memory by vectors, each counted once.
BY_VECTORS = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000"


class TurnDaemon(lab.Daemon):
    def command(self):
        return ["env", BY_VECTORS, "valgrind", "-q", "--tool=callgrind", "--dump-before=os_poll_wait", "--dump-before=conn_turn_of_guests",
                f"--callgrind-out-file={self.machine.dir}/turn"] + super().command()

    def parts(self):
        """The parts of turns since the last call, in order: instructions, "piece" or "zero", and if domain 0 was served in it."""
        found = []
        for f in self.machine.dir.glob("turn.*"):
            text = f.read_text()
            total = re.search(r"^totals: (\d+)", text, re.M)
            if total:
                kind = "zero" if "--dump-before=conn_turn_of_guests" in text else "piece"
                found.append((int(f.name.split(".")[1]), int(total[1]), kind, "socket_ready" in text))
                f.unlink()
        return [part[1:] for part in sorted(found)]


def percentile(costs, n):
    return sorted(costs)[min(len(costs) - 1, len(costs) * n // 100)]


def waits(parts):
    """What each request of domain 0 waited for at most, with its own part."""
    return [before[0] + part[0] for before, part in zip(parts, parts[1:]) if part[1] == "zero" and part[2] and before[1] == "piece"]


def requests_under(load, guests=GUESTS, rounds=20):
    yard = hostile.Yard(guests, TurnDaemon)
    act = load(yard)
    for i in range(12):
        act()
        if i % 6 == 0:
            yard.work(i)
    yard.daemon.parts()
    for i in range(rounds):
        act()
        yard.work(i)
    parts = yard.daemon.parts()
    costs, pieces = waits(parts), [p[0] for p in parts if p[1] == "piece"]
    assert len(costs) > 2 * rounds, len(costs)
    print(f"# {load.__name__}, {guests} guests: p50 {percentile(costs, 50)}, p99 {percentile(costs, 99)}; pieces p50 {percentile(pieces, 50)}, "
          f"p99 {percentile(pieces, 99)}, worst {max(pieces)}", flush=True)
    yard.close()
    return costs


@functools.cache
def alone():
    return percentile(requests_under(hostile.idle), 99)


def check(*loads):
    idle = alone()
    for load in loads:
        busy = percentile(requests_under(load), 99)
        assert busy <= 2 * idle, (load.__name__, idle, busy)


@test
def latency_of_domain_0_beside_guests_that_do_nothing_more():
    """What they have set up and then leave alone."""
    check(hostile.requests_without_reading, hostile.watches_of_what_is_hidden, hostile.transactions_left_open)


@test
def latency_of_domain_0_beside_guests_that_fill_quotas():
    """Requests as fast as they can."""
    check(hostile.requests_as_fast_as_can_be)


@test
def latency_of_domain_0_beside_large_requests():
    """Nodes by the hundred, as many made by one request as there may be, and all removed by one."""
    check(hostile.trees_built_and_removed, hostile.nodes_made_far_down)


@test
def latency_of_domain_0_beside_guests_with_transactions():
    """Begun, and committed with many changes, or given up after the removal of a large subtree, or with all else at a new beginning."""
    check(hostile.transactions_committed, hostile.transactions_that_remove, hostile.connections_begun_anew)


@test
def latency_of_domain_0_beside_guests_that_flood_watches():
    """All that a guest may have, on what domain 0 writes, with events that are taken at once, a few at a time or never; set and forgotten without end."""
    check(hostile.watches_without_reading, hostile.watches_read_at_once, hostile.watches_read_slowly, hostile.watches_set_and_reset)


@test
def latency_of_domain_0_beside_guests_that_conflict():
    """They write what its transactions write."""
    check(hostile.conflicts)


if __name__ == "__main__":
    main()
