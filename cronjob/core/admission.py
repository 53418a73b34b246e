"""The way of a run: it begins, waits for what it has to, and ends or is tried again."""

from cronjob.core import gating, overlap, pool, report, tokens
from cronjob.core.draft import Draft
from cronjob.core.entry import Entry
from cronjob.core.overlap import Verdict
from cronjob.core.retry import GaveUp, NextAttempt, after_failure, retry_before
from cronjob.core.run import (
    Asked,
    Attempt,
    Move,
    Outcome,
    Run,
    RunOutcome,
    RunState,
    run_key,
)
from cronjob.core.schedule import FireTime
from cronjob.core.waits import Reason

MOST_WAITING = 10  #: runs of one entry, whatever they wait for
VANISHED = "its entry is in no table any more"
NEXT_CAME = "superseded by the next fire time"
FOR_ITSELF = "it would wait for the run that asked for it"
STOPPING = "the daemon stops"


def begin(draft: Draft, label: str, fire: FireTime) -> None:
    """A run for a fire time, unless it is known already."""
    repeated = draft.repeats_until is not None and fire.at <= draft.repeats_until
    key = run_key(label, fire.at, draft.passes if repeated else 1)
    if key in draft.runs:
        return
    run = Run(key=key, label=label, entry=draft.entries[label], fire=fire)
    if _is_crowded(draft, run):
        return
    draft.add(run)
    run = limited(draft, run)
    wait = (fire.at + run.entry.start_delay - draft.now).total_seconds()
    if run.deadline is not None and draft.monotonic >= run.deadline:
        pool.miss(draft, run)
    elif wait > 0:
        run = run.waiting(None, Reason.JITTER, "its jitter", draft.monotonic)
        draft.runs[key] = run
        draft.set_timer(run, draft.monotonic + wait)
    else:
        arrive(draft, run)


def begin_asked(draft: Draft, key: str, label: str, fire: FireTime, asked: Asked) -> None:
    """A run that somebody asked for."""
    run = Run(key=key, label=label, entry=draft.entries[label], fire=fire, asked=asked)
    if draft.stopping:
        draft.finished(run, RunOutcome.CANCELLED, STOPPING)
    elif run.forced or not _is_crowded(draft, run):
        draft.add(run)
        arrive(draft, run)


def _is_crowded(draft: Draft, run: Run) -> bool:
    """Skip a run when very many of its entry wait; say so of the first that is skipped."""
    keys = draft.of_label.get(run.label, ())
    if len(keys) < MOST_WAITING:
        return False
    waiting = sum(draft.runs[key].state is not RunState.RUNNING for key in keys)
    if waiting < MOST_WAITING:
        return False
    why = f"{waiting} runs of its entry wait already"
    if run.label not in draft.crowded:
        draft.crowded |= {run.label}
        draft.announce(report.skipped(run, why + "; no more is said until one of them starts"))
    draft.finished(run, RunOutcome.SKIPPED, why)
    return True


def arrive(draft: Draft, run: Run) -> None:
    """The time of the run has come: others of its entry, then gates, then slots may hold it."""
    if run.asked is None:
        _supersede_at_gates(draft, run)
    run = overlap.supersede(draft, run)
    match overlap.judged(draft, run):
        case Verdict.SKIP:
            draft.skip(run, overlap.GOING)
        case Verdict.HOLD if overlap.waits_for_itself(draft, run):
            draft.skip(run, FOR_ITSELF)
        case Verdict.HOLD if overlap.is_queued(run):
            gating.hold_back(draft, run)
        case _:
            gating.approach(draft, run)


def _supersede_at_gates(draft: Draft, run: Run) -> None:
    """At most one run of an entry waits for a gate."""
    if not run.entry.fields.when:
        return
    for other in draft.others(run):
        if other.state is RunState.GATED and not other.attempts and other.asked is None:
            draft.skip(other, NEXT_CAME)


def run_timers(draft: Draft) -> None:
    """Do what the monotonic clock has brought."""
    while (timer := draft.due_timer()) is not None:
        run = draft.runs[timer.run]
        if run.state is RunState.RUNNING:
            draft.end(run, Outcome.TIMED_OUT, run.entry.fields.grace.total_seconds())
        elif draft.stopping:
            pass  # it is left to the next daemon
        elif timer.state is None:
            pool.miss(draft, run)
        elif run.attempts:
            if not pool.close_if_over(draft, run):
                gating.approach(draft, run)
        else:
            arrive(draft, run)
    if not draft.stopping:
        gating.look_again(draft)


def follow(draft: Draft, run: Run, attempt: Attempt, chance: float) -> None:
    """Another attempt after this one, or the end of the run."""
    run = reread(draft, run)
    if run.last:
        draft.close(run, Move.ENDED, run.last)
        return
    decision, why = after_failure(run, attempt, draft.now, draft.monotonic, chance), attempt.why
    if isinstance(decision, NextAttempt) and run.label not in draft.entries:
        draft.announce(report.dropped(run, VANISHED))
        why = VANISHED
    elif isinstance(decision, NextAttempt):
        run = run.waiting(Move.RETRY_PLANNED, Reason.RETRY, "its next attempt", draft.monotonic)
        draft.runs[run.key] = run
        draft.set_timer(run, draft.monotonic + decision.delay.total_seconds())
        at = draft.now + decision.delay
        draft.announce(report.retry_planned(run, attempt, decision.delay, at))
        return
    elif isinstance(decision, GaveUp):
        draft.announce(report.gave_up(run, decision))
        why = report.GAVE_UP[decision]
    draft.close(run, Move.ENDED, why)


def reread(draft: Draft, run: Run) -> Run:
    """The run as its entry reads now: what was corrected holds for all that is to start."""
    entry = draft.entries.get(run.label, run.entry)
    if entry is run.entry:
        return run
    before = run.retry_before
    if run.attempts and run.asked is None:
        before = retry_before(entry, run.fire.at, run.attempts[0].launched)
    return run._replace(entry=entry, retry_before=before)


def limited(draft: Draft, run: Run) -> Run:
    """The run with the deadline of its entry as it reads now, and a timer for it."""
    due = _deadline(draft, run.entry, run.fire) if run.asked is None else None
    if due == run.deadline:
        return run
    draft.runs[run.key] = run = run._replace(deadline=due)
    if due is not None:
        draft.set_timer(run, due, deadline=True)
    return run


def _deadline(draft: Draft, entry: Entry, fire: FireTime) -> float | None:
    """Monotonic seconds after which a first attempt may not start."""
    allowed = entry.fields.deadline
    if allowed is None:
        return None
    return draft.monotonic + (fire.at + entry.start_delay + allowed - draft.now).total_seconds()


def kill(draft: Draft, run: Run, by: str) -> None:
    """End a run for good, as somebody wishes."""
    why = f"killed by {by}"
    if run.state is not RunState.RUNNING:
        draft.drop(run, why)
        return
    draft.announce(report.killed(run, by))
    draft.end(run, Outcome.CANCELLED, run.entry.fields.grace.total_seconds(), why)


def settle(draft: Draft) -> None:
    """Start and let go on whatever may, after all that happened in this step."""
    while True:
        while draft.loosened and not draft.stopping:
            label = next(iter(draft.loosened))
            del draft.loosened[label]
            release(draft, label)
        pool.dispatch(draft)
        if draft.stopping or not (draft.loosened or draft.fresh or draft.roomier):
            break
    tokens.settle(draft)
    pool.watch(draft)
    gating.ask(draft)


def release(draft: Draft, label: str) -> None:
    """Those of its runs go on that no earlier run holds any more."""
    for key in draft.of_label.get(label, ()):
        run = draft.runs.get(key)
        if run is None or run.state is not RunState.HELD:
            continue
        match overlap.judged(draft, run):
            case Verdict.SKIP:
                draft.skip(run, overlap.GOING)
            case Verdict.HOLD:
                pass
            case Verdict.START:
                gating.approach(draft, run)
