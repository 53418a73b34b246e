"""What a due or missed fire time becomes.

The two tables of bands are the whole rule; they are cron's (cron.c main, "too many clocks"), with
instants in place of minutes, and with one run of a fixed schedule where cron starts a burst.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cronjob.core.schedule import FireTime, Schedule

LATENESS = timedelta(seconds=60)  #: a restart within this loses no fire time
SHORT = timedelta(minutes=5)
LONG = timedelta(hours=3)
STEP = timedelta(seconds=1)  #: a difference of the two clocks from here on is a step


class Start(StrEnum):
    """Which of the fire times that have come start; the others are missed."""

    EVERY = "every one"
    LATEST = "one run, for the latest"
    PRESENT = "the one of the present minute"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LateBand:
    """What schedules do when the daemon is woken late, by a step forward or by a suspend."""

    up_to: timedelta  #: inclusive
    fixed: Start
    wildcard: Start


LATE = (
    LateBand(SHORT, fixed=Start.EVERY, wildcard=Start.EVERY),
    LateBand(LONG, fixed=Start.LATEST, wildcard=Start.PRESENT),
    LateBand(timedelta.max, fixed=Start.NONE, wildcard=Start.NONE),
)


class Plan(StrEnum):
    """Where a schedule goes on after the clock went back."""

    KEPT = "after its last fire time, when the clock has made up for the step"
    ANEW = "from the present time"


@dataclass(frozen=True, slots=True)
class BackBand:
    """What schedules do when the clock stands so far before the latest time that it has shown."""

    up_to: timedelta  #: inclusive
    fixed: Plan
    wildcard: Plan


BACK = (
    BackBand(LONG, fixed=Plan.KEPT, wildcard=Plan.ANEW),
    BackBand(timedelta.max, fixed=Plan.ANEW, wildcard=Plan.ANEW),
)


def late_band(late: timedelta) -> LateBand:
    """The row for a daemon that wakes `late` after it meant to."""
    return next(band for band in LATE if late <= band.up_to)


def back_band(behind: timedelta) -> BackBand:
    """The row for a clock that stands `behind` its high-water mark."""
    return next(band for band in BACK if behind <= band.up_to)


class Due(NamedTuple):
    """What becomes of the fire times of one schedule that have come."""

    starts: tuple[FireTime, ...]
    missed: bool  #: whether some of them are not made up for


def due(
    schedule: Schedule, first: FireTime, now: datetime, late: timedelta, *, alone: bool = False
) -> Due:
    """Decide about `first`, which has come, and its successors up to `now`.

    `late` is by how much the daemon woke later than it meant to.  `alone` says that there are no
    successors up to `now`, if the caller knows.
    """
    band = late_band(late)
    start = band.wildcard if schedule.wildcard else band.fixed
    if start is Start.NONE:
        return Due((), True)
    if start is Start.PRESENT:
        minute = now.replace(second=0, microsecond=0)
        present = schedule.next(minute - timedelta(microseconds=1))
        if present is None or present.at > now:
            return Due((), True)
        return Due((present,), present.at > first.at)
    fires = (first,) if alone else (first, *schedule.between(first.at, now))
    if start is Start.EVERY:
        return Due(fires, False)
    return Due(fires[-1:], len(fires) > 1)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where planning goes on after a restart."""

    after: datetime  #: fire times later than this are planned; behind it, as after a step back
    missed_since: datetime | None  #: those later than this and up to `after` are missed


def resume(planned: datetime | None, stopped: datetime | None, now: datetime) -> Resume:
    """Where to go on, when everything up to `planned` had been dealt with.

    A daemon that finished stopping at most 60 s ago has lost nothing; otherwise what is more than
    60 s late is missed.  `planned` in the future means that the clock went back meanwhile.
    """
    if planned is None:
        return Resume(now, None)
    if planned > now:
        return Resume(planned, None)
    if stopped is not None and timedelta() <= now - stopped <= LATENESS:
        return Resume(planned, None)
    oldest = now - LATENESS
    return Resume(planned, None) if planned >= oldest else Resume(oldest, planned)
