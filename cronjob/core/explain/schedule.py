"""What a schedule means, in words.

Each sentence is derived from the sets and stars that the schedule runs by, never from its text, so
two schedules that fire alike are explained alike.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cronjob.core.clockchange import ClockChange
from cronjob.core.columns import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    UNITS,
    Column,
    Unit,
)
from cronjob.core.explain.days import (
    EVERY_DAY,
    day_words,
    either_day,
    every_day_of_month,
    every_weekday,
    stepped,
)
from cronjob.core.explain.times import time_words
from cronjob.core.marks import changes, effect
from cronjob.core.schedule import NICKNAMES, Schedule
from cronjob.core.words import MONTHS, counted, dated, listed, spans, stride
from cronjob.core.zone import zone_name

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month, leap years too
_LEAP_DAY, _FEBRUARY = 29, 2
_HOURS = 24
_CHANGES = 2  # in most zones one in spring and one in autumn


def explain(schedule: Schedule, now: datetime) -> list[str]:
    """What the schedule means: sentences, of which the first says when it fires.

    `now`, an aware instant, decides which clock changes are the next ones.
    """
    if schedule.reboot:
        return ["Once per boot, when the daemon starts."]
    lines = [_when(schedule.columns), *_drawn(schedule), *_day_rule(schedule.columns)]
    lines += [*_single_steps(schedule.columns), *_uneven_steps(schedule.columns)]
    if (never := _never(schedule, now)) is not None:
        return [*lines, never]
    return [*lines, *_missing_days(schedule), _kind(schedule), _clock_changes(schedule, now)]


def nickname_words(schedule: Schedule) -> str | None:
    """What an `@name` stands for; None for five columns and for `@reboot`."""
    columns = NICKNAMES.get(schedule.text)
    return columns and f"{schedule.text} stands for {columns}."


def _when(columns: Sequence[Column]) -> str:
    minute, hour = columns[:2]
    times, days = time_words(minute, hour), day_words(columns)
    if len(hour.values) == _HOURS:  # whoever says every hour has said every day
        days = days.removeprefix(EVERY_DAY).lstrip()
    sentence = f"{times} {days}".rstrip()
    return f"{sentence[0].upper()}{sentence[1:]}."


def _drawn(schedule: Schedule) -> Iterator[str]:
    for column, unit in zip(schedule.columns, UNITS, strict=True):
        if column.rule != column.canonical:
            found = column.canonical.replace(",", ", ")
            drawn = f"{_named(unit)} {column.rule} is drawn"
            yield f"{drawn}, and stays the same on this host: {found}."


def _named(unit: Unit) -> str:
    return unit.label.capitalize()


def _day_rule(columns: Sequence[Column]) -> Iterator[str]:
    """A word where the two day columns are not what people expect (cron.c find_jobs)."""
    dom, dow = columns[2], columns[4]
    free = every_day_of_month(dom), every_weekday(dow)
    if all(free):
        return
    if not either_day(columns):
        if not any(free):
            yield _both_days(dom, dow)
    elif any(free):
        full, idle = (DAY_OF_MONTH, DAY_OF_WEEK) if free[0] else (DAY_OF_WEEK, DAY_OF_MONTH)
        yield (
            f"{_named(full)} allows every day without beginning with *, so {idle.label} "
            "restricts nothing."
        )
    else:
        yield "A match of one is enough, since neither day of month nor day of week begins with *."


def _both_days(dom: Column, dow: Column) -> str:
    starred = [
        unit.label for unit, column in ((DAY_OF_MONTH, dom), (DAY_OF_WEEK, dow)) if column.star
    ]
    return (
        f"Both must match, since {listed(starred)} {'begin' if starred[1:] else 'begins'} with *; "
        "croniter and some other programs let one be enough."
    )


def _single_steps(columns: Sequence[Column]) -> Iterator[str]:
    for column, unit in zip(columns, UNITS, strict=True):
        if column.star and len(column.values) == 1 and unit is not DAY_OF_WEEK:
            size = unit.top - unit.low + 1
            yield f"A step of {size} or more leaves only {unit.label} {column.values[0]}."


def _uneven_steps(columns: Sequence[Column]) -> Iterator[str]:
    """A word where the steps of `*/n` do not go on evenly into the next hour, day or month."""
    minute, hour, dom, month, dow = columns
    if (rest := _rest(minute, MINUTE)) and len(hour.values) == _HOURS:
        yield f"Only {counted(rest, 'minute')} from :{minute.values[-1]:02} to the next :00."
    if (rest := _rest(hour, HOUR)) and day_words(columns) == EVERY_DAY:
        yield f"Only {counted(rest, 'hour')} from hour {hour.values[-1]} to hour 0 of the next day."
    if _rest(dom, DAY_OF_MONTH) and len(month.values) == len(MONTHS) and every_weekday(dow):
        yield (
            "Each month counts from day 1 again, so days around the end of a month may be less "
            f"than {stride(dom.values)} days apart."
        )
    if rest := _rest(month, MONTH):
        yield f"Only {counted(rest, 'month')} from {MONTHS[month.values[-1] - 1]} to January."


def _rest(column: Column, unit: Unit) -> int:
    """From the last step to the first of the next round, where it is less than a step; else 0."""
    step = stride(column.values)
    if not column.star or column.special or step < 2 or column.values[-1] + step <= unit.top:
        return 0
    rest = unit.top + 1 - column.values[-1]
    return rest if rest != step else 0


def _never(schedule: Schedule, now: datetime) -> str | None:
    """Why it never fires; None when it does."""
    dom, months = schedule.columns[2], schedule.columns[3].values
    if schedule.next(now) is not None:
        return None
    if not either_day(schedule.columns) and dom.values and not dom.special:
        without = [month for month in months if dom.values[0] > _LONGEST[month - 1]]
        if len(without) == len(months):
            return f"It never fires: {_lacking(without, dom.values[0])}."
    return "It does not fire in the next 50 years."


def _missing_days(schedule: Schedule) -> Iterator[str]:
    """A word on months and years that lack what is asked for."""
    dom, months = schedule.columns[2], schedule.columns[3].values
    if dom.special:
        if any(special.endswith("W") and int(special[:-1]) > 28 for special in dom.special):
            yield "In a shorter month it is the one nearest to the last day."
        return
    if every_day_of_month(dom):
        return
    starts = dom.values[:1] if stepped(dom.values) else [first for first, _ in spans(dom.values)]
    for day in filter(lambda start: start >= _LEAP_DAY, starts):
        without = [month for month in months if day > _LONGEST[month - 1]]
        if without:
            yield f"{_lacking(without, day)}."
        if day == _LEAP_DAY and _FEBRUARY in months:
            yield "29 February exists in leap years only."


def _lacking(months: Sequence[int], day: int) -> str:
    names = listed([MONTHS[month - 1] for month in months])
    return f"{names} {'has' if len(months) == 1 else 'have'} no day {day}"


def _kind(schedule: Schedule) -> str:
    minute, hour = schedule.columns[:2]
    if not schedule.wildcard:
        return (
            "Fixed, since neither minute nor hour begins with *: when a clock change skips its "
            "time, it runs at the end of the gap; when its time comes twice, it runs once."
        )
    starred = [unit.label for unit, column in ((MINUTE, minute), (HOUR, hour)) if column.star]
    return (
        f"Wildcard, since {listed(starred)} {'begin' if starred[1:] else 'begins'} with *: it "
        "follows the clock, with no run at a time that a clock change skips and two at a time "
        "that comes twice."
    )


def _clock_changes(schedule: Schedule, now: datetime) -> str:
    zone = zone_name(schedule.zone)
    coming = changes(schedule, now, _CHANGES)
    if not coming:
        return f"The clocks of {zone} do not change in the next year."
    effects = [effect(schedule, change) for change in coming]
    if not any(effects):
        days = listed([f"on {dated(_day(change))}" for change in coming])
        noun, verb = ("changes", "do") if coming[1:] else ("change", "does")
        return f"The next clock {noun} of {zone}, {days}, {verb} not touch it."
    parts = [
        f"on {dated(found.day)} ({found.text})"
        if found
        else f"on {dated(_day(change))} (no effect)"
        for change, found in zip(coming, effects, strict=True)
    ]
    return f"The clocks of {zone} change next {listed(parts)}."


def _day(change: ClockChange) -> datetime:
    return min(change.wall_before, change.wall_after)
