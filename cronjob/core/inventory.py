"""All that is unfinished, told to a history that has lost it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cronjob.core.attempt import Attempt
from cronjob.core.record import Begun, Change, Ended, Launching, Started
from cronjob.core.run import Run, RunState
from cronjob.core.state import State


def inventory(state: State) -> tuple[Change, ...]:
    """The progress, and every unfinished run with its attempts."""
    changes = [change for run in state.runs.values() for change in _of_run(state, run)]
    return (*([state.progress] if state.progress else []), *changes)


def _of_run(state: State, run: Run) -> Iterator[Change]:
    assert state.seen is not None, "runs come of events"
    yield Begun(run, state.seen.now)
    for attempt in run.attempts:
        yield Launching(run, _at_its_start(attempt))
        if attempt.pid is not None:
            yield Started(run.key, attempt.number, attempt.pid)
        if attempt.outcome is not None:
            latest = attempt.number == run.attempt.number
            at = attempt.launched + timedelta(seconds=attempt.seconds)
            yield Ended(run.key, attempt, at, _retry_at(state, run) if latest else None)


def _at_its_start(attempt: Attempt) -> Attempt:
    return attempt._replace(
        pid=None, outcome=None, code=None, signal=None, seconds=0.0, ending=None
    )


def _retry_at(state: State, run: Run) -> datetime:
    """When its next attempt comes; now, if it waits for more than its delay already."""
    assert state.seen is not None, "runs come of events"
    if run.state is RunState.BACKING_OFF:
        for timer in state.timers:
            if timer.run == run.key and timer.state is RunState.BACKING_OFF:
                return state.seen.now + timedelta(seconds=timer.due - state.seen.monotonic)
    return state.seen.now
