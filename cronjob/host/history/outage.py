"""A time in which the history cannot be written: what is said of it, and the marker that it leaves.

A daemon that is killed within such a time cannot tell the next one what it has started; a small
file in the runtime directory says since when that is so.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from cronjob.core.report import Priority, Report
from cronjob.core.words import counted
from cronjob.errors import printable
from cronjob.host.history.backlog import Shed
from cronjob.ports import Clock

COMPLAIN_EVERY = 60.0  #: seconds


class Outage:
    """There is one as long as `since` is not None."""

    def __init__(self, marker: str, clock: Clock, tell: Callable[[Report], None]) -> None:
        self._marker, self._clock, self._tell = marker, clock, tell
        self.since: datetime | None = None
        self._told = float("-inf")  #: monotonic seconds of the latest word
        self._shed = Shed()
        self._left = False  #: whether the marker is there, of this outage or of one before

    def of_before(self) -> datetime | None:
        """Since when the daemon before could not write its history; None if it could.

        The marker stays until something has been stored, so that a crash does not lose it.  One
        that says nothing, of a runtime directory that was full too, is as old as its file.
        """
        try:
            made = datetime.fromtimestamp(os.lstat(self._marker).st_mtime, UTC)
        except OSError:
            return None
        self._left = True
        try:
            with open(self._marker, encoding="utf-8") as file:
                return datetime.fromisoformat(file.read().strip()).astimezone(UTC)
        except (OSError, OverflowError, ValueError) as error:
            self._say(f"{printable(self._marker)} cannot be read: {error}", Priority.WARNING)
            return made

    def go_on(self, why: str, waiting: int) -> None:
        """It has begun, or is not over yet; that is said at most once a minute."""
        begins = self.since is None
        self.since = self.since or self._clock.now()
        if begins:
            self._told = float("-inf")
        if (now := self._clock.monotonic()) - self._told >= COMPLAIN_EVERY:
            self._told = now
            held = f"; {counted(waiting, 'change')} in memory" if waiting else ""
            self._say(f"{why}; going on without it{held}", Priority.ERROR)
        if begins:
            self._leave_marker(self.since)

    def shed(self, shed: Shed) -> None:
        """This was given up, as memory is bounded too."""
        self._shed.outputs += shed.outputs
        self._shed.runs += shed.runs

    def end(self) -> None:
        """All that waited is stored."""
        if self.since is None:
            return
        lasted = f"the history is written again; it was not since {self.since:%F %T}Z"
        lost = [
            counted(count, noun, nouns)
            for count, noun, nouns in (
                (self._shed.runs, "run", "runs"),
                (self._shed.outputs, "output", "outputs"),
            )
            if count
        ]
        text = f"{lasted}; {' and '.join(lost)} of that time not kept" if lost else lasted
        self._tell(Report("history-back", Priority.WARNING, text))
        self.since, self._shed = None, Shed()

    def _say(self, text: str, priority: Priority) -> None:
        self._tell(Report("history-away", priority, text))

    def _leave_marker(self, since: datetime) -> None:
        if self._left:
            return  # it has been so since then
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(self._marker, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(f"{since.isoformat()}\n")
        except OSError as error:
            where = printable(self._marker)
            self._say(f"{where} cannot be written: {error.strerror}", Priority.WARNING)
        else:
            self._left = True

    def remove_marker(self) -> None:
        """What this daemon has started is stored, and what the one before had is dealt with."""
        if not self._left:
            return
        try:
            os.unlink(self._marker)
        except FileNotFoundError:
            pass
        except OSError as error:
            where = printable(self._marker)
            self._say(f"{where} cannot be removed: {error.strerror}", Priority.WARNING)
        self._left = False
