"""On which days, in words: `on odd days of June, but only on Mondays`."""

from collections.abc import Sequence

from cronjob.core.columns import Column
from cronjob.core.words import MONTHS, WEEKDAYS, listed, nth, ordinal, spanned, stride

_MONDAY_FIRST = (1, 2, 3, 4, 5, 6, 0)
EVERY_DAY = "every day"
_FEW = 4  # so many days are listed, also when their distances are equal


def day_words(columns: Sequence[Column]) -> str:
    """On which days the last three of five time columns match."""
    dom, months, dow = columns[2:]
    of_month, in_months = _month_words(months)
    union = either_day(columns)
    free = every_day_of_month(dom), every_weekday(dow)
    if all(free) or (union and any(free)):
        return f"{EVERY_DAY}{in_months}"
    weekdays = f"on {_dow_words(dow, of_month)}"
    if free[0]:
        return weekdays if dow.special else f"{weekdays}{in_months}"
    days = f"on {_dom_words(dom, months, of_month)}"
    if free[1]:
        return days
    return f"{days}, and also {weekdays}{in_months}" if union else f"{days}, but only {weekdays}"


def either_day(columns: Sequence[Column]) -> bool:
    """Whether a match of one of the two day columns is enough (cron.c find_jobs)."""
    return not (columns[2].star or columns[4].star)


def every_day_of_month(column: Column) -> bool:
    """Whether a day-of-month column allows all of 1-31."""
    return len(column.values) == 31


def every_weekday(column: Column) -> bool:
    """Whether a day-of-week column allows all seven."""
    return len(column.values) == 7


def stepped(days: Sequence[int]) -> bool:
    """Whether days are said as a step, and not one by one or in rows."""
    return len(days) > _FEW and stride(days) > 1


def _month_words(column: Column) -> tuple[str, str]:
    """`of June` and ` in June`; for all months `of the month` and nothing."""
    if len(column.values) == len(MONTHS):
        return "of the month", ""
    names = spanned(column.values, lambda month: MONTHS[month - 1])
    return f"of {names}", f" in {names}"


def _dom_words(column: Column, months: Column, of_month: str) -> str:
    days = column.values
    if not column.special and len(months.values) == 1 and not stepped(days):
        return f"{spanned(days, str)} {MONTHS[months.values[0] - 1]}"
    parts = [_plain_days(days)] if days else []
    parts += [_special_day(special) for special in column.special]
    return f"{listed(parts)} {of_month}"


def _plain_days(days: Sequence[int]) -> str:
    if not stepped(days):
        return f"{'day' if len(days) == 1 else 'days'} {spanned(days, str)}"
    if stride(days) == 2 and days[0] <= 2 and days[-1] >= 30:
        return "odd days" if days[0] == 1 else "even days"
    return f"every {nth(stride(days))} day from {days[0]} to {days[-1]}"


def _special_day(special: str) -> str:
    if special == "L":
        return "the last day"
    return f"the day from Monday to Friday nearest to day {special.removesuffix('W')}"


def _dow_words(column: Column, of_month: str) -> str:
    if column.special:
        return f"{listed([_special_weekday(special) for special in column.special])} {of_month}"
    places = [place for place, day in enumerate(_MONDAY_FIRST) if day in column.values]
    return spanned(places, lambda place: f"{WEEKDAYS[_MONDAY_FIRST[place]]}s")


def _special_weekday(special: str) -> str:
    if special.startswith("L"):
        return f"the last {WEEKDAYS[int(special[1:])]}"
    day, number = special.split("#")
    return f"the {ordinal(int(number))} {WEEKDAYS[int(day)]}"
