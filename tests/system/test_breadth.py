"""Ways to start Hospes, on machines small and large: each pair of way, number of CPUs and amount of memory comes up once."""
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import threading
import zlib

import machine
from machine import Failed, Machine, ROOT, Skip, boot_test, guest, launch

OVMF = pathlib.Path("/usr/share/OVMF")
CPUS = (1, 2, 4, 8)
MEMORY = ("512M", "1G", "4G", "16G")
discs = {}
discs_lock = threading.Lock()


def tiny():
    return launch([{"name": "w64", "type": "pvh", "kernel": guest("hello64"), "memory": 4, "vcpus": 1, "extra": "breadth"}])


def disc(protocol):
    """A CD whose GRUB, for BIOS and UEFI, starts Hospes by @protocol; made once."""
    if not shutil.which("grub-mkrescue") or not shutil.which("xorriso"):
        raise Skip("no grub-mkrescue and xorriso")
    with discs_lock:
        if protocol not in discs:
            iso = machine.BUILD / f"breadth-{protocol}.iso"
            run = subprocess.run(["sh", str(ROOT / "scripts" / "iso.sh"), str(iso), protocol, *tiny()], capture_output=True, text=True,
                                 env=dict(os.environ, BUILD=str(machine.BUILD)))
            if run.returncode:
                raise Failed(f"iso.sh: {run.stdout}{run.stderr}")
            discs[protocol] = iso
        return discs[protocol]


def comes_up(m, by, cpus):
    """Hospes says how it was started and finds all CPUs."""
    m.expect(rf"Hospes \S+, by {by}", timeout=120)
    m.expect(rf"CPUs: {cpus} of {cpus}\b")


def runs_tiny(m):
    m.expect(r"HELLO from 64-bit guest .*'breadth'")
    m.expect_off()


def by_kernel(cpus, memory):
    """QEMU's own loader, multiboot 1."""
    with Machine(tiny(), cpus=cpus, memory=memory) as m:
        comes_up(m, "multiboot", cpus)
        runs_tiny(m)


def by_bios(cpus, memory):
    """SeaBIOS, GRUB, multiboot 2."""
    with Machine([], cpus=cpus, memory=memory, cdrom=disc("multiboot2")) as m:
        comes_up(m, r"multiboot2 \(GRUB 2\.", cpus)
        runs_tiny(m)


def by_uefi(cpus, memory):
    """OVMF, GRUB for EFI, multiboot 2."""
    if not (OVMF / "OVMF_CODE_4M.fd").exists():
        raise Skip("no OVMF")
    with tempfile.NamedTemporaryFile(dir=machine.BUILD, prefix="efi-vars.") as variables:
        shutil.copyfile(OVMF / "OVMF_VARS_4M.fd", variables.name)
        flash = ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}",
                 "-drive", f"if=pflash,unit=1,format=raw,file={variables.name}"]
        with Machine([], cpus=cpus, memory=memory, cdrom=disc("multiboot2"), extra=flash) as m:
            comes_up(m, r"multiboot2 \(GRUB 2\.", cpus)
            runs_tiny(m)


def by_pvh(cpus, memory):
    """The PVH boot ABI, which QEMU takes for an image without the multiboot 1 header. It passes one module: domain 0's kernel."""
    with Machine([guest("hello64")], kernel=machine.BUILD / "hospes-pvh", cpus=cpus, memory=memory, append="dom0_mem=64M",
                 extra=["-device", "amd-iommu"]) as m:
        comes_up(m, "pvh", cpus)
        m.expect("HELLO from 64-bit guest")
        m.expect_off()


WAYS = (by_kernel, by_bios, by_uefi, by_pvh)


def register(way, cpus, memory):
    def fn():
        way(cpus, memory)
    fn.__name__ = f"{way.__name__}_{cpus}cpu_{memory}"
    fn.__doc__ = way.__doc__
    fn.__module__ = __name__
    boot_test("system", weight=10)(fn)


# A Latin square: the memory is chosen so that all pairs of two of the three come up, each once.
for w, way in enumerate(WAYS):
    for c, cpus in enumerate(CPUS):
        register(way, cpus, MEMORY[(w + c) % len(MEMORY)])


@boot_test("system", weight=15)
def by_grub_multiboot1():
    """GRUB's multiboot and module commands."""
    with Machine([], memory="512M", cdrom=disc("multiboot")) as m:
        comes_up(m, r"multiboot \(GRUB 2\.", 1)
        runs_tiny(m)


@boot_test("system", weight=20)
def last_words_outlive_a_reset():
    """A panic, the reset it leads to, and the next boot, which has the last words in its log and tells that it has, once."""
    def up(m):
        # Only now does nobody but us move the keyboard.
        m.expect(r"Serial input to d1 \(q64\)")
    with Machine(launch([{"name": "q64", "type": "pvh", "kernel": guest("quiet64"), "memory": 4, "vcpus": 1}]), resets=True) as m:
        up(m)
        m.to_hospes()
        m.send("C")
        m.expect(r"Panic on CPU \d+: asked for by debug key")
        m.expect(r"The boot before this one ended in a crash")
        up(m)
        m.to_hospes()
        m.send("R")
        m.expect(r"Hospes \S+, by multiboot")
        begin = m.mark
        up(m)
        if "ended in a crash" in m.text[begin:]:
            m.fail("the record was told of twice")


def packed(how, elf):
    """A bzImage around @elf, as far as loaders look at it: boot sector with the setup header of boot protocol 2.12, one setup sector, payload."""
    def run(*command):
        return subprocess.run(command, input=elf, capture_output=True, check=True).stdout
    payload = {"gzip": lambda: zlib.compressobj(9, zlib.DEFLATED, 31),
               "xz": lambda: run("xz", "--check=crc32", "-c"),
               "lzma": lambda: run("xz", "--format=lzma", "-c"),
               "lz4": lambda: run("lz4", "-l", "-c"),
               "zstd": lambda: run("zstd", "-q", "-c")}[how]()
    if how == "gzip":
        payload = payload.compress(elf) + payload.flush()
    # As in Linux' images, the size of what is packed follows, inside the payload where the format does not tell it.
    payload += struct.pack("<I", len(elf)) if how != "gzip" else b""
    setup = bytearray(1024)
    setup[0x1F1] = 1
    struct.pack_into("<H", setup, 0x1FE, 0xAA55)
    setup[0x200:0x202] = b"\xeb\x6a"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20C)
    setup[0x211] = 1  # loaded high
    struct.pack_into("<II", setup, 0x248, 0, len(payload))
    return bytes(setup) + payload


@boot_test("system", weight=15)
def kernels_packed_every_way():
    """One machine starts a domain of each format the in-guest loader unpacks."""
    elf = guest("hello64").read_bytes()
    ways = ("gzip", "xz", "lzma", "lz4", "zstd")
    with tempfile.TemporaryDirectory(dir=machine.BUILD, prefix="packed.") as folder:
        domains = []
        for how in ways:
            path = pathlib.Path(folder) / how
            path.write_bytes(packed(how, elf))
            domains.append({"name": how, "type": "pvh", "kernel": path, "memory": 16, "vcpus": 1, "extra": f"packed-{how}"})
        with Machine(launch(domains), memory="512M") as m:
            m.expect_all([rf"HELLO from 64-bit guest .*'packed-{how}'" for how in ways])
            m.expect_off()
