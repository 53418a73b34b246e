"""A manual page in mdoc(7), taken apart."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted((ROOT / "docs/man").iterdir()))

_ESCAPES = {r"\e": "\\", r"\(ti": "~", r"\(aq": "'", r"\(dq": '"', r"\&": "", r"\-": "-"}
_ESCAPE = re.compile(r"\\(?:e|&|-|\(..)")
_OPTION = re.compile(r"(?:^|\s)Fl (-?[A-Za-z][a-z-]*)")


def page(name: str) -> list[str]:
    """The lines of the page."""
    return (ROOT / "docs/man" / name).read_text(encoding="utf-8").splitlines()


def parts(lines: list[str], macro: str) -> dict[str, list[str]]:
    """The lines below each heading that `macro` (`.Sh`, `.Ss`) makes; "" is what comes before."""
    found: dict[str, list[str]] = {"": []}
    title = ""
    for line in lines:
        if line.startswith(f"{macro} "):
            title = line.removeprefix(f"{macro} ")
            assert title not in found, f"{title} is there twice"
            found[title] = []
        else:
            found[title].append(line)
    return found


def plain(text: str) -> str:
    """The text with its escapes resolved."""
    return _ESCAPE.sub(lambda match: _ESCAPES[match[0]], text)


def literal(lines: list[str]) -> list[str]:
    """What the literal displays show."""
    found, inside = [], False
    for line in lines:
        if line.startswith((".Bd -literal", ".Ed")):
            inside = not inside
        elif inside:
            found.append(plain(line))
    return found


def options(lines: list[str]) -> set[str]:
    """Every option that is named by a macro, as it is typed."""
    macros = (line for line in lines if line.startswith("."))
    return {f"-{name}" for line in macros for name in _OPTION.findall(line[1:])}


def arguments(lines: list[str], macro: str) -> set[str]:
    """The words after `macro` on its lines and in list heads, until the next macro."""
    text = "\n".join(line for line in lines if line.startswith("."))
    found = re.findall(rf"(?<=[. ]){macro} ((?:(?![A-Z][a-z]\b)\S+ ?)+)", text)
    return {plain(word) for words in found for word in words.split() if word not in (",", ".", ";")}
