"""Performs what the engine asks for, strictly in order, and nothing before it is recorded."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cronjob.core.events import (
    Announce,
    Effect,
    EndAttempt,
    Launch,
    OfferToken,
    Record,
    WakeAt,
    WithdrawToken,
)
from cronjob.core.output import Kept
from cronjob.core.record import Change, Started
from cronjob.host.processes import boot_ticks


class RecordChanges(Protocol):
    """What stores changes; `done` is called once they are safe, or the history is known to be away.

    `outputs` are those of the attempts that end, by attempt key; `ticks` is when it was heard that
    attempts have started.
    """

    def __call__(
        self,
        changes: Sequence[Change],
        done: Callable[[], None] | None,
        *,
        outputs: Mapping[str, Kept],
        ticks: int,
    ) -> None:
        """Take them; `done` may be called before this returns."""


@dataclass(slots=True)
class _Barrier:
    """The place in the order of an urgent record."""

    stored: bool = False


class Performer:
    """Performs effects in the order of the steps that asked for them.

    Each `Record` is handed over at once, so that one commit may hold those of several steps. What
    follows an urgent one waits until that is stored; `foresee` hears of a launch meanwhile.  Two
    things overtake: `WakeAt`, since a wake-up does nothing but look, and the word that an attempt
    has started, since all that led to it has been performed, and what it prints is told as it
    comes.
    """

    def __init__(
        self,
        record: RecordChanges,
        perform: Callable[[Effect], None],
        *,
        foresee: Callable[[Launch], None],
        defect: Callable[[str, BaseException], None],
    ) -> None:
        self._record = record
        self._perform = perform
        self._foresee = foresee
        self._defect = defect
        self._waiting: deque[Effect | _Barrier] = deque()
        self._performing = False

    def add(
        self, effects: Iterable[Effect], outputs: Mapping[str, Kept], *, hurried: bool = False
    ) -> None:
        """Perform these after all that were added before; `outputs` of attempts that they end.

        `hurried` says that the wake-up is for the rest of a burst, which has its turn after what
        begins now: that starts sooner when nothing is in the way of the thread that records it.
        """
        effects = tuple(effects)
        overtaking = {WakeAt: not hurried, Announce: _tells_of_starts(effects)}
        for effect in effects:
            if overtaking.get(type(effect)):
                self._do(effect)
            elif isinstance(effect, Record):
                self._hand_over(effect, outputs)
            else:
                self._waiting.append(effect)
                if isinstance(effect, Launch):
                    self._foresee(effect)
        self._go_on()

    def forget(self, runs: Collection[str]) -> None:
        """Nothing of these runs, by key, is to be launched any more."""
        about = (Launch, EndAttempt, OfferToken, WithdrawToken)
        self._waiting = deque(
            effect
            for effect in self._waiting
            if not isinstance(effect, about) or _run_of(effect) not in runs
        )

    def _hand_over(self, record: Record, outputs: Mapping[str, Kept]) -> None:
        stored = None
        if record.urgent:
            barrier = _Barrier()
            self._waiting.append(barrier)
            stored = partial(self._pass, barrier)
        try:
            self._record(record.changes, stored, outputs=outputs, ticks=boot_ticks())
        except Exception as error:  # it costs the record, never the run
            self._defect("cannot record", error)
            if stored is not None:
                stored()

    def _pass(self, barrier: _Barrier) -> None:
        barrier.stored = True
        self._go_on()

    def _go_on(self) -> None:
        """Perform what waits for no record any more."""
        if self._performing:
            return  # an effect made the engine step: what that asks for has its turn below
        self._performing = True
        while self._waiting:
            effect = self._waiting[0]
            if isinstance(effect, _Barrier) and not effect.stored:
                break
            self._waiting.popleft()
            if not isinstance(effect, _Barrier):
                self._do(effect)
        self._performing = False

    def _do(self, effect: Effect) -> None:
        try:
            self._perform(effect)
        except Exception as error:  # one effect that fails must not cost the others
            self._defect(f"cannot perform {type(effect).__name__}", error)


def _tells_of_starts(effects: tuple[Effect, ...]) -> bool:
    """Whether it is only that attempts have their processes now."""
    changes = [one for effect in effects if isinstance(effect, Record) for one in effect.changes]
    return bool(changes) and all(isinstance(change, Started) for change in changes)


def _run_of(effect: Launch | EndAttempt | OfferToken | WithdrawToken) -> str:
    return effect.run.key if isinstance(effect, Launch) else effect.run
