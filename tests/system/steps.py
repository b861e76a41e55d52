"""What a script of tests/system/dom0 printed, by step."""
import re


def by_step(text):
    """{step: [lines]} of what stands behind lines "STEP name"; without lines of the hypervisor and of a kernel."""
    steps, current = {}, None
    for line in text.splitlines():
        if line.startswith("(XEN) ") or re.match(r"\[ *\d+\.\d+\] ", line):
            continue
        if line.startswith("STEP "):
            current = steps.setdefault(line[5:], [])
        elif current is not None:
            current.append(line.rstrip())
    return steps


def differences(got, want):
    """A line for each step of @want that went otherwise."""
    return [f"{name}: expected {lines}, got {got.get(name)}" for name, lines in want.items() if got.get(name) != lines]
