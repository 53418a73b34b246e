"""Forgetting: by age, by count, by size; in small steps; never what has not ended."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest

from cronjob.core.config import Retention
from cronjob.core.entry import Identity
from cronjob.core.found import KnownEntry
from cronjob.core.missed import Missed
from cronjob.core.notice import Notice, NoticeKind
from cronjob.core.output import Kept
from cronjob.core.record import Change, Over, Planned
from cronjob.core.registry import Registered
from cronjob.host.history import trimming
from cronjob.host.history.database import NAME
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch, Item, Printed
from tests.host.changes import MINUTE, START, batch_of, one_run, run_of
from tests.host.recording import FOR_EVER


@pytest.fixture
def history(tmp_path: Path) -> Iterator[SqliteHistory]:
    with closing(SqliteHistory(str(tmp_path), boot="b", host="h")) as history:
        yield history


@pytest.fixture
def count(tmp_path: Path) -> Callable[[str], int]:
    """How many rows a table has."""

    def rows(table: str) -> int:
        database = sqlite3.connect(tmp_path / NAME)
        found: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        database.close()
        return found

    return rows


def trim(history: SqliteHistory, retention: Retention, after: timedelta = timedelta()) -> int:
    """Forget all that is not to be kept; in how many steps."""
    steps = 1
    while history.trim(retention, START + after):
        steps += 1
    return steps


def test_runs_are_kept_for_their_time(history: SqliteHistory, count: Callable[[str], int]) -> None:
    history.write(batch_of(*(one_run(n) for n in range(100))))
    trim(history, replace(FOR_EVER, keep_for=60 * MINUTE), after=100 * MINUTE)
    assert count("runs") == count("attempts") == 60


@pytest.mark.parametrize("keep", [1, 10, 250, 1000])
def test_of_each_entry_so_many_runs_are_kept(
    history: SqliteHistory, count: Callable[[str], int], keep: int
) -> None:
    for start in range(0, 600, 200):
        plain = (one_run(n) for n in range(start, start + 200))
        ladder = (one_run(n, "ladder") for n in range(start, start + 40))
        history.write(batch_of(*plain, *ladder))
    trim(history, replace(FOR_EVER, keep_runs=keep))
    assert count("runs") == min(600, keep) + min(120, keep)
    newest = history.found().left.recorded
    assert f"plain@{(START + 599 * MINUTE):%FT%H:%M}Z" in newest


def test_an_entry_that_grows_is_looked_at_again_before_it_has_a_tenth_too_many(
    history: SqliteHistory, count: Callable[[str], int]
) -> None:
    keep = replace(FOR_EVER, keep_runs=100)
    for number in range(1000):
        history.write(batch_of(one_run(number)))
        history.trim(keep, START)
        assert count("runs") <= 110


def test_a_history_that_is_too_large_loses_its_oldest_runs_and_gives_the_disk_back(
    history: SqliteHistory, tmp_path: Path, count: Callable[[str], int]
) -> None:
    for number in range(200):
        *before, over = one_run(number)
        output = Printed(run_of(before).key, 1, Kept(b"h" * 16384, b"t" * 16384, 5))
        history.write(Batch((*before, output, over)))
    bound = 2 << 20
    trim(history, replace(FOR_EVER, max_size=bound))
    left = count("runs")
    assert 40 <= left < 200
    assert count("outputs") == left
    assert f"plain@{(START + 199 * MINUTE):%FT%H:%M}Z" in history.found().left.recorded
    history.close()
    spare = trimming.PAGES * 4096
    assert (tmp_path / NAME).stat().st_size <= bound + spare


@pytest.mark.parametrize(
    "retention",
    [
        replace(FOR_EVER, keep_for=timedelta(hours=1)),
        replace(FOR_EVER, keep_runs=1),
        replace(FOR_EVER, max_size=1),
    ],
)
def test_what_has_not_ended_is_never_forgotten(
    history: SqliteHistory, count: Callable[[str], int], retention: Retention
) -> None:
    unfinished = [one_run(n)[: 1 + n % 4] for n in range(20)]
    history.write(batch_of(*unfinished, *(one_run(n) for n in range(20, 40))))
    trim(history, retention, after=timedelta(days=400))
    assert count("runs") == (21 if retention.keep_runs == 1 else 20)  # one that has ended
    assert len(history.found().left.unfinished) == 20


def test_missed_fire_times_are_forgotten_like_runs(
    history: SqliteHistory, count: Callable[[str], int]
) -> None:
    rows = [
        Missed(("plain",), START + n * MINUTE, START + n * MINUTE, 1, "asleep") for n in range(50)
    ]
    history.write(Batch(tuple(rows)))
    trim(history, replace(FOR_EVER, keep_runs=30))
    assert count("missed") == 30
    trim(history, replace(FOR_EVER, keep_for=60 * MINUTE), after=100 * MINUTE)
    assert count("missed") == 10


def test_an_entry_that_is_gone_is_forgotten_with_its_last_run(
    history: SqliteHistory, count: Callable[[str], int]
) -> None:
    gone = KnownEntry(Identity("", "table", "old"), "old", "d", "a", START, gone=True)
    stays = KnownEntry(Identity("", "table", "plain"), "plain", "d", "b", START)
    planned: tuple[Change, ...] = (Planned("a", START), Planned("b", START))
    items: tuple[Item, ...] = (Registered(gone), Registered(stays), *planned, *one_run(0))
    history.write(Batch(items))
    trim(history, Retention(), after=timedelta(days=91))
    assert [one.label for one in history.found().known] == ["plain"]
    assert (count("runs"), count("schedules")) == (0, 1)


def test_a_step_takes_some_milliseconds_at_most(history: SqliteHistory) -> None:
    for start in range(0, 5000, 500):
        history.write(batch_of(*(one_run(n) for n in range(start, start + 500))))
    took = []
    more = True
    while more:
        began = perf_counter()
        more = history.trim(replace(FOR_EVER, keep_runs=100), START)
        took.append(perf_counter() - began)
    assert len(took) >= 4900 // trimming.ROWS
    assert sorted(took)[len(took) // 2] < 0.1  # a tenth of a second on a slow machine


def test_notices_of_a_run_go_with_it(history: SqliteHistory, count: Callable[[str], int]) -> None:
    *before, over = one_run(0)
    assert isinstance(over, Over)
    notice = Notice(NoticeKind.MAIL, "ops", "root")
    history.write(Batch((*before, over._replace(notices=(notice,)), *one_run(1))))
    trim(history, replace(FOR_EVER, keep_runs=1))
    assert count("notices") == 0
