#!/usr/bin/env python3
"""Lives of domains by xl alone: every verb that changes one, --json of all, console, metrics, progress; on hospesd and the real store."""
import errno
import json
import os
import pty
import re
import subprocess
import sys

import xl_lab
from sim import ANY, POWEROFF, REBOOT, HC_hospes_op, Sim
from xl_lab import BUILD, XL, XlWorld, good


def domid(w, name):
    return int(good(w.xl("domid", name)))


def test_a_life():
    with XlWorld() as w:
        disk = w.folder / "disks/a"
        disk.write_bytes(bytes(4096))
        good(w.xl("create", "-q", w.file("web", f'disk=["{disk},raw,xvda,w"]\nvif=["bridge=br0,mac=00:16:3e:00:00:01"]'), "vcpus=2", "memory=6"))
        assert re.search(r"^web +1 +6 +1 +------", w.xl("list").stdout, re.M), w.xl("list").stdout
        good(w.xl("pause", "web"))
        assert "--p---" in w.xl("list", "web").stdout
        good(w.xl("unpause", "web"))
        assert re.search(r"^51712 0   1      4 ", w.xl("block-list", "web").stdout, re.M)
        assert re.search(r"^0   0  00:16:3e:00:00:01     0     4 ", w.xl("network-list", "web").stdout, re.M)
        good(w.xl("rename", "web", "site"))
        again = w.xl("create", w.file("site"))
        assert again.returncode == 3 and "(name-taken)" in again.stderr and "next: " in again.stderr, again
        good(w.xl("mem-set", "site", "5"))
        assert w.store.read("/local/domain/1/memory/target") == str(5 << 10)
        good(w.xl("mem-max", "site", "8m"))
        good(w.xl("vcpu-set", "site", "1"))
        good(w.xl("block-attach", "site", f"{disk},raw,xvdb,r"))
        assert len(w.xl("block-list", "site").stdout.split("\n")) == 4
        good(w.xl("block-detach", "site", "xvdb"))
        good(w.xl("network-attach", "site", "bridge=br0", "mac=00:16:3e:00:00:02"))
        good(w.xl("network-detach", "site", "00:16:3e:00:00:02"))
        assert len(w.xl("network-list", "site").stdout.split("\n")) == 3
        good(w.xl("config-update", "site", w.file("site", "vcpus=1")))
        explained = good(w.xl("explain", "site"))
        assert "xvdb" in explained or "51728" in explained, explained
        stored = json.loads(good(w.xl("list", "-l", "site")))
        assert stored[0]["domid"] == 1 and stored[0]["config"]["c_info"]["name"] == "site", stored
        assert stored[0]["config"]["b_info"]["sched_params"] == {"sched": "credit2", "weight": 256, "cap": 0}, stored
        good(w.xl("destroy", "site"))
        assert w.xl("list", "site").returncode == 1 and not w.leftovers(), w.leftovers()


def test_settings_live_on():
    """What was set while a domain ran is so in its next life, as with Debian's: memory, virtual CPUs, its share."""
    with XlWorld() as w:
        good(w.xl("create", "-q", w.file("web", 'vcpus=2\non_reboot="restart"', memory=8)))
        for verb in ("mem-set web 6", "vcpu-set web 1", "sched-credit2 -d web -w 512 -c 50"):
            good(w.xl(*verb.split()))
        for life in (2, 3):
            w.sim.shutdown(life - 1, REBOOT)
            assert w.event("unpaused", domid=life)["domid"] == life
            home = f"/local/domain/{life}"
            assert [w.store.read(f"{home}/{n}") for n in ("memory/target", "memory/static-max", "cpu/0/availability", "cpu/1/availability")] == ["6144", "8192", "online", "offline"]
            assert re.search(r"^web +\d+ +512 +50$", good(w.xl("sched-credit2", "-d", "web")), re.M)
        config = json.loads(good(w.xl("list", "-l", "web")))[0]["config"]["b_info"]
        assert (config["avail_vcpus"], config["max_vcpus"], config["target_memkb"], config["max_memkb"]) == ([0], 2, 6144, 8192), config


def test_timings():
    with XlWorld() as w:
        out = good(w.xl("create", "--timings", w.file("web")))
        steps = [line.split()[0] for line in out.strip().split("\n")]
        assert steps[0] == "Step" and steps[-1] == "all" and "memory" in steps and "unpause" in steps, out


def test_shutdown_waits():
    """-w ends when nothing is left of the guest, or when it is down and kept; -ww waits for its end in any case; -a takes all guests."""
    with XlWorld() as w:
        for name in ("a", "b"):
            good(w.xl("create", w.file(name)))
        w.hands.wedged.add("*")
        p = subprocess.Popen([str(XL), "shutdown", "-a", "-w"], env=w.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in (1, 2):
            path = f"/local/domain/{i}/control/shutdown"
            w.store.wait_for(path, "poweroff")
            w.store.write(path, "")
            w.sim.shutdown(i, POWEROFF)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and "Shutting down domain 1" in out and "Shutting down domain 2" in out, (out, err)
        assert not w.leftovers(), w.leftovers()
        w.hands.wedged.clear()
        good(w.xl("create", w.file("kept", 'on_poweroff="preserve"')))
        waiting = {n: subprocess.Popen([str(XL), "shutdown", n, "kept"], env=w.env, stdout=subprocess.PIPE, text=True) for n in ("-w", "-ww")}
        w.store.wait_for("/local/domain/3/control/shutdown", "poweroff")
        while len([x for x in w.call("daemon.status")["pending"] if x["operation"] == "shutdown" and x["step"] == "taken"]) < 2:
            pass
        w.sim.shutdown(3, POWEROFF)
        w.store.write("/local/domain/3/control/shutdown", "")
        assert waiting["-w"].wait(60) == 0 and [x["step"] for x in w.call("daemon.status")["pending"]] == ["down"]
        assert "---s--" in w.xl("list", "kept").stdout and waiting["-ww"].poll() is None
        good(w.xl("destroy", "kept"))
        assert waiting["-ww"].wait(60) == 0 and not w.leftovers(), w.leftovers()


def test_foreground():
    """create -F stays until the domain is gone."""
    with XlWorld() as w:
        p = subprocess.Popen([str(XL), "create", "-F", str(w.file("web"))], env=w.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        w.event("unpaused")
        w.sim.shutdown(1, POWEROFF)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and "Domain 1 has shut down" in err and "Domain 1 has been destroyed." in err, (p.returncode, out, err)


def test_json():
    """--json, before or behind the verb: one value on stdout, or one problem on stderr."""
    with XlWorld() as w:
        made = json.loads(good(w.xl("create", "--json", w.file("web", 'vif=["bridge=br0"]'))))
        assert made["domid"] == 1 and made["name"] == "web", made
        for verb in ("list", "vm-list", "uptime", "info", "info -n", "claims", "sharing", "vcpu-list", "cpupool-list", "sched-credit2", "domid web", "domname 1",
                     "dmesg", "top -i 1", "block-list web", "network-list web", "channel-list web", "explain web", "pause web", "unpause web",
                     "mem-set web 4", "list -l", "sched-credit"):
            a, b = w.xl("--json", *verb.split()), w.xl(*verb.split(), "--json")
            json.loads(good(a)), json.loads(good(b))
        assert json.loads(w.xl("list", "--json").stdout)[1]["name"] == "web"
        for verb in ("list nosuch", "domid nosuch", "destroy nosuch", "save web x", "create /none", "create", "cpupool-destroy none", "mem-set web x", "vcpu-pin web 9 0"):
            r = w.xl("--json", *verb.split())
            problem = json.loads(r.stderr)
            assert r.returncode and problem["code"] and problem["cause"] and problem["next"] and problem["errno"] > 0, (verb, r)
            assert r.stdout == "", r


def test_json_of_every_complaint():
    """Whatever verb, whatever is wrong with its words: with --json one object on standard error, and nothing else there."""
    with XlWorld(hands=False, start=False) as w:
        w.named("web", pages=64)
        verbs = [line.split()[0] for line in w.xl("help").stdout.split("\n")[4:] if re.match(r" [^ ]", line)]
        wrong = []
        for verb in verbs:
            if verb in ("devd", "top", "metrics", "info", "vm-list", "claims", "dmesg", "cpupool-numa-split"):
                continue  # no words of theirs can be wrong
            for words in (["nosuch", "nosuch", "nosuch"], ["web", "#"], ["-Q"], []):
                if not words and verb in ("list", "uptime", "vcpu-list", "sharing", "cpupool-list", "sched-credit", "sched-credit2", "sched-rtds", "network-list", "block-list",
                                          "channel-list", "cpupool-create") or words[1:] == ["#"] and verb not in ("mem-set", "mem-max", "trigger", "vcpu-set", "button-press"):
                    continue
                if verb == "debug-keys" and words[:1] == ["nosuch"] or verb in ("cpupool-rename", "sched-credit", "sched-credit2", "sched-rtds") and words and words[0] == "nosuch":
                    continue
                r = w.xl("--json", verb, *words)
                lines = [line for line in r.stderr.split("\n") if line]
                try:
                    good = (r.returncode or verb in ("network-list", "block-list", "channel-list")) and lines and all({"code", "step", "cause", "next", "errno"} <= set(json.loads(line)) for line in lines)
                except ValueError:
                    good = False
                if not good:
                    wrong.append(f"{verb} {words}: {r.returncode} {r.stderr!r} {r.stdout[:80]!r}")
        assert not wrong, "\n".join(wrong)


def test_later():
    """Verbs of features to come say so, with Debian's status of failure."""
    with XlWorld(hands=False, start=False) as w:
        for verb in ("save", "restore", "migrate", "migrate-receive", "remus", "pci-attach", "pci-list", "pci-assignable-add", "cd-insert", "vncviewer",
                     "vtpm-attach", "vkb-list", "vdispl-attach", "vsnd-list", "usbctrl-attach", "usb-list", "qemu-monitor-command", "getenforce", "psr-hwinfo"):
            r = w.xl(verb)
            assert r.returncode == 1 and "(comes-later)" in r.stderr and "next: " in r.stderr, (verb, r)
            # Its options too: who calls it as Debian's xl wants it hears why it does not work, not that a letter is unknown.
            assert w.xl(verb, "-s", "socat", "--debug", "-C", "x", "web", "host").stderr == r.stderr, verb


def classes(w):
    """What each domain's class is by the tool, by name."""
    return {d["name"]: d["class"] for d in json.loads(good(w.xl("--json", "sched-credit2")))}


def test_latency_class():
    """A class by the configuration, which stays with the domain's next life, and another one while it runs; what Debian's xl prints stays as it is."""
    with XlWorld() as w:
        good(w.xl("create", w.file("web", 'latency_class = "interactive"')))
        good(w.xl("create", w.file("other")))
        assert classes(w) == {"Domain-0": "normal", "web": "interactive", "other": "normal"}
        table = good(w.xl("sched-credit2"))
        good(w.xl("sched-credit2", "-d", "other", "--class", "batch"))
        assert classes(w) == {"Domain-0": "normal", "web": "interactive", "other": "batch"}
        assert good(w.xl("sched-credit2")) == table and "batch" not in table
        good(w.xl("sched-credit2", "-d", "web", "--class=normal", "-w", "512"))
        assert classes(w)["web"] == "normal" and " 512 " in good(w.xl("sched-credit2", "-d", "web"))
        assert json.loads(good(w.xl("list", "-l", "web")))[0]["config"]["b_info"]["latency_class"] == "interactive"
        for words, code in ((("-d", "web", "--class", "fast"), "bad-value"), (("-d", "nobody", "--class", "batch"), None), (("--class", "batch"), None)):
            r = w.xl("sched-credit2", *words)
            assert r.returncode == 1 and (not code or f"({code})" in r.stderr and "next: " in r.stderr), r
        r = w.xl("create", w.file("third", 'latency_class = "2"'))
        assert r.returncode == 1 and "(bad-value)" in r.stderr, r


def test_latency_class_on_xen():
    """Where there are none, whoever asks for one hears it; everything else is as ever."""
    with XlWorld() as w:
        w.sim.fail_call(errno.ENOSYS, nr=HC_hospes_op, skip=ANY)
        good(w.xl("create", w.file("web")))
        r = w.xl("sched-credit2", "-d", "web", "--class", "batch")
        assert r.returncode == 1 and "this hypervisor has no classes of latency (not-supported)" in r.stderr, r
        assert "class" not in good(w.xl("--json", "sched-credit2")) and "wakeup_wait" not in good(w.xl("metrics"))
        r = w.xl("create", w.file("other", 'latency_class = "batch"'))
        assert r.returncode == 3 and "this hypervisor has no classes of latency (not-supported)" in r.stderr, r
        good(w.xl("create", w.file("third", 'latency_class = "normal"')))


def test_metrics():
    """OpenMetrics as its text format has it: families whole and in one place, types, units, labels, the end."""
    with XlWorld() as w:
        good(w.xl("create", w.file("web", "overhead_max = 3")))
        good(w.xl("create", w.file("other")))
        text = good(w.xl("metrics"))
        assert text.endswith("# EOF\n")
        families, samples = {}, set()
        family = None
        for line in text.split("\n")[:-2]:
            m = re.fullmatch(r"# (TYPE|UNIT|HELP) ([a-z_]+) (.+)", line)
            if m:
                if m[1] == "TYPE":
                    assert m[2] not in families, line
                    family = families[m[2]] = {"type": m[3], "unit": "", "seen": False}
                    name = m[2]
                assert m[2] == name and not family["seen"], line
                if m[1] == "UNIT":
                    family["unit"] = m[3]
                    assert name.endswith("_" + m[3]), line
                continue
            m = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\]|\\["\\n])*")*\})? (-?[0-9.e+]+)', line)
            assert m, line
            assert m[1] == name + {"counter": "_total", "histogram": "_bucket"}.get(family["type"], ""), line
            assert (m[1], m[2]) not in samples, line
            samples.add((m[1], m[2]))
            family["seen"] = True
        assert 'xen_domain_memory_bytes{domid="1",name="web"}' in text and "xen_cpus 4" in text
        kinds = re.findall(r'^xen_domain_hypervisor_memory_bytes\{domid="1",name="web",kind="([a-z_]+)"\} (\d+)$', text, re.M)
        most = re.search(r'^xen_domain_hypervisor_memory_max_bytes\{domid="1",name="web"\} (\d+)$', text, re.M)
        assert len(kinds) == 7 and 0 < sum(int(n) for _, n in kinds) <= int(most[1]) == 3 << 20, text
        most = re.search(r'^xen_domain_hypervisor_memory_max_bytes\{domid="2",name="other"\} (\d+)$', text, re.M)
        assert int(most[1]) > 16 << 20, text  # the default
        waits = re.findall(r'^xen_domain_wakeup_wait_seconds_bucket\{domid="1",name="web",le="([0-9.]+|\+Inf)"\} (\d+)$', text, re.M)
        assert len(waits) == 16 and waits[-1][0] == "+Inf" and [int(n) for _, n in waits] == sorted(int(n) for _, n in waits), waits
        assert [float(le) for le, _ in waits[:-1]] == [2 ** i / 1e6 for i in range(15)], waits
        assert 'max_bytes{domid="0"' not in text.partition("hypervisor_memory_max")[2], text  # who controls others has no bound


def test_last_words():
    """What a boot said before it crashed is told apart from what this one says; without it there is a problem that says so."""
    def dmesg(sim, *words):
        return subprocess.run([str(XL), "dmesg", *words], env=sim.env | {"ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, text=True, timeout=60)
    with Sim(BUILD, log="(previous) Panic on CPU 0: why\n(previous) \n(previous) the end\nof this boot\n") as sim:
        said = dmesg(sim, "--previous")
        assert (said.returncode, said.stdout) == (0, "Panic on CPU 0: why\n\nthe end\n"), said
        assert "of this boot\n" in dmesg(sim).stdout
    with Sim(BUILD) as sim:
        said = dmesg(sim, "--previous")
        assert said.returncode == 1 and "did not end in a crash" in said.stderr and "next: " in said.stderr, said


def on_terminal(w, *words):
    """What xl draws on a terminal."""
    master, slave = pty.openpty()
    p = subprocess.Popen([str(XL), *map(str, words)], env=w.env, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    drawn = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # nobody has the other end any more
            break
        if not piece:
            break
        drawn += piece
    os.close(master)
    assert p.wait(60) == 0, drawn
    return drawn


def test_progress():
    """On a terminal long work is drawn and wiped away again; with -q, or into a pipe, nothing is."""
    with XlWorld() as w:
        drawn = on_terminal(w, "create", w.file("web"))
        assert b"\r\x1b[Kmemory" in drawn and drawn.endswith(b"\r\x1b[K"), drawn
        assert on_terminal(w, "create", "-q", w.file("two")) == b""
        assert "\x1b" not in w.xl("create", w.file("three")).stderr


def starter(w):
    """What xl is to run in place of hospesd."""
    run = w.folder / "hospesd.sh"
    words = " ".join(f"'{o}'" for o in map(str, w.options) if o != "--foreground")
    run.write_text(f"#!/bin/sh\nexec {(w.build / 'hospesd').resolve()} --foreground {words} 2>>{w.folder}/hospesd.log\n")
    run.chmod(0o755)
    return run


def test_odd_bytes_and_paths():
    """Bytes that JSON does not have are refused, with the place; a path of a kernel begins where xl was called."""
    with XlWorld() as w:
        for line in (b'extra = "x=caf\xe9"', b'disk = ["/srv/\xe4.img,raw,xvda,w"]', b'name = "\xff"'):
            file = w.file("odd")
            file.write_bytes(file.read_bytes() + line + b"\n")
            r = subprocess.run([str(XL), "create", "-q", str(file)], env=w.env, capture_output=True, timeout=60)
            assert r.returncode == 3 and b"(not-utf-8)" in r.stderr and b"next: " in r.stderr, r
        file.write_bytes(w.file("odd").read_bytes() + '# caf\xe9\nextra = "x=caf\u00e9"\n'.encode("latin-1").replace(b"x=caf\xe9", "x=caf\u00e9".encode()))
        good(w.xl("create", "-q", file))
        relative = w.file("relative", 'kernel = "kernel"\nramdisk = "ramdisk"')
        (w.folder / "ramdisk").write_bytes(bytes(4096))
        r = subprocess.run([str(XL), "create", "-q", relative.name], env=w.env, capture_output=True, text=True, cwd=w.folder, timeout=60)
        assert r.returncode == 0, r
        kept = w.call("domain.config", domain="relative")["b_info"]
        assert (kept["kernel"], kept["ramdisk"]) == (str(w.kernel), str(w.folder / "ramdisk")), kept


def test_json_of_odd_bytes():
    """What somebody else has put into the store, and what was typed, may be any bytes: JSON is UTF-8 all the same."""
    with XlWorld() as w:
        good(w.xl("create", "-q", w.file("web", 'vif=["bridge=br0"]')))
        w.store.write("/local/domain/0/backend/vif/1/0/bridge", b"br\xff\xc3\xa4\xe2\x82")

        def xl(*words):
            return subprocess.run([str(XL), "--json", *words], env=w.env, capture_output=True, timeout=60)
        shown = "br\ufffd\u00e4\ufffd\ufffd"
        assert json.loads(xl("network-list", "web").stdout.decode())[0]["bridge"] == shown
        assert w.call("device.list", domain="web", kind="nic")[0]["bridge"] == shown
        assert "\ufffd" in json.loads(xl("create", b"/none\xff").stderr.decode())["cause"]
        odd = w.file("odd", "k\u00e4=1")
        odd.write_bytes(odd.read_bytes().replace("\u00e4".encode(), b"\xe4"))
        for line in xl("create", "-N", str(odd)).stderr.decode().splitlines():
            json.loads(line)


def test_two_start_the_daemon():
    """Several at the same time, and no daemon: one is started, and all are served by it. It keeps nothing of who started it."""
    with XlWorld(start=False) as w:
        env = dict(w.env, HOSPESD=str(starter(w)))
        files = [w.file(f"d{i}") for i in range(4)]
        end, theirs = os.pipe()
        ps = [subprocess.Popen([str(XL), "create", "-q", str(f)], env=env, stderr=subprocess.PIPE, text=True, cwd=w.folder, pass_fds=[theirs]) for f in files]
        os.close(theirs)
        try:
            assert [(p.communicate(timeout=60)[1], p.returncode) for p in ps] == [("", 0)] * len(ps), (w.folder / "hospesd.log").read_text()
            assert os.read(end, 1) == b""  # the end of file: nobody has the other end
            pid = w.client().call("daemon.status")["pid"]
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            for i in range(len(files)):
                good(w.xl("destroy", f"d{i}"))
        finally:
            os.close(end)


def test_starts_the_daemon():
    """Nobody listens: xl starts hospesd, and says what is wrong when that cannot be."""
    with XlWorld(start=False) as w:
        run = starter(w)
        r = w.xl("create", w.file("web"), env={"HOSPESD": "/nonexistent", "PATH": "/nonexistent"})
        assert r.returncode and "(no-daemon)" in r.stderr and "next: " in r.stderr, r
        r = w.xl("create", w.file("web"), env={"HOSPESD": str(run)})
        assert r.returncode == 0, (r, (w.folder / "hospesd.log").read_text())
        assert "web" in w.xl("list").stdout
        good(w.xl("destroy", "web"))


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
