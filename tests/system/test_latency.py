"""What the classes of latency promise, inside a guest, by the clock of instructions: docs/scheduling.md."""
from machine import Machine, boot_test, guest, launch

PROMISE = 1_000_000  # ns: of a hundred wake-ups of an interactive domain, 99 wait no longer


@boot_test("system", weight=40)
def interactive_beside_spinners():
    """A domain that works for a millisecond out of ten, beside eight that spin on its CPU: its timer's p99 is within the promise of its class."""
    def domain(name, how, which):
        return {"name": name, "type": "pvh", "kernel": guest("latency64"), "memory": 4, "vcpus": 1, "extra": how, "latency_class": which}

    spinners = [domain(f"spin{i}", "spinner", ["normal", "batch"][i % 2]) for i in range(8)]
    with Machine(launch([*spinners, domain("waker", "waker", "interactive")]), memory="256M", cpus=1, icount=True, append="guest_loglvl=all") as m:
        late = m.expect(r"LATENCY half (\d+) p90 (\d+) p99 (\d+) most (\d+) ns\n", timeout=900)
        print(f"# interactive: half of its wake-ups within {late[1]} ns, 90 % {late[2]}, 99 % {late[3]}, all {late[4]}")
        if int(late[3]) > PROMISE:
            m.fail(f"p99 is {late[3]} ns, the promise {PROMISE}")
