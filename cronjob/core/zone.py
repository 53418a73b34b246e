"""A civil time exists once, never or twice.

Offsets come from the zone itself, one pair for each civil time (PEP 495): with `fold=0` and
`fold=1` they are equal unless the time lies in a gap (the second is larger) or in a fold (the
second is smaller).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronjob.errors import ScheduleError, quoted

_RESOLUTION = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Exact:
    """The civil time exists once, at the instant `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """The civil time never exists; `end` is the first instant after the gap."""

    end: datetime
    length: timedelta


@dataclass(frozen=True, slots=True)
class Fold:
    """The civil time exists twice."""

    first: datetime
    second: datetime


Civil = Exact | Gap | Fold


@lru_cache(maxsize=1024)
def named_zone(name: str) -> tzinfo:
    """The IANA zone of that name.  Raises `ScheduleError` when there is none.

    An unknown zone is an error and never UTC: cronie's silent UTC runs jobs at wrong times.
    """
    import pendulum  # slow to import, and a zone may be given as an object

    try:
        # `right/` zones count leap seconds: their days are not 86,400 s long.
        if not name.startswith("right/"):
            return pendulum.timezone(name)
    except (ValueError, OSError):
        pass
    raise ScheduleError(f"unknown time zone {quoted(name)}; allowed are names like Europe/Paris")


def forget_zones() -> None:
    """Read the zone database anew from now on: `named_zone` gives new objects, but for UTC.

    Objects given before keep their rules.  A new one is equal to the old one of its name although
    its rules may differ; only `is` tells them apart.
    """
    from pendulum.tz.timezone import Timezone

    named_zone.cache_clear()
    Timezone.clear_cache()
    ZoneInfo.clear_cache()


def zone_name(zone: tzinfo) -> str:
    """The zone's IANA name, or what it calls itself."""
    return str(getattr(zone, "key", None) or zone)


def civil(wall: datetime, zone: tzinfo) -> Civil:
    """Say which of the three a naive wall time is in `zone`.

    Raises `OverflowError` where the instant leaves the years 1 to 9999.
    """
    local = wall.replace(tzinfo=zone, fold=0)
    before = _offset(local)
    after = _offset(local.replace(fold=1))
    if before == after:
        return Exact((wall - before).replace(tzinfo=UTC))
    if before > after:
        return Fold((wall - before).replace(tzinfo=UTC), (wall - after).replace(tzinfo=UTC))
    return Gap(_gap_end(wall, zone, before, after), after - before)


def steady_offset(day: datetime, zone: tzinfo) -> timedelta | None:
    """The offset in force throughout the civil day of the naive `day`.

    None if the clocks change on that day, or at the beginning or end of it; no zone ever changed
    its offset and took the change back within a day.
    """
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=zone, fold=0)
    offset = _offset(midnight)
    for end in (midnight, midnight + _DAY):
        if _offset(end) != offset or _offset(end.replace(fold=1)) != offset:
            return None
    return offset


def _gap_end(wall: datetime, zone: tzinfo, before: timedelta, after: timedelta) -> datetime:
    """The instant at which the offset changes from `before` to `after`, found by bisection."""
    low = (wall - after).replace(tzinfo=UTC)
    high = (wall - before).replace(tzinfo=UTC)
    while high - low > _RESOLUTION:
        middle = low + (high - low) / 2
        if _offset(middle.astimezone(zone)) == after:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    if offset is None:
        raise ScheduleError(f"zone {quoted(str(local.tzinfo))} has no offset for {local:%F %T}")
    return offset
