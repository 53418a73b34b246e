"""A daemon without a machine: the engine, a clock with two hands, and a script of what attempts do.

Nothing here reads a clock, sleeps or starts a process, so a year passes in seconds.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import ceil
from typing import Any

from cronjob.core import events
from cronjob.core.attempt import Attempt, Ending
from cronjob.core.engine import step
from cronjob.core.entry import Entry
from cronjob.core.events import Effect, EndAttempt, Event, Launch, Loaded, Moment
from cronjob.core.gates import Readings
from cronjob.core.record import Change, StoppedInOrder
from cronjob.core.report import Report
from cronjob.core.run import Run, manual_key
from cronjob.core.state import State


class FakeClock:
    """A clock with two hands, which move only when told to."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a naive datetime names no instant; give `start` a time zone")
        self._wall = start
        self._monotonic = timedelta()

    def now(self) -> datetime:
        """The wall clock."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since the clock was made; steps of the wall clock do not count."""
        return self._monotonic.total_seconds()

    def moment(self) -> Moment:
        """Both hands, read together."""
        return Moment(self.now(), self.monotonic())

    def advance(self, by: timedelta) -> None:
        """Let time pass: both hands move."""
        if by < timedelta():
            raise ValueError("time does not go back; `jump_wall` sets the wall clock")
        self._wall += by
        self._monotonic += by

    def jump_wall(self, by: timedelta) -> None:
        """Set the wall clock, as NTP, an operator or the end of a suspend does."""
        self._wall += by


def exited(code: int = 0) -> Ending:
    """The ending of an attempt that exits."""
    return Ending(status=code << 8)


def killed(signal: int = 9) -> Ending:
    """The ending of an attempt that a signal ends."""
    return Ending(status=signal)


def not_started(error: str = "no such account") -> Ending:
    """The ending of an attempt that never came to be."""
    return Ending(error=error)


def lost() -> Ending:
    """The ending of an attempt whose launcher died."""
    return Ending(lost=True)


#: Gauges of a machine that has nothing to do: every gate holds.
CALM = Readings(0.0, 2**63, {"cpu": 0.0, "memory": 0.0, "io": 0.0}, mains=True)


@dataclass(frozen=True, slots=True)
class Act:
    """How one attempt goes, unless it is told to end before."""

    lasts: timedelta | None = timedelta(seconds=1)  #: None: until it is told to end
    ending: Ending = field(default_factory=exited)
    obeys_after: timedelta = timedelta()  #: from SIGTERM to its end; beyond its grace it is killed


class Simulation:
    """A daemon without a machine: the engine, a fake clock, and a script of what attempts do.

    Every effect but `WakeAt`, which is obeyed, is told to `watch` with its time; without it, the
    `timeline` keeps them all.  `with_processes` says whether attempts get one and say so, which
    the journal and make's jobserver depend on.  `gauges` says what they show when the engine looks
    at them; tokens are taken only by a test.  Of what is due at once, `batch` begin in one step.
    `store` is given the changes to keep, and says which runs it refuses, as `MemoryHistory.record`
    does.  `loaded` are further attributes of the first `Loaded`, as a restarted daemon would give
    them.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        start: datetime,
        slots: int = 16,
        script: Callable[[Run, Attempt], Act] = lambda _run, _attempt: Act(),
        chance: float = 0.5,
        batch: int = 1_000_000,
        watch: Callable[["Simulation", datetime, Effect], None] | None = None,
        with_processes: bool = True,
        gauges: Callable[["Simulation"], Readings] = lambda _simulation: CALM,
        store: Callable[[tuple[Change, ...]], Collection[str]] = lambda _changes: (),
        **loaded: Any,
    ) -> None:
        self.clock = FakeClock(start)
        self.script = script
        self.with_processes = with_processes
        self.gauges = gauges
        self.chance = chance  #: draws the spread of every retry delay
        self.timeline: list[tuple[datetime, Effect]] = []
        self.stopped: events.Stopped | None = None
        self.state = State(slots=slots, batch=batch)
        self._watch = watch or Simulation._remember
        self._store = store
        self._queue = deque[tuple[datetime, Effect]]()  # what is to be performed, in order
        self._performs = False  # what a step asks for now waits for its turn
        self._refused: set[str] = set()  # runs whose attempts do not start
        self._going: dict[str, tuple[int, Act]] = {}  # attempts and what they do, by run
        self._endings: list[tuple[float, int, str, int, Ending]] = []  # a heap: due, count, attempt
        self._count = 0
        self.handle(Loaded(moment=self.clock.moment(), entries=entries, **loaded))

    def run_until(self, instant: datetime) -> None:
        """Let time pass, from one wake-up or end of an attempt to the next, up to `instant`."""
        while (wait := self._until_next()) is not None and self.clock.now() + wait <= instant:
            self.clock.advance(wait)
            if self._endings and self._endings[0][0] <= self.clock.monotonic():
                _, _, run, _, ending = self._endings[0]
                self.finish(run, ending)
            else:
                self.wake()
        self.clock.advance(max(instant - self.clock.now(), timedelta()))

    def wake(self) -> None:
        """Wake the engine now, whether or not it asked for it."""
        self.handle(events.Woken(self.clock.moment()))

    def jump_wall(self, by: timedelta) -> None:
        """Set the wall clock and wake the engine, as the kernel does."""
        self.clock.jump_wall(by)
        self.wake()

    def finish(self, run: str, ending: Ending) -> None:
        """End the run's attempt now."""
        self._going.pop(run, None)
        self.handle(events.AttemptEnded(self.clock.moment(), run, ending, self.chance))

    def reload(
        self,
        entries: Mapping[str, Entry],
        slots: int | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """Give the engine other tables and, if `slots` is given, a pool of that size.

        `renamed` has the label of now for the label before, of entries that are called otherwise.
        """
        moment, names = self.clock.moment(), renamed or {}
        self.handle(Loaded(moment=moment, entries=entries, slots=slots, renamed=names))

    def stop(self, *, force: bool = False) -> None:
        """Ask for a stop; `stopped` is set once nothing runs any more."""
        self.handle(events.StopRequested(self.clock.moment(), force))

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Step the engine and perform what it asks for, which is returned too."""
        effects = self._step(event)
        while self.state.hurried:
            self._step(events.Woken(self.clock.moment()))  # it asked for that at once
        return effects

    def _step(self, event: Event) -> tuple[Effect, ...]:
        """One step and all that follows from it at once, but for the rest of a burst."""
        self.state, effects = step(self.state, event)
        self._queue.extend((event.moment.now, effect) for effect in effects)
        if not self._performs:
            self._performs = True
            try:
                while self._queue:
                    self._perform(*self._queue.popleft())
            finally:
                self._performs = False
        return effects

    def _perform(self, at: datetime, effect: Effect) -> None:
        match effect:
            case events.WakeAt():
                return  # the state tells
            case Launch(run=Run(key=key)) | EndAttempt(run=key) if key in self._refused:
                return
        self._watch(self, at, effect)
        match effect:
            case events.Record(changes):
                self._record(changes)
            case Launch():
                self._play(effect)
            case EndAttempt():
                self._end(effect)
            case events.Stopped(interrupted):
                self._store((StoppedInOrder(at, interrupted),))
                self.stopped = effect
            case events.Measure():
                self._step(events.Measured(self.clock.moment(), self.gauges(self)))
            case events.WithdrawToken(run_key, number):
                self._step(events.TokenWithdrawn(self.clock.moment(), run_key, number))
            case _:
                pass  # the watcher has seen it

    def _record(self, changes: tuple[Change, ...]) -> None:
        if refused := tuple(self._store(changes)):
            self._refused.update(refused)
            self._step(events.ClaimRefused(self.clock.moment(), refused))

    def ask_for(self, label: str, *, force: bool = False, lender: str | None = None) -> str:
        """Ask for a run of an entry now; the key of the run."""
        moment = self.clock.moment()
        key = manual_key(label, moment.now, self.state.runs, self.state.last_asked)
        self.handle(events.RunRequested(moment, key, label, force, lender))
        return key

    def kill(self, *runs: str, by: str = "root") -> None:
        """Ask for the end of these runs."""
        self.handle(events.KillRequested(self.clock.moment(), runs, by))

    def finished(self, label: str | None = None) -> list[tuple[str, str, str]]:
        """Key, outcome and reason of the runs that are over; of one entry, if `label` is given."""
        return [
            (effect.run.key, str(effect.outcome), effect.why)
            for _, effect in self.timeline
            if isinstance(effect, events.Finished) and label in (None, effect.run.label)
        ]

    def starts(self, label: str | None = None) -> list[tuple[datetime, str, int]]:
        """When which attempt of which run was launched; of one entry only, if `label` is given."""
        return [
            (at, effect.run.key, effect.attempt.number)
            for at, effect in self.timeline
            if isinstance(effect, Launch) and label in (None, effect.run.label)
        ]

    def reports(self, *kinds: str) -> list[Report]:
        """What the journal was told; of these kinds only (`attempt-ended`), if any are given."""
        told = [effect.report for _, effect in self.timeline if isinstance(effect, events.Announce)]
        return [report for report in told if not kinds or report.event in kinds]

    def _until_next(self) -> timedelta | None:
        """How long until the engine is to be woken or an attempt ends."""
        while self._endings and not self._is_going(*self._endings[0][2:4]):
            heappop(self._endings)
        if self.stopped is not None:
            return None
        awake, waits = self.state.awake, list[timedelta]()
        if awake.wall is not None:
            waits.append(awake.wall - self.clock.now())
        dues = [due for due, *_ in self._endings[:1]]
        if awake.monotonic is not None:
            dues.append(awake.monotonic)
        if dues:
            seconds = min(dues) - self.clock.monotonic()
            waits.append(timedelta(microseconds=ceil(seconds * 1e6)))
        return max(min(waits), timedelta()) if waits else None

    def _play(self, launch: Launch) -> None:
        act, key = self.script(launch.run, launch.attempt), launch.run.key
        self._going[key] = launch.attempt.number, act
        if self.with_processes and act.ending.status is not None:
            self._count += 1
            self._step(events.AttemptStarted(self.clock.moment(), key, self._count))
        if act.lasts is not None:
            self._plan_end(key, act.lasts.total_seconds(), act.ending)

    def _end(self, effect: EndAttempt) -> None:
        delay = self._going[effect.run][1].obeys_after.total_seconds()
        signal = 15 if delay <= effect.grace else 9  # SIGTERM, SIGKILL
        self._plan_end(effect.run, min(delay, effect.grace), killed(signal))

    def _plan_end(self, run: str, delay: float, ending: Ending) -> None:
        """Plan the end of an attempt; the earliest that is planned counts."""
        self._count += 1
        due, number = self.clock.monotonic() + delay, self._going[run][0]
        heappush(self._endings, (due, self._count, run, number, ending))

    def _is_going(self, run: str, number: int) -> bool:
        return run in self._going and self._going[run][0] == number

    def _remember(self, at: datetime, effect: Effect) -> None:
        self.timeline.append((at, effect))
