"""Fakes that a test drives: a clock with two hands, a launcher, and a daemon without a machine.

`Simulation` runs the daemon's own engine.  Nothing here reads a clock, sleeps or starts a process:

    simulation = Simulation(entries_of("0 9 * * 1-5 name=open root true"), start=friday_noon)
    simulation.run_until(tuesday)
    assert simulation.starts() == [(monday_nine, "open@2026-03-02T09:00Z", 1)]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappush
from math import ceil
from typing import Any

from cronjob.core import events
from cronjob.core.engine import step
from cronjob.core.entry import Entry, label_entries
from cronjob.core.events import Effect, EndAttempt, Event, Launch, Loaded, Moment
from cronjob.core.report import Report
from cronjob.core.run import Attempt, Ending, Run
from cronjob.core.state import State
from cronjob.core.table import parse_table
from cronjob.ports import Command, Ended, Started


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


@dataclass(kw_only=True)
class FakeLauncher:
    """A `ports.Launcher` that starts nothing: it records what it is asked for.

    The test starts and finishes the attempts; the callbacks are told as by a real launcher.
    """

    started: Started
    ended: Ended
    launches: list[tuple[str, Command]] = field(default_factory=list)
    ends: list[tuple[str, float]] = field(default_factory=list)  #: attempts, and their graces
    going: set[str] = field(default_factory=set)  #: launched and not finished
    stopped: bool = False

    def launch(self, attempt: str, command: Command, output: int) -> None:
        """Record the launch; `output` is left alone."""
        del output
        self.launches.append((attempt, command))
        self.going.add(attempt)

    def end(self, attempt: str, grace: float) -> None:
        """Record the wish; the attempt goes on until the test finishes it."""
        self.ends.append((attempt, grace))

    async def stop(self, grace: float) -> None:
        """Kill what is still going, whatever the `grace`."""
        del grace
        for attempt in sorted(self.going):
            self.finish(attempt, killed())
        self.stopped = True

    def start(self, attempt: str, pid: int = 1000, note: str = "") -> None:
        """Say that the attempt executes its program."""
        self.started(attempt, pid, note)

    def finish(self, attempt: str, ending: Ending) -> None:
        """Say how the attempt ended.  Raises `KeyError` unless it is going."""
        self.going.remove(attempt)
        self.ended(attempt, ending)


@dataclass(frozen=True, slots=True)
class Act:
    """How one attempt goes, unless it is told to end before."""

    lasts: timedelta | None = timedelta(seconds=1)  #: None: until it is told to end
    ending: Ending = field(default_factory=exited)
    obeys_after: timedelta = timedelta()  #: from SIGTERM to its end; beyond its grace it is killed


def entries_of(text: str, *, zone: str = "UTC", host: str = "") -> dict[str, Entry]:
    """The entries of a system table, by label.  Raises `ValueError` if a line is in error."""
    table = parse_table(text, source="table", zone=zone, host=host)
    if table.errors:
        raise ValueError("\n".join(map(str, table.errors)))
    return label_entries([table])


class Simulation:
    """A daemon without a machine: the engine, a fake clock, and a script of what attempts do.

    `loaded` are further attributes of the first `Loaded`, as a restarted daemon would give them.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        start: datetime,
        slots: int = 16,
        script: Callable[[Run, Attempt], Act] = lambda _run, _attempt: Act(),
        chance: float = 0.5,
        **loaded: Any,
    ) -> None:
        self.clock = FakeClock(start)
        self.script = script
        self.chance = chance  #: draws the spread of every retry delay
        self.timeline: list[tuple[datetime, Effect]] = []  #: all but `WakeAt`, which is obeyed
        self.stopped: events.Stopped | None = None
        self.state = State(slots=slots)
        self._acts: dict[str, Act] = {}  # of the attempts that are going, by run
        self._endings: list[tuple[float, int, str, Ending]] = []  # a heap: due, count, run
        self._count = 0
        self.handle(Loaded(moment=self.clock.moment(), entries=entries, **loaded))

    def run_until(self, instant: datetime) -> None:
        """Let time pass, from one wake-up or end of an attempt to the next, up to `instant`."""
        while (wait := self._until_next()) is not None and self.clock.now() + wait <= instant:
            self.clock.advance(wait)
            if self._endings and self._endings[0][0] <= self.clock.monotonic():
                self.finish(*self._endings[0][2:])
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
        self._acts.pop(run, None)
        self._endings = sorted(planned for planned in self._endings if planned[2] != run)
        self.handle(events.AttemptEnded(self.clock.moment(), run, ending, self.chance))

    def reload(self, entries: Mapping[str, Entry]) -> None:
        """Give the engine other tables."""
        self.handle(Loaded(moment=self.clock.moment(), entries=entries))

    def stop(self, *, force: bool = False) -> None:
        """Ask for a stop; `stopped` is set once nothing runs any more."""
        self.handle(events.StopRequested(self.clock.moment(), force))

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Step the engine and perform what it asks for, which is returned too."""
        self.state, effects = step(self.state, event)
        now = event.moment.now
        self.timeline += [
            (now, effect) for effect in effects if not isinstance(effect, events.WakeAt)
        ]
        for effect in effects:
            match effect:
                case Launch():
                    self._play(effect)
                case EndAttempt():
                    self._end(effect)
                case events.Stopped():
                    self.stopped = effect
        return effects

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
        awake, monotonic = self.state.awake, self.clock.monotonic()
        waits = [] if awake.wall is None else [awake.wall - self.clock.now()]
        dues = [awake.monotonic, *(planned[0] for planned in self._endings[:1])]
        waits += [
            timedelta(microseconds=ceil((due - monotonic) * 1e6)) for due in dues if due is not None
        ]
        return max(min(waits), timedelta()) if waits and not self.stopped else None

    def _play(self, launch: Launch) -> None:
        act = self._acts[launch.run.key] = self.script(launch.run, launch.attempt)
        if act.ending.status is not None:
            self._count += 1
            self.handle(events.AttemptStarted(self.clock.moment(), launch.run.key, self._count))
        if act.lasts is not None:
            self._push(launch.run.key, act.lasts.total_seconds(), act.ending)

    def _end(self, effect: EndAttempt) -> None:
        delay = self._acts[effect.run].obeys_after.total_seconds()
        signal = 15 if delay <= effect.grace else 9  # SIGTERM, SIGKILL
        self._push(effect.run, min(delay, effect.grace), killed(signal))

    def _push(self, run: str, delay: float, ending: Ending) -> None:
        """Plan the end of an attempt; the earliest that is planned counts."""
        self._count += 1
        heappush(self._endings, (self.clock.monotonic() + delay, self._count, run, ending))
