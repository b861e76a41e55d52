"""Says on standard error what the benchmark is at: its tables come at the end only."""
import contextlib
import sys
import time


@contextlib.contextmanager
def step(what):
    begin = time.time()
    print(f"bench: {what} ...", file=sys.stderr, flush=True)
    yield
    print(f"bench: {what}: {time.time() - begin:.0f} s", file=sys.stderr, flush=True)
