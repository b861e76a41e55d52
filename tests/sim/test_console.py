#!/usr/bin/env python3
"""xenconsoled and xenconsole on the simulated hypervisor: guests that print, die, never read, flood and lie; a daemon that is killed at every step."""
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import tap
from sim import CONSOLE_EVTCHN, CONSOLE_PFN, CRASH, PAGE_SIZE, PATIENCE
from world import SimWorld


class Consoles(SimWorld):
    """A world with a console daemon, and guests whose console a toolstack has written to the store."""

    def __init__(self, *args, history=64):
        super().__init__(tap.BUILD)
        (self.folder / "log").mkdir()
        self.args = ("-i", "--log=guest", "--log-dir", self.folder / "log", "--history", history, "--history-dir", self.folder / "history",
                     "--socket", self.folder / "console.socket", *args)
        self.env["HOSPES_CONSOLE_SOCKET"] = str(self.folder / "console.socket")
        self.consoled = self.daemon("xenconsoled", *self.args)

    def guest(self, name, console=True, **options):
        g = super().guest(**options)
        g.name = name
        self.store.write(f"/local/domain/{g.domid}/name", name)
        if console:
            self.offer(g)
            g.tty = self.store.wait_for(f"/local/domain/{g.domid}/console/tty", lambda v: v)
            # The daemon connects as soon as the hypervisor knows the ring: that the terminal is there does not say that the name was read.
            self.until("the name", lambda: self.name(g) == name)
        return g

    def offer(self, g):
        path = f"/local/domain/{g.domid}/console"
        tx = self.store.transaction()
        for key, value in (("ring-ref", g.param(CONSOLE_PFN)), ("port", g.param(CONSOLE_EVTCHN)), ("limit", 1048576), ("type", "xenconsoled"),
                           ("output", "pty"), ("tty", "")):
            self.store.write(f"{path}/{key}", value, tx)
        self.store.commit(tx)

    def log(self, g):
        path = self.folder / "log" / f"guest-{g.name}.log"
        return path.read_bytes() if path.exists() else b""

    def history(self, who):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.folder / "console.socket"))
            s.sendall(f"log {who}\n".encode())
            data = b""
            while more := s.recv(65536):
                data += more
        head, _, body = data.partition(b"\n")
        return body if head.startswith(b"ok ") else head.decode()

    def until(self, what, test):
        """Wait until test() is true; the daemon tells nobody what it has done, so look again and again."""
        end = time.time() + PATIENCE
        while not test():
            if time.time() > end:
                raise AssertionError(f"{what} did not come")
            time.sleep(0.01)

    def say(self, g, data):
        """All of it, waiting for room."""
        port = g.param(CONSOLE_EVTCHN)
        g.listen()
        while data:
            data = data[g.print(data):]
            if data and not g.wait_event(port):
                raise AssertionError("the daemon makes no room in the ring")

    def gone(self, g):
        self.sim.destroy(g.domid)
        self.until("the end of the console", lambda: not self.sim.state()["mappings"] or f"{g.domid} 0 alive" not in self.listed())

    def listed(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.folder / "console.socket"))
            s.sendall(b"list\n")
            return s.makefile("rb").read().decode()

    def name(self, g):
        """By which the daemon knows a living domain."""
        found = re.search(rf"^{g.domid} 0 alive \d+ (.*)$", self.listed(), re.M)
        return found and found[1]


def read_tty(fd, wanted):
    data = b""
    end = time.time() + PATIENCE
    while not wanted(data):
        if not select.select([fd], [], [], max(0, end - time.time()))[0]:
            raise AssertionError(f"terminal said only {data[-200:]!r}")
        data += os.read(fd, 65536)
    return data


def terminals(pid):
    """How many a process has open."""
    count = 0
    for n in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += "ptmx" in os.readlink(f"/proc/{pid}/fd/{n}")
        except FileNotFoundError:  # closed since it was listed
            pass
    return count


def test_terminal_log_and_history():
    with Consoles() as w:
        g = w.guest("web")
        fd = os.open(g.tty, os.O_RDWR | os.O_NOCTTY)
        w.say(g, b"hello\r\nworld\n")
        assert read_tty(fd, lambda d: d.endswith(b"world\n")) == b"hello\r\nworld\n"
        os.write(fd, b"typed\r\x03\x04")
        w.until("input", lambda: g.console_indices()[1] == 8)
        assert g.typed() == b"typed\r\x03\x04"
        os.close(fd)
        w.say(g, b"more")
        w.until("the log", lambda: w.log(g) == b"hello\r\nworld\nmore")
        assert w.history("web") == b"hello\r\nworld\nmore" and w.history(g.domid) == w.history("web")
        assert w.history("nobody").startswith("error")
        assert f"{g.domid} 0 alive 17 web" in w.listed()


def test_odd_questions():
    """Names other toolstacks give have blanks; a question may be about nobody."""
    with Consoles() as w:
        g = w.guest("my vm 7")
        w.say(g, b"hello")
        w.until("the log", lambda: w.log(g) == b"hello")
        assert w.history("my vm 7 0") == b"hello"
        assert w.history("my vm 7") == "error nothing is kept of console 7 of a domain 'my vm'"
        assert w.history("") == "error nothing is kept of console 0 of a domain ''"


def test_no_room():
    """The history's room is there before it is needed, or it is kept in memory: a full file system ends nothing."""
    with Consoles() as w:
        g = w.guest("first")
        file = w.folder / "history" / f"{g.domid}.0"
        assert file.stat().st_blocks * 512 >= file.stat().st_size > 64 << 10
        w.consoled.kill(signal.SIGTERM)
        small = w.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", small], capture_output=True).returncode:
            raise tap.Skip("nothing can be mounted here")
        try:
            w.consoled.args[w.consoled.args.index(str(w.folder / "history"))] = str(small)
            w.consoled.start()
            g = w.guest("second")
            text = bytes(range(32, 127)) * 700
            w.say(g, text)
            w.until("the log", lambda: w.log(g) == text)
            assert w.history("second") == text[-(64 << 10):]
            w.consoled.stop()
        finally:
            subprocess.run(["umount", "-l", small], check=True)


def test_prints_and_dies():
    """All in one tick, without even telling of it: nothing is lost."""
    with Consoles() as w:
        g = w.guest("short")
        g.print(b"last words", notify=False)
        g.shutdown(CRASH)
        w.gone(g)
        assert w.history("short") == b"last words" and w.log(g) == b"last words", w.history("short")
        w.until("the store lets go too", lambda: not w.sim.state()["mappings"])


def test_long_output_of_many():
    """Each gets its own, in order; the history is the last part of it."""
    with Consoles(history=8) as w:
        guests = [w.guest(f"g{i}") for i in range(4)]
        texts = [b"".join(b"%d:%06d\n" % (i, n) for n in range(3000)) for i in range(4)]
        left = dict(enumerate(texts))
        while left:
            for i, data in list(left.items()):
                left[i] = data[guests[i].print(data):]
                if not left[i]:
                    del left[i]
            for i in left:
                assert guests[i].wait_event(guests[i].param(CONSOLE_EVTCHN))
        for g, text in zip(guests, texts):
            w.until("the whole log", lambda: w.log(g) == text)
            assert w.history(g.name) == text[-8192:]


def test_hostile_indices():
    """Any index: the daemon serves the others, and this one again when it behaves."""
    with Consoles() as w:
        bad, good = w.guest("bad"), w.guest("good")
        base = bad.param(CONSOLE_PFN) * PAGE_SIZE + 3072
        for cons, prod in ((0, 2049), (5, 4), (0xffffffff, 0x7fffffff), (1 << 31, 0)):
            bad.write(base, struct.pack("<4I", 77, 3, cons, prod))
            bad.notify(bad.param(CONSOLE_EVTCHN))
            w.say(good, b"x")
            w.until("the good one", lambda: w.log(good).endswith(b"x"))
        bad.write(base, struct.pack("<4I", 0, 0, 100, 100))
        w.say(bad, b"sane again")
        w.until("the bad one", lambda: w.log(bad).endswith(b"sane again"))


def test_flood_is_slowed():
    """A guest that sends events without end has its port masked for the rest of the period."""
    with Consoles() as w:
        g, other = w.guest("flood"), w.guest("other")
        for _ in range(2000):
            g.notify(g.param(CONSOLE_EVTCHN))
        w.say(other, b"here")
        w.until("the other", lambda: w.log(other) == b"here")
        w.say(g, b"done")
        w.until("the flood's own words", lambda: w.log(g).endswith(b"done"))


def test_never_read():
    """Nobody reads the terminal: old output is dropped there, the guest goes on; with keep it waits."""
    with Consoles(history=4) as w:
        g = w.guest("busy")
        data = b"".join(b"%07d\n" % n for n in range(40000))
        w.say(g, data)
        w.until("all of it", lambda: w.log(g) == data)
        fd = os.open(g.tty, os.O_RDWR | os.O_NOCTTY)
        assert read_tty(fd, lambda d: d.endswith(data[-8:]))[-4096:] == data[-4096:]
        os.close(fd)
    with Consoles("--overflow-data", "keep", history=4) as w:
        g = w.guest("patient")
        g.listen()
        done = 0
        while True:
            now = g.print(data[done:])
            done += now
            if not now and not g.wait_event(g.param(CONSOLE_EVTCHN), 1):
                break
        assert done < len(data)
        fd = os.open(g.tty, os.O_RDWR | os.O_NOCTTY)
        got = read_tty(fd, lambda d: len(d) >= done)
        assert got == data[:done]
        w.say(g, data[done:done + 1000])
        assert read_tty(fd, lambda d: len(d) >= 1000) == data[done:done + 1000]
        os.close(fd)


def test_killed_at_every_step():
    """kill -9 anywhere between ring, history, log: the next daemon goes on, and history and log have each byte once."""
    for step in ("history", "index", "end", "ring", "log"):
        for count in (1, 3):
            with Consoles() as w:
                g = w.guest("victim")
                g.listen()
                w.consoled.kill()
                w.store.write(f"/local/domain/{g.domid}/console/tty", "")
                w.consoled.start(env={"XENCONSOLED_DIE_AT": f"{step}:{count}"})
                text = b""
                for n in range(count):
                    part = b"%s %d\n" % (step.encode(), n)
                    g.print(part)
                    text += part
                    if n < count - 1:
                        w.until("the log", lambda: w.log(g) == text)
                w.consoled.wait()
                tail = b"while nobody was there\n"
                g.print(tail, notify=False)
                w.consoled.start()
                w.until(f"the log after {step}:{count}", lambda: w.log(g).endswith(tail))
                assert w.history("victim") == text + tail, (step, count, w.history("victim"))
                if step == "log":  # between writing and remembering it: once more is right
                    assert w.log(g) in (text + tail, text[:-len(part)] + part + part + tail)
                else:
                    assert w.log(g) == text + tail, (step, count, w.log(g))
                fd = os.open(w.store.wait_for(f"/local/domain/{g.domid}/console/tty", lambda v: v), os.O_RDWR | os.O_NOCTTY)
                w.say(g, b"again")
                read_tty(fd, lambda d: d.endswith(b"again"))
                os.close(fd)


def test_erased_records_stay_erased():
    """A toolstack that takes a domain's records away while the domain is still there, or while its terminal is being named, finds none of them again."""
    with Consoles() as w:
        g = w.guest("web")
        w.store.rm(f"/local/domain/{g.domid}")
        w.guest("other")  # all that was asked for the first one has been answered
        assert w.store.read(f"/local/domain/{g.domid}") is None, w.store.tree(f"/local/domain/{g.domid}")
        w.consoled.kill()
        w.consoled.start(env={"XENCONSOLED_STOP_AT": "tty"})
        pid = w.consoled.process.pid
        g = w.guest("third", console=False)
        w.offer(g)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        w.store.rm(f"/local/domain/{g.domid}")
        os.kill(pid, signal.SIGCONT)
        w.guest("fourth")
        assert w.store.read(f"/local/domain/{g.domid}") is None, w.store.tree(f"/local/domain/{g.domid}")


def test_hypervisor_gone():
    """Daemons whose hypervisor does not answer any more end and say so; they do not turn in circles."""
    with Consoles() as w:
        w.guest("web")
        w.sim.die()
        assert w.consoled.wait() == 1 and "no more events" in w.consoled.output(), w.consoled.output()
        assert w.xenstored.wait() == 1 and "events of the hypervisor" in w.xenstored.output(), w.xenstored.output()


def test_store_dies():
    """Consoles go on without the store, and are told to it again."""
    with Consoles() as w:
        g = w.guest("web")
        w.xenstored.kill()
        w.say(g, b"alone")
        w.until("the log", lambda: w.log(g) == b"alone")
        w.xenstored.start()
        w.reconnect()
        other = w.guest("later")
        w.say(other, b"new")
        w.until("the new one", lambda: w.log(other) == b"new")
        w.say(g, b" no more")
        w.until("the log", lambda: w.log(g) == b"alone no more")


def test_named_late():
    """What is said before the name is known reaches the log with the name, or, if none comes in time, under the id: nothing is lost."""
    with Consoles(history=4) as w:
        late, never = SimWorld.guest(w), SimWorld.guest(w)
        for g in late, never:
            w.store.wait_for(f"/local/domain/{g.domid}/console/tty", lambda v: v)
            g.name = g.domid
        w.say(late, b"early")
        w.until("history", lambda: w.history(late.domid) == b"early")
        assert w.log(late) == b""
        late.name = "late"
        w.store.write(f"/local/domain/{late.domid}/name", late.name)
        w.offer(late)
        w.until("the log, without another word", lambda: w.log(late) == b"early")
        w.xenstored.kill()
        data = b"".join(b"%07d\n" % n for n in range(4096))
        w.say(never, data)
        w.until("history", lambda: w.history(never.domid) == data[-4096:])
        w.until("the log under the id", lambda: w.log(never) == data)
        w.xenstored.start()
        w.reconnect()
        w.store.write(f"/local/domain/{never.domid}/name", "named")
        w.offer(never)
        w.until("the name", lambda: w.name(never) == "named")
        never.name = "named"
        w.say(never, b"more")
        w.until("the log under the name", lambda: w.log(never) == b"more")


def test_boot_time_domain():
    """A domain no toolstack has records of: where its console is, the hypervisor says."""
    with Consoles() as w:
        g = SimWorld.guest(w, introduce=False, served=True)
        g.print(b"hypervisor's\n")
        assert "hypervisor's" in w.sim.log()
        g.print(b"also\n", notify=False)
        w.introduce(g)
        w.store.wait_for(f"/local/domain/{g.domid}/console/tty", lambda v: v)
        assert "also" in w.sim.log()
        w.say(g, b"daemon's\n")
        w.until("history", lambda: w.history(g.domid) == b"daemon's\n")
        assert "daemon's" not in w.sim.log()
        w.consoled.kill()
        g.print(b"nobody's\n", notify=False)
        w.consoled.start()
        w.until("history", lambda: w.history(g.domid) == b"daemon's\nnobody's\n")


def test_log_of_the_hypervisor():
    """What it says is in its file, with the time before each line; SIGHUP opens the files anew."""
    with Consoles("--log=all", "--timestamp=all") as w:
        path = w.folder / "log" / "hypervisor.log"
        w.sim.debug_keys(b"h")
        w.until("the log", lambda: b"debug key" in path.read_bytes().lower())
        assert all(re.match(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ", line) for line in path.read_bytes().splitlines())
        path.rename(path.with_suffix(".old"))
        w.consoled.process.send_signal(signal.SIGHUP)
        w.until("a new file", path.exists)
        w.sim.debug_keys(b"h")
        w.until("the new log", lambda: b"debug key" in path.read_bytes().lower())


def test_as_a_daemon():
    """Without -i: the command returns when it serves, a second one is refused, what is wrong is said on the terminal."""
    with Consoles() as w:
        w.consoled.kill(signal.SIGTERM)
        pid = w.folder / "pid"
        words = ["xenconsoled", "--pid-file", pid, *w.args[1:]]
        assert "store" in w.run(*words, check=False, env={"XENSTORED_PATH": str(w.folder / "none")}).stderr
        w.run(*words)
        number = int(pid.read_text())
        try:
            g = w.guest("web")
            w.say(g, b"hello")
            w.until("the log", lambda: w.log(g) == b"hello")
            done = w.run(*words, check=False)
            assert done.returncode == 1 and "locked" in done.stderr, done
        finally:
            os.kill(number, signal.SIGTERM)
        w.until("its end", lambda: not pid.exists())
        assert w.run("xenconsoled", "--log=some", check=False).returncode == 22


def test_further_console():
    """device/console/1: a device with states, a grant and a port of its own."""
    with Consoles() as w:
        g = w.guest("web")
        front, back = f"/local/domain/{g.domid}/device/console/1", f"/local/domain/0/backend/console/{g.domid}/1"
        for path, key, value in ((front, "backend", back), (front, "backend-id", 0), (front, "type", "xenconsoled"), (front, "state", 1),
                                 (back, "frontend", front), (back, "frontend-id", g.domid), (back, "online", 1), (back, "state", 1)):
            w.store.write(f"{path}/{key}", value)
        w.store.wait_for(f"{back}/state", "2")
        g.grant(20, 100)
        port = g.alloc_port()
        w.store.write(f"{front}/ring-ref", 20)
        w.store.write(f"{front}/port", port)
        w.store.write(f"{front}/state", 3)
        w.store.wait_for(f"{back}/state", "4")
        fd = os.open(w.store.wait_for(f"{front}/tty", lambda v: v), os.O_RDWR | os.O_NOCTTY)
        g.write(100 * PAGE_SIZE + 1024, b"second")
        g.write(100 * PAGE_SIZE + 3072 + 12, struct.pack("<I", 6))
        g.notify(port)
        assert read_tty(fd, lambda d: len(d) == 6) == b"second"
        assert w.history(f"{g.domid} 1") == b"second"
        os.close(fd)
        w.store.write(f"{front}/state", 6)
        w.store.wait_for(f"{back}/state", "6")
        assert w.sim.state()["mappings"] == 2  # store and first console of the domain


def test_come_and_go():
    """Nothing of a hundred domains is left but the history of the last ones."""
    with Consoles("--history-dead", "10") as w:
        before = None
        for i in range(60):
            g = w.guest(f"d{i}")
            w.say(g, b"I was %d" % i)
            w.gone(g)
            w.store.rm(f"/local/domain/{g.domid}")
            w.until("the store's end of it", lambda: w.sim.state()["mappings"] == 0)
            if i == 20:
                before = w.sim.state()
        after = w.sim.state()
        for key in ("ports", "mappings", "buffers", "domains", "clients"):
            assert before[key] == after[key], (before, after)
        assert len(list((w.folder / "history").iterdir())) == 10
        assert w.history("d59") == b"I was 59" and w.history("d50") == b"I was 50" and w.history("d49").startswith("error")
        w.until("terminals closed", lambda: terminals(w.consoled.process.pid) == 0)


def client(w, *args):
    """xenconsole on a terminal of ours: (process, master)."""
    master, slave = pty.openpty()
    p = subprocess.Popen([w.build / "xenconsole", *args], stdin=slave, stdout=slave, stderr=slave, env=w.env, start_new_session=True)
    os.close(slave)
    return p, master


def test_client():
    """xenconsole both ways, over a restart of the daemon, until ^]."""
    with Consoles() as w:
        g = w.guest("web")
        w.say(g, b"before ")
        notify_r, notify_w = os.pipe()
        os.set_inheritable(notify_w, True)
        master, slave = pty.openpty()
        p = subprocess.Popen([w.build / "xenconsole", str(g.domid), "--num", "0", "--type", "pv", "--start-notify-fd", str(notify_w)],
                             stdin=slave, stdout=slave, stderr=slave, env=w.env, pass_fds=[notify_w])
        os.close(slave), os.close(notify_w)
        assert os.read(notify_r, 10) == b"\0"
        os.close(notify_r)
        w.say(g, b"after\r\n")
        read_tty(master, lambda d: b"before after\r\n" in d)
        os.write(master, b"ls\r")
        w.until("input", lambda: g.console_indices()[1] == 3)
        w.consoled.kill()
        w.consoled.start()
        w.say(g, b"new daemon\r\n")
        read_tty(master, lambda d: b"new daemon\r\n" in d)
        again = subprocess.run([w.build / "xenconsole", "-i", str(g.domid)], env=w.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert again.returncode and "another xenconsole" in again.stderr, again
        os.write(master, b"\x1d")
        assert p.wait(PATIENCE) == 0
        os.close(master)


def test_client_says_goodbye():
    """The domain ends under it: all is shown, then it ends."""
    with Consoles() as w:
        g = w.guest("web")
        p, master = client(w, str(g.domid))
        read = b""
        w.say(g, b"one ")
        read_tty(master, lambda d: b"one " in d)
        g.print(b"the end", notify=False)
        g.shutdown()
        w.gone(g)
        w.store.rm(f"/local/domain/{g.domid}")
        read_tty(master, lambda d: b"the end" in d)
        assert p.wait(PATIENCE) == 0
        os.close(master)


def test_debians_client():
    """Debian's xenconsole with our daemon, and what both do without a terminal: show only, unless told to be interactive."""
    lab = tap.BUILD / "images" / "store-oracle"
    debians = lab / "usr/lib/xen-4.17/bin/xenconsole"
    if not debians.exists():
        raise tap.Skip("Debian's xenconsole is not here: make store-oracle")
    with Consoles() as w:
        g = w.guest("web")
        more = {"LD_LIBRARY_PATH": str(lab / "usr/lib/x86_64-linux-gnu"), "LD_PRELOAD": str((w.build / "sim/preload.so").resolve())}
        for program, env in ((debians, dict(w.env, **more)), (w.build / "xenconsole", w.env)):
            for leave in (b"\x1d", b""):
                p = subprocess.Popen([program, "--interactive", "--num", "0", "--type", "pv", str(g.domid)], env=env, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
                w.say(g, b"shown\n")
                assert read_tty(p.stdout.fileno(), lambda d: d.endswith(b"shown\n")) == b"shown\n"
                p.stdin.write(b"typed\n")
                p.stdin.flush()
                g.listen()
                typed = b""
                while len(typed) < 6:
                    typed += g.typed()
                    assert len(typed) == 6 or g.wait_event(g.param(CONSOLE_EVTCHN))
                assert typed == b"typed\n"
                p.stdin.write(leave)
                p.stdin.close()
                assert p.wait(PATIENCE) == 0
                p.stdout.close()
            p = subprocess.Popen([program, str(g.domid)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            w.say(g, b"only shown\n")
            read_tty(p.stdout.fileno(), lambda d: d.endswith(b"only shown\n"))
            assert p.poll() is None
            p.kill(), p.wait(), p.stdout.close()


def test_client_log_and_errors():
    with Consoles() as w:
        g = w.guest("web")
        w.say(g, b"kept")
        w.until("history", lambda: w.history("web") == b"kept")
        assert w.run("xenconsole", "--log", "web").stdout == "kept"
        w.gone(g)
        assert w.run("xenconsole", "--log", g.domid).stdout == "kept"
        for args, status, word in ((("--log", "none"), 3, "nothing is kept"), ((), 22, "DOMID should be"), (("x",), 22, "Invalid DOMID"),
                                   (("-t", "x", "1"), 22, "Invalid type"), (("0",), 22, "Domain-0"), (("4000",), 2, "tty")):
            done = w.run("xenconsole", *args, check=False)
            assert done.returncode == status and word in done.stderr, (args, done)


tap.main(sys.modules[__name__])
