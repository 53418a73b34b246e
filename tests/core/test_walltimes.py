"""The wall times that five columns match."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import islice
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.schedule import parse_columns
from cronjob.core.walltimes import Days, WallTimes
from tests.core.drawing import EXAMPLES, rules
from tests.core.stepper import Rule


def wall_times(text: str) -> WallTimes:
    return WallTimes.of(parse_columns(tuple(text.split())))


@pytest.mark.parametrize(
    ("text", "wall", "found"),
    [
        ("* * * * *", "2024-02-28 23:59", "2024-02-29 00:00"),
        ("* * * * *", "2024-02-28 23:58:59.999999", "2024-02-28 23:59"),
        ("10,20 3,5 * * *", "2024-01-01 03:09", "2024-01-01 03:10"),
        ("10,20 3,5 * * *", "2024-01-01 03:10", "2024-01-01 03:20"),
        ("10,20 3,5 * * *", "2024-01-01 03:20", "2024-01-01 05:10"),
        ("10,20 3,5 * * *", "2024-01-01 04:15", "2024-01-01 05:10"),
        ("10,20 3,5 * * *", "2024-01-01 05:20", "2024-01-02 03:10"),
        ("10,20 3,5 * * *", "2024-12-31 23:00", "2025-01-01 03:10"),
        ("0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("30 23 31 12 *", "2024-12-31 23:29", "2024-12-31 23:30"),
        ("30 1 * * 1", "2024-03-04 01:30", "2024-03-11 01:30"),
        ("30 1 * * 1", "2024-03-04 01:29", "2024-03-04 01:30"),
    ],
)
def test_the_next_match_is_strictly_later(text: str, wall: str, found: str) -> None:
    assert wall_times(text).after(datetime.fromisoformat(wall)) == datetime.fromisoformat(found)


def test_a_day_that_never_comes_is_not_found() -> None:
    times = wall_times("0 0 30 2 *")
    assert times.after(datetime.fromisoformat("2024-01-01")) is None
    assert list(times.days.all_from(date(2024, 1, 1))) == []
    assert times.days.apart is None


@pytest.mark.parametrize(
    ("text", "wall", "rest"),
    [
        ("0,30 9,17 * * *", "09:00", "09:30 17:00 17:30"),
        ("0,30 9,17 * * *", "09:30", "17:00 17:30"),
        ("0,30 9,17 * * *", "17:30", ""),
        ("0 12 * * *", "12:00", ""),
    ],
)
def test_the_rest_of_a_day_follows_a_match(text: str, wall: str, rest: str) -> None:
    found = wall_times(text).rest_of_day(datetime.fromisoformat(f"2024-06-01 {wall}"))
    assert " ".join(f"{time:%H:%M}" for time in found) == rest


def test_schedules_with_the_same_days_share_what_croniter_answered() -> None:
    one, other = wall_times("0 0 * * 1-5"), wall_times("59 23 * * mon,tue,wed,thu,fri")
    assert one.days is other.days
    saturday = date(2024, 6, 1)
    monday = one.days.first(saturday)
    assert monday == date(2024, 6, 3)
    assert other.days.first(saturday) is monday  # not merely equal: nobody was asked again


def test_eight_threads_that_ask_at_once_get_the_answers_that_one_gets() -> None:
    days = Days(*parse_columns(("0", "0", "13", "*", "5"))[2:])
    asked = [date(2024, 1, 1) + timedelta(days=n) for n in range(0, 800, 9)]
    expected = {day: days.ask(day) for day in asked}
    together = Barrier(8)

    def wrong(thread: int) -> list[date]:
        together.wait()
        turned = asked[thread * 11 :] + asked[: thread * 11]
        return [day for day in turned * 4 if days.ask(day) != expected[day]]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet in the middle of a question
    try:
        with ThreadPoolExecutor(8) as pool:
            mistakes = list(pool.map(wrong, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert mistakes == [[]] * 8


@pytest.mark.parametrize("text", ["* * *", "*/1 * *", "1-31 * 1", "1 * 0-6", "1-31 */1 0-7"])
def test_days_that_are_every_day_ask_nobody(text: str) -> None:
    days = wall_times(f"0 0 {text}").days
    assert days.every
    assert days.first(date.max) == date.max


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(day_stars=4, special=True), st.dates(date(1970, 1, 1), date(2037, 1, 1)))
def test_the_days_are_those_of_the_day_rule(rule: Rule, start: date) -> None:
    days = wall_times(rule.text).days
    year = [start + timedelta(days=n) for n in range(366)]
    expected = [day for day in year if rule.on(day)]
    assert list(islice(days.all_from(start), len(expected))) == expected
