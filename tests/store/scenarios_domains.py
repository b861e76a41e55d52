"""Scenarios of domains: their lives, rings and quotas, and what the toolstack controls."""
from scenario import home, scenario
from store_lab import *  # noqa: F403


# 7. Domains.

@scenario
def domain_privileged_only(w):
    w.client("g2")
    for op in ((INTRODUCE, "2", "1", "1"), (RELEASE, "2"), (RESUME, "2"), (SET_TARGET, "1", "2"), (IS_INTRODUCED, "2"), (CONTROL, "check")):
        w("g1", *op)
    w("k", IS_INTRODUCED, "2")
    w("k", CONTROL, "check")


@scenario
def domain_introduce(w):
    w("a", WATCH, "@introduceDomain", "i")
    w("a", WATCH, "@releaseDomain", "r")
    w.events("a")
    w("a", IS_INTRODUCED, "1")
    w.client("g1")
    w.events("a")
    w("a", IS_INTRODUCED, "1")
    w("g1", WATCH, "/w", "t")
    w("a", INTRODUCE, "1", "1", "1")
    w.events("a")
    w("g1", READ, "/")
    for words in (("9", "1", "1"), ("x", "1", "1"), ("1",), ("1", "1"), ("1", "1", "1", "1"), ("0", "1", "1"), ("32752", "1", "1"), ("-1", "1", "1"), ("1", "x", "1"), ("1", "1", "x")):
        w("a", INTRODUCE, *words)
    for s in ("0", "1", "2", "32752", "70000", "x", ""):
        w("a", IS_INTRODUCED, s)
    w("a", RELEASE, "1")
    w.events("a")
    w("a", IS_INTRODUCED, "1")
    w("a", RELEASE, "1")
    w("a", RELEASE, "9")
    w("a", RELEASE, "x")
    w("a", RELEASE, "0")


@scenario
def domain_shutdown_and_resume(w):
    w("a", WATCH, "@releaseDomain", "r")
    w.client("g1"), w.client("g2")
    w.events("a")
    w.shutdown(1)
    w.events("a")
    w("a", IS_INTRODUCED, "1")
    w.shutdown(2)
    w.events("a")
    w("a", RESUME, "1")
    w.revive(1)
    w.shutdown(1)
    w.events("a")
    w("a", RESUME, "9")
    w("a", RESUME, "x")
    w.destroy(1)
    w.events("a")
    w("a", IS_INTRODUCED, "1")


@scenario
def domain_reborn(w):
    home(w, 1)
    w("g1", WRITE, "data", b"1")
    w("g1", WATCH, "/w", "t")
    w("g1", TX_START, "")
    w.destroy(1)
    w("a", READ, "/local/domain/1/data")
    w.reborn(1)
    w("g1", READ, "data")
    w("g1", TX_START, "")
    w("a", WRITE, "/w", b"")
    w.events("g1")


# 8. Rings.

@scenario
def ring_bad_indices(w):
    for prod, cons in ((1025, 0), (5, 6), (0x80000000, 0)):
        for at in (2048, 2056):
            n = 10 + len(w.clients)
            g = w.client(f"g{n}")
            w(f"g{n}", GET_DOMAIN_PATH, "1")
            g.word(at, cons)
            g.word(at + 4, prod)
            g.kick()
            w.wait(lambda: g.error)
            w.note(f"error {at} {prod} {cons}", g.error)
    w("a", READ, "/")


@scenario
def ring_notifies(w):
    g = w.client("g1")
    w("g1", READ, "/")
    w.note("connected", g.state)
    for _ in range(3):
        for n in (1000, 1024 - 16, 900):
            w("g1", WRITE, "/x", b"y" * n)


@scenario
def ring_long_messages(w):
    home(w, 1)
    w("a", WRITE, "/local/domain/1/big", b"z" * 4000)
    w("g1", READ, "big")
    w("g1", WRITE, "data", b"q" * 1900)
    w("g1", READ, "data")


@scenario
def ring_kernel(w):
    w("k", WRITE, "/k", b"v")
    w("k", READ, "/k")
    w("k", WATCH, "/k", "t")
    w.events("k")
    w("a", WRITE, "/k", b"")
    w.events("k")
    w("k", MKDIR, "/local/domain/3")
    w("k", SET_PERMS, "/local/domain/3", "n0", "r3")


# 9. Quotas.

@scenario
def quota_nodes(w):
    home(w, 1)
    answers = [w("g1", MKDIR, f"d{i // 100}/n{i}", record=False) for i in range(1005)]
    w.note("refusal", sorted(set(str(a) for a in answers if a != b"OK\0")))
    w.note("accepted", sum(a == b"OK\0" for a in answers))
    w("g1", RM, "d0/n0")
    w("g1", MKDIR, "again")
    w("g1", MKDIR, "again2")
    w("a", MKDIR, "/local/domain/1/by-zero")
    t = w.start("g1")
    w("g1", RM, "d0/n1", tx=t)
    w("g1", MKDIR, "inside", tx=t)
    w("g1", TX_END, "T", tx=t)


@scenario
def quota_perms(w):
    home(w, 1)
    for n in (4, 5, 6, 7):
        w("g1", SET_PERMS, "/local/domain/1", "n1", *[f"r{i + 10}" for i in range(n - 1)])
        w("a", SET_PERMS, "/local/domain/1", "n1", *[f"r{i + 10}" for i in range(n - 1)])


# 10. Control.

@scenario
def control_words(w):
    for words in (("check",), ("print", "x"), ("bogus",), ("",), ("log", "on"), ("log", "off"), ("log", "x"), ("quota", "set", "nodes", "1000"),
                  ("quota", "set", "bogus", "1"), ("quota", "set", "nodes", "x"), ("quota", "7"), ("live-update", "-a"), ("live-update", "-x"),
                  ("live-update", "-s"), ("live-update", "-f", "/none"), ("print",)):
        w("a", CONTROL, *words)
    w("a", CONTROL, b"check")
    w("a", CONTROL, b"")


@scenario
def control_quota_takes_effect(w):
    home(w, 1)
    w("a", CONTROL, "quota", "set", "nodes", "5")
    w.note("accepted", [w("g1", MKDIR, f"n{i}", record=False) for i in range(8)])
    w("a", CONTROL, "quota", "set", "transactions", "1")
    w.note("transactions", [w("g1", TX_START, "", record=False) for i in range(4)])
