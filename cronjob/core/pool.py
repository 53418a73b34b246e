"""The slots of a daemon: who holds how many, who stands in line for them, who is next.

The order is priority, then the time of becoming ready.  Once the first in line does not fit, what
is freed is kept for it.  One entry holds at most half of the pool, and so do the user tables of one
account together; whoever only its share holds back is set aside, and holds nobody up.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from cronjob.core import overlap, report
from cronjob.core.attempt import Attempt
from cronjob.core.draft import Draft
from cronjob.core.events import Launch
from cronjob.core.line import Line, Place
from cronjob.core.outcome import RunOutcome
from cronjob.core.record import Launching
from cronjob.core.retry import ladder_over, retry_before
from cronjob.core.run import MOVES, NOTHING, Holding, Move, Run, RunState
from cronjob.core.waits import Reason, over, wanted

FRESH = 10.0  #: seconds for which a measurement is good
FULL = 300.0  #: seconds without an end of an attempt after which a full pool is an error

_PASSED = "its deadline has passed"


# -- who holds how many --------------------------------------------------------------------------


def groups(run: Run) -> tuple[str, ...]:
    """What the run has a share of the pool with: its entry, and its account if it is personal."""
    entry = run.entry
    return (run.label, f"@{entry.user}") if entry.personal else (run.label,)


def hold(draft: Draft, run: Run, holding: Holding, **changes: Any) -> Run:
    """The run with another holding and other `changes`, and the pool with what that takes of it."""
    by = holding.counted - run.holding.counted
    if by:
        draft.slots_used += by
        for group in groups(run):
            now = draft.group_slots.get(group, 0) + by
            if now:
                draft.group_slots[group] = now
            else:
                del draft.group_slots[group]
            if by < 0 and group in draft.aside:
                draft.roomier.add(group)
    draft.runs[run.key] = run = run._replace(holding=holding, **changes)
    return run


def free(draft: Draft) -> int:
    """How many slots nobody holds; below zero when runs were forced."""
    return draft.slots - draft.slots_used


def full_group(draft: Draft, run: Run, need: int) -> str | None:
    """The group whose share would not hold `need` more slots; one run at a time always may.

    A run that another one waits for is not held back by a share, or the two could wait for ever.
    """
    if need <= 0 or run.lender is not None:
        return None
    for group in groups(run):
        held = draft.group_slots.get(group, 0)
        if held and held + need > draft.slots // 2:
            return group
    return None


def borrows(draft: Draft, run: Run) -> int:
    """How many of its slots the run that waits for it lends."""
    lender = draft.runs.get(run.lender) if run.lender is not None else None
    if lender is None or lender.state is not RunState.RUNNING:
        return 0
    has = lender.holding.slots + lender.holding.taken - lender.holding.lent
    return min(run.entry.slots, max(0, has))


def vacate(draft: Draft, run: Run, attempt: Attempt) -> Run:
    """The run after this attempt: it holds nothing, and its borrowers count what it lent."""
    lent, borrowed = run.holding.lent, run.holding.borrowed
    attempts = (*run.attempts[:-1], attempt)
    run = hold(draft, run, NOTHING, attempts=attempts, stop_reason=None)
    if lent:
        call_in(draft, run.key, lent)
    lender = draft.runs.get(run.lender) if borrowed and run.lender is not None else None
    if lender is not None:
        hold(draft, lender, lender.holding._replace(lent=max(0, lender.holding.lent - borrowed)))
    return run


def call_in(draft: Draft, lender: str, count: int) -> None:
    """So many slots that were lent are counted by the borrowers from now on."""
    for run in list(draft.runs.values()):
        back = min(count, run.holding.borrowed) if run.lender == lender else 0
        if back:
            hold(draft, run, run.holding._replace(borrowed=run.holding.borrowed - back))
            count -= back


# -- the line ------------------------------------------------------------------------------------


def line_up(draft: Draft, run: Run) -> None:
    """The run is ready: it starts at once if it takes nothing that others wait for."""
    need = run.entry.slots - borrows(draft, run)
    turn = draft.next_turn()
    ready_at = draft.monotonic if run.ready_at is None else run.ready_at
    what = wanted(run.entry.slots)
    run = run.waiting(
        Move.LINED_UP, Reason.SLOTS, what, draft.monotonic, ready_at=ready_at, turn=turn
    )
    draft.runs[run.key] = run
    if need <= 0 or run.forced:
        if not close_if_over(draft, run):
            launch(draft, run)
        return
    draft.fresh.append((-run.entry.fields.priority, ready_at, turn, run.key))


def dispatch(draft: Draft) -> None:
    """Grant slots in order."""
    fresh, draft.fresh = draft.fresh, []
    if not (fresh or draft.left or draft.roomier or draft.stirred):
        return
    draft.stirred = False
    if fresh:
        draft.ready = draft.ready.joined_by(fresh)
    _forget_those_that_left(draft)
    if not draft.stopping:
        _recall_those_with_room(draft)
        while (run := first(draft)) is not None and _serve(draft, run):
            _recall_those_with_room(draft)
        _end_a_standstill(draft)
    _report_waiting(draft, fresh)


def _serve(draft: Draft, run: Run) -> bool:
    """Deal with the first in line; whether the line moves on."""
    if close_if_over(draft, run):
        draft.left.discard(run.turn)
        _step_out(draft, run)
        return True
    need = run.entry.slots - borrows(draft, run)
    if (group := full_group(draft, run, need)) is not None:
        _set_aside(draft, run, group)
        return True
    if need > free(draft):
        return False
    if run.entry.fields.when and not _gates_held_lately(draft, run):
        if draft.rechecked != run.key:
            draft.rechecked, draft.to_measure = run.key, True
        return False
    _step_out(draft, run)
    launch(draft, run)
    return True


def _gates_held_lately(draft: Draft, run: Run) -> bool:
    return run.gates_held_at is not None and draft.monotonic - run.gates_held_at <= FRESH


def first(draft: Draft) -> Run | None:
    """The first in line, of those set aside before and the others."""
    if draft.recalled and (not draft.ready or draft.recalled[0] < draft.ready[0]):
        return draft.runs[draft.recalled[0][3]]
    return draft.runs[draft.ready[0][3]] if draft.ready else None


def _step_out(draft: Draft, run: Run) -> None:
    """The first in line leaves it; who stood behind it in its group may follow."""
    if draft.recalled and draft.recalled[0][2] == run.turn:
        draft.recalled = draft.recalled.without(1)
    else:
        draft.ready = draft.ready.without(1)
    draft.roomier.update(group for group in groups(run) if group in draft.aside)


def _set_aside(draft: Draft, run: Run, group: str) -> None:
    _step_out(draft, run)
    what = "its account's share of the slots" if group[0] == "@" else "its share of the slots"
    draft.runs[run.key] = run.waiting(None, Reason.SHARE, what, draft.monotonic)
    draft.aside[group] = draft.aside.get(group, Line()).joined_by([place_of(run)])


def place_of(run: Run) -> Place:
    """Where a run that is ready stands among the others."""
    assert run.ready_at is not None, "who stands in line is ready"
    return -run.entry.fields.priority, run.ready_at, run.turn, run.key


def _recall_those_with_room(draft: Draft) -> None:
    for group in sorted(draft.roomier):
        _recall(draft, group)
    draft.roomier.clear()


def _recall(draft: Draft, group: str) -> None:
    """Let the first of those set aside for the group stand in line again, if there is room."""
    line = draft.aside.get(group)
    if not line:
        return
    run = draft.runs[line[0][3]]
    if full_group(draft, run, run.entry.slots) == group:
        return
    draft.recalled = draft.recalled.joined_by([line[0]])
    draft.runs[run.key] = run.waiting(None, Reason.SLOTS, wanted(run.entry.slots), draft.monotonic)
    if rest := line.without(1):
        draft.aside[group] = rest
    else:
        del draft.aside[group]


def _forget_those_that_left(draft: Draft) -> None:
    if not draft.left:
        return
    draft.ready = draft.ready.without_turns(draft.left)
    draft.recalled = draft.recalled.without_turns(draft.left)
    aside = {group: line.without_turns(draft.left) for group, line in draft.aside.items()}
    draft.roomier.update(group for group, line in aside.items() if line)
    draft.aside = {group: line for group, line in aside.items() if line}
    draft.left.clear()


def _end_a_standstill(draft: Draft) -> None:
    """Start a run although it does not fit, when whoever holds slots waits for such a run."""
    if not draft.borrowers or not (draft.ready or draft.recalled):
        return
    asked_for = [run for run in draft.runs.values() if run.lender and not run.attempts]
    lenders = {run.lender for run in asked_for}
    if any(run.holding.slots and run.key not in lenders for run in draft.running()):
        return  # its end will free some
    waiting = sorted(place_of(run) for run in asked_for if run.state is RunState.READY)
    if waiting and draft.rechecked is None:
        run = draft.runs[waiting[0][3]]
        draft.left.add(run.turn)
        _forget_those_that_left(draft)
        launch(draft, run)


# -- the start -----------------------------------------------------------------------------------


def close_if_over(draft: Draft, run: Run) -> bool:
    """Close a run that is not to start any more."""
    if run.attempts:
        reason = ladder_over(run, draft.now, draft.monotonic)
        if reason is not None:
            draft.announce(report.gave_up(run, reason))
            draft.close(run, Move.DROPPED, report.GAVE_UP[reason], RunOutcome.GAVE_UP)
        return reason is not None
    if run.deadline is not None and draft.monotonic >= run.deadline:
        miss(draft, run)
        return True
    if overlap.judged(draft, run) is overlap.Verdict.SKIP:
        draft.skip(run, overlap.GOING)
        return True
    return False


def miss(draft: Draft, run: Run) -> None:
    """A run that has not begun by its deadline."""
    draft.announce(report.deadline_passed(run))
    draft.close(run, Move.DROPPED, _PASSED, RunOutcome.MISSED)


def launch(draft: Draft, run: Run) -> None:
    """Start the next attempt of a run that is ready."""
    waits = (*run.waits, *over(run.wait, draft.monotonic))
    attempt = Attempt(
        number=len(run.attempts) + 1,
        launched=draft.now,
        launched_monotonic=draft.monotonic,
        waited=sum(wait.seconds for wait in waits),
        waits=waits,
    )
    before = run.retry_before
    if attempt.number == 1 and run.asked is None:
        before = retry_before(run.entry, run.fire.at, draft.now)
    borrowed = borrows(draft, run)
    run = hold(
        draft,
        run,
        Holding(slots=run.entry.slots, borrowed=borrowed),
        state=MOVES[run.state, Move.SLOTS_GRANTED],
        ready_at=None,
        wait=None,
        waits=(),
        retry_before=before,
        attempts=(*run.attempts, attempt),
    )
    if borrowed and run.lender is not None:
        lender = draft.runs[run.lender]
        hold(draft, lender, lender.holding._replace(lent=lender.holding.lent + borrowed))
    if run.label in draft.crowded:
        draft.crowded -= {run.label}
    draft.record(Launching(run, attempt))
    draft.effects.append(Launch(run, attempt))
    if run.entry.fields.timeout is not None:
        draft.set_timer(run, draft.monotonic + run.entry.fields.timeout.total_seconds())
    if run.entry.auto:
        draft.autos = (*draft.autos, run.key)


# -- what is told --------------------------------------------------------------------------------


def _report_waiting(draft: Draft, fresh: Iterable[Place]) -> None:
    """Say of each run that became ready in this step, and did not start, why it waits."""
    for place in sorted(fresh):
        run = draft.runs.get(place[3])
        if run is None or run.turn != place[2] or run.wait is None:
            continue
        if run.wait.reason is Reason.SHARE:
            held = max(draft.group_slots.get(group, 0) for group in groups(run))
            told = report.waits_for_share(run, draft.slots, held)
        elif run.state is RunState.READY and run.key != draft.rechecked:
            ahead = bisect_left(draft.ready, place) + bisect_left(draft.recalled, place)
            told = report.waits_for_slots(run, draft.slots, draft.slots_used, ahead)
        else:
            continue
        draft.announce(told)


def watch(draft: Draft) -> None:
    """Notice when runs wait for a pool that is full, and no attempt ends."""
    nobody_waits = not (draft.ready or draft.recalled)
    if nobody_waits or not (draft.before.ready or draft.before.recalled):
        draft.calm_at, draft.full_told = draft.monotonic, False
    if draft.stopping or nobody_waits:
        draft.full_due = None
    elif draft.full_due is None and not draft.full_told:
        draft.full_due = draft.calm_at + FULL
    if draft.full_due is None or draft.full_due > draft.monotonic:
        return
    draft.full_due = None
    if draft.monotonic - draft.calm_at >= FULL:
        draft.full_told = True
        waiting = len(draft.ready) + len(draft.recalled)
        oldest = min(draft.running(), key=lambda run: run.attempt.launched_monotonic, default=None)
        draft.announce(report.pool_full(FULL, draft.slots_used, draft.slots, waiting, oldest))
    elif draft.calm_at < draft.monotonic:
        draft.full_due = draft.calm_at + FULL


def note_an_end(draft: Draft) -> None:
    """An attempt has ended, so the pool is not stuck."""
    draft.calm_at, draft.full_told = draft.monotonic, False
