"""What can be asked of the history, and the rows that it answers with."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cronjob.core.attempt import Attempt
from cronjob.core.notice import Notice
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import Kept

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
    outputs: tuple[Kept | None, ...]  #: of each attempt, perhaps only its size; None: nothing
    notices: tuple[NoticeRow, ...]
