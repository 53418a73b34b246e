"""The history as the one daemon that writes it has it: one transaction for each batch."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from cronjob.core.config import Retention
from cronjob.core.found import Found
from cronjob.errors import HistoryError, printable
from cronjob.host.history.database import (
    BUSY_SECONDS,
    MIGRATIONS,
    connect,
    nonsense,
    path_in,
    troubles,
)
from cronjob.host.history.finding import find
from cronjob.host.history.trimming import Trimming
from cronjob.host.history.values import micros, raw
from cronjob.host.history.writing import Writing
from cronjob.ports import Batch

_LOST_ATTEMPTS = """
UPDATE attempts SET outcome = 'lost', lost = 1, ended = ?1, error = CAST(?2 AS TEXT), seconds = 0,
    user_seconds = 0, system_seconds = 0, max_rss = 0, left_behind = 0, out_of_memory = 0,
    survivors = '', printed = 0
WHERE outcome IS NULL AND run IN (SELECT id FROM runs WHERE outcome IS NULL)
"""
_LOST_RUNS = """
UPDATE runs SET outcome = 'lost', why = CAST(?2 AS TEXT), over_at = ?1, retry_at = NULL
WHERE outcome IS NULL
"""


class SqliteHistory:
    """Implements `ports.History`.  After a failure the next call opens the file anew."""

    def __init__(
        self,
        directory: str,
        *,
        boot: str,
        host: str,
        migrations: Mapping[int, str] = MIGRATIONS,
    ) -> None:
        """Open the file, or make it.  Raises `HistoryError`."""
        self.commits = 0
        self._directory = directory
        self._path = path_in(directory)
        self._boot, self._host, self._migrations = boot, host, migrations
        self._number = 0  #: of the latest batch
        self._tried: tuple[Batch, int, tuple[str, ...]] | None = None  #: it may have been stored
        self._database: sqlite3.Connection | None = None
        self._open()

    def found(self) -> Found:
        """What is there when the daemon starts."""
        with self._opened() as database, nonsense(self._path):
            return find(database)

    def write(self, batch: Batch) -> tuple[str, ...]:
        """Store the batch; the keys of runs whose claim is refused."""
        with self._opened() as database:
            writing = self._writing
            writing.refused, writing.grown, writing.own = [], [], batch.own
            with self._transaction(database):
                if self._tried is not None and self._tried[:2] == (batch, self._number):
                    return self._tried[2]  # its commit was reported to have failed, and did not
                writing.store(batch.items)
                number = self._number + 1
                database.execute("UPDATE daemon SET batch = ?", (number,))
                self._tried = batch, number, tuple(writing.refused)
            self._number, self._tried = number, None
            self._trimming.note(writing.grown)
            return tuple(writing.refused)

    def abandon(self, why: str, now: datetime) -> int:
        """End all that has no end as lost: nobody takes it up any more.  How many runs it was."""
        with self._opened() as database, self._transaction(database):
            values = micros(now), raw(why)
            database.execute(_LOST_ATTEMPTS, values)
            return database.execute(_LOST_RUNS, values).rowcount

    def trim(self, retention: Retention, now: datetime) -> bool:
        """Forget some of what is not to be kept; whether more is left."""
        with self._opened() as database:
            database.execute("PRAGMA busy_timeout = 0")  # somebody who waits for this may come
            try:
                with self._transaction(database):
                    return self._trimming.step(retention, now)
            finally:
                database.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def close(self) -> None:
        """Give the files back."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        database = connect(self._directory, self._migrations)
        try:
            with troubles(self._path), nonsense(self._path):
                self._file = _identity(self._path)
                self._trimming = Trimming(database)
                self._number = database.execute("SELECT batch FROM daemon").fetchone()[0]
        except BaseException:
            database.close()
            raise
        self._writing = Writing(database, self._boot, self._host)
        self._database = database
        return database

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The connection; after a failure it is given up, as a read-only one would stay so."""
        self._check_the_file()
        database = self._database or self._open()
        try:
            with troubles(self._path):
                yield database
        except BaseException:
            self.close()
            raise

    def _check_the_file(self) -> None:
        """SQLite would go on writing to a file that has been moved away or deleted."""
        try:
            there = _identity(self._path)
        except FileNotFoundError:
            there = None
        except OSError as error:
            self.close()
            raise HistoryError(f"{printable(self._path)}: {error.strerror}") from error
        if there != self._file:
            self.close()
            raise HistoryError(f"{printable(self._path)}: it has been taken away", vanished=True)

    @contextmanager
    def _transaction(self, database: sqlite3.Connection) -> Iterator[None]:
        database.execute("BEGIN IMMEDIATE")
        before = database.total_changes
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            self._writing.forget()
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        self.commits += database.total_changes > before  # nothing to store, nothing to sync


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
