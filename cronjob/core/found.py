"""What a daemon finds in the history when it starts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Identity
from cronjob.core.notice import Notice
from cronjob.core.record import Progress


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


class ProcessKey(NamedTuple):
    """A process, told from a later one of the same pid."""

    pid: int
    ticks: int  #: its start, or a time not before that: clock ticks since boot


class OpenAttempt(NamedTuple):
    """An attempt of which nobody has recorded an end."""

    run: str  #: key
    number: int
    process: ProcessKey | None  #: None: its start was not recorded
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
    launcher: ProcessKey | None = None  #: of the daemon before
    open_attempts: tuple[OpenAttempt, ...] = ()
    notices: tuple[PendingNotice, ...] = ()  #: the oldest first
    away: bool = False  #: it could not be read: what is there will not be taken up
