"""Test functions of a script, run in order of definition and reported as TAP."""
import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from tap_report import Skip, report  # noqa: E402

__all__ = ["Skip", "TESTS", "main", "test"]
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def main():
    """Run all, or those whose name matches the argument."""
    want = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    report([(t.__name__, t) for t in TESTS if want.search(t.__name__)])
