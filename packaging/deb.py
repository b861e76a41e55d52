#!/usr/bin/env python3
"""Make Debian packages of packaging/manifest and packaging/debian.

usage: deb.py OUT VERSION XEN_FULL EPOCH INSTALLER-ARGUMENT...

OUT gets one file for each package of debian/control. Packages depend on the arguments, the built programs and Debian's own packages of libraries
alone: every time in them is EPOCH, every owner root, every mode given.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def paragraphs():
    """{package: its paragraph} of debian/control."""
    text = re.sub(r"^#.*\n", "", (HERE / "debian" / "control").read_text(), flags=re.M)
    return {re.match(r"Package: (\S+)", p)[1]: p.strip() + "\n" for p in re.split(r"\n\n+", text.strip())}


def libraries(root):
    """The Debian packages that the programs below @root are linked with."""
    programs = [str(p) for p in sorted(root.rglob("*")) if p.is_file() and not p.is_symlink() and p.read_bytes()[:4] == b"\x7fELF"]
    with tempfile.TemporaryDirectory() as tmp:
        (pathlib.Path(tmp) / "debian").mkdir()
        (pathlib.Path(tmp) / "debian" / "control").write_text("Source: hospes\n\nPackage: hospes\nArchitecture: any\n")
        out = subprocess.run(["dpkg-shlibdeps", "-O", *(f"-e{p}" for p in programs)], cwd=tmp, check=True, capture_output=True, text=True).stdout
    return re.search(r"^shlibs:Depends=(.*)$", out, re.M)[1]


def build(name, paragraph, out, version, facts, epoch, installer):
    with tempfile.TemporaryDirectory() as tmp:
        root = pathlib.Path(tmp) / "root"
        control = root / "DEBIAN"
        control.mkdir(parents=True)
        for folder in (root, control):
            folder.chmod(0o755)
        part = name.removeprefix("hospes").removeprefix("-")
        if part:
            subprocess.run([sys.executable, HERE / "install.py", "install", str(root), part, "systemd,sysv,debian", "NAMES=wrapper", *installer],
                           check=True)
        files = sorted(p for p in root.rglob("*") if control not in p.parents and (p.is_symlink() or p.is_file()))
        if "@LIBRARIES@" in paragraph:
            facts = facts | {"LIBRARIES": libraries(root)}
        for word, value in facts.items():
            paragraph = paragraph.replace(f"@{word}@", value)
        size = sum(1 if p.is_symlink() else -(-p.stat().st_size // 1024) for p in files)
        header = f"Version: {version}\nMaintainer: Hospes developers <hospes@localhost>\nInstalled-Size: {size}\nPriority: optional\nSource: hospes\n"
        add(control / "control", paragraph.replace("\nSection:", "\n" + header + "Section:", 1))
        plain = [p for p in files if not p.is_symlink()]
        add(control / "md5sums", "".join(f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(root)}\n" for p in plain
                                         if p.relative_to(root).parts[0] != "etc"))
        add(control / "conffiles", "".join(f"/{p.relative_to(root)}\n" for p in plain if p.relative_to(root).parts[0] == "etc"))
        for script in sorted((HERE / "debian").glob(f"{name}.*")):
            add(control / script.suffix[1:], script.read_text(), 0o755)
        for p in [root, *root.rglob("*")]:
            os.utime(p, (epoch, epoch), follow_symlinks=False)
        subprocess.run(["dpkg-deb", "--root-owner-group", "--uniform-compression", "--threads-max=1", "-Zxz", "-z6", "--build", str(root), str(out)],
                       check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, SOURCE_DATE_EPOCH=str(epoch)))


def add(path, text, mode=0o644):
    """A control file, unless it would be empty."""
    if text:
        path.write_text(text)
        path.chmod(mode)


def main():
    out, version, full, epoch, *installer = sys.argv[1:]
    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name, paragraph in paragraphs().items():
        build(name, paragraph, out, version, {"VERSION": version, "XEN_FULL": full}, int(epoch), installer)


main()
