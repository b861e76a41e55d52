#!/usr/bin/env python3
"""Our xl beside Debian's unmodified one, on two machines that are alike: exit status, output and messages byte for byte."""
import difflib
import re
import sys

import xl_lab
from sim import SOFT_RESET, SUSPEND, WATCHDOG
from xl_lab import XlWorld

# Each line runs with both. What is printed under "usage" may differ in its sentences: they are ours, its first line is not.
STEPS = """
nosuch | lis | li web | cpu | mem | list -Q | pause -Q web | dmesg --clear | info --numa | help nosuch
list | list -v | list -Z | list -c | list -n | list web | list 1 | list nosuch | list 99 | list -v web | list -c 2
vm-list | domid web | domid nosuch | domname 1 | domname 77 | domname x
uptime -s | uptime web | info | info -n | claims | sharing | sharing web
vcpu-list | vcpu-list web | vcpu-list 2 web | vcpu-list nosuch
cpupool-list | cpupool-list -c | cpupool-list nosuch | cpupool-list Pool-0
sched-credit2 | sched-credit2 -d web | sched-credit2 -d web -w 512 | sched-credit2 -d web -c 50 | sched-credit2 -d web | sched-credit2 -d nosuch
sched-credit2 -w 3 | sched-credit2 -p Pool-0 | sched-credit2 -p nosuch | sched-credit2 -s -r 2000 | sched-credit2 -s | sched-credit2 -d 1 -p x
sched-credit | sched-credit -d web | sched-rtds | sched-rtds -d web
cpupool-rename Pool-0 foo | cpupool-list | cpupool-cpu-remove foo 3 | cpupool-list -c
cpupool-create name="p2" cpus=["3"] | cpupool-list | cpupool-migrate 1 p2 | cpupool-migrate x p2 | cpupool-migrate 1 px | cpupool-list | list -c
cpupool-destroy p2 | cpupool-migrate 1 foo | cpupool-destroy p2 | cpupool-cpu-add foo 3 | cpupool-cpu-add foo 3 | cpupool-cpu-add foo 99
cpupool-cpu-remove foo 3 | cpupool-create name="rt" sched="rtds" cpus=["3"] | cpupool-list | cpupool-migrate web rt | sched-rtds | sched-rtds -d web
sched-rtds -d web -v all | sched-rtds -v all | sched-rtds -d web -v 0 | sched-rtds -d web -p 20000 -b 5000 | sched-rtds -d web -v 1 -p 30000 -b 9000 -e 0
sched-rtds -d web -v all | sched-rtds -d web -v 0 -p 50 -b 50 -e 1 -v 1 -p 40000 -b 200 -e 0 | sched-rtds -d web -v all | sched-rtds -d web -v 0 -b 100
sched-rtds -d web -v all -p 10000 -b 1000 -e 1 | sched-rtds -d web -v all | sched-rtds -d web -v 7 | sched-rtds -v 0 | sched-rtds -c rt | sched-rtds -b 1
sched-credit2 -d web | sched-rtds -d web -v 0 -p 10 -b 20 -e 0 | cpupool-migrate web foo | cpupool-destroy rt | cpupool-cpu-add foo 3 | sched-rtds
cpupool-destroy nosuch | cpupool-list | cpupool-numa-split | cpupool-list | cpupool-rename Pool-node0 Pool-0
set-parameters loglvl=all | set-parameters nosuch=1 | set-parameters loglvl=foo | set-parameters | pause | sysrq web | sysrq web hh | sysrq web h | debug-keys ? | dmesg
vcpu-pin web 0 1 | vcpu-list web | vcpu-pin web all 1-2 3 | vcpu-list web | vcpu-pin web 0 all - | vcpu-list web | vcpu-pin web 1 0,2-3
vcpu-list web | vcpu-pin web 5 1 | vcpu-pin web 0 foo | vcpu-pin web x 1 | vcpu-pin web | vcpu-set web 9 | vcpu-set web x | vcpu-set web
mem-set web x | mem-max web 5q | mem-set web | trigger web nmi | trigger web foo | trigger web nmi x | button-press web foo
block-list web | network-list web | block-list nosuch | channel-list web
destroy 0 | destroy nosuch | shutdown nosuch | shutdown | reboot | console nosuch | pause nosuch | unpause nosuch | rename nosuch x | rename web
create | create /nonexistent | create --dryrun /nonexistent | create /nonexistent /nonexistent | create -n memory=8 /nonexistent | create x=1 -f /nonexistent y
config-update | config-update nosuch | config-update web
cpupool-create /nonexistent /nonexistent | cpupool-create x=1 /nonexistent | console -t foo web | channel-list nosuch | network-list nosuch
xentop -b -i 1 | xentop -f -b -i 1 | xentop -b -i 1 -v | xentop -b -i 1 -r | xentop -b -i 1 -n -x
"""
FAILS = {"list 99": 1, "list nosuch": 1, "domid nosuch": 1}


def world():
    w = XlWorld(hands=False)
    w.named("web", pages=512, vcpus=2)
    w.named("a-very-long-name-of-a-domain-that-does-not-fit")
    w.named("gone").shutdown(0)
    w.named("crashed").shutdown(3)
    w.named("again").shutdown(1)
    return w


def show(done):
    """Without what only one of them says: libxl's log and the missing xl.conf; our problems, which follow Debian's sentence where it has one."""
    err = [line for line in done.stderr.split("\n")
           if not line.startswith(("libxl: ", "xc: ", "xl: ", "    next: ")) and "/etc/xen/xl.conf" not in line]
    out, err = re.sub(r"\d+:\d\d:\d\d up [^,]*,", "up,", done.stdout), "\n".join(err)
    usage = re.search(r"^Usage: xl .*", out, re.M)
    if usage:
        out = usage[0].split("\n")[0] + "\n"
    return f"exit status {done.returncode}\n{out}-- stderr:\n" + err.strip()


def test_same_as_debians():
    with world() as theirs, world() as ours:
        wrong = []
        steps = [s.strip() for line in STEPS.strip().split("\n") for s in line.split(" | ")]
        for step in steps:
            words = step.split(" ")
            program = "xentop" if words[0] == "xentop" else "xl"
            words = words[1:] if words[0] == "xentop" else words
            a = show(theirs.oracle(*words, program=program))
            b = show(ours.run("xl-san" if program == "xl" else program, *words, check=False))
            if a != b:
                wrong.append(step + ":\n" + "\n".join(list(difflib.unified_diff(a.split("\n"), b.split("\n"), "Debian's", "ours", lineterm="", n=1))))
            if step in FAILS:
                assert f"exit status {FAILS[step]}" in b, (step, b)
        assert not wrong, f"{len(wrong)} of {len(steps)} differ:\n" + "\n".join(wrong)


def test_states():
    """Every state a domain can be listed in, against Debian's, and for Ganeti's sake never d beside r or b."""
    with world() as w:
        for name, reason in (("asleep", SUSPEND), ("unwatched", WATCHDOG), ("kexec", SOFT_RESET)):
            w.named(name).shutdown(reason)
        out = w.xl("list").stdout
        for name, letters in (("gone", "--"), ("crashed", "c-"), ("again", "r-"), ("asleep", "s-"), ("unwatched", "w-"), ("kexec", "S-")):
            assert re.search(rf"^{name} .*---s{letters}", out, re.M), out
        assert out == w.oracle("list").stdout


def test_of_one_world():
    """Debian's xl lists what hospesd made as ours does: devices, times, virtual CPUs."""
    with XlWorld() as w:
        disk = w.folder / "disks/a"
        disk.write_bytes(bytes(4096))
        made = w.xl("create", "-q", w.file("web", f'disk=["{disk},raw,xvda,w"]\nvif=["bridge=br0,mac=00:16:3e:00:00:01","bridge=br0"]'), "vcpus=3", 'cpus=["0","1-2","all"]')
        assert made.returncode == 0, made
        for step in ("list", "list -v", "vm-list", "block-list web", "network-list web", "channel-list web", "vcpu-list", "uptime -s web", "claims", "sched-credit2 -d web",
                     "domid web", "domname 1", "list -l web"):
            a, b = show(w.oracle(*step.split())), show(w.xl(*step.split()))
            assert a == b, f"{step}:\n{a}\n{b}"


def test_guests_words():
    """What a guest writes into its own part of the store changes no more of our lists than of Debian's, and does not reach the terminal."""
    evil = "\x1b[31mEVIL\n9 9"
    with XlWorld() as w:
        disk = w.folder / "disks/a"
        disk.write_bytes(bytes(4096))
        assert w.xl("create", "-q", w.file("web", f'disk=["{disk},raw,xvda,w"]\nvif=["bridge=br0,mac=00:16:3e:00:00:01"]')).returncode == 0
        for nr, kind in ((1, "pty"), (2, "socket")):  # channels, as libxl records them
            front, back, record = f"/local/domain/1/device/console/{nr}", f"/local/domain/0/backend/console/1/{nr}", f"/libxl/1/device/console/{nr}"
            for path, value in (("frontend", front), ("backend", back), ("frontend-id", "1"), ("connection", kind), ("name", "c")):
                w.store.write(f"{record}/{path}", value)
            for path, value in (("state", "4"), ("connection", kind), ("name", "c")):
                w.store.write(f"{back}/{path}", value)
            for path, value in (("state", "3"), ("port", "5"), ("ring-ref", "9"), ("tty", "/dev/pts/7")):
                w.store.write(f"{front}/{path}", value)
        for what in ("vif/0", "vbd/51712", "console/1", "console/2"):
            for name in ("mac", "handle", "backend-id", "virtual-device", "type", "connection"):
                w.store.write(f"/local/domain/1/device/{what}/{name}", "7" if name == "backend-id" else evil)
        for step in ("network-list web", "block-list web", "channel-list web", "channel-list nosuch", "channel-list web nosuch web", "network-list nosuch web"):
            a, b = show(w.oracle(*step.split())), show(w.xl(*step.split()))
            assert a == b, f"{step}:\n{a}\n{b}"
            assert "EVIL" not in w.xl("--json", *step.split()).stdout, step
        w.store.write("/local/domain/1/device/console/1/tty", evil)
        assert "\x1b" not in w.xl("channel-list", "web").stdout


def test_help():
    """Four lines, then a verb on each line that begins with one blank: all of Debian's, in its order; and the help of each ends with 0."""
    with XlWorld(hands=False, start=False) as w:
        def verbs(text):
            return [line.split()[0] for line in text.split("\n")[4:] if re.match(r" [^ ]", line)]
        a, b = w.oracle("help").stdout, w.xl("help").stdout
        assert a.split("\n")[:4] == b.split("\n")[:4], b
        ours = verbs(b)
        assert [v for v in ours if v in verbs(a)] == verbs(a), set(verbs(a)) ^ set(ours)
        for verb in ours:
            r = w.xl(verb, "-h")
            assert r.returncode == 0 and r.stdout.startswith("Usage: xl [-vtT"), (verb, r)
            unique = next((verb[:n] for n in range(1, len(verb)) if sum(v.startswith(verb[:n]) for v in ours) == 1), None)
            if unique:
                assert w.xl("help", unique).stdout.split("\n")[0] == r.stdout.split("\n")[0], unique
        none = w.xl()
        assert none.returncode == 1 and none.stdout == b, none
        assert w.xl("help", "debug").stdout.startswith("Usage: xl [-vtTf] debug-keys")  # Ganeti's word
        assert "toolstack" not in none.stderr


def test_help_names_every_option():
    """Usage lines are Debian's, and no option it tells of is missing from ours."""
    def options(text):
        return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text.split("\n", 1)[1]))
    with XlWorld(hands=False, start=False) as w:
        wrong = []
        for verb in (line.split()[0] for line in w.oracle("help").stdout.split("\n")[4:] if re.match(r" [^ ]", line)):
            a, b = w.oracle("help", verb).stdout, w.xl("help", verb).stdout
            missing = options(a) - options(b)
            same = a.split("\n")[0].strip() == b.split("\n")[0].replace("[options]", "").strip() if verb == "top" else a.split("\n")[0] == b.split("\n")[0]
            if missing or not (same or verb == "info"):  # Debian's has the sentence of an option in info's
                wrong.append((verb, sorted(missing), a.split("\n")[0], b.split("\n")[0]))
        assert not wrong, wrong


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
