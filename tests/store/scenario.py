"""What clients of a store rely on, as scripts of requests. Each runs on a fresh daemon; every answer is recorded.

w(who, operation, words...): who is a socket of domain 0 ("a", "b", ...), a guest's ring ("g1" is domain 1, made and introduced at
first use), or domain 0's kernel ("k"). Words that are str get their NUL, bytes go as they are. The answer, or the error's name, is
recorded and returned. w.events(who) records the events that came since.
"""
from store_lab import MKDIR, SET_PERMS

SCENARIOS = []


def scenario(fn):
    SCENARIOS.append(fn)
    return fn


def home(w, n, *more):
    """A guest with a home of its own."""
    w("a", MKDIR, f"/local/domain/{n}")
    w("a", SET_PERMS, f"/local/domain/{n}", f"n{n}", *more)
