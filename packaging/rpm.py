#!/usr/bin/env python3
"""Make one RPM of all that packaging/manifest has for a host that systemd runs.

usage: rpm.py OUT VERSION RELEASE EPOCH INSTALLER-ARGUMENT...

OUT gets the package, made by rpmbuild from an installed tree: it depends on the arguments, the built programs and the system's libraries alone.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SPEC = """\
Name: hospes
Version: {version}
Release: {release}
Summary: Hypervisor and tools that speak Xen's interfaces
License: MIT
Group: System Environment/Kernel
ExclusiveArch: x86_64
Provides: xen
Conflicts: xen-runtime

%description
Makes this machine a host of virtual machines: the hypervisor, the tools of
domain 0 and their services.

%install
cp -a {root}/. %{{buildroot}}

%post
[ ! -d /run/systemd/system ] || systemctl daemon-reload || :
[ "$1" != 1 ] || systemctl --quiet preset {units} 2>/dev/null || :

%preun
# Domains run on, without anybody to look after them. What takes them down is to stop xendomains.
if [ "$1" = 0 ]; then
	systemctl --quiet --no-reload disable {units} 2>/dev/null || :
	[ ! -d /run/systemd/system ] || systemctl stop {daemons} || :
fi

%postun
[ ! -d /run/systemd/system ] || systemctl daemon-reload || :

%files
{files}
"""
# Nothing is changed behind our back, and nothing of the day, the machine or the builder gets in.
MACROS = {"_buildhost": "hospes", "packager": "%{nil}", "vendor": "%{nil}", "debug_package": "%{nil}", "__os_install_post": "%{nil}",
          "_build_id_links": "none", "use_source_date_epoch_as_buildtime": "1", "clamp_mtime_to_source_date_epoch": "1", "_binary_payload": "w6.xzdio"}


def listed(root):
    """The lines of %files: every file, settings as such, and of the directories those that are ours."""
    for path in sorted(root.rglob("*")):
        name = "/" + str(path.relative_to(root))
        if path.is_dir() and not path.is_symlink():
            if any("xen" in part or "hospes" in part for part in path.relative_to(root).parts):
                yield f"%dir {name}"
        else:
            yield f"{'%config(noreplace) ' if name.startswith('/etc/') else ''}{name}"


def main():
    out, version, release, epoch, *installer = sys.argv[1:]
    out = pathlib.Path(out).resolve()
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as tmp:
        root, top = pathlib.Path(tmp) / "root", pathlib.Path(tmp) / "top"
        subprocess.run([sys.executable, HERE / "install.py", "install", str(root), "hypervisor,guest,utils,common", "systemd", *installer], check=True)
        units = sorted(p.name for p in (root / "usr/lib/systemd/system").iterdir())
        spec = pathlib.Path(tmp) / "hospes.spec"
        spec.write_text(SPEC.format(version=version, release=release, root=root, files="\n".join(listed(root)), units=" ".join(units),
                                    daemons=" ".join(u for u in units if u not in ("proc-xen.mount", "xendomains.service"))))
        words = [w for name, value in ({"_topdir": top, "_rpmdir": out, "_tmppath": tmp} | MACROS).items() for w in ("--define", f"{name} {value}")]
        run = subprocess.run(["rpmbuild", "-bb", "--quiet", "--nodeps", "--target", "x86_64-linux", *words, str(spec)], capture_output=True, text=True,
                             env={"PATH": "/usr/bin:/bin", "HOME": tmp, "SOURCE_DATE_EPOCH": epoch, "LC_ALL": "C", "TZ": "UTC"})
        if run.returncode:
            sys.exit(f"rpmbuild: {run.stdout}{run.stderr}")


main()
