"""One row for all fire times of a schedule that passed without a start.

A daemon that was away for a year must not walk a schedule of every minute; whole days of an even
offset are counted by the columns, and only the others are looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronjob.core.schedule import FireTime, Schedule
from cronjob.core.zone import steady_offset

_DAY = timedelta(days=1)
_WALKED = 2 * _DAY  # so much is looked at one by one


@dataclass(frozen=True, slots=True)
class Missed:
    """What the entries of one schedule did not run."""

    labels: tuple[str, ...]
    first: datetime
    last: datetime
    count: int  #: fire times, for each of the entries
    why: str


def missed(
    schedule: Schedule, labels: tuple[str, ...], since: datetime, until: datetime, why: str
) -> Missed | None:
    """The row for all fire times in `since < at <= until`; None when there is none."""
    first = schedule.next(since)
    if first is None or first.at > until:
        return None
    if until - since <= _WALKED:
        fires = schedule.between(since, until)
        return Missed(labels, first.at, fires[-1].at, len(fires), why)
    days = _Days(schedule, since, until)
    return Missed(labels, first.at, days.last().at, days.count(), why)


class _Days:
    """The days on which a schedule matches, from one instant to another."""

    def __init__(self, schedule: Schedule, since: datetime, until: datetime) -> None:
        self.schedule, self.since, self.until = schedule, since, until
        days = ("0", "12", *schedule.canonical.split()[2:])  # noon exists on every day
        noons = Schedule.from_columns(days, zone=schedule.zone)
        self.noons = noons.between(since - _DAY, until + _DAY)
        minute, hour = schedule.columns[:2]
        self.times_a_day = len(minute.values) * len(hour.values)

    def count(self) -> int:
        """How many fire times there are."""
        return sum(self._counts())

    def last(self) -> FireTime:
        """The last one.  Raises `StopIteration` when there is none."""
        return next(fires[-1] for noon in reversed(self.noons) if (fires := self._of(noon)))

    def _counts(self) -> Iterator[int]:
        for noon in self.noons:
            whole = self.since + 2 * _DAY < noon.at < self.until - 2 * _DAY
            even = steady_offset(noon.nominal, self.schedule.zone) is not None
            yield self.times_a_day if whole and even else len(self._of(noon))

    def _of(self, noon: FireTime) -> list[FireTime]:
        """The fire times of the civil day of this noon."""
        start, end = max(self.since, noon.at - 2 * _DAY), min(self.until, noon.at + 2 * _DAY)
        day = noon.nominal.date()
        return [fire for fire in self.schedule.between(start, end) if fire.nominal.date() == day]
