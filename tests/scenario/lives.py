"""One machine over many lives of its daemon, each of which may end at any effect."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.events import Effect, Launch, Loaded, Record, Stopped
from cronjob.core.found import Left
from cronjob.core.record import Begun, Change, Progress
from cronjob.core.run import Run
from cronjob.testing import Act, MemoryHistory, Simulation
from tests.scenario.book import Book, Window


class Store(Protocol):
    """What keeps the changes from one life to the next."""

    def record(self, changes: Sequence[Change]) -> Sequence[str]:
        """Keep them, all or none; the keys of runs that had been claimed before."""

    def left(self) -> Left:
        """What the next daemon is told."""


class NamingHistory(MemoryHistory):
    """One in which an entry may get another name, as it does when that is registered."""

    def rename(self, renamed: Mapping[str, str]) -> None:
        """The runs of these labels are of those labels now; they keep their keys."""
        for run in self.runs.values():
            run.label = renamed.get(run.label, run.label)
        self._claims = {
            (renamed.get(label, label), at, number) for label, at, number in self._claims
        }

    def left(self, uncertain_since: datetime | None = None) -> Left:
        """Recorded are runs of the label of now, too."""
        left = super().left(uncertain_since)
        keys = {f"{self.runs[key].label}@{key.rpartition('@')[2]}" for key in left.recorded}
        return replace(left, recorded=left.recorded | keys)


class Crash(BaseException):
    """The daemon is killed here.  No `Exception`, which somebody may catch."""


class Machine:
    """A daemon, and the one after it: what is recorded outlives them, and nothing else does.

    `hasty` says that what is not urgent is stored with the next urgent record, and is lost by a
    crash before that; otherwise it is stored at once, as when a second has passed.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        start: datetime,
        store: Store,
        slots: int = 4,
        script: Callable[[Run, Attempt], Act] = lambda _run, _attempt: Act(),
        hasty: bool = True,
        **simulation: Any,
    ) -> None:
        self.entries = entries
        self.store = store
        self.book = Book()
        self.slots = slots
        self.script = script
        self.hasty = hasty
        self.wall = start
        self.windows: list[Window] = []  #: what schedules there have been
        self.exact = True  #: the clock has never gone back
        self.latest: datetime | None = None  #: time that it had shown when it did
        self.alive: Simulation | None = None
        self.crossed = 0  #: effects that were about to be performed, in all lives
        self.doomed: int | None = None  #: the daemon dies before it performs this one
        self.crashed = False  #: it has, and no other one has begun
        self.away_at: int | None = None  #: from this one on the history cannot be written
        self._simulation = simulation
        self._early: list[Change] = []  #: what is not urgent and not stored
        self._noticed: datetime | None = None  # when it was, for the daemon that comes next
        self._refused = set[str]()  # of this daemon: they are others of the same key
        self._urgent = True
        self._booted = False  #: a daemon of this boot has recorded its progress

    def run(self, act: Callable[[Simulation], object] | None = None) -> bool:
        """Let the daemon live, from its start if there is none; whether it has survived."""
        try:
            if self.alive is None:
                self.crashed = False
                self.alive = self._begin()
            if act is not None and self.alive.stopped is None:
                act(self.alive)
        except Crash:
            self._end()
            self.crashed = True
            return False
        self.wall = self.alive.clock.now()
        if self.alive.stopped is not None:
            self._end()
        return True

    def pass_time(self, by: timedelta) -> bool:
        """Let so much time pass, with the daemon or without one; whether it has survived."""
        until = self.wall + by
        if self.alive is None:
            self.wall = until
            return True
        return self.run(lambda simulation: simulation.run_until(until))

    def jump(self, by: timedelta) -> bool:
        """Set the wall clock; whether the daemon has survived it."""
        self.exact &= by >= timedelta()
        if by < timedelta():
            self.latest = max(self.wall, self.latest or self.wall)
        if self.alive is None:
            self.wall += by
            return True
        return self.run(lambda simulation: simulation.jump_wall(by))

    def load(self, entries: Mapping[str, Entry], renamed: Mapping[str, str] | None = None) -> bool:
        """Change the tables; whether the daemon has survived it."""
        self.entries = entries
        names = renamed or {}
        for window in self.windows:
            window.label = names.get(window.label, window.label)
        self.book.rename(names)
        self.book.reread(entries)
        if self.alive is None or self.alive.state.stopping:
            return True  # the next daemon sees it
        before = [window for window in self.windows if window.until is None]
        moment = self.alive.clock.moment()
        loaded = Loaded(moment=moment, entries=entries, since=self._since(), renamed=names)
        survived = self.run(lambda simulation: simulation.handle(loaded))
        self.book.rename(names)  # also what was due before
        for window in before:
            if not survived and window.until is not None:
                window.until = self.book.dealt_with(window.label, exact=self.exact)
        return survived

    def kill(self) -> None:
        """End the daemon where it stands."""
        self._end()

    def boot(self) -> None:
        """The machine itself starts again."""
        self._end()
        self._booted = False

    def _since(self) -> dict[str, datetime]:
        """Since when which label has its schedule, as of now."""
        current = {window.label: window for window in self.windows if window.until is None}
        for label, window in current.items():
            entry = self.entries.get(label)
            if entry is None or entry.schedule.key != window.schedule.key:
                alone = self.alive is None  # nobody looked at it since
                window.until = self.book.dealt_with(label, exact=self.exact) if alone else self.wall
        for label, entry in self.entries.items():
            if label not in current or current[label].until is not None:
                window = Window(label, entry.schedule, self.wall, quiet_until=self.latest)
                self.windows.append(window)
        return {window.label: window.since for window in self.windows if window.until is None}

    @property
    def _is_away(self) -> bool:
        return self.away_at is not None and self.crossed >= self.away_at

    def _left(self) -> Left:
        """What the next daemon is told; with a doubt if the history was away at the end."""
        left, noticed, self._noticed = self.store.left(), self._noticed, None
        if self._is_away:
            self.away_at = None
        if noticed is None:
            return left
        planned = left.progress.planned if left.progress is not None else noticed
        return replace(left, uncertain_since=min(noticed, planned))

    def _begin(self) -> Simulation:
        return Simulation(
            self.entries,
            start=self.wall,
            slots=self.slots,
            script=lambda run, attempt: self.script(run, attempt),
            watch=self._watch,
            store=self._keep,
            left=self._left(),
            since=self._since(),
            reboot=not self._booted,
            **self._simulation,
        )

    def _end(self) -> None:
        self._early.clear()
        self._refused.clear()
        self.alive = None

    def _watch(self, simulation: Simulation, _at: datetime, effect: Effect) -> None:
        self.crossed += 1
        self.wall = simulation.clock.now()
        if self.doomed is not None and self.crossed >= self.doomed:
            self.doomed = None
            raise Crash
        match effect:
            case Record(urgent=urgent):
                self._urgent = urgent or not self.hasty
            case Launch(run, attempt):
                if run.key not in self._refused:
                    self.book.launch(run.key, attempt.number, recorded=not self._is_away)
            case Stopped():
                self._urgent = True
            case _:
                pass

    def _keep(self, changes: tuple[Change, ...]) -> Collection[str]:
        """Store them now, or with the next that are urgent; which runs are refused."""
        if self._is_away:
            self._noticed = self._noticed or self.wall
            return ()
        self._early += changes
        if not self._urgent:
            return ()
        changes, self._early = tuple(self._early), []
        refused = self.store.record(changes)
        twice = [key for key in refused if not self._may_come_again(changes, key)]
        assert not twice, f"begun again: {twice}"
        self._refused.update(refused)
        self.book.note(changes, self._refused)
        self._booted |= any(isinstance(change, Progress) for change in changes)
        return refused

    @staticmethod
    def _may_come_again(changes: Sequence[Change], key: str) -> bool:
        """Whether the key is of a time that the clock may show twice: of a boot, of a wish."""
        begun = [change.run for change in changes if isinstance(change, Begun)]
        runs = [run for run in begun if run.key == key]
        return all(run.entry.schedule.reboot or run.asked is not None for run in runs)
