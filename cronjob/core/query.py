"""What can be asked of the history, the rows it answers with, and what a daemon finds there."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from cronjob.core.notice import Notice
from cronjob.core.output import Kept
from cronjob.core.record import KnownEntry, Left
from cronjob.core.run import Attempt, RunOutcome

ROWS = 20  #: of an answer, where nobody says how many


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which runs and missed fire times are asked for; the newest come first."""

    entry: str | None = None  #: its label; None: all
    user: str | None = None  #: whose commands they ran; None: everybody's
    since: datetime | None = None  #: fire times from here on
    until: datetime | None = None  #: fire times before this
    outcomes: Collection[RunOutcome] = ()  #: empty: all of them, and what has not ended
    limit: int | None = ROWS  #: rows; None: no limit


class RunRow(NamedTuple):
    """One run, as a list shows it."""

    key: str
    label: str
    user: str | None  #: that its command runs as
    fire: datetime  #: when its fire time was, or when it was asked for
    nominal: datetime  #: the naive wall time that the table asked for
    pass_number: int
    asked: bool
    caught_up: bool
    begun: datetime
    outcome: RunOutcome | None  #: None: it has not ended
    why: str
    over_at: datetime | None
    retry_at: datetime | None  #: when its next attempt is planned for
    attempts: int  #: how many
    latest: Attempt | None  #: of its attempts


@dataclass(frozen=True, slots=True)
class MissedRow:
    """Fire times of one entry that passed without a start."""

    label: str
    user: str | None
    first: datetime
    last: datetime
    count: int
    why: str


class NoticeRow(NamedTuple):
    """A notice of a run, and what has become of it."""

    notice: Notice
    sent_at: datetime | None  #: or when it was given up; None: it is to be sent
    problem: str  #: why it could not be sent; empty otherwise


class RunDetail(NamedTuple):
    """All that is kept of one run."""

    row: RunRow
    command: str
    source: str  #: the table that its entry stands in
    host: str  #: where its latest attempt was launched; empty when it had none
    attempts: tuple[Attempt, ...]
    outputs: tuple[Kept | None, ...]  #: of each attempt; None: it printed nothing
    notices: tuple[NoticeRow, ...]


class Process(NamedTuple):
    """A process, told from a later one of the same pid."""

    pid: int
    ticks: int  #: its start, or a time not before that: clock ticks since boot


class OpenAttempt(NamedTuple):
    """An attempt of which nobody has recorded an end."""

    run: str  #: key
    number: int
    process: Process | None  #: None: its start was not recorded
    boot: str  #: identity of the boot in which it was launched


class PendingNotice(NamedTuple):
    """A notice that was to be sent."""

    run: str  #: key
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a daemon finds in the history when it starts; all empty when there is none."""

    left: Left = field(default_factory=Left)
    known: tuple[KnownEntry, ...] = ()
    boot: str = ""  #: identity of the boot in which the daemon before ran
    launcher: Process | None = None  #: of the daemon before
    open_attempts: tuple[OpenAttempt, ...] = ()
    notices: tuple[PendingNotice, ...] = ()  #: the oldest first
    away: bool = False  #: it could not be read: what is there will not be taken up
