"""Whole days of a daemon, on a fake clock."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.events import Record
from cronjob.core.record import Progress
from cronjob.core.run import Run
from cronjob.testing import Act, MemoryHistory, Simulation, entries_of, exited, killed

at = datetime.fromisoformat
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def hours_of(simulation: Simulation, label: str) -> list[str]:
    """When an entry started, in UTC."""
    return [f"{started:%H:%M}" for started, _, _ in simulation.starts(label)]


# Paris goes from 2:00 to 3:00 and back from 3:00 to 2:00, both at 1:00 UTC; New York follows at
# 7:00 UTC in March and at 6:00 UTC in November, on other days.
NIGHT = (
    "30 2 * * *    name=fixed  tz={zone} root true\n"
    "*/30 1-3 * * * name=wild   tz={zone} root true\n"
    "@hourly       name=hourly tz={zone} root true\n"
    "0 9 * * *     name=nine   tz={zone} root true\n"
)


@pytest.mark.parametrize(
    ("zone", "day", "fixed", "wild", "nine", "hours"),
    [
        (
            "Europe/Paris",
            "2026-03-29",
            ["01:00"],  # 2:30 does not exist: at the first instant after the gap
            ["00:00", "00:30", "01:00", "01:30"],
            ["07:00"],
            23,
        ),
        (
            "Europe/Paris",
            "2026-10-25",
            ["00:30"],  # the first of two
            ["23:00", "23:30", "00:00", "00:30", "01:00", "01:30", "02:00", "02:30"],
            ["08:00"],
            25,
        ),
        (
            "America/New_York",
            "2026-03-08",
            ["07:00"],
            ["06:00", "06:30", "07:00", "07:30"],
            ["13:00"],
            23,
        ),
        (
            "America/New_York",
            "2026-11-01",
            ["07:30"],  # only 1:00 to 2:00 happens twice
            ["05:00", "05:30", "06:00", "06:30", "07:00", "07:30", "08:00", "08:30"],
            ["14:00"],
            25,
        ),
    ],
)
def test_the_day_the_clocks_change(
    zone: str, day: str, fixed: list[str], wild: list[str], nine: list[str], hours: int
) -> None:
    entries = entries_of(NIGHT.format(zone=zone))
    midnight = datetime.fromisoformat(day).replace(tzinfo=entries["fixed"].schedule.zone)
    simulation = Simulation(entries, start=midnight.astimezone(UTC) - SECOND)
    simulation.run_until((midnight + DAY).astimezone(UTC) - SECOND)
    assert hours_of(simulation, "fixed") == fixed
    assert hours_of(simulation, "wild") == wild
    assert hours_of(simulation, "nine") == nine
    assert len(simulation.starts("hourly")) == hours


def test_two_zones_change_their_clocks_in_one_daemon_each_for_itself() -> None:
    table = (
        "0 9 * * * name=paris tz=Europe/Paris root true\n"
        "0 9 * * * name=york tz=America/New_York root true\n"
    )
    simulation = Simulation(entries_of(table), start=at("2026-03-07T00:00Z"))
    simulation.run_until(at("2026-03-31T00:00Z"))
    assert Counter(hours_of(simulation, "paris")) == {"08:00": 22, "07:00": 2}
    assert Counter(hours_of(simulation, "york")) == {"14:00": 1, "13:00": 23}


def test_two_hundred_entries_at_once_share_eight_slots() -> None:
    table = "".join(f"0 9 * * * name=e{i:03} root true\n" for i in range(200))
    simulation = Simulation(
        entries_of(table),
        start=at("2026-03-02T08:00Z"),
        slots=8,
        script=lambda _run, _attempt: Act(lasts=timedelta(seconds=6)),
    )
    nine, busiest = at("2026-03-02T09:00Z"), 0
    simulation.run_until(nine)
    while simulation.state.runs:
        busiest = max(busiest, simulation.state.slots_used)
        simulation.run_until(simulation.clock.now() + SECOND)
    assert busiest == 8
    starts = Counter((started - nine) // SECOND for started, _, _ in simulation.starts())
    assert starts == {6 * batch: 8 for batch in range(25)}
    labels = [key.partition("@")[0] for _, key, _ in simulation.starts()]
    assert labels == [f"e{i:03}" for i in range(200)]
    assert len(simulation.reports("run-waiting")) == 192
    records = [effect for _, effect in simulation.timeline if isinstance(effect, Record)]
    progress = [change for one in records for change in one.changes if isinstance(change, Progress)]
    assert progress[1] == Progress(nine)


def flaky(run: Run, attempt: Attempt) -> Act:
    """Every third hour is bad: it fails twice, by signal and by code, and then gets through."""
    endings = (killed(11), exited(75), exited(0)) if run.fire.at.hour % 3 == 0 else (exited(0),)
    return Act(lasts=timedelta(seconds=10), ending=endings[attempt.number - 1])


def test_a_flaky_entry_gets_through_the_day() -> None:
    simulation = Simulation(
        entries_of("0 * * * * name=sync retry=3,30s..2m root true\n"),
        start=at("2026-03-02T00:00Z") - SECOND,
        script=flaky,
    )
    simulation.run_until(at("2026-03-02T23:59Z"))
    attempts = Counter(key for _, key, _ in simulation.starts())
    assert len(attempts) == 24
    assert Counter(attempts.values()) == {3: 8, 1: 16}
    bad = [f"{started:%H:%M:%S}" for started, key, _ in simulation.starts() if "T03:00" in key]
    assert bad == ["03:00:00", "03:00:40", "03:01:50"]
    outcomes = Counter(
        dict(r.fields)["CRONJOB_OUTCOME"] for r in simulation.reports("attempt-ended")
    )
    assert outcomes == {"succeeded": 24, "failed": 8, "signaled": 8}
    assert simulation.reports("gave-up") == []


def test_an_entry_that_always_fails_gives_up_every_hour_before_the_next_run() -> None:
    simulation = Simulation(
        entries_of("0 * * * * name=broken retry=20,5m..20m root true\n"),
        start=at("2026-03-02T00:00Z") - SECOND,
        script=lambda _run, _attempt: Act(lasts=timedelta(minutes=2), ending=exited(1)),
    )
    simulation.run_until(at("2026-03-02T12:00Z") - SECOND)
    per_run = Counter(key for _, key, _ in simulation.starts())
    assert set(per_run.values()) == {4}  # at :00, :07, :19 and :41; the next would be at 1:03
    assert len(simulation.reports("gave-up")) == 12


def test_a_laptop_that_sleeps_over_the_night_misses_it_and_says_so_once() -> None:
    table = "30 2 * * * name=backup root true\n*/5 * * * * name=sync root true\n"
    simulation = Simulation(entries_of(table), start=at("2026-03-02T20:00Z"))
    simulation.run_until(at("2026-03-02T23:02Z"))
    simulation.jump_wall(timedelta(hours=8))  # asleep: only the wall clock goes on
    simulation.run_until(at("2026-03-03T07:31Z"))
    assert hours_of(simulation, "backup") == []
    assert hours_of(simulation, "sync")[-7:] == ["23:00", *(f"07:{m:02}" for m in range(5, 31, 5))]
    (report,) = simulation.reports("missed")
    assert "2 entries missed fire times of 2 schedules" in report.text


def test_a_week_of_restarts_loses_nothing_and_repeats_nothing() -> None:
    entries = entries_of("*/7 * * * * name=often root true\n15 2 * * * name=nightly root true\n")
    now, started = at("2026-03-02T00:00:30Z"), list[str]()
    history, since = MemoryHistory(), dict.fromkeys(entries, now)
    for hours in (1, 5, 0.1, 26, 3, 0.01, 60):
        daemon = Simulation(
            entries, start=now, store=history.record, left=history.left(), since=since
        )
        daemon.run_until(now + timedelta(hours=hours))
        daemon.stop()
        daemon.run_until(daemon.clock.now() + SECOND)
        assert daemon.stopped is not None
        started += [key for _, key, _ in daemon.starts()]
        assert daemon.reports("missed") == []
        now = daemon.clock.now() + timedelta(seconds=45)
    expected = [
        f"{label}@{fire.at:%Y-%m-%dT%H:%MZ}"
        for label, entry in entries.items()
        for fire in entry.schedule.between(at("2026-03-02T00:00:30Z"), now - 45 * SECOND)
    ]
    assert sorted(started) == sorted(expected)
