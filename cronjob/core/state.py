"""All that the engine knows between two events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the engine knows."""

    slots: int  #: size of the pool
    slots_used: int = 0
    entries: Mapping[str, Entry] = field(default_factory=dict)  #: by label
    timetable: Timetable = field(default_factory=Timetable)
    runs: Mapping[str, Run] = field(default_factory=dict)  #: unfinished ones, by key
    ready: tuple[Place, ...] = ()  #: runs that wait for slots, first one first
    timers: tuple[Timer, ...] = ()  #: a heap
    seen: Moment | None = None  #: the clocks at the latest event
    awake: WakeAt = field(default_factory=WakeAt)  #: what was asked for last
    passes: int = 1  #: how often the clock has gone back, plus one
    repeats_until: datetime | None = None  #: fire times up to here are of the latest pass
    sequence: int = 0  #: orders what is otherwise equal
    stopping: bool = False
    stopped: bool = False
    interrupted: tuple[str, ...] = ()
