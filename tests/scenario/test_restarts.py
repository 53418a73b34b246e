"""Daemons that die, stop, sleep and start again: each fire time has one fate, and only one.

It has its run, or it is in one row of missed ones; what the schedule says is the measure.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 # seeded: a test may draw

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.attempt import Attempt
from cronjob.core.entry import Entry
from cronjob.core.run import Run
from cronjob.testing import Act, entries_of
from tests.core.lives import Life

at = datetime.fromisoformat
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)

#: Zones, and two days before their clocks change: gaps, folds, half an hour, a day that is not.
PLACES = (
    ("UTC", at("2026-03-02T00:00Z")),
    ("Europe/Berlin", at("2026-03-27T12:00Z")),
    ("Europe/Berlin", at("2026-10-23T12:00Z")),
    ("Australia/Lord_Howe", at("2026-04-02T12:00Z")),
    ("America/New_York", at("2026-03-06T12:00Z")),
    ("Africa/Cairo", at("2026-04-22T12:00Z")),
    ("Pacific/Apia", at("2011-12-28T12:00Z")),
)
WILDCARD = ("*/20 * * * *", "0 * * * *", "*/30 1-3 * * *")
FIXED = ("0,20,40 0-23 * * *", "0 0-23 * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 1 * 1")
MODES = ("none", "latest", "all", "all catchup-within=6h", "latest catchup-within=20m")
LENGTHS = st.one_of(
    st.integers(0, 130).map(lambda n: n * SECOND),
    st.integers(0, 400).map(lambda n: n * MINUTE),
    st.integers(0, 60).map(lambda n: n * HOUR),
)
DOINGS = st.tuples(st.sampled_from(["run", "sleep", "kill", "stop", "die", "back"]), LENGTHS)


def table(schedules: tuple[str, ...], modes: list[str]) -> str:
    return "".join(
        f"{columns} name=e{number} catchup={mode} root x\n"
        for number, (columns, mode) in enumerate(zip(schedules, modes, strict=False))
    )


def mayfly(_run: Run, attempt: Attempt) -> Act:
    """Some commands take longer than others, and what a daemon leaves is sometimes going."""
    return Act(lasts=timedelta(seconds=attempt.launched.minute))


def live(life: Life, doing: str, length: timedelta, entries: Mapping[str, Entry]) -> Life:
    """What happens to a daemon; the one that is there afterwards."""
    match doing:
        case "run":
            life.run_until(life.clock.now() + length)
        case "sleep":
            life.jump_wall(length)
        case "back":
            life.jump_wall(-min(length, 20 * MINUTE))  # all of them together by less than 3 h
        case "stop":
            life.stop()
            life.run_until(life.clock.now() + MINUTE)
            return life.after(entries, length)
        case "die":  # in the midst of what it does next
            life.crosses = int(length / SECOND) % 23
            life.survives(lambda life: life.run_until(life.clock.now() + 2 * HOUR))
            return life.after(entries, length)
        case "kill":
            return life.after(entries, length)
    return life


def fates(life: Life, label: str, since: datetime) -> tuple[Counter[datetime], set[datetime]]:
    """How many fates each fire time has, and those that it should be of."""
    schedule = life.state.entries[label].schedule
    expected = {fire.at for fire in schedule.between(since, life.clock.now())}
    runs = [run.fire for run in life.history.runs.values() if run.label == label]
    found = Counter(runs)
    for row in life.history.missed:
        if label in row.labels:
            passed = [at for at in expected.difference(runs) if row.first <= at <= row.last]
            assert {row.first, row.last} <= set(passed)
            assert len(passed) == row.count
            found.update(passed)
    return found, expected


def check(
    text: str, zone: str, start: datetime, doings: list[tuple[str, timedelta]], batch: int
) -> Life:
    entries = entries_of(text, zone=zone)
    life = Life(entries, start=start, script=mayfly, slots=1, batch=batch)
    for doing, length in doings:
        life = live(life, doing, length, entries)
    life.run_until(life.clock.now() + 3 * HOUR)
    for label in entries:
        found, expected = fates(life, label, start)
        assert set(found) == expected, (label, sorted(expected ^ set(found)))
        assert set(found.values()) <= {1}, (label, found.most_common(3))
    return life


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    modes=st.lists(st.sampled_from(MODES), min_size=4, max_size=4),
    doings=st.lists(DOINGS.filter(lambda doing: doing[0] != "back"), max_size=8),
    batch=st.sampled_from([1, 2, 1_000_000]),
)
def test_whatever_happens_each_fire_time_has_its_run_or_is_missed(
    place: tuple[str, datetime], modes: list[str], doings: list[tuple[str, timedelta]], batch: int
) -> None:
    check(table((*WILDCARD, FIXED[2]), modes), *place, doings, batch)


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    modes=st.lists(st.sampled_from(MODES), min_size=5, max_size=5),
    doings=st.lists(DOINGS, max_size=8),
    batch=st.sampled_from([1, 2, 1_000_000]),
)
def test_of_a_fixed_schedule_that_holds_for_a_clock_that_goes_back_too(
    place: tuple[str, datetime], modes: list[str], doings: list[tuple[str, timedelta]], batch: int
) -> None:
    check(table(FIXED, modes), *place, doings, batch)


@pytest.mark.parametrize("seed", range(3))
def test_a_year_with_restarts_at_random_starts_all_that_its_schedules_say(seed: int) -> None:
    draw = Random(seed)
    zone, start = draw.choice(PLACES)
    text = "".join(
        f"{columns} name=e{number} catchup=all root x\n"
        for number, columns in enumerate(("0 * * * *", "30 2 * * *", "0 9 * * 1-5", "@monthly"))
    )
    doings = [
        (draw.choice(["run", "kill", "die", "stop", "sleep"]), draw.random() * 60 * HOUR)
        for _ in range(350)
    ]
    life = check(text, zone, start, doings, 2)
    assert life.clock.now() - start > YEAR
    assert not life.history.missed
    assert any(run.caught_up for run in life.history.runs.values())
