"""What the daemon before left goes on: its plan, its waiting runs, its retries, its lost attempts.

All of it has its record already; what is recorded here is only what becomes of it.
"""

from datetime import datetime, timedelta

from cronjob.core import admission, report
from cronjob.core.attempt import Attempt, Ending
from cronjob.core.draft import Draft
from cronjob.core.entry import Entry
from cronjob.core.fields import SPREAD
from cronjob.core.found import Left, Unfinished
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.record import Ended, Over
from cronjob.core.retry import retry_before
from cronjob.core.run import Asked, Move, Run, RunState
from cronjob.core.schedule import FireTime
from cronjob.core.waits import Reason, Wait

RESTARTED = "the daemon was restarted"
ANEW = "it starts anew"
DOUBTED = "the history could not be written, so it may have run"

_DIED = Ending(lost=True, error="the daemon died")
_MEAN = 0.5  # of the spread of a delay, where nobody draws a number


def progress(draft: Draft, left: Left) -> None:
    """Go on from there; without any progress, nothing up to now was ever due."""
    draft.planned, draft.recorded, draft.progress_due = draft.now, left.recorded, True
    if left.progress is not None:
        draft.planned, draft.high_water, draft.passes, draft.repeats_until = left.progress


def runs(draft: Draft, left: Left, *, booted: bool) -> None:
    """Take up the runs, and start those of `@reboot` that a boot or the end of a stop asks for."""
    labels = draft.entries if booted else left.interrupted
    anew = [label for label in labels if _at_reboot(draft.entries.get(label))]
    for one in sorted(left.unfinished, key=lambda one: _order(draft, one)):
        entry = draft.entries.get(one.label)
        gone = admission.why_gone(draft, one.label, one.user)
        if entry is None or gone:
            _end_gone(draft, one, gone)
        else:
            again = one.label in anew and not one.asked
            run = _restored(draft, one, entry, ANEW if again else _doubts(one, left))
            draft.bring_back(run)
            if run.state is not RunState.RUNNING and _may_have_gone_on(draft, left, one, entry):
                _doubt(draft, run)
            else:
                _take_up(draft, run, one.retry_at)
    for label in anew:
        admission.begin_anew(draft, label)


def _at_reboot(entry: Entry | None) -> bool:
    return entry is not None and entry.schedule.reboot


def _order(draft: Draft, one: Unfinished) -> tuple[datetime, str, int, str]:
    """As they began: by time and place."""
    entry = draft.entries.get(one.label)
    return one.fire, entry.source if entry else "", entry.line if entry else 0, one.key


def _restored(draft: Draft, one: Unfinished, entry: Entry, last: str) -> Run:
    """The run as it was left, of its entry as that reads now."""
    attempts = tuple(_by_this_clock(draft, attempt) for attempt in one.attempts)
    before = None
    if attempts and not one.asked:
        before = retry_before(entry, one.fire, attempts[0].launched)
    return Run(
        key=one.key,
        label=one.label,
        entry=entry,
        fire=FireTime(one.fire, one.nominal),
        state=_state(attempts),
        asked=Asked() if one.asked else None,
        pass_number=one.pass_number,
        caught_up=one.caught_up,
        retry_before=before,
        last=last,
        attempts=attempts,
    )


def _state(attempts: tuple[Attempt, ...]) -> RunState:
    if not attempts:
        return RunState.DELAYED
    return RunState.BACKING_OFF if attempts[-1].outcome else RunState.RUNNING


def _by_this_clock(draft: Draft, attempt: Attempt) -> Attempt:
    """The monotonic clock of another daemon, or of another boot, says nothing here."""
    ago = (draft.now - attempt.launched).total_seconds()
    return attempt._replace(launched_monotonic=draft.monotonic - ago)


def _take_up(draft: Draft, run: Run, retry_at: datetime | None) -> None:
    """The run goes on from where it was, or ends."""
    if run.state is RunState.RUNNING:
        _lose(draft, run)
    elif run.last:
        draft.drop(run, run.last)
    elif run.attempts:
        _back_off(draft, run, retry_at or draft.now)
    elif run.asked is not None:
        draft.drop(run, RESTARTED)
    else:
        admission.set_out(draft, run)


def _doubts(one: Unfinished, left: Left) -> str:
    """Why no retry follows an attempt that was going: one may have started unrecorded."""
    going = one.attempts and one.attempts[-1].outcome is None
    return DOUBTED if going and left.uncertain_since else ""


def _may_have_gone_on(draft: Draft, left: Left, one: Unfinished, entry: Entry) -> bool:
    """Whether a start of it may be missing in the history.

    Its time has come since, or the clock has gone back behind what it shows: then nobody knows.
    """
    latest = one.attempts[-1].launched if one.attempts else one.fire
    due = one.retry_at or one.fire + entry.start_delay
    return left.uncertain_since is not None and not latest <= draft.now < due


def _doubt(draft: Draft, run: Run) -> None:
    """What was to start may have started unrecorded, and twice is worse than not at all."""
    draft.announce(report.dropped(run, DOUBTED))
    draft.close(run, Move.DROPPED, DOUBTED, RunOutcome.LOST)


def _lose(draft: Draft, run: Run) -> None:
    """Nobody saw how the attempt ended that was going."""
    run = run.with_attempt(_lost(run.attempt))
    draft.announce(report.attempt_ended(run, run.attempt))
    admission.follow(draft, run, run.attempt, _MEAN)


def _lost(attempt: Attempt) -> Attempt:
    return attempt._replace(outcome=Outcome.LOST, ending=_DIED)


def _back_off(draft: Draft, run: Run, at: datetime) -> None:
    """The next attempt comes at its time, by the wall; at once when that is over."""
    longest = run.entry.fields.retry.longest * (1 + SPREAD)  # the clock may have gone back since
    delay = max(timedelta(), min(at - draft.now, longest))
    wait = Wait(Reason.RETRY, admission.next_attempt(run, draft.now + delay), draft.monotonic)
    draft.runs[run.key] = run = run._replace(wait=wait)
    draft.set_timer(run, draft.monotonic + delay.total_seconds())


def _end_gone(draft: Draft, one: Unfinished, why: str) -> None:
    """Without its entry, or its user, a run has no command any more."""
    outcome = RunOutcome.CANCELLED
    if one.attempts and one.attempts[-1].outcome is None:
        outcome = RunOutcome.LOST
        draft.record(Ended(one.key, _lost(one.attempts[-1]), draft.now))
    draft.record(Over(one.key, outcome, why, draft.now))
    draft.announce(report.waiting_gone(one.label, one.fire, why))
