"""
Commands that docs/ tells who builds to type, typed: blocks "```sh". `sh not="WHY"` is not run here; what it asks of make must exist all the same.

Nothing outside of a directory of the test is touched: make gets the build directory that the tests use, and places below that directory wherever the page names none.
"""
import filecmp
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))
from pages import blocks  # noqa: E402
from tap_report import report  # noqa: E402
from trace_json import sample  # noqa: E402


def commands(lines):
    """One at a time; one may go on over several lines."""
    for command in re.sub(r"\\\n\s*", "", "\n".join(lines)).split("\n"):
        if command and command[0] != "#":
            yield command


class Builder:
    """Who reads a page at the build host's shell. @tmp stands for the page's /tmp, and for this machine."""

    def __init__(self, tmp):
        self.tmp = tmp
        self.machine = tmp / "machine"
        self.work = tmp / "work"
        self.work.mkdir()
        (self.work / "trace.bin").write_bytes(sample())
        self.build = pathlib.Path(os.environ.get("BUILD", "build"))

    def run(self, command, dry=False):
        # What the command itself says comes last, so it counts.
        make = f'command make -s {"-n" if dry else ""} BUILD="{self.build}" DESTDIR="{self.machine}" DISTDIR="{self.tmp}/dist"'
        command = command.replace("/tmp/", f"{self.tmp}/").replace("DISTDIR=out", f"DISTDIR={self.tmp}/out")
        # What a build says of itself would make another one in the place of that which other tests use meanwhile: test_reproducible.sh does that elsewhere.
        command = re.sub(r" (SOURCE_DATE_EPOCH|XEN_BUILD_HOST)=\S*", "", command)
        env = dict(os.environ, out=str(self.tmp / "prefix"), PATH=f"{ROOT}/tools/hospes-trace:{os.environ['PATH']}")
        done = subprocess.run(["sh", "-euc", f'make() {{ {make} "$@"; }}\ncd {ROOT if "make" in command else self.work}\n{command}'], env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"'{command}' ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if not p.is_dir())


def same_files(b):
    """The same files below /tmp/root."""
    there = files(b.machine)
    assert len(there) > 50 and there == files(b.tmp / "root")
    wrong = filecmp.cmpfiles(b.machine, b.tmp / "root", [p for p in there if not (b.machine / p).is_symlink()], shallow=False)[1:]
    assert not any(wrong), wrong


def everything(b):
    """out/install: everything for any machine."""
    for init in ("usr/lib/systemd/system/hospesd.service", "etc/init.d/xencommons"):
        assert (b.tmp / "out/install" / init).exists(), init
    assert set(files(b.machine)) <= set(files(b.tmp / "out/install"))


def nothing_left(b):
    assert not files(b.machine), files(b.machine)


def packages(b):
    assert [p for p in (b.tmp / "dist/deb").glob("*.deb") if p.stat().st_size], "there are none"


def one_prefix(b):
    """Nothing is put outside of it; this machine's place is in front of it as always."""
    prefix = b.machine / str(b.tmp / "prefix")[1:]
    assert files(prefix) and len(files(prefix)) == len(files(b.machine)), files(b.machine)


def track_of_a_cpu(b):
    assert '"CPU 1' in (b.work / "trace.json").read_text()


# What the page says of a command, by its beginning.
PROMISES = {
    "make install DESTDIR=": same_files,
    "make dist ": everything,
    "make uninstall": nothing_left,
    "make deb": packages,
    "make install PREFIX=": one_prefix,
    "hospes-trace-json ": track_of_a_cpu,
}


def page_test(page, kept):
    def test():
        with tempfile.TemporaryDirectory() as tmp:
            b = Builder(pathlib.Path(tmp))
            for kind, words, lines, line in blocks(page.read_text()):
                why = next((w.split("=", 1)[1] for w in words if w.startswith("not=")), None)
                for command in commands(lines if kind == "sh" else []):
                    print(f"# {page.name}:{line}: {command}" + (f"  [not run: {why}]" if why else ""))
                    if not why or command.startswith("make "):
                        b.run(command, dry=bool(why))
                    for start, check in PROMISES.items() if not why else ():
                        if command.startswith(start):
                            check(b)
                            kept.add(start)
    return test


def main():
    kept = set()
    pages = [p for p in sorted((ROOT / "docs").glob("*.md")) if any(kind == "sh" for kind, *_ in blocks(p.read_text()))]

    def promises():
        assert kept == set(PROMISES), f"no page tells of {sorted(set(PROMISES) - kept)}"
    report([*((p.name, page_test(p, kept)) for p in pages), ("promises", promises)])


main()
