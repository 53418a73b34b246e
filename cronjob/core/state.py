"""All that the engine knows between two events.

A state is never changed, and each step makes another one, so what may be long is made to be copied:
ten thousand entries on the hour are ten thousand runs that wait for twenty thousand steps.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self, overload

from cronjob.core.entry import Entry
from cronjob.core.events import Moment, WakeAt
from cronjob.core.run import Run, RunState
from cronjob.core.timetable import Timetable

#: (negative priority, monotonic seconds of becoming ready, sequence, run key): sorts as it starts
Place = tuple[int, float, int, str]


class Timer(NamedTuple):
    """When to look at a run again; sorts by when."""

    due: float  #: monotonic seconds
    sequence: int
    run: str  #: key
    number: int  #: how many attempts the run had
    state: RunState  #: what it was waiting in

    def is_about(self, run: Run | None) -> bool:
        """Whether the run is still where it was when the timer was set."""
        return run is not None and run.state is self.state and len(run.attempts) == self.number


@dataclass(frozen=True, slots=True)
class Line(Sequence[Place]):
    """The runs that wait for slots, first one first; the front may leave without a copy."""

    places: tuple[Place, ...] = ()  #: ascending
    gone: int = 0  #: how many of them have left

    def __len__(self) -> int:
        return len(self.places) - self.gone

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Place, ...]: ...
    def __getitem__(self, index: int | slice) -> Place | tuple[Place, ...]:
        if isinstance(index, int) and index >= 0:
            return self.places[self.gone + index]
        return self.places[self.gone :][index]

    def without(self, count: int) -> "Line":
        """The line after the first `count` have left it."""
        gone = self.gone + count
        return Line(self.places, gone) if gone < len(self.places) else Line()

    def joined_by(self, newcomers: Iterable[Place]) -> "Line":
        """The line with others, each where it belongs: mostly at the end, which costs little."""
        before, behind = self.places[self.gone :], tuple(sorted(newcomers))
        if before and behind and behind[0] < before[-1]:
            return Line(tuple(sorted((*before, *behind))))
        return Line(before + behind)


_SHELVES = 64


class Runs(MutableMapping[str, Run]):
    """Runs by key; a copy shares every shelf until one of the two writes to it.

    Whoever was copied is written to no more: a state is copied into the draft of the next one.
    """

    __slots__ = ("_length", "_own", "_shelves")

    def __init__(self, shelves: Sequence[dict[str, Run]] = ({},) * _SHELVES, length: int = 0):
        self._shelves = list(shelves)
        self._own: set[int] = set()  # the shelves that nobody else sees
        self._length = length

    def copy(self) -> Self:
        """Another one with the same runs."""
        return type(self)(self._shelves, self._length)

    def __repr__(self) -> str:
        return f"Runs({dict(self)})"

    def __getitem__(self, key: str) -> Run:
        return self._shelves[hash(key) % _SHELVES][key]

    def __setitem__(self, key: str, run: Run) -> None:
        shelf = self._writable(key)
        self._length += key not in shelf
        shelf[key] = run

    def __delitem__(self, key: str) -> None:
        del self._writable(key)[key]
        self._length -= 1

    def __contains__(self, key: object) -> bool:
        return key in self._shelves[hash(key) % _SHELVES]

    def __iter__(self) -> Iterator[str]:
        """In one order on every machine, which the shelves are not."""
        return iter(sorted(key for shelf in self._shelves for key in shelf))

    def __len__(self) -> int:
        return self._length

    def _writable(self, key: str) -> dict[str, Run]:
        index = hash(key) % _SHELVES
        if index not in self._own:
            self._own.add(index)
            self._shelves[index] = self._shelves[index].copy()
        return self._shelves[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the engine knows."""

    slots: int  #: size of the pool
    slots_used: int = 0
    entries: Mapping[str, Entry] = field(default_factory=dict)  #: by label
    timetable: Timetable = field(default_factory=Timetable)
    runs: Runs = field(default_factory=Runs)  #: unfinished ones
    ready: Line = Line()  #: those that wait for slots
    timers: tuple[Timer, ...] = ()  #: a heap
    seen: Moment | None = None  #: the clocks at the latest event
    awake: WakeAt = field(default_factory=WakeAt)  #: what was asked for last
    passes: int = 1  #: how often the clock has gone back, plus one
    repeats_until: datetime | None = None  #: fire times up to here are of the latest pass
    high_water: datetime | None = None  #: fixed schedules are quiet up to here
    sequence: int = 0  #: orders what is otherwise equal
    stopping: bool = False
    stopped: bool = False
    interrupted: tuple[str, ...] = ()
