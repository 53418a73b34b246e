"""What is kept of runs: the changes that a step makes to the history, and what a daemon finds.

A change says everything that is to be stored, so that a history needs to know no rule, and
whoever stores it needs nothing else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cronjob.core.entry import Identity
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice
from cronjob.core.run import Attempt, Run, RunOutcome


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


class KnownEntry(NamedTuple):
    """An entry as the history has it."""

    identity: Identity
    label: str
    definition: str  #: hash of what it does and when: equal for the same line under another name
    schedule: str  #: its canonical text and zone: since when it is in force counts for this one
    since: datetime  #: when this schedule of it came into force
    gone: bool = False  #: it is in no table any more
    user: str | None = None  #: whom its command runs as; None: the daemon's own account


class Unfinished(NamedTuple):
    """A run without an end, as the daemon before left it."""

    key: str
    label: str
    fire: datetime
    nominal: datetime
    pass_number: int
    user: str | None  #: whom its command ran as; None: the daemon's own account
    asked: bool = False  #: somebody asked for it; it is at no fire time
    caught_up: bool = False  #: its fire time was missed, and it is made up for
    attempts: tuple[Attempt, ...] = ()  #: the latest without an outcome: nobody saw how it ended
    retry_at: datetime | None = None  #: when the next attempt was planned for


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the daemon before left, and which processes of it are proven to be dead."""

    progress: Progress | None = None  #: None: no daemon has planned anything here yet
    stopped: datetime | None = None  #: when it finished stopping; None: it was killed
    interrupted: tuple[str, ...] = ()  #: labels of `@reboot` entries that its stop ended
    unfinished: tuple[Unfinished, ...] = ()
    recorded: frozenset[str] = frozenset()  #: keys of runs whose fire time is later than `planned`
    uncertain_since: datetime | None = None  #: it was away from here on: runs may be missing
