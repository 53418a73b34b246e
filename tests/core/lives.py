"""One daemon after another: what the one before has recorded is all that the next one knows."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cronjob.core.entry import Entry
from cronjob.core.events import Effect
from cronjob.testing import MemoryHistory, Simulation, entries_of


class Crash(BaseException):
    """The daemon is killed.  No `Exception`, which somebody may catch."""


class Life(Simulation):
    """A daemon with a history; with `crosses`, it is killed before its next effect but so many."""

    def __init__(
        self,
        entries: Mapping[str, Entry] | str,
        *,
        start: datetime,
        history: MemoryHistory | None = None,
        since: Mapping[str, datetime] | None = None,
        crosses: int | None = None,
        uncertain_since: datetime | None = None,
        **given: Any,
    ) -> None:
        self.history = history or MemoryHistory()
        self.crosses = crosses
        known = entries_of(entries) if isinstance(entries, str) else entries
        self.since = dict.fromkeys(known, start) | dict(since or {})  #: of each label
        super().__init__(
            known,
            start=start,
            store=self.history.record,
            watch=Life._cross,
            left=self.history.left(uncertain_since),
            since=since or {},
            **given,
        )

    def after(self, entries: Mapping[str, Entry] | str, pause: timedelta, **given: Any) -> "Life":
        """The daemon that comes next, so long after this one."""
        start = self.clock.now() + pause
        known: dict[str, Any] = {"script": self.script, "since": self.since}
        return Life(entries, start=start, history=self.history, **(known | given))

    def survives(self, act: Callable[["Life"], object]) -> bool:
        """Let something happen to it; whether it lives on."""
        try:
            act(self)
        except Crash:
            return False
        return True

    def _cross(self: Simulation, at: datetime, effect: Effect) -> None:
        assert isinstance(self, Life)
        if self.crosses is not None:
            if not self.crosses:
                raise Crash
            self.crosses -= 1
        self._remember(at, effect)
