"""The fenced blocks of docs/*.md, which tests take from the pages."""
import re
import shlex

__all__ = ["blocks"]


def blocks(text):
    """(kind, words, lines, number of the line) of each fenced block; one in a list is indented with the list."""
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        if m := re.match(r"( *)```", lines[i]):
            end = next(n for n in range(i + 1, len(lines)) if lines[n].startswith(m[0]))
            kind, *words = shlex.split(lines[i][m.end():]) or [""]
            yield kind, words, [line.removeprefix(m[1]) for line in lines[i + 1:end]], i + 1
            i = end
        i += 1
