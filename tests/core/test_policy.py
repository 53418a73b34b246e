from datetime import datetime, timedelta

import pytest

from cronjob.core.policy import (
    LATE,
    LATENESS,
    LONG,
    SHORT,
    BackBand,
    LateBand,
    Plan,
    Resume,
    Start,
    back_band,
    due,
    late_band,
    resume,
)
from cronjob.core.schedule import Schedule

at = datetime.fromisoformat
FIRST = at("2026-03-02T10:00Z")
SLIGHTLY = timedelta(microseconds=1)
FIXED = "0,20,40 8-14 * * *"
WILDCARD = "*/20 * * * *"


def test_the_bands_are_those_of_cron() -> None:
    assert timedelta(minutes=5) == SHORT
    assert timedelta(hours=3) == LONG
    assert timedelta(seconds=60) == LATENESS


@pytest.mark.parametrize(
    ("late", "band"),
    [
        (timedelta(), LateBand(SHORT, Start.EVERY, Start.EVERY)),
        (SHORT, LateBand(SHORT, Start.EVERY, Start.EVERY)),
        (SHORT + SLIGHTLY, LateBand(LONG, Start.LATEST, Start.PRESENT)),
        (LONG, LateBand(LONG, Start.LATEST, Start.PRESENT)),
        (LONG + SLIGHTLY, LateBand(timedelta.max, Start.NONE, Start.NONE)),
        (timedelta(days=9999), LateBand(timedelta.max, Start.NONE, Start.NONE)),
    ],
)
def test_a_band_includes_its_upper_edge(late: timedelta, band: LateBand) -> None:
    assert late_band(late) == band


@pytest.mark.parametrize(
    ("behind", "band"),
    [
        (timedelta(seconds=1), BackBand(LONG, Plan.KEPT, Plan.ANEW)),
        (LONG, BackBand(LONG, Plan.KEPT, Plan.ANEW)),
        (LONG + SLIGHTLY, BackBand(timedelta.max, Plan.ANEW, Plan.ANEW)),
    ],
)
def test_behind_its_mark_by_up_to_three_hours_a_clock_keeps_fixed_schedules_quiet(
    behind: timedelta, band: BackBand
) -> None:
    assert back_band(behind) == band


def test_whatever_is_not_started_in_a_band_is_missed() -> None:
    schedule = Schedule.parse("* * * * *", zone="UTC")
    first = schedule.next(FIRST - SLIGHTLY)
    assert first is not None
    for band in LATE[1:]:
        late = min(band.up_to, timedelta(hours=4))
        assert due(schedule, first, FIRST + late, late).missed


def test_a_caller_that_knows_of_no_successor_gets_the_same_answer() -> None:
    schedule = Schedule.parse("0 10 * * *", zone="UTC")
    first = schedule.next(FIRST - SLIGHTLY)
    assert first is not None
    for late in (timedelta(), SHORT, LONG, LONG + SLIGHTLY):
        now = FIRST + late
        assert due(schedule, first, now, late, alone=True) == due(schedule, first, now, late)


@pytest.mark.parametrize(
    ("text", "late", "starts", "missed"),
    [
        (FIXED, timedelta(), ["10:00"], False),
        (WILDCARD, timedelta(), ["10:00"], False),
        ("0-59 10-12 * * *", SHORT, ["10:00", "10:01", "10:02", "10:03", "10:04", "10:05"], False),
        ("* * * * *", SHORT, ["10:00", "10:01", "10:02", "10:03", "10:04", "10:05"], False),
        (FIXED, SHORT, ["10:00"], False),
        (FIXED, SHORT + SLIGHTLY, ["10:00"], False),
        (WILDCARD, SHORT, ["10:00"], False),
        (WILDCARD, SHORT + SLIGHTLY, [], True),
        ("* * * * *", SHORT + SLIGHTLY, ["10:05"], True),
        (FIXED, timedelta(minutes=20), ["10:20"], True),
        (FIXED, timedelta(hours=1), ["11:00"], True),
        (WILDCARD, timedelta(hours=1), ["11:00"], True),
        (WILDCARD, timedelta(hours=1, seconds=59), ["11:00"], True),
        (WILDCARD, timedelta(hours=1, minutes=1), [], True),
        (FIXED, LONG, ["13:00"], True),
        (WILDCARD, LONG, ["13:00"], True),
        (FIXED, LONG + SLIGHTLY, [], True),
        (WILDCARD, LONG + SLIGHTLY, [], True),
        (FIXED, timedelta(days=400), [], True),
    ],
)
def test_how_late_the_daemon_wakes_decides_what_still_starts(
    text: str, late: timedelta, starts: list[str], missed: bool
) -> None:
    schedule = Schedule.parse(text, zone="UTC")
    first = schedule.next(FIRST - SLIGHTLY)
    assert first is not None
    decision = due(schedule, first, FIRST + late, late)
    assert [f"{fire.at:%H:%M}" for fire in decision.starts] == starts
    assert decision.missed is missed


def test_a_wildcard_that_is_due_in_the_present_minute_has_missed_nothing() -> None:
    schedule = Schedule.parse(WILDCARD, zone="UTC")
    first = schedule.next(FIRST - SLIGHTLY)
    assert first is not None
    decision = due(schedule, first, FIRST, timedelta(hours=1))  # another schedule was first
    assert (decision.starts, decision.missed) == ((first,), False)


NOW = at("2026-03-02T12:00Z")
RECENT = at("2026-03-02T11:59:00Z")  # 60 s ago
OLD = at("2026-03-01T00:00Z")


@pytest.mark.parametrize(
    ("planned", "stopped", "after", "missed_since"),
    [
        (None, None, NOW, None),  # the first start ever
        (None, RECENT, NOW, None),
        (NOW, None, NOW, None),
        (NOW + SLIGHTLY, None, NOW + SLIGHTLY, None),  # the clock went back meanwhile
        (NOW + timedelta(days=1), RECENT, NOW + timedelta(days=1), None),
        (OLD, RECENT, OLD, None),  # stopped 60 s ago: nothing is lost
        (OLD, NOW, OLD, None),
        (OLD, RECENT - SLIGHTLY, RECENT, OLD),  # stopped longer ago: what is older is missed
        (OLD, NOW + SLIGHTLY, RECENT, OLD),  # stopped in the future: that clock was wrong
        (OLD, None, RECENT, OLD),  # died
        (RECENT, None, RECENT, None),
        (RECENT - SLIGHTLY, None, RECENT, RECENT - SLIGHTLY),
        (RECENT + SLIGHTLY, None, RECENT + SLIGHTLY, None),  # died and started again at once
    ],
)
def test_a_restart_loses_nothing_that_is_at_most_a_minute_late(
    planned: datetime | None,
    stopped: datetime | None,
    after: datetime,
    missed_since: datetime | None,
) -> None:
    assert resume(planned, stopped, NOW) == Resume(after, missed_since)
