"""What is kept of runs: the changes that a step makes to the history.

A change says everything that is to be stored, so that a history needs to know no rule, and
whoever stores it needs nothing else.
"""

from datetime import datetime
from typing import NamedTuple

from cronjob.core.attempt import Attempt
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice
from cronjob.core.outcome import RunOutcome
from cronjob.core.run import Run


class Progress(NamedTuple):
    """How far the engine has come, on a clock that may go back."""

    planned: datetime  #: every fire time up to here has its record, or was before there were any
    high_water: datetime | None = None  #: fixed schedules are quiet up to here
    passes: int = 1  #: how often the clock has gone back, plus one
    repeats_until: datetime | None = None  #: fire times up to here are of the latest pass


class Begun(NamedTuple):
    """A run is known from now on.

    It is unique by its key, and by entry, fire time and pass: it is claimed, or refused.
    """

    run: Run
    at: datetime


class Launching(NamedTuple):
    """An attempt is about to start; its process must not be there before this is stored."""

    run: Run
    attempt: Attempt


class Started(NamedTuple):
    """An attempt has its process.  Worth knowing after a crash, but not worth a sync of its own."""

    run: str  #: key
    number: int  #: of the attempt
    pid: int


class Ended(NamedTuple):
    """An attempt is over; with `retry_at` another one is planned, at that wall time."""

    run: str  #: key
    attempt: Attempt
    at: datetime
    retry_at: datetime | None = None


class Over(NamedTuple):
    """A run is over, and these notices of it are to be sent."""

    run: str  #: key
    outcome: RunOutcome
    why: str  #: for people; empty when the outcome says all
    at: datetime
    notices: tuple[Notice, ...] = ()


class StoppedInOrder(NamedTuple):
    """The daemon has finished stopping."""

    at: datetime
    interrupted: tuple[str, ...]  #: labels of `@reboot` entries that the stop ended


class Planned(NamedTuple):
    """When a distinct schedule fires next; worth no sync of its own."""

    schedule: str  #: `Schedule.key`, its two parts joined by a space
    at: datetime | None  #: None: never again


class NoticeSent(NamedTuple):
    """A notice has been sent, or could not be."""

    run: str  #: key
    kind: str
    at: datetime
    problem: str = ""  #: empty: it was sent


Change = (
    Progress
    | Begun
    | Launching
    | Started
    | Ended
    | Over
    | Missed
    | StoppedInOrder
    | Planned
    | NoticeSent
)
