"""Tests that report in TAP: functions whose names begin with test_ in the calling module."""
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from tap_report import Skip, report  # noqa: E402

__all__ = ["BUILD", "Skip", "main"]
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = pathlib.Path(__file__).resolve().parents[2] / BUILD


def main(module):
    """Run them in order, or those whose names contain an argument."""
    names = [n for n in vars(module) if n.startswith("test_") and callable(getattr(module, n))]
    report([(n, getattr(module, n)) for n in names if not sys.argv[1:] or any(a in n for a in sys.argv[1:])])
