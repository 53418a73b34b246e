"""One row for all fire times of a schedule that passed without a start.

A daemon that was away for a year must not walk a schedule of every minute; whole days of an even
offset are counted by the columns, and only the others are looked at.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.zone import steady_offset

_DAY = timedelta(days=1)
_WALKED = 6 * _DAY  # so much is looked at one by one
_INSTANT = timedelta(microseconds=1)
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
        but: Iterable[datetime] = (),
    ) -> Missed | None:
        """The row for all fire times in `since < at <= until`; None when there is none.

        Both are within the absence, and its own ends if they are not given.  Those that are in
        `but` are not missed.
        """
        since, until = since or self.since, until or self.until
        first = schedule.next(since)
        if first is None or first.at > until:
            return None
        if until - since <= _WALKED:
            fires = schedule.between(since, until)
            row = Missed(labels, first.at, fires[-1].at, len(fires), self.why)
        else:
            count, last = _counted(schedule, self._noons_of(schedule), since, until)
            row = Missed(labels, first.at, last.at, count, self.why)
        return self._without(schedule, row, but)

    def newest(
        self, schedule: Schedule, count: int, since: datetime, until: datetime
    ) -> list[FireTime]:
        """The last `count` fire times in `since < at <= until`, or all of them; ascending.

        It looks at no more days than these are on, but for days whose only ones a gap skips.
        """
        found: list[FireTime] = []
        days = self._from_the_end(schedule, since, until)
        while len(found) < count and (fires := next(days, None)) is not None:
            found[:0] = fires[len(found) - count :]
        return found

    def _from_the_end(
        self, schedule: Schedule, since: datetime, until: datetime
    ) -> Iterator[list[FireTime]]:
        """The fire times in `since < at <= until`, in parts of about a day, the last part first."""
        if until - since > _WALKED:
            yield from _parts(schedule, self._noons_of(schedule), since, until)
            return
        while until > since:
            start = max(since, until - _DAY)
            yield schedule.between(start, until)
            until = start

    def _without(self, schedule: Schedule, row: Missed, but: Iterable[datetime]) -> Missed | None:
        """The row without fire times that are not missed."""
        not_missed = {at for at in but if row.first <= at <= row.last and _fires_at(schedule, at)}
        if not not_missed:
            return row
        if row.count == len(not_missed):
            return None
        first, before = schedule.next(row.first - _INSTANT), row.first - _INSTANT
        while first is not None and first.at in not_missed:
            first = schedule.next(first.at)
        latest = self.newest(schedule, len(not_missed) + 1, before, row.last)
        last = next(fire.at for fire in reversed(latest) if fire.at not in not_missed)
        assert first is not None, "a row that counts more has another one"
        return replace(row, first=first.at, last=last, count=row.count - len(not_missed))

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

    def within(self, since: datetime, until: datetime) -> tuple[int, int]:
        """The first of the days that lie wholly in `since < at <= until`, and the one after."""
        return bisect_right(self.at, since + _EDGE), bisect_left(self.at, until - _EDGE)


def _counted(
    schedule: Schedule, noons: _Noons, since: datetime, until: datetime
) -> tuple[int, FireTime]:
    """How many fire times there are in `since < at <= until`, and the last one."""
    first, end = noons.within(since, until)
    parts = _parts(schedule, noons, since, until)
    last = next(filter(None, parts))[-1]
    if first >= end:
        return len(schedule.between(since, until)), last
    uneven = noons.uneven[bisect_left(noons.uneven, first) : bisect_left(noons.uneven, end)]
    minute, hour = schedule.columns[:2]
    count = len(_before(schedule, since, noons.fires[first]))
    count += len(_after(schedule, noons.fires[end - 1], until))
    count += (end - first - len(uneven)) * len(minute.values) * len(hour.values)
    count += sum(len(_on_the_day(schedule, noons.fires[index])) for index in uneven)
    return count, last


def _parts(
    schedule: Schedule, noons: _Noons, since: datetime, until: datetime
) -> Iterator[list[FireTime]]:
    """The fire times in `since < at <= until`: the last part, each whole day, the first part."""
    first, end = noons.within(since, until)
    if first >= end:
        yield schedule.between(since, until)
        return
    yield _after(schedule, noons.fires[end - 1], until)
    for index in range(end - 1, first - 1, -1):
        yield _on_the_day(schedule, noons.fires[index])
    yield _before(schedule, since, noons.fires[first])


def _before(schedule: Schedule, since: datetime, opening: FireTime) -> list[FireTime]:
    """Those of the days before that of the noon `opening`, on which some are not within."""
    return _within(schedule, since, opening.at + _EDGE, date.min, opening.nominal.date())


def _after(schedule: Schedule, closing: FireTime, until: datetime) -> list[FireTime]:
    """Those of the days after that of the noon `closing`."""
    return _within(schedule, closing.at - _EDGE, until, closing.nominal.date() + _DAY, date.max)


def _fires_at(schedule: Schedule, at: datetime) -> bool:
    fire = schedule.next(at - _INSTANT)
    return fire is not None and fire.at == at


def _on_the_day(schedule: Schedule, noon: FireTime) -> list[FireTime]:
    day = noon.nominal.date()
    return _within(schedule, noon.at - _EDGE, noon.at + _EDGE, day, day + _DAY)


def _within(
    schedule: Schedule, since: datetime, until: datetime, start: date, end: date
) -> list[FireTime]:
    """The fire times of civil days from `start` up to and without `end`."""
    fires = schedule.between(since, until)
    return [fire for fire in fires if start <= fire.nominal.date() < end]
