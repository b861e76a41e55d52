#!/usr/bin/env python3
"""Other people's clients, unmodified, against our daemon: Debian's tools with libxenstore, test-xenstore, and pyxs."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
import test_tools as tools  # noqa: E402
import tap  # noqa: E402
from tap import Skip, main  # noqa: E402

tap.TESTS.clear()
PYXS = lab.ORACLE / "usr/lib/python3/dist-packages"


def ready():
    if not lab.oracle_ready():
        raise Skip("Debian's tools were not fetched")
    machine = lab.Machine()
    return machine, lab.Daemon(machine)


@tap.test
def clients_debian_tools_see_no_difference():
    """The same tool, Debian's, on Debian's daemon and on ours."""
    if not lab.oracle_ready():
        raise Skip("Debian's tools were not fetched")
    a, b = tools.Side(False, "c"), tools.Side(False, "ours")
    bad = []
    for line in tools.STEPS:
        x, y = a.run(line), b.run(line)
        # Ours lists names sorted; a daemon's own nodes and command texts are its own.
        x, y = [tuple(sorted(s.split(b"\n")) if isinstance(s, bytes) else s for s in r) for r in (x, y)]
        own = (b"xenstored", b"/tool/xenstored")
        x, y = [tuple([w for w in s if not w.strip().startswith(own)] if isinstance(s, list) else s for s in r) for r in (x, y)]
        if x != y and not line.startswith("control"):
            bad.append(f"{line}:\n  {x}\n  {y}"[:1500])
    a.close()
    b.close()
    assert not bad, "\n".join(bad)


@tap.test
def clients_test_xenstore():
    machine, daemon = ready()
    env = dict(daemon.env, LD_LIBRARY_PATH=str(lab.LIBS))
    tool = str(lab.ORACLE / "usr/lib/xen-4.17/bin/test-xenstore")
    r = subprocess.run([tool, "-i", "200"], env=env, capture_output=True, text=True, timeout=120)
    daemon.stop()
    machine.close()
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    assert "fail" not in r.stdout.lower(), r.stdout[-2000:]


@tap.test
def clients_pyxs():
    machine, daemon = ready()
    sys.path.insert(0, str(PYXS))
    import pyxs
    with pyxs.Client(unix_socket_path=daemon.socket) as c:
        c.write(b"/pyxs/a", b"1")
        assert c.read(b"/pyxs/a") == b"1"
        assert c.list(b"/pyxs") == [b"a"]
        c.mkdir(b"/pyxs/dir")
        c.set_perms(b"/pyxs/a", [b"n0", b"r5"])
        assert c.get_perms(b"/pyxs/a") == [b"n0", b"r5"]
        assert c.exists(b"/pyxs/dir") and not c.exists(b"/pyxs/no")
        assert sorted(p for p, _, _ in c.walk(b"/pyxs")) == [b"/pyxs", b"/pyxs/a", b"/pyxs/dir"]
        c.transaction()
        c.write(b"/pyxs/b", b"2")
        c.rollback()
        assert not c.exists(b"/pyxs/b")
        c.transaction()
        c.write(b"/pyxs/b", b"2")
        assert c.commit()
        assert c.read(b"/pyxs/b") == b"2"
        c.delete(b"/pyxs/dir")
        assert c.is_domain_introduced(0) and not c.is_domain_introduced(7)
        assert c.get_domain_path(7) == b"/local/domain/7"
        machine.create(7)
        c.introduce_domain(7, 1, 1)
        assert c.is_domain_introduced(7)
        monitor = c.monitor()
        monitor.watch(b"/pyxs", b"token")
        events = monitor.wait()
        assert next(events) == (b"/pyxs", b"token")
        with pyxs.Client(unix_socket_path=daemon.socket) as other:
            other.write(b"/pyxs/c", b"3")
        assert next(events) == (b"/pyxs/c", b"token")
        monitor.unwatch(b"/pyxs", b"token")
        try:
            c.read(b"/none")
            raise AssertionError("no error")
        except pyxs.exceptions.PyXSError as e:
            assert "ENOENT" in repr(e) or e.args[0] == 2, e
    daemon.stop()
    machine.close()


@tap.test
def clients_ours_blocking_and_async():
    machine = lab.Machine()
    daemon = lab.Daemon(machine)
    r = subprocess.run([str(lab.BUILD / "store" / "async"), daemon.socket], capture_output=True, text=True, timeout=60)
    daemon.stop()
    machine.close()
    assert r.returncode == 0, r.stderr


if __name__ == "__main__":
    main()
