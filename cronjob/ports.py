"""The small interfaces between the daemon and the machine.

`host/` implements them for real, `cronjob.testing` with fakes that a test can drive.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from cronjob.core.attempt import Ending
from cronjob.core.config import Retention
from cronjob.core.found import Found, ProcessKey
from cronjob.core.output import Kept
from cronjob.core.query import HistoryQuery, MissedRow, RunDetail, RunRow
from cronjob.core.record import Change
from cronjob.core.registry import Registered

__all__ = [
    "TOKEN_DESCRIPTORS",
    "Batch",
    "Clock",
    "Command",
    "Ending",
    "Heard",
    "History",
    "Item",
    "Launcher",
    "LauncherNoted",
    "OnEnd",
    "OnStart",
    "Printed",
    "Reader",
]

#: Where a command finds the read and the write end of its jobserver: above all that scripts
#: (`exec 3>`), dash (10 and up) and bash (63 and down, 255) take for themselves.
TOKEN_DESCRIPTORS = (98, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the launcher is asked to start, all names resolved to numbers."""

    argv: tuple[str, ...]  #: the program's path and its arguments; no PATH search
    #: When given: these words instead, the first searched on the PATH of `environment` as the
    #: user; `argv` is what runs when they cannot be executed, so that the messages are a shell's.
    direct: tuple[str, ...] | None = None
    environment: Mapping[str, str]  #: the whole environment; surrogates stand for raw bytes
    cwd: str  #: where it starts; `/` when that fails, which is said
    uid: int
    gid: int
    groups: tuple[int, ...]  #: supplementary groups
    umask: int = 0o022
    stdin: str = ""  #: text on standard input; end of file when empty
    nice: int | None = None  #: None, here and below: as the daemon was started
    open_files: int | None = None
    memory: int | None = None  #: bytes
    cpu: int | None = None  #: percent of one CPU
    limits_first: bool = True  #: set before the change of user, so that they may be raised
    #: Descriptors of its jobserver (read end, write end); they become `TOKEN_DESCRIPTORS`.
    tokens: tuple[int, int] | None = None


class Clock(Protocol):
    """Two clocks: wall time may jump, monotonic time never does."""

    def now(self) -> datetime:
        """The wall clock: an aware UTC datetime."""

    def monotonic(self) -> float:
        """Seconds on CLOCK_MONOTONIC."""


class Launcher(Protocol):
    """Starts attempts and ends whole trees of processes.

    Attempts are named by the caller; the callbacks given to the implementation report about them
    by that name: `started(attempt, pid, note)` at most once, then `ended(attempt, ending)` once;
    of a quick one only `ended(attempt, ending, pid, note)`.
    """

    def launch(self, attempt: str, command: Command, output: int) -> None:
        """Start `command`; `output` is the descriptor for both its output streams.

        Descriptors are duplicated before this returns; the caller closes its own.
        """

    def end(self, attempt: str, grace: float) -> None:
        """TERM to the attempt's whole tree, KILL after `grace` seconds."""

    async def stop(self, grace: float) -> None:
        """End whatever any attempt left behind, then the launcher itself."""


OnStart = Callable[[str, int, str], None]


class OnEnd(Protocol):
    """What hears of ends."""

    def __call__(
        self, attempt: str, ending: Ending, pid: int | None = None, note: str = "", /
    ) -> None:
        """`pid` and `note` belong to a start that was not told before."""


class LauncherNoted(NamedTuple):
    """The launcher of this daemon."""

    process: ProcessKey


class Printed(NamedTuple):
    """What is kept of the output of an attempt that has ended."""

    run: str  #: key
    number: int
    kept: Kept


class Heard(NamedTuple):
    """When the start of an attempt was heard of."""

    run: str  #: key
    number: int
    pid: int
    ticks: int  #: clock ticks since boot


Item = Change | Registered | LauncherNoted | Printed | Heard


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Items that are stored together, in their order, or not at all."""

    items: Sequence[Item]
    #: Keys of runs that are claimed already, by this daemon: they are not refused.
    own: frozenset[str] = frozenset()


class History(Protocol):
    """Where runs are kept, as the one daemon that writes it sees it.

    Each method may take long, and raises `HistoryError`; then nothing of that call is stored, and
    the same call may be tried again.
    """

    commits: int  #: transactions so far, each of them one sync

    def found(self) -> Found:
        """What is there when the daemon starts."""

    def write(self, batch: Batch) -> tuple[str, ...]:
        """Store the batch; the keys of runs whose claim is refused, as others have it.

        A batch that an earlier call has stored, though that call failed, is not stored twice.
        """

    def abandon(self, why: str, now: datetime) -> int:
        """End all that has no end as lost: nobody takes it up any more.  How many runs it was."""

    def trim(self, retention: Retention, now: datetime) -> bool:
        """Forget some of what is not to be kept, in one small transaction; whether more is left."""

    def close(self) -> None:
        """Give the files back."""


class Reader(Protocol):
    """Answers questions about the history, beside a daemon that writes it.

    Each method raises `HistoryError`.
    """

    def history(self, query: HistoryQuery) -> list[RunRow | MissedRow]:
        """What matches, the newest first."""

    def run(self, key: str) -> RunDetail | None:
        """All that is kept of the run; None when there is none of that key."""

    def latest(self, label: str, user: str | None = None) -> RunDetail | None:
        """The same of the latest run of an entry, if the user is its, or none is given."""

    def failed_lately(
        self, since: datetime, user: str | None = None, limit: int = 10
    ) -> list[RunRow]:
        """The runs that ended badly, with fire times from `since` on, the newest first."""

    def labels(self) -> tuple[str, ...]:
        """Of every entry of which anything is kept."""
