"""A program in place of QEMU: it tells that it was started, and stays; back ends are somebody else's part."""
import os
import pathlib
import signal
import time

from sim import PATIENCE

__all__ = ["fake_qemu", "is_stopped", "served", "serving", "stop"]


def fake_qemu(folder):
    """Make the program @folder/qemu. The file it writes a line to for each start: its number and words."""
    started = folder / "qemu.started"
    started.touch()
    program = folder / "qemu"
    program.write_text(f'#!/bin/sh\necho "$$ $*" >>{started}\nexec sleep 100000\n')
    program.chmod(0o755)
    return started


def serving(started):
    """The processes that live: {id of the domain: number}."""
    out = {}
    for line in started.read_text().splitlines():
        number, *words = line.split()
        command = pathlib.Path(f"/proc/{number}/cmdline")
        if command.exists() and command.read_bytes().startswith(b"sleep"):
            out[int(words[words.index("-xen-domid") + 1])] = int(number)
    return out


def served(started, domids):
    """Wait until those are served, and nobody else is: whoever plays the back end is quicker than a process. The same as serving()."""
    end = time.time() + PATIENCE
    while sorted(serving(started)) != domids:
        assert time.time() < end, serving(started)
        time.sleep(0.01)
    return serving(started)


def is_stopped(number):
    return pathlib.Path(f"/proc/{number}/stat").read_text().rsplit(") ", 1)[1][0] == "T"


def stop(number):
    """From when this returns the process takes no notice of SIGTERM; one that has not stopped yet would."""
    end = time.time() + PATIENCE
    os.kill(number, signal.SIGSTOP)
    while not is_stopped(number):
        assert time.time() < end, f"{number} does not stop"
        time.sleep(0.01)
