"""Running test functions and reporting them as TAP, which tests/run.py counts."""
import sys
import traceback


class Skip(Exception):
    """The test cannot run here, with the reason."""


def report(tests):
    """Run @tests, pairs of name and function, in order; ends the program."""
    failed = 0
    for n, (name, function) in enumerate(tests, 1):
        try:
            function()
            print(f"ok {n} - {name}", flush=True)
        except Skip as why:
            print(f"ok {n} - {name} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {n} - {name}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print(f"1..{len(tests)}")
    sys.exit(1 if failed else 0)
