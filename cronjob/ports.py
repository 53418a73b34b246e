"""The small interfaces between the daemon and the machine.

`host/` implements them for real, `cronjob.testing` with fakes that a test can drive.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cronjob.core.run import Ending

__all__ = ["Clock", "Command", "Ended", "Ending", "Launcher", "Started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the launcher is asked to start, all names resolved to numbers."""

    argv: tuple[str, ...]  #: the program's path and its arguments; no PATH search
    environment: Mapping[str, str]  #: the whole environment; surrogates stand for raw bytes
    cwd: str  #: where it starts; `/` when that fails, which is said
    uid: int
    gid: int
    groups: tuple[int, ...]  #: supplementary groups
    umask: int = 0o022
    stdin: str = ""  #: text on standard input; end of file when empty


class Clock(Protocol):
    """Two clocks: wall time may jump, monotonic time never does."""

    def now(self) -> datetime:
        """The wall clock: an aware UTC datetime."""

    def monotonic(self) -> float:
        """Seconds on CLOCK_MONOTONIC."""


class Launcher(Protocol):
    """Starts attempts and ends whole trees of processes.

    Attempts are named by the caller; the callbacks given to the implementation report about them
    by that name: `started(attempt, pid, note)` at most once, then `ended(attempt, ending)` once.
    """

    def launch(self, attempt: str, command: Command, output: int) -> None:
        """Start `command`; `output` is the descriptor for both its output streams (kept open)."""

    def end(self, attempt: str, grace: float) -> None:
        """TERM to the attempt's whole tree, KILL after `grace` seconds."""

    async def stop(self, grace: float) -> None:
        """End whatever any attempt left behind, then the launcher itself."""


Started = Callable[[str, int, str], None]
Ended = Callable[[str, Ending], None]
