"""What happens when an earlier run of the entry is still going.

A run is going from its first attempt to its last outcome, the waits before retries included.

What is made up for begins one by one, whatever the field says, and lets the others go first; the
field decides what happens to another run that comes while one of these is going.
"""

from collections.abc import Iterable
from enum import StrEnum

from cronjob.core import report
from cronjob.core.draft import Draft
from cronjob.core.fields import Overlap
from cronjob.core.outcome import Outcome
from cronjob.core.run import Run, RunState

GOING = "an earlier run is going"
SUPERSEDED = "superseded"


class Verdict(StrEnum):
    """What becomes of a run, for the sake of others of its entry."""

    START = "nothing is in its way"
    HOLD = "it waits for an earlier run"
    SKIP = "it is not to begin"


def verdict(run: Run, earlier: Iterable[Run], others: Iterable[Run]) -> Verdict:
    """Decide about a run that has not begun.

    `others` are all unfinished runs of its entry but itself; `earlier` those that came before it.
    """
    going = any(other.attempts for other in others)
    match run.entry.fields.overlap:
        case _ if run.forced or run.attempts:
            return Verdict.START
        case Overlap.SKIP:
            return Verdict.SKIP if going else Verdict.START
        case Overlap.QUEUE:
            ahead = any(other.state is not RunState.HELD for other in earlier)
            return Verdict.HOLD if going or ahead else Verdict.START
        case Overlap.REPLACE:
            return Verdict.HOLD if going else Verdict.START
        case Overlap.ALLOW:
            return Verdict.START


def judged(draft: Draft, run: Run) -> Verdict:
    """The verdict about a run of the draft."""
    if run.caught_up and not run.attempts:
        return _made_up(draft, run)
    if run.entry.fields.overlap is Overlap.ALLOW:
        return Verdict.START
    keys = draft.of_label[run.label]
    earlier = [draft.runs[key] for key in keys[: keys.index(run.key)]]
    return verdict(run, earlier, draft.others(run))


def _made_up(draft: Draft, run: Run) -> Verdict:
    """The verdict about a run of a fire time that was missed, which has not begun."""
    overlap = run.entry.fields.overlap
    if run.state is RunState.READY:  # what goes beside it was forced
        going = overlap is Overlap.SKIP and any(other.attempts for other in draft.others(run))
        return Verdict.SKIP if going else Verdict.START
    if is_behind(draft, run):
        return Verdict.HOLD
    others = () if overlap is Overlap.ALLOW else draft.others(run)
    first = (RunState.READY, RunState.GATED)
    gone_before = any(other.attempts or other.state in first for other in others)
    return Verdict.HOLD if gone_before else Verdict.START


def is_behind(draft: Draft, run: Run) -> bool:
    """Whether an earlier fire time of its entry is made up for before that of this run."""
    if not run.caught_up:
        return False
    keys = draft.of_label[run.label]
    return next(key for key in keys if draft.runs[key].caught_up) != run.key


def supersede(draft: Draft, run: Run) -> Run:
    """Of those that wait for an earlier run, only the newest goes on waiting.

    With `replace` that holds for whatever has not begun; the newest takes over the place in line,
    or an entry that is often due would never come to its turn.
    """
    overlap = run.entry.fields.overlap
    if run.forced or run.caught_up or overlap not in (Overlap.QUEUE, Overlap.REPLACE):
        return run
    places = []
    for other in draft.others(run):
        superseded = (other.state is RunState.HELD and not other.caught_up) or (
            overlap is Overlap.REPLACE and other.state in (RunState.READY, RunState.GATED)
        )
        if superseded and not other.attempts and not other.forced:
            places += [other.ready_at] if other.ready_at is not None else []
            draft.skip(other, SUPERSEDED)
    if places:
        draft.runs[run.key] = run = run._replace(ready_at=min(places))
    return run


def replace_earlier(draft: Draft, run: Run) -> None:
    """End what is going, for good: its ladder is over too; not for one that is made up for."""
    if run.caught_up:
        return
    why = f"replaced by {run.key}"
    for other in draft.others(run):
        if other.state is RunState.RUNNING:
            if not other.last:
                draft.announce(report.replaced(other, run))
                grace = other.entry.fields.grace.total_seconds()
                draft.end(other, Outcome.CANCELLED, grace, why)
        elif other.attempts:
            draft.drop(other, why)


def waits_for_itself(draft: Draft, run: Run) -> bool:
    """Whether the run would wait for the end of one whose command waits for it."""
    seen, lender = set[str](), run.lender
    while lender is not None and lender not in seen:
        seen.add(lender)
        asker = draft.runs.get(lender)
        if asker is None:
            return False
        if asker.label == run.label:
            return True
        lender = asker.lender
    return False


def is_queued(run: Run) -> bool:
    """Whether the run waits for the end of others, and does not bring it about."""
    return run.caught_up or run.entry.fields.overlap is Overlap.QUEUE
