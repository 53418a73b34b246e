from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.fields import MOST_RETRIES, Retry, parse_field
from cronjob.core.outcome import Outcome
from cronjob.core.retry import (
    GaveUp,
    NextAttempt,
    after_failure,
    backoff,
    ladder_over,
    retry_before,
    worth_retrying,
)
from cronjob.core.run import Run, RunState
from cronjob.core.schedule import FireTime
from cronjob.testing import entries_of

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def entry_with(fields: str, schedule: str = "0 * * * *") -> Entry:
    (entry,) = entries_of(f"{schedule} {fields} root true\n").values()
    return entry


def failed_run(fields: str, number: int = 1, outcome: Outcome = Outcome.FAILED) -> Run:
    """A run of 09:00 whose attempts, the first one at monotonic 100, all ended with `outcome`."""
    entry = entry_with(fields)
    code = 1 if outcome is Outcome.FAILED else None
    attempts = tuple(
        Attempt(
            number=n,
            launched=NINE,
            launched_monotonic=99.0 + n,
            waited=0,
            outcome=outcome,
            code=code,
        )
        for n in range(1, number + 1)
    )
    return Run(
        key="run",
        label="run",
        entry=entry,
        fire=FireTime(NINE, NINE.replace(tzinfo=None)),
        state=RunState.RUNNING,
        retry_before=retry_before(entry, NINE, NINE),
        attempts=attempts,
    )


def decision(run: Run, *, now: datetime = NINE, monotonic: float = 100.0) -> object:
    return after_failure(run, run.attempt, now, monotonic, 0.5)


@pytest.mark.parametrize(
    ("retries_made", "seconds"),
    [(0, 30), (1, 60), (2, 120), (3, 240), (4, 480), (5, 600), (6, 600), (MOST_RETRIES, 600)],
)
def test_the_delay_doubles_up_to_its_cap(retries_made: int, seconds: int) -> None:
    retry = Retry(1000, 30 * SECOND, 600 * SECOND)
    assert backoff(retry, retries_made, 0.5) == seconds * SECOND


@pytest.mark.parametrize(
    ("chance", "milliseconds"), [(0.0, 90_000), (0.25, 95_000), (0.5, 100_000), (0.75, 105_000)]
)
def test_the_delay_is_spread_by_a_tenth_either_way(chance: float, milliseconds: int) -> None:
    delay = backoff(Retry(1, 100 * SECOND, 3600 * SECOND), 0, chance)
    assert delay == timedelta(milliseconds=milliseconds)


def test_the_spread_ends_below_a_tenth_more() -> None:
    almost_one = 1 - 2**-53
    assert 109 * SECOND < backoff(Retry(1, 100 * SECOND), 0, almost_one) <= 110 * SECOND


@given(
    delay=st.timedeltas(timedelta(), timedelta(days=36500)),
    beyond=st.timedeltas(timedelta(), timedelta(days=36500)),
    retries_made=st.integers(0, MOST_RETRIES),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_no_count_and_no_delay_is_too_large(
    delay: timedelta, beyond: timedelta, retries_made: int, chance: float
) -> None:
    longest = min(delay + beyond, timedelta(days=36500))
    waits = backoff(Retry(MOST_RETRIES, delay, longest), retries_made, chance)
    assert delay * 0.89 <= waits <= longest * 1.11


def test_a_delay_of_zero_stays_zero() -> None:
    assert backoff(Retry(9, timedelta()), 8, 0.9) == timedelta()


FAILURES = {Outcome.FAILED, Outcome.SIGNALED, Outcome.TIMED_OUT, Outcome.NOT_STARTED}


@pytest.mark.parametrize(
    ("retry_on", "outcomes"),
    [
        ("failure", FAILURES),
        ("timeout", {Outcome.TIMED_OUT}),
        ("signal", {Outcome.SIGNALED}),
        ("not-started", {Outcome.NOT_STARTED}),
        ("lost", {Outcome.LOST}),
        ("cancelled", {Outcome.CANCELLED}),
        ("failure,lost,cancelled", FAILURES | {Outcome.LOST, Outcome.CANCELLED}),
        ("signal,timeout", {Outcome.SIGNALED, Outcome.TIMED_OUT}),
        ("!75", FAILURES),  # alone, it is taken from `failure`
        ("75", set[Outcome]()),
    ],
)
def test_only_the_named_kinds_are_worth_another_attempt(
    retry_on: str, outcomes: set[Outcome]
) -> None:
    chosen = parse_field("retry-on", retry_on)
    code = {Outcome.FAILED: 1, Outcome.SUCCEEDED: 0}
    worth = {o for o in Outcome if worth_retrying(chosen, o, code.get(o))}
    assert worth == outcomes


@pytest.mark.parametrize(
    ("retry_on", "outcome", "code", "worth"),
    [
        ("75", Outcome.FAILED, 75, True),
        ("75", Outcome.FAILED, 76, False),
        ("64-78", Outcome.FAILED, 64, True),
        ("64-78", Outcome.FAILED, 78, True),
        ("64-78", Outcome.FAILED, 79, False),
        ("137", Outcome.SIGNALED, 137, True),  # a shell's word for signal 9
        ("0", Outcome.SUCCEEDED, 0, False),
        ("failure,!75", Outcome.FAILED, 75, False),
        ("failure,!75", Outcome.FAILED, 76, True),
        ("!75", Outcome.FAILED, 75, False),
        ("!64-78", Outcome.FAILED, 70, False),
        ("64-78,!75", Outcome.FAILED, 75, False),
        ("64-78,!75", Outcome.FAILED, 74, True),
        ("failure,!137", Outcome.SIGNALED, 137, False),
        ("failure,!9", Outcome.SIGNALED, None, True),  # a signal is no exit code
        ("143", Outcome.TIMED_OUT, 143, False),  # it ended so because it was told to
        ("failure,!143", Outcome.TIMED_OUT, 143, True),  # the same: this code says nothing
        ("143", Outcome.CANCELLED, 143, False),
    ],
)
def test_exit_codes_are_picked_and_excluded(
    retry_on: str, outcome: Outcome, code: int | None, worth: bool
) -> None:
    assert worth_retrying(parse_field("retry-on", retry_on), outcome, code) is worth


@pytest.mark.parametrize(
    ("fields", "schedule", "fired", "started", "expected"),
    [
        ("retry=1", "0 * * * *", "09:00", "09:00", "10:00"),
        ("retry=1", "0 * * * *", "09:00", "09:59:59", "10:00"),
        ("retry=1", "0 * * * *", "09:00", "10:00", "11:00"),  # it waited for an hour
        ("retry=1", "0 * * * *", "09:00", "12:30", "13:00"),
        ("retry=1", "0 * * * *", "09:00", "08:59:59.99", "10:00"),  # the wall clock was slewed
        ("retry=1", "@reboot", "09:00", "09:00", None),
        ("retry=1 retry-until=5h", "0 * * * *", "09:00", "09:00", None),
        ("retry=0", "0 * * * *", "09:00", "09:00", None),
    ],
)
def test_retries_end_at_the_fire_time_that_follows_the_start(
    fields: str, schedule: str, fired: str, started: str, expected: str | None
) -> None:
    entry = entry_with(fields, schedule)
    before = retry_before(entry, at(f"2026-03-02T{fired}Z"), at(f"2026-03-02T{started}Z"))
    assert before == (at(f"2026-03-02T{expected}Z") if expected else None)


def test_the_jitter_is_part_of_the_fire_time_that_ends_retries() -> None:
    entry = replace(entry_with("retry=1 jitter=30m"), start_delay=10 * MINUTE)
    late = NINE + 62 * MINUTE  # the next run begins at 10:10
    assert retry_before(entry, NINE, NINE + 10 * MINUTE) == NINE + 70 * MINUTE
    assert retry_before(entry, NINE, late) == NINE + 70 * MINUTE
    assert retry_before(entry, NINE, NINE + 70 * MINUTE) == NINE + 130 * MINUTE
    slewed = NINE + 10 * MINUTE - timedelta(milliseconds=30)
    assert retry_before(entry, NINE, slewed) == NINE + 70 * MINUTE


@pytest.mark.parametrize(
    ("fields", "now", "monotonic", "reason"),
    [
        ("retry=1", "09:59:59.999999", 100.0, None),
        ("retry=1", "10:00", 100.0, GaveUp.SUPERSEDED),
        ("retry=1", "10:30", 100.0, GaveUp.SUPERSEDED),
        ("retry=0", "09:30", 100.0, GaveUp.EXHAUSTED),
        ("retry=1 retry-until=2h", "10:30", 100.0, None),
        ("retry=1 retry-until=2h", "09:00", 7300.0, None),
        ("retry=1 retry-until=2h", "09:00", 7300.5, GaveUp.TOO_LATE),
    ],
)
def test_a_retry_may_start_until_its_limit(
    fields: str, now: str, monotonic: float, reason: GaveUp | None
) -> None:
    assert ladder_over(failed_run(fields), at(f"2026-03-02T{now}Z"), monotonic) is reason


@pytest.mark.parametrize(
    ("fields", "number", "expected"),
    [
        ("retry=0", 1, None),
        ("retry=1", 1, NextAttempt(30 * SECOND)),
        ("retry=1", 2, GaveUp.EXHAUSTED),
        ("retry=3,10s", 1, NextAttempt(10 * SECOND)),
        ("retry=3,10s", 2, NextAttempt(20 * SECOND)),
        ("retry=3,10s", 3, NextAttempt(40 * SECOND)),
        ("retry=3,10s", 4, GaveUp.EXHAUSTED),
        ("retry=3 retry-on=timeout", 1, None),
        ("retry=3 retry-on=timeout", 4, None),  # it was not worth one, so nothing is exhausted
        ("retry=3,59m", 1, NextAttempt(59 * MINUTE)),
        ("retry=3,60m", 1, GaveUp.SUPERSEDED),  # it would start at the next fire time
        ("retry=3,40m..2h retry-until=1h", 2, GaveUp.TOO_LATE),  # doubled
        ("retry=3,60m retry-until=1h", 1, NextAttempt(60 * MINUTE)),
        ("retry=1,60m", 2, GaveUp.EXHAUSTED),  # the nearer reason is the one that is told
    ],
)
def test_what_follows_a_failure(fields: str, number: int, expected: object) -> None:
    assert decision(failed_run(fields, number)) == expected


def test_success_is_never_tried_again() -> None:
    assert decision(failed_run("retry=3", outcome=Outcome.SUCCEEDED)) is None


def test_time_that_the_attempt_took_counts_towards_the_limit() -> None:
    run = failed_run("retry=3,10m")
    assert decision(run, now=NINE + 49 * MINUTE) == NextAttempt(10 * MINUTE)
    assert decision(run, now=NINE + 50 * MINUTE) is GaveUp.SUPERSEDED
    run = failed_run("retry=3,10m retry-until=1h")
    assert decision(run, monotonic=100.0 + 50 * 60) == NextAttempt(10 * MINUTE)
    assert decision(run, monotonic=100.5 + 50 * 60) is GaveUp.TOO_LATE
