"""What holds for every schedule, against two oracles that share no code with it.

The first walks through real minutes and applies cron's documented rule to the wall time that each
of them shows.  The second is cronsim, in a zone without transitions.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cronjob.core.schedule import Schedule

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

#: Gaps and folds of 30 minutes to 24 hours, at midnight and at 00:01, twice around Ramadan, in
#: winter, and offsets of 45 minutes.
NASTY_ZONES = [
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Pacific/Apia",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Europe/Dublin",
    "America/Havana",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "Asia/Pyongyang",
    "Africa/Cairo",
]


class Rule:
    """Five columns, as text and as what the text means."""

    def __init__(self, text: str, *values: frozenset[int]) -> None:
        self.text = text
        self.minutes, self.hours, self.days, self.months, self.weekdays = values

    def __repr__(self) -> str:
        return self.text

    def matches(self, wall: datetime) -> bool:
        """cron's day rule: both day columns if one begins with a star, else either."""
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        starred = "*" in (self.text.split()[2][0], self.text.split()[4][0])
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and ((day and weekday) if starred else (day or weekday))
        )

    @property
    def wildcard(self) -> bool:
        """Whether minute or hour begin with a star."""
        return "*" in (self.text[0], self.text.split()[1][0])


@st.composite
def columns(draw: st.DrawFn, low: int, high: int, stars: int) -> tuple[str, frozenset[int]]:
    """A column and what it means; `stars` times out of ten it is a plain star."""
    if draw(st.integers(1, 10)) <= stars:
        return "*", frozenset(range(low, high + 1))
    shape = draw(st.sampled_from(["list", "range", "star/step", "range/step"]))
    if shape == "list":
        values = draw(st.lists(st.integers(low, high), min_size=1, max_size=5))
        return ",".join(map(str, values)), frozenset(values)
    step = draw(st.integers(2, 30)) if "step" in shape else 1
    if shape == "star/step":
        return f"*/{step}", frozenset(range(low, high + 1, step))
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    suffix = f"/{step}" if step > 1 else ""
    return f"{first}-{last}{suffix}", frozenset(range(first, last + 1, step))


@st.composite
def rules(draw: st.DrawFn, *, day_stars: int = 8) -> Rule:
    drawn = [
        draw(columns(low, high, stars))
        for low, high, stars in (
            (0, 59, 1),
            (0, 23, 2),
            (1, 31, day_stars),
            (1, 12, 9),
            (0, 6, day_stars),
        )
    ]
    return Rule(" ".join(text for text, _ in drawn), *(values for _, values in drawn))


@cache
def transitions(name: str) -> list[datetime]:
    """The minutes from 2004 to 2030 at which the zone's offset changes."""
    zone, found = ZoneInfo(name), []
    low, end = datetime(2004, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    while low < end:
        high = low + DAY
        if _offset(low, zone) != _offset(high, zone):
            before = low
            while high - before > MINUTE:
                middle = before + ((high - before) // 2) // MINUTE * MINUTE
                same = _offset(middle, zone) == _offset(low, zone)
                before, high = (middle, high) if same else (before, middle)
            found.append(high)
        low += DAY
    return found


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def walk(rule: Rule, name: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """(instant, nominal) of every run in `start < at <= end`, by looking at every real minute."""
    zone = ZoneInfo(name)
    at = start.replace(second=0) - 2 * DAY  # so that what a fold repeats has been seen
    shown: set[datetime] = set()
    earlier: datetime | None = None
    found = []
    while at <= end:
        wall = (at + _offset(at, zone)).replace(tzinfo=None)
        nominal = wall if rule.matches(wall) else None
        if not rule.wildcard:
            if wall in shown:
                nominal = None
            elif earlier is not None and MINUTE < wall - earlier <= 3 * 60 * MINUTE + MINUTE:
                skipped = earlier + MINUTE
                while skipped < wall and not rule.matches(skipped):
                    skipped += MINUTE
                nominal = skipped if skipped < wall else nominal
        if nominal is not None and at > start:
            found.append((at, nominal))
        shown.add(wall)
        earlier = wall
        at += MINUTE
    return found


@settings(max_examples=150, deadline=None)
@given(st.data(), rules(), st.sampled_from(NASTY_ZONES))
def test_a_walk_through_every_real_minute_finds_the_same_fire_times(
    data: st.DataObject, rule: Rule, zone: str
) -> None:
    change = data.draw(st.sampled_from(transitions(zone)))
    start = change - timedelta(minutes=data.draw(st.integers(-180, 1800)), seconds=30)
    end = start + timedelta(minutes=data.draw(st.integers(600, 3000)))
    schedule = Schedule.parse(rule.text, zone=zone)
    assert schedule.wildcard is rule.wildcard
    assert [(fire.at, fire.nominal) for fire in schedule.between(start, end)] == walk(
        rule, zone, start, end
    )


def test_every_transition_of_the_nasty_zones_is_walked_over() -> None:
    rules_of_thumb = [
        Rule("0,25,50 0-23 * * *", frozenset({0, 25, 50}), *_everything()),
        Rule("*/25 0-23 * * *", frozenset({0, 25, 50}), *_everything()),
    ]
    for zone in NASTY_ZONES:
        for change in transitions(zone)[::5]:
            start, end = change - timedelta(minutes=200), change + timedelta(minutes=200)
            for rule in rules_of_thumb:
                found = Schedule.parse(rule.text, zone=zone).between(start, end)
                assert [(fire.at, fire.nominal) for fire in found] == walk(rule, zone, start, end)


def _everything() -> tuple[frozenset[int], frozenset[int], frozenset[int], frozenset[int]]:
    return (
        frozenset(range(24)),
        frozenset(range(1, 32)),
        frozenset(range(1, 13)),
        frozenset(range(7)),
    )


instants = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 # hypothesis wants naive bounds
    datetime(2040, 1, 1),  # noqa: DTZ001 # the same
    timezones=st.just(UTC),
)


@settings(max_examples=150, deadline=None)
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


@settings(deadline=None)
@given(rules(), st.sampled_from(NASTY_ZONES), instants)
def test_next_is_strictly_later_and_what_between_begins_with(
    rule: Rule, zone: str, after: datetime
) -> None:
    schedule = Schedule.parse(rule.text, zone=zone)
    fire = schedule.next(after)
    assume(fire is not None)
    assert fire is not None
    assert fire.at > after
    assert schedule.between(after, fire.at) == [fire]
    assert schedule.between(after, fire.at - timedelta(microseconds=1)) == []
    assert schedule.next(fire.at - timedelta(microseconds=1)) == fire


@st.composite
def near_transitions(draw: st.DrawFn) -> tuple[str, datetime, datetime, datetime]:
    """A zone and three ascending instants around one of its transitions."""
    zone = draw(st.sampled_from(NASTY_ZONES))
    change = draw(st.sampled_from(transitions(zone)))
    minutes = sorted(draw(st.integers(-300, 300)) for _ in range(3))
    start, middle, end = (change + timedelta(minutes=minute) for minute in minutes)
    return zone, start, middle, end


@settings(deadline=None)
@given(rules(), near_transitions())
def test_two_neighbouring_intervals_hold_what_the_whole_holds(
    rule: Rule, case: tuple[str, datetime, datetime, datetime]
) -> None:
    zone, start, middle, end = case
    schedule = Schedule.parse(rule.text, zone=zone)
    parts = schedule.between(start, middle) + schedule.between(middle, end)
    assert parts == schedule.between(start, end)


@settings(deadline=None)
@given(rules(), near_transitions())
def test_the_canonical_text_fires_at_the_same_times(
    rule: Rule, case: tuple[str, datetime, datetime, datetime]
) -> None:
    zone, start, _, end = case
    schedule = Schedule.parse(rule.text, zone=zone)
    again = Schedule.parse(schedule.canonical, zone=zone)
    assert (again.canonical, again.key) == (schedule.canonical, schedule.key)
    assert again.between(start, end) == schedule.between(start, end)


def test_equal_sets_with_and_without_a_star_differ_in_a_fold() -> None:
    start = datetime(2024, 11, 3, tzinfo=UTC)
    starred, listed = (
        Schedule.parse(text, zone="America/New_York") for text in ("*/30 1 * * *", "0,30 1 * * *")
    )
    assert [column.values for column in starred.columns] == [
        column.values for column in listed.columns
    ]
    assert starred.canonical != listed.canonical
    assert len(starred.between(start, start + DAY)) == 4
    assert len(listed.between(start, start + DAY)) == 2


@settings(max_examples=50, deadline=None)
@given(rules(), st.dates(date(2020, 1, 1), date(2028, 1, 1)))
def test_no_two_fire_times_lie_closer_than_the_shortest_interval(rule: Rule, day: datetime) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    schedule = Schedule.parse(rule.text, zone="UTC")
    found = [fire.at for fire in schedule.between(start, start + 4 * DAY)]
    assume(len(found) > 1)
    shortest = schedule.shortest_interval()
    assert shortest is not None
    assert shortest <= min(later - one for one, later in pairwise(found))
