"""Where we differ from POSIX, cronie and Debian cron, taken from STANDARDS in cronjob.tab(5).

`python -m tests.docs.differences` prints the lists.
"""

import re
import sys

from tests.docs.manpage import page, parts, plain

_LIST = re.compile(
    r"(?:^|\n)([^\n]*(?:\n\.St [^\n]*)?):\n\.Bl -dash -compact\n\.It\n(.*?)\n\.El", re.DOTALL
)
_MACRO = re.compile(r"^\.[A-Z][a-z] ")
_STANDARD = {"-p1003.1-2008": "POSIX.1-2008"}


def lists() -> dict[str, list[str]]:
    """The items below each heading, as plain sentences."""
    section = "\n".join(parts(page("cronjob.tab.5"), ".Sh")["STANDARDS"])
    return {
        _text(heading.replace(" :", "")): [_text(item) for item in body.split("\n.It\n")]
        for heading, body in _LIST.findall(section.replace(" :\n.Bl", ":\n.Bl"))
    }


def _text(lines: str) -> str:
    words = [_STANDARD.get(line, line) for line in map(_plain, lines.split("\n"))]
    return re.sub(r" (?=[,;.:])", "", " ".join(words))


def _plain(line: str) -> str:
    """A line without its macro; words that a macro marks are shown as code."""
    if not (match := _MACRO.match(line)):
        return plain(line)
    text, _, mark = line[match.end() :].partition(" ")
    if match.group() == ".St ":
        return _STANDARD.get(text, text)
    return f"`{'-' if match.group() == '.Fl ' else ''}{plain(text)}` {mark}".strip()


if __name__ == "__main__":
    for title, items in lists().items():
        sys.stdout.write("\n".join([f"{title}:", *(f"- {item}" for item in items), "", ""]))
