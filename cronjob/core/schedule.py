"""When does it fire after a given instant.

croniter iterates over *naive wall time*, on explicit lists; this module turns wall times into
instants by Debian's rule, in the schedule's own zone (Debian cron(8), cron.c find_jobs):

* A *fixed* schedule (neither minute nor hour starts with `*`) fires once for a wall time that a
  gap skips, at the first instant after the gap, and only at the first of the two occurrences
  that a fold makes.
* A *wildcard* schedule follows real time: nothing in a gap, both passes of a fold.
* What a gap longer than three hours skips is not made up for.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import Self

from croniter import CroniterBadDateError, croniter

from cronjob.core.columns import HOUR, MINUTE, UNITS, Column, ColumnError, parse_column
from cronjob.core.zone import Exact, Fold, Gap, civil, named_zone, zone_name
from cronjob.errors import ScheduleError, quoted

LONGEST_GAP = timedelta(hours=3)
HORIZON_YEARS = 50
_FIRST = datetime(1, 1, 2, tzinfo=UTC)  # the first day whose civil time exists in every zone
_LAST_YEAR = 9999
_LEAP_CYCLE = datetime(2024, 1, 1)  # noqa: DTZ001 # where a look at the days begins
_MATCHES_LOOKED_AT = 800  # two years of days

#: POSIX says nothing of them; cronie entry.c load_entry defines what each stands for.
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
REBOOT = "@reboot"


@dataclass(frozen=True, slots=True)
class FireTime:
    """An instant at which an entry is to start."""

    at: datetime  #: aware, UTC
    nominal: datetime  #: the naive wall time that the table asked for


class _Walls:
    """The wall times that five columns match, in ascending order.

    A croniter moves its own cursor at each question, hence the lock: schedules are shared.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        minute, hour, dom, month, dow = columns
        union = not (dom.star or dow.star)
        if union and "*" in (_everything(dom, 31), _everything(dow, 7)):
            days = weekdays = "*"  # a union with every day is every day
        else:
            days, weekdays = _for_croniter(dom), _for_croniter(dow)
        texts = (_for_croniter(minute), _for_croniter(hour), days, _for_croniter(month), weekdays)
        self._croniter = croniter(
            " ".join(texts),
            datetime(2000, 1, 1),  # noqa: DTZ001 # croniter iterates on naive wall time
            day_or=union,
            max_years_between_matches=HORIZON_YEARS,
        )
        self._lock = Lock()

    def after(self, wall: datetime) -> datetime | None:
        """The first match strictly later than `wall`; None within the horizon."""
        with self._lock:
            try:
                return self._croniter.get_next(datetime, start_time=wall)
            except (CroniterBadDateError, OverflowError, ValueError):
                return None  # ValueError is croniter's word for a year beyond 9999


def _everything(column: Column, size: int) -> str:
    return "*" if len(column.values) == size else ""


def _for_croniter(column: Column) -> str:
    return "*" if column.full else ",".join([*map(str, column.values), *column.special])


@lru_cache(maxsize=4096)
def _walls(columns: tuple[Column, ...]) -> _Walls:
    return _Walls(columns)


@lru_cache(maxsize=4096)
def _days_apart(columns: tuple[Column, ...]) -> int | None:
    """The fewest days from one match of the three day columns to the next; None when below two."""
    midnight = parse_column("0", MINUTE), parse_column("0", HOUR)
    walls = _walls((*midnight, *columns))
    found = walls.after(_LEAP_CYCLE)
    fewest: int | None = None
    for _ in range(_MATCHES_LOOKED_AT):
        later = walls.after(found) if found is not None else None
        if found is None or later is None or fewest == 1:
            break
        days = (later - found).days
        fewest = days if fewest is None else min(fewest, days)
        found = later
    return fewest


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pure rule: equal `canonical` texts and zones fire at equal times."""

    text: str  #: as written, blanks normalised
    zone: tzinfo
    columns: tuple[Column, ...] = field(repr=False)  #: empty for `@reboot`
    canonical: str  #: explicit values, stars kept; parses back to an equal schedule
    rule: str  #: `canonical`, but `H` and `~` as written
    wildcard: bool  #: minute or hour starts with `*`, so it follows real time
    _wall_times: _Walls | None = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, *, zone: str | tzinfo, seed: str = "") -> Self:
        """Read five columns or an `@name`.

        `seed` fixes what `H` and `~` draw.  Raises `ScheduleError` for a bad text or zone.
        """
        return cls.from_columns(split_columns(text), zone=zone, seed=seed)

    @classmethod
    def from_columns(
        cls, texts: tuple[str, ...], *, zone: str | tzinfo, seed: str = "", classic: bool = False
    ) -> Self:
        """Read the five columns, or the one `@name`, that `texts` holds.

        Raises `ScheduleError`; a `ColumnError` has the index of its column as `position`.
        """
        place = named_zone(zone) if isinstance(zone, str) else zone
        if texts == (REBOOT,):
            return cls(REBOOT, place, (), REBOOT, REBOOT, False, None)
        written = texts
        if len(texts) == 1:
            texts = tuple(nickname(texts[0]).split())
        columns = parse_columns(texts, seed=seed, classic=classic)
        dom, dow = columns[2], columns[4]
        if dow.special and not dom.star:  # croniter would match only days that are both
            raise ScheduleError(
                f"day of week {quoted(texts[4])} with day of month {quoted(texts[2])}: "
                "with # or L in one, the other must begin with *"
            )
        return cls(
            " ".join(written),
            place,
            columns,
            " ".join(column.canonical for column in columns),
            " ".join(column.rule for column in columns),
            columns[0].star or columns[1].star,
            _walls(columns),
        )

    @property
    def reboot(self) -> bool:
        """Whether it starts once per boot instead of at times."""
        return not self.columns

    @property
    def key(self) -> tuple[str, str]:
        """Schedules with equal keys have equal fire times."""
        return self.canonical, zone_name(self.zone)

    def next(self, after: datetime) -> FireTime | None:
        """The first fire time strictly later than `after`.

        None for `@reboot`, and when nothing matches within 50 years or before the year 9999.
        Raises `ValueError` for a naive `after`.
        """
        if after.tzinfo is None:
            raise ValueError("a naive datetime names no instant; give `after` a time zone")
        if self._wall_times is None:
            return None
        try:
            return self._next(self._wall_times, max(after.astimezone(UTC), _FIRST))
        except OverflowError:  # the end of the calendar
            return None

    def between(self, start: datetime, end: datetime) -> list[FireTime]:
        """All fire times in `start < at <= end`, ascending."""
        found: list[FireTime] = []
        fire = self.next(start)
        while fire is not None and fire.at <= end:
            found.append(fire)
            fire = self.next(fire.at)
        return found

    def shortest_interval(self) -> timedelta | None:
        """The shortest time between two neighbouring matches on the wall; None when below two.

        Found from the columns alone: a match repeats within the hour, else from hour to hour,
        else from day to day, where a look at the calendar says how far the days lie apart.
        """
        if self._wall_times is None:
            return None
        minutes, hours = self.columns[0].values, self.columns[1].values
        gaps = [b - a for a, b in pairwise(minutes)]
        gaps += [(b - a) * 60 + minutes[0] - minutes[-1] for a, b in pairwise(hours)]
        overnight = (24 + hours[0] - hours[-1]) * 60 + minutes[0] - minutes[-1]
        if not gaps or overnight < min(gaps):
            days = _days_apart(self.columns[2:])
            gaps += [(days - 1) * 24 * 60 + overnight] if days is not None else []
        return timedelta(minutes=min(gaps)) if gaps else None

    def _next(self, walls: _Walls, after: datetime) -> FireTime | None:
        local = after.astimezone(self.zone)
        wall = local.replace(tzinfo=None, fold=0)
        if self.wildcard and local.fold == 0:
            match civil(wall, self.zone):
                case Fold(first, second):
                    # In the first pass: what matches before the clocks go back comes before what
                    # the second pass repeats, and that may lie earlier on the wall.
                    if (fire := self._next_in_fold(walls, wall, second - first)) is not None:
                        return fire
                case _:
                    pass
        found = walls.after(wall)
        while found is not None and found.year < _LAST_YEAR:
            if (at := self._instant(found, after)) is not None:
                return FireTime(at, found)
            found = walls.after(found)
        return None

    def _next_in_fold(self, walls: _Walls, wall: datetime, length: timedelta) -> FireTime | None:
        """The next fire time of a wildcard schedule while `wall` is in the first pass of a fold."""
        found = walls.after(wall)
        here = civil(found, self.zone) if found is not None else None
        if found is not None and isinstance(here, Fold) and found - wall < length:
            return FireTime(here.first, found)
        found = walls.after(wall - length)
        while found is not None and found <= wall:
            if isinstance(here := civil(found, self.zone), Fold):
                return FireTime(here.second, found)
            found = walls.after(found)
        return None

    def _instant(self, wall: datetime, after: datetime) -> datetime | None:
        """The instant later than `after` at which the matching `wall` fires, if there is one."""
        match civil(wall, self.zone):
            case Exact(at):
                return at if at > after else None
            case Fold(first, second):
                if first > after:
                    return first
                return second if self.wildcard and second > after else None
            case Gap(end, length):
                if self.wildcard or length > LONGEST_GAP or end <= after:
                    return None
                return end


def nickname(text: str) -> str:
    """The five columns that an `@name` stands for.  Raises `ScheduleError` for other names."""
    try:
        return NICKNAMES[text]
    except KeyError:
        allowed = ", ".join([*NICKNAMES, REBOOT])
        raise ScheduleError(f"{quoted(text)} is not a known name; allowed are {allowed}") from None


def split_columns(text: str) -> tuple[str, ...]:
    """Five columns or one `@name`; blanks and tabs separate.  Raises `ScheduleError`."""
    parts = tuple(part for part in text.replace("\t", " ").split(" ") if part)
    if len(parts) == 5 or (len(parts) == 1 and parts[0].startswith("@")):
        return parts
    raise ScheduleError(
        f"schedule {quoted(text.strip())} has {len(parts)} columns; allowed are five "
        "(minute hour day-of-month month day-of-week) or an @name"
    )


def parse_columns(
    texts: tuple[str, ...], *, seed: str = "", classic: bool = False
) -> tuple[Column, ...]:
    """Read the five time columns.

    Raises `ColumnError`; its `position` is the index of the column it is about.
    """
    columns = []
    for position, (text, unit) in enumerate(zip(texts, UNITS, strict=True)):
        try:
            columns.append(parse_column(text, unit, seed=seed, classic=classic))
        except ColumnError as error:
            error.position = position
            raise
    return tuple(columns)
