"""The schedule against oracles that share no code with it, over every zone there is.

The first steps through the minutes that a clock shows, as cron does.  The second is cronsim, in a
zone where the clocks never change.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cronjob.core.schedule import Schedule
from tests.core.drawing import EXAMPLES, NASTY_ZONES, all_zones, near_changes, rules
from tests.core.stepper import DAY, MINUTE, Rule, Run, recorded_transitions, runs, transitions

SECOND = timedelta(seconds=1)


def between(rule: Rule, zone: str, start: datetime, end: datetime) -> list[Run]:
    found = Schedule.parse(rule.text, zone=zone).between(start, end)
    return [(fire.at, fire.nominal) for fire in found]


def one_by_one(rule: Rule, zone: str, start: datetime, end: datetime) -> list[Run]:
    """The same by `next`, which does not know what is to come."""
    schedule, found = Schedule.parse(rule.text, zone=zone), list[Run]()
    fire = schedule.next(start)
    while fire is not None and fire.at <= end:
        found.append((fire.at, fire.nominal))
        fire = schedule.next(fire.at)
    return found


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data(), rules(special=True), near_changes())
def test_stepping_through_every_minute_finds_the_same_fire_times(
    data: st.DataObject, rule: Rule, change: tuple[str, datetime]
) -> None:
    zone, at = change
    early = data.draw(st.one_of(st.integers(-90, 90), st.integers(-180, 1800)))
    start = at - timedelta(minutes=early, seconds=30)
    end = start + timedelta(minutes=data.draw(st.integers(600, 3000)))
    assert Schedule.parse(rule.text, zone=zone).wildcard is rule.wildcard
    expected = runs(rule, zone, start, end)
    assert between(rule, zone, start, end) == expected
    assert one_by_one(rule, zone, start, end) == expected


EVERYTHING = (
    frozenset(range(24)),
    frozenset(range(1, 32)),
    frozenset(range(1, 13)),
    frozenset(range(7)),
)
OFTEN = [
    Rule("0,25,50 0-23 * * *", frozenset({0, 25, 50}), *EVERYTHING),
    Rule("*/25 0-23 * * *", frozenset({0, 25, 50}), *EVERYTHING),
]


@pytest.mark.parametrize("zone", NASTY_ZONES)
def test_every_change_of_a_nasty_zone_is_stepped_over_from_before_and_from_within(
    zone: str,
) -> None:
    for change in transitions(zone)[:: 1 if EXAMPLES > 1000 else 5]:
        start, end = (datetime.fromtimestamp(change + sign * 200 * MINUTE, UTC) for sign in (-1, 1))
        for rule in OFTEN:
            expected = runs(rule, zone, start, end)
            for later in range(0, 300, 23):
                begin = start + timedelta(minutes=later)
                rest = [run for run in expected if run[0] > begin]
                assert between(rule, zone, begin, end) == rest
            assert one_by_one(rule, zone, start, end) == expected


#: A zone, the instant at which its clocks change, and by how many minutes they do.
KNOWN_CHANGES = [
    ("America/St_Johns", "2002-04-07T03:31Z", 60),
    ("America/St_Johns", "2002-10-27T02:31Z", -60),
    ("Australia/Lord_Howe", "2024-10-05T15:30Z", 30),
    ("Antarctica/Troll", "2024-03-31T01:00Z", 120),
    ("Pacific/Apia", "2011-12-30T10:00Z", 24 * 60),
    ("Asia/Gaza", "2023-04-29T00:00Z", 60),
    ("Africa/Casablanca", "2024-03-10T02:00Z", -60),
    ("Europe/Dublin", "2024-10-27T01:00Z", -60),
    ("America/Havana", "2024-03-10T05:00Z", 60),
    ("Pacific/Chatham", "2024-04-06T14:00Z", -60),
    ("America/Sao_Paulo", "2018-11-04T03:00Z", 60),
    ("Asia/Pyongyang", "2018-05-04T15:00Z", 30),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z", 24 * 60),
    ("Antarctica/Vostok", "1994-01-31T17:00Z", -7 * 60),
    ("Antarctica/Casey", "2009-10-17T18:00Z", 180),
    ("Africa/Monrovia", "1972-01-07T00:44:30Z", 44.5),
]


@pytest.mark.parametrize(("zone", "at", "minutes"), KNOWN_CHANGES)
def test_the_oracle_finds_the_changes_that_are_known(zone: str, at: str, minutes: float) -> None:
    change = datetime.fromisoformat(at)
    assert int(change.timestamp()) in transitions(zone)
    local = [(change - second).astimezone(Schedule.parse("@daily", zone=zone).zone)
             for second in (SECOND, timedelta())]  # fmt: skip
    assert local[1].utcoffset() == (local[0].utcoffset() or timedelta()) + timedelta(
        minutes=minutes
    )


def test_no_zone_changes_its_clocks_twice_within_three_days() -> None:
    """`steady_offset` and `transitions` would not see a change and its opposite within a day."""
    for name in all_zones():
        known = recorded_transitions(name)
        assert all(later - one > 3 * DAY for one, later in pairwise(known)), name


instants = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 # hypothesis wants naive bounds
    datetime(2040, 1, 1),  # noqa: DTZ001 # the same
    timezones=st.just(UTC),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(day_stars=4), instants)
def test_cronsim_finds_the_same_fire_times_in_utc(rule: Rule, start: datetime) -> None:
    assume(not re.search(r"\b(\d+)-\1/", rule.text))  # cronsim reads 5-5/2 as 5-59/2
    start = start.replace(microsecond=0)
    schedule = Schedule.parse(rule.text, zone="UTC")
    other = CronSim(rule.text, start)
    after = start
    for _ in range(8):
        expected = next(other, None)
        fire = schedule.next(after)
        assert (fire and fire.at) == expected
        if fire is None:
            break
        after = fire.at
