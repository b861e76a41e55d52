"""Rows of the benchmark for whole toolstacks: Debian's and ours, each on Hospes and on Debian's real Xen 4.17.

A row is one command of xl. Its instructions are all of them, the hypervisor's and every process's; a creation's end where the guest's own kernel begins,
which is found by its address (count.c). Hypercalls are all of dom0, its kernel's for time and events too. Forks are processes and threads beside the command itself. Time
is that of the virtual clock, one instruction a nanosecond, waits included. Store requests are everybody's, the new guest's and the kernels' too, counted by the
store daemon's own trace in another run of the same command, until a second after it; our toolstack tells its own apart.
"""
import re
import struct
import subprocess
import typing

import dom0
from machine import Failed, guest, image

STACKS = ("debian", "ours")
ENTRY = 0xfffe
MILLION = 1000000


class Row(typing.NamedTuple):
    name: str
    what: str
    first: int              # the marker before the command; the one after it is the next number
    to_entry: bool          # instructions to the guest's entry, else to the command's end
    store: str = ""         # the name of its store requests
    most: int = 0           # millions of instructions promised of our tools on Hospes; 0: nothing is promised
    like: str = ""          # the row it must not exceed by more than FLAT, neither in all nor in the hypervisor
    forks: bool = False     # there are some: a child to unpack in, helpers of dom0's kernel that look for modules of a new interface


ROWS = [
    Row("cold", "create, Linux with 128 MiB: the first, its kernel is unpacked", 40, True, forks=True),
    Row("create", "the same, warm", 42, True, "create_linux", 80),
    Row("create_101", "the same beside 100 living domains", 56, True, "create_101", 80, "create"),
    Row("devices", "the same with disk and network, alone", 48, True, "create_devices", forks=True),
    Row("tiny", "create, guest of 5 KB", 50, True, "", 10),
    Row("tiny_100", "the same, the 100th living one", 52, True, "create_99", 10, "tiny"),
    Row("destroy", "destroy of Linux, to xl's return", 44, False, "destroy_linux", 10),
    Row("destroy_101", "the same beside 100 living domains", 58, False, "destroy_101", 10),
    Row("destroy_tiny", "destroy of the small one, of 100", 60, False, "", 10),
    Row("list", "list of 101", 54, False, "list"),
]
FLAT = 1.1
REQUESTS = 40


def unpacked(path):
    """The ELF file in a bzImage with an LZ4 payload, as Debian's cloud kernel is."""
    data = path.read_bytes()
    start = (data[0x1f1] + 1) * 512 + struct.unpack_from("<I", data, 0x248)[0]
    size = struct.unpack_from("<I", data, 0x24c)[0]
    # The last four bytes are the unpacked size, which lz4 takes for one more block.
    return subprocess.run(["lz4", "-d", "-c"], input=data[start:start + size - 4], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def pvh_entry(elf):
    """The address of note 18 of "Xen", XEN_ELFNOTE_PHYS32_ENTRY."""
    offset, = struct.unpack_from("<Q", elf, 32)
    size, number = struct.unpack_from("<HH", elf, 54)
    for i in range(number):
        kind, _, at, _, _, length = struct.unpack_from("<IIQQQQ", elf, offset + i * size)
        end = at + length
        while kind == 4 and at + 12 <= end:
            name, desc, note = struct.unpack_from("<III", elf, at)
            body = at + 12 + (name + 3) // 4 * 4
            if note == 18 and elf[at + 12:at + 16] == b"Xen\0":
                return int.from_bytes(elf[body:body + min(desc, 8)], "little")
            at = body + (desc + 3) // 4 * 4
    raise Failed("a kernel without a PVH entry")


def entries():
    return pvh_entry(unpacked(image("vmlinuz-cloud"))), pvh_entry(guest("quiet64").read_bytes())


def parse(marks, text):
    """{row: numbers} and {"daemons": ...} of a session: a dictionary with instructions, calls, forks, ms, store."""
    own = {m[1]: int(m[2]) for m in re.finditer(r"^OWN (\w+) (\d+)$", text, re.M)}
    ran = {int(m[1]): (int(m[2]), int(m[3])) for m in re.finditer(r"^RUN (\d+) forks (-?\d+) us (\d+)$", text, re.M)}
    store = {m[1]: int(m[2]) for m in re.finditer(r"^STORE (\w+) (\d+)$", text, re.M)}
    found = {}
    for r in ROWS:
        taken = dom0.window(marks, r.first, ENTRY if r.to_entry else r.first + 1)
        if not taken or r.first not in ran:
            raise Failed(f"the session says nothing of {r.name}")
        forks, us = ran[r.first]
        found[r.name] = {"hypervisor": taken[0], "instructions": taken[0] + taken[1], "calls": taken[3], "forks": forks, "ms": round(us / 1000, 1),
                         "store": store.get(r.store), "own": own.get(r.store)}
    cleaned, daemons = dom0.window(marks, 46, 47), re.search(r"^DAEMONS (\d+) (\d+)$", text, re.M)
    if not cleaned or not daemons:
        raise Failed("the session does not say what remains")
    return found, {"cleaning": cleaned[0], "daemons": int(daemons[1]), "kib": int(daemons[2])}


def misses(row, rows):
    """Which of their promises our tools on Hospes miss in @row of @rows, as words, or nothing."""
    mine = rows[row.name]
    if row.most and mine["instructions"] > row.most * MILLION:
        return f"above {row.most} M"
    if row.like and mine["instructions"] > FLAT * rows[row.like]["instructions"]:
        return f"above {FLAT} of the first one's"
    if row.like and mine["hypervisor"] > FLAT * rows[row.like]["hypervisor"]:
        return f"the hypervisor's share is above {FLAT} of the first one's"
    if mine["forks"] > 0 and not row.forks:
        return "forks"
    if (mine["own"] or 0) > REQUESTS:
        return f"above {REQUESTS} store requests"
    return ""


def show(results):
    """Print a table for @results, {(stack, xen): (rows, rest)}; the rows that miss a promise."""
    columns = [(s, x) for x in (True, False) for s in STACKS if (s, x) in results]
    heads = [f"{s} tools, {'Xen' if x else 'Hospes'}" for s, x in columns]
    units = (("instructions, M", "instructions", lambda v: f"{v / MILLION:.1f}"), ("the hypervisor's, K", "hypervisor", lambda v: f"{v // 1000:,}"), ("hypercalls", "calls", str), ("store requests of all", "store", str), ("store requests of the toolstack", "own", str),
             ("forks", "forks", str), ("time, ms", "ms", str))
    missed = []
    for title, key, form in units:
        print(f"\n{'xl: ' + title:64}" + "".join(f"{h:>20}" for h in heads))
        for r in ROWS:
            values = [results[c][0][r.name][key] for c in columns]
            if any(v is not None for v in values):
                print(f"{r.what:64}" + "".join(f"{'-' if v is None else form(v):>20}" for v in values))
    print(f"{'cleaning the memory of a destroyed one, idle: instructions, M':64}" + "".join(f"{results[c][1]['cleaning'] / MILLION:20.1f}" for c in columns))
    print(f"{'processes of dom0 with 100 domains':64}" + "".join(f"{results[c][1]['daemons']:20}" for c in columns))
    print(f"{'their memory, KiB':64}" + "".join(f"{results[c][1]['kib']:20,}" for c in columns))
    mine = results.get(("ours", False))
    for r in ROWS if mine else ():
        why = misses(r, mine[0])
        if why:
            missed.append(r.what)
            print(f"MISSED: {r.what}: {why}")
    return missed


def measure(which=None):
    """All rows of @which, [(stack, on real Xen)]; as printed and as kept, and those missed."""
    results = {}
    where = entries()
    for stack, xen in which or [(s, x) for x in (True, False) for s in STACKS]:
        marks, text = dom0.session(xen, ["toolstack", stack], entries=where, kernel="vmlinux-generic", timeout=6000)
        results[stack, xen] = parse(marks, text)
    missed = show(results)
    kept = [{"name": r.name, "what": r.what, **{f"{s} on {'xen' if x else 'hospes'}": rows[r.name] for (s, x), (rows, _) in results.items()}}
            for r in ROWS]
    kept += [{"name": "remains", **{f"{s} on {'xen' if x else 'hospes'}": rest for (s, x), (_, rest) in results.items()}}]
    return kept, missed
