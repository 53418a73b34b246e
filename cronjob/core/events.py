"""What may happen to the engine, and what it wants done: frozen values, both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cronjob.core.entry import Entry
from cronjob.core.gates import Readings
from cronjob.core.missed import Missed
from cronjob.core.report import Report
from cronjob.core.run import Attempt, Ending, Run, RunOutcome


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
    pid: int | None = None  #: of an attempt so short that its start was not told before
    note: str = ""  #: about that start


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Stop in order; `force` leaves running attempts no grace."""

    moment: Moment
    force: bool = False


@dataclass(frozen=True, slots=True)
class RunRequested:
    """Somebody asks for a run of an entry now, at no fire time of it."""

    moment: Moment
    key: str  #: of the run, as `manual_key` makes it
    label: str
    force: bool = False  #: overlap, gates, shares and slots do not hold it
    lender: str | None = None  #: key of the run whose command waits for it


@dataclass(frozen=True, slots=True)
class KillRequested:
    """End these runs; what has not begun, or waits for its next attempt, is dropped."""

    moment: Moment
    runs: tuple[str, ...]  #: keys
    by: str  #: whose wish it is


@dataclass(frozen=True, slots=True)
class TokenTaken:
    """The token that was offered to the run's attempt has been taken."""

    moment: Moment
    run: str
    number: int  #: of the attempt


@dataclass(frozen=True, slots=True)
class TokensReturned:
    """The run's attempt gave tokens back."""

    moment: Moment
    run: str
    number: int  #: of the attempt
    count: int  #: at most what it took


@dataclass(frozen=True, slots=True)
class TokenWithdrawn:
    """The token that was offered to the run's attempt came back untaken."""

    moment: Moment
    run: str
    number: int  #: of the attempt


@dataclass(frozen=True, slots=True)
class Measured:
    """What was asked for by `Measure`."""

    moment: Moment
    readings: Readings


Event = (
    Loaded
    | Woken
    | AttemptStarted
    | AttemptEnded
    | StopRequested
    | RunRequested
    | KillRequested
    | TokenTaken
    | TokensReturned
    | TokenWithdrawn
    | Measured
)


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


@dataclass(frozen=True, slots=True)
class OfferToken:
    """Lay one token where the command of the run's attempt finds it."""

    run: str
    number: int  #: of the attempt


@dataclass(frozen=True, slots=True)
class WithdrawToken:
    """Take the offered token back: `TokenWithdrawn` follows, or `TokenTaken` if it is too late."""

    run: str
    number: int  #: of the attempt


@dataclass(frozen=True, slots=True)
class Measure:
    """Read these gauges, and tell `Measured` soon."""

    kinds: frozenset[str]  #: of `GAUGES`


@dataclass(frozen=True, slots=True)
class Finished:
    """A run is over, or never began; exactly one for each that was not left to the next daemon."""

    run: Run
    outcome: RunOutcome
    why: str  #: for people; empty when the outcome says all


Effect = (
    Remember
    | Launch
    | EndAttempt
    | Announce
    | WakeAt
    | Stopped
    | OfferToken
    | WithdrawToken
    | Measure
    | Finished
)
