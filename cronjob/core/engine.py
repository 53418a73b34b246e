"""One event -> the next state and the effects to perform.

`step` is pure: it reads no clock and changes nothing it was given, so the daemon, a simulation
and a test all run the very same engine.  What leaves it is a new state and a tuple of effects, in
the order in which they are to be performed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from cronjob.core import admission, gating, policy, pool, report, tokens
from cronjob.core.admission import STOPPING, VANISHED
from cronjob.core.draft import Draft
from cronjob.core.entry import Entry
from cronjob.core.events import (
    AttemptEnded,
    AttemptStarted,
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
from cronjob.core.missed import Absence, Missed
from cronjob.core.run import Asked, Move, Outcome, Run, RunState, ended
from cronjob.core.schedule import FireTime
from cronjob.core.state import State
from cronjob.core.timetable import Taken
from cronjob.core.words import seconds

_EACH_SLOT = 2  # due runs that a step begins, if that is more than a batch
_INSTANT = timedelta(microseconds=1)
_SHORTEST = timedelta(minutes=1)  # between two fire times of a schedule
_REFUSED = "its entry is refused now"


def step(state: State, *events: Event) -> tuple[State, tuple[Effect, ...]]:
    """Apply an event, or several of the same moment: what they free is granted once, at the end."""
    draft = Draft(state, events[0].moment)
    _look_at_the_clocks(draft)
    for event in events:
        _apply(draft, event)
    admission.settle(draft)
    return draft.finish()


def _apply(draft: Draft, event: Event) -> None:
    draft.stirred |= not isinstance(event, AttemptStarted)
    match event:
        case Loaded():
            _load(draft, event)
        case Woken():
            _catch_up(draft)
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
    _begin_all(draft, now - by)  # what it made due before is no news to it
    if by > timedelta():
        return  # what it jumped over is due now, and late
    _go_back(draft, taken=seen.now, shown=now - by)


def _go_back(draft: Draft, *, taken: datetime, shown: datetime) -> None:
    """The clock stands before what it has shown, and fire times up to `taken` have been taken.

    Wildcard schedules follow it; fixed ones wait until it is made up for.
    """
    draft.passes += 1
    draft.repeats_until = max(taken, draft.repeats_until or taken)
    high_water = max(shown, draft.high_water or shown)
    quiet = policy.back_band(high_water - draft.now).fixed is policy.Plan.KEPT
    draft.high_water = high_water if quiet else None
    draft.timetable = draft.timetable.replanned(draft.now, wildcards_only=quiet)


def _catch_up(draft: Draft, *, resuming: bool = False) -> None:
    """Start what is due by either clock; `resuming`: what a restart delayed is not late."""
    admission.run_timers(draft)
    if not draft.stopping:
        since = draft.timetable.next_at
        missed = _take_due(draft, resuming)
        _begin_some(draft)
        if since is not None:
            _report_missed(draft, missed, since, draft.now)


def _begin_some(draft: Draft) -> None:
    """Begin what may start at once, and a little more; the rest of a burst waits for its turn."""
    most = max(draft.batch, _EACH_SLOT * draft.slots)
    batch, draft.burst = draft.burst[:most], draft.burst[most:]
    _begin_in_order(draft, batch)
    draft.timetable = draft.timetable.follow(most)


def _begin_all(draft: Draft, shown: datetime) -> None:
    """Begin the rest of a burst, by a clock that shows this, before anything else changes."""
    draft.timetable = draft.timetable.follow(len(draft.timetable.lifted))
    if draft.stopping or not draft.burst:
        return
    now, draft.now = draft.now, shown
    burst, draft.burst = draft.burst, ()
    _begin_in_order(draft, burst)
    draft.now = now


def _begin_in_order(draft: Draft, batch: Iterable[tuple[FireTime, str]]) -> None:
    """Of what is due at the same time, what stands first begins first; the line does the rest."""
    for fire, label in sorted(batch, key=lambda start: _order(draft, *start)[1:]):
        admission.begin(draft, label, fire)


def _take_due(draft: Draft, resuming: bool) -> Sequence[Missed | None]:
    """Put what has come into the burst; what of it is missed."""
    now, earliest = draft.now, draft.timetable.next_at
    if earliest is None or earliest > now:
        return ()
    draft.remembers = True
    if now - earliest < _SHORTEST:
        known = len(draft.timetable.lifted)
        draft.timetable = draft.timetable.lift(now)
        lifted = draft.timetable.lifted[known:]
        _enqueue(draft, [(n.fire, label) for n in lifted if n.fire for label in n.labels])
        return ()
    return _take_what_is_late(draft, earliest, timedelta() if resuming else now - earliest)


def _take_what_is_late(
    draft: Draft, earliest: datetime, late: timedelta
) -> Sequence[Missed | None]:
    """Of what has come long ago, only what the bands allow; the rest is missed."""
    now = draft.now
    draft.timetable, taken = draft.timetable.take(now)
    starts: list[tuple[FireTime, str]] = []
    passed: list[tuple[Taken, datetime]] = []
    for one in taken:
        decision = policy.due(one.node.schedule, one.fire, now, late, alone=one.alone)
        starts += [(fire, label) for fire in decision.starts for label in one.node.labels]
        if decision.missed:
            passed.append((one, decision.starts[0].at - _INSTANT if decision.starts else now))
    _enqueue(draft, starts)
    _begin_all(draft, now)  # of several runs of an entry, overlap= decides before one starts
    why = f"woken {seconds(late.total_seconds())} late"
    absence = Absence(earliest - _INSTANT, now, why)
    return [
        absence.missed(one.node.schedule, one.node.labels, one.fire.at - _INSTANT, until)
        for one, until in passed
    ]


def _enqueue(draft: Draft, starts: Iterable[tuple[FireTime, str]]) -> None:
    draft.burst += tuple(sorted(starts, key=lambda start: _order(draft, *start)))


def _order(draft: Draft, fire: FireTime, label: str) -> tuple[int, datetime, str, int]:
    """As the line has it: the highest priority first, then by time and place."""
    entry = draft.entries[label]
    return -entry.fields.priority, fire.at, entry.source, entry.line


def _report_missed(
    draft: Draft, found: Iterable[Missed | None], since: datetime, until: datetime
) -> None:
    """One line for all that was missed, with a row for each schedule."""
    rows = tuple(row for row in found if row is not None)
    if rows:
        entries = sum(len(row.labels) for row in rows)
        draft.announce(report.missed(len(rows), entries, since, until, rows[0].why), rows)


# -- tables --------------------------------------------------------------------------------------


def _load(draft: Draft, event: Loaded) -> None:
    """Take over the entries of the tables; the first time, also what a restart needs."""
    first = draft.before.seen is None
    draft.slots = event.slots or draft.slots
    if not first:
        _catch_up(draft)  # what is due by the old tables starts by the old tables
        _begin_all(draft, draft.now)
        admission.settle(draft)
    draft.entries = {label: e for label, e in event.entries.items() if _fits(draft, label, e)}
    _plan(draft, event, first)
    _carry_over(draft, event)
    if event.reboot:
        starting = [label for label, e in draft.entries.items() if e.schedule.reboot]
    else:
        starting = [label for label in event.interrupted if label in draft.entries]
    for label in starting:
        admission.begin(draft, label, _present(draft.now, draft.entries[label]))
    for waiting in event.waiting:
        if waiting.label not in draft.entries:
            draft.announce(report.waiting_vanished(waiting.label, waiting.at))
        elif waiting.label not in starting:
            admission.begin(draft, waiting.label, FireTime(waiting.at, waiting.nominal))
    _catch_up(draft, resuming=first)
    draft.remembers |= first


def _plan(draft: Draft, event: Loaded, first: bool) -> None:
    """Put the entries into the timetable, and say what is missed by that."""
    going_on = policy.resume(event.planned if first else None, event.stopped, draft.now)
    draft.timetable, skipped = draft.timetable.planned(draft.entries, going_on.after)
    if (since := going_on.missed_since) is not None:
        absence = Absence(since, going_on.after, "no daemon was running")
        nodes = draft.timetable.nodes.values()
        rows = [absence.missed(node.schedule, node.labels) for node in nodes]
        _report_missed(draft, rows, since, going_on.after)
    if going_on.after - draft.now >= policy.STEP:
        draft.announce(report.clock_behind(going_on.after - draft.now))
        _go_back(draft, taken=going_on.after, shown=going_on.after)
    if skipped:
        since = min(one.since for one in skipped)
        absence = Absence(since, draft.now, "the rules of their time zone changed")
        rows = [absence.missed(one.node.schedule, one.node.labels, one.since) for one in skipped]
        _report_missed(draft, rows, since, draft.now)


def _present(now: datetime, entry: Entry) -> FireTime:
    return _at(now.replace(microsecond=0), entry)


def _at(at: datetime, entry: Entry) -> FireTime:
    return FireTime(at, at.astimezone(entry.schedule.zone).replace(tzinfo=None, fold=0))


def _carry_over(draft: Draft, event: Loaded) -> None:
    """What runs goes on untouched; what waits starts as its entry reads now, or not at all."""
    for run in list(draft.runs.values()):
        if run.state is RunState.RUNNING:
            continue
        if run.label in draft.entries:
            _go_on(draft, run)
        else:
            draft.drop(run, _REFUSED if run.label in event.entries else VANISHED)
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
    if draft.stopping:
        if run.entry.schedule.reboot and by_the_stop:
            draft.interrupted = (*draft.interrupted, run.label)
        draft.close(run, Move.ENDED, run.last or STOPPING)
    else:
        admission.follow(draft, run, attempt, event.chance)


# -- what people ask for --------------------------------------------------------------------------


def _begin_asked(draft: Draft, event: RunRequested) -> None:
    _begin_all(draft, draft.now)
    draft.last_asked = event.key
    entry = draft.entries.get(event.label)
    if entry is None:
        draft.announce(report.unknown_label(event.label))
    elif event.key not in draft.runs:
        fire, asked = _at(draft.now, entry), Asked(event.force, event.lender)
        admission.begin_asked(draft, event.key, event.label, fire, asked)


def _kill(draft: Draft, event: KillRequested) -> None:
    _begin_all(draft, draft.now)
    for key in event.runs:
        if (run := draft.runs.get(key)) is not None:
            admission.kill(draft, run, event.by)


# -- the end -------------------------------------------------------------------------------------


def _begin_to_stop(draft: Draft, force: bool) -> None:
    """Launch nothing more and end what runs; a second request leaves no grace."""
    running = draft.running()
    force = force or draft.stopping
    waiting = len(draft.runs) - len(running) + len(draft.burst)
    draft.announce(report.stopping(len(running), waiting, force))
    earliest = draft.timetable.next_at
    if not draft.stopping and (earliest is None or earliest > draft.now):
        draft.remembers = True  # the next daemon is not to look at what was idle time
    draft.stopping = True
    for run in running:
        grace = 0.0 if force else run.entry.fields.grace.total_seconds()
        draft.end(run, Outcome.CANCELLED, grace)
    for run in list(draft.runs.values()):
        if run.attempts and run.state is not RunState.RUNNING:
            draft.drop(run, "the daemon stops before its next attempt")
        elif run.asked is not None and not run.attempts:
            draft.drop(run, STOPPING)  # whoever asked for it is told, and may ask again
