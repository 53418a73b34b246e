"""Questions -> rows, beside a daemon that writes, or without one."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from heapq import merge
from itertools import islice
from types import TracebackType
from typing import Self

from cronjob.core.outcome import FAILURES, RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import HistoryQuery, MissedRow, NoticeRow, RunDetail, RunRow
from cronjob.host.history.database import connect_to_read, nonsense, path_in, troubles
from cronjob.host.history.rows import (
    ATTEMPT_COLUMNS,
    NOTICE_COLUMNS,
    RUN_COLUMNS,
    attempt_of,
    notice_of,
    run_row,
)
from cronjob.host.history.values import instant, instant_or_none, micros, raw

MOST_OUTPUT = 16 << 20  #: bytes of output of one run; of more, that of the last attempts

#: Outcomes that somebody should look at, as the index `runs_failed` has them.
FAILED = tuple(sorted(map(str, {*FAILURES, RunOutcome.MISSED})))

_FAILED = f"runs.outcome IN ({', '.join(map(repr, FAILED))})"
_LATEST = ", ".join(f"latest.{name}" for name in ATTEMPT_COLUMNS)
_RUNS = f"""
SELECT {RUN_COLUMNS}, {_LATEST}
FROM runs JOIN entries ON entries.id = runs.entry
LEFT JOIN attempts AS latest ON latest.run = runs.id
    AND latest.number = (SELECT max(number) FROM attempts WHERE attempts.run = runs.id)
"""
_MISSED = """
SELECT label, user, first, last, count, why FROM missed JOIN entries ON entries.id = missed.entry
"""
_DETAIL = """
SELECT runs.id, runs.command, entries.source, (SELECT host FROM attempts
    WHERE attempts.run = runs.id ORDER BY number DESC LIMIT 1)
FROM runs JOIN entries ON entries.id = runs.entry WHERE runs.key = ?
"""
_ATTEMPTS = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempts WHERE run = ? ORDER BY number"
_SIZES = """
SELECT number, length(head) + length(tail), left_out FROM outputs WHERE run = ?
ORDER BY number DESC
"""
_OUTPUT = "SELECT head, tail, left_out FROM outputs WHERE run = ? AND number = ?"
_LABELS = "SELECT label FROM entries ORDER BY id"
_NOTICES = f"SELECT {NOTICE_COLUMNS}, sent_at, problem FROM notices WHERE run = ? ORDER BY kind"


def open_reader(directory: str) -> "SqliteReader":
    """Answers about the history in this state directory.  Raises `HistoryError`."""
    return SqliteReader(directory)


class SqliteReader:
    """Implements `ports.Reader` on a connection of its own."""

    def __init__(self, directory: str) -> None:
        self._path = path_in(directory)
        self._database = connect_to_read(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def history(self, query: HistoryQuery) -> list[RunRow | MissedRow]:
        """What matches, the newest first."""
        with self._snapshot():
            entries = [None] if query.entry is None else self._ids(query.entry)
            found = [part for entry in entries for part in self._parts(query, entry)]
            return list(islice(merge(*found, key=_newest_first), query.limit))

    def run(self, key: str) -> RunDetail | None:
        """All that is kept of the run; None when there is none of that key."""
        with self._snapshot():
            row = self._database.execute(_DETAIL, (raw(key),)).fetchone()
            return self._detail(key, *row) if row is not None else None

    def latest(self, label: str, user: str | None = None) -> RunDetail | None:
        """The same of the latest run of an entry, if the user is its, or none is given."""
        query = HistoryQuery(entry=label, user=user, limit=1)
        with self._snapshot():
            found = [row for entry in self._ids(label) for row in self._runs(query, entry)]
        return self.run(max(found, key=lambda row: row.fire).key) if found else None

    def failed_lately(
        self, since: datetime, user: str | None = None, limit: int = 10
    ) -> list[RunRow]:
        """The runs that ended badly, with fire times from `since` on, the newest first."""
        query = HistoryQuery(
            user=user, since=since, outcomes=tuple(map(RunOutcome, FAILED)), limit=limit
        )
        with self._snapshot():
            return list(islice(self._runs(query, None), limit))

    def labels(self) -> tuple[str, ...]:
        """Of every entry of which anything is kept."""
        with self._snapshot():
            return tuple(label for (label,) in self._database.execute(_LABELS))

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """What several statements find is of one moment."""
        with troubles(self._path), nonsense(self._path):
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._database.execute("ROLLBACK")

    def _ids(self, label: str) -> list[int | None]:
        query = "SELECT id FROM entries WHERE label = ?"
        return [row[0] for row in self._database.execute(query, (raw(label),))]

    def _parts(
        self, query: HistoryQuery, entry: int | None
    ) -> Iterator[Iterator[RunRow | MissedRow]]:
        yield self._runs(query, entry)
        if not query.outcomes or RunOutcome.MISSED in query.outcomes:
            yield self._missed(query, entry)

    def _runs(self, query: HistoryQuery, entry: int | None) -> Iterator[RunRow]:
        conditions, values = _conditions(query, entry, "runs", "fire", "fire")
        if query.outcomes:
            outcomes = sorted(query.outcomes)
            conditions.append(f"runs.outcome IN ({', '.join('?' for _ in outcomes)})")
            values += outcomes
            if {*outcomes} <= {*FAILED}:
                conditions.append(_FAILED)  # in the words of the index
        order = f"runs.fire DESC, runs.{'id' if entry is None else 'pass'} DESC"  # as an index is
        return map(run_row, self._select(_RUNS, conditions, values, order, query.limit))

    def _missed(self, query: HistoryQuery, entry: int | None) -> Iterator[MissedRow]:
        conditions, values = _conditions(query, entry, "missed", "last", "first")
        if query.user is not None:
            conditions[-1] = "entries.user = ?"
        order = "missed.last DESC, missed.id DESC"
        rows = self._select(_MISSED, conditions, values, order, query.limit)
        for label, user, first, last, count, why in rows:
            yield MissedRow(label, user, instant(first), instant(last), count, why)

    def _select(
        self,
        what: str,
        conditions: list[str],
        values: list[object],
        order: str,
        limit: int | None,
    ) -> sqlite3.Cursor:
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        text = f"{what} {where} ORDER BY {order} LIMIT ?"
        return self._database.execute(text, (*values, -1 if limit is None else limit))

    def _detail(self, key: str, run: int, command: str, source: str, host: str | None) -> RunDetail:
        row = run_row(self._database.execute(f"{_RUNS} WHERE runs.key = ?", (key,)).fetchone())
        attempts = tuple(map(attempt_of, self._database.execute(_ATTEMPTS, (run,))))
        outputs = dict(self._outputs(run))
        return RunDetail(
            row=row,
            command=command,
            source=source,
            host=host or "",
            attempts=attempts,
            outputs=tuple(outputs.get(attempt.number) for attempt in attempts),
            notices=tuple(
                NoticeRow(notice_of(tuple(notice)), instant_or_none(sent_at), problem)
                for *notice, sent_at, problem in self._database.execute(_NOTICES, (run,))
            ),
        )

    def _outputs(self, run: int) -> Iterator[tuple[int, Kept]]:
        """What is kept of each attempt's output; of those for which no room is, how much it is."""
        room = MOST_OUTPUT
        for number, size, left_out in self._database.execute(_SIZES, (run,)):
            room -= size
            if room >= 0:
                yield number, Kept(*self._database.execute(_OUTPUT, (run, number)).fetchone())
            else:
                yield number, Kept(left_out=size + left_out)


def _conditions(
    query: HistoryQuery, entry: int | None, table: str, from_column: str, to_column: str
) -> tuple[list[str], list[object]]:
    """Those that runs and missed fire times share, that of the user last."""
    given = (
        (f"{table}.entry = ?", entry),
        (f"{table}.{from_column} >= ?", query.since and micros(query.since)),
        (f"{table}.{to_column} < ?", query.until and micros(query.until)),
        (f"{table}.user = ?", query.user),
    )
    conditions = [text for text, value in given if value is not None]
    return conditions, [value for _, value in given if value is not None]


def _newest_first(row: RunRow | MissedRow) -> float:
    at = row.fire if isinstance(row, RunRow) else row.last
    return -at.timestamp()
