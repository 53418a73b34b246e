"""What a due or missed fire time becomes.

The bands are cron's (cron.c main, "too many clocks"), with instants in place of minutes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cronjob.core.schedule import FireTime, Schedule

LATENESS = timedelta(seconds=60)  #: a restart within this loses no fire time
SHORT = timedelta(minutes=5)
LONG = timedelta(hours=3)
STEP = timedelta(seconds=1)  #: a difference of the two clocks from here on is a step


@dataclass(frozen=True, slots=True)
class Due:
    """What becomes of the fire times of one schedule that have come."""

    starts: tuple[FireTime, ...]
    missed: bool  #: whether some of them are not made up for


def due(schedule: Schedule, first: FireTime, now: datetime, late: timedelta) -> Due:
    """Decide about `first`, which has come, and its successors up to `now`.

    `late` is by how much the daemon woke later than it meant to: up to five minutes everything
    starts; up to three hours a fixed schedule starts once and a wildcard one if it matches the
    present minute; beyond that, nothing does.
    """
    if late > LONG:
        return Due((), True)
    if late <= SHORT:
        return Due((first, *schedule.between(first.at, now)), False)
    if not schedule.wildcard:
        *collapsed, latest = (first, *schedule.between(first.at, now))
        return Due((latest,), bool(collapsed))
    minute = now.replace(second=0, microsecond=0)
    present = schedule.next(minute - timedelta(microseconds=1))
    if present is None or present.at > now:
        return Due((), True)
    return Due((present,), present.at > first.at)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where planning goes on after a restart."""

    after: datetime  #: fire times later than this are planned
    missed_since: datetime | None  #: those later than this and up to `after` are missed


def resume(planned: datetime | None, stopped: datetime | None, now: datetime) -> Resume:
    """Where to go on, when everything up to `planned` had been dealt with.

    A daemon that finished stopping at most 60 s ago has lost nothing; otherwise what is more than
    60 s late is missed.  `planned` in the future means that the clock went back meanwhile.
    """
    if planned is None or planned > now:
        return Resume(now, None)
    if stopped is not None and timedelta() <= now - stopped <= LATENESS:
        return Resume(planned, None)
    oldest = now - LATENESS
    return Resume(planned, None) if planned >= oldest else Resume(oldest, planned)
