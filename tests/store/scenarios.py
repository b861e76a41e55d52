"""What clients of a store rely on, as scripts of requests. Each runs on a fresh daemon; every answer is recorded.

w(who, operation, words...): who is a socket of domain 0 ("a", "b", ...), a guest's ring ("g1" is domain 1, made and introduced at
first use), or domain 0's kernel ("k"). Words that are str get their NUL, bytes go as they are. The answer, or the error's name, is
recorded and returned. w.events(who) records the events that came since.
"""
from store_lab import *  # noqa: F403

SCENARIOS = []


def scenario(fn):
    SCENARIOS.append(fn)
    return fn


def home(w, n, *more):
    """A guest with a home of its own."""
    w("a", MKDIR, f"/local/domain/{n}")
    w("a", SET_PERMS, f"/local/domain/{n}", f"n{n}", *more)


# 1. Wire.

@scenario
def wire_errors_of_types(w):
    for t in (15, 16, 20, 27, 99, 65535, 0xFFFFFFFF):
        w("a", t, "x")
        w("g1", t, "x")
    for t in (23, 24, 25, 26):
        w.note("newer than 4.17", w("a", t, "0", record=False) != "crash")


@scenario
def wire_echo(w):
    c = w.client("a")
    c.transmit(struct.pack("<IIII", READ, 0xDEADBEEF, 0, 2) + b"/\0")
    w.note("request id", c.message()[:3])
    c.transmit(struct.pack("<IIII", READ, 7, 12345, 2) + b"/\0")
    w.note("transaction id", c.message())
    c.transmit(struct.pack("<IIII", 77, 0, 0, 0))
    w.note("empty of unknown type", c.message())


@scenario
def wire_too_long_socket(w):
    c = w.client("a")
    c.transmit(struct.pack("<IIII", READ, 1, 0, 4097))
    w.note("closed", w.closed(c))
    w("b", READ, "/")


@scenario
def wire_longest(w):
    path = "/l"
    w("a", WRITE, path, b"x" * (4096 - 3))
    w("a", READ, path)
    w("a", WRITE, path, b"y" * (4096 - 3 + 1), record=False) if False else None
    home(w, 1)
    w("g1", WRITE, "data", b"z" * 1500)
    w("g1", READ, "data")


@scenario
def wire_too_long_ring(w):
    g = w.client("g1")
    g.transmit(struct.pack("<IIII", READ, 1, 0, 4097))
    w.wait(lambda: g.error)
    w.note("error field", g.error)
    w("a", IS_INTRODUCED, "1")


@scenario
def wire_strings(w):
    for op in (READ, DIRECTORY, GET_PERMS, MKDIR, RM, GET_DOMAIN_PATH, IS_INTRODUCED, RELEASE, RESUME):
        for body in (b"/p", b"/p\0/q\0", b"", b"\0", b"/p\0x"):
            # Debian's daemon answers some of these with whatever its errno was last: let that be EINVAL.
            w("a", READ, "//", record=False)
            w("a", op, body)
    for body in (b"/w", b"/w\0", b"\0v", b"", b"/w\0a\0b\0"):
        w("a", WRITE, body)
        w("a", READ, "/w")
    for body in (b"/w\0", b"/w\0t", b"", b"/w\0t\0x\0", b"\0t\0", b"/w\0\0"):
        w("a", WATCH, body)
        w("a", UNWATCH, body)
    for body in (b"/w\0", b"/w\0n0", b"", b"/w\0n0\0r1"):
        w("a", SET_PERMS, body)
    for body in (b"T", b"", b"T\0F\0", b"X\0", b"TT\0"):
        tx = w.start("a")
        w("a", TX_END, body, tx=tx)
        w("a", TX_END, "F", tx=tx)


@scenario
def wire_pipeline_and_fragments(w):
    c = w.client("a")
    out = b""
    for i in range(40):
        body = b"/pipe/%d\0value%d" % (i, i)
        out += struct.pack("<IIII", WRITE, 1000 + i, 0, len(body)) + body
    c.transmit(out)
    w.note("in order", [c.message()[1] for _ in range(40)])
    body = b"/pipe/7\0"
    for b in struct.pack("<IIII", READ, 5, 0, len(body)) + body:
        c.transmit(bytes([b]))
    w.note("byte by byte", c.message())
    g = w.client("g1", 0xFFFFFF00)
    for _ in range(30):
        w("g1", GET_DOMAIN_PATH, "1")
    for b in struct.pack("<IIII", READ, 6, 0, 2) + b"/\0":
        g.transmit(bytes([b]))
    w.note("byte by byte on a ring", g.message()[:3])


@scenario
def wire_too_big_reply(w):
    for i in range(700):
        w("a", MKDIR, f"/many/child-{i}", record=False)
    w("a", DIRECTORY, "/many")
    part = w("a", DIRECTORY_PART, "/many", "0", record=False)
    w.note("first part", len(part) <= 4096 and part.split(b"\0")[1])
    names, offset = [], 0
    while True:
        part = w("a", DIRECTORY_PART, "/many", str(offset), record=False)
        gen, _, rest = part.partition(b"\0")
        if not rest.strip(b"\0"):
            break
        offset += len(rest.rstrip(b"\0")) + 1
        names += rest.rstrip(b"\0").split(b"\0")
        if rest.endswith(b"\0\0"):
            break
    w.note("all parts", (len(names), sorted(names) == sorted(b"child-%d" % i for i in range(700))))
    w.note("beyond the end", w("a", DIRECTORY_PART, "/many", "1000000", record=False).partition(b"\0")[2])
    for body in (b"/many\0x\0", b"/many\0-1\0", b"/many\0", b"/none\0" b"0\0", b"/many\0" b"0\0x\0"):
        w("a", DIRECTORY_PART, body)
    g1 = w("a", DIRECTORY_PART, "/many", "0", record=False).partition(b"\0")[0]
    w("a", WRITE, "/many/child-0/below", b"")
    w.note("below does not count", g1 == w("a", DIRECTORY_PART, "/many", "0", record=False).partition(b"\0")[0])
    for op in ((WRITE, "/many", b"v"), (SET_PERMS, "/many", "n0"), (MKDIR, "/many/new"), (RM, "/many/new")):
        w("a", *op)
        g2 = w("a", DIRECTORY_PART, "/many", "0", record=False).partition(b"\0")[0]
        w.note("generation changes", g1 != g2)
        g1 = g2


@scenario
def wire_part_of_small(w):
    w("a", MKDIR, "/s/one")
    w("a", MKDIR, "/s/two")
    for n in ("0", "1", "4", "8", "9"):
        w.note("at " + n, w("a", DIRECTORY_PART, "/s", n, record=False).partition(b"\0")[2])
    w.note("leaf", w("a", DIRECTORY_PART, "/s/one", "0", record=False).partition(b"\0")[2])


# 2. Paths.

PATHS = ["/", "", "//", "/a/", "/a//b", "/a.b", "/a:b", "/a b", "/a_b-c@d", "/@x", "/p/@x", "@introduceDomain", "@releaseDomain", "@other", "a/b", "a/",
         "/a\x01", "/\u00e9", "/" + "x" * 300, "-", "@", "/-"]


@scenario
def path_characters(w):
    for p in PATHS:
        for op in (MKDIR, READ, DIRECTORY, GET_PERMS, RM):
            w("a", op, p)
        w("a", WRITE, p, b"v")
        w("a", SET_PERMS, p, "n0")
        w("a", WATCH, p, "tok")
        w("a", UNWATCH, p, "tok")


@scenario
def path_relative(w):
    w("a", WRITE, "data", b"mine")
    w("a", READ, "/local/domain/0/data")
    home(w, 1)
    w("g1", WRITE, "data/x", b"1")
    w("a", READ, "/local/domain/1/data/x")
    w("k", READ, "data")


@scenario
def path_lengths(w):
    for n in (1000, 1023, 1024, 1025, 2047, 2048, 3071, 3072, 3073):
        w("a", READ, "/" + "a" * (n - 1))
        w("a", READ, "a" * n)
        w("g1", READ, "/" + "a" * (n - 1))
        w("g1", READ, "a" * n)
    w("g1", READ, "/local/domain/1/" + "a" * 2048)
    w("g1", READ, "/local/domain/1/" + "a" * 2049)


@scenario
def path_of_domain(w):
    for s in ("0", "1", "007", "32751", "32752", "65535", "70000", "abc", "", "-1", "1x", " 1"):
        w("a", GET_DOMAIN_PATH, s)
    w("g1", GET_DOMAIN_PATH, "5")


# 3. Nodes.

@scenario
def node_basics(w):
    w("a", WRITE, "/a/b/c", b"v\0w")
    for p in ("/a/b/c", "/a/b", "/a"):
        w("a", READ, p)
        w.ls("a", p)
    w("a", MKDIR, "/a/b/c")
    w("a", READ, "/a/b/c")
    w("a", WRITE, "/a/b/c", b"")
    w("a", READ, "/a/b/c")
    w("a", READ, "/a/none")
    w("a", READ, "/none/none")
    w("a", DIRECTORY, "/none")
    w("a", RM, "/a/none")
    w("a", RM, "/none/none")
    w("a", RM, "/")
    w("a", MKDIR, "/")
    w("a", WRITE, "/", b"root")
    w("a", READ, "/")
    w("a", RM, "/a")
    w("a", READ, "/a/b/c")
    w.ls("a", "/")


@scenario
def node_size_of_guest(w):
    home(w, 1)
    for n in (1900, 2000, 2015, 2030, 2040, 2048, 2049, 3000):
        w("g1", WRITE, "data", b"x" * n)
    w("a", WRITE, "/local/domain/1/data", b"x" * 4000)
    w("g1", READ, "data")
    w("g1", MKDIR, "data/x")
    w("g1", WRITE, "data", b"x" * 3000)
    w("g1", RM, "data")


@scenario
def node_children_of_guest(w):
    home(w, 1)
    answers = [w("g1", MKDIR, f"dir/c{i}", record=False) for i in range(500)]
    w.note("all accepted", all(a == b"OK\0" for a in answers))
    w.note("refusals", sorted(set(str(a) for a in answers if a != b"OK\0")))
    w("g1", RM, "dir/c3")
    w("g1", MKDIR, "dir/another")


# 4. Permissions.

@scenario
def perm_first_match(w):
    w("a", WRITE, "/p", b"v")
    w("a", SET_PERMS, "/p", "n0", "r1", "w1", "b2", "w3")
    for g in ("g1", "g2", "g3", "g4"):
        w(g, READ, "/p")
        w(g, WRITE, "/p", b"by")
        w(g, GET_PERMS, "/p")
        w(g, DIRECTORY, "/p")
    w("a", SET_PERMS, "/p", "b0", "n1")
    w("g1", READ, "/p")
    w("g4", READ, "/p")
    w("a", GET_PERMS, "/p")


@scenario
def perm_inherit(w):
    w("a", MKDIR, "/n")
    w("a", SET_PERMS, "/n", "n0", "b1", "r2")
    w("g1", WRITE, "/n/c/d", b"x")
    w("a", GET_PERMS, "/n/c")
    w("a", GET_PERMS, "/n/c/d")
    w("a", WRITE, "/n/e", b"")
    w("a", GET_PERMS, "/n/e")
    w("g2", READ, "/n/c/d")


@scenario
def perm_set(w):
    home(w, 1)
    w("a", MKDIR, "/o")
    w("g2", SET_PERMS, "/o", "n2")
    w("g1", WRITE, "x", b"1")
    w("g1", SET_PERMS, "x", "n1", "r2")
    w("g1", SET_PERMS, "x", "n2")
    w("g1", SET_PERMS, "x", "n0")
    for bad in (["x1"], ["n"], [], ["n-1"], ["n1x"], ["1"], ["n99999"], ["N1"], ["n1", "q2"], ["n1", ""], ["n 1"], ["n+1"]):
        w("g1", SET_PERMS, "x", *bad)
        w("a", SET_PERMS, "x", *bad)
    w("a", SET_PERMS, "/o", "n77")
    w("a", SET_PERMS, "/o", "n0", "r77")
    w("a", GET_PERMS, "/o")
    w("a", SET_PERMS, "/none", "n0")
    w("g1", SET_PERMS, "none", "n1")
    w("g1", SET_PERMS, "/o/none", "n1")
    w("a", GET_PERMS, "/local/domain/1/x")


@scenario
def perm_missing_nodes(w):
    w("a", MKDIR, "/secret")
    w("a", MKDIR, "/open")
    w("a", SET_PERMS, "/open", "r0")
    w("a", MKDIR, "/drop")
    w("a", SET_PERMS, "/drop", "w0")
    for p in ("/secret/x", "/secret", "/open/x", "/open/x/y", "/drop/x", "/nowhere", "/secret/a/b/c"):
        w("g1", READ, p)
        w("g1", DIRECTORY, p)
        w("g1", GET_PERMS, p)
        w("g1", RM, p)
        w("g1", WRITE, p, b"v")
        w("g1", MKDIR, p)
        w("g1", SET_PERMS, p, "n1")
    w.ls("a", "/drop")


@scenario
def perm_below_unreadable(w):
    w("a", WRITE, "/hid/seen", b"v")
    w("a", SET_PERMS, "/hid/seen", "r0")
    w("g1", READ, "/hid/seen")
    w("g1", READ, "/hid")
    w("a", WRITE, "/wo", b"v")
    w("a", SET_PERMS, "/wo", "w0")
    w("g1", READ, "/wo")
    w("g1", WRITE, "/wo", b"new")
    w("a", READ, "/wo")
    w("a", WRITE, "/wo/deep/node", b"x")
    w("a", SET_PERMS, "/wo/deep", "n0")
    w("g1", RM, "/wo")
    w("a", READ, "/wo/deep/node")


@scenario
def perm_target(w):
    w("a", WRITE, "/t", b"v")
    w.client("g1"), w.client("g2")
    w("a", SET_PERMS, "/t", "n2")
    w("g1", READ, "/t")
    w("a", SET_TARGET, "1", "2")
    w("g1", READ, "/t")
    w("g1", WRITE, "/t", b"w")
    w("g1", SET_PERMS, "/t", "n2", "r3")
    w("a", SET_PERMS, "/t", "n0", "r2")
    w("g1", READ, "/t")
    w("a", SET_TARGET, "1", "77")
    w("a", SET_TARGET, "77", "1")
    w("g2", SET_TARGET, "2", "1")


@scenario
def perm_domain_gone(w):
    home(w, 1, "r2")
    w("g1", WRITE, "a/b", b"v")
    w("a", WRITE, "/x", b"v")
    w("a", SET_PERMS, "/x", "n0", "b1", "r2")
    w("a", WRITE, "/local/domain/1/a/ours", b"v")
    w("a", SET_PERMS, "/local/domain/1/a/ours", "n0")
    w("a", WATCH, "/local", "t")
    w.events("a")
    w.destroy(1)
    w.note("events", sorted(set(e[0] for e in w.events("a", record=False))))
    w("a", READ, "/local/domain/1/a/b")
    w("a", READ, "/local/domain/1/a/ours")
    w("a", READ, "/local/domain/1")
    w.reborn(1)
    w("g1", READ, "/x")
    w("g1", WRITE, "/x", b"w")
    w("g2", READ, "/x")


@scenario
def perm_for_unborn_domain(w):
    w("a", WRITE, "/x", b"v")
    w("a", SET_PERMS, "/x", "n0", "r5")
    w("g5", READ, "/x")


@scenario
def perm_special_names(w):
    w("g1", WATCH, "@introduceDomain", "t")
    w.events("g1")
    w("a", GET_PERMS, "@introduceDomain")
    w("a", GET_PERMS, "@releaseDomain")
    w("a", SET_PERMS, "@releaseDomain", "n0", "r1")
    w("g1", WATCH, "@releaseDomain", "t")
    w.events("g1")
    w.client("g2")
    w.destroy(2)
    w.events("g1")
    w("g1", GET_PERMS, "@releaseDomain")
    w("g1", SET_PERMS, "@releaseDomain", "n1")
    w("a", GET_PERMS, "@releaseDomain")
    w("a", SET_PERMS, "@unknown", "n0")


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
