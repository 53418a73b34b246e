"""One row for what passed without a start: the same as walking it, without the walk."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.missed import missed
from cronjob.core.schedule import Schedule

at = datetime.fromisoformat
LABELS = ("a", "b")


@pytest.mark.parametrize("columns", ["* * * * *", "*/7 3 * * *", "30 2 * * 1", "0 0 1-7 * 0"])
@pytest.mark.parametrize(
    ("zone", "since", "until"),
    [
        ("UTC", "2026-03-02T10:00Z", "2026-03-02T10:00:30Z"),
        ("UTC", "2026-03-02T10:00Z", "2026-03-04T10:00Z"),  # the longest that is walked
        ("UTC", "2026-03-02T10:00Z", "2026-03-04T10:00:00.000001Z"),
        ("UTC", "2026-03-02T00:00Z", "2026-03-12T00:00Z"),
        ("Europe/Berlin", "2026-03-20T10:00Z", "2026-04-10T10:17Z"),  # a gap
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
    row = missed(schedule, LABELS, at(since), at(until), "why")
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
    row = missed(schedule, LABELS, ten, eleven, "why")
    assert row is not None
    assert (row.first, row.last, row.count) == (eleven, eleven, 1)
    assert missed(schedule, LABELS, eleven, eleven + timedelta(minutes=59), "why") is None


def test_a_schedule_that_never_fires_misses_nothing() -> None:
    schedule = Schedule.parse("0 0 30 2 *", zone="UTC")
    assert missed(schedule, LABELS, at("2000-01-01T00:00Z"), at("2020-01-01T00:00Z"), "") is None


def test_a_century_of_minutes_is_counted() -> None:
    schedule = Schedule.parse("* * * * *", zone="UTC")
    row = missed(schedule, LABELS, at("1970-01-01T00:00Z"), at("2070-01-01T00:00Z"), "why")
    assert row is not None
    assert row.count == (100 * 365 + 25) * 24 * 60
