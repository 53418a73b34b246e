"""A civil time exists once, never or twice."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.schedule import Schedule
from cronjob.core.zone import (
    Exact,
    Fold,
    Gap,
    civil,
    forget_zones,
    named_zone,
    steady_offset,
    zone_name,
)
from cronjob.errors import ScheduleError
from tests.core.stepper import zone_file


def wall(text: str) -> datetime:
    """A naive wall time."""
    return datetime.fromisoformat(text)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "time", "at"),
    [
        ("UTC", "2024-03-10 02:30", "2024-03-10 02:30"),
        ("America/New_York", "2024-03-10 01:59:59", "2024-03-10 06:59:59"),
        ("America/New_York", "2024-03-10 03:00", "2024-03-10 07:00"),
        ("America/New_York", "2024-11-03 00:59:59", "2024-11-03 04:59:59"),
        ("America/New_York", "2024-11-03 02:00", "2024-11-03 07:00"),
        ("Asia/Kathmandu", "2024-06-01 00:00", "2024-05-31 18:15"),
        ("Pacific/Apia", "2011-12-29 23:59:59", "2011-12-30 09:59:59"),
        ("Pacific/Apia", "2011-12-31 00:00", "2011-12-30 10:00"),
        ("Europe/Dublin", "2024-01-15 12:00", "2024-01-15 12:00"),
        ("Europe/Dublin", "2024-07-15 12:00", "2024-07-15 11:00"),
    ],
)
def test_an_ordinary_time_exists_once(zone: str, time: str, at: str) -> None:
    assert civil(wall(time), named_zone(zone)) == Exact(instant(at))


@pytest.mark.parametrize(
    ("zone", "time", "end", "length"),
    [
        ("America/New_York", "2024-03-10 02:00", "2024-03-10 07:00", "1:00:00"),
        ("America/New_York", "2024-03-10 02:59:59", "2024-03-10 07:00", "1:00:00"),
        ("Australia/Lord_Howe", "2024-10-06 02:15", "2024-10-05 15:30", "0:30:00"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00", "1 day, 0:00:00"),
        ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", "1:00:00"),
        ("Europe/Dublin", "2024-03-31 01:30", "2024-03-31 01:00", "1:00:00"),
        ("Africa/Casablanca", "2024-04-14 02:30", "2024-04-14 02:00", "1:00:00"),
        ("Antarctica/Troll", "2024-03-31 01:30", "2024-03-31 01:00", "2:00:00"),
        ("Asia/Pyongyang", "2018-05-04 23:45", "2018-05-04 15:00", "0:30:00"),
        ("Africa/Monrovia", "1972-01-07 00:30", "1972-01-07 00:44:30", "0:44:30"),
        ("Europe/Amsterdam", "1937-07-01 00:00:20", "1937-06-30 22:40:28", "0:00:28"),
    ],
)
def test_a_gap_ends_at_the_second_the_clocks_go_forward(
    zone: str, time: str, end: str, length: str
) -> None:
    found = civil(wall(time), named_zone(zone))
    assert isinstance(found, Gap)
    assert (found.end, str(found.length)) == (instant(end), length)


@pytest.mark.parametrize(
    ("zone", "time", "first", "second"),
    [
        ("America/New_York", "2024-11-03 01:00", "2024-11-03 05:00", "2024-11-03 06:00"),
        ("America/New_York", "2024-11-03 01:59:59", "2024-11-03 05:59:59", "2024-11-03 06:59:59"),
        ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06 14:45", "2024-04-06 15:15"),
        ("America/Sao_Paulo", "2018-02-17 23:30", "2018-02-18 01:30", "2018-02-18 02:30"),
        ("Europe/Dublin", "2024-10-27 01:30", "2024-10-27 00:30", "2024-10-27 01:30"),
        ("Africa/Casablanca", "2024-03-10 02:30", "2024-03-10 01:30", "2024-03-10 02:30"),
        ("Antarctica/Troll", "2024-10-27 02:00", "2024-10-27 00:00", "2024-10-27 02:00"),
    ],
)
def test_a_fold_has_two_instants_in_their_order(
    zone: str, time: str, first: str, second: str
) -> None:
    assert civil(wall(time), named_zone(zone)) == Fold(instant(first), instant(second))


@pytest.mark.parametrize("time", ["2024-03-10 02:30", "2024-11-03 01:30", "2024-07-01 01:30"])
def test_the_fold_of_a_wall_time_says_nothing(time: str) -> None:
    zone = named_zone("America/New_York")
    assert civil(wall(time).replace(fold=1), zone) == civil(wall(time), zone)


@settings(deadline=None)
@given(
    st.datetimes(datetime(2011, 12, 28), datetime(2012, 1, 2)),  # noqa: DTZ001 # wall times
    st.sampled_from(["Pacific/Apia", "UTC", "Australia/Lord_Howe", "America/Havana"]),
)
def test_an_instant_shows_the_wall_time_it_was_found_for(time: datetime, name: str) -> None:
    zone = named_zone(name)
    match civil(time, zone):
        case Exact(at):
            assert at.astimezone(zone).replace(tzinfo=None) == time
        case Gap(end, length):
            last = (end - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
            opened = end.astimezone(zone).replace(tzinfo=None)
            assert last < time < opened
            assert opened - last == length + timedelta(seconds=1)
        case Fold(first, second):
            raise AssertionError(f"nothing was repeated then: {first} {second}")


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus",
        "europe/paris",
        "UTC+3",
        "+03:00",
        "Europe",
        "zone.tab",
        "right/UTC",
        "right/Europe/Paris",
        "Europe/Paris\n",
        "",
    ],
)
def test_a_name_that_is_no_zone_is_refused_and_never_utc(name: str) -> None:
    with pytest.raises(ScheduleError, match=r"^unknown time zone \".*\"; allowed are names like "):
        named_zone(name)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "Europe/../UTC",
        "./UTC",
        "UTC\0",
        "\udcff",
        "a" * 5000,
    ],
)
def test_a_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match=r"^unknown time zone "):
        named_zone(name)


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC", "EST5EDT", "Etc/GMT+5"])
def test_a_zone_knows_its_name(name: str) -> None:
    assert zone_name(named_zone(name)) == name


def test_a_time_outside_the_calendar_overflows() -> None:
    with pytest.raises(OverflowError):
        civil(wall("0001-01-01 00:00"), named_zone("Asia/Tokyo"))


@pytest.mark.parametrize(
    ("zone", "day", "offset"),
    [
        ("UTC", "2024-03-10", "0:00:00"),
        ("Asia/Kathmandu", "2024-03-10", "5:45:00"),
        ("America/New_York", "2024-03-09", "-1 day, 19:00:00"),
        ("America/New_York", "2024-03-10", "None"),
        ("America/New_York", "2024-03-11", "-1 day, 20:00:00"),
        ("America/New_York", "2024-11-03", "None"),
        ("America/Sao_Paulo", "2018-11-03", "None"),  # ends in the gap that begins the 4th
        ("America/Sao_Paulo", "2018-11-04", "None"),
        ("America/Sao_Paulo", "2018-11-05", "-1 day, 22:00:00"),
        ("America/St_Johns", "2002-10-26", "None"),  # its last hour comes again at 0:01
        ("America/St_Johns", "2002-10-27", "None"),
        ("Pacific/Apia", "2011-12-29", "None"),
        ("Pacific/Apia", "2011-12-30", "None"),
        ("Pacific/Apia", "2011-12-31", "14:00:00"),
    ],
)
def test_a_day_is_steady_if_no_change_of_the_clocks_touches_it(
    zone: str, day: str, offset: str
) -> None:
    assert str(steady_offset(wall(f"{day} 17:30"), named_zone(zone))) == offset


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A folder in front of the zone database, for files of its own."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path), *before])
    yield tmp_path
    zoneinfo.reset_tzpath(before)
    forget_zones()


def test_a_changed_database_is_read_once_the_zones_are_forgotten(database: Path) -> None:
    midsummer = instant("2024-07-01 12:00")
    (database / "Nowhere").write_bytes(zone_file("Europe/Paris"))
    old = Schedule.parse("0 12 * * *", zone="Nowhere")
    (database / "Nowhere").write_bytes(zone_file("Asia/Tokyo"))
    assert named_zone("Nowhere") is old.zone
    forget_zones()
    new = Schedule.parse("0 12 * * *", zone="Nowhere")
    assert new.zone is not old.zone
    fires = [schedule.next(midsummer) for schedule in (old, new)]
    assert [fire and f"{fire.at:%dT%H:%M}" for fire in fires] == ["02T10:00", "02T03:00"]


def test_a_zone_that_is_gone_is_unknown_once_the_zones_are_forgotten(database: Path) -> None:
    (database / "Nowhere").write_bytes(zone_file("Europe/Paris"))
    named_zone("Nowhere")
    (database / "Nowhere").unlink()
    named_zone("Nowhere")
    forget_zones()
    with pytest.raises(ScheduleError, match=r"^unknown time zone \"Nowhere\""):
        named_zone("Nowhere")


def test_forgotten_zones_are_new_objects_of_the_same_name() -> None:
    old = named_zone("Europe/Paris")
    forget_zones()
    assert named_zone("Europe/Paris") is not old
    assert named_zone("Europe/Paris") is named_zone("Europe/Paris")
    assert zone_name(named_zone("Europe/Paris")) == zone_name(old)
