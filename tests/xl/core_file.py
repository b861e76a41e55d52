"""Reading the core file of a domain, and what readelf says of one."""
import mmap
import shutil
import struct
import subprocess

PAGE_SIZE = 4096
MAGIC_HVM = 0xF00FEBEE


class Core:
    """A core file as docs of the format have it."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        head = struct.unpack_from("<16sHHIQQQIHHHHHH", self.data)
        assert head[0][:7] == b"\x7fELF\2\1\1" and head[1] == 4 and head[2] == 62 and head[5] == 0, head
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, head[6] + i * head[11]) for i in range(head[12])]
        names = self.data[raw[head[13]][4]:][:raw[head[13]][5]]
        self.sections = {names[s[0]:names.index(b"\0", s[0])].decode(): s for s in raw}
        self.notes = dict(self.read_notes())
        self.magic, self.nr_vcpus, self.nr_pages, self.page_size = struct.unpack("<4Q", self.notes[0x2000001])

    def section(self, name):
        s = self.sections[name]
        assert s[4] + s[5] <= len(self.data), (name, s, len(self.data))
        return self.data[s[4]:s[4] + s[5]]

    def read_notes(self):
        data = self.section(".note.Xen")
        while data:
            owner, length, kind = struct.unpack_from("<III", data)
            assert data[12:12 + owner] == b"Xen\0"
            yield kind, data[16:16 + length]
            data = data[16 + (length + 3 & ~3):]

    def pages(self):
        """gfn -> bytes."""
        gfns = [g for g, in struct.iter_unpack("<Q", self.section(".xen_pfn"))]
        data = self.section(".xen_pages")
        assert gfns == sorted(gfns) and len(gfns) == self.nr_pages == len(data) // PAGE_SIZE
        return {g: data[i * PAGE_SIZE:(i + 1) * PAGE_SIZE] for i, g in enumerate(gfns)}

    def vcpu(self, n):
        """Some of its registers."""
        data = self.section(".xen_prstatus")[n * 5168:(n + 1) * 5168]
        return {"flags": struct.unpack_from("<Q", data, 512)[0], "rip": struct.unpack_from("<Q", data, 520 + 128)[0],
                "rbx": struct.unpack_from("<Q", data, 520 + 40)[0], "cr0": struct.unpack_from("<Q", data, 4984)[0], "cs": struct.unpack_from("<H", data, 520 + 136)[0]}

    def check(self):
        """What holds for the core of any domain."""
        assert self.magic == MAGIC_HVM and self.page_size == PAGE_SIZE and self.notes[0x2000000] == b"" and self.notes[0x2000003] == struct.pack("<Q", 1)
        assert struct.unpack_from("<QQ", self.notes[0x2000002]) == (4, 17) and len(self.notes[0x2000002]) == 1280
        for name, entry in ((".xen_pfn", 8), (".xen_pages", PAGE_SIZE), (".xen_prstatus", 5168)):
            s = self.sections[name]
            assert s[5] == entry * (self.nr_vcpus if name == ".xen_prstatus" else self.nr_pages) and s[4] + s[5] <= len(self.data), (name, s, len(self.data))
        assert self.sections[".xen_pages"][4] % PAGE_SIZE == 0
        if shutil.which("readelf"):
            out = subprocess.run(["readelf", "-hSn", str(self.path)], capture_output=True, text=True)
            assert "Warning" not in out.stderr + out.stdout and "CORE (Core file)" in out.stdout, out
