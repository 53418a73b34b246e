"""What a run waits for, and since when: the words that a list, a status and a log have for it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from cronjob.core.words import counted, listed, seconds

_SHOWN = 0.001  #: seconds; a shorter wait is none
_MEASURED = 0.1  #: seconds that it may take to look at gates which hold


class Reason(StrEnum):
    """The kinds of waits."""

    JITTER = "jitter"
    EARLIER_RUN = "earlier-run"
    CATCH_UP = "catch-up"
    GATE = "gate"
    SLOTS = "slots"
    SHARE = "share"
    RETRY = "retry"


class Wait(NamedTuple):
    """What holds a run that has no attempt going."""

    reason: Reason
    what: str  #: for people, after "waits for"
    since: float  #: monotonic seconds
    told: bool = False  #: whether the journal has heard of it


class Waited(NamedTuple):
    """A wait that is over."""

    what: str
    seconds: float


def wanted(slots: int) -> str:
    """`a slot`, `3 slots`."""
    return "a slot" if slots == 1 else counted(slots, "slot")


def over(wait: Wait | None, monotonic: float) -> tuple[Waited, ...]:
    """The wait as one that is over now; nothing if it was short, or is no delay of the start.

    Jitter and the delay of a retry are meant to be, so nobody has waited for them.
    """
    if wait is None or wait.reason in (Reason.JITTER, Reason.RETRY):
        return ()
    lasted = monotonic - wait.since
    shortest = _MEASURED if wait.reason is Reason.GATE else _SHOWN
    return (Waited(wait.what, lasted),) if lasted >= shortest else ()


def waited_words(waits: Iterable[Waited]) -> str:
    """`waited 2m for load<4 and 3s for a slot`; empty for no wait."""
    parts = [f"{seconds(wait.seconds)} for {wait.what}" for wait in waits]
    return f"waited {listed(parts)}" if parts else ""
