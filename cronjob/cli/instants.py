"""Points in time as a person writes them on the command line."""

from datetime import UTC, datetime, timedelta, tzinfo

from cronjob.core.zone import Exact, Fold, Gap, civil
from cronjob.errors import ScheduleError, quoted

_FIRST_YEAR, _LAST_YEAR = 1000, 9990  # far enough from the ends of the calendar
_INSTANT = timedelta(microseconds=1)  # the resolution of a datetime


def parse_instant(text: str, zone: tzinfo, option: str) -> datetime:
    """The instant, in UTC, of a date or a date with a time in ISO 8601.

    Without an offset it is in `zone`: what comes twice means the first one, and what does not
    exist means the last moment before the change, so that what fires at the change is still to
    come.  Raises `ScheduleError`, which names the `option` that the text was given to.
    """
    try:
        moment = datetime.fromisoformat(text)
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ValueError
        return moment.astimezone(UTC) if moment.tzinfo else _instant(moment, zone)
    except ValueError:
        raise ScheduleError(
            f"{option} {quoted(text)} is not understood; allowed are a date like 2027-03-28 and "
            "a date with a time like 2027-03-28T02:30, which may end in Z or an offset like "
            f"+02:00, in the years {_FIRST_YEAR} to {_LAST_YEAR}"
        ) from None


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    match civil(wall, zone):
        case Exact(at):
            return at
        case Fold(first):
            return first
        case Gap(end):
            return end - _INSTANT
