"""Scenarios of single requests: the wire, paths, nodes and their permissions."""
from scenario import home, scenario
from store_lab import *  # noqa: F403


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
