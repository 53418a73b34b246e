"""Fields of an entry that contradict each other or its schedule.

Only a field that its line gives can be blamed: an error has its place.  What comes from
`@defaults` alone is no error of an entry; it has no effect on those that it does not fit.  A field
that is good and merely says nothing is a warning.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from cronjob.core.entry import Severity
from cronjob.core.fields import CatchUp, Fields, Slots
from cronjob.core.schedule import Schedule
from cronjob.core.words import lasting

ON_TIME = timedelta(seconds=60)  #: what starts so late at most is not made up for


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a field cannot hold, or says nothing."""

    severity: Severity
    name: str  #: the field to blame
    message: str


@dataclass(frozen=True, slots=True)
class _Case:
    fields: Fields
    schedule: Schedule
    mailto: str | None
    given: Collection[str]  #: the fields that the line gives


def conflicts(
    fields: Fields, schedule: Schedule, mailto: str | None, given: Collection[str]
) -> Iterator[Conflict]:
    """All conflicts of the fields that are `given` by the line itself, `none` being no value."""
    case = _Case(fields, schedule, mailto, given)
    for severity, name, rule in _RULES:
        if name in given and (message := rule(case)):
            yield Conflict(severity, name, message)


def jitter_too_long(fields: Fields, schedule: Schedule) -> str:
    """Why starts that jitter would overtake the next fire time; empty when they do not."""
    shortest = schedule.shortest_interval() if fields.jitter else None
    if shortest is None or fields.jitter < shortest:
        return ""
    return f"jitter must be shorter than the shortest interval of the schedule, {lasting(shortest)}"


def _within_nothing(case: _Case) -> str:
    if case.fields.catchup is not CatchUp.NONE:
        return ""
    return "catchup-within needs catchup=latest or catchup=all"


def _no_retry_in_time(case: _Case) -> str:
    retry, until = case.fields.retry, case.fields.retry_until
    if not retry.limit or until is None or until >= retry.soonest:
        return ""
    return (
        f"no retry can start: retry-until ends {lasting(until)} after the first start, "
        f"and the first retry waits {lasting(retry.soonest)} at least"
    )


def _no_retry_in_time_by_default(case: _Case) -> str:
    return "" if "retry-until" in case.given else _no_retry_in_time(case)


def _retry_on_success(case: _Case) -> str:
    success = case.fields.ok.codes()
    for low, high in case.fields.retry_on.codes.ranges:
        if success.issuperset(range(low, high + 1)):
            codes = str(low) if low == high else f"{low}-{high}"
            return f"retry-on names {codes}, which ok counts as success"
    return ""


def _without_retry(case: _Case) -> str:
    return "" if case.fields.retry.limit else "says nothing without retry"


def _until_next_boot(case: _Case) -> str:
    if case.schedule.reboot and case.fields.retry_until is None and case.fields.retry.limit:
        return "@reboot has no next fire time, so retry-until=next says nothing"
    return ""


def _caught_up_boot(case: _Case) -> str:
    if case.schedule.reboot:
        return "@reboot has no fire time that could be missed, so catchup says nothing"
    return ""


def _too_late_to_make_up(case: _Case) -> str:
    deadline = case.fields.deadline
    if case.fields.catchup is CatchUp.NONE or deadline is None:
        return ""
    if deadline + case.fields.jitter > ON_TIME:
        return ""
    return (
        f"what is made up for is more than {lasting(ON_TIME)} late, and deadline ends "
        f"{lasting(deadline)} after the fire time, so none of it starts"
    )


def _too_late_by_default(case: _Case) -> str:
    return "" if "deadline" in case.given else _too_late_to_make_up(case)


def _over_before_within(case: _Case) -> str:
    deadline, within = case.fields.deadline, case.fields.catchup_within
    if deadline is None or within is None or case.fields.catchup is CatchUp.NONE:
        return ""
    if not ON_TIME < deadline + case.fields.jitter < within:
        return ""
    return f"deadline ends {lasting(deadline)} after the fire time: nothing older is made up for"


def _never_waits(case: _Case) -> str:
    slots = case.fields.slots
    if case.fields.priority and (slots == Slots(0) or (slots is None and case.schedule.reboot)):
        return "a run without slots never waits for them, so priority says nothing"
    return ""


def _mailed_to_nobody(case: _Case) -> str:
    if case.fields.mail in (None, "never") or case.mailto != "":
        return ""
    return "MAILTO is empty, so nothing is mailed"


def _named(name: str, rule: Callable[[_Case], str]) -> Callable[[_Case], str]:
    return lambda case: f"{name} {message}" if (message := rule(case)) else ""


_RULES: tuple[tuple[Severity, str, Callable[[_Case], str]], ...] = (
    ("error", "jitter", lambda case: jitter_too_long(case.fields, case.schedule)),
    ("error", "catchup-within", _within_nothing),
    ("error", "retry-until", _no_retry_in_time),
    ("warning", "retry", _no_retry_in_time_by_default),
    ("error", "retry-on", _retry_on_success),
    ("warning", "retry-on", _named("retry-on", _without_retry)),
    ("warning", "retry-until", _named("retry-until", _without_retry)),
    ("warning", "retry-until", _until_next_boot),
    ("warning", "catchup", _caught_up_boot),
    ("warning", "deadline", _too_late_to_make_up),
    ("warning", "catchup", _too_late_by_default),
    ("warning", "catchup-within", _over_before_within),
    ("warning", "priority", _never_waits),
    ("warning", "mail", _mailed_to_nobody),
)
