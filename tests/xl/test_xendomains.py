#!/usr/bin/env python3
"""xendomains with the real xl and hospesd: what starts and stops, together or in order, and what it does with those that do not."""
import pathlib
import re
import subprocess
import sys

import xl_lab
from sim import POWEROFF
from xl_lab import BUILD, XlWorld, good


class Host(XlWorld):
    def __init__(self, **settings):
        super().__init__()
        self.auto = self.folder / "auto"
        self.auto.mkdir()
        self.set(**settings)
        self.env.update(XENDOMAINS_CONFIG=str(self.folder / "xendomains"), XENDOMAINS_LOCK=str(self.folder / "lock"))

    def set(self, **settings):
        lines = [f"XENDOMAINS_AUTO={self.auto}", "# XENDOMAINS_AUTO=/nonexistent", "XENDOMAINS_SAVE=", "XENDOMAINS_RESTORE=false",
                 *(f'XENDOMAINS_{name}="{value}" # a remark' for name, value in settings.items())]
        (self.folder / "xendomains").write_text("\n".join(lines) + "\n")

    def automatic(self, *names, more=""):
        for name in names:
            (self.auto / f"{name}.cfg").symlink_to(self.file(name, more))

    def xendomains(self, verb, **more):
        return self.run("xendomains-san", verb, check=False, **more)

    def running(self):
        return [line.split()[0] for line in good(self.xl("list")).splitlines()[2:]]

    def begin(self, verb):
        return subprocess.Popen([str(BUILD / "xendomains-san"), verb], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def obey(self, *ids):
        """The guests with these numbers take notice, when all of them have been asked."""
        for i in ids:
            self.store.wait_for(f"/local/domain/{i}/control/shutdown", "poweroff")
        for i in ids:
            self.store.write(f"/local/domain/{i}/control/shutdown", "")
            self.sim.shutdown(i, POWEROFF)


def test_start_status_stop():
    with Host() as w:
        w.automatic("a", "b", "c")
        assert w.xendomains("status").returncode == 3
        good(w.xl("create", w.file("b")))
        done = w.xendomains("start")
        assert good(done) == "Starting auto Xen domains: a.cfg b.cfg(skip) c.cfg\n", done.stdout
        assert sorted(w.running()) == ["a", "b", "c"]
        done = w.xendomains("status")
        assert (done.returncode, done.stdout) == (0, "Checking for xendomains: a b c\n"), done
        assert "already running" in good(w.xendomains("start"))
        good(w.xl("destroy", "b"))
        done = w.xendomains("status")
        assert (done.returncode, done.stdout) == (1, "Checking for xendomains: a c MISS AUTO: b\n"), done
        # All guests are asked before any of them has gone.
        good(w.xl("create", w.file("by-hand")))
        p = w.begin("stop")
        ids = {int(good(w.xl("domid", name))): name for name in ("a", "c", "by-hand")}  # a and c were made side by side
        w.obey(*ids)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and out == f"Shutting down Xen domains: {' '.join(ids[i] for i in sorted(ids, reverse=True))}\n", (out, err)
        assert w.running() == [] and w.xendomains("status").returncode == 3


def test_failures_are_told():
    """One that cannot be made does not keep the others from starting; one that does not go is given up in time."""
    with Host(STOP_MAXWAIT=1) as w:
        w.automatic("good")
        (w.auto / "bad.cfg").write_text('name = "bad"\ntype = "pvh"\nkernel = "/nonexistent"\nmemory = 4\n')
        (w.auto / "nonsense.cfg").write_text("name = \n")
        done = w.xendomains("start")
        assert done.returncode == 1 and w.running() == ["good"], done
        assert re.search(r"while creating domain bad:\n.*nonexistent", done.stdout) and "while creating domain nonsense.cfg" in done.stdout, done.stdout
        done = w.xendomains("stop")
        assert done.returncode == 1 and "while shutting down domain good (it took too long)" in done.stdout, done.stdout
        assert w.running() == ["good"]


def test_order():
    """A domain with back ends for others stops when they have gone."""
    with Host() as w:
        w.automatic("drv", "web")
        good(w.xendomains("start"))
        drv, web = (int(good(w.xl("domid", name))) for name in ("drv", "web"))
        w.store.write(f"/local/domain/{drv}/backend/vbd/{web}/51712/state", "4")
        p = w.begin("stop")
        w.store.wait_for(f"/local/domain/{web}/control/shutdown", "poweroff")
        assert w.store.read(f"/local/domain/{drv}/control/shutdown") == ""
        w.obey(web)
        w.obey(drv)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and w.running() == [], (out, err)


def test_settings():
    """AUTO_ONLY leaves others alone; SHUTDOWN empty leaves all; a save that fails becomes a shutdown; a file that is no saved domain is left where it is."""
    with Host(AUTO_ONLY="true", SHUTDOWN="") as w:
        w.automatic("a")
        good(w.xl("create", w.file("by-hand")))
        good(w.xendomains("start"))
        assert "by-hand(skip)" in good(w.xendomains("stop")) and sorted(w.running()) == ["a", "by-hand"]
        good(w.xl("destroy", "by-hand"))
        save = w.folder / "save"
        save.mkdir()
        (save / "note").write_text("not a domain")
        w.set(SAVE=save / "nonexistent" / "place", RESTORE="true")
        p = w.begin("stop")
        w.obey(int(good(w.xl("domid", "a"))))
        out, err = p.communicate(timeout=60)
        assert p.returncode == 1 and "while saving domain a" in out and w.running() == [], (out, err)
        w.set(SAVE=save, RESTORE="true")
        assert "Restoring" in w.xendomains("start").stdout and (save / "note").exists()


def test_where_there_is_nothing_to_do():
    with Host() as w:
        assert w.xendomains("nonsense").returncode == 3 and "Usage: " in w.xendomains("nonsense").stdout
        assert w.xendomains("start", env={"HOSPES_SIM": "/nonexistent"}).returncode == 0
        gone = {"XENDOMAINS_CONFIG": "/nonexistent"}
        assert w.xendomains("start", env=gone).returncode == 6 and w.xendomains("stop", env=gone).returncode == 0
        assert good(w.xendomains("start")) == "" and not pathlib.Path("/nonexistent").exists()


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
