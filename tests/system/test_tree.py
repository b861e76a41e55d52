"""What a launch tree promises: static links and grants between domains without a dom0, and faults that cost only what they are in."""
from machine import Machine, boot_test, guest, launch


def micro(name, program, extra="", **more):
    return {"name": name, "type": "pvh", "kernel": guest(program), "memory": 4, "vcpus": 1, "extra": extra, **more}


@boot_test("system", weight=10)
def static_links_and_grants():
    """Two pairs of domains, of both widths, exchange a thousand checked messages through what the tree gave them."""
    pairs = []
    for i, (a, b) in enumerate([(32, 64), (64, 32)]):
        pairs += [micro(f"ping{i}", f"pair{a}", f"ping other={2 * i + 2}", launch_links=[f"20=pong{i}:30"],
                        launch_grants=[f"8=pong{i}:0x300"]),
                  micro(f"pong{i}", f"pair{b}", f"pong other={2 * i + 1}", launch_grants=[f"9=ping{i}:0x301:ro"])]
    with Machine(launch(pairs), memory="256M", cpus=2, append="guest_loglvl=all") as m:
        m.expect_all([r"PAIR ping: 1000 rounds, 0 wrong", r"PAIR pong: 1000 rounds, 0 wrong"], timeout=120)
        m.expect_off(60)
    if "WRONG" in m.text or m.text.count("0 wrong") != 4:
        m.fail("something was wrong")
