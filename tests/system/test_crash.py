"""A real daemon killed at its boundaries, and a real one that goes on: nothing is lost or repeated.

A boundary is before or after an effect, a record, or a statement of SQL.  A fixed sample of them is
tried; with CRONJOB_ROUNDS=1000 all of them are (some 2,500 points, half an hour).
"""

import json
import os
import random  # noqa: TID251 # a sample with a fixed seed
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pytest

from cronjob.core.attempt import attempt_key
from cronjob.core.entry import Entry
from cronjob.core.outcome import Outcome
from cronjob.core.query import HistoryQuery, MissedRow, RunDetail, RunRow
from cronjob.host.history.database import MIGRATIONS, NAME
from cronjob.host.history.reading import open_reader
from cronjob.host.identity import own_name
from cronjob.testing import entries_of
from tests.scenario.book import WHYS, assert_one_fate_each, assert_some_fate_each
from tests.system.crash_daemon import NEW_VERSION, Order, Report, Victim
from tests.system.daemon_process import processes_with

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("crash_daemon.py")
ROUNDS = int(os.environ.get("CRONJOB_ROUNDS", "3"))
SLOTS = 2


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a daemon has to do until it is killed, and what the next one finds."""

    name: str
    table: str  #: of which each `DO` appends a line to a file that is looked at in the end
    config: str = ""
    before: tuple[str, str] | None = None  #: a life that nobody ends
    life: tuple[str, str] = ("11:59:30", "12:10:00")
    after: tuple[str, str] = ("12:00:20", "12:12:00")  #: the life of the one that comes next
    ask: tuple[str, ...] = ()
    stop_after: int | None = None
    migrates: bool = False  #: to a version of the history that is made up
    away: bool = False  #: nobody is there for more than a minute: fire times may be missed

    def __str__(self) -> str:
        return self.name


SCENARIOS = (
    Scenario(
        name="plain",
        table="0 12 * * * name=plain USER DO\n5 12 * * * name=later USER DO\n",
    ),
    Scenario(
        name="retries",
        table="0 12 * * * name=named retry=2,1m retry-on=failure,lost USER DO; exit 1\n"
        "0 12 * * * name=unnamed retry=2,1m USER DO; exit 1\n",
    ),
    Scenario(
        name="slots",
        table="".join(f"0 12 * * * name=n{n} slots=2 USER DO\n" for n in range(3)),
    ),
    Scenario(
        name="burst",
        table="".join(f"0 12 * * * name=n{n} priority={n} USER DO\n" for n in range(7)),
    ),
    Scenario(
        name="overlap",
        table="0 0 1 1 * name=queue overlap=queue USER DO; sleep 0.02\n"
        "0 0 1 1 * name=fresh overlap=replace USER DO; sleep 0.02\n",
        ask=("queue", "queue", "queue", "fresh", "fresh"),
    ),
    Scenario(
        name="catch-up",
        table="*/5 12 * * * name=all catchup=all USER DO\n"
        "*/5 12 * * * name=latest catchup=latest USER DO\n*/5 12 * * * name=never USER DO\n",
        before=("11:59:30", "12:00:20"),
        life=("12:32:10", "12:41:00"),
        after=("12:32:40", "12:42:00"),
    ),
    Scenario(
        name="retention",
        table="* 12 * * * name=many USER DO\n",
        config="[history]\nkeep-runs = 3\n",
        before=("11:59:30", "12:08:30"),
        life=("12:08:40", "12:12:30"),
        after=("12:09:10", "12:14:30"),
    ),
    Scenario(
        name="migration",
        table="* 12 * * * name=each USER DO\n",
        before=("11:59:30", "12:01:30"),
        life=("12:01:40", "12:03:30"),
        after=("12:02:10", "12:04:30"),
        migrates=True,
    ),
    Scenario(
        name="notices",
        table='0 12 * * * name=good on-success="HOOK" USER DO\n'
        '0 12 * * * name=bad retry=1,1m on-failure="HOOK" on-give-up="HOOK" USER DO; exit 1\n',
    ),
    Scenario(
        name="stop",
        table="0 12 * * * name=named retry=1,1m retry-on=cancelled,lost USER DO; WAIT\n"
        "0 12 * * * name=plain USER DO; WAIT\n0 12 * * * name=waits slots=2 USER DO\n"
        "@reboot name=up USER DO; WAIT\n",
        stop_after=3,
    ),
    Scenario(
        name="boot",
        table="@reboot name=up USER DO\n@reboot name=twice retry=1,1m USER DO; exit 1\n"
        "@reboot name=jitter jitter=30s USER DO\n",
    ),
    Scenario(
        name="away",
        table="*/2 12 * * * name=often retry=1,30s USER DO; exit 1\n",
        life=("11:59:30", "12:04:30"),
        after=("12:21:30", "12:25:00"),
        away=True,
    ),
)


class Machine:
    """A folder with tables, a history, and daemons that come and go."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        self.scenario = scenario
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        self._initial = folder / "initial"

    def prepare(self) -> None:
        """Write its tables, and let the life before be lived, if there is one."""
        here = self._initial
        (here / "etc").mkdir(parents=True)
        do = f'echo "$CRONJOB_RUN/$CRONJOB_ATTEMPT" >>{self.place}/done'
        hook = f"cat >/dev/null; echo $CRONJOB_RUN $CRONJOB_EVENT >>{self.place}/told"
        wait = f"[ -e {self.place}/quick ] || exec sleep 60"
        table = self.scenario.table.replace(" USER ", f" {own_name()} ")
        table = table.replace("DO", do).replace("HOOK", hook).replace("WAIT", wait)
        (here / "etc/cronjob.tab").write_text(table)
        (here / "etc/cronjob.toml").write_text(self.scenario.config)
        if self.scenario.before is not None:
            self.reset()
            report = self.live(self.scenario.before)
            assert report.status == 0, self.log
            shutil.rmtree(here)
            shutil.copytree(self.place, here, ignore=shutil.ignore_patterns("run"))

    @property
    def place(self) -> Path:
        """The root of all its files."""
        return self.folder / "machine"

    @property
    def log(self) -> str:
        """What its daemons said."""
        return (self.place / "log").read_text()

    def reset(self) -> None:
        """As it was before anything of the scenario happened."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._initial, self.place)

    def live(
        self,
        times: tuple[str, str],
        crash_at: int | None = None,
        victim: Victim = "daemon",
        *,
        stop_after: int | None = None,
        ask: tuple[str, ...] = (),
        migrates: bool = False,
    ) -> Report:
        """One life of a daemon."""
        start, end = (f"2026-03-02T{time}+00:00" for time in times)
        order = Order(
            folder=str(self.place),
            start=start,
            end=end,
            crash_at=crash_at,
            victim=victim,
            ask=ask,
            stop_after=stop_after,
            migrates=migrates,
        )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asdict(order)), file=self._server.stdin, flush=True)
        told = json.loads(self._server.stdout.readline())
        return Report(**{**told, "defects": tuple(told["defects"])})

    def first_life(self, crash_at: int | None = None, victim: Victim = "daemon") -> Report:
        """The one that may be cut short."""
        scenario = self.scenario
        return self.live(
            scenario.life,
            crash_at,
            victim,
            stop_after=scenario.stop_after,
            ask=scenario.ask,
            migrates=scenario.migrates,
        )

    def second_life(self, start: str) -> Report:
        """The one that brings all to its end."""
        (self.place / "quick").touch()
        return self.live((start, self.scenario.after[1]), migrates=self.scenario.migrates)

    def has_planned(self) -> bool:
        """Whether a daemon has recorded how far it has come."""
        try:
            rows = self._query("SELECT planned FROM daemon")
        except sqlite3.OperationalError:
            return False  # it was killed before there were tables
        return bool(rows) and rows[0][0] is not None

    def close(self) -> None:
        """The end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def _query(self, statement: str) -> list[tuple[object, ...]]:
        uri = f"file:{self.place}/state/{NAME}?mode=ro"
        database = sqlite3.connect(uri, uri=True)
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()

    # -- what must hold --------------------------------------------------------------------------

    def check(self, report: Report, since: str) -> None:
        """All that must hold in the end."""
        assert report.status == 0
        assert report.slots_used == 0
        assert report.most_used <= SLOTS
        assert not report.defects
        assert self._query("PRAGMA integrity_check") == [("ok",)]
        assert not processes_with(f"CRONJOB_FOLDER={self.place}")
        with open_reader(str(self.place / "state")) as reader:
            rows = reader.history(HistoryQuery(limit=None))
            runs = [row for row in rows if isinstance(row, RunRow)]
            details = [detail for row in runs if (detail := reader.run(row.key)) is not None]
        self._check_runs(details)
        self._check_processes(details)
        missed = [row for row in rows if isinstance(row, MissedRow)]
        if self.scenario.name != "retention":  # it forgets some
            self._check_fates(runs, missed, since)

    def _check_runs(self, details: list[RunDetail]) -> None:
        keys = Counter(detail.row.key for detail in details)
        assert not [key for key, count in keys.items() if count > 1]
        for detail in details:
            row, attempts = detail.row, detail.attempts
            assert row.outcome is not None, row
            assert [attempt.number for attempt in attempts] == [*range(1, len(attempts) + 1)]
            assert all(attempt.outcome for attempt in attempts), row
            assert all(notice.sent_at for notice in detail.notices), row
            self._check_ladder(detail)

    def _check_ladder(self, detail: RunDetail) -> None:
        """A retry that was asked for was made, or somebody says why not."""
        limit = self.entries[detail.row.label].fields.retry.limit
        latest = detail.attempts[-1].outcome if detail.attempts else Outcome.SUCCEEDED
        if latest in (Outcome.FAILED, Outcome.SIGNALED) and len(detail.attempts) <= limit:
            assert detail.row.why.startswith(WHYS), detail.row

    def _check_processes(self, details: list[RunDetail]) -> None:
        """No attempt ran twice, and none that is not recorded."""
        done = self.place / "done"
        ran = done.read_text().split() if done.exists() else []
        assert not [attempt for attempt, count in Counter(ran).items() if count > 1]
        if self.scenario.name == "retention":
            return
        recorded = {
            attempt_key(detail.row.key, attempt.number): attempt.outcome
            for detail in details
            for attempt in detail.attempts
        }
        assert set(ran) <= set(recorded)
        good = {key for key, outcome in recorded.items() if outcome is Outcome.SUCCEEDED}
        assert good <= set(ran)

    def _check_fates(self, runs: list[RunRow], missed: list[MissedRow], since: str) -> None:
        times = since, self.scenario.after[1]
        start, end = (datetime.fromisoformat(f"2026-03-02T{time}Z") for time in times)
        for label, entry in self.entries.items():
            if entry.schedule.reboot:
                assert any(row.label == label for row in runs), f"{label} has not started"
                continue
            due = [fire.at for fire in entry.schedule.between(start, end)]
            begun = {row.fire for row in runs if row.label == label and not row.asked}
            rows = [row for row in missed if row.label == label]
            assert_some_fate_each(label, due, begun, rows)
            assert_one_fate_each(label, due, begun, rows)

    @property
    def entries(self) -> dict[str, Entry]:
        """What the table says."""
        return entries_of((self.place / "etc/cronjob.tab").read_text())


@pytest.fixture(params=SCENARIOS, ids=str)
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """A machine for each scenario."""
    scenario: Scenario = request.param
    if scenario.migrates:
        monkeypatch.setitem(MIGRATIONS, *NEW_VERSION)
    found = Machine(tmp_path, scenario)
    try:
        found.prepare()
        yield found
    finally:
        found.close()


def _points(crossed: int, most: int) -> list[int]:
    """Some of the boundaries, always the same ones."""
    every = range(1, crossed + 1)
    return sorted(random.Random(crossed).sample(every, min(most, crossed)))


def _die_and_go_on(machine: Machine, victim: Victim, most: int) -> None:
    """Lives that are cut short, each at another boundary, and what the next one makes of them."""
    machine.reset()
    crossed = machine.first_life().crossed or 0
    points = _points(crossed, most)
    scenario = machine.scenario
    for point in points:
        machine.reset()
        first = machine.first_life(point, victim)
        start = scenario.life[1] if first.status == 0 else scenario.after[0]
        born = (scenario.before or scenario.life)[0]
        since = born if machine.has_planned() else start
        last = machine.second_life(start)
        try:
            assert first.killed or first.status == 0 or "launcher" in machine.log
            machine.check(last, since)
        except AssertionError as error:
            error.add_note(f"killed at {point} of {crossed} boundaries; its log:\n{machine.log}")
            raise
    print(f"\n{scenario}: {victim} killed at {len(points)} of {crossed} boundaries")


def test_a_killed_daemon_loses_nothing_and_repeats_nothing(machine: Machine) -> None:
    _die_and_go_on(machine, "daemon", 2 * ROUNDS)


def test_a_killed_launcher_costs_its_attempts_and_nothing_else(machine: Machine) -> None:
    _die_and_go_on(machine, "launcher", ROUNDS)
