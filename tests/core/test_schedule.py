"""When a schedule fires: known answers, one by one and by the thousand."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import pytest

from cronjob.core.columns import ColumnError
from cronjob.core.schedule import Schedule, parse_columns
from cronjob.errors import ScheduleError
from tests.core.vectors import first_ten, load


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    """A naive wall time."""
    return datetime.fromisoformat(text)


def fires(text: str, zone: str, start: str, end: str) -> list[str]:
    """`nominal -> instant` of every fire time, short enough to read."""
    found = Schedule.parse(text, zone=zone).between(instant(start), instant(end))
    return [f"{fire.nominal:%dT%H:%M} -> {fire.at:%dT%H:%M}" for fire in found]


def following(schedule: Schedule, start: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < count and (fire := schedule.next(found[-1] if found else start)):
        found.append(fire.at)
    return found


# --- the DST rule -------------------------------------------------------------------------------

NEW_YORK = ("America/New_York", "2024-03-10 00:00", "2024-03-11 00:00")
NEW_YORK_FOLD = ("America/New_York", "2024-11-03 04:00", "2024-11-03 08:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["10T02:30 -> 10T07:00"]),
        ("0 3 * * *", ["10T03:00 -> 10T07:00"]),
        ("59 1 * * *", ["10T01:59 -> 10T06:59"]),
        ("0,15,30,45 2 * * *", ["10T02:00 -> 10T07:00"]),
        ("30 2-3 * * *", ["10T02:30 -> 10T07:00", "10T03:30 -> 10T07:30"]),
        ("30 2 10 3 *", ["10T02:30 -> 10T07:00"]),
    ],
)
def test_skipped_hour_runs_once_at_the_end_of_the_gap(text: str, expected: list[str]) -> None:
    assert fires(text, *NEW_YORK) == expected


def test_a_regular_fire_time_at_the_end_of_a_gap_takes_the_earliest_nominal() -> None:
    assert fires("0,30 2,3 * * *", *NEW_YORK) == ["10T02:00 -> 10T07:00", "10T03:30 -> 10T07:30"]


@pytest.mark.parametrize("text", ["*/30 2 * * *", "30 */2 10 3 *", "* 2 * * *"])
def test_a_wildcard_runs_nothing_for_a_skipped_hour(text: str) -> None:
    assert [fire for fire in fires(text, *NEW_YORK) if fire.startswith("10T02")] == []


def test_a_fixed_schedule_runs_at_the_first_pass_of_a_repeated_hour_only() -> None:
    assert fires("0,30 1 * * *", *NEW_YORK_FOLD) == ["03T01:00 -> 03T05:00", "03T01:30 -> 03T05:30"]


def test_a_wildcard_runs_at_both_passes_with_the_same_nominal() -> None:
    assert fires("*/30 1 * * *", *NEW_YORK_FOLD) == [
        "03T01:00 -> 03T05:00",
        "03T01:30 -> 03T05:30",
        "03T01:00 -> 03T06:00",
        "03T01:30 -> 03T06:30",
    ]


def test_the_second_pass_of_a_repeated_hour_can_be_entered_from_anywhere_within() -> None:
    schedule = Schedule.parse("*/20 1 * * *", zone="America/New_York")
    found = [
        schedule.next(instant(f"2024-11-03 {time}"))
        for time in ("05:45", "06:10", "06:41", "05:39")
    ]
    assert [f"{fire.at:%dT%H:%M}" for fire in found if fire] == [
        "03T06:00",
        "03T06:20",
        "04T06:00",
        "03T05:40",
    ]  # fmt: skip


def test_a_fold_of_half_an_hour_repeats_half_an_hour() -> None:
    assert fires("*/15 1 * * *", "Australia/Lord_Howe", "2024-04-06 14:00", "2024-04-06 16:00") == [
        "07T01:15 -> 06T14:15",
        "07T01:30 -> 06T14:30",
        "07T01:45 -> 06T14:45",
        "07T01:30 -> 06T15:00",
        "07T01:45 -> 06T15:15",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("43 0 * * *", ["07T00:43 -> 07T00:44"]),
        ("44 0 * * *", ["07T00:44 -> 07T00:44"]),
        ("43-45 * * * *", ["07T00:44 -> 07T00:44", "07T00:45 -> 07T00:45"]),
        ("*/22 0 * * *", ["07T00:44 -> 07T00:44"]),
    ],
)
def test_a_minute_that_a_gap_cuts_short_begins_with_the_end_of_the_gap(
    text: str, expected: list[str]
) -> None:
    assert fires(text, "Africa/Monrovia", "1972-01-07 00:40", "1972-01-07 01:00") == expected


@pytest.mark.parametrize(
    ("zone", "text", "start", "end", "expected"),
    [
        ("Australia/Lord_Howe", "10 2 * * *", "2024-10-05 00:00", "2024-10-05 23:00",
         ["06T02:10 -> 05T15:30"]),
        ("America/Sao_Paulo", "@daily", "2018-11-03 12:00", "2018-11-05 01:00",
         ["04T00:00 -> 04T03:00"]),
        ("Antarctica/Troll", "30 1,2 * * *", "2024-03-31 00:00", "2024-03-31 12:00",
         ["31T01:30 -> 31T01:00"]),
        ("Antarctica/Casey", "15 3 * * *", "2009-10-17 12:00", "2009-10-18 12:00",
         ["18T03:15 -> 17T18:00"]),
    ],
)  # fmt: skip
def test_a_gap_of_any_length_up_to_three_hours_is_made_up_for(
    zone: str, text: str, start: str, end: str, expected: list[str]
) -> None:
    assert fires(text, zone, start, end) == expected


def test_the_day_that_apia_skipped_is_not_made_up_for() -> None:
    assert fires("0 12 * * *", "Pacific/Apia", "2011-12-29 00:00", "2011-12-31 12:00") == [
        "29T12:00 -> 29T22:00",
        "31T12:00 -> 30T22:00",
    ]


# --- answers known beforehand -------------------------------------------------------------------


def test_every_case_that_three_oracles_agree_on() -> None:
    mismatches = []
    for case in load("expr.jsonl"):
        schedule = Schedule.parse(case["expr"], zone=case["zone"])
        expected = [datetime.fromisoformat(at) for at in case["next"]]
        found = following(schedule, datetime.fromisoformat(case["start"]), len(expected))
        if found != expected:
            mismatches.append(f"{case} but {[f'{at:%FT%T}' for at in found]}")
    assert not mismatches, first_ten(mismatches)


def test_every_disputed_case_has_one_of_the_accepted_answers() -> None:
    mismatches = []
    for case in load("expr_disputed.jsonl"):
        schedule = Schedule.parse(case["expr"], zone=case["zone"])
        start = datetime.fromisoformat(case["start"])
        if not any(
            following(schedule, start, len(answer)) == [datetime.fromisoformat(at) for at in answer]
            for answer in case["accept"]
        ):
            mismatches.append(str(case))
    assert not mismatches, first_ten(mismatches)


#: Where we differ from Debian's cron.
DIFFERENT_FROM_DEBIAN = {
    "dst-171": "02:15 and 01:15 lie in one gap: one run, where cron starts one for each",
}


def test_every_transition_runs_at_the_instants_at_which_debian_cron_runs() -> None:
    mismatches = []
    for case in load("dst_run.jsonl"):
        schedule = Schedule.parse(case["expr"], zone=case["zone"])
        start, end = (datetime.fromtimestamp(case[key], UTC) for key in ("start", "end"))
        found = [int(fire.at.timestamp()) for fire in schedule.between(start, end)]
        # Without a list only the number of runs is known.
        same = len(found) == case["count"] if case["fires"] is None else found == case["fires"]
        if same is (case["id"] in DIFFERENT_FROM_DEBIAN):
            mismatches.append(f"{case} but {found}")
    assert not mismatches, first_ten(mismatches)


def test_where_debian_starts_several_runs_at_once_we_start_one() -> None:
    cases = {case["id"]: case for case in load("dst_run.jsonl")}
    for name in DIFFERENT_FROM_DEBIAN:
        case = cases[name]
        start, end = (datetime.fromtimestamp(case[key], UTC) for key in ("start", "end"))
        found = Schedule.parse(case["expr"], zone=case["zone"]).between(start, end)
        assert [int(fire.at.timestamp()) for fire in found] == sorted(set(case["fires"]))


# --- days ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 13 * 5", "1 8 13 15 22 29"),  # neither is a star: either
        ("0 0 1-7 * */7", "3"),  # one is a star: both
        ("0 0 */10 * 1", "11"),
        ("0 0 1-31 * 1", " ".join(map(str, range(1, 32)))),
        ("0 0 1,* * 1", " ".join(map(str, range(1, 32)))),
        ("0 0 *,1 * 1", "4 11 18 25"),
        ("0 0 13 * *", "13"),
        ("0 0 * * 5", "1 8 15 22 29"),
        ("0 0 L * *", "31"),
        ("0 0 10,L * *", "10 31"),
        ("0 0 L * 0", "3 10 17 24 31"),
        ("0 0 *,L * 1", "4 11 18 25"),
        ("0 0 9W * *", "8"),
        ("0 0 10W * *", "11"),
        ("0 0 1W * *", "1"),
        ("0 0 31W * *", "29"),  # the 31st is a Sunday, and Monday is in April
        ("0 0 8W * */5", "8"),
        ("0 0 * * 5#2", "8"),
        ("0 0 * * L5", "29"),
        ("0 0 * * 1#1,2#3", "4 19"),
    ],
)
def test_the_days_of_march_2024(text: str, days: str) -> None:
    found = Schedule.parse(text, zone="UTC").between(
        instant("2024-02-29 23:59"), instant("2024-03-31 23:59")
    )
    assert " ".join(str(fire.at.day) for fire in found) == days


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_a_name_stands_for_its_five_columns(name: str, columns: str) -> None:
    named, plain = (Schedule.parse(text, zone="UTC") for text in (name, columns))
    assert (named.canonical, named.columns, named.wildcard) == (
        plain.canonical,
        plain.columns,
        plain.wildcard,
    )
    assert (named.text, named.reboot) == (name, False)


def test_hourly_follows_real_time_and_daily_does_not() -> None:
    assert Schedule.parse("@hourly", zone="UTC").wildcard
    assert not Schedule.parse("@daily", zone="UTC").wildcard


# --- bounds -------------------------------------------------------------------------------------


def test_between_excludes_its_start_and_includes_its_end() -> None:
    assert fires("0 * * * *", "UTC", "2024-01-01 01:00", "2024-01-01 03:00") == [
        "01T02:00 -> 01T02:00",
        "01T03:00 -> 01T03:00",
    ]
    assert fires("0 * * * *", "UTC", "2024-01-01 01:00", "2024-01-01 01:59:59") == []
    assert fires("0 * * * *", "UTC", "2024-01-01 03:00", "2024-01-01 01:00") == []


@pytest.mark.parametrize("text", ["*/20 22-23,0 * * *", "0,59 0,23 * * 1-5", "7 7 L * *"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Amman"])
def test_between_lists_what_next_finds_one_by_one(text: str, zone: str) -> None:
    schedule = Schedule.parse(text, zone=zone)
    start, end = instant("2018-01-01 00:00"), instant("2019-01-01 00:00")
    found = following(schedule, start, len(schedule.between(start, end)) + 1)
    assert [fire.at for fire in schedule.between(start, end)] == found[:-1]
    assert found[-1] > end


@pytest.mark.parametrize(
    ("after", "at"),
    [
        ("2024-01-01 00:59:59.999999", "2024-01-01 01:00"),
        ("2024-01-01 01:00", "2024-01-01 02:00"),
        ("2024-01-01 01:00:00.000001", "2024-01-01 02:00"),
    ],
)
def test_next_is_strictly_later_to_the_microsecond(after: str, at: str) -> None:
    fire = Schedule.parse("0 * * * *", zone="UTC").next(instant(after))
    assert fire is not None
    assert fire.at == instant(at)


def test_after_may_be_given_in_any_zone() -> None:
    schedule = Schedule.parse("30 2 * * *", zone="America/New_York")
    after = instant("2024-03-10 06:00")
    assert schedule.next(after) == schedule.next(after.astimezone(schedule.zone))


def test_an_instant_without_a_zone_is_refused() -> None:
    schedule = Schedule.parse("* * * * *", zone="UTC")
    with pytest.raises(ValueError, match=r"^a naive datetime names no instant"):
        schedule.next(wall("2024-01-01 00:00"))


@pytest.mark.parametrize("text", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "@reboot"])
def test_what_never_fires_has_no_next(text: str) -> None:
    schedule = Schedule.parse(text, zone="Europe/Berlin")
    assert schedule.next(instant("2024-01-01 00:00")) is None
    assert schedule.between(instant("2024-01-01 00:00"), instant("2034-01-01 00:00")) == []


def test_a_leap_day_is_found_across_the_century() -> None:
    fire = Schedule.parse("0 0 29 2 *", zone="UTC").next(instant("2096-03-01 00:00"))
    assert fire is not None
    assert fire.at == instant("2104-02-29 00:00")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("text", ["* * * * *", "0 0 1 1 *", "30 2 * * *", "0 0 31 2 *"])
def test_the_ends_of_the_calendar_do_not_raise(text: str, zone: str) -> None:
    schedule = Schedule.parse(text, zone=zone)
    first = datetime.min.replace(tzinfo=UTC)
    for after in (first, first + timedelta(hours=30)):
        fire = schedule.next(after)
        assert (fire is None) is (text == "0 0 31 2 *")
    last = datetime.max.replace(tzinfo=UTC)
    for after in (last, last - timedelta(hours=30)):
        assert schedule.next(after) is None


# --- the value ----------------------------------------------------------------------------------


def test_a_schedule_is_immutable() -> None:
    schedule = Schedule.parse("0 0 * * *", zone="UTC")
    with pytest.raises(FrozenInstanceError):
        schedule.text = "1 1 * * *"  # type: ignore[misc] # that is the claim


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("* * * *", "UTC", 'schedule "* * * *" has 4 columns; allowed are five '
         "(minute hour day-of-month month day-of-week) or an @name"),
        ("* * * * * *", "UTC", 'schedule "* * * * * *" has 6 columns; allowed are five '
         "(minute hour day-of-month month day-of-week) or an @name"),
        ("", "UTC", 'schedule "" has 0 columns; allowed are five '
         "(minute hour day-of-month month day-of-week) or an @name"),
        ("61 * * * *", "UTC", 'minute "61" is out of range 0-59'),
        ("@Daily", "UTC", '"@Daily" is not a known name; allowed are @yearly, @annually, '
         "@monthly, @weekly, @daily, @midnight, @hourly, @reboot"),
        ("* * * * *", "Mars/Olympus", 'unknown time zone "Mars/Olympus"; '
         "allowed are names like Europe/Paris"),
        ("0 0 13 * 5#2", "UTC", 'day of week "5#2" with day of month "13": '
         "with # or L in one, the other must begin with *"),
        ("0 0 15W * 1", "UTC", 'day of week "1" with day of month "15W": '
         "with W in one, the other must begin with *"),
    ],
)  # fmt: skip
def test_a_bad_text_or_zone_is_a_schedule_error(text: str, zone: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse(text, zone=zone)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_a_column_error_knows_which_column_it_is_about() -> None:
    with pytest.raises(ColumnError) as caught:
        parse_columns(("0", "0", "1,32", "*", "*"))
    assert (caught.value.position, caught.value.offset) == (2, 2)


def test_blanks_and_tabs_separate_columns() -> None:
    assert Schedule.parse(" 0\t 0  * *\t* ", zone="UTC").text == "0 0 * * *"


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("* * * * *", "0:01:00"),
        ("*/7 * * * *", "0:04:00"),
        ("0,59 * * * *", "0:01:00"),
        ("0,59 3 * * *", "0:59:00"),
        ("0 * * * *", "1:00:00"),
        ("0 23,0 * * *", "1:00:00"),
        ("0,55 0,23 * * *", "0:05:00"),
        ("0 3 * * *", "1 day, 0:00:00"),
        ("0 3 * * 1", "7 days, 0:00:00"),
        ("0 3 * * 1,3", "2 days, 0:00:00"),
        ("0 3 1 * *", "28 days, 0:00:00"),
        ("0 3 31,1 * *", "1 day, 0:00:00"),
        ("0 0,23 1 * *", "23:00:00"),
        ("0 3 1 1 *", "365 days, 0:00:00"),
    ],
)
def test_the_shortest_interval_is_that_of_two_neighbouring_matches(
    text: str, shortest: str
) -> None:
    assert str(Schedule.parse(text, zone="UTC").shortest_interval()) == shortest


@pytest.mark.parametrize("text", ["@reboot", "0 0 31 2 *"])
def test_what_never_repeats_has_no_shortest_interval(text: str) -> None:
    assert Schedule.parse(text, zone="UTC").shortest_interval() is None
