"""One row for what passed without a start: the same as walking it, without the walk."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.missed import Absence
from cronjob.core.schedule import Schedule
from cronjob.core.zone import named_zone

at = datetime.fromisoformat
LABELS = ("a", "b")


@pytest.mark.parametrize(
    "columns",
    ["* * * * *", "*/7 3 * * *", "30 2 * * 1", "0 0 1-7 * 0", "59 23 30 * *", "*/30 2 * * 0"],
)
@pytest.mark.parametrize(
    ("zone", "since", "until"),
    [
        ("UTC", "2026-03-02T10:00Z", "2026-03-02T10:00:30Z"),
        ("UTC", "2026-03-02T10:00Z", "2026-03-08T10:00Z"),  # the longest that is walked
        ("UTC", "2026-03-02T10:00Z", "2026-03-08T10:00:00.000001Z"),
        ("UTC", "2026-03-02T00:00Z", "2026-03-12T00:00Z"),
        ("UTC", "2026-03-27T12:30Z", "2026-04-02T12:30:01Z"),  # the 30th is not wholly within
        ("Europe/Berlin", "2026-03-20T10:00Z", "2026-04-10T10:17Z"),  # a gap
        ("Europe/Berlin", "2026-03-01T10:00Z", "2026-04-03T10:00Z"),  # its last Sunday has no 2:30
        ("America/New_York", "2026-10-20T03:00Z", "2026-11-10T02:59Z"),  # a fold
        ("Australia/Lord_Howe", "2026-03-20T10:00Z", "2026-04-20T10:00Z"),  # half an hour
        ("Africa/Cairo", "2026-04-10T10:00Z", "2026-05-10T10:00Z"),  # at midnight
        ("Pacific/Apia", "2011-12-20T10:00Z", "2012-01-10T10:00Z"),  # a day that is not
        ("Pacific/Kiritimati", "2026-03-02T10:00Z", "2026-03-12T09:30Z"),
    ],
)
def test_a_row_counts_what_a_walk_would_find(
    columns: str, zone: str, since: str, until: str
) -> None:
    schedule = Schedule.parse(columns, zone=zone)
    row = Absence(at(since), at(until), "why").missed(schedule, LABELS)
    walked = schedule.between(at(since), at(until))
    if not walked:
        assert row is None
        return
    assert row is not None
    assert (row.first, row.last, row.count) == (walked[0].at, walked[-1].at, len(walked))
    assert (row.labels, row.why) == (LABELS, "why")


def test_the_beginning_is_dealt_with_and_the_end_is_missed() -> None:
    schedule = Schedule.parse("0 * * * *", zone="UTC")
    ten, eleven = at("2026-03-02T10:00Z"), at("2026-03-02T11:00Z")
    row = Absence(ten, eleven, "why").missed(schedule, LABELS)
    assert row is not None
    assert (row.first, row.last, row.count) == (eleven, eleven, 1)
    assert Absence(eleven, eleven + timedelta(minutes=59), "why").missed(schedule, LABELS) is None


def test_a_schedule_that_never_fires_misses_nothing() -> None:
    schedule = Schedule.parse("0 0 30 2 *", zone="UTC")
    absence = Absence(at("2000-01-01T00:00Z"), at("2020-01-01T00:00Z"), "why")
    assert absence.missed(schedule, LABELS) is None


def test_a_century_of_minutes_is_counted() -> None:
    schedule = Schedule.parse("* * * * *", zone="UTC")
    absence = Absence(at("1970-01-01T00:00Z"), at("2070-01-01T00:00Z"), "why")
    row = absence.missed(schedule, LABELS)
    assert row is not None
    assert row.count == (100 * 365 + 25) * 24 * 60


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hours", [0, 1, 7, 13, 24, 35, 49])
def test_a_part_of_an_absence_counts_what_a_walk_would_find(zone: str, hours: int) -> None:
    start, end = at("2011-12-10T00:00Z"), at("2012-04-10T00:00Z")
    absence, aside = Absence(start, end, "why"), timedelta(hours=hours)
    for columns in ("0,30 */5 * * *", "15 2 * * *", "0 0 * * 6"):
        schedule = Schedule.parse(columns, zone=zone)
        row = absence.missed(schedule, LABELS, start + aside, end - aside)
        walked = schedule.between(start + aside, end - aside)
        assert row is not None
        assert (row.first, row.last, row.count) == (walked[0].at, walked[-1].at, len(walked))


def test_days_are_looked_at_once_for_all_schedules_that_share_them() -> None:
    absence = Absence(at("2025-01-01T00:00Z"), at("2026-01-01T00:00Z"), "why")
    zones = [named_zone("Europe/Berlin"), named_zone("Europe/London")]
    texts = [f"{minute} 3 * * {day}" for minute in range(60) for day in ("*", "1-5")]
    rows = [absence.missed(Schedule.parse(t, zone=z), LABELS) for t in texts for z in zones]
    assert [row.count for row in rows if row] == [365, 365, 261, 261] * 60
    assert len(absence._noons) == 4
