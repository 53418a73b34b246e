"""When does it fire after a given instant.

The wall times that the columns match become instants by Debian's rule, in the schedule's own zone
(Debian cron(8), cron.c find_jobs):

* A *fixed* schedule (neither minute nor hour starts with `*`) fires once for a wall time that a
  gap skips, at the first instant after the gap, and only at the first of the two occurrences
  that a fold makes.
* A *wildcard* schedule follows real time: nothing in a gap, both passes of a fold.
* What a gap longer than three hours skips is not made up for.
* A minute of which a gap skips only the beginning exists: it begins where the gap ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

from cronjob.core.columns import UNITS, Column, ColumnError, parse_column
from cronjob.core.walltimes import WallTimes
from cronjob.core.zone import Exact, Fold, Gap, civil, named_zone, steady_offset, zone_name
from cronjob.errors import ScheduleError, quoted

LONGEST_GAP = timedelta(hours=3)
_MINUTE = timedelta(minutes=1)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)  # the first day whose civil time exists in every zone
_LAST_YEAR = 9999

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


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pure rule: equal `canonical` texts and zones fire at equal times."""

    text: str  #: as written, blanks normalised
    zone: tzinfo
    columns: tuple[Column, ...] = field(repr=False)  #: empty for `@reboot`
    canonical: str  #: explicit values, stars kept; parses back to an equal schedule
    rule: str  #: `canonical`, but `H` and `~` as written
    wildcard: bool  #: minute or hour starts with `*`, so it follows real time
    key: tuple[str, str] = field(repr=False)  #: equal ones have equal fire times
    _walls: WallTimes | None = field(repr=False, compare=False)

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
            return cls(REBOOT, place, (), REBOOT, REBOOT, False, (REBOOT, zone_name(place)), None)
        written = texts
        if len(texts) == 1:
            texts = tuple(nickname(texts[0]).split())
        columns = parse_columns(texts, seed=seed, classic=classic)
        _check_days(texts, columns)
        canonical = " ".join(column.canonical for column in columns)
        return cls(
            " ".join(written),
            place,
            columns,
            canonical,
            " ".join(column.rule for column in columns),
            columns[0].star or columns[1].star,
            (canonical, zone_name(place)),
            WallTimes.of(columns),
        )

    @property
    def reboot(self) -> bool:
        """Whether it starts once per boot instead of at times."""
        return not self.columns

    def next(self, after: datetime) -> FireTime | None:
        """The first fire time strictly later than `after`.

        None for `@reboot`, and when nothing matches within 50 years or before the year 9999.
        Raises `ValueError` for a naive `after`.
        """
        if after.tzinfo is None:
            raise ValueError("a naive datetime names no instant; give `after` a time zone")
        if self._walls is None:
            return None
        try:
            return self._next(self._walls, max(after.astimezone(UTC), _FIRST))
        except OverflowError:  # the end of the calendar
            return None

    def between(self, start: datetime, end: datetime) -> list[FireTime]:
        """All fire times in `start < at <= end`, ascending."""
        found: list[FireTime] = []
        fire = self.next(start)
        while fire is not None and fire.at <= end:
            found.append(fire)
            found += self._rest_of_day(fire, end)
            fire = self.next(found[-1].at)
        return found

    def shortest_interval(self) -> timedelta | None:
        """The shortest time between two neighbouring matches on the wall; None when below two."""
        return self._walls.shortest_interval() if self._walls is not None else None

    def _rest_of_day(self, fire: FireTime, end: datetime) -> Iterator[FireTime]:
        """What follows `fire` on its civil day, up to `end`; nothing if the clocks change then."""
        offset = fire.nominal - fire.at.replace(tzinfo=None)
        if self._walls is None or steady_offset(fire.nominal, self.zone) != offset:
            return
        for wall in self._walls.rest_of_day(fire.nominal):
            at = (wall - offset).replace(tzinfo=UTC)
            if at > end:
                return
            yield FireTime(at, wall)

    def _next(self, walls: WallTimes, after: datetime) -> FireTime | None:
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

    def _next_in_fold(self, walls: WallTimes, wall: datetime, length: timedelta) -> FireTime | None:
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
                opened = end.astimezone(self.zone).replace(tzinfo=None)
                made_up_for = not self.wildcard and length <= LONGEST_GAP
                return end if end > after and (made_up_for or opened - wall < _MINUTE) else None


def _check_days(texts: tuple[str, ...], columns: tuple[Column, ...]) -> None:
    """Refuse the unions of days of which croniter would match only a part."""
    dom, dow = columns[2], columns[4]
    nearest = any(special.endswith("W") for special in dom.special)
    if (dow.special and not dom.star) or (nearest and not dow.star):
        raise ScheduleError(
            f"day of week {quoted(texts[4])} with day of month {quoted(texts[2])}: "
            f"with {'W' if nearest else '# or L'} in one, the other must begin with *"
        )


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
