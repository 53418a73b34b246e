"""Slots that a command shares out itself: the tokens of make's jobserver, for `slots=auto`.

A token is offered to one run at a time and attempt: it is parked where the command finds it, and
the next one follows when it has been taken.  None is offered while a run stands in line.  One that
lies there untaken goes to the next run that could take it, after ever longer times while none does.
"""

from collections.abc import Collection

from cronjob.core import pool
from cronjob.core.draft import Draft
from cronjob.core.events import (
    OfferToken,
    TokensReturned,
    TokenTaken,
    TokenWithdrawn,
    WithdrawToken,
)
from cronjob.core.run import Run, RunState

PATIENCE = 1.0  #: seconds after which a token that is not taken goes to another run
DOUBLINGS = 6  #: of that, at most, while nobody takes one


def settle(draft: Draft) -> None:
    """Offer what nobody stands in line for, and ask back what somebody does."""
    draft.tokens_due = None
    if draft.stopping or not draft.autos:
        return
    draft.autos = tuple(key for key in draft.autos if _is_running(draft.runs.get(key)))
    short = _short(draft)
    for key in draft.autos:
        run = draft.runs[key]
        set_aside = any(group in draft.aside for group in pool.groups(run))
        if run.holding.wanted_back:
            short -= 1
        elif run.holding.offered and (short > 0 or set_aside):
            short -= 1
            _ask_back(draft, run)
    if not (draft.ready or draft.recalled or draft.burst):
        _offer(draft)
        _pass_on(draft)


def taken(draft: Draft, event: TokenTaken) -> None:
    """The token belongs to the command now, also when it was to be asked back."""
    if (run := _at(draft, event)) is not None and run.holding.offered:
        holding = run.holding
        pool.hold(
            draft, run, holding._replace(taken=holding.taken + 1, offered=0, wanted_back=False)
        )
        draft.refused = 0


def returned(draft: Draft, event: TokensReturned) -> None:
    """The command gave back what it took."""
    if (run := _at(draft, event)) is None:
        return
    holding = run.holding._replace(taken=max(0, run.holding.taken - event.count))
    if (short := holding.lent - holding.slots - holding.taken) > 0:
        pool.call_in(draft, run.key, short)
        holding = holding._replace(lent=holding.lent - short)
    pool.hold(draft, run, holding)


def withdrawn(draft: Draft, event: TokenWithdrawn) -> None:
    """The offered token is free again."""
    if (run := _at(draft, event)) is not None:
        pool.hold(draft, run, run.holding._replace(offered=0, wanted_back=False))


def _at(draft: Draft, event: TokenTaken | TokensReturned | TokenWithdrawn) -> Run | None:
    """The run, while the attempt that is meant is going."""
    run = draft.runs.get(event.run)
    going = _is_running(run) and run is not None and run.attempt.number == event.number
    return run if going else None


def _is_running(run: Run | None) -> bool:
    return run is not None and run.state is RunState.RUNNING


def _short(draft: Draft) -> int:
    """How many more slots the first in line needs."""
    run = pool.first(draft)
    if run is None:
        return 0
    return run.entry.slots - pool.borrows(draft, run) - pool.free(draft)


def _offer(draft: Draft) -> None:
    """One token to each that may have one, in turns, while there are slots."""
    for key in draft.autos:
        if pool.free(draft) <= 0:
            return
        run = draft.runs[key]
        if _may_have_one(draft, run):
            holding = run.holding._replace(offered=1, offered_at=draft.monotonic)
            pool.hold(draft, run, holding)
            draft.effects.append(OfferToken(key, run.attempt.number))
            draft.autos = (*(other for other in draft.autos if other != key), key)


def _pass_on(draft: Draft) -> None:
    """Ask back what has lain untaken for longest, if another run could take it."""
    runs = [draft.runs[key] for key in draft.autos]
    lying = [run for run in runs if run.holding.offered]
    if not lying or any(run.holding.wanted_back for run in lying):
        return
    idle = min(lying, key=lambda run: run.holding.offered_at)
    if not any(_may_have_one(draft, run, pool.groups(idle)) for run in runs):
        return
    due = idle.holding.offered_at + PATIENCE * 2 ** min(draft.refused, DOUBLINGS)
    if draft.monotonic < due:
        draft.tokens_due = due
        return
    draft.refused += 1
    _ask_back(draft, idle)


def _ask_back(draft: Draft, run: Run) -> None:
    pool.hold(draft, run, run.holding._replace(wanted_back=True))
    draft.effects.append(WithdrawToken(run.key, run.attempt.number))


def _may_have_one(draft: Draft, run: Run, back: Collection[str] = ()) -> bool:
    """Whether one more is within its limits, if the groups in `back` held one less."""
    holding, slots = run.holding, run.entry.fields.slots
    if run.attempt.pid is None or run.stop_reason is not None or holding.offered:
        return False
    limit = slots.limit if slots is not None and slots.limit is not None else draft.slots
    if holding.slots + holding.taken >= limit:
        return False
    half = draft.slots // 2
    return all(
        group not in draft.aside and draft.group_slots.get(group, 0) - (group in back) < half
        for group in pool.groups(run)
    )
