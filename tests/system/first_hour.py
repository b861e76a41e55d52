"""docs/first-hour.md says what a boot shows, in blocks that begin with ```boot."""
import re

from machine import ROOT, Failed


def promises_kept(text):
    """Each of those lines is in @text, in their order; "..." in one stands for anything. Failed otherwise."""
    page = (ROOT / "docs" / "first-hour.md").read_text()
    at = 0
    for line in (x for block in re.findall(r"^```boot\n(.*?)^```", page, re.M | re.S) for x in block.splitlines()):
        found = re.compile("^" + ".*".join(re.escape(part) for part in line.split("...")), re.M).search(text, at)
        if not found:
            raise Failed(f"docs/first-hour.md promises '{line}' after what came before it, and the boot shows\n{text[at:][:3000]}")
        at = found.end()
