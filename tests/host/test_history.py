"""The history in SQLite: claims, fences, what the next daemon finds, what a person reads."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cronjob.core.entry import Identity
from cronjob.core.found import KnownEntry, OpenAttempt, PendingNotice, ProcessKey
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import HistoryQuery, MissedRow, RunRow
from cronjob.core.record import (
    Begun,
    Ended,
    Launching,
    NoticeSent,
    Over,
    Planned,
    Progress,
    StoppedInOrder,
)
from cronjob.core.registry import Registered
from cronjob.errors import HistoryError
from cronjob.host.history.database import MIGRATIONS, NAME
from cronjob.host.history.reading import open_reader
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch, Heard, Item, LauncherNoted, Printed
from cronjob.testing import MemoryHistory
from tests.host.changes import ENTRIES, MINUTE, START, batch_of, comparable, one_run, play, run_of

Opened = Callable[[], SqliteHistory]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def opened(directory: Path) -> Iterator[Opened]:
    """Opens the history of this test, as one daemon after another does."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            closing(SqliteHistory(str(directory), boot="boot-1", host="machine"))
        )


def check(directory: Path) -> None:
    database = sqlite3.connect(directory / NAME)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


# -- the same as the one in memory ---------------------------------------------------------------


@given(seed=st.integers(0, 10**6))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_daemon_finds_what_a_history_in_memory_would_have_told_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    directory = tmp_path_factory.mktemp("history")
    memory, stored = MemoryHistory(), SqliteHistory(str(directory), boot="b", host="h")
    for changes in play(seed):
        assert stored.write(Batch(changes)) == tuple(memory.record(changes))
        assert comparable(stored.found().left) == comparable(memory.left())
    with open_reader(str(directory)) as reader:
        rows = reader.history(HistoryQuery(limit=None))
    runs = [row for row in rows if isinstance(row, RunRow)]
    assert {row.key: (row.outcome, row.why, row.over_at, row.attempts) for row in runs} == {
        run.key: (run.outcome, run.why, run.over_at, len(run.attempts))
        for run in memory.runs.values()
    }
    missed = [
        (row.label, row.first, row.last, row.count) for row in rows if isinstance(row, MissedRow)
    ]
    assert sorted(missed) == sorted(
        (label, row.first, row.last, row.count) for row in memory.missed for label in row.labels
    )
    stored.close()
    shutil.rmtree(directory)


# -- claims and fences ---------------------------------------------------------------------------


def test_a_run_that_is_recorded_is_refused_to_who_comes_second(opened: Opened) -> None:
    first, second = opened(), opened()
    begun, launching, *rest = one_run(0)
    assert first.write(Batch((begun, launching))) == ()
    assert second.write(batch_of(one_run(0), one_run(1))) == ("plain@2026-03-02T10:00Z",)
    assert [run.attempts[0].outcome for run in second.found().left.unfinished] == [None]
    assert first.write(Batch(tuple(rest))) == ()
    assert second.found().left.unfinished == ()


def test_a_fire_time_is_claimed_under_whatever_label(opened: Opened) -> None:
    history = opened()
    renamed = replace(ENTRIES["plain"], name="other")
    history.write(batch_of(one_run(0)))
    before = ENTRIES["plain"].identity
    known = KnownEntry(renamed.identity, "other", "d", "s", START)
    history.write(Batch((Registered(known, before),)))
    begun = one_run(0)[0]
    assert isinstance(begun, Begun)
    run = begun.run._replace(key="other@2026-03-02T10:00Z", label="other", entry=renamed)
    assert history.write(Batch((Begun(run, START),))) == (run.key,)


def test_an_attempt_is_claimed_once(opened: Opened) -> None:
    history = opened()
    begun, launching, *_ = one_run(0)
    history.write(Batch((begun, launching)))
    assert history.write(Batch((launching,))) == ("plain@2026-03-02T10:00Z",)


@pytest.mark.parametrize("others", [range(1), range(5, 6), range(3, 30), range(0, 40, 7)])
def test_one_that_is_refused_costs_no_other_of_the_same_batch(
    opened: Opened, directory: Path, others: range
) -> None:
    history = opened()
    taken = [run_of(one_run(number)).key for number in others]
    history.write(batch_of(*(one_run(number) for number in others)))
    assert [*history.write(batch_of(*(one_run(n, outcome=1) for n in range(40))))] == taken
    history.write(batch_of(*(one_run(number) for number in range(40, 80))))
    with open_reader(str(directory)) as reader:
        for number in range(80):
            detail = reader.run(key := run_of(one_run(number)).key)
            assert detail is not None
            failed = number < 40 and key not in taken
            assert [attempt.code for attempt in detail.attempts] == [int(failed)]
            assert detail.row.outcome == (RunOutcome.FAILED if failed else RunOutcome.SUCCEEDED)


@pytest.mark.parametrize("seed", range(6))
def test_together_is_stored_what_is_stored_one_by_one(tmp_path: Path, seed: int) -> None:
    """Statements for many rows come to the same as statements for one."""
    records, stored = play(seed, minutes=40), list[list[str]]()
    items = [item for record in records for item in record]
    for name, batches in {"many": [items], "each": [[item] for item in items]}.items():
        (tmp_path / name).mkdir()
        history = SqliteHistory(str(tmp_path / name), boot="b", host="h")
        assert not [key for batch in batches for key in history.write(Batch(batch))]
        history.close()
        with closing(sqlite3.connect(tmp_path / name / NAME)) as database:
            database.execute("UPDATE daemon SET batch = 0")
            stored.append([*database.iterdump()])
    assert stored[0] == stored[1]


def test_a_daemon_may_say_again_what_it_has_claimed(opened: Opened) -> None:
    history = opened()
    own = frozenset({"plain@2026-03-02T10:00Z"})
    begun, launching, *rest = one_run(0)
    history.write(Batch((begun, launching), own))
    assert history.write(Batch((begun, launching, *rest), own)) == ()
    assert history.found().left.unfinished == ()


def test_what_has_ended_stays_as_it_ended(opened: Opened, directory: Path) -> None:
    history = opened()
    changes = one_run(0)
    history.write(Batch(changes))
    ended, over = changes[3], changes[4]
    assert isinstance(ended, Ended)
    assert isinstance(over, Over)
    lost = ended.attempt._replace(outcome=Outcome.LOST, code=None)
    late = (
        Ended(ended.run, lost, START, START + MINUTE),
        over._replace(outcome=RunOutcome.LOST, why="too late"),
    )
    history.write(Batch(late))
    with open_reader(str(directory)) as reader:
        detail = reader.run(ended.run)
    assert detail is not None
    assert (detail.row.outcome, detail.row.why) == (RunOutcome.SUCCEEDED, "")
    assert detail.row.retry_at is None
    assert [attempt.outcome for attempt in detail.attempts] == [Outcome.SUCCEEDED]


def test_a_batch_is_stored_as_a_whole_or_not_at_all(opened: Opened) -> None:
    history = opened()
    bad = KnownEntry(Identity("", "table", "x"), None, "d", "s", START)  # type: ignore[arg-type] # what is tested: the table refuses it
    with pytest.raises(sqlite3.IntegrityError):
        history.write(Batch((*one_run(0), Registered(bad))))
    assert history.found().left.recorded == frozenset()
    assert history.write(Batch(one_run(0))) == ()


def test_a_commit_that_fails_after_it_has_been_made_is_not_made_twice(opened: Opened) -> None:
    """As with a sync that fails: what it wrote may be there all the same."""
    history = opened()
    history.write(batch_of(one_run(0)))
    missed = Missed(("plain",), START, START, 1, "no daemon was running")
    batch = Batch((*one_run(0), *one_run(1), missed))

    class Failing:
        """The connection, which makes each commit and reports that it failed."""

        def __init__(self, database: sqlite3.Connection) -> None:
            self.database = database

        def __getattr__(self, name: str) -> object:
            return getattr(self.database, name)

        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            cursor = self.database.execute(statement, *values)  # type: ignore[arg-type] # passed on
            if statement == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return cursor

    history._database = Failing(history._database)  # type: ignore[assignment,arg-type] # a disk that fails so cannot be had
    with pytest.raises(HistoryError, match="disk I/O error"):
        history.write(batch)
    assert history.write(batch) == ("plain@2026-03-02T10:00Z",)
    assert history.write(Batch((Planned("a", None),))) == ()
    rows = history._open().execute("SELECT count(*) FROM missed").fetchone()
    assert rows == (1,)


# -- what the next daemon finds ------------------------------------------------------------------


def test_a_new_history_is_empty_and_for_nobody_else(opened: Opened, directory: Path) -> None:
    old = os.umask(0)
    try:
        history = opened()
    finally:
        os.umask(old)
    assert history.found().left.progress is None
    history.write(Batch(one_run(0)))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {NAME: 0o600, f"{NAME}-wal": 0o600, f"{NAME}-shm": 0o600}
    history.close()
    assert [path.name for path in directory.iterdir()] == [NAME]


def test_the_boot_is_that_of_the_daemon_which_planned_last(directory: Path) -> None:
    for boot, found in (("boot-1", ""), ("boot-2", "boot-1"), ("boot-3", "boot-2")):
        history = SqliteHistory(str(directory), boot=boot, host="machine")
        assert history.found().boot == found
        history.write(Batch((Progress(START), StoppedInOrder(START, ("server",)))))
        history.close()
    history = SqliteHistory(str(directory), boot="boot-4", host="machine")
    left = history.found().left
    assert (left.stopped, left.interrupted) == (START, ("server",))
    history.write(Batch((Progress(START + MINUTE),)))
    left = history.found().left
    assert (left.stopped, left.interrupted) == (None, ())
    history.close()


def test_processes_of_open_attempts_are_known_by_pid_and_time(opened: Opened) -> None:
    history = opened()
    items: list[Item] = [Progress(START), LauncherNoted(ProcessKey(77, 1234))]
    for number in range(3):
        begun, launching, *_ = one_run(number)
        items += [begun, launching]
    items.append(Heard("plain@2026-03-02T10:01Z", 1, 4242, 99))
    items += one_run(2)[3:]
    history.write(Batch(tuple(items)))
    found = history.found()
    assert found.launcher == ProcessKey(77, 1234)
    assert found.open_attempts == (
        OpenAttempt("plain@2026-03-02T10:00Z", 1, None, "boot-1"),
        OpenAttempt("plain@2026-03-02T10:01Z", 1, ProcessKey(4242, 99), "boot-1"),
    )


def test_notices_are_pending_until_they_are_sent_or_given_up(opened: Opened) -> None:
    history = opened()
    mail = Notice(NoticeKind.MAIL, "ops", "root", "cron", "text/plain", "8bit")
    hook = Notice(NoticeKind.ON_FAILURE, "logger caf\udce9", None)
    *before, over = one_run(0)
    assert isinstance(over, Over)
    history.write(Batch((*before, over._replace(notices=(mail, hook)))))
    assert history.found().notices == (PendingNotice(over.run, mail), PendingNotice(over.run, hook))
    history.write(Batch((NoticeSent(over.run, NoticeKind.MAIL, START),)))
    history.write(Batch((NoticeSent(over.run, NoticeKind.ON_FAILURE, START, "exit status 1"),)))
    history.write(Batch((NoticeSent(over.run, NoticeKind.MAIL, START, "twice"),)))
    assert history.found().notices == ()


def test_entries_keep_what_bytes_their_files_have(opened: Opened) -> None:
    history = opened()
    odd = Identity("alice", "/etc/cronjob.d/caf\udce9", "x")
    known = KnownEntry(odd, "x~2", "hash", "* * * * * UTC", START, user="alice")
    history.write(Batch((Registered(known),)))
    assert history.found().known == (known,)
    gone = known._replace(gone=True)
    other = Identity("alice", "/etc/cronjob.d/new", "x")
    history.write(Batch((Registered(gone),)))
    moved = gone._replace(identity=other, gone=False)
    history.write(Batch((Registered(moved, odd),)))
    assert history.found().known == (moved,)


def test_a_daemon_that_could_not_look_leaves_nothing_open(opened: Opened, directory: Path) -> None:
    history = opened()
    begun, launching, *_ = one_run(0)
    history.write(Batch((Progress(START), begun, launching, one_run(1)[0], *one_run(2))))
    assert history.abandon("nobody could look", START + MINUTE) == 2
    assert history.found().left.unfinished == ()
    with open_reader(str(directory)) as reader:
        detail = reader.run("plain@2026-03-02T10:00Z")
    assert detail is not None
    assert (detail.row.outcome, detail.row.why) == (RunOutcome.LOST, "nobody could look")
    assert detail.attempts[0].outcome is Outcome.LOST
    assert detail.attempts[0].why == "nobody could look"


@pytest.mark.parametrize(
    "spoil",
    [
        "DELETE FROM daemon",
        "UPDATE daemon SET planned = 'soon'",
        "UPDATE entries SET since = 'once'",
        "UPDATE runs SET nominal = 'noon'",
        "UPDATE runs SET key = 'plain@noon'",
        "UPDATE runs SET fire = 9223372036854775807",
        "UPDATE attempts SET waits = '[{'",
        "UPDATE attempts SET outcome = 'eaten'",
        "INSERT INTO notices VALUES (1, 'pigeon', '', NULL, '', '', '', NULL, '')",
    ],
)
def test_values_that_nobody_stores_are_damage(spoil: str, opened: Opened, directory: Path) -> None:
    """SQLite does not notice a bit that is wrong; a daemon that fails by it never starts again."""
    history = opened()
    entry = next(iter(ENTRIES.values()))
    known = KnownEntry(entry.identity, "plain", "hash", "* * * * * UTC", START)
    begun, launching, *_ = one_run(0)
    history.write(Batch((Progress(START - MINUTE), Registered(known), begun, launching)))
    history.close()
    with closing(sqlite3.connect(directory / NAME)) as database, database:
        database.execute(spoil)
    with pytest.raises(HistoryError, match="a row makes no sense") as caught:
        opened().found()
    assert caught.value.corrupt


# -- what a person reads -------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["caf\udce9", "caf\udce9@2026-03-02T10:00Z", "a\0b"])
def test_nothing_is_recorded_of_what_nothing_can_be_called(
    subject: str, opened: Opened, directory: Path
) -> None:
    opened().write(Batch((Progress(START), *one_run(0))))
    with open_reader(str(directory)) as reader:
        assert reader.run(subject) is None
        assert reader.latest(subject) is None
        assert reader.history(HistoryQuery(entry=subject)) == []


def test_a_run_is_read_as_it_was_recorded(opened: Opened, directory: Path) -> None:
    history = opened()
    changes = one_run(0, outcome=3)
    kept = Kept(b"caf\xe9\n", b"", 0)
    history.write(Batch((*changes[:4], Printed("plain@2026-03-02T10:00Z", 1, kept), changes[4])))
    with open_reader(str(directory)) as reader:
        detail = reader.run("plain@2026-03-02T10:00Z")
        assert reader.run("plain@2026-03-02T10:01Z") is None
        assert reader.latest("plain") == detail
        assert reader.latest("plain", "nobody") is None
        assert reader.latest("nothing") is None
    assert detail is not None
    ended = changes[3]
    assert isinstance(ended, Ended)
    assert detail.attempts == (ended.attempt._replace(launched_monotonic=0.0),)
    assert detail.row.latest == detail.attempts[0]
    assert (detail.command, detail.source, detail.host) == ("true", "table", "machine")
    assert detail.outputs == (kept,)
    assert detail.row.nominal == datetime(2026, 3, 2, 10)  # noqa: DTZ001 # a wall time
    assert detail.row.outcome is RunOutcome.FAILED


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (HistoryQuery(), "late-4 plain-3 missed-2 ladder-1 plain-0"),
        (HistoryQuery(limit=2), "late-4 plain-3"),
        (HistoryQuery(entry="plain"), "plain-3 missed-2 plain-0"),
        (HistoryQuery(entry="ladder"), "ladder-1"),
        (HistoryQuery(entry="nobody's"), ""),
        (HistoryQuery(user="nobody"), "ladder-1"),
        (HistoryQuery(user="root"), "late-4 plain-3 missed-2 plain-0"),
        (HistoryQuery(since=START + 2 * MINUTE), "late-4 plain-3 missed-2"),
        (HistoryQuery(until=START + 2 * MINUTE), "missed-2 ladder-1 plain-0"),
        (HistoryQuery(outcomes=[RunOutcome.FAILED]), "ladder-1"),
        (HistoryQuery(outcomes=[RunOutcome.FAILED, RunOutcome.SUCCEEDED], limit=1), "late-4"),
        (HistoryQuery(outcomes=[RunOutcome.MISSED]), "missed-2"),
        (HistoryQuery(entry="plain", user="nobody"), ""),
    ],
)
def test_the_rows_that_are_asked_for_are_found(
    opened: Opened, directory: Path, query: HistoryQuery, found: str
) -> None:
    history = opened()
    known = [
        Registered(KnownEntry(entry.identity, label, "d", "s", START, user=entry.user))
        for label, entry in ENTRIES.items()
    ]
    why = "no daemon was running"
    history.write(
        Batch(
            (
                *(*known, *one_run(0), *one_run(1, "ladder", 1), *one_run(4, "late")),
                Missed(("plain",), START + MINUTE, START + 2 * MINUTE, 2, why),
                one_run(3)[0],
            )
        )
    )
    with open_reader(str(directory)) as reader:
        rows = reader.history(query)
    names = [
        f"missed-{(row.last - START) // MINUTE}"
        if isinstance(row, MissedRow)
        else f"{row.label}-{(row.fire - START) // MINUTE}"
        for row in rows
    ]
    assert " ".join(names) == found


def test_failures_are_found_from_a_time_on(opened: Opened, directory: Path) -> None:
    history = opened()
    history.write(batch_of(*(one_run(n, outcome=n % 2) for n in range(10))))
    with open_reader(str(directory)) as reader:
        lately = reader.failed_lately(START + 5 * MINUTE)
        assert [row.fire for row in lately] == [START + n * MINUTE for n in (9, 7, 5)]
        assert len(reader.failed_lately(START, limit=2)) == 2
        assert reader.failed_lately(START, "nobody") == []


def test_no_question_walks_all_runs(opened: Opened, directory: Path) -> None:
    history = opened()
    history.write(batch_of(one_run(0)))
    queries = (
        *(HistoryQuery(), HistoryQuery(entry="plain"), HistoryQuery(user="root")),
        HistoryQuery(outcomes=[RunOutcome.FAILED, RunOutcome.LOST]),
        HistoryQuery(entry="plain", since=START, until=START + HOURS),
    )
    with open_reader(str(directory)) as reader:
        seen = list[str]()
        reader._database.set_trace_callback(seen.append)
        for query in queries:
            reader.history(query)
        reader.latest("plain")
        reader.failed_lately(START)
        reader._database.set_trace_callback(None)
        selects = [text for text in seen if "FROM runs" in text or "FROM missed" in text]
        assert len(selects) > len(queries)
        for text in selects:
            plan = [row[3] for row in reader._database.execute(f"EXPLAIN QUERY PLAN {text}")]
            assert not [step for step in plan if "SCAN" in step and "INDEX" not in step], text
            assert not [step for step in plan if "TEMP B-TREE" in step], text


def test_readers_see_whole_batches_beside_the_writer(opened: Opened, directory: Path) -> None:
    history = opened()
    history.write(batch_of(one_run(0)))
    with open_reader(str(directory)) as one, open_reader(str(directory)) as other:
        for number in range(1, 30, 2):
            history.write(batch_of(one_run(number), one_run(number + 1)))
            for reader in (one, other):
                assert len(reader.history(HistoryQuery(limit=None))) == number + 2
    with open_reader(str(directory)) as reader:
        execute = reader._database.execute  # nothing of ours writes by it
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            execute("DELETE FROM runs")


def test_a_history_that_is_not_there_cannot_be_read_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"history\.db: No such file"):
        open_reader(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_history_that_was_not_closed_is_read_without_a_daemon(tmp_path: Path) -> None:
    there, copy = tmp_path / "there", tmp_path / "copy"
    there.mkdir()
    history = SqliteHistory(str(there), boot="b", host="h")
    history.write(batch_of(one_run(0)))
    shutil.copytree(there, copy)
    (copy / f"{NAME}-shm").unlink()
    with open_reader(str(copy)) as reader:
        assert len(reader.history(HistoryQuery())) == 1
    history.close()


# -- versions ------------------------------------------------------------------------------------

SECOND = {**MIGRATIONS, 2: "ALTER TABLE runs ADD COLUMN cost INTEGER;\nUPDATE runs SET cost = 7;"}


def test_a_file_of_an_earlier_version_is_brought_to_the_present_one(directory: Path) -> None:
    first = SqliteHistory(str(directory), boot="b", host="h")
    first.write(batch_of(one_run(0)))
    first.close()
    second = SqliteHistory(str(directory), boot="b", host="h", migrations=SECOND)
    second.write(batch_of(one_run(1)))
    second.close()
    database = sqlite3.connect(directory / NAME)
    assert database.execute("SELECT cost FROM runs ORDER BY id").fetchall() == [(7,), (None,)]
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    database.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(directory: Path) -> None:
    SqliteHistory(str(directory), boot="b", host="h").close()
    bad = {**SECOND, 2: SECOND[2] + "\nDELETE FROM absent;"}
    for _ in range(2):
        with pytest.raises(HistoryError, match="no such table: absent"):
            SqliteHistory(str(directory), boot="b", host="h", migrations=bad)
    with closing(SqliteHistory(str(directory), boot="b", host="h")) as history:
        assert history.write(batch_of(one_run(0))) == ()


def test_a_file_of_a_later_version_is_left_alone(directory: Path) -> None:
    SqliteHistory(str(directory), boot="b", host="h", migrations=SECOND).close()
    before = (directory / NAME).read_bytes()
    for opening in (
        lambda: SqliteHistory(str(directory), boot="b", host="h"),
        lambda: open_reader(str(directory)),
    ):
        with pytest.raises(HistoryError, match="its version is 2; this cronjob knows version 1"):
            opening()
    assert (directory / NAME).read_bytes() == before


def test_all_that_is_stored_is_sound(opened: Opened, directory: Path) -> None:
    history = opened()
    for changes in play(7):
        history.write(Batch(changes))
    history.close()
    check(directory)
    database = sqlite3.connect(directory / NAME)
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_launching_another_attempt_takes_the_plan_of_it_away(opened: Opened) -> None:
    history = opened()
    begun, launching, _, ended, _ = one_run(0, outcome=1)
    assert isinstance(launching, Launching)
    assert isinstance(ended, Ended)
    planned = ended._replace(retry_at=START + MINUTE)
    history.write(Batch((begun, launching, planned)))
    assert history.found().left.unfinished[0].retry_at == START + MINUTE
    second = launching.attempt._replace(number=2, launched=START + MINUTE)
    history.write(Batch((Launching(launching.run, second),)))
    (run,) = history.found().left.unfinished
    assert run.retry_at is None
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.FAILED, None]
