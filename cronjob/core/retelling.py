"""The history as it is told to programs: its rows as objects of JSON.

The control socket answers with them, `--json` prints them, and what people read is made of them.
"""

from collections.abc import Iterator
from datetime import timedelta

from cronjob.core.attempt import Attempt
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import MissedRow, NoticeRow, RunDetail, RunRow
from cronjob.core.request import plain


def row_object(row: RunRow | MissedRow) -> dict[str, object]:
    """A row of a list."""
    return _missed_object(row) if isinstance(row, MissedRow) else _run_object(row)


def detail_object(detail: RunDetail) -> dict[str, object]:
    """All of a run but its output, of which only the sizes are told."""
    return {
        **_run_object(detail.row),
        "command": detail.command,
        "source": detail.source,
        "host": detail.host or None,
        "ladder": [attempt_object(attempt) for attempt in detail.attempts],
        "notices": [_notice_object(notice) for notice in detail.notices],
    }


def attempt_object(attempt: Attempt) -> dict[str, object]:
    """An attempt; what only its end tells is null until then, and for good if nobody saw it."""
    lasted = attempt.seconds or None  # 0 where nobody measured it
    ended = attempt.launched + timedelta(seconds=lasted) if lasted else None
    ending = attempt.ending if attempt.ending and not attempt.ending.lost else None
    cpu = ending.user_seconds + ending.system_seconds if ending else None
    return {
        "number": attempt.number,
        "launched": plain(attempt.launched),
        "ended": plain(ended),
        "seconds": lasted,
        "outcome": attempt.outcome,
        "exit_status": attempt.code,
        "signal": attempt.signal,
        "why": attempt.why,
        "pid": attempt.pid,
        "waited": attempt.waited,
        "waits": [{"for": wait.what, "seconds": wait.seconds} for wait in attempt.waits],
        "cpu_seconds": cpu,
        "max_rss": ending.max_rss if ending else None,
        "printed": ending.printed if ending else None,
        "left_behind": ending.left_behind if ending else None,
        "out_of_memory": ending.out_of_memory if ending else None,
    }


def outcome_object(row: RunRow) -> dict[str, object]:
    """How it ended, as whoever waits for a run is told it; null if it has not."""
    return end_object(row.key, row.outcome, row.why, row.attempts, row.latest)


def end_object(
    key: str, outcome: RunOutcome | None, why: str, attempts: int, latest: Attempt | None
) -> dict[str, object]:
    """The same of a run that is in no row yet."""
    return {
        "run": key,
        "outcome": outcome,
        "why": why,
        "attempts": attempts,
        "latest": latest.outcome if latest else None,
        "code": latest.code if latest else None,
        "signal": latest.signal if latest else None,
    }


def output_objects(number: int, kept: Kept | None) -> Iterator[dict[str, object]]:
    """What is kept of the output of an attempt: its bytes, and how many are left out between."""
    yield {"attempt": number}
    kept = kept or Kept()
    if kept.head:
        yield {"output": kept.head}
    if kept.left_out:
        yield {"left_out": kept.left_out}
    if kept.tail:
        yield {"output": kept.tail}


def _run_object(row: RunRow) -> dict[str, object]:
    return {
        "run": row.key,
        "entry": row.label,
        "user": row.user,
        "fire_time": plain(row.fire),
        "nominal": row.nominal.isoformat(),
        "asked": row.asked,
        "caught_up": row.caught_up,
        "begun": plain(row.begun),
        "state": _state(row),
        "outcome": row.outcome,
        "why": row.why,
        "over": plain(row.over_at),
        "retry_at": plain(row.retry_at),
        "attempts": row.attempts,
        "latest": attempt_object(row.latest) if row.latest else None,
    }


def _missed_object(row: MissedRow) -> dict[str, object]:
    return {
        "run": None,
        "entry": row.label,
        "user": row.user,
        "outcome": "missed",
        "first": plain(row.first),
        "last": plain(row.last),
        "count": row.count,
        "why": row.why,
    }


def _state(row: RunRow) -> str:
    """`running`, `waiting` or `over`."""
    if row.outcome is not None:
        return "over"
    return "running" if row.latest and row.latest.outcome is None else "waiting"


def _notice_object(row: NoticeRow) -> dict[str, object]:
    return {
        "kind": row.notice.kind,
        "target": row.notice.target,
        "user": row.notice.user,
        "sent": plain(row.sent_at),
        "problem": row.problem,
    }
