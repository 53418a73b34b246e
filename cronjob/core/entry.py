"""The nouns of a table: entries, settings, problems, and the table itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cronjob.core.fields import Fields
from cronjob.core.schedule import Schedule
from cronjob.errors import printable

Severity = Literal["error", "warning"]
Style = Literal["system", "user"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a table, with its place; lines and columns count from 1."""

    severity: Severity
    line: int
    column: int  #: in characters
    message: str  #: what was found and what is allowed
    source: str = ""

    def __str__(self) -> str:
        kind = "" if self.severity == "error" else "warning: "
        return f"{printable(self.source)}:{self.line}:{self.column}: {kind}{self.message}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment line."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scheduled command of a table."""

    name: str  #: unique in its table; generated when the table gives none
    schedule: Schedule
    user: str | None  #: None in a user table, whose owner it is
    command: str  #: what the shell gets, `%` resolved
    stdin: str  #: text on standard input; empty means end of file at once
    fields: Fields
    environment: Mapping[str, str]  #: the environment lines above it
    source: str
    line: int
    start_delay: timedelta = timedelta()  #: after each fire time; drawn from `jitter`, always equal

    @property
    def place(self) -> str:
        """Where it stands: `FILE:LINE`."""
        return f"{printable(self.source)}:{self.line}"

    @property
    def slots(self) -> int:
        """How many slots a run of it holds."""
        if self.fields.slots is None:
            return 0 if self.schedule.reboot else 1
        return self.fields.slots.count


@dataclass(frozen=True, slots=True)
class Table:
    """One file of entries and settings."""

    source: str
    entries: tuple[Entry, ...] = ()
    settings: tuple[Setting, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that cost a line its effect."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def label_entries(tables: Iterable[Table]) -> dict[str, Entry]:
    """All entries of the tables by a label that is unique among them: the name if it can be.

    An entry's identity is its table and its name; the label is how a log and a run key call it.
    """
    labels: dict[str, Entry] = {}
    for table in tables:
        for entry in table.entries:
            label, count = entry.name, 1
            while label in labels:
                count += 1
                label = f"{entry.name}~{count}"
            labels[label] = entry
    return labels
