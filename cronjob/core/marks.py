"""Why a fire time stands where it stands, and which wall times have none.

A clock change moves, doubles or drops what a schedule asks for; `schedule` decides it and this
module says it.  The wall times that a schedule asks for are the fire times of the same columns in
UTC, where every wall time exists once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Literal

from cronjob.core.clockchange import ClockChange, next_change
from cronjob.core.schedule import LONGEST_GAP, FireTime, Schedule
from cronjob.core.words import clock, counted, dated, lasting, listed
from cronjob.core.zone import Fold, Gap, civil

Kind = Literal["moved", "merged", "once", "first-pass", "second-pass", "lost"]

_FEW = 3  # so many wall times are named one by one
_INSTANT = timedelta(microseconds=1)  # the resolution of a datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """A word about one fire time, or about wall times that have none."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A fire time, why it is not where or as often as asked for, and what was lost before it."""

    fire: FireTime
    mark: Mark | None = None
    lost: tuple["Loss", ...] = ()  #: between the fire time before it and this one


@dataclass(frozen=True, slots=True)
class Loss:
    """Wall times that were asked for in one gap and have no fire time."""

    nominal: datetime  #: the first of them, naive
    count: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Effect:
    """What one clock change does to a schedule."""

    day: date  #: of the first wall time concerned
    text: str


def marked(schedule: Schedule, after: datetime) -> Iterator[Marked]:
    """The fire times strictly later than the aware `after`, with what clock changes did to them."""
    walls = _wall_times(schedule)
    since = after.astimezone(schedule.zone).replace(tzinfo=None)
    fire = schedule.next(after)
    while fire is not None:
        lost = tuple(_losses(schedule, walls, since, fire.nominal))
        yield Marked(fire, _mark(schedule, walls, fire), lost)
        since = fire.nominal
        fire = schedule.next(fire.at)


def effect(schedule: Schedule, change: ClockChange) -> Effect | None:
    """What a clock change does to the schedule; None when it does nothing."""
    start, end = sorted((change.wall_before, change.wall_after))
    walls = _wall_times(schedule)
    times = _asked_in(walls, start, end)
    if not times:
        return None
    length = change.after - change.before
    if length < timedelta():
        text = _fold_effect(schedule, times)
    elif schedule.wildcard:
        text = f"{_missing(times)}: no run"
    elif length > LONGEST_GAP:
        text = _lost(schedule, times, length)
    else:
        text = _moved(schedule, walls, FireTime(change.at, times[0]), change.at).text
    return Effect(times[0].date(), text)


def changes(schedule: Schedule, after: datetime, number: int) -> list[ClockChange]:
    """The next clock changes in the schedule's zone, at most `number`, none more than a year on."""
    found: list[ClockChange] = []
    while len(found) < number and (change := next_change(schedule.zone, after)) is not None:
        found.append(change)
        after = change.at
    return found


def _wall_times(schedule: Schedule) -> Schedule:
    """The same columns where no wall time is skipped or repeated."""
    return Schedule.parse(schedule.canonical, zone=UTC)


def _asked(walls: Schedule, after: datetime) -> Iterator[datetime]:
    """The naive wall times strictly later than `after` that the columns ask for."""
    fire = walls.next(after.replace(tzinfo=UTC))
    while fire is not None:
        yield fire.nominal
        fire = walls.next(fire.at)


def _asked_in(walls: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Those in `start <= wall < end`."""
    return list(takewhile(lambda wall: wall < end, _asked(walls, start - _INSTANT)))


def _losses(
    schedule: Schedule, walls: Schedule, since: datetime, until: datetime
) -> Iterator[Loss]:
    """What is asked for between two wall times and skipped: one for each gap."""
    for wall in _asked(walls, since):
        if wall >= until:
            return
        if wall <= since or not isinstance(gap := civil(wall, schedule.zone), Gap):
            continue
        if not schedule.wildcard and gap.length <= LONGEST_GAP:
            continue  # moved to the end of the gap
        end = gap.end.astimezone(schedule.zone).replace(tzinfo=None)
        times = _asked_in(walls, wall, min(end, until))
        since = times[-1]
        yield Loss(wall, len(times), Mark("lost", _lost(schedule, times, gap.length)))


def _lost(schedule: Schedule, times: list[datetime], length: timedelta) -> str:
    if schedule.wildcard:
        why = "minute or hour begins with *"
    else:
        why = f"the clocks skip {lasting(length)}, and more than 3 hours are not made up for"
    return f"{_missing(times)}: no run, since {why}"


def _mark(schedule: Schedule, walls: Schedule, fire: FireTime) -> Mark | None:
    match civil(fire.nominal, schedule.zone):
        case Gap(end):
            return _moved(schedule, walls, fire, end)
        case Fold(first):
            return _repeated(schedule, fire, first)
    return None


def _moved(schedule: Schedule, walls: Schedule, fire: FireTime, end: datetime) -> Mark:
    stands = end.astimezone(schedule.zone).replace(tzinfo=None)
    times = _asked_in(walls, fire.nominal, stands)
    why, here = _missing(times), clock(stands)
    if stands.date() != fire.nominal.date():
        why, here = _missing(times, f"on {dated(fire.nominal)}"), f"{here} the next day"
    if next(_asked(walls, stands - _INSTANT), None) == stands:
        return Mark("merged", f"{why}: one run at {here}, which is due then anyway")
    if len(times) > 1:
        return Mark("merged", f"{why}: one run at {here}")
    return Mark("moved", f"{why}: runs at {here}")


def _repeated(schedule: Schedule, fire: FireTime, first: datetime) -> Mark:
    twice = f"{clock(fire.nominal)} comes twice that day"
    if not schedule.wildcard:
        return Mark("once", f"{twice}: runs the first time only")
    if fire.at == first:
        return Mark("first-pass", f"{twice}: first pass")
    return Mark("second-pass", f"{twice}: second pass")


def _missing(times: list[datetime], when: str = "") -> str:
    """`02:30 does not exist that day`; many times are counted, with the first and the last."""
    verb = "does" if len(times) == 1 else "do"
    return f"{_times(times)} {verb} not exist {when or _day(times)}"


def _times(times: list[datetime]) -> str:
    if len(times) <= _FEW:
        return listed([clock(time) for time in times])
    first, last = times[0], times[-1]
    return f"{counted(len(times), 'time')} from {clock(first)} to {clock(last)}"


def _day(times: list[datetime]) -> str:
    return "that day" if times[0].date() == times[-1].date() else "that night"


def _fold_effect(schedule: Schedule, times: list[datetime]) -> str:
    comes, runs = ("comes", "runs") if len(times) == 1 else ("come", "run")
    how_often = "both times" if schedule.wildcard else "the first time only"
    return f"{_times(times)} {comes} twice {_day(times)}: {runs} {how_often}"
