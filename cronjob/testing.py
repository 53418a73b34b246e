"""Fakes that a test drives: a clock with two hands, a launcher, and a daemon without a machine.

`Simulation` runs the daemon's own engine.  Nothing here reads a clock, sleeps or starts a process:

    simulation = Simulation(entries_of("0 9 * * 1-5 name=open root true"), start=friday_noon)
    simulation.run_until(tuesday)
    assert simulation.starts() == [(monday_nine, "open@2026-03-02T09:00Z", 1)]
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.entry import Entry, label_entries
from cronjob.core.found import Left, Unfinished
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice
from cronjob.core.outcome import RunOutcome
from cronjob.core.record import (
    Begun,
    Change,
    Ended,
    Launching,
    NoticeSent,
    Over,
    Planned,
    Progress,
    Started,
    StoppedInOrder,
)
from cronjob.core.simulation import (
    Act,
    FakeClock,
    Simulation,
    exited,
    killed,
    lost,
    not_started,
)
from cronjob.core.table import parse_table
from cronjob.ports import Command, OnEnd, OnStart

__all__ = [
    "Act",
    "FakeClock",
    "FakeLauncher",
    "MemoryHistory",
    "RecordedRun",
    "Simulation",
    "entries_of",
    "exited",
    "killed",
    "lost",
    "not_started",
]


@dataclass(kw_only=True)
class FakeLauncher:
    """A `ports.Launcher` that starts nothing: it records what it is asked for.

    The test starts and finishes the attempts; the callbacks are told as by a real launcher.
    """

    started: OnStart
    ended: OnEnd
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


@dataclass(kw_only=True)
class RecordedRun:
    """What a history has of one run."""

    key: str
    label: str
    fire: datetime
    nominal: datetime
    pass_number: int
    user: str | None
    caught_up: bool
    begun: datetime
    attempts: dict[int, Attempt] = field(default_factory=dict)  #: by number
    retry_at: datetime | None = None
    outcome: RunOutcome | None = None  #: None: it is not over
    why: str = ""
    over_at: datetime | None = None
    notices: dict[Notice, NoticeSent | None] = field(default_factory=dict)  #: None: not sent yet

    def unfinished(self) -> Unfinished:
        """What the next daemon is told of it."""
        return Unfinished(
            key=self.key,
            label=self.label,
            fire=self.fire,
            nominal=self.nominal,
            pass_number=self.pass_number,
            user=self.user,
            asked=self.pass_number == 0,
            caught_up=self.caught_up,
            attempts=tuple(self.attempts[number] for number in sorted(self.attempts)),
            retry_at=self.retry_at,
        )


class MemoryHistory:
    """A history in memory: what every store has to make of the changes it is told.

    history = MemoryHistory()
    first = Simulation(entries, start=monday, store=history.record)
    first.run_until(tuesday)
    second = Simulation(entries, start=tuesday, store=history.record, left=history.left())
    """

    def __init__(self) -> None:
        self.runs: dict[str, RecordedRun] = {}  #: by key
        self.missed: list[Missed] = []
        self.planned: dict[str, datetime | None] = {}  #: next fire times by schedule
        self.progress: Progress | None = None
        self.stopped: datetime | None = None
        self.interrupted: tuple[str, ...] = ()
        self._claims: set[tuple[str, datetime, int]] = set()
        self._refused: set[str] = set()  # by this daemon; the records are of those before

    def record(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Make these changes; the keys of the runs that are refused."""
        before = set(self._refused)
        for change in changes:
            self._make(change)
        return tuple(sorted(self._refused - before))

    def left(self, uncertain_since: datetime | None = None) -> Left:
        """What the daemon that comes next is told, when the one before has ended."""
        self._refused.clear()
        planned = self.progress.planned if self.progress is not None else None
        return Left(
            progress=self.progress,
            stopped=self.stopped,
            interrupted=self.interrupted,
            unfinished=tuple(run.unfinished() for run in self.runs.values() if not run.outcome),
            recorded=frozenset(
                key for key, run in self.runs.items() if planned is None or run.fire > planned
            ),
            uncertain_since=uncertain_since,
        )

    def _make(self, change: Change) -> None:
        match change:
            case Progress():
                self.progress, self.stopped, self.interrupted = change, None, ()
            case StoppedInOrder(at, interrupted):
                self.stopped, self.interrupted = at, interrupted
            case Missed():
                self.missed.append(change)
            case Planned(schedule, at):
                self.planned[schedule] = at
            case Begun():
                self._begin(change)
            case Launching(run=run):
                self._of_run(run.key, change)
            case Started() | Ended() | Over() | NoticeSent():
                self._of_run(change.run, change)

    def _begin(self, change: Begun) -> None:
        run = change.run
        claim = run.label, run.fire.at, run.pass_number
        if run.key in self.runs or claim in self._claims:
            self._refused.add(run.key)
            return
        self._claims.add(claim)
        self.runs[run.key] = RecordedRun(
            key=run.key,
            label=run.label,
            fire=run.fire.at,
            nominal=run.fire.nominal,
            pass_number=run.pass_number,
            user=run.entry.user,
            caught_up=run.caught_up,
            begun=change.at,
        )

    def _of_run(self, key: str, change: Launching | Started | Ended | Over | NoticeSent) -> None:
        """Change what is known of a run; what has ended does not end again.

        Raises `KeyError` for a run or an attempt that is not recorded.
        """
        if key in self._refused:
            return
        run = self.runs[key]
        match change:
            case Launching(attempt=attempt):
                run.attempts[attempt.number] = attempt
                run.retry_at = None
            case Started(number=number, pid=pid):
                run.attempts[number] = run.attempts[number]._replace(pid=pid)
            case Ended(attempt=attempt, retry_at=retry_at):
                if run.attempts[attempt.number].outcome is None:
                    run.attempts[attempt.number], run.retry_at = attempt, retry_at
            case Over() if run.outcome is None:
                run.outcome, run.why, run.over_at = change.outcome, change.why, change.at
                run.retry_at = None
                run.notices.update(dict.fromkeys(change.notices))
            case NoticeSent(kind=kind):
                for notice in run.notices:
                    if notice.kind == kind:
                        run.notices[notice] = change


def entries_of(text: str, *, zone: str | tzinfo = "UTC", host: str = "") -> dict[str, Entry]:
    """The entries of a system table, by label.  Raises `ValueError` if a line is in error."""
    table = parse_table(text, source="table", zone=zone, host=host)
    if table.errors:
        raise ValueError("\n".join(map(str, table.errors)))
    return label_entries([table])
