"""Guests that attack the host, beside one that only ticks and checks its memory. The host must stay up, in time, and get all its memory back."""
import os
import re

import machine
from machine import ROOT, Machine, boot_test, guest, launch


def enemy(name, how, vcpus=1, **more):
    return {"name": name, "type": "pvh", "kernel": guest("enemy64"), "memory": 4, "vcpus": vcpus, "extra": how,
            "on_reboot": "destroy", "on_crash": "destroy", **more}


def same(a, b):
    """Free frames and heap bytes: a page more or less of half-used slabs."""
    return abs(a[0] - b[0]) <= 8 and a[1] == b[1]


def attack(enemies, must_finish=(), cpus=2, timeout=600, cpu="qemu64,+svm,+npt,+vgif", kernel="enemy64", end="ENEMY {} done"):
    """Run @enemies to their ends, which those of @must_finish announce. Their domains all existed, but did nothing, in a first boot: free memory must be as after that."""
    def boot(domains, expected=None):
        with Machine(launch(domains), memory="512M", cpus=cpus, cpu=cpu, append="guest_loglvl=warning") as m:
            m.expect_all([rf"Domain {i} \({d['name']}\) " for i, d in enumerate(domains[1:], 2)], timeout=timeout)
            for _ in range(2):
                m.expect(r"TICK \d+")
            m.to_hospes()
            # A domain is taken apart in slices after its end: give that as many ticks as it may need.
            for _ in range(20):
                free = m.memory_now()
                if expected is None or same(free, expected):
                    break
                m.expect(r"TICK \d+")
            m.expect(r"TICK \d+")
            if "WRONG" in m.text:
                m.fail("the ticking domain lost its memory, or a check of an enemy failed")
            return m, free

    names = [enemy("tick", "tick ")] + [enemy(n, how, vcpus, kernel=guest(kernel)) for n, how, vcpus in enemies]
    quiet = [enemy("tick", "tick ")] + [enemy(n, "nothing " + how[8:], vcpus, kernel=guest(kernel)) for n, how, vcpus in enemies]
    _, before = boot(quiet)
    m, after = boot(names, before)
    for name in must_finish:
        if end.format(name) not in m.text:
            m.fail(f"{name} did not get to its end")
    if not same(before, after):
        m.fail(f"free frames and heap bytes {before} without, {after} after the attack")


@boot_test("system", weight=40)
def hypercalls():
    """Random hypercalls from twenty seeds; code at the end of RAM and at the edges of the address space; loops in page tables."""
    attack([(f"calls{i}", f"calls seed={i}", 1) for i in range(20)] + [("edge", "edge ", 1), ("loops", "loops ", 1)]
           + [(f"end{i}", f"end{i} ", 1) for i in range(6)])


def hypercall_numbers():
    """Numbers of the entries of the hypervisor's table."""
    table = re.search(r"hypercall_entry table\[.*?\n};", (ROOT / "hv/core/hypercall.c").read_text(), re.S)[0]
    names = re.findall(r"\[HC_(\w+)\] = \{ do_", table)
    text = "".join((ROOT / path).read_text() for path in ("abi/xen.h", "abi/hospes.h", "hv/include/hv/hypercall.h"))
    return {int(re.search(rf"(?:HC_|__HYPERVISOR_){n}\b\s*=?\s*(\d+)", text)[1]) for n in names}


def fuzz(domains, calls, ticks):
    """@domains make @calls hypercalls at random, together, while a neighbour on the same CPU measures its timer @ticks times; by the clock of instructions,
    against the same domains when they only compute. The seeds are kept in fuzz-seeds.txt of the build; FUZZ_SEED=N repeats a run."""
    def domain(name, how):
        return enemy(name, how, kernel=guest("fuzz64"))

    first = int(os.environ.get("FUZZ_SEED", "1"))
    seeds = [first + i for i in range(domains)]
    with open(machine.BUILD / "fuzz-seeds.txt", "a") as f:
        f.write(f"{calls} calls: FUZZ_SEED={first}, {domains} domains\n")
    with Machine(launch([domain("ticks", f"ticks number={ticks} start=1200")] +
                        [domain(f"calls{s}", f"calls seed={s} number={calls // domains} start=1200") for s in seeds]),
                 memory="512M", cpus=1, icount=True) as m:
        m.expect(r"LATE busy.*\n", timeout=900)
        for n in range(len(seeds)):
            m.expect(r"FUZZ seed \d+ done.*\n", timeout=900 + calls // 500)
        m.expect_off(300)
    # Hospes puts the name of the domain before each line once it has several speakers.
    answered = [set(map(int, x.split())) for x in re.findall(r"FUZZ answered([ \d]+)\n", m.text)]
    done = re.findall(r"FUZZ seed (\d+) done: \d+ calls, (\d+) of (\d+) operations", m.text)
    if {int(s) for s, _, _ in done} != set(seeds) or "WRONG" in m.text:
        m.fail(f"of the seeds {seeds}, these came to their end: {done}")
    table = hypercall_numbers()
    for numbers in answered:
        if len(numbers & table) < 0.9 * len(table):
            m.fail(f"of the table's entries {sorted(table)} only {sorted(numbers)} answered")
    for seed, reached, ops in done:
        if int(reached) < 0.9 * int(ops):
            m.fail(f"seed {seed} called {reached} of {ops} operations")
    # The neighbour was measured before the last of them was done.
    if m.text.rindex("FUZZ") < m.text.index("LATE busy"):
        m.fail("the calls were over before the timer was measured")
    quiet, busy = (int(re.search(rf"LATE {when}: half \d+ p99 (\d+)", m.text)[1]) for when in ("quiet", "busy"))
    if busy > 1.5 * quiet:
        m.fail(f"p99 of the neighbour's timer: {quiet} ns beside computing, {busy} ns beside calls")


@boot_test("system", weight=60)
def million_calls():
    """A million random hypercalls of a domain, singly and in multicalls; the neighbour's timer is late by no more than half as much again."""
    fuzz(1, 1_000_000, 4000)


@boot_test("soak", weight=3000)
def hundred_million_calls():
    """The same with a hundred million calls of eight domains."""
    fuzz(8, 100_000_000, 16384)


@boot_test("system", weight=40)
def instructions():
    """Fifty-one odd instructions at the APIC's page, each in a domain of its own: whatever it does ends there."""
    # Number 43 writes CR0: without protection or paging it may well run in circles for ever.
    attack([(f"odd{i}", f"odd seed={i}", 1) for i in range(52) if i != 43], must_finish=("odd",), timeout=600)


@boot_test("system", weight=25)
def grants():
    """Two domains on two CPUs, each with two vCPUs at every grant operation with the other's pages and its own table; and two of whom one dies in the midst of it."""
    attack([("one", "grants peer other=3", 2), ("two", "grants peer other=2", 2), ("three", "grants peer other=5", 2), ("dead", "grants peer dies other=4", 2)],
           kernel="grant_race64", must_finish=("(d2) RACE over", "(d3) RACE over", "(d4) RACE over"), end="{}")


@boot_test("soak", weight=60)
def two_vcpus():
    """Code rewritten while it exits; ballooning and moving the same pages from two vCPUs; two domains at each other's events and grants."""
    attack([("code", "code seed=1", 2), ("balloon1", "balloon seed=1", 2), ("balloon2", "balloon seed=2", 2),
            ("peer1", "peer seed=1 other=6", 2), ("peer2", "peer seed=2 other=5", 2)], must_finish=("balloon", "peer"), cpus=4, timeout=400)
