"""What may happen to the engine, and what it wants done: frozen values, both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cronjob.core.entry import Entry
from cronjob.core.missed import Missed
from cronjob.core.report import Report
from cronjob.core.run import Attempt, Ending, Run


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks, read together."""

    now: datetime  #: wall time, aware UTC
    monotonic: float  #: seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that an orderly stop left unstarted, for the daemon that comes next."""

    label: str
    at: datetime
    nominal: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The tables have been read; the first time, this also starts the engine."""

    moment: Moment
    entries: Mapping[str, Entry]  #: by label
    slots: int | None = None  #: size of the pool from now on; None: as it was
    planned: datetime | None = None  #: first time only: all fire times up to here are dealt with
    stopped: datetime | None = None  #: first time only: when the daemon before finished stopping
    waiting: tuple[Waiting, ...] = ()  #: first time only
    reboot: bool = False  #: the machine has booted since a daemon ran last
    interrupted: tuple[str, ...] = ()  #: labels of `@reboot` entries that a stop ended


@dataclass(frozen=True, slots=True)
class Woken:
    """A timer went off, or somebody thinks it is time to look."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt's process executes its program."""

    moment: Moment
    run: str
    pid: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt is over, or never came to be."""

    moment: Moment
    run: str
    ending: Ending
    chance: float = 0.5  #: random number in [0, 1), for the spread of the retry delay


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Stop in order; `force` leaves running attempts no grace."""

    moment: Moment
    force: bool = False


Event = Loaded | Woken | AttemptStarted | AttemptEnded | StopRequested


@dataclass(frozen=True, slots=True)
class Remember:
    """Persist that all fire times up to here are dealt with, before anything is launched.

    It lies ahead of a clock that went back, when fixed schedules are quiet until then.
    """

    planned: datetime


@dataclass(frozen=True, slots=True)
class Launch:
    """Start this attempt of this run."""

    run: Run
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class EndAttempt:
    """End the tree of the run's attempt: TERM, and KILL after `grace` seconds."""

    run: str
    number: int
    grace: float


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the journal."""

    report: Report
    missed: tuple[Missed, ...] = ()  #: the same for machines, when it is about missed fire times


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `Woken` at the earlier of the two; None: not by this clock."""

    wall: datetime | None = None
    monotonic: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing runs any more; what the next daemon has to know."""

    waiting: tuple[Waiting, ...]
    interrupted: tuple[str, ...]


Effect = Remember | Launch | EndAttempt | Announce | WakeAt | Stopped
