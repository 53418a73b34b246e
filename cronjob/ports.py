"""The small interfaces between the daemon and the machine.

`host/` implements them for real, `cronjob.testing` with fakes that a test can drive.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cronjob.core.run import Ending

__all__ = ["TOKEN_DESCRIPTORS", "Clock", "Command", "Ended", "Ending", "Launcher", "Started"]

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


Started = Callable[[str, int, str], None]


class Ended(Protocol):
    """What hears of ends."""

    def __call__(
        self, attempt: str, ending: Ending, pid: int | None = None, note: str = "", /
    ) -> None:
        """`pid` and `note` belong to a start that was not told before."""
