"""Lists, counts and durations in English."""

from datetime import timedelta

import pytest

from cronjob.core.words import counted, lasting, listed, nth, seconds, sized, spanned, stride


@pytest.mark.parametrize(("items", "text"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_a_list_has_one_and(items: str, text: str) -> None:
    assert listed(list(items)) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.0, "0ms"),
        (0.0071, "7ms"),
        (0.9994, "999ms"),
        (0.9996, "1s"),
        (1.0, "1s"),
        (1.26, "1.3s"),
        (12.34, "12.3s"),
        (30.0, "30s"),
        (59.94, "59.9s"),
        (59.96, "1m"),
        (60.0, "1m"),
        (61.4, "1m 1s"),
        (119.6, "2m"),
        (250.0, "4m 10s"),
        (3599.6, "1h"),
        (3600.0, "1h"),
        (7500.0, "2h 5m"),
        (86400.0 * 30, "720h"),
    ],
)
def test_a_duration_is_short_and_never_sixty_of_anything(duration: float, text: str) -> None:
    assert seconds(duration) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (12 << 20, "12 MiB"),
        (3 << 30, "3 GiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_a_size_is_told_in_the_largest_unit_that_it_fills(size: int, text: str) -> None:
    assert sized(size) == text


@pytest.mark.parametrize(
    ("number", "one", "many", "text"),
    [(0, "run", "", "0 runs"), (1, "run", "", "1 run"), (2, "entry", "entries", "2 entries")],
)
def test_a_number_agrees_with_its_noun(number: int, one: str, many: str, text: str) -> None:
    assert counted(number, one, many) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd")],
)
def test_numbers_of_a_row_end_as_they_are_spoken(number: int, text: str) -> None:
    assert nth(number) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=90), "1 minute 30 seconds"),
        (timedelta(hours=25), "1 day 1 hour"),
        (timedelta(seconds=19.2), "19 seconds"),
        (timedelta(seconds=0.25), "0.25 seconds"),
        (timedelta(), "0 seconds"),
    ],
)
def test_a_duration_is_said_in_its_largest_units(duration: timedelta, text: str) -> None:
    assert lasting(duration) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1], "1"),
        ([1, 2], "1 and 2"),
        ([1, 2, 3], "1 to 3"),
        ([1, 3, 4, 5, 9], "1, 3 to 5 and 9"),
    ],
)
def test_three_neighbours_are_a_range(values: list[int], text: str) -> None:
    assert spanned(values, str) == text


@pytest.mark.parametrize(
    ("values", "distance"), [([], 0), ([5], 0), ([1, 4], 3), ([1, 4, 7], 3), ([1, 4, 6], 0)]
)
def test_equal_distances_are_a_stride(values: list[int], distance: int) -> None:
    assert stride(values) == distance
