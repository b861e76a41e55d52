"""Guests that attack the host, beside one that only ticks and checks its memory. The host must stay up, in time, and get all its memory back."""
import re

from machine import Machine, boot_test, guest, launch


def enemy(name, how, vcpus=1, **more):
    return {"name": name, "type": "pvh", "kernel": guest("enemy64"), "memory": 4, "vcpus": vcpus, "extra": how,
            "on_reboot": "destroy", "on_crash": "destroy", **more}


def attack(enemies, must_finish=(), cpus=2, timeout=600, cpu="qemu64,+svm,+npt,+vgif"):
    """Run @enemies to their ends. Their domains all existed, but did nothing, in a first boot: free memory must be as after that."""
    def same(a, b):
        """A page more or less of half-used slabs."""
        return abs(a[0] - b[0]) <= 8 and a[1] == b[1]

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
                m.fail("the ticking domain lost its memory")
            return m, free

    names = [enemy("tick", "tick ")] + [enemy(n, how, vcpus) for n, how, vcpus in enemies]
    quiet = [enemy("tick", "tick ")] + [enemy(n, "nothing " + how[8:], vcpus) for n, how, vcpus in enemies]
    _, before = boot(quiet)
    m, after = boot(names, before)
    for name in must_finish:
        if not re.search(rf"ENEMY {name} done", m.text):
            m.fail(f"{name} did not get to its end")
    if not same(before, after):
        m.fail(f"free frames and heap bytes {before} without, {after} after the attack")


@boot_test("system", weight=40)
def hypercalls():
    """Random hypercalls from twenty seeds; code at the end of RAM and at the edges of the address space; loops in page tables."""
    attack([(f"calls{i}", f"calls seed={i}", 1) for i in range(20)] + [("edge", "edge ", 1), ("loops", "loops ", 1)]
           + [(f"end{i}", f"end{i} ", 1) for i in range(6)])


def fuzz(domains, calls):
    """@domains make @calls hypercalls at random, together, while a neighbour on the same CPU measures its timer; by the clock of instructions, against
    the same domains when they only compute."""
    def domain(name, how):
        return enemy(name, how, kernel=guest("fuzz64"))

    with Machine(launch([domain("ticks", "ticks start=5000")] +
                        [domain(f"calls{i}", f"calls seed={i} number={calls // domains} start=5000") for i in range(domains)]),
                 memory="512M", cpus=1, icount=True, append="guest_loglvl=all") as m:
        m.expect(r"LATE busy.*\n", timeout=900)
        m.expect_off(900 + calls // 500)
    done = re.findall(r"FUZZ (\d+) calls, (\d+) of (\d+) operations, (\d+) of (\d+) calls answered", m.text)
    if len(done) < domains / 2 or "WRONG" in m.text:
        m.fail(f"{len(done)} of {domains} came to their end")
    for _, reached, ops, answers, nr in (map(int, x) for x in done):
        if reached < 0.9 * ops or answers < 0.9 * nr:
            m.fail("less than nine tenths of what can be called was called")
    # The neighbour was measured before the last of them was done.
    if m.text.rindex("FUZZ") < m.text.index("LATE busy"):
        m.fail("the calls were over before the timer was measured")
    quiet, busy = (int(re.search(rf"LATE {when}: half \d+ p99 (\d+)", m.text)[1]) for when in ("quiet", "busy"))
    if busy > 1.5 * quiet:
        m.fail(f"p99 of the neighbour's timer: {quiet} ns beside computing, {busy} ns beside calls")


@boot_test("soak", weight=200)
def million_calls():
    """A million random hypercalls of four domains, singly and in multicalls; the neighbour's timer is late by no more than half as much again."""
    fuzz(4, 1_000_000)


@boot_test("soak", weight=3000)
def hundred_million_calls():
    """The same with a hundred million calls."""
    fuzz(8, 100_000_000)


@boot_test("system", weight=40)
def instructions():
    """Fifty-one odd instructions at the APIC's page, each in a domain of its own: whatever it does ends there."""
    # Number 43 writes CR0: without protection or paging it may well run in circles for ever.
    attack([(f"odd{i}", f"odd seed={i}", 1) for i in range(52) if i != 43], must_finish=("odd",), timeout=600)


@boot_test("soak", weight=60)
def two_vcpus():
    """Code rewritten while it exits; ballooning and moving the same pages from two vCPUs; two domains at each other's events and grants."""
    attack([("code", "code seed=1", 2), ("balloon1", "balloon seed=1", 2), ("balloon2", "balloon seed=2", 2),
            ("peer1", "peer seed=1 other=6", 2), ("peer2", "peer seed=2 other=5", 2)], must_finish=("balloon", "peer"), cpus=4, timeout=400)
