"""A program on a terminal of its own: what it has drawn is read as a person would, as lines of a screen.

    with Terminal(["xl", "top"], env) as t:
        t.wait("its menu", lambda lines: "Quit" in lines[-1])
        t.type("s")
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from sim import PATIENCE

SEQUENCE = re.compile(rb"\x1b(?:\[([?>]?)([\d;]*)([A-Za-z])|[()][0-9A-B]|([=>DM78]))")


class Terminal:
    """A VT100 as far as ncurses uses one."""

    def __init__(self, command, env, columns=200, lines=30):
        self.columns, self.lines = columns, lines
        self.clear()
        self.pending = b""
        self.master, slave = pty.openpty()
        self.size(columns, lines)
        self.process = subprocess.Popen([str(c) for c in command], stdin=slave, stdout=slave, stderr=slave, env=dict(env, TERM="vt100"), start_new_session=True)
        os.close(slave)

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.lines)]
        self.x = self.y = self.top = 0
        self.bottom = self.lines - 1  # of the part that scrolls

    def size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.clear()
        self.size(columns, lines)
        self.process.send_signal(signal.SIGWINCH)

    def text(self):
        return ["".join(line).rstrip() for line in self.cells]

    def type(self, keys):
        os.write(self.master, keys.encode())

    def wait(self, what, test):
        """Until test(lines) is true: the lines."""
        end = time.time() + PATIENCE
        while not test(self.text()):
            left = end - time.time()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{what} did not come: exit status {self.process.poll()}, the screen:\n" + "\n".join(self.text()))
        return self.text()

    def read(self, timeout):
        """False: nothing more comes."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # its last user is gone
            return False
        self.pending += data
        self.draw()
        return bool(data)

    def draw(self):
        data, self.pending = self.pending, b""
        while data:
            if data[0] == 0x1b:
                m = SEQUENCE.match(data)
                if not m:
                    if len(data) < 16:  # the rest is still to come
                        self.pending = data
                        return
                    raise AssertionError(f"a sequence no VT100 knows: {data[:16]}")
                if m[3]:
                    self.control(m[3], [int(n) if n else 0 for n in m[2].split(b";")], bool(m[1]))
                else:
                    self.escape(m[4])
                data = data[m.end():]
                continue
            self.character(data[0])
            data = data[1:]

    def character(self, c):
        if c == 13:
            self.x = 0
        elif c == 10:
            self.down()
        elif c == 8:
            self.x = max(self.x - 1, 0)
        elif c >= 32:
            if self.x >= self.columns:
                self.x = 0
                self.down()
            self.cells[self.y][self.x] = chr(c)
            self.x += 1

    def down(self):
        if self.y == self.bottom:
            self.cells.insert(self.bottom, [" "] * self.columns)
            del self.cells[self.top]
        elif self.y < self.lines - 1:
            self.y += 1

    def escape(self, letter):
        """After ESC alone."""
        if letter == b"D":
            self.down()
        elif letter == b"M" and self.y > self.top:
            self.y -= 1
        elif letter == b"M":
            del self.cells[self.bottom]
            self.cells.insert(self.top, [" "] * self.columns)

    def control(self, letter, n, private):
        """After ESC [."""
        if private or letter in (b"m", b"h", b"l"):
            return
        count = n[0] or 1
        if letter == b"r":
            self.top, self.bottom = (n[0] or 1) - 1, (n[1] if len(n) > 1 and n[1] else self.lines) - 1
            self.x = self.y = 0
            return
        if letter == b"H":
            self.y, self.x = min((n[0] or 1), self.lines) - 1, min((n[1] if len(n) > 1 else 0) or 1, self.columns) - 1
        elif letter == b"J":
            for y in range(self.y, self.lines):
                for x in range(self.x if y == self.y else 0, self.columns):
                    self.cells[y][x] = " "
        elif letter == b"K":
            first, last = (self.x, self.columns) if n[0] == 0 else (0, self.x + 1)
            for x in range(first, min(last, self.columns)):
                self.cells[self.y][x] = " "
        elif letter in (b"A", b"B", b"C", b"D"):
            dx, dy = {b"A": (0, -1), b"B": (0, 1), b"C": (1, 0), b"D": (-1, 0)}[letter]
            self.x = max(0, min(self.x + dx * count, self.columns - 1))
            self.y = max(0, min(self.y + dy * count, self.lines - 1))
        else:
            raise AssertionError(f"a VT100 does not know ESC [ {letter}")

    def end(self):
        """Wait for the program's end: its exit status."""
        while self.process.poll() is None:
            self.read(0.2)
        while self.read(0):
            pass
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
