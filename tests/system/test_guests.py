"""Micro-guests on Hospes against the answers real Xen 4.17 gave (tests/guest/expected), several domains to one boot."""
import oracle
from machine import Failed, boot_test


def against_expected(wanted):
    wrong = []
    for g, ours in oracle.run_hospes(wanted):
        path = oracle.EXPECTED / f"{g.name}.txt"
        if g.oracle and g.compare and path.exists():
            diff = oracle.compare(g.name, path.read_text().splitlines(), ours)
        else:
            diff = [x for x in ours if x.startswith(("WRONG", "UNEXPECTED"))] + ([] if ours[-1].startswith("[ended: ") and "never" not in ours[-1] else [ours[-1]])
        if diff:
            wrong.append(f"{g.name}:\n" + "\n".join(diff))
    if wrong:
        raise Failed("\n".join(wrong))


@boot_test("boot", weight=20)
def a_few_calls():
    """Versions, events and memory of both widths answer as real Xen does."""
    against_expected(oracle.guests(r"^(version|event|event_fifo|memory|multi)(32|64)$"))


@boot_test("system", weight=60)
def all_calls():
    """Every micro-guest that can be compared."""
    against_expected([g for g in oracle.guests() if g.compare])
