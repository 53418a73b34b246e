"""One time column: text <-> the values it allows.

The grammar is cronie's (entry.c get_list, get_range), read strictly: an empty set, a reversed
range or trailing text is an error here, where crons differ or silently never run.  A column keeps
two things apart that look alike: its *set* of values and its *star* (its first character is `*`,
entry.c load_entry), because `*/30` and `0,30` allow the same minutes and behave differently in a
repeated hour.  `H`, `L`, `W` and `#` are extensions and refused in classic tables.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from cronjob.errors import ScheduleError, quoted


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """What one of the five columns counts; there are these five objects and no other."""

    label: str
    low: int
    high: int  #: the highest number that may be written; 7 for days of the week
    names: tuple[str, ...] = ()  #: three-letter names, the first one standing for `low`

    @property
    def top(self) -> int:
        """The highest value a set can hold: Sunday is 0, however it was written."""
        return 6 if self is DAY_OF_WEEK else self.high


MINUTE = Unit("minute", 0, 59)
HOUR = Unit("hour", 0, 23)
DAY_OF_MONTH = Unit("day of month", 1, 31)
MONTH = Unit(
    "month",
    1,
    12,
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
DAY_OF_WEEK = Unit("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
UNITS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)

LONGEST_REMEMBERED = 400  #: characters; every minute written out has 169
LARGEST_STEP = 2**31 - 1  #: crons refuse larger ones, or read them as others: 4294967297 as 1
MOST_WARNINGS = 10  #: of one column


class ColumnError(ScheduleError):
    """A column that cannot be understood; `offset` is the index of the culprit in its text."""

    position: int = 0  #: which of the five columns, where more than one was read

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Column:
    """What one column allows.  Equal `canonical` texts allow the same and behave the same."""

    values: tuple[int, ...]  #: ascending; empty when only `special` says what is allowed
    star: bool  #: the first character is `*`
    special: tuple[str, ...] = ()  #: `L`, `15W`, `5#3`, `L5` as croniter reads them
    canonical: str = ""  #: parses back to this column
    rule: str = ""  #: `canonical`, or the text as written when it is drawn from a seed (`H`, `~`)
    warnings: tuple[str, ...] = ()

    @property
    def full(self) -> bool:
        """Whether every value of the unit is allowed."""
        return self.canonical == "*"


@dataclass(slots=True)
class _Items:
    """What the items of a column, read so far, add up to."""

    values: set[int]
    special: list[str]
    warnings: list[str]
    drawn: bool = False  #: `H` or `~` was among them


def parse_column(text: str, unit: Unit, *, classic: bool = False, seed: str = "") -> Column:
    """Read one time column.

    `seed` fixes what `~` and `H` draw; equal seeds draw equal values, always.
    Raises `ColumnError` saying what was found and what is allowed.
    """
    if (seed and ("~" in text or "H" in text)) or len(text) > LONGEST_REMEMBERED:
        return _parse(text, unit, classic, seed)
    return _remembered(text, unit, classic)


@lru_cache(maxsize=8192)
def _remembered(text: str, unit: Unit, classic: bool) -> Column:
    return _parse(text, unit, classic, "")


def _parse(text: str, unit: Unit, classic: bool, seed: str) -> Column:
    items = _Items(set(), [], [])
    offset = 0
    seen = set[str]()
    for item in text.split(","):
        try:
            if item not in seen:
                _read_item(item, unit, items, classic=classic, seed=seed)
        except ColumnError as error:
            raise ColumnError(str(error), offset) from None
        seen.add(item)
        offset += len(item) + 1
    _check_special(text, items)
    star = text.startswith("*")
    values = tuple(sorted(items.values))
    canonical = _canonical(values, star, items.special, unit)
    rule = text if items.drawn else canonical
    special = tuple(dict.fromkeys(items.special))
    return Column(values, star, special, canonical, rule, tuple(items.warnings))


_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII), shape)
    for pattern, shape in (
        (r"\*(?:/(?P<step>\d+))?", "star"),
        (r"(?P<low>[0-9A-Za-z]+)-(?P<high>[0-9A-Za-z]+)(?:/(?P<step>\d+))?", "range"),
        (r"(?P<low>[0-9A-Za-z]*)~(?P<high>[0-9A-Za-z]*)", "random"),
        (r"H(?:\((?P<low>\d+)-(?P<high>\d+)\))?(?:/(?P<step>\d+))?", "hash"),
        (r"(?P<low>\d+|[A-Za-z]{3})", "single"),
        (r"L|[0-9A-Za-z]+W|L[0-9A-Za-z]+|[0-9A-Za-z]+L|[0-9A-Za-z]+#\d+", "special"),
    )
)


def _read_item(item: str, unit: Unit, items: _Items, *, classic: bool, seed: str) -> None:
    for pattern, shape in _SHAPES:
        if (match := pattern.fullmatch(item)) is None:
            continue
        if classic and shape in ("hash", "special"):
            break
        if shape == "single" and item in ("L", "H"):
            continue
        groups = match.groupdict()
        if shape == "special":
            items.special.append(_special(item, unit))
        elif shape == "random":
            items.values.add(_random(item, groups, unit, seed))
            items.drawn = True
        elif shape == "hash":
            items.values.update(_hashed(item, groups, unit, seed))
            items.drawn = True
        else:
            _read_plain(item, groups, unit, items)
        return
    raise ColumnError(_not_understood(item, unit))


def _read_plain(item: str, groups: dict[str, str | None], unit: Unit, items: _Items) -> None:
    """`*`, `5`, `1-5`, each but the single number with an optional step."""
    low, high = unit.low, unit.high
    if groups.get("low") is not None:
        low = high = _number(str(groups["low"]), unit)
    if groups.get("high") is not None:
        high = _number(str(groups["high"]), unit)
        if unit is DAY_OF_WEEK and high == 0 and low > 0:
            high = 7  # cronie entry.c get_range: a range may end on Sunday
        if low > high:
            raise ColumnError(_reversed(item, low, high, unit))
    step = 1
    if groups.get("step") is not None:
        step = _step(item, str(groups["step"]), unit)
        if step > max(high - low, 1) and len(items.warnings) < MOST_WARNINGS:
            items.warnings.append(
                f"{unit.label} {quoted(item)}: the step is larger than the range, "
                f"so only {low} matches"
            )
    items.values.update(_fold_sunday(low, high, step, unit))


def _fold_sunday(low: int, high: int, step: int, unit: Unit) -> set[int]:
    values = set(range(low, high + 1, step))
    return {value % 7 for value in values} if unit is DAY_OF_WEEK else values


def _number(text: str, unit: Unit) -> int:
    if text.isdigit():
        digits = text.lstrip("0") or "0"
        if len(digits) <= 4 and unit.low <= int(digits) <= unit.high:
            return int(digits)
        raise ColumnError(f"{unit.label} {quoted(text)} is out of range {unit.low}-{unit.high}")
    if text.lower() in unit.names:
        return unit.names.index(text.lower()) + unit.low
    raise ColumnError(_not_understood(text, unit))


def _step(item: str, text: str, unit: Unit) -> int:
    digits = text.lstrip("0")
    if not digits:
        raise ColumnError(f"{unit.label} {quoted(item)} has a step of 0; a step is 1 or more")
    if (step := int(digits[:11])) > LARGEST_STEP:
        raise ColumnError(f"{unit.label} {quoted(item)}: a step is {LARGEST_STEP} at most")
    return step


def _draw(seed: str, unit: Unit, size: int) -> int:
    """A number in `range(size)` that depends on the seed and the column alone."""
    digest = hashlib.sha256(f"{unit.label}\0{seed}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % size


def _random(item: str, groups: dict[str, str | None], unit: Unit, seed: str) -> int:
    """cronie's `a~b`; drawn from the seed instead of anew at each load."""
    low = _number(str(groups["low"]), unit) if groups["low"] else unit.low
    last = unit.high if low else unit.top  # Sunday is 7 to `5~`, and no day twice to `~`
    high = _number(groups["high"] or str(last), unit)
    if low > high:
        raise ColumnError(
            f"{unit.label} {quoted(item)}: the range to draw from runs backwards; "
            f"write the smaller number first"
        )
    value = low + _draw(seed, unit, high - low + 1)
    return value % 7 if unit is DAY_OF_WEEK else value


def _hashed(item: str, groups: dict[str, str | None], unit: Unit, seed: str) -> range:
    """Jenkins' `H`: without a range, days of the month stop at 28 so that every month has it."""
    low, high = unit.low, min(unit.top, 28) if unit is DAY_OF_MONTH else unit.top
    if groups["low"] is not None:
        low, high = (_number(str(groups[end]), unit) for end in ("low", "high"))
        if low > high or high > unit.top:
            raise ColumnError(
                f"{unit.label} {quoted(item)}: the range must be within {unit.low}-{unit.top}, "
                "the smaller number first"
            )
    if groups["step"] is None:
        value = low + _draw(seed, unit, high - low + 1)
        return range(value, value + 1)
    step = _step(item, str(groups["step"]), unit)
    return range(low + _draw(seed, unit, min(step, high - low + 1)), high + 1, step)


def _special(item: str, unit: Unit) -> str:
    if unit is DAY_OF_MONTH:
        if item == "L":
            return "L"
        if item.endswith("W") and item[:-1].isdigit():
            return f"{_number(item[:-1], unit)}W"
    if unit is DAY_OF_WEEK:
        if "#" in item:
            day, nth = item.split("#")
            if 1 <= int(nth[:9]) <= 5:
                return f"{_number(day, unit) % 7}#{int(nth)}"
            raise ColumnError(f"{unit.label} {quoted(item)}: a month has weeks 1 to 5")
        if item != "L" and not item.endswith("W"):
            return f"L{_number(item.strip('L'), unit) % 7}"
    raise ColumnError(_not_understood(item, unit))


def _check_special(text: str, items: _Items) -> None:
    """Refuse the mixtures that croniter cannot express."""
    alone = any(special.endswith("W") for special in items.special)
    if alone and (items.values or len(items.special) > 1):
        raise ColumnError(f"{quoted(text)}: a day with W must stand alone in its column")
    weekdays = [special for special in items.special if "#" in special or special[1:]]
    if weekdays and not alone and items.values:
        raise ColumnError(f"{quoted(text)}: a day with # or L does not mix with plain days")


def _canonical(values: tuple[int, ...], star: bool, special: list[str], unit: Unit) -> str:
    if special:
        plain = [_canonical(values, star, [], unit)] if values else []
        return ",".join([*plain, *dict.fromkeys(special)])
    if not star:
        return ",".join(map(str, values))
    # A star column always holds the lowest value, so `*/n` or `*/n,…` can say any star set.
    size = unit.top - unit.low + 1
    step = values[1] - values[0] if len(values) > 1 else size
    if values == tuple(range(unit.low, unit.top + 1, step)):
        return "*" if step == 1 else f"*/{step}"
    # Days of the week are written 0-7, so only a step of 8 leaves Sunday alone for certain.
    lowest = 8 if unit is DAY_OF_WEEK else size
    return ",".join([f"*/{lowest}", *map(str, values[1:])])


def _reversed(item: str, low: int, high: int, unit: Unit) -> str:
    bottom = unit.low
    first = f"{low}-{unit.top}" if low < unit.top else str(low)
    last = f"{bottom}-{high}" if high > bottom else str(high)
    step = "/" + item.split("/")[1] if "/" in item else ""
    if step:
        return f"{unit.label} range {quoted(item)} runs backwards; write it as two ranges"
    return f"{unit.label} range {quoted(item)} runs backwards; write {first},{last}"


def _not_understood(item: str, unit: Unit) -> str:
    found = f"{unit.label} {quoted(item)}"
    if not item:
        return f"{unit.label} list has an empty item"
    if item == "?":
        return f"{found} is not cron's; write *"
    stepped = re.fullmatch(r"(\d{1,4})/(\d*[1-9]\d*)", item, re.ASCII)
    if stepped and unit.low <= int(stepped[1]) <= unit.top:
        first, step = stepped.groups()
        return f"{found} has a step but no range; write {first}-{unit.top}/{step}"
    names = f", {unit.names[0]}-{unit.names[-1]}" if unit.names else ""
    return (
        f"{found} is not understood; allowed are {unit.low}-{unit.high}{names}, "
        "ranges a-b, steps */n and a-b/n, and lists of them"
    )
