"""What a daemon finds when it starts: how far the one before came, and what has not ended."""

import sqlite3

from cronjob.core.attempt import Attempt
from cronjob.core.found import Found, Left, OpenAttempt, PendingNotice, ProcessKey, Unfinished
from cronjob.core.record import Progress
from cronjob.core.run import instant_of
from cronjob.host.history.entries import known
from cronjob.host.history.rows import ATTEMPT_COLUMNS, NOTICE_COLUMNS, attempt_of, notice_of
from cronjob.host.history.values import (
    instant,
    instant_or_none,
    labels_of,
    micros,
    nominal_of,
)

_DAEMON = """
SELECT planned, high_water, passes, repeats_until, boot, stopped, interrupted, launcher_pid,
    launcher_ticks
FROM daemon
"""
_ATTEMPTS = f"""
SELECT runs.key, attempts.ticks, {", ".join(f"attempts.{name}" for name in ATTEMPT_COLUMNS)}
FROM runs JOIN attempts ON attempts.run = runs.id
WHERE runs.outcome IS NULL ORDER BY runs.id, attempts.number
"""
_UNFINISHED = """
SELECT runs.key, entries.label, fire, nominal, pass, runs.user, caught_up, retry_at
FROM runs JOIN entries ON entries.id = runs.entry
WHERE outcome IS NULL ORDER BY runs.id
"""
_RECORDED = "SELECT key FROM runs WHERE fire > ?"
_NOTICES = f"""
SELECT runs.key, {NOTICE_COLUMNS}
FROM notices JOIN runs ON runs.id = notices.run
WHERE sent_at IS NULL ORDER BY over_at, runs.id, kind
"""


def find(database: sqlite3.Connection) -> Found:
    """All of it.  Raises `sqlite3.Error`; and what not, for values that nobody stores."""
    *progress, boot, stopped, interrupted, pid, ticks = database.execute(_DAEMON).fetchone()
    unfinished, open_attempts = _unfinished(database, boot)
    left = Left(
        progress=_progress(*progress),
        stopped=instant_or_none(stopped),
        interrupted=labels_of(interrupted),
        unfinished=unfinished,
        recorded=_recorded(database, progress[0] or 0),
    )
    return Found(
        left=left,
        known=known(database),
        boot=boot,
        launcher=_process(pid, ticks),
        open_attempts=open_attempts,
        notices=tuple(
            PendingNotice(key, notice_of(tuple(row))) for key, *row in database.execute(_NOTICES)
        ),
    )


def _progress(
    planned: int | None, high_water: int | None, passes: int, repeats_until: int | None
) -> Progress | None:
    if planned is None:
        return None
    high, repeats = instant_or_none(high_water), instant_or_none(repeats_until)
    return Progress(instant(planned), high, passes, repeats)


def _recorded(database: sqlite3.Connection, planned: int) -> frozenset[str]:
    keys = frozenset(key for (key,) in database.execute(_RECORDED, (planned,)))
    for key in keys:
        micros(instant_of(key))  # the engine relies on it
    return keys


def _process(pid: int | None, ticks: int | None) -> ProcessKey | None:
    return ProcessKey(pid, ticks) if pid is not None and ticks is not None else None


def _unfinished(
    database: sqlite3.Connection, boot: str
) -> tuple[tuple[Unfinished, ...], tuple[OpenAttempt, ...]]:
    attempts: dict[str, list[Attempt]] = {}
    open_attempts = []
    for key, ticks, *row in database.execute(_ATTEMPTS):
        attempt = attempt_of(tuple(row))
        attempts.setdefault(key, []).append(attempt)
        if attempt.outcome is None:
            open_attempts.append(
                OpenAttempt(key, attempt.number, _process(attempt.pid, ticks), boot)
            )
    unfinished = tuple(
        Unfinished(
            key=key,
            label=label,
            fire=instant(fire),
            nominal=nominal_of(nominal),
            pass_number=number,
            user=user,
            asked=number == 0,
            caught_up=bool(caught_up),
            attempts=tuple(attempts.get(key, ())),
            retry_at=instant_or_none(retry_at),
        )
        for key, label, fire, nominal, number, user, caught_up, retry_at in database.execute(
            _UNFINISHED
        )
    )
    return unfinished, tuple(open_attempts)
