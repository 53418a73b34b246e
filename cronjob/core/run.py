"""Runs, and the only legal moves between their states.

What a run goes through makes another value of it several times, so those that change are tuples
with names, which cost a third of a frozen dataclass.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.outcome import Outcome
from cronjob.core.schedule import FireTime
from cronjob.core.waits import Reason, Wait, Waited, over


class RunState(StrEnum):
    """Where a run is on its way."""

    DELAYED = "delayed"  #: its fire time has come, its jitter not yet
    HELD = "held"  #: it waits for an earlier run of its entry
    GATED = "gated"  #: it waits for its gates
    READY = "ready"  #: it waits for slots
    RUNNING = "running"  #: an attempt holds its slots
    BACKING_OFF = "backing-off"  #: it waits for the delay before its next attempt
    FINISHED = "finished"


class Move(StrEnum):
    """What takes a run from one state to the next."""

    HELD_BACK = "held-back"
    SENT_TO_GATES = "sent-to-gates"
    LINED_UP = "lined-up"
    SLOTS_GRANTED = "slots-granted"
    RETRY_PLANNED = "retry-planned"
    ENDED = "ended"
    DROPPED = "dropped"


MOVES: dict[tuple[RunState, Move], RunState] = {
    (RunState.DELAYED, Move.HELD_BACK): RunState.HELD,
    (RunState.DELAYED, Move.SENT_TO_GATES): RunState.GATED,
    (RunState.DELAYED, Move.LINED_UP): RunState.READY,
    (RunState.HELD, Move.SENT_TO_GATES): RunState.GATED,
    (RunState.HELD, Move.LINED_UP): RunState.READY,
    (RunState.GATED, Move.HELD_BACK): RunState.HELD,
    (RunState.GATED, Move.LINED_UP): RunState.READY,
    (RunState.READY, Move.SENT_TO_GATES): RunState.GATED,
    (RunState.READY, Move.SLOTS_GRANTED): RunState.RUNNING,
    (RunState.RUNNING, Move.RETRY_PLANNED): RunState.BACKING_OFF,
    (RunState.RUNNING, Move.ENDED): RunState.FINISHED,
    (RunState.BACKING_OFF, Move.SENT_TO_GATES): RunState.GATED,
    (RunState.BACKING_OFF, Move.LINED_UP): RunState.READY,
    **{
        (state, Move.DROPPED): RunState.FINISHED
        for state in (
            *(RunState.DELAYED, RunState.HELD, RunState.GATED),
            *(RunState.READY, RunState.BACKING_OFF),
        )
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How somebody asked for a run that is at no fire time."""

    force: bool = False  #: overlap, gates, shares and slots do not hold it
    lender: str | None = None  #: key of the run whose command waits for it


class Holding(NamedTuple):
    """What a run has of the pool while an attempt of it runs."""

    slots: int = 0  #: its own
    taken: int = 0  #: tokens that its command took
    offered: int = 0  #: tokens, 0 or 1, that it may take
    offered_at: float = 0.0  #: monotonic seconds
    wanted_back: bool = False  #: the one that is offered has been asked back
    borrowed: int = 0  #: of its own, those that its lender counts
    lent: int = 0  #: of its own and taken ones, those that runs which it asked for use

    @property
    def counted(self) -> int:
        """How many slots of the pool it takes."""
        return self.slots + self.taken + self.offered - self.borrowed


NOTHING = Holding()
_BUMP = timedelta(milliseconds=1)
_AHEAD = timedelta(seconds=1)  # by more, the clock has gone back since


class Run(NamedTuple):
    """One entry at one fire time, or at the time at which somebody asked for it."""

    key: str  #: `entry@2026-11-21T01:30Z`, with `#2` for a second pass; also see `manual_key`
    label: str  #: the entry's, unique among all loaded
    entry: Entry
    fire: FireTime
    state: RunState = RunState.DELAYED
    asked: Asked | None = None  #: None: its fire time has come
    pass_number: int = 1  #: how often the clock has come to its fire time; 0 if it was asked for
    caught_up: bool = False  #: its fire time was missed, and it is made up for
    deadline: float | None = None  #: monotonic seconds; not begun by then, it is missed
    ready_at: float | None = None  #: monotonic seconds at which it became ready, for this attempt
    turn: int = 0  #: its place among those that are equal otherwise
    wait: Wait | None = None  #: what it waits for now
    waits: tuple[Waited, ...] = ()  #: what it has waited for before, for this attempt
    gates_held_at: float | None = None  #: monotonic seconds of the measurement
    holding: Holding = NOTHING
    retry_before: datetime | None = None  #: no retry starts at or after this fire time
    stop_reason: Outcome | None = None  #: set when its attempt is being ended on purpose
    last: str = ""  #: why no further attempt follows this one; empty when one may
    attempts: tuple[Attempt, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    @property
    def forced(self) -> bool:
        """Whether nothing is to hold it."""
        return self.asked is not None and self.asked.force

    @property
    def lender(self) -> str | None:
        """Key of the run whose command waits for it."""
        return self.asked.lender if self.asked is not None else None

    def move(self, move: Move) -> Self:
        """The same run in its next state.  Raises `KeyError` for an illegal move."""
        return self._replace(state=MOVES[self.state, move])

    def waiting(
        self, move: Move | None, reason: Reason, what: str, monotonic: float, **changes: Any
    ) -> Self:
        """The same run with `changes`, which waits for this from now on, or still."""
        state = self.state if move is None else MOVES[self.state, move]
        before = self.wait
        if before is not None and before.reason is reason:
            wait = before._replace(what=what)
            return self._replace(state=state, wait=wait, **changes)
        waits = self.waits if before is None else (*self.waits, *over(before, monotonic))
        wait = Wait(reason, what, monotonic)
        return self._replace(state=state, wait=wait, waits=waits, **changes)

    def with_attempt(self, attempt: Attempt, stop_reason: Outcome | None = None) -> Self:
        """The same run with its latest attempt replaced."""
        return self._replace(stop_reason=stop_reason, attempts=(*self.attempts[:-1], attempt))


def run_key(label: str, at: datetime, pass_number: int = 1) -> str:
    """The run's key; the second is shown only when it is not zero."""
    instant = at.isoformat()[: 19 if at.second else 16]
    return f"{label}@{instant}Z" + (f"#{pass_number}" if pass_number > 1 else "")


def manual_key(label: str, now: datetime, runs: Container[str], last: str = "") -> str:
    """A key for a run that is asked for now; the milliseconds are bumped until it is free.

    `last` is the key that was given out before this one, and may be known no more.

    >>> manual_key("backup", datetime(2026, 11, 21, 9, 30, 12, 345_678), ())
    'backup@2026-11-21T09:30:12.345Z'
    """
    if last and timedelta() <= (ahead := instant_of(last) - now + _BUMP) < _AHEAD:
        now += ahead
    while (key := f"{label}@{now.isoformat(timespec='milliseconds')[:23]}Z") in runs:
        now += _BUMP
    return key


def instant_of(key: str) -> datetime:
    """The instant in a run's key: its fire time, or when it was asked for.  Raises `ValueError`."""
    return datetime.fromisoformat(key.rpartition("@")[2].partition("#")[0])
