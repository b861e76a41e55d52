#!/usr/bin/env python3
"""Turn files of docs/ into manual pages: man.py FOLDER FILE.md...; their date is SOURCE_DATE_EPOCH's.

What is understood is what docs/*.N.md use: `# NAME(N)`, `## SECTION`, paragraphs, `- ` items, terms with `: ` meaning below, tables, blocks of code (indented, or fenced
with ```), and **bold**, *italic*, `code` inside lines. Anything else is an error, so that a page cannot lose text on its way.
"""
import os
import pathlib
import re
import sys
import time


# Files that are no manual pages by their form, and what they are called as such.
GUIDES = {
    "command-line.md": ("hospes-command-line", "7"),
    "hospesd.md": ("hospesd-protocol", "7"),
    "launch.md": ("hospes-launch-tree", "5"),
    "problems.md": ("hospes-problems", "7"),
    "xenstored.md": ("hospes-store", "7"),
}


class Fault(Exception):
    """Something in the page this program does not know."""


def escape(text):
    """@text with nothing in it that roff would take for its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text


def inline(text):
    """One paragraph's text with its fonts."""
    out, at = [], 0
    for m in re.finditer(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)]+)\)|\\([][*`|\\])", text):
        out.append(escape(text[at:m.start()]))
        code, bold, italic, link, _, literal = m.groups()
        if literal:
            out.append(escape(literal))
        elif italic:
            out.append(f"\\fI{escape(italic)}\\fP")
        elif link:
            out.append(inline(link))
        else:
            out.append(f"\\fB{escape(code or bold)}\\fP")
        at = m.end()
    out.append(escape(text[at:]))
    line = "".join(out)
    return "\\&" + line if line.startswith((".", "'")) else line


def cells(line):
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def table(lines):
    """A table for tbl(1), which man(1) runs because of the first line of the page."""
    rows = [cells(line) for line in lines]
    if len(rows) < 2 or not all(re.fullmatch(r":?-+:?", c) for c in rows[1]):
        raise Fault("a table without a line below its head")
    head, body = rows[0], rows[2:]
    if any(len(r) != len(head) for r in body):
        raise Fault(f"a row of the table '{lines[0]}' has another number of cells")
    out = [".TS", "allbox tab(\t);", " ".join("lb" for _ in head), " ".join("l" if i + 1 < len(head) else "lx" for i in range(len(head))) + "."]
    if not any(head):
        out[2:3] = []
    else:
        out.append("\t".join(inline(c) for c in head))
    for row in body:
        out.append("\t".join(f"T{{\n{inline(c)}\nT}}" for c in row))
    return [*out, ".TE"]


def code(lines):
    return [".PP", ".in +4n", ".nf", *(escape(line) for line in lines), ".fi", ".in"]


def blocks(lines):
    """(kind, lines) of each block of the page."""
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip() or line.startswith("<!--"):
            i += 1
            continue
        j = i + 1
        if line.startswith("```"):
            while j < len(lines) and not lines[j].startswith("```"):
                j += 1
            if j == len(lines):
                raise Fault("``` without an end")
            yield "code", lines[i + 1:j]
            j += 1
        elif line.startswith("    "):
            while j < len(lines) and (lines[j].startswith("    ") or not lines[j].strip()):
                j += 1
            yield "code", [x[4:] for x in "\n".join(lines[i:j]).rstrip().split("\n")]
        elif line.startswith("#"):
            yield "heading", [line]
        elif line.startswith("|"):
            while j < len(lines) and lines[j].startswith("|"):
                j += 1
            yield "table", lines[i:j]
        else:
            # Up to an empty line, or where another item begins.
            while j < len(lines) and lines[j].strip() and not lines[j].startswith(("- ", ": ", "#", "|", "```")):
                j += 1
            kind = {"- ": "item", ": ": "meaning"}.get(line[:2], "text")
            yield kind, [x.strip() for x in lines[i:j]]
        i = j


def page(text):
    out = []
    parts = list(blocks(text.split("\n")))
    for n, (kind, lines) in enumerate(parts):
        joined = " ".join(lines)
        if n == 0:
            m = re.fullmatch(r"# ([A-Za-z0-9_.-]+)\((\d)\)", joined)
            if not m:
                raise Fault("the page does not begin with '# NAME(N)'")
            date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
            out += ["'\\\" t", f".TH {escape(m[1].upper())} {m[2]} {date} Hospes Hospes"]
        elif kind == "heading":
            m = re.fullmatch(r"(##|###) (.+)", joined)
            if not m:
                raise Fault(f"heading '{joined}'")
            out.append(f".{'SH' if m[1] == '##' else 'SS'} {escape(m[2].upper() if m[1] == '##' else m[2])}")
        elif kind == "table":
            out += [".PP", *table(lines)]
        elif kind == "code":
            out += code(lines)
        elif kind == "item":
            out += [".IP \\(bu 2", inline(joined[2:])]
        elif kind == "meaning":
            out.append(inline(joined[2:]))
        elif n + 1 < len(parts) and parts[n + 1][0] == "meaning":
            out += [".TP", inline(joined)]
        else:
            out += [".PP", inline(joined)]
    # A heading begins a paragraph by itself.
    return re.sub(r"^(\.S[HS] .*\n)\.PP\n", r"\1", "\n".join(out), flags=re.M) + "\n"


def name_and_section(path):
    """What the page is called: by its file's name, or by GUIDES. None: it is no manual page."""
    if m := re.fullmatch(r"(.+)\.([1-8])\.md", path.name):
        return m[1], m[2]
    return GUIDES.get(path.name)


def guide(text, name, section):
    """A guide's text with the heads of a manual page."""
    title, body = re.fullmatch(r"# (.+?)\n+(.*)", text, re.S).groups()
    return f"# {name}({section})\n\n## NAME\n\n{name} - {title[0].lower() + title[1:]}\n\n## DESCRIPTION\n\n{body}"


def pages(paths):
    """(file name, text) of all manual pages that @paths make."""
    for path in paths:
        text = path.read_text()
        called = name_and_section(path)
        if not called:
            continue
        try:
            yield ".".join(called), page(text if path.name not in GUIDES else guide(text, *called))
        except Fault as fault:
            sys.exit(f"{path}: {fault}")
        # Other programs that the page is about are found under their own names.
        m = re.search(r"^## NAME\n+(.+) - ", text, re.M)
        for other in (m[1].split(", ") if m else []):
            other = other.replace(" ", "-")
            if other != called[0]:
                yield f"{other}.{called[1]}", f".so man{called[1]}/{'.'.join(called)}\n"


def written(paths):
    return [name for name, _ in pages(paths)]


def write_all(folder, paths):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(paths):
        (folder / name).write_text(text)


def main():
    write_all(pathlib.Path(sys.argv[1]), [pathlib.Path(p) for p in sys.argv[2:]])


if __name__ == "__main__":
    main()
