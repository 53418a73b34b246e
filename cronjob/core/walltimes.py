"""The wall times that five columns match, in ascending order.

A match is a matching time of a matching day.  croniter finds the days, because the day rule, `L`,
`W` and `#` are hard to get right; it only sees explicit lists and naive days.  The times of a day
need no search: they are every minute of every hour that the columns allow.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from threading import Lock
from typing import TYPE_CHECKING, Self

from cronjob.core.columns import Column

if TYPE_CHECKING:
    from croniter import croniter

HORIZON_YEARS = 50
_DAY = timedelta(days=1)
_ANSWERS = 8192  # of croniter, remembered at most, in all
_LEAP_CYCLE = date(2024, 1, 1)  # where a look at the distances of days begins
_MATCHES_LOOKED_AT = 800  # two years of days


class Days:
    """The days that day of month, month and day of week match together.

    Schedules with the same three columns share one object, and with it what croniter answered.
    """

    def __init__(self, dom: Column, month: Column, dow: Column) -> None:
        union = not (dom.star or dow.star)  # cron.c find_jobs: either, unless one is a star
        if union and (len(dom.values) == 31 or len(dow.values) == 7):
            texts = ("*", _explicit(month), "*")  # a union with every day is every day
        else:
            texts = (_explicit(dom), _explicit(month), _explicit(dow))
        self.every = texts == ("*", "*", "*")
        self._text = " ".join(("0 12", *texts))
        self._union = union
        self._croniter: croniter | None = None  # made when first asked: it costs as much
        self._lock = Lock()

    def first(self, day: date) -> date | None:
        """The first matching day that is not before `day`; None when there is none in 50 years."""
        return day if self.every else _asked(self, day)

    def all_from(self, day: date) -> Iterator[date]:
        """The matching days from `day` on, ascending."""
        found = self.first(day)
        while found is not None:
            yield found
            found = self.first(found + _DAY)

    @cached_property
    def apart(self) -> int | None:
        """The fewest days from one match to the next; None when there are less than two."""
        fewest: int | None = None
        for one, later in pairwise(islice(self.all_from(_LEAP_CYCLE), _MATCHES_LOOKED_AT)):
            days = (later - one).days
            fewest = days if fewest is None else min(fewest, days)
            if fewest == 1:
                break
        return fewest

    def ask(self, day: date) -> date | None:
        """The answer of croniter, whose cursor every question moves: one thread at a time."""
        # It looks for what is strictly later: from midnight on it finds the noon of a match.
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 # a wall time
        with self._lock:
            if self._croniter is None:
                self._croniter = self._made()
            try:
                return self._croniter.get_next(datetime, start_time=midnight).date()
            except (OverflowError, ValueError):
                return None  # ValueError is croniter's word for none, and for a year beyond 9999

    def _made(self) -> "croniter":
        from croniter import croniter  # slow to import, and who reads the history needs none

        return croniter(self._text, day_or=self._union, max_years_between_matches=HORIZON_YEARS)


_shared_days = lru_cache(maxsize=4096)(Days)


@lru_cache(maxsize=_ANSWERS)
def _asked(days: Days, day: date) -> date | None:
    return days.ask(day)


def _explicit(column: Column) -> str:
    """The column as croniter is to see it: it reads `9-9` as every hour, and steps in its way."""
    return "*" if column.full else ",".join([*map(str, column.values), *column.special])


@dataclass(frozen=True, slots=True)
class WallTimes:
    """What five columns match."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> Self:
        """The wall times of minute, hour, day of month, month and day of week."""
        minute, hour, dom, month, dow = columns
        return cls(minute.values, hour.values, _shared_days(dom, month, dow))

    def after(self, wall: datetime) -> datetime | None:
        """The first match strictly later than `wall`; None when there is none in 50 years.

        Raises `OverflowError` on the last day of the calendar.
        """
        today = wall.date()
        time = self._later(wall.hour, wall.minute)
        day = self.days.first(today if time else today + _DAY)  # so that one question will do
        if day is None:
            return None
        if time is None or day != today:
            time = self.hours[0], self.minutes[0]
        return datetime(day.year, day.month, day.day, *time)  # noqa: DTZ001 # a wall time

    def rest_of_day(self, wall: datetime) -> Iterator[datetime]:
        """The matches later than the match `wall` on its day, ascending."""
        for hour in self.hours[bisect_left(self.hours, wall.hour) :]:
            first = bisect_right(self.minutes, wall.minute) if hour == wall.hour else 0
            for minute in self.minutes[first:]:
                yield wall.replace(hour=hour, minute=minute)

    def shortest_interval(self) -> timedelta | None:
        """The shortest time between two neighbouring matches; None when there are less than two.

        A match repeats within the hour, else from hour to hour, else from day to day, where a look
        at the calendar says how far the days lie apart.
        """
        first, last = self.minutes[0], self.minutes[-1]
        found = [b - a for a, b in pairwise(self.minutes)]
        found += [(b - a) * 60 + first - last for a, b in pairwise(self.hours)]
        overnight = (24 + self.hours[0] - self.hours[-1]) * 60 + first - last
        if not found or overnight < min(found):
            days = self.days.apart
            found += [(days - 1) * 24 * 60 + overnight] if days is not None else []
        return timedelta(minutes=min(found)) if found else None

    def _later(self, hour: int, minute: int) -> tuple[int, int] | None:
        """The first time of day, as hour and minute, that is later; None when it was the last."""
        if minute < self.minutes[-1] and hour in self.hours:
            return hour, self.minutes[bisect_right(self.minutes, minute)]
        index = bisect_right(self.hours, hour)
        return (self.hours[index], self.minutes[0]) if index < len(self.hours) else None
