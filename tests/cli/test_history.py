"""What `history`, `show` and `logs` print of a history that no daemon has open."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cronjob.cli.rows import listing
from cronjob.cli.show import noticed
from cronjob.core.attempt import Attempt, Ending
from cronjob.core.missed import Missed
from cronjob.core.outcome import Outcome, RunOutcome
from cronjob.core.output import HEAD, TAIL, Kept
from cronjob.core.query import MissedRow, RunRow
from cronjob.core.record import Ended, Launching
from cronjob.core.retelling import row_object
from cronjob.host.history.reading import MOST_OUTPUT, open_reader
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch, Item, Printed
from tests.cli.command import HANG, ROOT, cronjob
from tests.core.test_retelling import ENDED, FIRE, OPEN, ROW
from tests.host.changes import START, batch_of, one_run

LAUNCHER_DIED = Attempt(
    *(1, FIRE, 0.0, 0.0), outcome=Outcome.LOST, ending=Ending(lost=True), seconds=5.0
)
DAEMON_DIED = OPEN._replace(
    number=1, outcome=Outcome.LOST, ending=Ending(lost=True, error="the daemon died")
)
OUT_OF_MEMORY = ENDED._replace(
    outcome=Outcome.SIGNALED, code=None, signal=9, waits=(), ending=Ending(out_of_memory=True)
)
TIMED_OUT = ENDED._replace(outcome=Outcome.TIMED_OUT, code=None, signal=15, waits=())

ROWS: list[tuple[RunRow | MissedRow, str]] = [
    (ROW, "failed 1 1m 30s exit status 3; waited 2s for a slot"),
    (
        ROW._replace(outcome=RunOutcome.GAVE_UP, why="retries are exhausted", latest=TIMED_OUT),
        "gave-up 1 1m 30s timed-out, signal 15; retries are exhausted",
    ),
    (
        ROW._replace(outcome=RunOutcome.SIGNALED, latest=OUT_OF_MEMORY),
        "signaled 1 1m 30s signal 9, out of memory",
    ),
    (
        ROW._replace(outcome=RunOutcome.LOST, why="the launcher died", latest=LAUNCHER_DIED),
        "lost 1 5s the launcher died",
    ),
    (
        ROW._replace(outcome=RunOutcome.LOST, latest=DAEMON_DIED),
        "lost 1 the daemon died",
    ),
    (
        ROW._replace(outcome=RunOutcome.SKIPPED, why="it runs", latest=None, attempts=0),
        "skipped it runs",
    ),
    (
        ROW._replace(outcome=None, latest=OPEN, attempts=2),
        "running 2 attempt 2 since Sat 2026-11-21 01:30:00+0000",
    ),
    (
        ROW._replace(outcome=None, retry_at=FIRE + timedelta(hours=1)),
        "waiting 1 1m 30s waits for attempt 2 at Sat 2026-11-21 02:30:00+0000; "
        "waited 2s for a slot",
    ),
    (ROW._replace(outcome=None, latest=None, attempts=0), "waiting has not begun"),
    (
        ROW._replace(caught_up=True, latest=ENDED._replace(waits=())),
        "failed 1 1m 30s exit status 3; caught up",
    ),
    (
        ROW._replace(asked=True, latest=ENDED._replace(waits=())),
        "failed 1 1m 30s exit status 3; asked for",
    ),
    (
        MissedRow("a", None, FIRE, FIRE + timedelta(minutes=4), 5, "no daemon was running"),
        "missed 5 fire times until Sat 2026-11-21 01:34:00+0000: no daemon was running",
    ),
    (MissedRow("a", None, FIRE, FIRE, 1, "it slept"), "missed 1 fire time: it slept"),
]


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    """Local times are those of UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(("row", "said"), ROWS)
def test_a_row_says_how_a_run_ended_or_where_it_is(row: RunRow | MissedRow, said: str) -> None:
    told: dict[str, Any] = json.loads(json.dumps(row_object(row)))
    _, line = listing([told]).splitlines()
    assert line.startswith("Sat 2026-11-21 01:30:00+0000  a")
    assert " ".join(line.split()[4:]) == said


def test_a_reason_cannot_hide_a_line() -> None:
    told = row_object(ROW._replace(why="a\x1b[2K\rb\nc"))
    assert "a\\x1b[2K\\rb\\nc" in listing([told])


# -- the verbs -----------------------------------------------------------------------------------

MANY = MOST_OUTPUT // (HEAD + TAIL) + 2  #: attempts

#: What must not come with the answer: the language of the tables, schedules and zones, the engine.
LIGHT = {
    *("attempt", "nearest", "notice", "outcome", "output", "query", "request", "retelling"),
    *("waits", "words"),
}
COUNTED = """
import sys
from cronjob.cli import main
assert main(sys.argv[1:]) == 0
print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A state directory: runs of each minute for half an hour, and an hour without any."""
    directory = str(tmp_path_factory.mktemp("state"))
    history = SqliteHistory(directory, boot="boot", host="machine")
    history.write(batch_of(*(one_run(number, outcome=number % 2) for number in range(30))))
    last = START + timedelta(minutes=89)
    missed = Missed(("plain",), START + timedelta(minutes=30), last, 60, "no daemon was running")
    history.write(batch_of([missed]))
    history.close()
    return directory


def _rows(state: str, *arguments: str) -> list[dict[str, Any]]:
    ended = cronjob("history", "--state", state, "--json", *arguments)
    assert (ended.returncode, ended.stderr) == (0, b"")
    rows: list[dict[str, Any]] = json.loads(ended.stdout)
    return rows


@pytest.mark.parametrize("verb", ["history", "show", "logs"])
def test_asking_imports_neither_the_table_language_nor_the_schedule(verb: str, state: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COUNTED, verb, "--state", state, "plain"],
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG,
        cwd=ROOT,
    )
    modules = {*ended.stderr.split()}
    of_core = {name.removeprefix("cronjob.core.") for name in modules if "cronjob.core." in name}
    assert of_core <= LIGHT
    assert not {"asyncio", "hashlib", "pathlib", "zoneinfo"} & modules


@pytest.mark.parametrize("name", ["a b", "50%", "what?", "#1", os.fsdecode(b"\xff")])
def test_a_history_is_read_whatever_its_directory_is_called(
    name: str, state: str, tmp_path: Path
) -> None:
    shutil.copytree(state, tmp_path / name)
    assert len(_rows(str(tmp_path / name))) == 20


def test_a_directory_may_begin_with_two_slashes(state: str) -> None:
    assert len(_rows(f"/{state}")) == 20


def test_twenty_lines_are_shown_if_nobody_says_how_many(state: str) -> None:
    rows = _rows(state)
    assert (len(rows), rows[0]["outcome"], rows[0]["count"]) == (20, "missed", 60)
    assert len(_rows(state, "--limit", "1000")) == 31


def test_a_time_without_an_offset_is_that_of_the_system(state: str) -> None:
    within = ("--since", "2026-03-02T10:10", "--until", "2026-03-02T10:12+00:00")
    assert [row["run"] for row in _rows(state, *within)] == [
        "plain@2026-03-02T10:11Z",
        "plain@2026-03-02T10:10Z",
    ]
    ended = cronjob(
        *("history", "--state", state, "--since", "2026-03-02T10:10", "--limit", "1000"),
        environment={"TZ": "Europe/Berlin"},
    )
    assert len(ended.stdout.splitlines()) == 1 + 1 + 30  # from 09:10 UTC on, all of them
    assert b" 11:00:00+0100 " in ended.stdout


def test_what_is_long_past_is_not_of_the_last_hour(state: str) -> None:
    ended = cronjob("history", "--state", state, "--since", "1h")
    assert (ended.returncode, ended.stdout) == (0, b"")
    assert ended.stderr == b"cronjob: nothing is recorded that was asked for\n"


def test_nothing_is_an_empty_list_for_programs(state: str) -> None:
    assert _rows(state, "--since", "1h") == []


NOTICES = [
    ({"kind": "mail", "target": "", "sent": None, "problem": ""}, "mail not yet ann"),
    (
        {"kind": "mail", "target": "ops", "sent": FIRE.isoformat(), "problem": ""},
        "mail Sat 2026-11-21 01:30:00+0000 ops",
    ),
    (
        {"kind": "on-failure", "target": "page", "sent": FIRE.isoformat(), "problem": "signal 9"},
        "on-failure Sat 2026-11-21 01:30:00+0000 page signal 9",
    ),
]


@pytest.mark.parametrize(("notice", "line"), NOTICES)
def test_a_notice_says_when_to_whom_and_what_went_wrong(notice: dict[str, Any], line: str) -> None:
    told = noticed([{**notice, "user": "ann"}]).splitlines()[1]
    assert " ".join(told.split()) == line


def test_a_run_without_output_is_shown_without_it(state: str) -> None:
    ended = cronjob("show", "--state", state, "plain@2026-03-02T10:01Z")
    assert ended.returncode == 0
    assert b"output" not in ended.stdout
    assert b"exit status 1" in ended.stdout


def test_of_very_much_output_that_of_the_last_attempts_is_shown(tmp_path: Path) -> None:
    begun, launching, *_ = one_run(0)
    assert isinstance(launching, Launching)
    run, first = launching
    history = SqliteHistory(str(tmp_path), boot="boot", host="machine")
    items: list[Item] = [begun]
    for number in range(1, MANY + 1):
        attempt = first._replace(number=number)
        ended_badly = attempt._replace(outcome=Outcome.FAILED, code=1, ending=Ending(status=256))
        items += [Launching(run, attempt), Ended(run.key, ended_badly, START)]
        items.append(Printed(run.key, number, Kept(b"h" * HEAD, b"t" * TAIL, left_out=7)))
    history.write(Batch(items))
    history.close()
    with open_reader(str(tmp_path)) as reader:
        detail = reader.run(run.key)
    assert detail is not None
    whole = Kept(b"h" * HEAD, b"t" * TAIL, 7)
    assert detail.outputs == (*[Kept(left_out=whole.size)] * 2, *[whole] * (MANY - 2))


@pytest.mark.parametrize(("zone", "said"), [("Europe/Berlin", True), ("UTC", False)])
def test_the_wall_time_of_the_table_is_shown_where_the_readers_is_another(
    state: str, zone: str, said: bool
) -> None:
    ended = cronjob("show", "--state", state, "plain@2026-03-02T10:01Z", environment={"TZ": zone})
    assert (b", the table says 2026-03-02 10:01:00" in ended.stdout) is said


@pytest.mark.parametrize(
    ("name", "hint"),
    [("plian", "; did you mean plain?"), ("pl", "; did you mean plain?"), ("x", "")],
)
def test_a_name_that_nothing_has_is_answered_with_the_nearest_that_the_history_knows(
    name: str, hint: str, state: str
) -> None:
    ended = cronjob("history", "--state", state, name)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode() == f'cronjob: no entry is called "{name}"{hint}\n'


@pytest.mark.parametrize("verb", ["history", "show", "logs"])
def test_a_directory_without_a_history_is_named(verb: str, tmp_path: Path) -> None:
    ended = cronjob(verb, "--state", str(tmp_path), "a")
    assert (ended.returncode, ended.stdout) == (1, b"")
    said = f"cronjob: {tmp_path}/history.db: No such file or directory\n"
    assert ended.stderr.decode() == said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["history", "show", "logs"])
def test_a_daemon_that_does_not_answer_is_exit_status_3(verb: str, tmp_path: Path) -> None:
    ended = cronjob(verb, "--runtime", str(tmp_path), "a")
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"no daemon answers" in ended.stderr


def test_who_reads_without_a_daemon_cannot_follow_it(state: str) -> None:
    ended = cronjob("logs", "-f", "--state", state, "plain")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"-f asks a daemon" in ended.stderr
