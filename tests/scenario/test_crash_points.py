"""A daemon killed before each of its effects, one after the other, and the one that comes next.

Every scenario is lived once for each effect that it has, and each time the daemon dies before
that effect, stays away for a while, and a new one goes on with what the history has.  Of the
points, an even part is tried; with CRONJOB_ROUNDS=1000 all of them are.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.found import Left
from cronjob.core.gates import Readings
from cronjob.core.record import Change
from cronjob.core.run import Run
from cronjob.core.simulation import CALM
from cronjob.host.history.store import SqliteHistory
from cronjob.ports import Batch
from cronjob.testing import Act, MemoryHistory, Simulation, entries_of, exited, killed
from tests.scenario.book import Book
from tests.scenario.lives import Machine, Store

EVERY = int(os.environ.get("CRONJOB_ROUNDS", "3")) >= 1000  #: point is tried
STRIDE, SPARSE = (1, 1) if EVERY else (3, 7)  #: of the points that are tried otherwise
START = datetime.fromisoformat("2026-03-02T11:59:30Z")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: How long nobody is there: hardly, within the lateness that loses nothing, too long for that.
AWAY = (timedelta(), 40 * SECOND, 30 * MINUTE)
QUIET = 2 * HOUR  #: after the last action; what began is over by then

Do = Callable[[Machine], object]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A table, what its commands do, and what happens meanwhile."""

    name: str
    table: str
    script: Callable[[Run, Attempt], Act] = lambda _run, _attempt: Act()
    acts: tuple[tuple[timedelta, Do], ...] = ()  #: each so long after the one before
    slots: int = 4
    once: tuple[str, ...] = ()  #: labels of entries with exactly one run
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _lasting(seconds: float, code: int = 0) -> Callable[[Run, Attempt], Act]:
    return lambda _run, _attempt: Act(timedelta(seconds=seconds), exited(code))


def _good_at_last(_run: Run, attempt: Attempt) -> Act:
    return Act(20 * SECOND, exited(0 if attempt.number == 3 else 1))


def _deaf(_run: Run, _attempt: Attempt) -> Act:
    return Act(None, killed(), obeys_after=3 * SECOND)


def _ask(label: str) -> Do:
    return lambda machine: machine.run(lambda daemon: daemon.ask_for(label))


def _kill(machine: Machine) -> None:
    machine.run(lambda daemon: daemon.kill(*daemon.state.runs))


def _stop(machine: Machine) -> None:
    machine.run(Simulation.stop)


def _start(machine: Machine) -> None:
    machine.run()


def _jump(by: timedelta) -> Do:
    return lambda machine: machine.jump(by)


def _load(text: str) -> Do:
    return lambda machine: machine.load(entries_of(text))


def _busy_until_five_past(daemon: Simulation) -> Readings:
    return Readings(load=9.0) if daemon.clock.now() < START + 5 * MINUTE else CALM


SCENARIOS = (
    Scenario(
        name="a plain run",
        table="0 12 * * * name=plain root x\n",
    ),
    Scenario(
        name="a run that is tried again",
        table="0 12 * * * name=flaky retry=3,1m root x\n",
        script=_good_at_last,
    ),
    Scenario(
        name="a run that gives up",
        table="0 12 * * * name=bad retry=2,30s retry-on=failure,lost root x\n"
        "0,2,4 12 * * * name=short retry=3,50s..50s root x\n",
        script=_lasting(5, code=1),
    ),
    Scenario(
        name="runs that stand in line for slots",
        table="".join(f"0 12 * * * name=n{n} priority={n} retry=1,1m root x\n" for n in range(4)),
        script=_lasting(50, code=1),
        slots=1,
    ),
    Scenario(
        name="a burst in batches",
        table="".join(f"0 12 * * * name=n{n} root x\n" for n in range(9)),
        slots=2,
        more={"batch": 2},
    ),
    Scenario(
        name="runs of an entry one after the other",
        table="0-3 12 * * * name=queue overlap=queue root x\n"
        "0-3 12 * * * name=fresh overlap=replace retry=2,10s root x\n"
        "0-3 12 * * * name=once overlap=skip root x\n",
        script=_lasting(80),
    ),
    Scenario(
        name="missed fire times are made up for",
        table="*/5 12,13 * * * name=all catchup=all overlap=queue root x\n"
        "*/5 12,13 * * * name=latest catchup=latest root x\n"
        "*/5 12,13 * * * name=never root x\n"
        "7 * * * * name=within catchup=all catchup-within=20m root x\n",
        acts=((2 * MINUTE, Machine.kill), (HOUR, _start)),
        script=_lasting(45),
    ),
    Scenario(
        name="jitter and deadlines",
        table="0 12 * * * name=late jitter=20m root x\n"
        "0-2 12 * * * name=urgent deadline=30s slots=1 root x\n",
        script=_lasting(100),
        slots=1,
    ),
    Scenario(
        name="shut gates",
        table="0-9/3 12 * * * name=gated when=load<4 root x\n"
        "0 12 * * * name=again when=load<4 retry=2,1m root x\n",
        script=_lasting(5, code=1),
        more={"gauges": _busy_until_five_past},
    ),
    Scenario(
        name="timeouts",
        table="0 12 * * * name=slow timeout=1m retry=1,1m retry-on=timeout,lost root x\n"
        "0 12 * * * name=deaf timeout=1m grace=1s root x\n",
        script=_deaf,
    ),
    Scenario(
        name="asked for and killed",
        table="0 0 1 1 * name=rare retry=2,1m root x\n0 12 * * * name=noon root x\n",
        acts=((MINUTE, _ask("rare")), (5 * SECOND, _ask("rare")), (SECOND, _kill)),
        script=_lasting(10, code=1),
    ),
    Scenario(
        name="a stop in order and a start",
        table="0 12 * * * name=runs retry=1,1m root x\n"
        "0 12 * * * name=again retry=2,1m retry-on=failure,cancelled root x\n"
        "0 12 * * * name=waits slots=4 root x\n@reboot name=up root x\n"
        "1 12 * * * name=next root x\n",
        acts=((50 * SECOND, _stop), (20 * SECOND, _start)),
        script=lambda run, _attempt: Act(None if run.label == "up" else 25 * SECOND, exited(1)),
    ),
    Scenario(
        name="once in a boot",
        table="@reboot name=up retry=1,1m root x\n0 12 * * * name=noon root x\n",
        acts=((10 * MINUTE, Machine.kill), (SECOND, _start)),
        script=_lasting(20),
        once=("up",),
    ),
    Scenario(
        name="tables that change",
        table="0-5 12 * * * name=same retry=2,30s root x\n0-5 12 * * * name=goes slots=4 root x\n",
        acts=(
            (80 * SECOND, _load("0-5 12 * * * name=same retry=1,30s root y\n")),
            (80 * SECOND, _load("0-5 12 * * * name=same root y\n3-5 12 * * * name=new root x\n")),
        ),
        script=_lasting(20, code=1),
    ),
    Scenario(
        name="the clock goes forward",
        table="*/30 * * * * name=wild root x\n5 12 * * * name=fixed root x\n"
        "*/30 * * * * name=all catchup=all root x\n",
        acts=((MINUTE, _jump(2 * HOUR)), (MINUTE, _jump(4 * MINUTE)), (MINUTE, _jump(9 * HOUR))),
    ),
    Scenario(
        name="the clock goes back",
        table="*/15 * * * * name=wild root x\n0,20,40 12 * * * name=fixed root x\n",
        acts=((HOUR, _jump(-HOUR / 2)), (HOUR / 3, _jump(-HOUR / 2)), (HOUR, _jump(-9 * HOUR))),
    ),
)


def _lives(
    scenario: Scenario,
    store: Store,
    crash_at: int,
    away: timedelta,
    hasty: bool,
    away_at: int | None = None,
) -> Machine:
    """The machine after the whole scenario, with a daemon killed before that effect."""
    machine = Machine(
        entries_of(scenario.table),
        start=START,
        store=store,
        slots=scenario.slots,
        script=scenario.script,
        hasty=hasty,
        **scenario.more,
    )
    machine.doomed, machine.away_at = crash_at, away_at
    machine.run()
    for wait, act in (*scenario.acts, (QUIET, _start)):
        _go_on(machine, away)
        _let_pass(machine, wait, away)
        act(machine)
    _go_on(machine, away)
    while machine.alive is not None:
        _stop(machine)
        _let_pass(machine, MINUTE, away)
        _go_on(machine, away)
    return machine


def _let_pass(machine: Machine, by: timedelta, away: timedelta) -> None:
    until = machine.wall + by
    while not machine.pass_time(max(until - machine.wall, timedelta())):
        _go_on(machine, away)


def _go_on(machine: Machine, away: timedelta) -> None:
    """After a crash, another daemon comes after a while."""
    if machine.crashed:
        machine.pass_time(away)
        machine.run()


def _check(scenario: Scenario, machine: Machine) -> None:
    book: Book = machine.book
    book.assert_every_run_is_over()
    book.assert_retries_are_kept()
    runs = Counter(page.label for page in book.pages.values())
    assert all(runs[label] == 1 for label in scenario.once), runs
    book.assert_each_has_a_fate(machine.windows, machine.wall, exact=machine.exact)


def _die_at_each(
    points: Iterable[int],
    scenario: Scenario,
    made: Callable[[], Store],
    away: timedelta,
    hasty: bool,
) -> int:
    """Live it once for each of the points; how many of them there are."""
    count = 0
    for crash_at in points:
        machine = _lives(scenario, made(), crash_at, away, hasty)
        if machine.doomed is not None:
            break  # it never came to that effect
        try:
            _check(scenario, machine)
        except AssertionError as error:
            error.add_note(f"killed before effect {crash_at}, {away=}, {hasty=}")
            raise
        count += 1
    return count


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_crash_before_any_effect_loses_nothing_and_repeats_nothing(scenario: Scenario) -> None:
    count = 0
    for number, (away, hasty) in enumerate(product(AWAY, (True, False))):
        points = islice(range(1, sys.maxsize), number % STRIDE, None, STRIDE)
        count += _die_at_each(points, scenario, MemoryHistory, away, hasty)
    print(f"\n{scenario}: {count} points")  # noqa: T201 # shown with -s


class SqliteStore:
    """The real history, closed and opened again by each daemon."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._folder = str(folder)
        self._history: SqliteHistory | None = None

    def record(self, changes: Sequence[Change]) -> Sequence[str]:
        """One transaction."""
        assert self._history is not None
        return self._history.write(Batch(tuple(changes)))

    def left(self) -> Left:
        """What is in the file."""
        self.close()
        self._history = SqliteHistory(self._folder, boot="boot", host="host")
        return self._history.found().left

    def close(self) -> None:
        """Give the file back."""
        if self._history is not None:
            self._history.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_so_it_is_with_the_real_history(scenario: Scenario, tmp_path: Path) -> None:
    stores = list[SqliteStore]()

    def made() -> Store:
        for store in stores:
            store.close()
        stores[:] = [SqliteStore(tmp_path / "state")]
        return stores[0]

    points = range(1, sys.maxsize, SPARSE)
    count = _die_at_each(points, scenario, made, AWAY[1], True)
    stores[0].close()
    print(f"\n{scenario}: {count} points")  # noqa: T201 # shown with -s


#: Without a history nobody knows that the clock shows a time again, so a run has the old key.
FORWARD = [scenario for scenario in SCENARIOS if scenario.name != "the clock goes back"]


@pytest.mark.parametrize("scenario", FORWARD, ids=str)
def test_what_may_have_started_while_the_history_was_away_does_not_start_again(
    scenario: Scenario,
) -> None:
    """The book complains of an attempt that starts twice; what is in doubt is missed or lost."""
    count = 0
    for later in (1, 4, 9, 30):  # effects from the failure of the disk to the crash
        for away_at in islice(range(1, sys.maxsize), later % STRIDE, None, STRIDE):
            machine = _lives(scenario, MemoryHistory(), away_at + later, AWAY[1], True, away_at)
            if machine.doomed is not None:
                break
            machine.book.assert_every_run_is_over()
            count += 1
    print(f"\n{scenario}: {count} points")  # noqa: T201 # shown with -s
