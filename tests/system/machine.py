"""A machine in QEMU, and how a boot test talks to it. Every wait is bounded and says what it waited for."""
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
TESTS = []
# With a host thread for each CPU, QEMU 7.2 now and then translates the first fetch after a #VMEXIT through the nested tables it has just left:
# the guest then ends with a nested page fault at an address of Hospes.
THREAD = os.environ.get("QEMU_THREAD", "single")
# A directory that gets what each machine's console prints, while it does: long boots can be watched.
CONSOLES = os.environ.get("CONSOLES")
# Seconds after which a machine that runs by the clock of instructions, but executes none, counts as hung: that clock jumps to the next timer, so the
# machine uses its host's CPU as long as it is waited for. In ticks of the host's clock what is too little to count.
ASLEEP, ASLEEP_TICKS = 120, 10
# How much longer than on Hospes one waits for real Xen: see real_xen().
XEN_PATIENCE = 6


class Failed(Exception):
    """The machine did not do what the test demands."""


class Skip(Exception):
    """The test cannot run here."""


class BootTest:
    def __init__(self, fn, levels, weight):
        self.fn, self.levels, self.weight = fn, levels, weight
        self.name = f"{fn.__module__.removeprefix('test_')}/{fn.__name__}"

    def run(self):
        self.fn()


def boot_test(*levels, weight=10):
    """Register a test. Levels: boot (make check), system (make test), oracle (real Xen too), soak. @weight: seconds, to order them."""
    def register(fn):
        TESTS.append(BootTest(fn, levels, weight))
        return fn
    return register


class Machine:
    """QEMU with Hospes (or @kernel) and @modules, or booting from @cdrom; its first serial port is our console.
    @resets: a reset starts it again instead of ending it."""

    def __init__(self, modules, append="", kernel=None, cpus=1, memory="1G", cpu="qemu64,+svm,+npt,+vgif", machine="q35", extra=(),
                 icount=False, thread=THREAD, cdrom=None, resets=False):
        accel = f"tcg,thread={'single' if icount else thread}"
        argv = ["qemu-system-x86_64", "-accel", accel, "-M", machine, "-cpu", cpu, "-smp", str(cpus), "-m", memory,
                "-display", "none", *([] if resets else ["-no-reboot"]), "-serial", "stdio", "-monitor", "none", "-nic", "none"]
        if cdrom:
            argv += ["-cdrom", str(cdrom)]
        else:
            argv += ["-kernel", str(kernel or BUILD / "hospes"), "-append", f"console=com1 com1=115200,8n1 {append}"]
        if icount:
            argv += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        if modules:
            argv += ["-initrd", ",".join(str(m).replace(",", ",,") for m in modules)]
        argv += list(extra)
        self.argv = argv
        self.icount = icount
        self.text = ""
        self.mark = 0
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = open(pathlib.Path(CONSOLES) / f"{self.proc.pid}.log", "w", buffering=1) if CONSOLES else None
        os.set_blocking(self.proc.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        if self.log:
            self.log.close()

    def _read(self, timeout):
        """Take what the console printed; False at end of file."""
        ready, _, _ = select.select([self.proc.stdout], [], [], timeout)
        if not ready:
            return True
        data = self.proc.stdout.read(65536)
        if data == b"":
            return False
        if data:
            new = data.decode("utf-8", "replace").replace("\r", "")
            self.text += new
            if self.log:
                self.log.write(new)
        return True

    def fail(self, why):
        tail = "\n".join(self.text.splitlines()[-120:])
        raise Failed(f"{why}\ncommand: {' '.join(self.argv)}\nconsole ends with:\n{tail}")

    def _executed(self):
        """CPU time of the machine so far, in ticks of the host's clock; 0 when it has ended."""
        try:
            words = pathlib.Path(f"/proc/{self.proc.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return int(words[11]) + int(words[12])

    def expect(self, pattern, timeout=240):
        """Wait for @pattern (regular expression, multi-line) in output not yet matched; returns the match."""
        end = time.time() + timeout
        ran, since = self._executed(), time.time()
        regex = re.compile(pattern, re.M)
        while True:
            m = regex.search(self.text, self.mark)
            if m:
                self.mark = m.end()
                return m
            bad = re.search(r"^.*(Hospes panic|BUG at |Kernel panic - not syncing: (?!sysrq)).*\n", self.text[self.mark:], re.M)
            if bad and not re.search(pattern, bad[0]):
                self.fail(f"while waiting for /{pattern}/: {bad[0].rstrip()}")
            if time.time() > end:
                self.fail(f"no /{pattern}/ within {timeout} s")
            if self.icount and self._executed() > ran + ASLEEP_TICKS:
                ran, since = self._executed(), time.time()
            if self.icount and time.time() > since + ASLEEP:
                self.fail(f"nothing has run for {ASLEEP} s while waiting for /{pattern}/: no CPU has anything to do, no timer is set")
            if not self._read(min(1.0, max(0.0, end - time.time()))):
                if regex.search(self.text, self.mark):
                    continue
                self.fail(f"machine ended before /{pattern}/")

    def expect_all(self, patterns, timeout=240):
        """All of @patterns, in any order, from here on."""
        start, found = self.mark, {}
        for p in patterns:
            self.mark = start
            found[p] = self.expect(p, timeout)
        self.mark = max(m.end() for m in found.values()) if found else start
        return found

    def send(self, text):
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def to_hospes(self):
        """Switch the input to Hospes' debug keys, past all domains."""
        for _ in range(64):
            self.send("\x01\x01\x01")
            at = self.expect(r"Serial input to (\S+) ")[1]
            # A domain that ends gives the input away too: the last word counts.
            self._read(0.5)
            for m in re.finditer(r"Serial input to (\S+) ", self.text[self.mark:]):
                at = m[1]
            self.mark = len(self.text)
            if at == "Hospes":
                return
        self.fail("the input never goes to Hospes")

    def memory_now(self):
        """Free frames and bytes of heap in use. The input must be Hospes'."""
        self.send("m")
        found = self.expect(r"Memory: \d+ frames, (\d+) free and not promised, (\d+) bytes of heap")
        return int(found[1]), int(found[2])

    def expect_off(self, timeout=240):
        """The machine powers itself off."""
        end = time.time() + timeout
        while time.time() < end:
            if not self._read(0.5) or self.proc.poll() is not None:
                while self._read(0) and select.select([self.proc.stdout], [], [], 0)[0]:
                    pass
                self.proc.wait(timeout=10)
                return
        self.fail(f"did not power off within {timeout} s")


def tool(name):
    path = BUILD / name
    if not path.exists():
        raise Failed(f"{path} has not been built")
    return str(path)


def image(name):
    """A kernel, initramfs or the real Xen, fetched and built by scripts/images.sh."""
    path = BUILD / "images" / name
    if not path.exists():
        raise Failed(f"{path} is missing: run scripts/images.sh")
    return path


def guest(name):
    """A micro-guest of tests/guest."""
    path = BUILD / "guest" / name
    if not path.exists():
        raise Failed(f"{path} has not been built")
    return path


def real_xen():
    """Options of Machine for Debian's real Xen. It runs by a clock of executed instructions: it does not bear TSCs that drift apart, as those of a host
    thread for each CPU do, nor CPUs that take turns while real time goes on, and the busier the host, the more it loses interrupts or its dom0. By its own
    clock all goes the same way on every host; only how long that takes differs. A second CPU makes it several times slower."""
    return {"kernel": image("xen"), "icount": True, "cpus": 1}


def cpio(files):
    """An archive for an initial RAM disk: @files name -> bytes, all of them executable."""
    with tempfile.TemporaryDirectory() as tmp:
        names = []
        for name, data in files.items():
            path = pathlib.Path(tmp) / name
            names += [str(p) for p in reversed(pathlib.PurePath(name).parents[:-1]) if str(p) not in names]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755)
            names.append(name)
        return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input="\n".join(names).encode() + b"\n", cwd=tmp,
                              stdout=subprocess.PIPE, check=True).stdout


def launch(domains, extra_args=()):
    """Compile xl.cfg texts into a tree; returns the module list for Machine. Each domain is a dict of xl.cfg keys."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="launch.", dir=BUILD))
    try:
        files = []
        for i, keys in enumerate(domains):
            path = folder / f"{i}.cfg"
            path.write_text("\n".join(f"{k} = {quote(v)}" for k, v in keys.items()) + "\n")
            files.append(str(path))
        dtb = BUILD / f"{folder.name}.dtb"
        run = subprocess.run([tool("hospes-launch"), "compile", *files, *extra_args, "-o", str(dtb), "--module-list", str(folder / "modules")],
                             capture_output=True, text=True)
        if run.returncode:
            raise Failed(f"hospes-launch: {run.stderr}")
        return (folder / "modules").read_text().split("\n")[:-1]
    finally:
        shutil.rmtree(folder)


def quote(value):
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[ " + ", ".join(quote(v) for v in value) + " ]"
    return '"' + str(value) + '"'


def linux(name, kernel="vmlinuz-cloud", memory=128, vcpus=1, do="shell", extra=""):
    """xl.cfg keys of a Debian guest that runs scripts/guest-init."""
    return {"name": name, "type": "pvh", "kernel": image(kernel), "ramdisk": image("initramfs.gz"), "memory": memory, "vcpus": vcpus,
            "extra": f"console=hvc0 quiet panic=-1 hospes.name={name} hospes.do={do} {extra}".strip()}
