"""Micro-guests on Debian's real Xen 4.17 and on Hospes: how to run them all in one boot and cut out what each printed."""
import difflib
import os
import pathlib
import re
import subprocess
import tempfile

import machine
from machine import Failed, Machine, ROOT, guest, image, launch

GUESTS = ROOT / "tests" / "guest"
EXPECTED = GUESTS / "expected"


class Guest:
    """One build of tests/guest/NAME.c. Its settings stand in a comment `guest: key=value ...` of the source:
    vcpus, memory (MiB), timeout (seconds), oracle=no (not run on real Xen), compare=no (prints no lines to compare)."""

    def __init__(self, path, width):
        self.base, self.width = path.stem, width
        self.name = f"{path.stem}{width}"
        m = re.search(r"guest: ((?:\w+=\S+ ?)+)", path.read_text())
        keys = dict(k.split("=", 1) for k in (m[1].split() if m else []))
        self.vcpus = int(keys.get("vcpus", 1))
        self.memory = int(keys.get("memory", 4))
        self.timeout = int(keys.get("timeout", 20))
        self.oracle = keys.get("oracle", "yes") == "yes"
        self.compare = keys.get("compare", "yes") == "yes"
        self.only = int(keys.get("only", 0))


def guests(pattern=""):
    """All builds of all micro-guests whose name matches @pattern."""
    found = [Guest(p, w) for p in sorted(GUESTS.glob("*.c")) for w in (32, 64)]
    return [g for g in found if re.search(pattern, g.name) and g.only in (0, g.width)]


def guest_archive(wanted, extra, out, idle=False):
    """A cpio archive with /guests: the programs and the list oracle-init reads."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp) / "guests"
        folder.mkdir()
        lines = []
        for g in wanted:
            (folder / g.name).write_bytes(guest(g.name).read_bytes())
            lines.append(f"{g.name} {g.vcpus} {g.memory} {g.timeout} other=0 {extra}".strip())
        if idle:
            (folder / "idle").write_bytes(guest("quiet64").read_bytes())
            (folder / "granter").write_bytes(guest("granter64").read_bytes())
        (folder / "list").write_text("\n".join(lines) + "\n")
        names = "\n".join(["guests"] + [f"guests/{p.name}" for p in sorted(folder.iterdir())]) + "\n"
        data = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=names.encode(), cwd=tmp,
                              stdout=subprocess.PIPE, check=True).stdout
        root = image("oracle-root.cpio.gz").read_bytes()
        # The kernel looks for the next archive at a multiple of four bytes.
        out.write_bytes(root + bytes(-len(root) % 4) + data)


def real_xen(wanted, extra="", timeout=600, idle=False, qemu=(), **keys):
    """Run @wanted one after the other on real Xen; returns {name: [lines]}, and the console's text. @qemu: more of its arguments."""
    archive = machine.BUILD / f"oracle-guests.{os.getpid()}"
    guest_archive(wanted, extra, archive, idle)
    icount = keys.get("icount", False)
    # One CPU: Xen does not bear TSCs that drift apart, and QEMU's do.
    options = {"memory": "2G", "cpus": 1, "kernel": image("xen"), "extra": ("-device", "amd-iommu,intremap=on", *qemu), **keys}
    try:
        with Machine([f"{image('vmlinux-generic')} console=hvc0 quiet loglevel=4 panic=1 random.trust_cpu=on", archive],
                     append="dom0=pvh dom0_mem=512M dom0_max_vcpus=1 loglvl=warning guest_loglvl=all noreboot=0 bootscrub=0 sync_console",
                     **options) as m:
            m.expect(r"ORACLE ready", timeout=120 if not icount else 1500)
            m.expect(r"ORACLE done", timeout=timeout)
            text = m.text
    finally:
        archive.unlink(missing_ok=True)
    result = {}
    for g in wanted:
        m = re.search(rf"ORACLE begin {g.name}\n(.*?)ORACLE end {g.name} *(\d*)", text, re.S)
        if not m:
            raise Failed(f"real Xen: nothing from {g.name}")
        lines = re.findall(r"^\(d\d+\) (.*)$", m[1], re.M)
        result[g.name] = lines + [f"[ended: {'hung' if 'ORACLE xl status' in m[1] else m[2]}]"]
    return result, text


# What Hospes' log says of a domain's end, as the reason code a toolstack would see.
ENDED = {"powered off": "0", "reboot": "1", "suspended": "2", "crashed": "3", "watchdog": "4"}


def hospes(wanted, extra="", timeout=120, companion="quiet64", qemu=(), **keys):
    """Run @wanted all at once, each in a domain of one tree; returns {name: [lines]}, and the console's text.
    The first domain has the console's focus, which breaks its lines when others print: so that is @companion, which prints little and stays."""
    domains = [{"name": "quiet", "type": "pvh", "kernel": guest(companion), "memory": 4}] + [{"name": g.name, "type": "pvh", "kernel": guest(g.name), "memory": g.memory, "vcpus": g.vcpus, "extra": f"other=1 {extra}",
                "on_reboot": "destroy", "on_crash": "destroy", "on_watchdog": "destroy"} for g in wanted]
    options = {"memory": "1G", "cpus": 2, "append": "guest_loglvl=all", "extra": qemu, **keys}
    with Machine(launch(domains), **options) as m:
        m.expect_all([rf"Domain {i} \({g.name}\) .*\n" for i, g in enumerate(wanted, 2)], timeout)
        text = m.text
    result = {}
    for i, g in enumerate(wanted, 2):
        lines = [re.sub(rf"^.*?\(d{i}\) ", "", x) for x in text.splitlines() if re.match(rf"(\(XEN\) )?(\[.*?\] )?\(d{i}\) ", x)]
        m = re.search(rf"Domain {i} \({g.name}\) (.*)$", text, re.M)
        end = next((code for word, code in ENDED.items() if m and word in m[1]), m[1] if m else "never")
        result[g.name] = lines + [f"[ended: {end}]"]
    return result, text


def run_hospes(wanted):
    """Run @wanted on Hospes, a dozen domains to one boot; yields each guest and its lines."""
    for i in range(0, len(wanted), 12):
        part = wanted[i:i + 12]
        lines, _ = hospes(part)
        for g in part:
            yield g, lines[g.name]


def differences():
    """tests/oracle-differences.txt as {(guest, line on Xen): line on Hospes}."""
    table = {}
    xen = None
    for line in (ROOT / "tests" / "oracle-differences.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        kind, rest = line[:1], line[2:]
        if kind == "@":
            names = rest.split()
        elif kind == "-":
            xen = rest
        elif kind == "+":
            for name in names:
                table[name, xen] = rest
        elif kind != "=":
            raise Failed(f"oracle-differences.txt: cannot read '{line}'")
    return table


def compare(name, xen, ours):
    """One line per unintended difference between what @name printed on real Xen and here."""
    table = differences()
    base = name[:-2]

    def intended(line):
        return table.get((name, line), table.get((base, line), line))

    want = [x for x in map(intended, xen) if x != "<absent>"]
    if want == ours:
        return []
    return [x for x in difflib.unified_diff(want, ours, "Xen 4.17", "Hospes", n=0, lineterm="") if not x.startswith("@@")]


if __name__ == "__main__":
    # By hand: oracle.py [REGEX] [--hospes] [--record | --compare]
    import sys
    import time
    machine.BUILD = ROOT / os.environ.get("BUILD", "build")
    wanted = [g for g in guests(sys.argv[1] if len(sys.argv) > 1 else "") if g.compare and (g.oracle or "--hospes" in sys.argv)]
    begin = time.time()
    lines, text = (hospes if "--hospes" in sys.argv else real_xen)(wanted)
    (machine.BUILD / "oracle.log").write_text(text)
    for g in wanted:
        path = EXPECTED / f"{g.name}.txt"
        if "--record" in sys.argv:
            path.write_text("\n".join(lines[g.name]) + "\n")
        if "--compare" in sys.argv:
            lines[g.name] = compare(g.name, path.read_text().splitlines(), lines[g.name])
        print(f"== {g.name}")
        print("\n".join(lines[g.name]))
    print(f"{time.time() - begin:.1f} s")
