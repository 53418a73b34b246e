"""When the clocks of a zone change."""

from datetime import UTC, datetime, timedelta

import pytest

from cronjob.core.clockchange import next_change
from cronjob.core.zone import named_zone
from tests.core.stepper import transitions


@pytest.mark.parametrize(
    ("zone", "at", "before", "later"),
    [
        ("Europe/Berlin", "2027-03-28T01:00", "2027-03-28T02:00", "2027-03-28T03:00"),
        ("Europe/Berlin", "2027-10-31T01:00", "2027-10-31T03:00", "2027-10-31T02:00"),
        ("Asia/Pyongyang", "2018-05-04T15:00", "2018-05-04T23:30", "2018-05-05T00:00"),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-30T00:00", "2011-12-31T00:00"),
        ("Africa/Monrovia", "1972-01-07T00:44:30", "1972-01-07T00:00", "1972-01-07T00:44:30"),
    ],
)
def test_a_change_has_its_instant_and_the_wall_times_on_both_sides(
    zone: str, at: str, before: str, later: str
) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    change = next_change(named_zone(zone), instant - timedelta(days=20))
    assert change is not None
    assert change.at == instant
    assert change.wall_before == datetime.fromisoformat(before)
    assert change.wall_after == datetime.fromisoformat(later)


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "Antarctica/Troll", "Asia/Gaza"])
def test_one_after_another_they_are_all_changes(zone: str) -> None:
    at, found = datetime(2000, 1, 1, tzinfo=UTC), []
    while change := next_change(named_zone(zone), at, timedelta(days=4000)):
        at = change.at
        if at.year >= 2030:
            break
        found.append(int(at.timestamp()))
    since, until = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2030))
    assert found == [instant for instant in transitions(zone) if since < instant < until]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Africa/Lagos"])
def test_a_zone_may_have_no_change(zone: str) -> None:
    assert next_change(named_zone(zone), datetime(2026, 11, 21, tzinfo=UTC)) is None


def test_a_change_beyond_the_limit_is_not_found() -> None:
    after = datetime(2026, 11, 21, tzinfo=UTC)
    assert next_change(named_zone("Europe/Berlin"), after, timedelta(days=100)) is None


def test_the_instant_of_a_change_is_not_later_than_itself() -> None:
    berlin = named_zone("Europe/Berlin")
    spring = next_change(berlin, datetime(2026, 11, 21, tzinfo=UTC))
    assert spring is not None
    autumn = next_change(berlin, spring.at)
    assert autumn is not None
    assert autumn.at > spring.at
    assert next_change(berlin, spring.at - timedelta(seconds=1)) == spring


def test_the_calendar_has_an_end() -> None:
    end = datetime(9999, 12, 31, 12, tzinfo=UTC)
    assert next_change(named_zone("Asia/Tokyo"), end) is None
