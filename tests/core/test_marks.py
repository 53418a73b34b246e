"""Why a fire time stands where it stands: one line a case."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob import Schedule
from cronjob.core.marks import changes, effect, marked
from cronjob.core.zone import Gap, civil, named_zone
from tests.core.drawing import EXAMPLES, NASTY_ZONES
from tests.core.stepper import transitions

BERLIN, LORD_HOWE, TROLL = "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll"


def _after(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=named_zone(zone))


def _shown(schedule: Schedule, after: datetime, number: int) -> list[str]:
    """The fire times as `HH:MM mark`, and what is lost as `lost mark`."""
    lines = []
    for one in islice(marked(schedule, after), number):
        lines += [f"lost {loss.mark.text}" for loss in one.lost]
        local = one.fire.at.astimezone(schedule.zone)
        lines.append(f"{local:%d %H:%M%z} {one.mark.text if one.mark else ''}".rstrip())
    return lines


@pytest.mark.parametrize(
    ("zone", "text", "after", "lines"),
    [
        (
            BERLIN,
            "30 2 * * *",
            "2027-03-26T12:00",
            [
                "27 02:30+0100",
                "28 03:00+0200 02:30 does not exist that day: runs at 03:00",
                "29 02:30+0200",
            ],
        ),
        (
            BERLIN,
            "30 2 * * *",
            "2027-10-30T12:00",
            [
                "31 02:30+0200 02:30 comes twice that day: runs the first time only",
                "01 02:30+0100",
            ],
        ),
        (
            BERLIN,
            "10,30,50 2 * * *",
            "2027-03-27T12:00",
            [
                "28 03:00+0200 02:10, 02:30 and 02:50 do not exist that day: one run at 03:00",
                "29 02:10+0200",
            ],
        ),
        (
            BERLIN,
            "10-50/10 2 * * *",
            "2027-03-27T12:00",
            ["28 03:00+0200 5 times from 02:10 to 02:50 do not exist that day: one run at 03:00"],
        ),
        (
            BERLIN,
            "0 2,3 * * *",
            "2027-03-27T12:00",
            [
                "28 03:00+0200 02:00 does not exist that day: one run at 03:00, which is due then "
                "anyway",
                "29 02:00+0200",
            ],
        ),
        (
            BERLIN,
            "*/30 2 * * *",
            "2027-03-27T12:00",
            [
                "lost 02:00 and 02:30 do not exist that day: no run, since minute or hour begins "
                "with *",
                "29 02:00+0200",
                "29 02:30+0200",
            ],
        ),
        (
            BERLIN,
            "*/30 2 * * *",
            "2027-10-30T12:00",
            [
                "31 02:00+0200 02:00 comes twice that day: first pass",
                "31 02:30+0200 02:30 comes twice that day: first pass",
                "31 02:00+0100 02:00 comes twice that day: second pass",
                "31 02:30+0100 02:30 comes twice that day: second pass",
                "01 02:00+0100",
            ],
        ),
        (
            BERLIN,
            "*/30 2 25-31 3 *",
            "2027-03-27T12:00",
            [
                "lost 02:00 and 02:30 do not exist that day: no run, since minute or hour begins "
                "with *",
                "29 02:00+0200",
            ],
        ),
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T08:00",
            [
                "29 09:00-1000",
                "lost 09:00 does not exist that day: no run, since the clocks skip 1 day, and "
                "more than 3 hours are not made up for",
                "31 09:00+1400",
            ],
        ),
        (
            "Pacific/Apia",
            "* * * * *",
            "2011-12-29T23:58",
            [
                "29 23:59-1000",
                "lost 1440 times from 00:00 to 23:59 do not exist that day: no run, since minute "
                "or hour begins with *",
                "31 00:00+1400",
            ],
        ),
        (
            LORD_HOWE,
            "0,15,30 2 * * *",
            "2027-10-02T12:00",
            [
                "03 02:30+1100 02:00 and 02:15 do not exist that day: one run at 02:30, which is "
                "due then anyway"
            ],
        ),
        (
            TROLL,
            "30 1,2 * * *",
            "2027-03-27T12:00",
            ["28 03:00+0200 01:30 and 02:30 do not exist that day: one run at 03:00"],
        ),
        (
            "America/Toronto",
            "45 23 * * *",
            "1919-03-30T12:00",
            ["31 00:30-0400 23:45 does not exist on Sun 1919-03-30: runs at 00:30 the next day"],
        ),
        (
            "America/Sao_Paulo",
            "@daily",
            "2018-11-03T12:00",
            ["04 01:00-0200 00:00 does not exist that day: runs at 01:00"],
        ),
        (
            "Asia/Pyongyang",
            "45 23 * * *",
            "2018-05-04T12:00",
            ["05 00:00+0900 23:45 does not exist on Fri 2018-05-04: runs at 00:00 the next day"],
        ),
        (
            "Africa/Monrovia",
            "0 0 * * *",
            "1972-01-06T12:00",
            ["07 00:44+0000 00:00 does not exist that day: runs at 00:44:30"],
        ),
    ],
)
def test_what_a_clock_change_does_to_a_fire_time_is_said(
    zone: str, text: str, after: str, lines: list[str]
) -> None:
    fires = sum(not line.startswith("lost") for line in lines)
    assert _shown(Schedule.parse(text, zone=zone), _after(after, zone), fires) == lines


@pytest.mark.parametrize("text", ["30 2 * * *", "*/20 * * * *", "@hourly", "0 0 1 * *"])
def test_where_no_clock_changes_nothing_is_said(text: str) -> None:
    after = datetime(2027, 3, 27, tzinfo=UTC)
    for one in islice(marked(Schedule.parse(text, zone="Asia/Tokyo"), after), 200):
        assert one.mark is None
        assert one.lost == ()


@pytest.mark.parametrize(
    ("zone", "text", "day", "words"),
    [
        (BERLIN, "30 2 * * *", "2027-03-28", "02:30 does not exist that day: runs at 03:00"),
        (BERLIN, "*/30 2 * * *", "2027-03-28", "02:00 and 02:30 do not exist that day: no run"),
        (BERLIN, "30 2 * * 1", None, ""),
        (BERLIN, "0 3 * * *", None, ""),
    ],
)
def test_the_effect_of_one_change_is_said(
    zone: str, text: str, day: str | None, words: str
) -> None:
    schedule = Schedule.parse(text, zone=zone)
    (change,) = changes(schedule, datetime(2026, 11, 21, tzinfo=UTC), 1)
    found = effect(schedule, change)
    if day is None:
        assert found is None
    else:
        assert found is not None
        assert (found.day, found.text) == (date.fromisoformat(day), words)


def test_a_change_at_midnight_has_its_effect_on_the_day_before() -> None:
    schedule = Schedule.parse("30 23 * * *", zone="America/Sao_Paulo")
    (change,) = changes(schedule, datetime(2019, 1, 1, tzinfo=UTC), 1)
    assert change.wall_before == datetime(2019, 2, 17)  # noqa: DTZ001 # a wall time
    found = effect(schedule, change)
    assert found is not None
    assert found.day == date(2019, 2, 16)
    assert found.text == "23:30 comes twice that day: runs the first time only"


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(NASTY_ZONES),
    st.sampled_from(
        ["30 2 * * *", "*/17 * * * *", "15,45 0-3 * * *", "0 */2 * * *", "5 23,0,1 * * *"]
    ),
    st.integers(0, 1000),
)
def test_marked_fire_times_and_losses_are_all_that_was_asked_for(
    zone: str, text: str, number: int
) -> None:
    """Each wall time asked for in two days around a change fires, is in a mark or is lost."""
    schedule = Schedule.parse(text, zone=zone)
    instants = transitions(zone)
    before = datetime.fromtimestamp(instants[number % len(instants)] - 1, UTC)
    (change,) = changes(schedule, before, 1)
    after, end = change.at - timedelta(days=1), change.at + timedelta(days=2)
    fires, lost = [], 0
    for one in marked(schedule, after):
        lost += sum(loss.count for loss in one.lost if loss.nominal < change.wall_after)
        if one.fire.at > end:
            break
        fires.append(one)
    assert [one.fire for one in fires] == schedule.between(after, end)
    low, high = sorted((change.wall_before, change.wall_after))
    for one in fires:
        assert (one.mark is not None) == (low <= one.fire.nominal < high)
    asked = Schedule.parse(text, zone=UTC).between(
        low.replace(tzinfo=UTC) - timedelta(microseconds=1),
        high.replace(tzinfo=UTC) - timedelta(microseconds=1),
    )
    skipped = [fire for fire in asked if isinstance(civil(fire.nominal, schedule.zone), Gap)]
    made_up_for = any(one.mark and one.mark.kind in ("moved", "merged") for one in fires)
    assert (lost == 0) if made_up_for or not skipped else (lost == len(skipped))
