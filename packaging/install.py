#!/usr/bin/env python3
"""Put the files of packaging/manifest in place, or away.

usage: install.py install|uninstall DESTDIR PACKAGE,... VARIANT,... NAME=VALUE...

Each NAME is a word of the manifest's. TOOLS is the list of built programs; NAMES says whether a program's name is a link to it ("direct") or to
Debian's wrapper ("wrapper"). What is installed depends on the arguments and the files alone: no clock, no user, no umask.
"""
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Installer:
    def __init__(self, destdir, packages, variants, variables):
        self.destdir, self.packages, self.variants = destdir, packages, variants
        self.variables = variables | {"MODULE_LINES": "\n".join(variables["MODULES"].split())}
        self.programs = {pathlib.PurePath(t).name: t for t in variables["TOOLS"].split()}
        # What a name can lead to: programs, and links to them beside them.
        beside = re.findall(r"^\S+ +link +@LIBEXEC_DIR@/(\S+)", (HERE / "manifest").read_text(), re.M)
        self.called = {*self.programs, *beside}

    def expand(self, text):
        """@text with each @NAME@ replaced; an unknown one is a fault of the manifest or the file."""
        def value(m):
            if m[1] not in self.variables:
                sys.exit(f"install: @{m[1]}@ is not known")
            return self.variables[m[1]]
        return re.sub(r"@([A-Z_]+)@", value, text)

    def wanted(self):
        """(kind, path, source) of each file that is to be there."""
        for number, line in enumerate((HERE / "manifest").read_text().splitlines(), 1):
            words = line.split()
            if not words or words[0][0] == "#":
                continue
            if len(words) != 4:
                sys.exit(f"install: manifest:{number}: not four words")
            package, _, variant = words[0].partition(":")
            if package not in self.packages or variant and variant not in self.variants:
                continue
            kind, path = words[1], self.expand(words[2])
            if kind == "program" and path.endswith("/"):
                yield from ((kind, path + name, built) for name, built in self.programs.items())
            elif path.endswith("/"):
                yield from ((kind, path + f.name, str(f)) for f in sorted(map(pathlib.Path, glob.glob(self.expand(words[3])))))
            elif kind == "name":
                if words[3] in self.called:
                    yield "link", path, self.caller(path, words[3])
            elif kind == "program" and pathlib.PurePath(words[3]).name not in self.programs:
                continue
            else:
                yield kind, path, words[3]

    def caller(self, path, program):
        """What the name @path of @program leads to, from its own directory."""
        target = f"{self.variables['LIBEXEC_DIR']}/{program}"
        if self.variables["NAMES"] == "wrapper":
            target = f"{self.variables['PREFIX']}/lib/xen-common/bin/xen-utils-wrapper"
        return os.path.relpath(target, os.path.dirname(path))

    def place(self, kind, path, source):
        to = pathlib.Path(self.destdir + path)
        make_directories(to if kind == "dir" else to.parent)
        if kind == "dir":
            return
        if to.is_symlink() or to.exists():
            to.unlink()
        if kind == "link":
            to.symlink_to(source)
            return
        source = self.expand(source)
        if source.endswith(".in"):
            to.write_text(self.expand(pathlib.Path(source).read_text()))
        else:
            shutil.copyfile(source, to)
        to.chmod(0o644 if kind == "644" else 0o755)
        if kind == "program":
            subprocess.run([self.variables["STRIP"], "--strip-unneeded", str(to)], check=True)

    def remove(self, kind, path, _source):
        """Undo place(); directories of Xen's or ours go that it leaves empty."""
        to = pathlib.Path(self.destdir + path)
        if kind != "dir" and (to.is_symlink() or to.exists()):
            to.unlink()
        folder = pathlib.PurePath(path) if kind == "dir" else pathlib.PurePath(path).parent
        while re.search("xen|hospes", str(folder)) and os.path.isdir(self.destdir + str(folder)) and not os.listdir(self.destdir + str(folder)):
            os.rmdir(self.destdir + str(folder))
            folder = folder.parent


def make_directories(path):
    for p in [*reversed(path.parents), path]:
        if not p.is_dir():
            p.mkdir()
            p.chmod(0o755)


def main():
    action, destdir, packages, variants, *settings = sys.argv[1:]
    installer = Installer(destdir, packages.split(","), variants.split(","), dict(s.split("=", 1) for s in settings))
    act = {"install": installer.place, "uninstall": installer.remove}[action]
    files = list(installer.wanted())
    for kind, path, source in files if action == "install" else reversed(files):
        act(kind, path, source)


main()
