"""Does another attempt follow, and after what delay."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.fields import SPREAD, Retry, RetryOn
from cronjob.core.outcome import Outcome
from cronjob.core.run import Run


class GaveUp(StrEnum):
    """Why no further attempt follows a failure that was worth one."""

    EXHAUSTED = "exhausted"  #: all attempts are used
    SUPERSEDED = "superseded"  #: the next fire time comes first
    TOO_LATE = "too-late"  #: `retry-until` ends before the next attempt would start


_KINDS = {
    Outcome.FAILED: "failure",
    Outcome.SIGNALED: "signal",
    Outcome.TIMED_OUT: "timeout",
    Outcome.NOT_STARTED: "not-started",
    Outcome.LOST: "lost",
    Outcome.CANCELLED: "cancelled",
}
#: `lost` may have finished and `cancelled` was wanted, so neither is a failure unless named.
_FAILURES = (Outcome.FAILED, Outcome.SIGNALED, Outcome.TIMED_OUT, Outcome.NOT_STARTED)


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """Another attempt follows `delay` after now."""

    delay: timedelta


def worth_retrying(retry_on: RetryOn, outcome: Outcome, code: int | None) -> bool:
    """Whether this ending is among those that `retry-on` names."""
    if outcome is Outcome.SUCCEEDED:
        return False
    # The code of an attempt that was ended on purpose is how it died, not what it found.
    if outcome in (Outcome.FAILED, Outcome.SIGNALED) and code is not None:
        if code in retry_on.excluded:
            return False
        if code in retry_on.codes:
            return True
    named = _KINDS[outcome] in retry_on.kinds
    return named or ("failure" in retry_on.kinds and outcome in _FAILURES)


def backoff(retry: Retry, retries_made: int, chance: float) -> timedelta:
    """The delay before the next retry: doubled for each one made, capped, then spread.

    `chance` is a random number in [0, 1), drawn by the caller.
    """
    doubled = retry.delay.total_seconds() * 2.0 ** min(retries_made, 100)  # a float: no overflow
    seconds = min(doubled, retry.longest.total_seconds())
    return timedelta(seconds=seconds) * (1 - SPREAD + 2 * SPREAD * chance)


def retry_before(entry: Entry, fired: datetime, started: datetime) -> datetime | None:
    """The first fire time, jitter included, that follows the start of attempt 1.

    It is later than `fired`, the run's own fire time, also when the wall clock was slewed during
    the jitter.  None when `retry-until` is a duration, and without a next fire time.
    """
    if entry.fields.retry_until is not None or not entry.fields.retry.limit:
        return None
    following = entry.schedule.next(max(fired, started - entry.start_delay))
    return following.at + entry.start_delay if following else None


def ladder_over(run: Run, now: datetime, monotonic: float) -> GaveUp | None:
    """Why no attempt after the first may start now, if none may."""
    if len(run.attempts) > run.entry.fields.retry.limit:
        return GaveUp.EXHAUSTED
    if run.retry_before is not None and now >= run.retry_before:
        return GaveUp.SUPERSEDED
    until = run.entry.fields.retry_until
    if until is not None:
        since_first = monotonic - run.attempts[0].launched_monotonic
        if since_first > until.total_seconds():
            return GaveUp.TOO_LATE
    return None


def after_failure(
    run: Run, attempt: Attempt, now: datetime, monotonic: float, chance: float
) -> NextAttempt | GaveUp | None:
    """What follows the end of `attempt`; None when no retry was asked for in this case."""
    fields = run.entry.fields
    if attempt.outcome is None or not fields.retry.limit:
        return None
    if not worth_retrying(fields.retry_on, attempt.outcome, attempt.code):
        return None
    delay = backoff(fields.retry, attempt.number - 1, chance)
    over = ladder_over(run, now + delay, monotonic + delay.total_seconds())
    return over or NextAttempt(delay)
