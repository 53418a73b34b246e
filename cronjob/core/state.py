"""All that the engine knows between two events.

A state is never changed, and each step makes another one, so what may be long is made to be copied:
ten thousand entries on the hour are ten thousand runs that wait for twenty thousand steps.  It is
not frozen only because its `Draft` is a state in the making.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from cronjob.core.config import Hooks
from cronjob.core.entry import Entry
from cronjob.core.events import Moment, WakeAt
from cronjob.core.line import Line, Place
from cronjob.core.missed import Missed
from cronjob.core.record import Progress
from cronjob.core.run import Run, RunState
from cronjob.core.schedule import FireTime
from cronjob.core.shelves import Shelves
from cronjob.core.timetable import Timetable


class Timer(NamedTuple):
    """When to look at a run again; sorts by when."""

    due: float  #: monotonic seconds
    turn: int
    run: str  #: key
    number: int  #: how many attempts the run had
    state: RunState | None  #: what it was waiting in; None: for its deadline, in any state

    def is_about(self, run: Run | None) -> bool:
        """Whether the run is still where it was when the timer was set."""
        if run is None or len(run.attempts) != self.number:
            return False
        return run.deadline == self.due if self.state is None else run.state is self.state


@dataclass(kw_only=True)
class State:
    """All that the engine knows."""

    slots: int  #: size of the pool
    batch: int = 32  #: how many due runs a step begins at least, if so many are due
    slots_used: int = 0
    group_slots: dict[str, int] = field(
        default_factory=dict
    )  #: slots by `groups`, where there are any
    entries: Mapping[str, Entry] = field(default_factory=dict)  #: by label
    timetable: Timetable = field(default_factory=Timetable)
    burst: tuple[tuple[FireTime, str], ...] = ()  #: what is due and has not begun, with its label
    runs: Shelves[Run] = field(default_factory=Shelves)  #: unfinished ones, by key
    of_label: Shelves[tuple[str, ...]] = field(default_factory=Shelves)  #: their keys, first begun
    last_asked: str = ""  #: key of the latest run that somebody asked for
    borrowers: int = 0  #: how many of them have a lender
    ready: Line = field(default_factory=Line)  #: those that wait for slots
    recalled: Line = field(default_factory=Line)  #: the same, once set aside, with room again
    aside: dict[str, Line] = field(default_factory=dict)  #: those whose group has its share
    calm_at: float = 0.0  #: monotonic seconds at which an attempt ended last, or nobody waited
    full_due: float | None = None  #: monotonic seconds at which to see whether that is long ago
    full_told: bool = False  #: since then
    crowded: frozenset[str] = frozenset()  #: labels of which so many wait that others were skipped
    autos: tuple[str, ...] = ()  #: runs that get tokens, the next one first
    refused: int = 0  #: how many tokens in a row have lain too long for another run to wait
    tokens_due: float | None = None  #: monotonic seconds at which the next one has
    gated: Shelves[Place] = field(default_factory=Shelves)  #: places of runs that wait for gates
    measuring: frozenset[str] | None = None  #: the gauges that are being read
    rechecked: str | None = None  #: the first in line, when its gates held too long ago
    gates_due: float | None = None  #: monotonic seconds at which to look at the gauges again
    unknown: frozenset[str] = frozenset()  #: gauges that could not be read, and it was said
    timers: Sequence[Timer] = ()  #: a heap
    seen: Moment | None = None  #: the clocks at the latest event
    awake: WakeAt = field(default_factory=WakeAt)  #: what was asked for last
    planned: datetime | None = None  #: every fire time up to here has its record
    recorded: frozenset[str] = frozenset()  #: keys of later ones that had theirs before
    unrecorded: tuple[Missed, ...] = ()  #: rows that wait for the end of the burst
    progress: Progress | None = None  #: as it was recorded last
    hooks: Hooks = field(default_factory=Hooks)  #: of everybody
    passes: int = 1  #: how often the clock has gone back, plus one
    repeats_until: datetime | None = None  #: fire times up to here are of the latest pass
    high_water: datetime | None = None  #: fixed schedules are quiet up to here
    turn: int = 0  #: orders what is otherwise equal
    stopping: bool = False
    stopped: bool = False
    interrupted: tuple[str, ...] = ()

    @property
    def hurried(self) -> bool:
        """Whether there is more to do for what has come, which did not fit into one step."""
        return bool(self.burst or self.timetable.lifted) and not self.stopping
