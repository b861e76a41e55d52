"""Scenarios of changes that go together, and of who is told of changes: transactions and watches."""
from scenario import home, scenario
from store_lab import *  # noqa: F403


# 5. Transactions.

@scenario
def tx_ids(w):
    for who in ("a", "b", "g1"):
        w.note("first id", w(who, TX_START, "", record=False))
        w.note("second id", w(who, TX_START, "", record=False))
    w("b", READ, "/", tx=9)
    w("a", TX_START, "", tx=1)
    w("a", TX_END, "T")
    w("a", TX_END, "T", tx=77)
    w("a", TX_END, "X", tx=1)
    w("a", TX_END, "T", tx=1)
    w("a", TX_END, "T", tx=1)
    w("a", TX_START, b"")
    w("a", TX_START, "x")
    w("a", WATCH, "/w", "t", tx=55)
    w("a", UNWATCH, "/w", "t", tx=55)
    w("a", GET_DOMAIN_PATH, "1", tx=55)
    w("a", IS_INTRODUCED, "1", tx=55)


@scenario
def tx_isolation(w):
    w("a", WRITE, "/v", b"old")
    t = w.start("a")
    w("a", WRITE, "/v", b"new", tx=t)
    w("a", WRITE, "/n/e/w", b"x", tx=t)
    w("a", READ, "/v", tx=t)
    w.ls("a", "/n/e", tx=t)
    w("b", READ, "/v")
    w("b", READ, "/n/e/w")
    w("b", WATCH, "/", "all")
    w.events("b")
    w("a", TX_END, "T", tx=t)
    w("b", READ, "/n/e/w")
    w.note("events", sorted(w.events("b", record=False)))
    t = w.start("a")
    w("a", WRITE, "/v", b"lost", tx=t)
    w("a", RM, "/n", tx=t)
    w("a", READ, "/n/e/w", tx=t)
    w("a", TX_END, "F", tx=t)
    w("b", READ, "/v")
    w("b", READ, "/n/e/w")
    w.events("b")


def conflict(name, before, mine, other, after=()):
    """The table of XENSTORE.md 5: START, mine, other's act, after, END."""
    def run(w):
        w("a", WRITE, "/d/k", b"0")
        w("a", WRITE, "/A", b"a0")
        w("a", WRITE, "/B", b"b0")
        for op in before:
            w("a", *op)
        t = w.start("a")
        for op in mine:
            w("a", *op, tx=t)
        for op in other:
            w("b", *op)
        for op in after:
            w("a", *op, tx=t)
        w("a", TX_END, "T", tx=t)
        for p in ("/A", "/B", "/d/k", "/d/x", "/d/y", "/m"):
            w("b", READ, p)
        w.ls("b", "/d")
    run.__name__ = "tx_conflict_" + name
    scenario(run)


A, B = "/A", "/B"
conflict("read_then_written", [], [(READ, A)], [(WRITE, A, b"a1")], [(WRITE, B, b"b1")])
conflict("read_then_same_value", [], [(READ, A)], [(WRITE, A, b"a0")], [(WRITE, B, b"b1")])
conflict("blind_write", [], [(WRITE, A, b"mine")], [(WRITE, A, b"other")])
conflict("read_only", [], [(READ, A)], [(WRITE, A, b"a1")])
conflict("siblings", [], [(WRITE, "/d/x", b"1")], [(WRITE, "/d/y", b"2")])
conflict("existing_child_and_sibling", [], [(WRITE, "/d/k", b"1")], [(WRITE, "/d/y", b"2")])
conflict("list_and_child_value", [], [(DIRECTORY, "/d")], [(WRITE, "/d/k", b"2")], [(WRITE, B, b"b1")])
conflict("list_and_create", [], [(DIRECTORY, "/d")], [(WRITE, "/d/y", b"2")], [(WRITE, B, b"b1")])
conflict("read_missing", [], [(READ, "/m")], [(WRITE, "/m", b"now")], [(WRITE, B, b"b1")])
conflict("written_before_read", [], [], [(WRITE, A, b"a1")], [(READ, A), (WRITE, B, b"b1")])
conflict("rm_and_create_below", [], [(RM, "/d")], [(WRITE, "/d/q", b"1")])
conflict("perms", [], [(GET_PERMS, A)], [(SET_PERMS, A, "n0", "r1")], [(WRITE, B, b"b1")])
conflict("there_and_back", [], [(READ, A)], [(WRITE, A, b"x"), (WRITE, A, b"a0")], [(WRITE, B, b"b1")])
conflict("create_and_delete_by_other", [], [(DIRECTORY, "/d")], [(WRITE, "/d/t", b""), (RM, "/d/t")], [(WRITE, B, b"b1")])
conflict("disjoint", [], [(READ, A), (WRITE, A, b"1")], [(WRITE, B, b"2")])
conflict("mkdir_both", [], [(MKDIR, "/m")], [(MKDIR, "/m")])
conflict("rm_both", [], [(RM, A)], [(RM, A)])
conflict("write_into_removed", [], [(WRITE, "/d/k", b"1")], [(RM, "/d")])


@scenario
def tx_two_own(w):
    w("a", WRITE, "/A", b"0")
    t1, t2 = w.start("a"), w.start("a")
    w("a", WRITE, "/A", b"1", tx=t1)
    w("a", WRITE, "/A", b"2", tx=t2)
    w("a", TX_END, "T", tx=t1)
    w("a", TX_END, "T", tx=t2)
    w("a", READ, "/A")


@scenario
def tx_failed_operation(w):
    t = w.start("a")
    w("a", READ, "/none", tx=t)
    w("a", WRITE, "/bad path", b"", tx=t)
    w("a", RM, "/none/x", tx=t)
    w("a", WRITE, "/ok", b"1", tx=t)
    w("a", TX_END, "T", tx=t)
    w("a", READ, "/ok")


@scenario
def tx_create_and_delete(w):
    t = w.start("a")
    w("a", WRITE, "/t/x/y", b"1", tx=t)
    w("a", RM, "/t", tx=t)
    w("a", READ, "/t/x", tx=t)
    w("a", WRITE, "/t/z", b"2", tx=t)
    w.ls("a", "/t", tx=t)
    w("a", TX_END, "T", tx=t)
    w.ls("a", "/t")
    w("a", READ, "/t/z")


@scenario
def tx_closed_connection(w):
    t = w.start("b")
    w("b", WRITE, "/gone", b"1", tx=t)
    w.client("b").close()
    time.sleep(0.05)
    w("a", READ, "/gone")


@scenario
def tx_quota(w):
    w.note("opened", [w("g1", TX_START, "", record=False) for _ in range(9)][-1])
    answers = [w("g1", TX_START, "", record=False) for _ in range(4)]
    w.note("tenth to thirteenth", answers)
    for _ in range(30):
        w("a", TX_START, "", record=False)
    w("a", TX_START, "")


@scenario
def tx_nodes_quota(w):
    home(w, 1)
    for i in range(3):
        w("g1", WRITE, f"d/{i}", b"")
    t = w.start("g1")
    answers = [w("g1", READ, f"x/{i}", tx=t, record=False) for i in range(1100)]
    w.note("answers", sorted(set(map(str, answers))))
    w("g1", TX_END, "T", tx=t)


@scenario
def tx_node_quota(w):
    home(w, 1)
    w("a", CONTROL, "quota", "set", "nodes", "3")
    t = w.start("g1")
    w("g1", MKDIR, "a", tx=t)
    w("g1", MKDIR, "b", tx=t)
    w("g1", MKDIR, "c", tx=t)
    w("g1", TX_END, "T", tx=t)
    w.ls("a", "/local/domain/1")


# 6. Watches.

@scenario
def watch_basics(w):
    w("a", WATCH, "/w", "t1")
    w("a", WATCH, "/w", "t2")
    w("a", WATCH, "/w", "t1")
    w.events("a")
    w("b", WRITE, "/w/x", b"1")
    w.events("a")
    w("b", WRITE, "/w/x", b"1")
    w.events("a")
    w("b", MKDIR, "/w/x")
    w.events("a")
    w("b", WRITE, "/", b"1")
    w.events("a")
    w("b", SET_PERMS, "/w/x", "n0", "r1")
    w.events("a")
    w("b", RM, "/w/x")
    w.events("a")
    w("b", RM, "/w/x")
    w.events("a")
    w("a", UNWATCH, "/w", "t1")
    w("a", UNWATCH, "/w", "t1")
    w("a", UNWATCH, "/w", "zz")
    w("b", WRITE, "/w", b"1")
    w.events("a")
    w("b", RM, "/w")
    w.events("a")
    w("b", WRITE, "/w", b"again")
    w.events("a")


@scenario
def watch_spelling(w):
    w("a", WATCH, "data", "rel")
    w("a", WATCH, "/local/domain/0/data", "abs")
    w.events("a")
    w("a", WRITE, "data/x", b"1")
    w.note("both", sorted(w.events("a", record=False)))
    home(w, 1)
    w("g1", WATCH, "data", "rel")
    w("g1", WATCH, "/local/domain/1", "abs")
    w.events("g1")
    w("g1", WRITE, "data/y", b"")
    w.note("both", sorted(w.events("g1", record=False)))


@scenario
def watch_ancestor_removed(w):
    w("a", WRITE, "/r/s/t", b"1")
    w("a", WRITE, "/r/s/u", b"1")
    for p in ("/r", "/r/s", "/r/s/t", "/", "/r/none"):
        w("a", WATCH, p, "t" + p)
    w.events("a")
    w("b", RM, "/r/s")
    w.note("events", sorted(w.events("a", record=False)))


@scenario
def watch_implicit_parents(w):
    w("a", WATCH, "/i/j", "t")
    w("a", WATCH, "/", "root")
    w.events("a")
    w("b", WRITE, "/i/j/k/l", b"")
    w.events("a")
    w("b", MKDIR, "/i/j/m/n")
    w.events("a")


@scenario
def watch_permissions(w):
    w("a", WRITE, "/pub", b"")
    w("a", SET_PERMS, "/pub", "r0")
    w("a", WRITE, "/priv", b"")
    for p in ("/pub", "/priv", "/none"):
        w("g1", WATCH, p, p)
    w.events("g1")
    w("a", WRITE, "/pub", b"1")
    w("a", WRITE, "/priv", b"1")
    w("a", WRITE, "/none", b"1")
    w.events("g1")
    w("a", WRITE, "/pub/c", b"1")
    w("a", SET_PERMS, "/pub/c", "n0")
    w.events("g1")
    w("a", WRITE, "/pub/c", b"2")
    w.events("g1")
    w("a", SET_PERMS, "/pub", "n0")
    w.events("g1")
    w("a", WRITE, "/pub", b"2")
    w.events("g1")
    w("a", SET_PERMS, "/pub", "r0")
    w.events("g1")
    w("a", RM, "/pub")
    w.events("g1")


@scenario
def watch_order_own(w):
    w("a", WATCH, "/o", "t")
    c = w.client("a")
    w.events("a")
    c.order.clear()
    w("a", WRITE, "/o", b"1")
    w.events("a")
    w.note("event and reply", c.order[:2])
    c.order.clear()
    t = w.start("a")
    w("a", WRITE, "/o", b"2", tx=t)
    w("a", TX_END, "T", tx=t)
    w.events("a")
    w.note("commit", c.order[:4])


@scenario
def watch_first_event_after_reply(w):
    c = w.client("a")
    c.transmit(struct.pack("<IIII", WATCH, 9, 0, 7) + b"/f\0tok\0")
    w.note("first", c.message()[:3])
    w.note("then", c.message())


@scenario
def watch_order_of_changes(w):
    w("a", WATCH, "/q", "t")
    w.events("a")
    for i in range(20):
        w("b", WRITE, f"/q/{i % 7}", b"%d" % i, record=False)
    w.note("last change is seen", [e[0] for e in w.events("a", record=False)][-7:])


@scenario
def watch_quota(w):
    answers = [w("g1", WATCH, f"/w{i}", "t", record=False) for i in range(132)]
    w.note("accepted", sum(a == b"OK\0" for a in answers))
    w.note("refusal", sorted(set(str(a) for a in answers if a != b"OK\0")))
    w("g1", UNWATCH, "/w0", "t")
    w("g1", WATCH, "/w0", "t")
    w("g1", RESET_WATCHES, "")
    w("g1", WATCH, "/w0", "t")
    for i in range(200):
        w("a", WATCH, f"/w{i}", "t", record=False)
    w("a", WATCH, "/more", "t")


@scenario
def watch_reset(w):
    w("g1", WATCH, "/w", "t")
    t = w.start("g1")
    w("g1", RESET_WATCHES, "", tx=t)
    w("g1", UNWATCH, "/w", "t")
    w("g1", TX_END, "T", tx=t)
    w("g1", WATCH, "/w", "t")
    w("g1", RESET_WATCHES, "")
    w("g1", RESET_WATCHES, "")
    w("a", RESET_WATCHES, "")


@scenario
def watch_long_event(w):
    w("a", MKDIR, "/l")
    w("a", WATCH, "/l", "t" * 3000)
    w.note("immediate", len(w.events("a", record=False)))
    w("b", WRITE, "/l/" + "p" * 1200, b"")
    w.note("too long is dropped", len(w.events("a", record=False)))
    w("b", WRITE, "/l/q", b"")
    w.note("short comes", len(w.events("a", record=False)))


@scenario
def watch_third_word(w):
    w("a", WATCH, "/w", "t", "1")
    w("g1", WATCH, "/w", "t", "1")


@scenario
def watch_in_transaction(w):
    w("a", WATCH, "/t", "x")
    w.events("a")
    t = w.start("b")
    for i in range(3):
        w("b", WRITE, "/t/n", b"%d" % i, tx=t)
    w("b", WRITE, "/t/m", b"", tx=t)
    w("b", TX_END, "T", tx=t)
    w.note("once for each node", sorted(w.events("a", record=False)))
