"""What a daemon is doing, as it is shown to who asks: what runs, what waits, what comes next."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from cronjob.core.attempt import Attempt
from cronjob.core.events import Moment
from cronjob.core.pool import place_of
from cronjob.core.report import Priority, Report
from cronjob.core.request import Asker
from cronjob.core.run import Run, RunState
from cronjob.core.state import State
from cronjob.core.waits import Reason
from cronjob.core.words import counted

ROWS = 1000  #: of a kind are shown at most; the rest is counted
UPCOMING = 10  #: fire times are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """An unfinished run."""

    run: str  #: key
    entry: str  #: label
    source: str  #: the file that its entry stands in
    user: str | None
    state: str  #: of the run
    since: datetime  #: UTC: when this began
    seconds: float  #: how long it has been so, by the monotonic clock
    reason: str  #: why it waits, or why it is being ended; empty when it runs
    attempt: int | None = None  #: number of the latest one
    pid: int | None = None  #: of the attempt that is going
    slots: int = 0  #: that it holds of its own
    tokens: int = 0  #: that its command took besides
    offered: int = 0  #: tokens, 0 or 1, that its command may take
    ahead: int | None = None  #: runs that get slots first; None: it does not wait for slots
    retry_at: datetime | None = None  #: UTC: when its next attempt starts, if it waits for that


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """The next fire time of an entry."""

    at: datetime  #: UTC, without the jitter
    entry: str  #: label


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A daemon at one moment, as one asker may see it."""

    now: datetime
    stopping: bool
    entries: int  #: of the asker
    slots: int  #: size of the pool
    slots_used: int  #: by everybody
    running: tuple[RunStatus, ...]  #: the longest first, `ROWS` at most
    waiting: tuple[RunStatus, ...]
    running_count: int
    waiting_count: int
    upcoming: tuple[Upcoming, ...]  #: `UPCOMING` at most


def summary(state: State) -> str:
    """A daemon in half a line: `12 entries, 1 running, 2 waiting`."""
    running = sum(run.state is RunState.RUNNING for run in state.runs.values())
    entries = counted(len(state.entries), "entry", "entries")
    return f"{entries}, {running} running, {len(state.runs) - running} waiting"


def loaded(what: str, state: State, tables: int) -> Report:
    """What a daemon that has `started` or `reloaded` has in effect."""
    at = state.timetable.next_at
    following = f"the next fire time is {at:%F %T}Z" if at else "nothing is planned"
    entries = counted(len(state.entries), "entry", "entries")
    read = f"{entries} of {counted(tables, 'table')}, {counted(state.slots, 'slot')}"
    return Report(what, Priority.INFO, f"{what}: {read}, {following}")


def status(state: State, moment: Moment, asker: Asker) -> Status:
    """What the asker may see of the state: all of the pool, and of the runs those it owns."""
    own = [run for run in state.runs.values() if asker.owns(run.entry)]
    running = [run for run in own if run.state is RunState.RUNNING]
    waiting = [run for run in own if run.state is not RunState.RUNNING]
    unbegun = sum(asker.owns(state.entries[label]) for _, label in state.burst)
    entries = state.entries.values()
    return Status(
        now=moment.now,
        stopping=state.stopping,
        entries=len(entries) if asker.everything else sum(map(asker.owns, entries)),
        slots=state.slots,
        slots_used=state.slots_used,
        running=_longest_first(running, moment),
        waiting=_with_prospects(_longest_first(waiting, moment), state, moment),
        running_count=len(running),
        waiting_count=len(waiting) + unbegun,
        upcoming=tuple(islice(_upcoming(state, asker), UPCOMING)),
    )


def run_status(run: Run, moment: Moment) -> RunStatus:
    """How it stands with one run."""
    going = run.attempt if run.state is RunState.RUNNING else None
    reason, since = _ending(run, going) if going else _waiting(run, moment)
    seconds = max(moment.monotonic - since, 0.0)
    return RunStatus(
        run=run.key,
        entry=run.label,
        source=run.entry.source,
        user=run.entry.user,
        state=str(run.state),
        since=moment.now - timedelta(seconds=seconds),
        seconds=seconds,
        reason=reason,
        attempt=len(run.attempts) or None,
        pid=going.pid if going else None,
        slots=run.holding.slots,
        tokens=run.holding.taken,
        offered=run.holding.offered,
    )


def _longest_first(runs: list[Run], moment: Moment) -> tuple[RunStatus, ...]:
    rows = sorted((run_status(run, moment) for run in runs), key=lambda row: -row.seconds)
    return tuple(rows[:ROWS])


def _with_prospects(
    rows: Iterable[RunStatus], state: State, moment: Moment
) -> tuple[RunStatus, ...]:
    """The rows of runs that wait, with what is known of when each of them starts."""
    retries = {
        timer.run: moment.now + timedelta(seconds=timer.due - moment.monotonic)
        for timer in state.timers
        if timer.state is RunState.BACKING_OFF and timer.is_about(state.runs.get(timer.run))
    }
    return tuple(_with_prospect(row, state, retries) for row in rows)


def _with_prospect(row: RunStatus, state: State, retries: Mapping[str, datetime]) -> RunStatus:
    run = state.runs[row.run]
    if run.state is RunState.READY and run.wait is not None and run.wait.reason is Reason.SLOTS:
        place = place_of(run)
        ahead = bisect_left(state.ready, place) + bisect_left(state.recalled, place)
        return replace(row, ahead=ahead)
    retry_at = retries.get(row.run)
    return row if retry_at is None else replace(row, retry_at=retry_at)


def _ending(run: Run, attempt: Attempt) -> tuple[str, float]:
    """Why the attempt is being ended, if it is, and since when it goes (monotonic seconds)."""
    reason = f"being ended: {run.stop_reason}" if run.stop_reason else ""
    return reason, attempt.launched_monotonic


def _waiting(run: Run, moment: Moment) -> tuple[str, float]:
    """Why the run waits, and since when (monotonic seconds)."""
    if run.wait is None:
        return "is about to start", moment.monotonic
    return f"waits for {run.wait.what}", run.wait.since


def _upcoming(state: State, asker: Asker) -> Iterator[Upcoming]:
    for at, node in state.timetable.upcoming():
        for label in node.labels:
            if label in state.entries and asker.owns(state.entries[label]):
                yield Upcoming(at=at, entry=label)
