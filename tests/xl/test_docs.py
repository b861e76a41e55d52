#!/usr/bin/env python3
"""docs/: every page becomes a manual page without a fault, every program and command has one, and every example does what the page says."""
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from xl_lab import BUILD, ROOT, XlWorld, good, tap
from examples import KINDS, Examples
from pages import blocks

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.[1-8].md"))
STRICT_CC = ["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-fsanitize=address,undefined"]


def man():
    spec = importlib.util.spec_from_file_location("man", ROOT / "scripts" / "man.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages():
    """mandoc finds nothing to complain of in any page."""
    if not shutil.which("mandoc"):
        raise tap.Skip("mandoc is not installed")
    with tempfile.TemporaryDirectory() as tmp:
        man().write_all(pathlib.Path(tmp), sorted(DOCS.glob("*.md")))
        made = sorted(pathlib.Path(tmp).iterdir())
        lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *(p for p in made if not p.read_text().startswith(".so "))], capture_output=True, text=True)
        assert lint.returncode == 0, lint.stdout + lint.stderr
        # A page that refers to another: it is there, or it is somebody else's.
        names = {p.name for p in made}
        others = {"dtc.1", "crash.8"}
        for page in PAGES:
            for name, section in re.findall(r"\*?\*?([a-z][\w.-]+)\*?\*?\(([1-8])\)", page.read_text()):
                assert f"{name}.{section}" in names | others, f"{page.name} refers to {name}({section})"


def test_every_program_has_a_page():
    names = {m[1] for page in man().written(sorted(DOCS.glob("*.md"))) for m in [re.match(r"(.+)\.[1-8]$", page)]}
    programs = {p.parent.name for p in (ROOT / "tools").glob("*/*.mk")}
    assert programs <= names, f"without a page: {sorted(programs - names)}"


def test_every_command_is_told():
    """Each command of xl in xl(1), each method of hospesd in hospesd.md."""
    table = (ROOT / "tools/xl/commands.c").read_text()
    # "cpupool-create, -list" names cpupool-list too.
    page = (DOCS / "xl.1.md").read_text()
    told = set(re.findall(r"[a-z][a-z0-9-]+", page))
    for first, rest in re.findall(r"([a-z]+)-[a-z]+((?:, -[a-z-]+)+)", page):
        told |= {first + word for word in re.findall(r"-[a-z-]+", rest)}
    listed = dict(re.findall(r'^\t\{ "([a-z0-9-]+)", (cmd_\w+),', table, re.M))
    later = {name for name, function in listed.items() if function == "cmd_later"}
    listed = set(listed)
    assert len(listed) > 60, sorted(listed)
    assert listed - later <= told, f"xl(1) says nothing of {sorted(listed - later - told)}"
    methods = set(re.findall(r'"((?:domain|device|daemon|events)\.[a-z_]+)"', (ROOT / "tools/hospesd/methods.c").read_text()))
    told = (DOCS / "hospesd.md").read_text()
    assert methods and not [m for m in methods if f"`{m}`" not in told], sorted(methods)


# Kinds of code that a test of its own takes from a page.
OF_A_PAGE = {"first-hour.md": ("boot",), "how-to-add-a-hypercall.md": ("c",), "how-to-add-an-xl-command.md": ("c", "python")}


def test_every_example_is_of_a_kind():
    """No page has code that no test knows."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        assert not re.search(r"^    \S", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.S | re.M), re.M), f"{page.name}: indented code: fence it and say of what kind it is"
        for kind, _, _, line in blocks(text):
            assert kind in (*KINDS, "sh", "text", *OF_A_PAGE.get(page.name, ())), f"{page.name}:{line}: '{kind}' is no kind of example"


def test_examples():
    for page in sorted(DOCS.glob("*.md")):
        if any(kind in KINDS for kind, *_ in blocks(page.read_text())):
            with Examples(page) as world:
                world.run_all()


def paths_of(page):
    """The tables' paths as regular expressions."""
    out = {}
    for cell in re.findall(r"^\| ([^|]+) \|", page, re.M):
        if cell[0] not in "/@" or "Domain" in cell:
            continue
        first, *rest = cell.split(", ")
        parent = first.rsplit("/", 1)[0]
        for name in [first, *(r if r[0] == "@" else f"{parent}/{r}" if "/" not in r else f"{parent.rsplit('/device/', 1)[0]}/{r}" for r in rest)]:
            text = name.replace("*CLASS*", "(?:vbd|vif)").replace("*U*", "[0-9a-f-]{36}")
            out[name] = re.compile(re.sub(r"\*[BDN]\*", r"\\d+", text))
    return out


def test_store_paths():
    """A domain's nodes are those of xenstore-paths(7), each described one is there, and permissions are as told."""
    text = (DOCS / "xenstore-paths.7.md").read_text()
    known = paths_of(text)
    with XlWorld() as w:
        disk = w.folder / "disks/a"
        disk.write_bytes(bytes(4096))
        good(w.xl("create", "-q", w.file("web", f'disk=["{disk},raw,xvda,w"]\nvif=["bridge=br0,mac=00:16:3e:00:00:01"]')))
        there = {f"/{top}{path}" for top in ("local", "vm", "libxl", "hospes") for path in w.store.tree(f"/{top}")}
    driver = re.compile(r".*/(feature-played)$")
    # Below these the page describes by a sentence.
    whole = [re.compile(r"/hospes/.+"), re.compile(r"/libxl/\d+/(type|dm-version|device/.+)"), re.compile(r"/vm/[^/]+/(name|uuid|start_time)"),
             re.compile(r"/local/domain/\d+/backend/console/\d+/0/\w[\w-]+")]
    leaves = {p for p in there if not any(q.startswith(p + "/") for q in there)}
    strange = [p for p in leaves if not driver.match(p) and not any(r.fullmatch(p) for r in [*known.values(), *whole])]
    assert not strange, f"not in xenstore-paths(7): {sorted(strange)}"
    absent = [name for name, r in known.items() if name[0] == "/" and not any(r.fullmatch(p) for p in there)]
    assert absent in ([], ["/hospes/pending"]), f"in xenstore-paths(7) only: {absent}"


def insert(path, words, lines):
    """What a block of a how-to does to a file: `FILE` makes it, `FILE after=LINE` adds to it."""
    text = "\n".join(lines) + "\n"
    after = next((w.split("=", 1)[1] for w in words if w.startswith("after=")), None)
    if after is None:
        path.write_text(text)
        return
    old = path.read_text()
    assert old.count(f"\n{after}\n") == 1, f"{path.name} has not one line '{after}'"
    path.write_text(old.replace(f"\n{after}\n", f"\n{after}\n{text}"))


def test_adding_an_xl_command():
    """docs/how-to-add-an-xl-command.md: its lines in a copy of tools/xl, built with the objects there are; then the page's own test."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp) / "xl"
        shutil.copytree(ROOT / "tools/xl", folder)
        checks, files = "", set()
        for kind, words, lines, _ in blocks((DOCS / "how-to-add-an-xl-command.md").read_text()):
            if kind == "c":
                path = folder / pathlib.Path(words[0]).name
                insert(path, words[1:], lines)
                files.add(path)
            elif kind == "python":
                checks += "\n".join(lines) + "\n"
        sources = [p for p in files if p.suffix == ".c"]
        objects = [p for p in (BUILD / "san/xl/tools/xl").glob("*.o") if not (folder / p.with_suffix(".c").name) in sources]
        libraries = ["-Wl,--start-group", *(BUILD / "san").glob("lib*.a"), "-Wl,--end-group"]
        program = pathlib.Path(tmp) / "xl-new"
        subprocess.run([*STRICT_CC, "-D_GNU_SOURCE", "-I.", "-Ilib", "-iquote", "abi", *sources, *objects, *libraries, "-ljson-c", "-lncurses",
                        "-ltinfo", "-o", program], cwd=ROOT, check=True)

        class World(XlWorld):
            def xl(self, *words, **more):
                return self.run(program, *words, check=False, **more)
        names = {"XlWorld": World, "good": good, "json": json}
        exec(compile(checks, "how-to-add-an-xl-command.md", "exec"), names)
        tests = [name for name in names if name.startswith("test_")]
        assert tests
        for name in tests:
            names[name]()


def test_adding_a_hypercall():
    """docs/how-to-add-a-hypercall.md: its lines in copies of the files they belong to, built with the objects there are; then the page's own test."""
    with tempfile.TemporaryDirectory() as tmp:
        for kind, words, lines, _ in blocks((DOCS / "how-to-add-a-hypercall.md").read_text()):
            assert kind == "c"
            path = pathlib.Path(tmp) / words[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() and len(words) > 1:
                shutil.copy(ROOT / words[0], path)
            insert(path, words[1:], lines)
        program = pathlib.Path(tmp) / "test"
        includes = [f"-I{d}" for d in (tmp, "hv/include", "hv/arch/host/include", ".", "hv/core", "hv/arch/x86", BUILD / "gen", "tests/unit")]
        subprocess.run([*STRICT_CC, "-fvisibility=hidden", *includes, "-iquote", "abi", *pathlib.Path(tmp).glob("**/*.c"), BUILD / "host/libhv.a",
                        "-lcmocka", "-o", program], cwd=ROOT, check=True)
        done = subprocess.run([program], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_linux_configuration():
    """Debian's generic kernel has each symbol as docs/linux-configuration.md says; none that has to do with Xen is missing there."""
    disk = (BUILD / "images/dom0-disk.img").resolve()
    if not disk.exists():
        raise tap.Skip("there is no disk of Debian's dom0")
    names = subprocess.run(["debugfs", "-R", "ls -p /boot", disk], capture_output=True, text=True, check=True).stdout
    config = subprocess.run(["debugfs", "-R", f"cat /boot/{re.search(r'config-[^/]*', names)[0]}", disk], capture_output=True, text=True, check=True).stdout
    debian = dict(re.findall(r"^CONFIG_(\w+)=([ym])$", config, re.M))
    rows = re.findall(r"^\| LK-\d\d (\w+) \| ([ymn]): ", (DOCS / "linux-configuration.md").read_text(), re.M)
    wrong = [(name, value) for name, value in rows if debian.get(name, "n") != value]
    assert not wrong, wrong
    # Options inside of drivers that have rows, and names that only look like it.
    inside = {"XEN_SAVE_RESTORE", "XEN_MEMORY_HOTPLUG_LIMIT", "NETXEN_NIC"}
    missing = {name for name in debian if "XEN" in name} - {name for name, _ in rows} - inside
    assert not missing, sorted(missing)


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
