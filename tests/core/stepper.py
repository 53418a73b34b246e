"""An oracle: cron's loop over the minutes that a clock shows, with no code of ours.

cron compares the local minute, `(time + offset) / 60`, with the last one whose entries it ran
(cron.c main), and tells three cases apart by the difference: the next minute, a jump forward and a
jump back.  Here the clock is a zone of the standard library, and where our design differs from
cron's program the difference is at its place in `runs`.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from struct import unpack, unpack_from
from zoneinfo import TZPATH, ZoneInfo

MINUTE = 60  # seconds, as everywhere below
DAY = 24 * 60 * MINUTE
LONGEST_GAP = 180  # minutes
EPOCH = date(1970, 1, 1)

Run = tuple[datetime, datetime]  # the instant, and the wall time that was asked for


@dataclass(frozen=True)
class Rule:
    """Five columns, as text and as what the text means."""

    text: str
    minutes: frozenset[int] = field(repr=False)
    hours: frozenset[int] = field(repr=False)
    days: frozenset[int] = field(repr=False)
    months: frozenset[int] = field(repr=False)
    weekdays: frozenset[int] = field(repr=False)

    @property
    def wildcard(self) -> bool:
        """Whether minute or hour begin with a star."""
        minute, hour = self.text.split()[:2]
        return "*" in (minute[0], hour[0])

    def on(self, day: date) -> bool:
        """cron's day rule: both day columns if one of them begins with a star, else either."""
        _, _, dom, _, dow = self.text.split()
        by_day = day.day in self.days or _special_day(dom, day)
        by_weekday = day.isoweekday() % 7 in self.weekdays or _special_weekday(dow, day)
        both = "*" in (dom[0], dow[0])
        return day.month in self.months and (
            (by_day and by_weekday) if both else (by_day or by_weekday)
        )


def _special_day(column: str, day: date) -> bool:
    """`L` is the last day of the month, `15W` the weekday of the month that is nearest the 15th."""
    last = monthrange(day.year, day.month)[1]
    if column.endswith("W"):
        wanted = day.replace(day=min(int(column[:-1]), last))
        nearest = [wanted + timedelta(days) for days in (0, -1, 1, -2, 2)]
        return day == next(
            near for near in nearest if near.isoweekday() < 6 and near.month == day.month
        )
    return "L" in column.split(",") and day.day == last


def _special_weekday(column: str, day: date) -> bool:
    """`5#2` is the second Friday of the month, `L5` the last."""
    weekday, nth = str(day.isoweekday() % 7), str((day.day + 6) // 7)
    last = day.day + 7 > monthrange(day.year, day.month)[1]
    return f"{weekday}#{nth}" in column.split(",") or (last and f"L{weekday}" in column.split(","))


def offset(seconds: int, zone: ZoneInfo) -> int:
    """The offset, in seconds, that is in force at an instant."""
    found = datetime.fromtimestamp(seconds, zone).utcoffset()
    assert found is not None
    return int(found.total_seconds())


def runs(rule: Rule, name: str, start: datetime, end: datetime) -> list[Run]:
    """Every run in `start < at <= end`, by looking at every minute that the clock shows."""
    zone = ZoneInfo(name)
    first, last = start.timestamp(), end.timestamp()
    time = int(first) // MINUTE * MINUTE - DAY  # what a fold repeats must have been seen
    virtual = shown = (time + offset(time, zone)) // MINUTE
    found = []
    while time <= last:
        local = time + offset(time, zone)
        clock = local // MINUTE
        if clock != shown and (minute := asked_for(rule, virtual, clock)) is not None:
            found.append((time, minute))
        virtual, shown = max(virtual, clock), clock
        time += MINUTE - local % MINUTE
    return [
        (datetime.fromtimestamp(at, UTC), datetime(1970, 1, 1) + timedelta(minutes=minute))  # noqa: DTZ001 # a wall time
        for at, minute in found
        if at > first
    ]


def asked_for(rule: Rule, virtual: int, clock: int) -> int | None:
    """The local minute for which a run starts when the clock shows `clock`, if there is one.

    `virtual` is the latest minute that has been dealt with.
    """
    if rule.wildcard:
        return clock if matches(rule, clock) else None
    if clock <= virtual:
        return None  # cron forgets this after 3 hours; we do not, and the day has its one run
    # cron counts the minute after a gap in its 3 hours; we count what was skipped.
    skipped = range(virtual + 1, clock) if clock - virtual - 1 <= LONGEST_GAP else range(0)
    # cron runs an entry for every minute that matches; we run it once, for the first of them.
    return next((minute for minute in (*skipped, clock) if matches(rule, minute)), None)


def matches(rule: Rule, minute: int) -> bool:
    """Whether the rule matches a local minute since the epoch."""
    hours, minute_of_hour = divmod(minute, 60)
    days, hour = divmod(hours, 24)
    return minute_of_hour in rule.minutes and hour in rule.hours and _on(rule, days)


@cache
def _on(rule: Rule, days: int) -> bool:
    return rule.on(EPOCH + timedelta(days=days))


@cache
def transitions(name: str) -> tuple[int, ...]:
    """The instants from 1970 to 2037 at which the offset of the zone changes."""
    zone = ZoneInfo(name)
    time, end = 0, int(datetime(2038, 1, 1, tzinfo=UTC).timestamp())
    before, found = offset(time, zone), []
    while time < end:
        after = offset(time + DAY, zone)
        if after != before:
            low, high = time, time + DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle, zone) == before else (low, middle)
            found.append(high)
        before, time = after, time + DAY
    return tuple(found)


def recorded_transitions(name: str) -> list[int]:
    """The instants at which the offset changes, of all time, as the zone's file lists them.

    See RFC 9636.  A file may leave the regular changes of later years to its last line.
    """
    data = zone_file(name)
    assert data[:4] == b"TZif"
    old = unpack(">6l", data[20:44])
    second = 44 + sum(count * size for count, size in zip(old, (1, 1, 8, 5, 6, 1), strict=True))
    *_, times, types, _ = unpack(">6l", data[second + 20 : second + 44])
    instants = unpack_from(f">{times}q", data, second + 44)
    kinds = unpack_from(f">{times}B", data, second + 44 + 8 * times)
    offsets = [unpack_from(">l", data, second + 44 + 9 * times + 6 * n)[0] for n in range(types)]
    before = offsets[:1] + [offsets[kind] for kind in kinds]
    return [at for at, one, new in zip(instants, before, before[1:], strict=False) if one != new]


def zone_file(name: str) -> bytes:
    """The zone's file, from where the standard library reads it."""
    for folder in TZPATH:
        if (path := Path(folder, name)).is_file():
            return path.read_bytes()
    return files("tzdata.zoneinfo").joinpath(name).read_bytes()
