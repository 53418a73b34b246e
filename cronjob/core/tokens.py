"""Slots that a command shares out itself: the tokens of make's jobserver, for `slots=auto`.

A token is offered to one run at a time and attempt: it is parked where the command finds it, and
the next one follows when it has been taken.  None is offered while a run stands in line.
"""

from dataclasses import replace

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


def settle(draft: Draft) -> None:
    """Offer what nobody stands in line for, and ask back what somebody does."""
    if draft.stopping or not draft.autos:
        return
    draft.autos = tuple(key for key in draft.autos if _is_going(draft.runs.get(key)))
    short = _short(draft)
    for key in draft.autos:
        run = draft.runs[key]
        set_aside = any(group in draft.aside for group in pool.groups(run))
        if run.holding.recalled:
            short -= 1
        elif run.holding.offered and (short > 0 or set_aside):
            short -= 1
            pool.hold(draft, run, replace(run.holding, recalled=True))
            draft.effects.append(WithdrawToken(run.key, run.attempt.number))
    if not (draft.ready or draft.recalled):
        _offer(draft)


def taken(draft: Draft, event: TokenTaken) -> None:
    """The token belongs to the command now, also when it was to be asked back."""
    if (run := _at(draft, event)) is not None and run.holding.offered:
        holding = run.holding
        pool.hold(draft, run, replace(holding, taken=holding.taken + 1, offered=0, recalled=False))


def returned(draft: Draft, event: TokensReturned) -> None:
    """The command gave back what it took."""
    if (run := _at(draft, event)) is None:
        return
    holding = replace(run.holding, taken=max(0, run.holding.taken - event.count))
    if (short := holding.lent - holding.slots - holding.taken) > 0:
        pool.call_in(draft, run.key, short)
        holding = replace(holding, lent=holding.lent - short)
    pool.hold(draft, run, holding)


def withdrawn(draft: Draft, event: TokenWithdrawn) -> None:
    """The offered token is free again."""
    if (run := _at(draft, event)) is not None:
        pool.hold(draft, run, replace(run.holding, offered=0, recalled=False))


def _at(draft: Draft, event: TokenTaken | TokensReturned | TokenWithdrawn) -> Run | None:
    """The run, while the attempt that is meant is going."""
    run = draft.runs.get(event.run)
    going = _is_going(run) and run is not None and run.attempt.number == event.number
    return run if going else None


def _is_going(run: Run | None) -> bool:
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
            pool.hold(draft, run, replace(run.holding, offered=1))
            draft.effects.append(OfferToken(key, run.attempt.number))
            draft.autos = (*(other for other in draft.autos if other != key), key)


def _may_have_one(draft: Draft, run: Run) -> bool:
    holding, slots = run.holding, run.entry.fields.slots
    if run.attempt.pid is None or run.stop_reason is not None or holding.offered:
        return False
    limit = slots.limit if slots is not None and slots.limit is not None else draft.slots
    if holding.slots + holding.taken >= limit:
        return False
    half = draft.slots // 2
    return all(
        group not in draft.aside and draft.held.get(group, 0) < half for group in pool.groups(run)
    )
