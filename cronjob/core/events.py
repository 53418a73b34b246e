"""What may happen to the engine, and what it wants done: frozen values, both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.config import Hooks
from cronjob.core.entry import Entry
from cronjob.core.found import Left
from cronjob.core.gates import Readings
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice
from cronjob.core.outcome import RunOutcome
from cronjob.core.record import Change
from cronjob.core.report import Report
from cronjob.core.run import Run


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks, read together."""

    now: datetime  #: wall time, aware UTC
    monotonic: float  #: seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The tables have been read; the first time, this also starts the engine."""

    moment: Moment
    entries: Mapping[str, Entry]  #: by label
    slots: int | None = None  #: size of the pool from now on; None: as it was
    left: Left | None = None  #: first time only: what the daemon before left, if there was one
    since: Mapping[str, datetime] = field(default_factory=dict)
    #: by label, since when its schedule is in force; now, where it is not in it
    renamed: Mapping[str, str] = field(default_factory=dict)
    #: later times only: label before -> label now, of entries that are called otherwise
    hooks: Hooks = field(default_factory=Hooks)  #: of everybody
    reboot: bool = False  #: the machine has booted since a daemon ran last


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


@dataclass(frozen=True, slots=True)
class ClaimRefused:
    """These runs were recorded before, so they are not to start."""

    moment: Moment
    runs: tuple[str, ...]  #: keys


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
    | ClaimRefused
)


class Record(NamedTuple):
    """Store these changes; the effects that follow an urgent one wait until that is done.

    It is the first effect of a step.  What has happened already is not urgent, and may be lost.
    """

    changes: tuple[Change, ...]
    urgent: bool


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
    """Nothing runs any more."""

    interrupted: tuple[str, ...]  #: labels of `@reboot` entries that the stop ended


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
    notices: tuple[Notice, ...] = ()  #: that are to be sent of it


Effect = (
    Record
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
