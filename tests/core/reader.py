"""Reads an explanation back: the first sentence about a schedule -> the minutes that it allows.

Written from the sentences, not from the code that writes them.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = "Mondays Tuesdays Wednesdays Thursdays Fridays Saturdays Sundays"
_MONTH = "(?:" + MONTHS.replace(" ", "|") + ")"
_ALL_HOURS = frozenset(range(24))


def read_times(sentence: str) -> set[time]:
    """The times of a day that the first words of a sentence allow."""
    if match := re.match(r"Every hour at :(\d\d)", sentence):
        return {time(hour, int(match[1])) for hour in range(24)}
    if match := re.match(r"Every (?:(\d+) )?minutes?(?= |\.)(?! from)", sentence):
        return {time(h, m) for h in range(24) for m in range(0, 60, int(match[1] or 1))}
    if match := re.match(r"Every (?:(\d+) )?(minute|hour)s? from (?=\d)", sentence):
        step = timedelta(**{f"{match[2]}s": int(match[1] or 1)})
        rows = re.findall(r"from (\d\d:\d\d) to (\d\d:\d\d)", sentence)
        return {moment for first, last in rows for moment in _stepped(first, last, step)}
    if match := re.match(r"Every (?:(\d+) )?minutes? from :(\d\d) to :(\d\d) of (.*)", sentence):
        minutes = set(range(int(match[2]), int(match[3]) + 1, int(match[1] or 1)))
        return {time(hour, minute) for hour in _hours(match[4]) for minute in minutes}
    if match := re.match(r"At minutes? ([\d, to and]+) of (.*)", sentence):
        return {time(h, m) for h in _hours(match[2]) for m in _listed(match[1])}
    match = re.match(r"At ((?:\d\d:\d\d(?:, | and )?)+)", sentence)
    assert match, sentence
    return {time.fromisoformat(text) for text in re.findall(r"\d\d:\d\d", match[1])}


def allows(sentence: str, day: date) -> bool:
    """Whether the last words of a sentence allow that day."""
    if " on " not in sentence:
        match = re.search(r" in (.*)\.$", sentence)
        return match is None or _in(MONTHS, match[1], day.month - 1)
    found = re.search(r" (on (?!.* on ).*|on .*?), (but only|and also) (on .*)\.$", sentence)
    if found and found[2] == "but only":
        return _part(found[1], day) and _part(found[3], day)
    if found:
        return _part(found[1], day) or _part(found[3], day)
    match = re.search(r" (on .*)\.$", sentence)
    assert match, sentence
    return _part(match[1], day)


def _part(text: str, day: date) -> bool:
    if re.match(r"on \w+days\b", text):
        weekdays, _, months = text.removeprefix("on ").partition(" in ")
        return _in(WEEKDAYS, weekdays, day.weekday()) and (
            not months or _in(MONTHS, months, day.month - 1)
        )
    if match := re.fullmatch(rf"on ([\d, to and]+) ({_MONTH})", text):
        return _in(MONTHS, match[2], day.month - 1) and day.day in _listed(match[1])
    match = re.fullmatch(r"on (.*) of (.*)", text)
    assert match, text
    months = match[2]
    return (months == "the month" or _in(MONTHS, months, day.month - 1)) and _dom(match[1], day.day)


def _dom(text: str, day: int) -> bool:
    if text in ("odd days", "even days"):
        return day % 2 == (text == "odd days")
    if match := re.fullmatch(r"every (\d+)\w\w day from (\d+) to (\d+)", text):
        return day in range(int(match[2]), int(match[3]) + 1, int(match[1]))
    return day in _listed(text.removeprefix("days ").removeprefix("day "))


def _in(names: str, text: str, number: int) -> bool:
    known = names.split()
    for item in re.split(r", | and ", text):
        first, _, last = item.partition(" to ")
        if known.index(first) <= number <= known.index(last or first):
            return True
    return False


def _listed(text: str) -> set[int]:
    """`1, 5 to 9 and 12`."""
    found = set[int]()
    for item in re.split(r", | and ", text):
        first, _, last = item.partition(" to ")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _hours(text: str) -> set[int]:
    if text.startswith("every hour"):
        return set(_ALL_HOURS)
    if match := re.match(r"every (\d+)\w\w hour from (\d+) to (\d+)", text):
        return set(range(int(match[2]), int(match[3]) + 1, int(match[1])))
    match = re.match(r"hours? ((?:\d+(?: to |, | and (?=\d))?)+)", text)
    assert match, text
    return _listed(match[1])


def _stepped(first: str, last: str, step: timedelta) -> Iterator[time]:
    day = date(2000, 1, 1)
    moment = datetime.combine(day, time.fromisoformat(first))
    while moment.date() == day and moment.time() <= time.fromisoformat(last):
        yield moment.time()
        moment += step
