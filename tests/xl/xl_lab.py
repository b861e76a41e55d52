"""Debian's xl and ours, on one simulated machine with the real store: XlWorld."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/sim"), str(ROOT / "tests/store")]

import tap  # noqa: E402
from world import SimWorld  # noqa: E402

BUILD = tap.BUILD
ORACLE = BUILD / "images/store-oracle"
NAME_ZERO = "Domain-0"


class XlWorld(SimWorld):
    """hospes-sim and xenstored, domain 0 named; guests get what a toolstack writes of a name."""

    def __init__(self, build=BUILD, **options):
        super().__init__(build, **options)
        for key, value in (("/local/domain/0/name", NAME_ZERO), ("/local/domain/0/domid", "0"), ("/local/domain/0/memory/target", "32768"),
                           ("/libxl/0/type", "pv"), ("/libxl/0/dm-version", "qemu_xen")):
            self.store.write(key, value)

    def named(self, name, **options):
        """A guest under that name."""
        g = self.guest(**options)
        self.store.write(f"/local/domain/{g.domid}/name", name)
        self.store.write(f"/local/domain/{g.domid}/memory/target", str(options.get("pages", 256) * 4))
        self.store.write(f"/local/domain/{g.domid}/memory/static-max", str(options.get("pages", 256) * 4))
        self.store.write(f"/libxl/{g.domid}/type", "pvh")
        return g

    def xl(self, *words, check=False, **more):
        return self.run("xl", *words, check=check, **more)

    def oracle(self, *words, program="xl", timeout=60):
        """Debian's program here: the finished process with text output."""
        env = dict(self.env, LD_LIBRARY_PATH=str((ORACLE / "usr/lib/x86_64-linux-gnu").resolve()),
                   LD_PRELOAD=str((BUILD / "xltest/preload.so").resolve()))
        path = (ORACLE / "usr/lib/xen-4.17/bin" / program).resolve()
        return subprocess.run([str(path), *map(str, words)], env=env, capture_output=True, text=True, timeout=timeout)


def text(done):
    """Exit status, output and errors, for comparing and showing."""
    return f"rc={done.returncode}\n{done.stdout}--\n{done.stderr}"


def environment():
    return dict(os.environ)
