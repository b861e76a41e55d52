"""Debian's xl and ours on one simulated machine, with the real store and the real hospesd: XlWorld."""
import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/sim"), str(ROOT / "tests/store")]

import tap  # noqa: E402
from lives import Lives  # noqa: E402

BUILD = tap.BUILD
ORACLE = BUILD / "images/store-oracle"
XL = (BUILD / "xl-san").resolve()  # ours, with sanitizers; it ends without freeing what it had
UUID = "00112233-4455-6677-8899-aabbccddee%02x"


class XlWorld(Lives):
    """Domain 0 and its pool are named, as xen-init-dom0 leaves them."""

    def __init__(self, build=BUILD, **options):
        super().__init__(build, **options)
        self.env.update(HOSPESD_SOCKET=str(self.socket), XL_CONF=str(self.folder / "xl.conf"), HOSPES_USERDATA=str(self.folder / "lib"), TZ="UTC",
                        ASAN_OPTIONS="detect_leaks=0:exitcode=99")
        for key, value in (("/local/domain/0/name", "Domain-0"), ("/local/domain/0/domid", "0"), ("/local/domain/0/memory/target", "32768"),
                           ("/local/pool/0/name", "Pool-0")):
            self.store.write(key, value)

    def close(self):
        """A daemon that an xl started for itself ends with its world."""
        if not self.hospesd and self.socket.exists():
            try:
                os.kill(self.client().call("daemon.status")["pid"], signal.SIGTERM)
            except ConnectionError:  # it has ended
                pass
        super().close()

    def named(self, name, **options):
        """A guest under that name that no toolstack knows more of."""
        g = self.guest(**options)
        self.store.write(f"/local/domain/{g.domid}/name", name)
        self.store.write(f"/libxl/{g.domid}/type", "pvh")
        return g

    def file(self, name, more="", memory=4):
        """A configuration file of a domain that starts: its path."""
        path = self.folder / f"{name}.cfg"
        path.write_text(f'name = "{name}"\ntype = "pvh"\nkernel = "{self.kernel}"\nmemory = {memory}\n{more}\n')
        return path

    def xl(self, *words, **more):
        """Ours: the finished process with text output."""
        return self.run("xl-san", *words, check=False, **more)

    def oracle(self, *words, program="xl", timeout=60):
        """Debian's program here: the same."""
        env = dict(self.env, LD_LIBRARY_PATH=str((ORACLE / "usr/lib/x86_64-linux-gnu").resolve()),
                   LD_PRELOAD=str((BUILD / "xltest/preload.so").resolve()))
        path = (ORACLE / "usr/lib/xen-4.17/bin" / program).resolve()
        return subprocess.run([str(path), *map(str, words)], env=env, capture_output=True, text=True, timeout=timeout)


def good(done):
    """Its output; a failure raises."""
    assert done.returncode == 0, f"{' '.join(map(str, done.args))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
