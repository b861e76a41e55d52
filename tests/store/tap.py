"""Test functions of a script, run in order of definition and reported as TAP (tests/run.py counts them)."""
import re
import sys
import traceback

TESTS = []


class Skip(Exception):
    pass


def test(fn):
    TESTS.append(fn)
    return fn


def main():
    """Run all, or those whose name matches the argument."""
    want = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    failed = 0
    tests = [t for t in TESTS if want.search(t.__name__)]
    for n, fn in enumerate(tests, 1):
        try:
            fn()
            print(f"ok {n} - {fn.__name__}", flush=True)
        except Skip as why:
            print(f"ok {n} - {fn.__name__} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {n} - {fn.__name__}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print(f"1..{len(tests)}")
    sys.exit(1 if failed else 0)
