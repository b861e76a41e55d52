"""The examples of docs/: fenced blocks, by the first word behind ```. Each kind is run or read by the real programs on the simulated machine.

    console [guest=NAME] [says=TEXT]   lines behind "$ " are commands, what follows each is all it prints. A line "..." stands for any lines, "..." in a
                                       line for any text, "[status N]" at the end for an exit status. guest: such a domain runs, and has said TEXT.
    xl.cfg [FILE]                      a configuration: the dry run of `xl create` takes it without a word. It is there as FILE for blocks below.
    xl.conf                            settings: xl takes them without a word
    dts [FILE]                         a launch tree in source form: dtc makes FILE of it, hospes-launch checks it
    jsonrpc                            "> " lines are sent to hospesd, "< " lines are its answers; "..." as a value or a key is anything
    boot                               what the boot of run/two_domains shows, in this order
    sh                                 commands at the shell of who builds: tests/tools/page_commands.py runs them
    c, python, text                    not run here: the page's own test says what becomes of it

Below /srv, /boot and /etc/xen a page's paths are those of a directory of the test; images and kernels named there exist.
"""
import json
import os
import pathlib
import re
import subprocess

from xl_lab import BUILD, XlWorld, good
from lives import Rpc, elf
from pages import blocks

KINDS = ("console", "xl.cfg", "xl.conf", "dts", "jsonrpc")
ELSEWHERE = ("boot", "sh", "c", "python", "text")


def pattern(lines):
    """The regular expression of what a command is to print."""
    out = ""
    for line in lines:
        out += "(?:.*\n)*?" if line == "..." else ".*".join(re.escape(part) for part in line.split("...")) + "\n"
    return re.compile(out)


def like(want, got):
    """Is @got the JSON value that @want describes?"""
    if want == "...":
        return True
    if isinstance(want, dict) and isinstance(got, dict):
        named = {k for k in want if k != "..."}
        return all(k in got and like(want[k], got[k]) for k in named) and ("..." in want or named == set(got))
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(like, want, got))
    return want == got


class Examples(XlWorld):
    """One page's world: its blocks follow one another, as a reader would type them."""

    def __init__(self, page):
        super().__init__()
        self.page = pathlib.Path(page)
        self.root = self.folder / "root"
        self.work = self.folder / "work"
        self.tools = self.folder / "bin"
        for d in ("srv", "boot", "etc/xen"):
            (self.root / d).mkdir(parents=True)
        self.work.mkdir()
        self.tools.mkdir()
        for name in ("xl", "xentop"):
            (self.tools / name).symlink_to((BUILD / "xl-san").resolve())
        # The console daemon is the real one.
        self.hands.consoles = lambda _store: None
        console = self.folder / "console.socket"
        self.daemon("xenconsoled", "-i", "--log-dir", self.folder / "log", "--history-dir", self.folder / "history", "--socket", console)
        self.env.update(HOSPES_CONSOLE_SOCKET=str(console), PATH=f"{self.tools}:{BUILD.resolve()}:{os.environ['PATH']}", LC_ALL="C.UTF-8", XL_CONF=str(self.root / "etc/xen/xl.conf"))

    def ours(self, text):
        """@text with the page's paths made those of the test; the files it names exist then."""
        def place(m):
            path = pathlib.Path(f"{self.root}{m[0]}")
            if not path.exists() and path.suffix in (".img", ".iso"):
                path.write_bytes(bytes(4096))
            elif not path.exists() and m[1] == "boot":
                path.write_bytes(elf())
            return str(path)
        return re.sub(r"(?<![\w.])/(srv|boot|etc/xen)/[\w./+-]*", place, text)

    def theirs(self, text):
        return text.replace(str(self.root), "")

    def shell(self, command):
        return subprocess.run(["sh", "-c", self.ours(command)], cwd=self.work, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)

    def fail(self, line, why):
        raise AssertionError(f"{self.page.name}:{line}: {why}")

    def running(self, name, says):
        if self.shell(f"xl domid {name}").returncode:
            good(self.xl("create", "-q", self.file(name)))
        if says:
            self.attach(int(self.shell(f"xl domid {name}").stdout)).print(says.encode().decode("unicode_escape").encode())

    def console(self, words, lines, number):
        options = dict(w.split("=", 1) for w in words)
        if "guest" in options:
            self.running(options["guest"], options.get("says"))
        starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
        if not starts or starts[0]:
            self.fail(number, "does not begin with a command")
        for at, end in zip(starts, [*starts[1:], len(lines)]):
            command, wanted = lines[at][2:], lines[at + 1:end]
            while command.endswith("\\"):
                command, wanted = command[:-1] + wanted[0].strip(), wanted[1:]
            status = 0
            if wanted and (m := re.fullmatch(r"\[status (\d+)\]", wanted[-1])):
                status, wanted = int(m[1]), wanted[:-1]
            done = self.shell(command)
            said = self.theirs(done.stdout)
            if said and not said.endswith("\n"):
                said += "\n"
            if done.returncode != status or not pattern(wanted).fullmatch(said):
                self.fail(number + 1 + at, f"'{command}' ended with {done.returncode}:\n{said}")

    def xl_cfg(self, words, lines, number):
        path = self.work / (words[0] if words else "example.cfg")
        path.write_text(self.ours("\n".join(lines)) + "\n")
        done = self.shell(f"xl -N create -q {path.name}")
        # A warning would stand before the object.
        if done.returncode or done.stdout[:1] != "{" or not isinstance(json.loads(done.stdout), dict):
            self.fail(number, f"xl -N create ended with {done.returncode}:\n{done.stdout}")

    def xl_conf(self, _words, lines, number):
        pathlib.Path(self.env["XL_CONF"]).write_text(self.ours("\n".join(lines)) + "\n")
        (self.work / "any.cfg").write_text(f'name = "any"\ntype = "pvh"\nkernel = "{self.kernel}"\nmemory = 4\n')
        done = self.shell("xl -N create -q any.cfg")
        if done.returncode or done.stdout[:1] != "{":
            self.fail(number, f"xl create ended with {done.returncode}:\n{done.stdout}")

    def dts(self, words, lines, number):
        out = words[0] if words else "example.dtb"
        (self.work / f"{out}.dts").write_text("\n".join(["/dts-v1/;", *lines]) + "\n")
        done = self.shell(f"dtc -q -I dts -O dtb -o {out} {out}.dts && hospes-launch check {out}")
        if done.returncode:
            self.fail(number, f"dtc and hospes-launch check ended with {done.returncode}:\n{done.stdout}")

    def jsonrpc(self, _words, lines, number):
        rpc = Rpc(self.socket)
        try:
            for i, line in enumerate(lines):
                if line.startswith("> "):
                    json.loads(line[2:])
                    rpc.socket.sendall(self.ours(line[2:]).encode() + b"\n")
                elif line.startswith("< "):
                    while "id" not in (got := json.loads(self.theirs(json.dumps(rpc.line())))):
                        pass  # a notification: how far it is
                    if not like(json.loads(line[2:]), got):
                        self.fail(number + 1 + i, f"hospesd answers {json.dumps(got)}")
                else:
                    self.fail(number + 1 + i, "is neither sent nor an answer")
        finally:
            rpc.close()

    def run_all(self):
        """How many there were."""
        n = 0
        for kind, words, lines, number in blocks(self.page.read_text()):
            if kind in ELSEWHERE:
                continue
            if kind not in KINDS:
                self.fail(number, f"'{kind}' is no kind of example")
            getattr(self, kind.replace(".", "_"))(words, lines, number)
            n += 1
        return n
