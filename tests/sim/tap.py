"""Tests that report in TAP: functions whose names begin with test_ in the calling module, each with what setup() gives."""
import pathlib
import sys
import traceback
import os

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = pathlib.Path(__file__).resolve().parents[2] / BUILD


class Skip(Exception):
    """The test cannot run here, with the reason."""


def main(module):
    """Run them in order, or those whose names contain an argument."""
    names = [n for n in vars(module) if n.startswith("test_") and callable(getattr(module, n))]
    names = [n for n in names if not sys.argv[1:] or any(a in n for a in sys.argv[1:])]
    failed = 0
    for i, name in enumerate(names, 1):
        try:
            getattr(module, name)()
            print(f"ok {i} - {name}", flush=True)
        except Skip as skip:
            print(f"ok {i} - {name} # SKIP {skip}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {i} - {name}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print(f"1..{len(names)}")
    sys.exit(1 if failed else 0)
