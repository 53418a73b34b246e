"""What holds for every schedule, in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cronjob.core.schedule import FireTime, Schedule
from tests.core.drawing import EXAMPLES, instants_near_changes, near_changes, rules, zones
from tests.core.stepper import Rule

DAY = timedelta(days=1)
TINY = timedelta(microseconds=1)

instants = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 # hypothesis wants naive bounds
    datetime(2038, 1, 1),  # noqa: DTZ001 # the same
    timezones=st.just(UTC),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(special=True), zones(), instants)
def test_next_is_strictly_later_and_what_between_begins_with(
    rule: Rule, zone: str, after: datetime
) -> None:
    schedule = Schedule.parse(rule.text, zone=zone)
    fire = schedule.next(after)
    assume(fire is not None)
    assert fire is not None
    assert fire.at > after
    assert schedule.next(after) == fire
    assert schedule.between(after, fire.at) == [fire]
    assert schedule.between(after, fire.at - TINY) == []
    assert schedule.next(fire.at - TINY) == fire


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), instants_near_changes(2))
def test_between_is_ascending_and_each_fire_time_is_the_next_of_the_one_before(
    rule: Rule, case: tuple[str, list[datetime]]
) -> None:
    zone, (start, end) = case
    schedule = Schedule.parse(rule.text, zone=zone)
    found = schedule.between(start, end)
    assert all(start < fire.at <= end for fire in found)
    assert all(schedule.next(one.at) == later for one, later in pairwise(found))


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), instants_near_changes(3))
def test_two_neighbouring_intervals_hold_what_the_whole_holds(
    rule: Rule, case: tuple[str, list[datetime]]
) -> None:
    zone, (start, middle, end) = case
    schedule = Schedule.parse(rule.text, zone=zone)
    parts = schedule.between(start, middle) + schedule.between(middle, end)
    assert parts == schedule.between(start, end)


def is_lost(wall: datetime, zone: str) -> bool:
    """Whether the wall time lies in a gap that is longer than three hours (PEP 495)."""
    before, after = (
        wall.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() or timedelta() for fold in (0, 1)
    )
    return after - before > timedelta(hours=3)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(day_stars=6), st.times(), near_changes())
def test_a_fixed_schedule_with_one_time_fires_once_on_every_matching_civil_day(
    rule: Rule, clock: time, change: tuple[str, datetime]
) -> None:
    zone, at = change
    text = f"{clock.minute} {clock.hour} {' '.join(rule.text.split()[2:])}"
    schedule = Schedule.parse(text, zone=zone)
    middle = at.astimezone(schedule.zone).date()
    days = [middle + n * DAY for n in range(-10, 11)]
    fired = [
        fire.nominal
        for fire in schedule.between(at - 12 * DAY, at + 12 * DAY)
        if fire.nominal.date() in days
    ]
    asked = [datetime.combine(day, time(clock.hour, clock.minute)) for day in days if rule.on(day)]
    assert fired == [wall for wall in asked if not is_lost(wall, zone)]


def respelled(rule: Rule) -> str:
    """Other words for the same columns: values one by one and backwards, a star as its lowest."""
    columns = zip(
        rule.text.split(),
        (rule.minutes, rule.hours, rule.days, rule.months, rule.weekdays),
        strict=True,
    )
    return " ".join(
        text.replace("*", "*/1", 1)
        if text == "*"
        else ",".join([*(["*/60"] if text[0] == "*" else []), *map(str, sorted(values)[::-1])])
        for text, values in columns
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), instants_near_changes(2))
def test_columns_that_mean_the_same_have_one_canonical_text_and_equal_fire_times(
    rule: Rule, case: tuple[str, list[datetime]]
) -> None:
    zone, (start, end) = case
    one, other = (Schedule.parse(text, zone=zone) for text in (rule.text, respelled(rule)))
    assert one.key == other.key
    assert one.between(start, end) == other.between(start, end)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(special=True), instants_near_changes(2))
def test_the_canonical_text_parses_to_itself_and_fires_at_the_same_times(
    rule: Rule, case: tuple[str, list[datetime]]
) -> None:
    zone, (start, end) = case
    schedule = Schedule.parse(rule.text, zone=zone)
    again = Schedule.parse(schedule.canonical, zone=zone)
    assert (again.canonical, again.key) == (schedule.canonical, schedule.key)
    assert (again.columns[0].star, again.wildcard) == (schedule.columns[0].star, schedule.wildcard)
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


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), instants_near_changes(2))
def test_a_fire_time_is_at_its_nominal_time_unless_a_gap_swallowed_that(
    rule: Rule, case: tuple[str, list[datetime]]
) -> None:
    zone, (start, end) = case
    schedule = Schedule.parse(rule.text, zone=zone)
    for fire in schedule.between(start, end):
        shown = fire.at.astimezone(schedule.zone).replace(tzinfo=None, fold=0)
        assert _matches(rule, fire)
        assert shown >= fire.nominal
        if shown != fire.nominal:  # nothing between the two was ever shown by the clock
            before = (fire.at - TINY).astimezone(schedule.zone).replace(tzinfo=None, fold=0)
            assert before < fire.nominal


def _matches(rule: Rule, fire: FireTime) -> bool:
    wall = fire.nominal
    return wall.minute in rule.minutes and wall.hour in rule.hours and rule.on(wall.date())


@settings(max_examples=50, deadline=None)
@given(rules(), st.dates(date(2020, 1, 1), date(2028, 1, 1)))
def test_no_two_fire_times_lie_closer_than_the_shortest_interval(rule: Rule, day: date) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    schedule = Schedule.parse(rule.text, zone="UTC")
    found = [fire.at for fire in schedule.between(start, start + 4 * DAY)]
    assume(len(found) > 1)
    shortest = schedule.shortest_interval()
    assert shortest is not None
    assert shortest <= min(later - one for one, later in pairwise(found))
