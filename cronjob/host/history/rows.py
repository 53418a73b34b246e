"""Rows of runs and attempts -> values."""

from datetime import datetime
from typing import Any

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.query import RunRow
from cronjob.host.history.values import (
    instant,
    instant_or_none,
    micros,
    nominal_of,
    pids_of,
    pids_text,
    raw,
    waits_of,
)

Row = tuple[Any, ...]

#: The columns of an attempt that say how it ended, in the order of `end_values`.
END_COLUMNS = (
    *("pid", "ended", "outcome", "code", "signal", "seconds", "status", "error", "lost"),
    *("user_seconds", "system_seconds", "max_rss", "left_behind", "out_of_memory", "survivors"),
    "printed",
)

#: The columns that `attempt_of` takes, each after its table's name.
ATTEMPT_COLUMNS = ("number", "launched", "waited", "waits", *END_COLUMNS)

#: The columns that `run_row` takes, those of the latest attempt after them.
RUN_COLUMNS = """
    runs.key, entries.label, runs.user, runs.fire, runs.nominal, runs.pass, runs.caught_up,
    runs.begun, runs.outcome, runs.why, runs.over_at, runs.retry_at
"""
_RUN_WIDTH = 12

NOTICE_COLUMNS = """
    notices.kind, notices.target, notices.user, notices.sender, notices.content_type,
    notices.transfer_encoding
"""


def end_values(attempt: Attempt, ended: datetime) -> Row:
    """What the columns hold of an attempt that is over."""
    ending = attempt.ending or Ending()
    return (
        attempt.pid,
        micros(ended),
        attempt.outcome,
        attempt.code,
        attempt.signal,
        attempt.seconds,
        ending.status,
        raw(ending.error),
        ending.lost,
        ending.user_seconds,
        ending.system_seconds,
        ending.max_rss,
        ending.left_behind,
        ending.out_of_memory,
        pids_text(ending.survivors),
        ending.printed,
    )


def attempt_of(row: Row) -> Attempt:
    """The attempt; the monotonic clock of its launch is no longer that of anybody."""
    number, launched, waited, waits, pid, _, outcome, code, signal, seconds, *ending = row
    return Attempt(
        number=number,
        launched=instant(launched),
        launched_monotonic=0.0,
        waited=waited,
        waits=waits_of(waits),
        pid=pid,
        outcome=Outcome(outcome) if outcome is not None else None,
        code=code,
        signal=signal,
        seconds=seconds or 0.0,
        ending=_ending_of(*ending) if outcome is not None else None,
    )


def _ending_of(
    status: int | None,
    error: str,
    lost: int,
    user_seconds: float,
    system_seconds: float,
    max_rss: int,
    left_behind: int,
    out_of_memory: int,
    survivors: str,
    printed: int,
) -> Ending:
    return Ending(
        status=status,
        error=error,
        lost=bool(lost),
        user_seconds=user_seconds,
        system_seconds=system_seconds,
        max_rss=max_rss,
        left_behind=left_behind,
        out_of_memory=bool(out_of_memory),
        survivors=pids_of(survivors),
        printed=printed,
    )


def run_row(row: Row) -> RunRow:
    """The run, with its latest attempt if it has one."""
    key, label, user, fire, nominal, number, caught_up, begun, outcome, why, over, retry = row[
        :_RUN_WIDTH
    ]
    latest = row[_RUN_WIDTH:]
    return RunRow(
        key=key,
        label=label,
        user=user,
        fire=instant(fire),
        nominal=nominal_of(nominal),
        pass_number=number,
        asked=number == 0,
        caught_up=bool(caught_up),
        begun=instant(begun),
        outcome=RunOutcome(outcome) if outcome is not None else None,
        why=why,
        over_at=instant_or_none(over),
        retry_at=instant_or_none(retry),
        attempts=latest[0] or 0,  # they are numbered from 1
        latest=attempt_of(latest) if latest[0] is not None else None,
    )


def notice_of(row: Row) -> Notice:
    """The notice, from `NOTICE_COLUMNS`."""
    kind, *rest = row
    return Notice(NoticeKind(kind), *rest)
