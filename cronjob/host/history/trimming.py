"""Forgetting what is not to be kept: a few hundred rows at a time, never what has not ended."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from cronjob.core.config import Retention
from cronjob.host.history.values import micros

ROWS = 250  #: runs of one transaction; some 10 ms
ROW_BYTES = 300  #: that a run takes with one attempt and all that points to it, at least
PAGES = 500  #: given back to the disk in one transaction
COUNTED = 50_000  #: runs that are counted in one transaction
SLACK = 10  #: an entry is looked at again after a tenth of what it may keep

_OLD = """
SELECT id FROM runs WHERE fire < ? AND outcome IS NOT NULL ORDER BY fire LIMIT ?
"""
_OLDEST = """
SELECT id, (SELECT sum(length(head) + length(tail)) FROM outputs WHERE outputs.run = runs.id)
FROM runs WHERE outcome IS NOT NULL ORDER BY fire LIMIT ?
"""
_BEYOND = """
SELECT id FROM runs WHERE entry = ?1 AND outcome IS NOT NULL AND fire <= (
    SELECT fire FROM runs WHERE entry = ?1 ORDER BY fire DESC, pass DESC LIMIT 1 OFFSET ?3
) ORDER BY fire LIMIT ?2
"""
_OLD_MISSED = "SELECT id FROM missed WHERE last < ? ORDER BY last LIMIT ?"
_OLDEST_MISSED = "SELECT id FROM missed ORDER BY last LIMIT ?"
_MISSED_BEYOND = "SELECT id FROM missed WHERE entry = ? ORDER BY last DESC LIMIT ? OFFSET ?"
_UNUSED_ENTRIES = """
DELETE FROM entries WHERE gone AND since < ?
    AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.entry = entries.id)
    AND NOT EXISTS (SELECT 1 FROM missed WHERE missed.entry = entries.id)
"""
_UNUSED_SCHEDULES = """
DELETE FROM schedules WHERE schedule NOT IN (SELECT schedule FROM entries WHERE NOT gone)
"""


class Trimming:
    """Takes one small step after another; each within a transaction of the caller.

    It starts with all entries to be looked at, and later looks at those that have grown.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        ids = (row[0] for row in database.execute("SELECT id FROM entries"))
        self._unchecked: dict[int, None] = dict.fromkeys(ids)
        self._grown: dict[int, int] = {}  #: rows since an entry was looked at
        self._tidy = False  #: what nothing refers to any more is gone

    def note(self, entries: Iterable[int]) -> None:
        """There is more of these entries, by id."""
        for entry in entries:
            self._grown[entry] = self._grown.get(entry, 0) + 1

    def step(self, retention: Retention, now: datetime) -> bool:
        """Forget some; whether there may be more.  Raises `sqlite3.Error`."""
        self._want_checks(retention.keep_runs)
        oldest = micros(now - retention.keep_for)
        if self._forget_old(oldest) or self._forget_beyond(retention.keep_runs):
            return True
        if (excess := self._used() - retention.max_size) > 0 and self._forget_oldest(excess):
            return True
        if not self._tidy:
            self._tidy = True
            self._database.execute(_UNUSED_ENTRIES, (oldest,))
            self._database.execute(_UNUSED_SCHEDULES)
        return self._shrink()

    def _want_checks(self, keep_runs: int) -> None:
        most = max(1, keep_runs // SLACK)
        due = [entry for entry, count in self._grown.items() if count >= most]
        for entry in due:
            del self._grown[entry]
            self._unchecked[entry] = None
        if due:
            self._tidy = False

    def _forget_old(self, oldest: int) -> bool:
        runs = self._forget(self._ids(_OLD, oldest, ROWS))
        return self._forget_missed(self._ids(_OLD_MISSED, oldest, ROWS)) or runs

    def _forget_beyond(self, keep_runs: int) -> bool:
        """Whether an entry is left that has not been looked at."""
        room = ROWS
        for entry in list(self._unchecked)[: max(1, COUNTED // keep_runs)]:
            runs = self._ids(_BEYOND, entry, room, keep_runs)
            missed = self._ids(_MISSED_BEYOND, entry, room, keep_runs)
            self._forget(runs)
            self._forget_missed(missed)
            room -= len(runs) + len(missed)
            if room <= 0:
                return True
            del self._unchecked[entry]
        return bool(self._unchecked)

    def _forget_oldest(self, excess: int) -> bool:
        """Runs of about so many bytes, or missed fire times once there are no runs."""
        runs = list[int]()
        for run, printed in self._database.execute(_OLDEST, (ROWS,)):
            runs.append(run)
            excess -= ROW_BYTES + (printed or 0)
            if excess <= 0:
                break
        return self._forget(runs) or self._forget_missed(self._ids(_OLDEST_MISSED, ROWS))

    def _ids(self, query: str, *values: int) -> list[int]:
        return [row[0] for row in self._database.execute(query, values)]

    def _forget(self, runs: list[int]) -> bool:
        ids = ", ".join(map(str, runs))
        if runs:
            for table in ("outputs", "notices", "attempts"):
                self._database.execute(f"DELETE FROM {table} WHERE run IN ({ids})")
            self._database.execute(f"DELETE FROM runs WHERE id IN ({ids})")
        return bool(runs)

    def _forget_missed(self, rows: list[int]) -> bool:
        if rows:
            self._database.execute(f"DELETE FROM missed WHERE id IN ({', '.join(map(str, rows))})")
        return bool(rows)

    def _used(self) -> int:
        """Bytes that hold something."""
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        return (pages - free) * self._pragma("page_size")

    def _shrink(self) -> bool:
        """Give free pages back to the disk; whether there are more of them."""
        if (free := self._pragma("freelist_count")) < PAGES:
            return False  # they are used again soon
        self._database.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
        return PAGES <= self._pragma("freelist_count") < free

    def _pragma(self, name: str) -> int:
        value: int = self._database.execute(f"PRAGMA {name}").fetchone()[0]
        return value
