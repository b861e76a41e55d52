"""Archives of files as Linux takes them for its first root."""
import os
import pathlib
import re
import subprocess
import tempfile


def cpio(files):
    """An uncompressed archive of @files, {path: (mode, bytes)}, with their folders."""
    with tempfile.TemporaryDirectory() as tmp:
        names = []
        for name, (mode, data) in files.items():
            path = pathlib.Path(tmp) / name
            for parent in list(pathlib.Path(name).parents)[-2::-1]:
                if str(parent) not in names:
                    names.append(str(parent))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
            os.utime(path, (0, 0))
            names.append(name)
        for name in names:
            os.utime(pathlib.Path(tmp) / name, (0, 0))
        return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "--reproducible"], input="\n".join(names).encode() + b"\n", cwd=tmp,
                              stdout=subprocess.PIPE, check=True).stdout


def behind(first, files):
    """The archive @first, compressed or not, with @files behind it. The kernel looks for the next archive at a multiple of four bytes."""
    return first + bytes(-len(first) % 4) + cpio(files)


def with_libraries(programs):
    """{path: (mode, bytes)} of @programs, {path: file}, and of every shared library they name, where the loader looks for it."""
    files = {}
    for name, program in programs.items():
        files[name] = (0o755, pathlib.Path(program).read_bytes())
        told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
        for path in re.findall(r"(?:=> |^\s*)(/\S+) \(", told, re.M):
            files[f"lib64/{os.path.basename(path)}" if "ld-linux" in path else f"lib/{os.path.basename(path)}"] = (0o755, pathlib.Path(path).read_bytes())
    return files
