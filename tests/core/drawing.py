"""What hypothesis draws: rules of five columns, zones, and windows around the changes of clocks."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from hypothesis import strategies as st

from tests.core.stepper import Rule, transitions

#: How many examples the long-running properties look at: CRONJOB_EXAMPLES=20000 for a long run.
EXAMPLES = int(os.environ.get("CRONJOB_EXAMPLES", "200"))

#: Gaps and folds of 30 minutes to 24 hours, at midnight and at 00:01, twice around Ramadan, in
#: winter, offsets of 45 minutes, and one of 44 minutes and 30 seconds.
NASTY_ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
]


@cache
def all_zones() -> list[str]:
    """Every zone of the database, by name; `right/` and `posix/` are copies of it."""
    return sorted(
        name for name in available_timezones() if not name.startswith(("right/", "posix/"))
    )


def zones() -> st.SearchStrategy[str]:
    """Any zone; one of the nasty ones every third time."""
    every = st.deferred(lambda: st.sampled_from(all_zones()))
    return st.one_of(every, every, st.sampled_from(NASTY_ZONES))


@st.composite
def columns(draw: st.DrawFn, low: int, high: int, stars: int) -> tuple[str, frozenset[int]]:
    """A column and what it means; `stars` times out of ten it is a plain star."""
    if draw(st.integers(1, 10)) <= stars:
        return "*", frozenset(range(low, high + 1))
    shape = draw(st.sampled_from(["list", "range", "star/step", "range/step", "star,list"]))
    numbers = draw(st.lists(st.integers(low, high), min_size=1, max_size=5))
    step = draw(st.integers(2, 30)) if "step" in shape else 1
    if shape == "list":
        return ",".join(map(str, numbers)), frozenset(numbers)
    if shape == "star/step":
        return f"*/{step}", frozenset(range(low, high + 1, step))
    if shape == "star,list":
        return ",".join(map(str, [f"*/{high}", *numbers])), frozenset(
            [*range(low, high + 1, high), *numbers]
        )
    first, last = min(numbers), max(numbers)
    suffix = f"/{step}" if step > 1 else ""
    return f"{first}-{last}{suffix}", frozenset(range(first, last + 1, step))


@st.composite
def special_days(draw: st.DrawFn) -> tuple[tuple[str, frozenset[int]], tuple[str, frozenset[int]]]:
    """Day of month and day of week of which one has an `L`, `W` or `#`."""
    star = "*", frozenset(range(1, 32))
    shape = draw(st.sampled_from(["L", "list,L", "W", "#", "L5"]))
    if shape in ("#", "L5"):
        weekday, nth = draw(st.integers(0, 6)), draw(st.integers(1, 5))
        starred = draw(st.sampled_from([star, ("*/2", frozenset(range(1, 32, 2)))]))
        return starred, (f"L{weekday}" if shape == "L5" else f"{weekday}#{nth}", frozenset())
    every_weekday = "*", frozenset(range(7))
    day = draw(st.integers(1, 31))
    if shape == "W":
        return (f"{day}W", frozenset()), every_weekday
    listed = ("L", frozenset[int]()) if shape == "L" else (f"{day},L", frozenset({day}))
    return listed, draw(st.one_of(st.just(every_weekday), columns(0, 6, 2)))


@st.composite
def rules(draw: st.DrawFn, *, day_stars: int = 7, special: bool = False) -> Rule:
    """Five columns; `day_stars` times out of ten a day column is a plain star."""
    minute, hour = draw(columns(0, 59, 1)), draw(columns(0, 23, 2))
    month = draw(columns(1, 12, 9))
    if special and draw(st.integers(1, 5)) == 1:
        dom, dow = draw(special_days())
    else:
        dom, dow = draw(columns(1, 31, day_stars)), draw(columns(0, 6, day_stars))
    drawn = (minute, hour, dom, month, dow)
    return Rule(" ".join(text for text, _ in drawn), *(values for _, values in drawn))


@st.composite
def near_changes(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and an instant at which its clocks change, or any if they never do."""
    zone = draw(zones())
    known = transitions(zone)
    at = draw(st.sampled_from(known) if known else st.integers(0, 2**31 - 1))
    return zone, datetime.fromtimestamp(at, UTC)


@st.composite
def instants_near_changes(draw: st.DrawFn, count: int) -> tuple[str, list[datetime]]:
    """A zone and some ascending instants around one of the changes of its clocks."""
    zone, change = draw(near_changes())
    minutes = sorted(draw(st.integers(-300, 300)) for _ in range(count))
    return zone, [change + timedelta(minutes=minute) for minute in minutes]
