"""At which times of a day, in words: `every 15 minutes from 09:00 to 17:45`."""

from collections.abc import Sequence

from cronjob.core.columns import Column
from cronjob.core.words import listed, nth, spanned, spans, stride

_HOURS, _MINUTES = 24, 60
_FEW = 4  # so many times are always listed
_MOST = 8  # more than so many never are
_MOST_STRETCHES = 3  # of hours, each with its first and last time


def time_words(minute: Column, hour: Column) -> str:
    """At which times of a day two time columns match; exact, and the shortest form that is."""
    minutes, hours = minute.values, hour.values
    if len(hours) == _HOURS:
        return _in_every_hour(minutes)
    if len(minutes) == 1:
        return _once_in(hours, minutes[0])
    if len(minutes) * len(hours) <= _FEW:
        return _at([(h, m) for h in hours for m in minutes])
    if _seamless(minutes) and (stretches := _stretches(hours)):
        step, last = stride(minutes), minutes[-1]
        parts = [f"from {a:02}:{minutes[0]:02} to {b:02}:{last:02}" for a, b in stretches]
        return f"{_every(step, 'minute')} {listed(parts)}"
    if len(hours) == 1 and _is_row(minutes):
        start, end = (f"{hours[0]:02}:{minute:02}" for minute in (minutes[0], minutes[-1]))
        return f"{_every(stride(minutes), 'minute')} from {start} to {end}"
    if len(minutes) * len(hours) <= _MOST:
        return _at([(h, m) for h in hours for m in minutes])
    return f"{_minute_words(minutes)} of {_hour_words(hours)}"


def _in_every_hour(minutes: Sequence[int]) -> str:
    if len(minutes) == 1:
        return f"every hour at :{minutes[0]:02}"
    if _seamless(minutes) and minutes[0] == 0:
        return _every(stride(minutes), "minute")
    return f"{_minute_words(minutes)} of every hour"


def _once_in(hours: Sequence[int], minute: int) -> str:
    if _is_row(hours):
        first, last = (f"{end:02}:{minute:02}" for end in (hours[0], hours[-1]))
        return f"{_every(stride(hours), 'hour')} from {first} to {last}"
    if len(hours) <= _MOST:
        return _at([(hour, minute) for hour in hours])
    return f"at minute {minute} of {_hour_words(hours)}"


def _at(times: Sequence[tuple[int, int]]) -> str:
    return f"at {listed([f'{hour:02}:{minute:02}' for hour, minute in times])}"


def _every(step: int, unit: str) -> str:
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _seamless(minutes: Sequence[int]) -> bool:
    """Whether the distance to the first minute of the next hour is that between all others."""
    step = stride(minutes)
    return bool(step) and minutes[0] + _MINUTES - minutes[-1] == step


def _is_row(values: Sequence[int]) -> bool:
    return len(values) > _FEW and stride(values) > 0


def _stretches(hours: Sequence[int]) -> list[tuple[int, int]]:
    """First and last hour of each row of neighbours; none when they are too many to say."""
    found: list[tuple[int, int]] = []
    for first, last in spans(hours):
        if found and found[-1][1] == first - 1:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found if len(found) <= _MOST_STRETCHES else []


def _minute_words(minutes: Sequence[int]) -> str:
    if _is_row(minutes):
        first, last = minutes[0], minutes[-1]
        return f"{_every(stride(minutes), 'minute')} from :{first:02} to :{last:02}"
    return f"at minutes {spanned(minutes, str)}"


def _hour_words(hours: Sequence[int]) -> str:
    step = stride(hours)
    if _is_row(hours) and step > 1:
        return f"every {nth(step)} hour from {hours[0]} to {hours[-1]}"
    return f"{'hour' if len(hours) == 1 else 'hours'} {spanned(hours, str)}"
