"""How attempts and runs end."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SIGNALED = "signaled"
    TIMED_OUT = "timed-out"
    NOT_STARTED = "not-started"
    LOST = "lost"
    CANCELLED = "cancelled"


class RunOutcome(StrEnum):
    """How a run ended: as its last attempt did, or without one."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SIGNALED = "signaled"
    TIMED_OUT = "timed-out"
    NOT_STARTED = "not-started"
    LOST = "lost"
    CANCELLED = "cancelled"
    GAVE_UP = "gave-up"  #: it failed, retries were asked for, and no other attempt follows
    SKIPPED = "skipped"  #: it was not to begin
    MISSED = "missed"  #: it could not begin before its deadline


#: How a run ends that nobody is going to repair: it ran or was to run, and no attempt follows.
#: `cancelled` was somebody's wish, `skipped` and `missed` are what the entry asks for.
FAILURES = frozenset(
    {
        RunOutcome.FAILED,
        RunOutcome.SIGNALED,
        RunOutcome.TIMED_OUT,
        RunOutcome.NOT_STARTED,
        RunOutcome.LOST,
        RunOutcome.GAVE_UP,
    }
)
