"""The nouns of a table: entries, settings, problems, and the table itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

from cronjob.core.fields import Fields
from cronjob.core.schedule import Schedule
from cronjob.errors import printable

Severity = Literal["error", "warning", "note"]
Style = Literal["system", "user"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a table, with its place; lines and columns count from 1."""

    severity: Severity
    line: int
    column: int  #: in characters
    message: str  #: what was found and what is allowed
    source: str = ""
    code: str = ""  #: the lint that found it; empty for what every reader of the table is told

    def __str__(self) -> str:
        kind = "" if self.severity == "error" else f"{self.severity}: "
        code = f" [{self.code}]" if self.code else ""
        return f"{printable(self.source)}:{self.line}:{self.column}: {kind}{self.message}{code}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment line."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Environment(Mapping[str, str]):
    """The settings above an entry: the first `count` of its table, a later one wins.

    A view, because a copy for each entry would make tables of many settings very large.
    """

    settings: Sequence[Setting] = ()
    count: int = 0

    def _values(self) -> dict[str, str]:
        return {setting.name: setting.value for setting in self.settings[: self.count]}

    def __getitem__(self, name: str) -> str:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Environment):
            return self._values() == other._values()
        return isinstance(other, Mapping) and self._values() == dict(other)

    __hash__ = None  # type: ignore[assignment] # as of every mapping


class Identity(NamedTuple):
    """What stays the same of an entry whatever else of its line is edited."""

    owner: str  #: the account of a user table; empty for a system table
    source: str  #: the table
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scheduled command of a table."""

    name: str  #: unique in its table; generated when the table gives none
    schedule: Schedule
    user: str | None  #: None in a user table whose owner is not known
    command: str  #: what the shell gets, `%` resolved
    stdin: str  #: text on standard input; empty means end of file at once
    fields: Fields
    environment: Mapping[str, str]  #: the environment lines above it
    source: str
    line: int
    personal: bool = False  #: it stands in a user table
    start_delay: timedelta = timedelta()  #: after each fire time; drawn from `jitter`, always equal

    @property
    def identity(self) -> Identity:
        """By what the history knows it."""
        return Identity((self.user or "") if self.personal else "", self.source, self.name)

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

    @property
    def auto(self) -> bool:
        """Whether its commands get a jobserver."""
        return self.fields.slots is not None and self.fields.slots.auto


@dataclass(frozen=True, slots=True)
class Table:
    """One file of entries and settings."""

    source: str
    entries: tuple[Entry, ...] = ()
    settings: tuple[Setting, ...] = ()
    problems: tuple[Problem, ...] = ()
    rejected: bool = False  #: past a cap: one error, no entries, and the last good version lives on
    style: Style = "system"  #: as it was read, and `classic` too
    classic: bool = False

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that cost a line its effect."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def label_entries(
    tables: Iterable[Table], before: Mapping[Identity, str] | None = None
) -> dict[str, Entry]:
    """All entries of the tables by a label that is unique among them: the name if it can be.

    The label is how a log and a run key call an entry.  One that was there `before` keeps its
    label, whatever tables come and go around it.
    """
    entries = [entry for table in tables for entry in table.entries]
    kept = _kept(entries, before or {})
    taken = set(kept.values())
    counts: dict[str, int] = {}  # by name, or thousands of namesakes would each count from 1
    labels: dict[str, Entry] = {}
    for entry in entries:
        label = kept.get(entry.identity)
        if label is None:
            label, count = entry.name, counts.get(entry.name, 1)
            while label in taken:
                count += 1
                label = f"{entry.name}~{count}"
            taken.add(label)
            counts[entry.name] = count
        labels[label] = entry
    return labels


def _kept(entries: Iterable[Entry], before: Mapping[Identity, str]) -> dict[Identity, str]:
    """The labels that entries keep; of several which had the same one in turn, the first does."""
    kept: dict[str, Identity] = {}
    for entry in entries:
        if (label := before.get(entry.identity)) is not None:
            kept.setdefault(label, entry.identity)
    return {identity: label for label, identity in kept.items()}
