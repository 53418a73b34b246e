"""What a daemon spends to find what it makes up for, beside a walk over all that was missed."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest

from cronjob.core.catchup import MOST, MadeUp, Terms, made_up
from cronjob.core.fields import CatchUp
from cronjob.core.missed import Absence
from cronjob.core.schedule import Schedule
from cronjob.testing import Act, Simulation, entries_of

UNTIL = datetime(2026, 3, 2, 10, tzinfo=UTC)
YEAR = timedelta(days=365)
YEARS = 10 if os.environ.get("CRONJOB_BENCH") == "full" else 2  # of every minute
LEAST = 5  # times as fast as the walk
SECONDS = 3.0  # for a restart after years; the days of clock changes take most of it


def spent(act: Callable[[], object]) -> float:
    """CPU seconds."""
    begun = process_time()
    act()
    return process_time() - begun


@pytest.mark.parametrize("mode", [CatchUp.LATEST, CatchUp.ALL])
@pytest.mark.parametrize(
    ("columns", "years", "many"),
    [("* * * * *", YEARS, True), ("*/5 8-18 * * 1-5", 10, True), ("0 3 1 1 *", 100, False)],
)
def test_what_is_made_up_for_is_found_without_a_walk(
    mode: CatchUp, columns: str, years: int, many: bool
) -> None:
    schedule = Schedule.parse(columns, zone="Europe/Berlin")
    since = UNTIL - years * YEAR

    def find() -> MadeUp:
        absence, terms = Absence(since, UNTIL, "no daemon was running"), Terms(mode, None, since)
        return made_up(schedule, ("a",), terms, absence, UNTIL, UNTIL, started=False)

    ours, walk = min(spent(find) for _ in range(3)), spent(lambda: schedule.between(since, UNTIL))
    print(
        f"\n{columns} over {years} years, catchup={mode}: {ours * 1e3:.1f} ms, "
        f"a walk {walk * 1e3:.1f} ms, {walk / ours:.1f} x"
    )
    assert len(find().starts) == (1 if mode is CatchUp.LATEST else MOST)
    assert ours < SECONDS
    assert walk > ours * LEAST or not many


def test_a_thousand_entries_make_up_for_a_hundred_each_within_their_limit() -> None:
    text = "".join(f"* * * * * name=e{n} catchup=all root x\n" for n in range(1000))
    simulation = Simulation(
        entries_of(text), start=UNTIL, slots=4, script=lambda *_: Act(lasts=None)
    )
    begun = process_time()
    simulation.jump_wall(timedelta(days=2))
    each = (process_time() - begun) / (1000 * MOST) * 1e6
    print(f"\n{1000 * MOST:,} runs are made up for: {each:.1f} us CPU each to begin them")
    assert sum(run.caught_up for run in simulation.state.runs.values()) == 1000 * MOST
    assert each < 200
