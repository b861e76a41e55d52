#!/usr/bin/env python3
"""Forced faults (faults.txt): each ends with the problem it should, says what to do next, and leaves nothing behind."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import xl_lab
from sim import HC_domctl, PATIENCE
from xl_lab import ROOT, XL, XlWorld, good

HERE = pathlib.Path(__file__).resolve().parent
CREATE, DESTROY, PAUSE, UNPAUSE, MAX_VCPUS, SET_CONTEXT, SET_CPU_POLICY = 1, 2, 3, 4, 15, 34, 83
POPULATE, CLAIM, ENOMEM, EPERM, EACCES, EINVAL = 6, 24, 12, 1, 13, 22
HC_memory_op, HC_sysctl, GETDOMAININFOLIST = 12, 35, 6
# Of the words of the command, found wrong before any domain was looked for.
UNNAMED = ("bad-disk", "bad-vif", "bad-value", "bad-request", "no-store", "no-such-vcpu", "no-such-file")
# Sentences that help nobody.
GENERIC = ("an error occurred", "internal error", "operation failed", "unknown error", "something went wrong", "libxl", "rc=-")


# What can be set up: each takes the world and gives an environment for the command; undone by reset().
def web(w):
    good(w.xl("create", "-q", w.file("web")))
    w.web = good(w.xl("domid", "web")).strip()


def two(w):
    good(w.xl("create", "-q", w.file("two")))


def deaf(w):
    web(w)


def script(w):
    path = w.folder / "scripts/fails"
    path.write_text("#!/bin/sh\necho 'no such volume' >&2\nexit 3\n")
    path.chmod(0o755)


def wedged(w):
    w.hands.wedged.add("*")


def refused(error, nr, before=None, **keys):
    """The hypervisor refuses the next such call."""
    def set_up(w):
        if before:
            before(w)
        w.sim.fail_call(error, nr=nr, **keys)
    return set_up


refuse_create = refused(ENOMEM, HC_domctl, command=CREATE)
refuse_vcpus = refused(ENOMEM, HC_domctl, command=MAX_VCPUS)
refuse_memory = refused(EPERM, HC_memory_op, command=POPULATE)
refuse_list = refused(EPERM, HC_sysctl, command=GETDOMAININFOLIST)
old_version = refused(EACCES, HC_sysctl)
claimed = refused(ENOMEM, HC_memory_op, command=CLAIM)
refuse_policy = refused(EINVAL, HC_domctl, command=SET_CPU_POLICY)
refuse_context = refused(EINVAL, HC_domctl, command=SET_CONTEXT)
refuse_unpause = refused(EPERM, HC_domctl, command=UNPAUSE)
refuse_destroy = refused(EPERM, HC_domctl, command=DESTROY, before=web)
refuse_pause = refused(EPERM, HC_domctl, command=PAUSE, before=web)


def same_uuid(w):
    good(w.xl("create", "-q", w.file("two"), 'uuid="00112233-4455-6677-8899-aabbccddeeff"'))


def no_hypervisor(w):
    return {"HOSPES_SIM": "/nonexistent"}


def no_store(w):
    return {"XENSTORED_PATH": "/nonexistent", "XENSTORED_RUNDIR": "/nonexistent"}


def dead_store(w):
    """Killed under everything that runs; reset() starts it again."""
    w.xenstored.kill()


def web_then_dead_store(w):
    web(w)
    dead_store(w)


def unreadable(w):
    path = w.folder / "disks/fifo"
    if not path.exists():
        os.mkfifo(path)


def full(w):
    """Nearly all memory of the machine is in use."""
    w.sim.take_memory(600)


def no_daemon(w):
    return {"HOSPESD_SOCKET": str(w.folder / "nobody.socket"), "HOSPESD": "/nonexistent", "PATH": "/nonexistent"}


def dies(w):
    """hospesd is killed while it waits for a back end."""
    wedged(w)


def no_console_client(w):
    return {"PATH": "/nonexistent"}


def reset(w):
    w.hands.wedged.clear()
    w.sim.take_memory(None)
    if w.xenstored.process.poll() is not None:
        w.xenstored.start()
        w.reconnect()
    end = time.time() + PATIENCE
    while (status := w.rpc.call("daemon.status"))["pending"] or not status["store"]:
        assert time.time() < end, status
    for line in w.xl("list").stdout.split("\n")[1:]:
        if line and not line.startswith("Domain-0"):
            w.xl("destroy", line.split()[1])


def config(w, n, kind, text):
    path = w.folder / f"fault{n}.cfg"
    lines = text.replace("%D", str(w.folder / "disks").replace("/", "\0")).replace(" / ", "/")
    lines = [re.sub("\0", "/", part) for part in re.split(r"/(?=[a-z_]+ \+?=)", lines)]
    head = f'name = "web"\ntype = "pvh"\nkernel = "{w.kernel}"\nmemory = 4\n' if kind == "cfg" else ""
    path.write_text(head + "\n".join(lines) + "\n")
    return str(path)


def rows():
    for n, line in enumerate((HERE / "faults.txt").read_text().split("\n"), 1):
        if line and not line.startswith("#"):
            yield n, [part.strip() for part in line.split(" ; ")]


def run(w, n, setup, command):
    env = {}
    for name in setup.split("+"):
        if name != "-":
            env.update(globals()[name.replace("-", "_")](w) or {})
    command = command.replace("%I", getattr(w, "web", ""))
    words, made = [], re.search(r"\{(cfg|raw):(.*)\}", command)
    for word in re.sub(r"\{(cfg|raw):.*\}", "{}", command).split():
        words.append(config(w, n, made[1], made[2]) if word == "{}" else word.replace("%D", str(w.folder / "disks")))
    if setup == "dies":
        p = subprocess.Popen([str(XL), "--json", *words, f'disk=["{w.folder}/disks/a,raw,xvda,w"]'], env=w.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        w.loops_wait(p)
        w.hospesd.kill(signal.SIGKILL)
        out, err = p.communicate(timeout=60)
        w.hands.wedged.clear()
        w.start()
        return subprocess.CompletedProcess(words, p.returncode, out, err)
    return w.xl("--json", *words, env=env)


class World(XlWorld):
    def loops_wait(self, process):
        """Until hospesd has set up the disk and waits for its back end."""
        while not self.loops():
            assert process.poll() is None, process.communicate()


def world():
    w = World(options=["--wait", "backend=300", "--wait", "shutdown=300", "--wait", "script=5000", "--wait", "store=300"])
    disks = w.folder / "disks"
    (disks / "a").write_bytes(bytes(4096))
    (disks / "garbage").write_bytes(bytes(range(256)) * 16)
    (disks / "empty").write_bytes(b"")
    (disks / "short").write_bytes(w.kernel.read_bytes()[:1500])
    return w


def problem_of(done):
    for line in done.stderr.split("\n"):
        if line.startswith("{") and "remark" not in (o := json.loads(line)):
            return o
    return None


def check(w, row, done):
    """What is wrong with this answer: a list."""
    setup, command, expected = row[0], row[1], row[2].split(" ", 3)
    p, wrong = problem_of(done), []
    if not p:
        return [f"no problem was reported: {done.returncode} {done.stdout} {done.stderr}"]
    got = [str(done.returncode), p["code"], p["step"].replace(" ", "_")]
    if got != expected[:3]:
        wrong.append(f"is {got}, not {expected[:3]}: {p['cause']}")
    if expected[3] not in p["next"]:
        wrong.append(f"next is not '{expected[3]}' but: {p['next']}")
    for field in ("cause", "next"):
        if len(p[field]) < 8 or any(g in p[field].lower() for g in GENERIC) or p[field][-1:] == ".":
            wrong.append(f"{field} helps nobody: {p[field]}")
    if p["errno"] <= 0:
        wrong.append("no errno")
    # Where a domain was meant that there is or would be, it is named.
    about = done.returncode == 3 and "{cfg:" in command or re.search(r" (web|%I)\b", command) and "web" in setup
    if about and not p["domain"] and p["code"] not in UNNAMED:
        wrong.append(f"names no domain: {p}")
    return wrong


def test_faults():
    with world() as w:
        web(w)  # the first domain leaves a few buffers of its own
        reset(w)
        before, wrong, n = w.memory(), [], 0
        for line, row in rows():
            for what in check(w, row, run(w, line, row[0], row[1])):
                wrong.append(f"line {line}: {row[1]}: {what}")
            reset(w)
            if w.leftovers() or w.domains() != 1:
                wrong.append(f"line {line}: {row[1]}: left behind: {w.domains()} {w.leftovers()}")
            n += 1
        assert n >= 60 and not wrong, f"of {n}:\n" + "\n".join(wrong)
        assert w.memory() == before, (w.memory(), before)


def test_text_is_the_same():
    """Without --json: two lines that name domain, step, cause, code and what to do."""
    with world() as w:
        r = w.xl("create", "-q", w.file("web"), 'kernel="/nonexistent"')
        assert r.stderr == "xl: domain 'web': kernel: /nonexistent: does not exist (no-such-file)\n    next: correct the path after kernel=\n", r.stderr


def codes():
    """Of all sources: code -> file."""
    found = {}
    patterns = (r'(?:\bE[A-Z0-9]+|-?\brc|\berr|-?\bfd|\berrno)\b[^,;"]*,\s*"([a-z]+(?:-[a-z]+)+)"', r'xl_fail\([^,]+,\s*"([a-z-]+)"', r'\bcode = "([a-z-]+)"',
                r'parser_bad\([^;]*?"(bad-[a-z]+)"', r'problem_set\([^,]+,[^,]+,\s*"([a-z0-9-]+)"')
    for folder in ("lib", "tools"):
        for path in (ROOT / folder).rglob("*.c"):
            text = path.read_text()
            for pattern in patterns:
                for m in re.finditer(pattern, text):
                    found.setdefault(m[1], path.relative_to(ROOT))
    return found


def test_all_codes_are_listed():
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/problems.md").read_text(), re.M))
    used = codes()
    missing = {c: str(f) for c, f in used.items() if c not in listed}
    assert len(used) > 60 and not missing, f"not in docs/problems.md: {missing}"


def record():
    """Print the file anew with what happens now, to be judged before it is kept."""
    with world() as w:
        for line in (HERE / "faults.txt").read_text().rstrip("\n").split("\n"):
            if not line or line.startswith("#"):
                print(line)
                continue
            row = [part.strip() for part in line.split(" ; ")]
            done = run(w, 5, row[0], row[1])
            p = problem_of(done) or {"code": "?", "step": "?", "next": "?"}
            words = re.split(r"[(:/]| line ", p["next"])[0].strip()[:48]
            print(" ; ".join([row[0], row[1], f"{done.returncode} {p['code']} {p['step'].replace(' ', '_')} {words}"]))
            reset(w)


if __name__ == "__main__":
    if sys.argv[1:] == ["record"]:
        record()
    else:
        xl_lab.tap.main(sys.modules[__name__])
