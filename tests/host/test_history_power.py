"""The power fails: whatever is on the disk then, it is a history of whole batches.

Between any two statements the files are copied, as a killed daemon leaves them.  For a power cut
the copies are damaged as a disk may have it: what was written since the latest sync is missing,
cut off or other bytes, and a checkpoint has written some of its pages and not others.
"""

import random  # noqa: TID251 # which damage, drawn by a seed
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from cronjob.core.config import Retention
from cronjob.core.record import Progress
from cronjob.host.history import database as database_module
from cronjob.host.history.database import MIGRATIONS, NAME
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch
from tests.host.changes import MINUTE, START, one_run
from tests.host.recording import FOR_EVER

BATCHES = 25
SECOND = {**MIGRATIONS, 2: "ALTER TABLE runs ADD COLUMN cost INTEGER;\nUPDATE runs SET cost = 7;"}


@dataclass
class Disk:
    """The two files that a history is, as they are at one moment."""

    main: bytes
    log: bytes

    @classmethod
    def of(cls, directory: Path) -> "Disk":
        """The files as they are now."""
        log = directory / f"{NAME}-wal"
        return cls((directory / NAME).read_bytes(), log.read_bytes() if log.exists() else b"")

    def put(self, directory: Path) -> Path:
        """A directory with these files."""
        directory.mkdir()
        (directory / NAME).write_bytes(self.main)
        (directory / f"{NAME}-wal").write_bytes(self.log)
        return directory


@dataclass
class Snapshots:
    """Copies from between all statements of a connection."""

    directory: Path
    copies: list[tuple[str, int, Disk]] = field(default_factory=list)
    pages: int = 8  #: of the log, after which a checkpoint is made
    done: int = 0  #: batches of which the writer was told that they are stored

    def copy(self, statement: str) -> None:
        """A statement is about to be executed."""
        self.copies.append((statement, self.done, Disk.of(self.directory)))


@pytest.fixture
def snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshots:
    directory = tmp_path / "live"
    directory.mkdir()
    taken = Snapshots(directory)
    connect: Callable[[str, str, float], sqlite3.Connection] = database_module._connection

    def traced(path: str, how: str, busy: float) -> sqlite3.Connection:
        database = connect(path, how, busy)
        database.execute(f"PRAGMA wal_autocheckpoint = {taken.pages}")
        database.set_trace_callback(taken.copy)
        return database

    monkeypatch.setattr(database_module, "_connection", traced)
    return taken


def batch(number: int) -> Batch:
    return Batch((Progress(START + number * MINUTE), *one_run(number)))


def stored(directory: Path) -> int:
    """How many batches there are, each of them whole, and nothing else."""
    database = sqlite3.connect(directory / NAME, isolation_level=None)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            return 0
        runs = database.execute("SELECT key, outcome FROM runs ORDER BY id").fetchall()
        attempts = database.execute("SELECT outcome FROM attempts").fetchall()
        planned, batches = database.execute("SELECT planned, batch FROM daemon").fetchone()
    finally:
        database.close()
    assert runs == [(f"plain@2026-03-02T10:{n:02}Z", "succeeded") for n in range(len(runs))]
    assert attempts == [("succeeded",)] * len(runs)
    assert batches == len(runs)
    assert (planned is None) == (not runs)
    return len(runs)


def write_all(snapshots: Snapshots) -> SqliteHistory:
    history = SqliteHistory(str(snapshots.directory), boot="b", host="h")
    for number in range(BATCHES):
        history.write(batch(number))
        snapshots.done += 1
        snapshots.copy("(between batches)")
    return history


def test_killed_between_any_two_statements_a_daemon_leaves_whole_batches(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    write_all(snapshots).close()
    for number, (statement, done, disk) in enumerate(snapshots.copies):
        assert stored(disk.put(tmp_path / str(number))) == done, statement
    assert len(snapshots.copies) > 8 * BATCHES


def test_what_was_not_synced_may_be_lost_and_nothing_that_was(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    """A commit writes to the end of the log and syncs it: half of that may be there, or rubbish."""
    drawn = random.Random(5)
    snapshots.pages = 10_000
    write_all(snapshots).close()
    between = [(done, disk) for what, done, disk in snapshots.copies if what[0] == "("]
    count = 0
    for (done, before), (_, after) in pairwise(between):
        written = len(after.log) - len(before.log)
        cuts = [0, 1, written - 1, *(drawn.randrange(written) for _ in range(6))]
        for cut in cuts:
            rest = drawn.randbytes(written - cut) if cut % 2 else b""
            log = after.log[: len(before.log) + cut] + rest
            count += 1
            left = stored(Disk(before.main, log).put(tmp_path / str(count)))
            assert left in (done, done + 1), f"{cut} of {written} bytes"
    assert count > BATCHES


def test_a_checkpoint_that_is_torn_is_made_again_from_the_log(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    drawn = random.Random(6)
    write_all(snapshots).close()
    between = [(done, disk) for what, done, disk in snapshots.copies if what[0] == "("]
    count = 0
    for (_, before), (done, after) in pairwise(between):
        if before.main == after.main:
            continue
        for _ in range(8):
            pages = bytearray(before.main.ljust(len(after.main), b"\0"))
            for start in range(0, len(pages), 4096):
                if drawn.random() < 0.5:
                    pages[start : start + 4096] = after.main[start : start + 4096]
            count += 1
            assert stored(Disk(bytes(pages), after.log).put(tmp_path / str(count))) == done
    assert count > 8


@pytest.mark.parametrize("retention", [Retention(keep_runs=3), FOR_EVER])
def test_killed_while_it_forgets_a_daemon_leaves_whole_runs(
    snapshots: Snapshots, tmp_path: Path, retention: Retention
) -> None:
    history = write_all(snapshots)
    snapshots.copies.clear()
    while history.trim(retention, START):
        pass
    for number, (statement, _, disk) in enumerate(snapshots.copies):
        database = sqlite3.connect(disk.put(tmp_path / f"trim-{number}") / NAME)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], statement
        orphans = "SELECT count(*) FROM attempts WHERE run NOT IN (SELECT id FROM runs)"
        assert database.execute(orphans).fetchone() == (0,), statement
        database.close()
    assert snapshots.copies
    history.close()


def test_killed_while_it_migrates_a_daemon_leaves_one_version_or_the_other(
    snapshots: Snapshots, tmp_path: Path
) -> None:
    write_all(snapshots).close()
    snapshots.copies.clear()
    SqliteHistory(str(snapshots.directory), boot="b", host="h", migrations=SECOND).close()
    versions = set[int]()
    for number, (statement, _, disk) in enumerate(tuple(snapshots.copies)):
        path = disk.put(tmp_path / f"migrate-{number}")
        assert stored(path) == BATCHES, statement
        database = sqlite3.connect(path / NAME)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        database.close()
        assert ("cost" in columns) == (version == 2), statement
        versions.add(version)
        SqliteHistory(str(path), boot="b", host="h", migrations=SECOND).close()
        assert stored(path) == BATCHES
    assert 1 in versions
