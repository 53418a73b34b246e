"""The way of a run: it begins, waits for what it has to, and ends or is tried again."""

from datetime import datetime, timedelta

from cronjob.core import gating, overlap, pool, report, tokens
from cronjob.core.attempt import Attempt
from cronjob.core.draft import Draft
from cronjob.core.entry import Entry
from cronjob.core.events import Finished
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.overlap import Verdict
from cronjob.core.record import Ended
from cronjob.core.retry import GaveUp, NextAttempt, after_failure, retry_before
from cronjob.core.run import Asked, Move, Run, RunState, instant_of, run_key
from cronjob.core.schedule import FireTime
from cronjob.core.waits import Reason

MOST_WAITING = 10  #: runs of one entry, whatever they wait for
VANISHED = "its entry is in no table any more"
ANOTHERS = "its entry is another user's now"
NEXT_CAME = "superseded by the next fire time"
FOR_ITSELF = "it would wait for the run that asked for it"
STOPPING = "the daemon stops"
RECORDED = "it has been recorded before"


def begin(draft: Draft, label: str, fire: FireTime, *, caught_up: bool = False) -> None:
    """A run for a fire time, unless it is known already."""
    number = pass_of(draft, fire.at)
    key = run_key(label, fire.at, number)
    if key in draft.runs or key in draft.recorded:
        return
    entry = draft.entries[label]
    _enter(draft, Run(key, label, entry, fire, pass_number=number, caught_up=caught_up))


def pass_of(draft: Draft, at: datetime) -> int:
    """How often the clock has come to a fire time, with this time."""
    repeated = draft.repeats_until is not None and at <= draft.repeats_until
    return draft.passes if repeated else 1


def begin_anew(draft: Draft, label: str, pass_number: int = 1) -> None:
    """A run of an `@reboot` entry, with a key of its own also on a clock that starts anew."""
    entry, fire = draft.entries[label], _present(draft, draft.entries[label])
    while (key := run_key(label, fire.at, pass_number)) in draft.runs or key in draft.recorded:
        pass_number += 1
    _enter(draft, Run(key, label, entry, fire, pass_number=pass_number))


def _present(draft: Draft, entry: Entry) -> FireTime:
    return fire_time(draft.now.replace(microsecond=0), entry)


def fire_time(at: datetime, entry: Entry) -> FireTime:
    """An instant that no schedule asked for, as a fire time of the entry."""
    return FireTime(at, at.astimezone(entry.schedule.zone).replace(tzinfo=None, fold=0))


def _enter(draft: Draft, run: Run) -> None:
    """A new run sets out; one that comes while the daemon stops is left to the next."""
    if not _is_crowded(draft, run):
        draft.add(run)
        if not draft.stopping:
            set_out(draft, run)


def set_out(draft: Draft, run: Run) -> None:
    """A run whose fire time has come waits for the end of its jitter."""
    run = limited(draft, run)
    delay = run.entry.start_delay  # no more than that: the clock may have gone back since
    wait = min(run.fire.at + delay - draft.now, delay).total_seconds()
    if run.deadline is not None and draft.monotonic >= run.deadline:
        pool.miss(draft, run)
    elif wait > 0:
        run = run.waiting(None, Reason.JITTER, "its jitter", draft.monotonic)
        draft.runs[run.key] = run
        draft.set_timer(run, draft.monotonic + wait)
    else:
        arrive(draft, run)


def begin_asked(draft: Draft, key: str, label: str, asked: Asked) -> None:
    """A run that somebody asked for."""
    entry = draft.entries[label]
    run = Run(key, label, entry, fire_time(instant_of(key), entry), asked=asked, pass_number=0)
    if draft.stopping:
        draft.turn_away(run, RunOutcome.CANCELLED, STOPPING)
    elif run.forced or not _is_crowded(draft, run):
        draft.add(run)
        arrive(draft, run)


def _is_crowded(draft: Draft, run: Run) -> bool:
    """Skip a run when very many of its entry wait; say so of the first that is skipped."""
    keys = draft.of_label.get(run.label, ())
    if len(keys) < MOST_WAITING or run.caught_up:
        return False
    others = (draft.runs[key] for key in keys)
    waiting = sum(o.state is not RunState.RUNNING and not o.caught_up for o in others)
    if waiting < MOST_WAITING:
        return False
    why = f"{waiting} runs of its entry wait already"
    if run.label not in draft.crowded:
        draft.crowded |= {run.label}
        draft.announce(report.skipped(run, why + "; no more is said until one of them starts"))
    draft.turn_away(run, RunOutcome.SKIPPED, why)
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
    if not run.entry.fields.when or run.caught_up:
        return
    for other in draft.others(run):
        due = other.asked is None and not other.caught_up
        if other.state is RunState.GATED and not other.attempts and due:
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
    """Another attempt after this one, or the end of the run.

    A daemon that stops leaves the other attempt to the next one.
    """
    gone = why_gone(draft, run.label, run.entry.user)
    run, outcome, why = reread(draft, run), None, run.last or attempt.why
    if attempt.outcome is Outcome.CANCELLED and not run.last:
        why = STOPPING
    decision = after_failure(run, attempt, draft.now, draft.monotonic, chance)
    if run.last:
        pass  # it was ended for good
    elif isinstance(decision, NextAttempt) and gone:
        draft.announce(report.dropped(run, gone))
        why = gone
    elif isinstance(decision, NextAttempt):
        _plan_retry(draft, run, attempt, decision.delay)
        return
    elif isinstance(decision, GaveUp):
        draft.announce(report.gave_up(run, decision))
        outcome, why = RunOutcome.GAVE_UP, report.GAVE_UP[decision]
    draft.record(Ended(run.key, attempt, draft.now))
    draft.close(run, Move.ENDED, why, outcome)


def _plan_retry(draft: Draft, run: Run, attempt: Attempt, delay: timedelta) -> None:
    at = draft.now + delay
    run = run.waiting(Move.RETRY_PLANNED, Reason.RETRY, next_attempt(run, at), draft.monotonic)
    draft.runs[run.key] = run
    draft.set_timer(run, draft.monotonic + delay.total_seconds())
    draft.record(Ended(run.key, attempt, draft.now, at))
    draft.announce(report.retry_planned(run, attempt, delay, at))


def next_attempt(run: Run, at: datetime) -> str:
    """What a run waits for that will be tried again at that time."""
    return f"attempt {len(run.attempts) + 1} at {at:%H:%M:%S}Z"


def forget(draft: Draft, run: Run) -> None:
    """The run has a record of before, so it does not start; of `@reboot`, another one does."""
    move = Move.DROPPED
    if run.state is RunState.RUNNING:
        run, move = pool.vacate(draft, run, run.attempt), Move.ENDED
    draft.announce(report.skipped(run, RECORDED))
    draft.forget(run, move)
    draft.effects.append(Finished(run, RunOutcome.SKIPPED, RECORDED))
    if run.entry.schedule.reboot and run.asked is None and run.label in draft.entries:
        begin_anew(draft, run.label, run.pass_number + 1)


def why_gone(draft: Draft, label: str, user: str | None) -> str:
    """Why nothing follows of a run that `user` had; empty when it may go on.

    What a run printed is shown to its user, and it has only one.
    """
    entry = draft.entries.get(label)
    if entry is None:
        return VANISHED
    return ANOTHERS if entry.user != user else ""


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
