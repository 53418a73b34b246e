"""One row for all fire times of a schedule that passed without a start.

A daemon that was away for a year must not walk a schedule of every minute; whole days of an even
offset are counted by the columns, and only the others are looked at.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.zone import steady_offset

_DAY = timedelta(days=1)
_WALKED = 6 * _DAY  # so much is looked at one by one
_EDGE = 2 * _DAY  # no fire time is so far from the noon of its civil day


@dataclass(frozen=True, slots=True)
class Missed:
    """What the entries of one schedule did not run."""

    labels: tuple[str, ...]
    first: datetime
    last: datetime
    count: int  #: fire times, for each of the entries
    why: str


class Absence:
    """A time in which fire times passed, from one instant to another.

    Schedules of the same days share what was found out about these: there may be thousands.
    """

    def __init__(self, since: datetime, until: datetime, why: str) -> None:
        self.since, self.until, self.why = since, until, why
        self._noons: dict[tuple[tuple[str, ...], int], _Noons] = {}

    def missed(
        self,
        schedule: Schedule,
        labels: tuple[str, ...],
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Missed | None:
        """The row for all fire times in `since < at <= until`; None when there is none.

        Both are within the absence, and its own ends if they are not given.
        """
        since, until = since or self.since, until or self.until
        first = schedule.next(since)
        if first is None or first.at > until:
            return None
        if until - since <= _WALKED:
            fires = schedule.between(since, until)
            return Missed(labels, first.at, fires[-1].at, len(fires), self.why)
        count, last = _counted(schedule, self._noons_of(schedule), since, until)
        return Missed(labels, first.at, last.at, count, self.why)

    def _noons_of(self, schedule: Schedule) -> "_Noons":
        days = tuple(schedule.canonical.split()[2:])
        key = days, id(schedule.zone)  # zones of one name may have different rules
        if (noons := self._noons.get(key)) is None:
            noons = self._noons[key] = _Noons(schedule, days, self.since, self.until)
        return noons


class _Noons:
    """The noons of the days that match: there is one on every day that exists."""

    def __init__(
        self, schedule: Schedule, days: tuple[str, ...], since: datetime, until: datetime
    ) -> None:
        noons = Schedule.from_columns(("0", "12", *days), zone=schedule.zone)
        self.fires = noons.between(since, until)
        self.at = [noon.at for noon in self.fires]
        self.uneven = [
            index
            for index, noon in enumerate(self.fires)
            if steady_offset(noon.nominal, schedule.zone) is None
        ]


def _counted(
    schedule: Schedule, noons: _Noons, since: datetime, until: datetime
) -> tuple[int, FireTime]:
    """How many fire times there are in `since < at <= until`, and the last one."""
    first, end = bisect_right(noons.at, since + _EDGE), bisect_left(noons.at, until - _EDGE)
    if first >= end:  # no day lies wholly in between
        fires = schedule.between(since, until)
        return len(fires), fires[-1]
    opening, closing = noons.fires[first], noons.fires[end - 1]
    before = _within(schedule, since, opening.at + _EDGE, date.min, opening.nominal.date())
    after = _within(schedule, closing.at - _EDGE, until, closing.nominal.date() + _DAY, date.max)
    uneven = noons.uneven[bisect_left(noons.uneven, first) : bisect_left(noons.uneven, end)]
    minute, hour = schedule.columns[:2]
    count = len(before) + len(after)
    count += (end - first - len(uneven)) * len(minute.values) * len(hour.values)
    count += sum(len(_on_the_day(schedule, noons.fires[index])) for index in uneven)
    days = (_on_the_day(schedule, noons.fires[index]) for index in range(end - 1, first - 1, -1))
    latest = after or next(filter(None, days), before)
    return count, latest[-1]


def _on_the_day(schedule: Schedule, noon: FireTime) -> list[FireTime]:
    day = noon.nominal.date()
    return _within(schedule, noon.at - _EDGE, noon.at + _EDGE, day, day + _DAY)


def _within(
    schedule: Schedule, since: datetime, until: datetime, start: date, end: date
) -> list[FireTime]:
    """The fire times of civil days from `start` up to and without `end`."""
    fires = schedule.between(since, until)
    return [fire for fire in fires if start <= fire.nominal.date() < end]
