"""Steps of the clock as Debian cron was seen to take them, replayed in the engine.

Its program ran under a clock that was set while it slept; the corpus has what it started, as the
wall clock read then.  Where we differ on purpose, the case is listed by its id with the reason.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from cronjob.testing import Simulation, entries_of
from tests.core.vectors import first_ten, load

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

#: cron counts how late it is from the last minute it ran; we count from the first fire time that
#: has passed, which is when the daemon meant to wake up.
DIFFERENT = {
    "jump-432": "an hour forward to 02:01: one minute late for 02:00, an hour late to cron",
    "jump-445": "three hours forward: 2 h 56 min late for 01:05, 3 h 1 min late to cron",
    "jump-450": "three hours and a minute forward: 2 h 57 min late for 01:05",
}


def started(case: dict[str, Any]) -> list[int]:
    """The minutes in which the one entry of the case is started, as the wall clock reads then."""
    entries = entries_of(f"{case['expr']} name=only overlap=allow root true\n", zone=case["zone"])
    start, end = (datetime.fromtimestamp(case[key], UTC) for key in ("start", "end"))
    simulation = Simulation(entries, start=start)
    # cron looks at the clock at whole minutes only: its sleep returns and the clock has moved.
    woken = datetime.fromtimestamp(case["jump_at"] // 60 * 60, UTC) + MINUTE
    simulation.run_until(woken - SECOND)
    simulation.clock.advance(SECOND)
    simulation.jump_wall(timedelta(seconds=case["jump_seconds"]))
    simulation.run_until(end)
    return [int(at.timestamp()) // 60 * 60 for at, _, _ in simulation.starts()]


def test_a_step_of_the_clock_starts_what_debian_cron_starts() -> None:
    mismatches = []
    for case in load("clock_jump.jsonl"):
        found = started(case)
        if (found != case["fires"]) is not (case["id"] in DIFFERENT):
            mismatches.append(f"{case} but {found}")
    assert not mismatches, first_ten(mismatches)


def test_every_listed_difference_is_one_of_the_cases() -> None:
    assert set(DIFFERENT) <= {case["id"] for case in load("clock_jump.jsonl")}
