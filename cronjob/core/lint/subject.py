"""What a lint sees, and what it says.

A lint finds what a table may say and its writer probably did not mean.  The daemon tells none of
it; `cronjob check` does.  A false alarm costs more than a miss: a lint speaks only when it can say
what happens and what to write instead.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Self

from cronjob.core.command import split_stdin
from cronjob.core.entry import Entry, Table

_WORD = re.compile(r"[^ \t]+")
_RUN_PARTS = re.compile(r"\brun-parts(?:\s+-\S+)*\s+(/[\w./-]+)")
_MOST_WORDS = 60  # before a command: five columns, all fields, a user and an option
_BOM = "\ufeff"


class Found(NamedTuple):
    """One finding, on the line of what was looked at."""

    offset: int  #: in characters from the start of the line
    message: str  #: what will happen, and what to write instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a lint may ask about the machine."""

    now: datetime  #: aware
    account: Callable[[str], bool]  #: whether there is an account of that name
    program: Callable[[str], bool]  #: whether a path, or a name in PATH, is a program
    directory: Callable[[str], bool]  #: whether a path is a directory
    cron: tuple[Table, ...] = ()  #: tables that a cron beside us would run
    slots: int | None = None  #: those of a daemon here; None where that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A table as lints see it."""

    table: Table
    lines: Sequence[str]
    surroundings: Surroundings
    first: Mapping[tuple[object, ...], Entry]  #: the first entry in the table of those alike
    elsewhere: Mapping[str, Entry]  #: what cron's other tables run, see `works`

    @classmethod
    def of(cls, table: Table, text: str | bytes, surroundings: Surroundings) -> Self:
        """`text` is what `table` was read from."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        first: dict[tuple[object, ...], Entry] = {}
        for entry in table.entries:
            first.setdefault(likeness(entry), entry)
        others = (other for other in surroundings.cron if other.source != table.source)
        elsewhere: dict[str, Entry] = {}
        for entry in (entry for other in others for entry in other.entries):
            for work in works(entry):
                elsewhere.setdefault(work, entry)
        return cls(
            table=table,
            lines=text.removeprefix(_BOM).split("\n"),
            surroundings=surroundings,
            first=first,
            elsewhere=elsewhere,
        )

    def line(self, number: int) -> str:
        """The text of the line, which counts from 1."""
        return self.lines[number - 1].rstrip("\r")

    def column_at(self, entry: Entry, index: int = 0) -> int:
        """Where a time column begins; an `@name` stands for all five."""
        words = list(_WORD.finditer(self.line(entry.line)))
        return words[0 if words[0].group().startswith("@") else index].start()

    def command_at(self, entry: Entry) -> int:
        """Where the command begins: where the rest of the line reads as the entry's command."""
        line = self.line(entry.line)
        wanted = entry.command, entry.stdin
        for word in islice(_WORD.finditer(line), _MOST_WORDS):
            if entry.command.startswith(word.group()[:1]) or word.group()[0] == "\\":
                for rest in (line[word.start() :], self.lines[entry.line - 1][word.start() :]):
                    if split_stdin(rest) == wanted:
                        return word.start()
        return 0

    def user_at(self, entry: Entry) -> int:
        """Where the user stands: the nearest such word before the command."""
        words = _WORD.finditer(self.line(entry.line)[: self.command_at(entry)])
        places = [word.start() for word in words if word.group() == entry.user]
        return places[-1] if places else 0


def likeness(entry: Entry) -> tuple[object, ...]:
    """Entries with equal ones do the same at the same times."""
    return entry.schedule.key, entry.user, entry.command, entry.stdin, entry.schedule.rule


def works(entry: Entry) -> dict[str, str]:
    """What the entry does: how to know it from what others do, and in words."""
    directories = _RUN_PARTS.findall(entry.command)
    found = {directory: f"run-parts {directory} too" for directory in directories}
    command = " ".join(entry.command.split())
    return found | {f"{entry.user} {command}": "the same command"}
