"""When do the clocks of a zone change."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_STRIDE = timedelta(days=1)  # no zone changes twice within a day
_RESOLUTION = timedelta(seconds=1)
YEAR = timedelta(days=370)  #: no zone with a yearly rule is without a change for so long


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The offset from UTC changes, for summer time or for another reason."""

    at: datetime  #: UTC: the first instant with the new offset
    before: timedelta  #: the old offset
    after: timedelta  #: the new one

    @property
    def wall_before(self) -> datetime:
        """The naive wall time that is never reached, or comes again later, with the old offset."""
        return (self.at + self.before).replace(tzinfo=None)

    @property
    def wall_after(self) -> datetime:
        """The naive wall time that the clocks show at the change."""
        return (self.at + self.after).replace(tzinfo=None)


def next_change(zone: tzinfo, after: datetime, within: timedelta = YEAR) -> ClockChange | None:
    """The first change later than the aware `after` and at most `within` later, if there is one.

    Found by a look at each day and bisection between two of them.
    """
    low = after.astimezone(UTC)
    try:
        end = low + within
        while low < end:
            high = min(low + _STRIDE, end)
            if _offset(low, zone) != _offset(high, zone):
                return _between(low, high, zone)
            low = high
    except OverflowError:  # the end of the calendar
        pass
    return None


def _between(low: datetime, high: datetime, zone: tzinfo) -> ClockChange:
    before = _offset(low, zone)
    while high - low > _RESOLUTION:
        middle = low + (high - low) / 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return ClockChange(high.replace(microsecond=0), before, _offset(high, zone))


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
