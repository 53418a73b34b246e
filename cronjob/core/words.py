"""Lists, counts, times and durations in English."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

SHORTEST_RUN = 3  #: so many neighbours are written as `a to b`
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def counted(number: int, noun: str, nouns: str = "") -> str:
    """`1 entry`, `3 entries`."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def some(number: int, noun: str) -> str:
    """`no slots`, `1 slot`, `2 slots`."""
    return counted(number, noun) if number else f"no {noun}s"


def seconds(duration: float) -> str:
    """A duration for people: `7ms`, `12.3s`, `4m 10s`, `2h 5m`."""
    if duration < 0.9995:
        return f"{duration * 1000:.0f}ms"
    if duration < 59.95:
        return f"{duration:.1f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes}m {rest}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if minutes else f"{hours}h"


def sized(size: int) -> str:
    """A number of bytes for people: `512 B`, `12.3 MiB`."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_SIZES) - 1)
    value = f"{size / 1024**power:.1f}".removesuffix(".0")
    return f"{value} {_SIZES[power]}"


def ordinal(number: int) -> str:
    """`first` to `fifth`."""
    return _ORDINALS[number - 1]


def nth(number: int) -> str:
    """`2nd`, `3rd`, `11th`."""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def lasting(duration: timedelta) -> str:
    """`10 minutes`, `1 hour 30 minutes`; parts of a second only where there is nothing larger."""
    if duration < timedelta(seconds=1):
        return f"{duration.total_seconds():g} seconds"
    rest = int(duration.total_seconds())
    parts = []
    for noun, size in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            parts.append(counted(number, noun))
    return " ".join(parts)


def spans(values: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending values as first and last of each row of neighbours; short rows one by one."""
    rows: list[list[int]] = []
    for value in values:
        if rows and value == rows[-1][-1] + 1:
            rows[-1].append(value)
        else:
            rows.append([value])
    found: list[tuple[int, int]] = []
    for row in rows:
        long = len(row) >= SHORTEST_RUN
        found += [(row[0], row[-1])] if long else [(value, value) for value in row]
    return found


def spanned(values: Iterable[int], text: Callable[[int], str]) -> str:
    """`1, 5 to 9 and 12`, each value written by `text`."""
    return listed([text(a) if a == b else f"{text(a)} to {text(b)}" for a, b in spans(values)])


def stride(values: Sequence[int]) -> int:
    """The distance between all neighbours when it is one and the same, else 0."""
    distances = {b - a for a, b in pairwise(values)}
    return distances.pop() if len(distances) == 1 else 0


def clock(moment: datetime) -> str:
    """`02:30`, with seconds when there are any."""
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def dated(day: date) -> str:
    """`Sun 2027-03-28`."""
    return f"{day:%a} {day.isoformat()[:10]}"
