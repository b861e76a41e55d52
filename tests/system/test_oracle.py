"""The same micro-guests on Debian's real Xen 4.17 and on Hospes: what they print must be equal but for the listed differences."""
import os

import oracle
from machine import Failed, boot_test


@boot_test("oracle", weight=120)
def xen_and_hospes():
    """Real Xen's answers equal the recorded ones (set UPDATE_EXPECTED=1 to record them), and Hospes' equal real Xen's."""
    wanted = [g for g in oracle.guests() if g.oracle and g.compare]
    xen, _ = oracle.real_xen(wanted)
    oracle.EXPECTED.mkdir(exist_ok=True)
    wrong = []
    for g in wanted:
        path = oracle.EXPECTED / f"{g.name}.txt"
        text = "\n".join(xen[g.name]) + "\n"
        if os.environ.get("UPDATE_EXPECTED"):
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(f"{g.name}: real Xen does not answer as recorded in {path.name}")
    for g, ours in oracle.run_hospes(wanted):
        diff = oracle.compare(g.name, xen[g.name], ours)
        if diff:
            wrong.append(f"{g.name}:\n" + "\n".join(diff))
    if wrong:
        raise Failed("\n".join(wrong))
