"""One event -> the next state and the effects to perform.

`step` is pure: it reads no clock and changes nothing it was given, so the daemon, a simulation
and a test all run the very same engine.  What leaves it is a new state and a tuple of effects, in
the order in which they are to be performed.
"""

from datetime import timedelta
from typing import assert_never

from cronjob.core import (
    admission,
    firing,
    gating,
    policy,
    pool,
    renaming,
    report,
    restore,
    tokens,
)
from cronjob.core.admission import STOPPING
from cronjob.core.attempt import ended
from cronjob.core.draft import Draft
from cronjob.core.entry import Entry
from cronjob.core.events import (
    AttemptEnded,
    AttemptStarted,
    ClaimRefused,
    Effect,
    Event,
    KillRequested,
    Loaded,
    Measured,
    RunRequested,
    StopRequested,
    TokensReturned,
    TokenTaken,
    TokenWithdrawn,
    Woken,
)
from cronjob.core.found import Left
from cronjob.core.outcome import Outcome
from cronjob.core.record import Started
from cronjob.core.run import Asked, Run, RunState
from cronjob.core.state import State

_REFUSED = "its entry is refused now"


def step(state: State, *events: Event) -> tuple[State, tuple[Effect, ...]]:
    """Apply an event, or several of the same moment: what they free is granted once, at the end."""
    draft = Draft(state, events[0].moment)
    _look_at_the_clocks(draft)
    for event in events:
        _apply(draft, event)
    admission.settle(draft)
    if draft.stopping and not (draft.before.stopped or draft.running()):
        _end(draft)
    return draft.finish()


def _apply(draft: Draft, event: Event) -> None:
    draft.stirred |= not isinstance(event, AttemptStarted)
    match event:
        case Loaded():
            _load(draft, event)
        case Woken():
            firing.start_due(draft)
        case AttemptStarted():
            _note_start(draft, event)
        case AttemptEnded():
            _judge(draft, event)
        case StopRequested():
            _begin_to_stop(draft, event.force)
        case RunRequested():
            _begin_asked(draft, event)
        case KillRequested():
            _kill(draft, event)
        case TokenTaken():
            tokens.taken(draft, event)
        case TokensReturned():
            tokens.returned(draft, event)
        case TokenWithdrawn():
            tokens.withdrawn(draft, event)
        case Measured():
            if not draft.stopping:
                gating.measured(draft, event.readings)
        case ClaimRefused():
            _forget(draft, event)
        case _:
            assert_never(event)


def _look_at_the_clocks(draft: Draft) -> None:
    """What a difference between the two clocks means."""
    seen, now = draft.before.seen, draft.now
    if seen is None:
        return
    elapsed = timedelta(seconds=draft.monotonic - seen.monotonic)
    by = (now - seen.now) - elapsed
    if abs(by) < policy.STEP:
        return
    draft.announce(report.clock_stepped(by))
    firing.begin_all(draft, now - by)  # what it made due before is no news to it
    if by > timedelta():
        return  # what it jumped over is due now, and late
    if draft.stopping:
        return  # nothing is planned any more; the next daemon finds the clock set back
    firing.go_back(draft, taken=seen.now, shown=now - by)


# -- tables --------------------------------------------------------------------------------------


def _load(draft: Draft, event: Loaded) -> None:
    """Take over the entries of the tables; the first time, also what a restart needs."""
    first = draft.before.seen is None
    draft.slots = event.slots or draft.slots
    if not first:
        firing.start_due(draft)  # what is due by the old tables starts by the old tables
        firing.begin_all(draft, draft.now)
        admission.settle(draft)
    draft.entries = {label: e for label, e in event.entries.items() if _fits(draft, label, e)}
    draft.hooks = event.hooks
    left = event.left or Left()
    if first:
        restore.progress(draft, left)
        late = firing.resume(draft, left, event.since)
        restore.runs(draft, left, booted=event.reboot)
        firing.make_up(draft, late)
    else:
        renaming.follow(draft, event.renamed)
        firing.replan(draft)
        _carry_over(draft, event)
    firing.start_due(draft)


def _carry_over(draft: Draft, event: Loaded) -> None:
    """What runs goes on untouched; what waits starts as its entry reads now, or not at all."""
    for run in list(draft.runs.values()):
        if run.state is RunState.RUNNING:
            continue
        refused = run.label in event.entries and run.label not in draft.entries
        gone = _REFUSED if refused else admission.why_gone(draft, run.label, run.entry.user)
        if gone:
            draft.drop(run, gone)
        else:
            _go_on(draft, run)
    draft.roomier.update(draft.aside)  # the shares may have grown
    draft.stirred = True  # who stands in line may need fewer slots now


def _go_on(draft: Draft, run: Run) -> None:
    """A run that waits, by its entry as it reads now."""
    before = run.entry.fields.deadline
    draft.runs[run.key] = run = admission.reread(draft, run)
    if not run.attempts and run.entry.fields.deadline != before:
        run = admission.limited(draft, run)
    if run.state is RunState.HELD:
        draft.loosened[run.label] = None
    elif run.state is RunState.GATED:
        draft.to_measure = True


def _fits(draft: Draft, label: str, entry: Entry) -> bool:
    if entry.slots <= draft.slots:
        return True
    why = f"it wants {entry.slots} slots, the pool has {draft.slots}"
    draft.announce(report.refused(label, entry, why))
    return False


# -- attempts ------------------------------------------------------------------------------------


def _note_start(draft: Draft, event: AttemptStarted) -> None:
    """Note the process of an attempt."""
    if (run := _running(draft, event.run)) is not None:
        draft.runs[run.key] = _started(draft, run, event.pid, event.note)


def _running(draft: Draft, key: str) -> Run | None:
    """The run, if an attempt of it runs."""
    run = draft.runs.get(key)
    return run if run is not None and run.state is RunState.RUNNING else None


def _started(draft: Draft, run: Run, pid: int, note: str) -> Run:
    """The run whose attempt has this process."""
    attempt = run.attempt._replace(pid=pid)
    run = run.with_attempt(attempt, run.stop_reason)
    draft.note(Started(run.key, attempt.number, pid))
    draft.announce(report.attempt_started(run, attempt, note))
    return run


def _judge(draft: Draft, event: AttemptEnded) -> None:
    """Judge an attempt that is over, free its slots, and decide what follows."""
    if (run := _running(draft, event.run)) is None:
        return
    if event.pid is not None and run.attempt.pid is None:
        run = _started(draft, run, event.pid, event.note)
    ok = run.entry.fields.ok
    attempt = ended(run.attempt, event.ending, run.stop_reason, draft.monotonic, ok)
    by_the_stop = run.stop_reason is Outcome.CANCELLED and not run.last
    run = pool.vacate(draft, run, attempt)
    pool.note_an_end(draft)
    draft.announce(report.attempt_ended(run, attempt))
    admission.follow(draft, run, attempt, event.chance)
    if draft.stopping and by_the_stop and run.entry.schedule.reboot and run.key not in draft.runs:
        draft.interrupted = (*draft.interrupted, run.label)


def _forget(draft: Draft, event: ClaimRefused) -> None:
    """Runs that were recorded before do not start; their record is that of before."""
    for key in event.runs:
        if (run := draft.runs.get(key)) is not None:
            admission.forget(draft, run)


# -- what people ask for --------------------------------------------------------------------------


def _begin_asked(draft: Draft, event: RunRequested) -> None:
    firing.begin_all(draft, draft.now)
    draft.last_asked = event.key
    entry = draft.entries.get(event.label)
    if entry is None:
        draft.announce(report.unknown_label(event.label))
    elif event.key not in draft.runs:
        admission.begin_asked(draft, event.key, event.label, Asked(event.force, event.lender))


def _kill(draft: Draft, event: KillRequested) -> None:
    firing.begin_all(draft, draft.now)
    for key in event.runs:
        if (run := draft.runs.get(key)) is not None:
            admission.kill(draft, run, event.by)


# -- the end -------------------------------------------------------------------------------------


def _begin_to_stop(draft: Draft, force: bool) -> None:
    """Launch nothing more and end what runs; a second request leaves no grace."""
    running = draft.running()
    force = force or draft.stopping
    waiting = sum(not run.attempts for run in draft.runs.values()) + len(draft.burst)
    retries = len(draft.runs) + len(draft.burst) - waiting - len(running)
    draft.announce(report.stopping(len(running), waiting, retries, force))
    draft.stopping = True
    draft.progress_due = True  # the next daemon is not to look at what was idle time
    _leave(draft)
    for run in running:
        grace = 0.0 if force else run.entry.fields.grace.total_seconds()
        draft.end(run, Outcome.CANCELLED, grace)
    for run in list(draft.runs.values()):
        if run.asked is not None and not run.attempts:
            draft.drop(run, STOPPING)  # whoever asked for it is told, and may ask again


def _leave(draft: Draft) -> None:
    """Have what is due and has not begun recorded, for the next daemon to start."""
    firing.begin_in_order(draft, draft.burst)
    draft.burst = ()
    firing.follow(draft, len(draft.timetable.lifted))


def _end(draft: Draft) -> None:
    """Nothing runs any more: what fell due since the stop began is left to the next daemon."""
    draft.progress_due = True
    due = draft.timetable.next_at
    if due is not None and due <= draft.now:
        firing.take_due(draft, resuming=draft.now - due <= policy.LONG)
        _leave(draft)
