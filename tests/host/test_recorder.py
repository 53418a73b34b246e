"""Recording beside a loop: commits for many at once, and what happens while there is no history."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from cronjob.core.config import Retention
from cronjob.core.found import Found, ProcessKey
from cronjob.core.missed import Missed
from cronjob.core.outcome import RunOutcome
from cronjob.core.output import Kept
from cronjob.core.query import HistoryQuery
from cronjob.core.record import Begun, Progress, StoppedInOrder
from cronjob.errors import HistoryError
from cronjob.host.history import recorder as recorder_module
from cronjob.host.history.database import NAME
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch, Reader
from tests.host.changes import MINUTE, START, one_run, run_of
from tests.host.recording import FOR_EVER, HANG, Recording, in_a_loop


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a retry longer than this."""
    monkeypatch.setattr(recorder_module, "FIRST_RETRY", 0.05)


def check(directory: Path) -> None:
    database = sqlite3.connect(directory / NAME)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def lock(directory: Path) -> sqlite3.Connection:
    """Somebody else who holds the file."""
    database = sqlite3.connect(directory / NAME, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    return database


# -- as it should be -----------------------------------------------------------------------------


@in_a_loop
async def test_whoever_is_told_to_go_on_has_its_record_in_the_file(directory: Path) -> None:
    async with Recording(directory) as recording:
        assert recording.found == Found()
        for number in range(3):
            await recording.record(one_run(number))
            database = sqlite3.connect(directory / NAME)
            assert database.execute("SELECT count(*) FROM runs").fetchone() == (number + 1,)
            database.close()
        assert recording.reports == []


@in_a_loop
async def test_what_comes_while_one_commit_is_made_is_in_the_next_one(directory: Path) -> None:
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
        before = recording.recorder.commits
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(1, 1001)))
        made = recording.recorder.commits - before
        assert made <= 5 * 1000 / recorder_module.ITEMS_A_BATCH + 2
        assert len(await recording.runs()) == 1001


@in_a_loop
async def test_what_nobody_waits_for_is_stored_within_a_second_or_with_the_next(
    directory: Path,
) -> None:
    async with Recording(directory) as recording:
        recording.recorder.record(one_run(0), None)
        await recording.record(one_run(1))
        assert len(await recording.runs()) == 2
        recording.recorder.record(one_run(2), None)
        async with asyncio.timeout(HANG):
            while len(await recording.runs()) < 3:
                await asyncio.sleep(0.05)


@in_a_loop
async def test_whoever_comes_second_hears_of_it_before_it_goes_on(directory: Path) -> None:
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
        heard = list[object]()
        done = recording.begin((one_run(0)[0],))
        done.add_done_callback(lambda _: heard.extend(recording.refused))
        await done
        await asyncio.sleep(0)
        assert heard == [("plain@2026-03-02T10:00Z",)]


@in_a_loop
async def test_output_and_the_time_of_a_start_are_kept(directory: Path) -> None:
    kept = Kept(b"hello\n", b"", 0)
    async with Recording(directory) as recording:
        recording.recorder.record_launcher(77, 5)
        changes = one_run(0)
        recording.recorder.record(changes[:3], None, ticks=99)
        await recording.record(())
        recording.recorder.record(changes[3:], None, outputs={f"{run_of(changes).key}/1": kept})
        await recording.record((Progress(START), *one_run(1)[:3]))
        detail = await recording.recorder.ask(lambda reader: reader.latest("plain", "root"))
        assert detail is not None
        first = await recording.recorder.ask(lambda reader: reader.run("plain@2026-03-02T10:00Z"))
        assert first is not None
        assert first.outputs == (kept,)
    async with Recording(directory) as recording:
        assert recording.found.launcher == ProcessKey(77, 5)
        assert recording.found.boot == "boot-1"
        assert [run.key for run in recording.found.left.unfinished] == ["plain@2026-03-02T10:01Z"]


@in_a_loop
async def test_a_question_that_fails_is_answered_with_its_error(directory: Path) -> None:
    def bad(_: Reader) -> None:
        raise LookupError("no such thing")

    async with Recording(directory) as recording:
        with pytest.raises(LookupError, match="no such thing"):
            await recording.recorder.ask(bad)
        assert await recording.runs() == {}


@in_a_loop
async def test_a_question_is_not_looked_into_when_whoever_asked_has_gone(directory: Path) -> None:
    asked, go_on, seen = threading.Event(), threading.Event(), list[int]()

    def slow(_: Reader) -> None:
        asked.set()
        go_on.wait(HANG)

    def look(number: int, _: Reader) -> None:
        seen.append(number)

    async with Recording(directory) as recording:
        first = asyncio.ensure_future(recording.recorder.ask(slow))
        await asyncio.to_thread(asked.wait)
        others = [
            asyncio.ensure_future(recording.recorder.ask(partial(look, number)))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        others[1].cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others, return_exceptions=True)
        assert seen == [0, 2]


@in_a_loop
async def test_a_record_that_cannot_be_stored_costs_no_other(directory: Path) -> None:
    bad = Missed(("plain",), START, START, 2**70, "why")
    async with Recording(directory) as recording:
        done = [recording.begin(one_run(0)), recording.begin((bad,)), recording.begin(one_run(1))]
        async with asyncio.timeout(HANG):
            await asyncio.gather(*done)
        assert len(await recording.runs()) == 2
        report = await recording.hear("internal-error")
        assert "cannot be written to the history: OverflowError" in report.text


@in_a_loop
async def test_a_stop_stores_what_waits(directory: Path) -> None:
    async with Recording(directory) as recording:
        recording.recorder.record((Progress(START), StoppedInOrder(START, ("server",))), None)
    assert os.listdir(directory) == [NAME]
    async with Recording(directory) as recording:
        assert recording.found.left.stopped == START
        assert recording.found.left.interrupted == ("server",)


@in_a_loop
async def test_what_is_not_to_be_kept_goes_when_nothing_waits(directory: Path) -> None:
    async with Recording(directory, retention=replace(FOR_EVER, keep_runs=10)) as recording:
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(600)))
        async with asyncio.timeout(HANG):
            while len(runs := await recording.runs()) > 10:
                await asyncio.sleep(0.02)
        assert min(row.fire for row in runs.values()) == START + 590 * MINUTE


@in_a_loop
async def test_what_is_too_large_goes_before_it_is_many_times_that(directory: Path) -> None:
    """Far fewer runs than after which it is looked anyway."""
    kept, most = Kept(b"h" * 16384, b"t" * 49152, 0), 2 << 20
    async with Recording(directory, retention=replace(FOR_EVER, max_size=most)) as recording:
        for number in range(120):
            run = one_run(number)
            outputs = {f"{run_of(run).key}/1": kept}
            recording.recorder.record(run, None, outputs=outputs)
            await recording.record(())
        async with asyncio.timeout(HANG):
            while len(await recording.runs()) * 65536 > 2 * most:
                await asyncio.sleep(0.02)


@in_a_loop
async def test_what_is_not_to_be_kept_any_more_goes_without_another_run(directory: Path) -> None:
    async with Recording(directory, retention=FOR_EVER) as recording:
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(30)))
        recording.recorder.keep(replace(FOR_EVER, keep_runs=10))
        async with asyncio.timeout(HANG):
            while len(await recording.runs()) > 10:
                await asyncio.sleep(0.02)


@in_a_loop
async def test_somebody_else_who_looks_at_the_file_does_not_think_that_nobody_uses_it(
    directory: Path,
) -> None:
    """Who closes a file gives up all locks of its process on it, also those of SQLite."""
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM runs').close()"
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
        await recording.runs()
        log = (directory / f"{NAME}-wal").stat().st_ino
        subprocess.run([sys.executable, "-c", look, str(directory / NAME)], check=True)
        assert (directory / f"{NAME}-wal").stat().st_ino == log
        await recording.record(one_run(1))
        assert len(await recording.runs()) == 2


# -- away ----------------------------------------------------------------------------------------


@in_a_loop
async def test_a_locked_file_holds_nobody_for_long_and_gets_all_of_it_later(
    directory: Path,
) -> None:
    async with Recording(directory) as recording:
        await recording.record((Progress(START), *one_run(0)))
        other = lock(directory)
        began = asyncio.get_running_loop().time()
        await recording.record(one_run(1))
        assert asyncio.get_running_loop().time() - began < 4
        report = await recording.hear("history-away")
        assert "database is locked; going on without it" in report.text
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(2, 50)))
        since = recording.recorder.away_since
        assert since is not None
        assert datetime.fromisoformat(recording.marker.read_text().strip()) == since
        other.close()
        report = await recording.hear("history-back")
        assert f"it was not since {since:%F %T}Z" in report.text
        assert len(await recording.runs()) == 50
        assert not recording.marker.exists()
        assert recording.recorder.away_since is None
        assert recording.reports == []  # it was said once
    check(directory)


@in_a_loop
async def test_a_daemon_that_dies_without_its_history_leaves_word_of_it(directory: Path) -> None:
    async with Recording(directory) as recording:
        await recording.record((Progress(START), *one_run(0)))
        other = lock(directory)
        await recording.record(one_run(1))
    report = await recording.hear("history-away")
    report = await recording.hear("history-away")
    assert "4 changes could not be written to the history" in report.text
    other.close()
    async with Recording(directory) as recording:
        assert recording.found.left.uncertain_since == START  # not only since it was noticed
        assert recording.marker.exists()  # until it is dealt with
        await recording.record((Progress(START + MINUTE),))
    async with Recording(directory) as recording:
        assert recording.found.left.uncertain_since is None
        assert not recording.marker.exists()


@pytest.mark.parametrize("text", ["", "soon\n", "\udcff", "9999-12-31T23:59:59-23:59"])
@in_a_loop
async def test_a_marker_that_says_nothing_is_as_old_as_its_file(directory: Path, text: str) -> None:
    recording = Recording(directory)
    recording.marker.write_text(text, errors="surrogateescape")
    os.utime(recording.marker, (START.timestamp(), START.timestamp()))
    async with recording:
        assert "cannot be read" in (await recording.hear("history-away")).text
        assert recording.found.left.uncertain_since == START
        await recording.record((Progress(START),))
    assert not recording.marker.exists()


@in_a_loop
async def test_an_old_history_that_nobody_could_read_is_not_taken_up_again(
    directory: Path,
) -> None:
    async with Recording(directory) as recording:
        await recording.record((Progress(START), one_run(0)[0]))
    (directory / NAME).rename(directory / "elsewhere")
    (directory / NAME).mkdir()
    async with Recording(directory) as recording:
        assert recording.found.away
        assert recording.found.left.unfinished == ()
        await recording.record((Progress(START + MINUTE), *one_run(0), *one_run(1)))
        (directory / NAME).rmdir()
        (directory / "elsewhere").rename(directory / NAME)
        await recording.hear("history-back")
        runs = await recording.runs()
        assert runs["plain@2026-03-02T10:00Z"].outcome is RunOutcome.LOST
        assert runs["plain@2026-03-02T10:01Z"].outcome is RunOutcome.SUCCEEDED
        assert recording.refused == []  # it has run by now, and nobody can take that back


class Hanging(SqliteHistory):
    """A history on a disk that does not answer while `gate` is shut."""

    gate = threading.Event()

    def write(self, batch: Batch) -> tuple[str, ...]:
        """Wait for the disk."""
        assert self.gate.wait(HANG)
        return super().write(batch)


@in_a_loop
async def test_a_disk_that_hangs_holds_nobody_and_nothing_is_stored_twice(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "HUNG", 0.2)
    opened: Callable[[], Hanging] = lambda: Hanging(str(directory), boot="b", host="h")  # noqa: E731 # it has a type so
    Hanging.gate.set()
    async with Recording(directory, opened=opened) as recording:
        await recording.record((Progress(START), *one_run(0)))
        Hanging.gate.clear()
        missed = Missed(("plain",), START, START, 1, "asleep")
        await recording.record((missed, *one_run(1)))
        assert "does not answer" in (await recording.hear("history-away")).text
        await recording.record(one_run(2))
        Hanging.gate.set()
        await recording.hear("history-back")
        assert len(await recording.runs()) == 3
        query = HistoryQuery(limit=None)
        assert len(await recording.recorder.ask(lambda reader: reader.history(query))) == 4


@in_a_loop
async def test_a_stop_does_not_wait_for_a_disk_that_hangs(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "HUNG", 0.1)
    monkeypatch.setattr(recorder_module, "CLOSE_SECONDS", 0.2)
    opened: Callable[[], Hanging] = lambda: Hanging(str(directory), boot="b", host="h")  # noqa: E731 # it has a type so
    Hanging.gate.clear()
    async with Recording(directory, opened=opened) as recording:
        await recording.record((Progress(START), *one_run(0)))
    Hanging.gate.set()
    assert [report.event for report in recording.reports] == ["history-away"] * 2


class Defective(SqliteHistory):
    """A history that nothing can be forgotten of."""

    def trim(self, retention: Retention, now: datetime) -> bool:
        """Fail as only a defect does."""
        raise AssertionError(f"a defect with {retention} at {now}")


@in_a_loop
async def test_a_defect_while_nothing_is_stored_holds_nobody_afterwards(directory: Path) -> None:
    opened: Callable[[], Defective] = lambda: Defective(str(directory), boot="b", host="h")  # noqa: E731 # it has a type so
    async with Recording(directory, opened=opened) as recording:
        away = await recording.hear("history-away")
        assert "internal error: AssertionError('a defect with Retention(" in away.text
        await recording.record((Progress(START), *one_run(0)))
        await recording.hear("history-back")
        assert len(await recording.runs()) == 1


# -- damage --------------------------------------------------------------------------------------


def spoil(directory: Path, offset: int, data: bytes) -> None:
    with (directory / NAME).open("r+b") as file:
        file.seek(offset)
        file.write(data)


@in_a_loop
async def test_a_file_that_is_no_database_is_set_aside_at_the_start(directory: Path) -> None:
    (directory / NAME).write_bytes(b"not a database at all" * 1000)
    async with Recording(directory) as recording:
        report = await recording.hear("history-replaced")
        assert not recording.found.away
        await recording.record((Progress(START), *one_run(0)))
        assert len(await recording.runs()) == 1
    (aside,) = directory.glob(f"{NAME}.corrupt-*Z")
    assert str(aside) in report.text
    assert aside.read_bytes() == b"not a database at all" * 1000
    check(directory)


@in_a_loop
async def test_a_file_with_a_row_that_makes_no_sense_is_set_aside_at_the_start(
    directory: Path,
) -> None:
    async with Recording(directory) as recording:
        await recording.record((Progress(START), *one_run(0)))
    with closing(sqlite3.connect(directory / NAME)) as database, database:
        database.execute("UPDATE daemon SET planned = 'soon'")
    async with Recording(directory) as recording:
        await recording.hear("history-replaced")
        assert recording.found.left.progress is None
    assert len([*directory.glob(f"{NAME}.corrupt-*Z")]) == 1
    check(directory)


@in_a_loop
async def test_a_file_that_is_corrupt_for_readers_only_is_begun_anew(directory: Path) -> None:
    """The writer reads the first page once."""
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
        spoil(directory, 0, os.urandom(4096))
        (directory / f"{NAME}-wal").write_bytes(b"")
        await recording.record(one_run(1)[:2])
        recording.unfinished = one_run(1)[:2]
        with pytest.raises(HistoryError):
            await recording.runs()
        await recording.hear("history-replaced")
        await recording.record(one_run(1)[2:])
        assert [run.outcome for run in (await recording.runs()).values()] == ["succeeded"]
    assert len([*directory.glob(f"{NAME}.corrupt-*Z")]) == 1
    check(directory)


@in_a_loop
async def test_a_file_that_turns_out_corrupt_is_begun_anew_with_what_is_unfinished(
    directory: Path,
) -> None:
    async with Recording(directory) as recording:
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(300)))
    size = (directory / NAME).stat().st_size
    goes_on = one_run(400)
    async with Recording(directory) as recording:
        recording.unfinished = (Progress(START), *goes_on[:2])
        spoil(directory, 4096, os.urandom(size - 4096))
        await recording.record((Progress(START), *goes_on[:2]))
        await recording.record(one_run(401))
        report = await recording.hear("history-replaced")
        assert "is now " in report.text
        await recording.record(goes_on[2:])
        runs = await recording.runs()
        assert {key for key, run in runs.items() if run.outcome} == set(runs)
        assert {run_of(goes_on).key, run_of(one_run(401)).key} <= set(runs)
        assert recording.refused == []
    assert len([*directory.glob(f"{NAME}.corrupt-*Z")]) == 1
    check(directory)


@pytest.mark.parametrize("seed", range(8))
@in_a_loop
async def test_whatever_bytes_are_spoiled_the_daemon_goes_on(directory: Path, seed: int) -> None:
    async with Recording(directory) as recording:
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(300)))
    size = (directory / NAME).stat().st_size
    offsets = [(seed * 7919 + n * 104729) % (size - 64) for n in range(40)]
    for offset in offsets:
        spoil(directory, offset, bytes((offset * 31 + n) % 256 for n in range(64)))
    async with Recording(directory) as recording:
        for number in range(400, 410):
            await recording.record(one_run(number))
        await asyncio.gather(*(recording.begin(one_run(n)) for n in range(410, 500)))
    async with Recording(directory) as recording:
        await recording.record((Progress(START), *one_run(500)))


@in_a_loop
async def test_a_file_that_is_taken_away_is_noticed(directory: Path) -> None:
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
        recording.unfinished = (one_run(1)[0],)
        for path in list(directory.iterdir()):
            path.unlink()
        await recording.record((one_run(1)[0],))
        report = await recording.hear("history-replaced")
        assert "it has been taken away; there is none any more, and a new one" in report.text
        assert [*await recording.runs()] == ["plain@2026-03-02T10:01Z"]


@in_a_loop
async def test_a_backup_that_is_put_in_place_is_used(directory: Path) -> None:
    async with Recording(directory) as recording:
        await recording.record(one_run(0))
    backup = (directory / NAME).read_bytes()
    async with Recording(directory) as recording:
        await recording.record(one_run(1))
        for path in list(directory.iterdir()):
            path.unlink()
        (directory / NAME).write_bytes(backup)
        await recording.record(one_run(2))
        keys = {f"plain@2026-03-02T10:0{n}Z" for n in (0, 2)}
        assert set(await recording.runs()) == keys
    assert not [*directory.glob(f"{NAME}.corrupt-*")]


@in_a_loop
async def test_a_file_of_a_later_version_is_away_and_left_alone(directory: Path) -> None:
    SqliteHistory(str(directory), boot="b", host="h").close()
    database = sqlite3.connect(directory / NAME)
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = (directory / NAME).read_bytes()
    async with Recording(directory) as recording:
        assert recording.found.away
        await recording.record(one_run(0))
        with pytest.raises(HistoryError, match="its version is 99"):
            await recording.runs()
    assert "its version is 99" in recording.reports[0].text
    assert (directory / NAME).read_bytes() == before


@in_a_loop
async def test_changes_in_memory_are_bounded_and_what_is_given_up_is_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cronjob.host.history.backlog.MOST_ITEMS", 100)
    async with Recording(directory) as recording:
        other = lock(directory)
        await recording.record(one_run(300))
        for number in range(200):
            recording.recorder.record(one_run(number), None)
        await recording.record((Begun(run_of(one_run(200)), START),))
        await recording.record(one_run(201))
        other.close()
        report = await recording.hear("history-back")
        assert " runs of that time not kept" in report.text
        runs = await recording.runs()
        assert {"plain@2026-03-02T13:20Z", "plain@2026-03-02T13:21Z"} <= set(runs)
        assert len(runs) < 60
