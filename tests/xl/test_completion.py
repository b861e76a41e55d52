#!/usr/bin/env python3
"""What bash offers behind "xl": by our file, and by Debian's, which reads our xl's help too."""
import sys

import xl_lab
from xl_lab import XlWorld, good, tap

OURS = xl_lab.ROOT / "packaging/etc/xl.bash-completion"
DEBIANS = xl_lab.ORACLE / "usr/share/bash-completion/completions/xl"
# The words of the line go in as those of an interactive shell do; the last may be empty.
ASK = """
words=$(complete -p xl) && function=${words##*-F } function=${function%% *}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
cd "$WHERE" && $function xl "${@: -1}" "${@: -2:1}" && printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(w, *words, file=OURS):
    """All that the shell offers for the last word, in order."""
    path = f"{w.folder / 'path'}:/usr/bin:/bin"
    out = good(w.run("/bin/bash", "-c", f". {file.resolve()}; {ASK}", "bash", "xl", *words, env={"PATH": path, "WHERE": str(w.folder / "path")}))
    return sorted(out.split())


def world():
    w = XlWorld(hands=False)
    (w.folder / "path").mkdir()
    (w.folder / "path/xl").symlink_to(xl_lab.XL)
    (w.folder / "path/web.cfg").write_text("")
    w.named("web")
    w.named("worker")
    return w


def test_words():
    with world() as w:
        commands = [line.split()[0] for line in good(w.xl("help")).splitlines()[3:] if line.startswith(" ") and not line.startswith("  ")]
        assert len(commands) > 60 and offered(w, "") == sorted(commands), offered(w, "")
        for words, answer in (
            (["des"], ["destroy"]),
            (["-v", "vcpu-"], ["vcpu-list", "vcpu-pin", "vcpu-set"]),
            (["create", "we"], ["web.cfg"]),
            (["create", "web.cfg", "--"], ["--defconfig", "--dryrun", "--ignore-global-affinity-masks", "--quiet", "--timings", "--vncviewer", "--vncviewer-autopass"]),
            (["info", "-"], ["--numa", "-n"]),
            (["destroy", ""], ["Domain-0", "web", "worker"]),
            (["destroy", "-f", "w"], ["web", "worker"]),
            (["shutdown", "web"], ["web"]),
            (["vcpu-list", "wo"], ["worker"]),
            (["config-update", "web", "we"], ["web.cfg"]),
            (["cpupool-migrate", "web", ""], ["Pool-0"]),
            (["cpupool-list", "P"], ["Pool-0"]),
            (["nosuch", "-"], []),
        ):
            assert offered(w, *words) == answer, (words, offered(w, *words))


def test_debians_words():
    """Debian's file, unmodified, with our xl."""
    with world() as w:
        assert offered(w, "des", file=DEBIANS) == ["destroy"]
        assert offered(w, "vcpu-", file=DEBIANS) == ["vcpu-list", "vcpu-pin", "vcpu-set"]


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
