"""Lints of schedules: what the time columns say and mean."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from cronjob.core.clockchange import ClockChange, next_change
from cronjob.core.columns import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, UNITS, Column
from cronjob.core.entry import Entry
from cronjob.core.lint.subject import Found, Subject
from cronjob.core.schedule import Schedule
from cronjob.core.walltimes import WallTimes
from cronjob.core.words import MONTHS, WEEKDAYS, lasting, listed, ordinal
from cronjob.errors import quoted

_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of the months, at most
_AHEAD = timedelta(days=731)  # how far clock changes are looked for
_STEP = re.compile(r"\*/0*([1-9]\d?)", re.ASCII)
_SAMPLE = timedelta(days=366)
_MOST_SAMPLED = 1000


def never_fires(entry: Entry, subject: Subject) -> Found | None:
    """No day matches, or none within 50 years."""
    today = subject.surroundings.now.date()
    if entry.schedule.reboot or _first_day(entry.schedule, today) is not None:
        return None
    dom, months = entry.schedule.columns[2], entry.schedule.columns[3].values
    longest = max(_LENGTHS[month - 1] for month in months)
    if not dom.values or min(dom.values) <= longest:
        why = "no day matches day of month, month and day of week"
        return Found(subject.column_at(entry, 2), f"never fires: {why}")
    last = f"its last day is {longest}" if subject.table.classic else "write L for the last day"
    why = f"{_named(months)} {_have(months)} no day {min(dom.values)}; {last}"
    return Found(subject.column_at(entry, 2), f"never fires: {why}")


def leap_years_only(entry: Entry, subject: Subject) -> Found | None:
    """Only 29 February matches."""
    if not entry.schedule.columns:
        return None
    _, _, dom, month, dow = entry.schedule.columns
    if (dom.values, month.values) != ((29,), (2,)) or dom.special or not dow.full:
        return None
    following = _first_day(entry.schedule, subject.surroundings.now.date())
    last = "" if subject.table.classic else "; write L for the last day of every February"
    message = f"fires in leap years only, next on {following}{last}"
    return Found(subject.column_at(entry, 2), message)


def short_months(entry: Entry, subject: Subject) -> Found | None:
    """Day 30 or 31, which some of its months do not have."""
    if not entry.schedule.columns:
        return None
    _, _, dom, month, dow = entry.schedule.columns
    if not dow.full or dom.special or min(dom.values) < 30:
        return None
    lacking = [number for number in month.values if _LENGTHS[number - 1] < min(dom.values)]
    if not lacking or len(lacking) == len(month.values):
        return None
    last = "" if subject.table.classic else "; write L for the last day of every month"
    what = f"{_have(lacking)} no day {min(dom.values)}"
    message = f"does not fire in {_named(lacking)}, which {what}{last}"
    return Found(subject.column_at(entry, 2), message)


def either_day(entry: Entry, subject: Subject) -> Found | None:
    """Both day columns are restricted, so that either is enough (cron.c find_jobs)."""
    if not entry.schedule.columns:
        return None
    dom, dow = entry.schedule.columns[2], entry.schedule.columns[4]
    if dom.star or dow.star:
        return None
    written = entry.schedule.text.split()
    if len(dom.values) == 31 or len(dow.values) == 7:
        every = 2 if len(dom.values) == 31 else 4
        message = (
            f"fires every day: {quoted(written[every])} matches each, and one of the day columns "
            "is enough; write * in its place, and the other one decides"
        )
        return Found(subject.column_at(entry, every), message)
    message = (
        f"fires on each day that matches {quoted(written[2])} or {quoted(written[4])}, "
        f"not only where both do; {_both(dom, dow, classic=subject.table.classic)}"
    )
    return Found(subject.column_at(entry, 2), message)


def both_days(entry: Entry, subject: Subject) -> Found | None:
    """A star with a step in the day of month makes both day columns necessary."""
    if not entry.schedule.columns:
        return None
    dom, dow = entry.schedule.columns[2], entry.schedule.columns[4]
    if not dom.star or dom.full or len(dow.values) == 7:
        return None
    written = entry.schedule.text.split()
    message = (
        f"fires only on days that match {quoted(written[2])} and {quoted(written[4])} both, "
        f"because the first begins with *; for days that match either "
        f"write {_without_star(entry, 2)}"
    )
    return Found(subject.column_at(entry, 2), message)


def every_minute(entry: Entry, subject: Subject) -> Found | None:
    """`* 3 * * *` where `0 3 * * *` is meant: all its hours stand alone."""
    if not entry.schedule.columns:
        return None
    minute, hour = entry.schedule.columns[:2]
    if not minute.full or any((value + 1) % 24 in hour.values for value in hour.values):
        return None
    first, hours = hour.values[0], len(hour.values)
    when = f"at every minute from {first:02}:00 to {first:02}:59"
    if hours > 1:
        when += f", and so in {hours} hours"
    once = "once" if hours == 1 else "once in each of them"
    message = f"starts {60 * hours} times a day, {when}; write 0 for the minute to start {once}"
    return Found(subject.column_at(entry, 0), message)


def uneven_step(entry: Entry, subject: Subject) -> Found | None:
    """`*/45` minutes: a step that starts anew long before it is over."""
    written = entry.schedule.text.split()
    if len(written) != len(UNITS):
        return None
    for index, unit in enumerate((MINUTE, HOUR, DAY_OF_MONTH)):
        step = _STEP.fullmatch(written[index])
        values = entry.schedule.columns[index].values
        if step is None or len(values) < 2 or not _uneven(int(step[1]), index):
            continue
        what = ("minutes", "hours", "days")[index]
        message = (
            f"{unit.label} {quoted(written[index])} is {listed([*map(str, values)])}, and then "
            f"{values[0]} again, not every {int(step[1])} {what}"
        )
        return Found(subject.column_at(entry, index), message)
    return None


def clock_change(entry: Entry, subject: Subject) -> Found | None:
    """A wildcard schedule all of whose times on a day lie in a gap, or in a fold."""
    schedule = entry.schedule
    if not schedule.wildcard or schedule.columns[0].full or len(schedule.columns[1].values) == 24:
        return None
    effects: dict[bool, str] = {}  # of the first gap, and of the first fold
    for change in _changes(schedule.zone, subject.surroundings.now):
        if text := _effect(schedule, change):
            effects.setdefault(change.after > change.before, text)
    if not effects:
        return None
    starred = [index for index in (0, 1) if schedule.columns[index].star]
    fixed = [_without_star(entry, index) for index in starred]
    names = [UNITS[index].label for index in starred]
    instead = listed([f"{text} for the {name}" for text, name in zip(fixed, names, strict=True)])
    return Found(
        subject.column_at(entry, starred[0]),
        f"{'; '.join(effects.values())}; write {instead}, and it runs on each day",
    )


def overlapping(entry: Entry, subject: Subject) -> Found | None:
    """A run may last longer than the time to the next one, and nothing forbids two at once."""
    timeout, shortest = entry.fields.timeout, entry.schedule.shortest_interval()
    if timeout is None or shortest is None or timeout <= shortest:
        return None
    if dict(entry.fields.written).get("overlap", "allow") != "allow":
        return None
    message = (
        f"a run may take {lasting(timeout)} and the next one begins {lasting(shortest)} after it, "
        "so several may go at once; write a timeout that is not longer, or overlap=skip"
    )
    return Found(subject.column_at(entry), message)


def catch_up_overlap(entry: Entry, subject: Subject) -> Found | None:
    """Runs that come while all missed ones are made up for do not all get their turn."""
    fields = entry.fields
    if fields.catchup != "all" or fields.overlap == "allow" or entry.schedule.reboot:
        return None
    loser = "ends the one that is made up for" if fields.overlap == "replace" else "may be skipped"
    message = (
        "missed fire times are made up for one by one, and one that comes meanwhile "
        f"{loser} by overlap={fields.overlap}; if each is to run, write overlap=allow"
    )
    return Found(subject.column_at(entry), message)


def no_retry(entry: Entry, subject: Subject) -> Found | None:
    """The first retry always comes after the next fire time, which supersedes it."""
    retry, schedule = entry.fields.retry, entry.schedule
    if not retry.limit or entry.fields.retry_until is not None:
        return None
    shortest = schedule.shortest_interval()
    if shortest is None or retry.soonest < shortest:
        return None
    longest = _longest_interval(schedule, subject.surroundings.now)
    if longest is None or retry.soonest < longest:
        return None
    message = (
        f"no retry can start: the first comes {lasting(retry.delay)} after a failure, and a retry "
        f"ends at the next fire time, {lasting(shortest)} after this one; write a shorter delay"
    )
    return Found(subject.column_at(entry), message)


def _first_day(schedule: Schedule, day: date) -> date | None:
    return WallTimes.of(schedule.columns).days.first(day) if schedule.columns else None


def _named(months: Sequence[int]) -> str:
    return listed([MONTHS[month - 1] for month in months])


def _have(months: Sequence[int]) -> str:
    return "has" if len(months) == 1 else "have"


def _both(dom: Column, dow: Column, *, classic: bool) -> str:
    """What to write for the days that are in both columns."""
    week = (dom.values[0] - 1) // 7 + 1 if dom.values else 0
    whole = dom.values == tuple(range(7 * week - 6, 7 * week + 1))
    if classic or not whole or len(dow.values) != 1 or dom.special or dow.special:
        return "for these test the day in the command"
    day = DAY_OF_WEEK.names[dow.values[0]]
    what = f"the {ordinal(week)} {WEEKDAYS[dow.values[0]]} of a month"
    return f"for {what} write * for the day of month and {day}#{week} for the day of week"


def _without_star(entry: Entry, index: int) -> str:
    """The same values in a column that does not begin with `*`."""
    unit, values = UNITS[index], entry.schedule.columns[index].values
    if len(values) == 1:
        return str(values[0])
    text = entry.schedule.text.split()[index]
    return f"{unit.low}-{unit.top}{text.removeprefix('*')}"


def _uneven(step: int, index: int) -> bool:
    """Whether the last distance is at most half as long as the step promises.

    Days are looked at from 10 on: people know what `*/2` does at the end of a month.
    """
    size = (60, 24, 31)[index]
    last = (size - 1) % step + 1
    if index == 2:
        return 10 <= step < size and last * 2 <= step
    return step * 2 > size and last < step


def _longest_interval(schedule: Schedule, now: datetime) -> timedelta | None:
    longest = None
    fire = schedule.next(now)
    for _ in range(_MOST_SAMPLED):
        following = schedule.next(fire.at) if fire else None
        if fire is None or following is None or following.at > now + _SAMPLE:
            break
        longest = max(longest or timedelta(), following.at - fire.at)
        fire = following
    return longest


@lru_cache(maxsize=1024)
def _changes(zone: tzinfo, now: datetime) -> tuple[ClockChange, ...]:
    """Those of the next two years."""
    found: list[ClockChange] = []
    after = now
    while (change := next_change(zone, after)) is not None and change.at <= now + _AHEAD:
        found.append(change)
        after = change.at
    return tuple(found)


def _effect(schedule: Schedule, change: ClockChange) -> str:
    """What a clock change does to a wildcard schedule; empty when a day keeps its runs."""
    start, end = sorted((change.wall_before, change.wall_after))
    asked = _on_the_day(WallTimes.of(schedule.columns), start)
    if not asked or not all(start <= wall < end for wall in asked):
        return ""
    hours = f"{start:%H:%M}-{end:%H:%M}"
    if change.after > change.before:
        return f"no run on {start:%F}, when {hours} does not exist"
    return f"twice as many runs on {start:%F}, when {hours} comes twice"


def _on_the_day(walls: WallTimes, day: datetime) -> list[datetime]:
    midnight = day.replace(hour=0, minute=0, second=0)
    first = walls.after(midnight - timedelta(minutes=1))
    if first is None or first.date() != day.date():
        return []
    return [first, *walls.rest_of_day(first)]
