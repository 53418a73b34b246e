"""The public fakes do what their pages say: tests stand on them."""

import asyncio
from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.events import Moment
from cronjob.core.run import Run
from cronjob.ports import Clock, Command, Launcher
from cronjob.testing import (
    Act,
    FakeClock,
    FakeLauncher,
    Simulation,
    entries_of,
    exited,
    killed,
    not_started,
)

at = datetime.fromisoformat
NOON = at("2026-03-02T12:00Z")
HOUR = timedelta(hours=1)
TRUE = Command(argv=("/bin/true",), environment={}, cwd="/", uid=1, gid=1, groups=())


def test_the_clock_has_two_hands() -> None:
    clock = FakeClock(NOON)
    clock.advance(HOUR)
    clock.jump_wall(-3 * HOUR)
    assert clock.moment() == Moment(NOON - 2 * HOUR, 3600.0)
    implemented: Clock = clock
    assert (implemented.now(), implemented.monotonic()) == (NOON - 2 * HOUR, 3600.0)


def test_the_clock_refuses_what_no_clock_does() -> None:
    with pytest.raises(ValueError, match="names no instant"):
        FakeClock(NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="time does not go back"):
        FakeClock(NOON).advance(-HOUR)


def test_the_launcher_records_and_reports_what_the_test_lets_happen() -> None:
    heard: list[tuple[object, ...]] = []
    fake = FakeLauncher(
        started=lambda *words: heard.append(words), ended=lambda *words: heard.append(words)
    )
    launcher: Launcher = fake
    for attempt in ("a/1", "b/1", "c/1"):
        launcher.launch(attempt, TRUE, 1)
    launcher.end("b/1", 5.0)
    assert heard == []
    fake.start("a/1", 7, "a note")
    fake.finish("a/1", exited(3))
    fake.finish("c/1", not_started("no account"))
    assert fake.launches == [("a/1", TRUE), ("b/1", TRUE), ("c/1", TRUE)]
    assert (fake.ends, fake.going) == ([("b/1", 5.0)], {"b/1"})
    asyncio.run(launcher.stop(1.0))
    assert fake.stopped
    assert heard == [
        ("a/1", 7, "a note"),
        ("a/1", Ending(status=3 << 8)),
        ("c/1", Ending(error="no account")),
        ("b/1", Ending(status=9)),
    ]
    with pytest.raises(KeyError):
        fake.finish("a/1", exited())


def test_a_table_in_error_makes_no_simulation() -> None:
    with pytest.raises(ValueError, match=r'table:2:1: minute "61" is out of range'):
        entries_of("0 9 * * * root true\n61 9 * * * root true\n")


def test_the_example_of_the_page_is_true() -> None:
    friday_noon, tuesday = at("2026-02-27T12:00Z"), at("2026-03-03T00:00Z")
    simulation = Simulation(entries_of("0 9 * * 1-5 name=open root true\n"), start=friday_noon)
    simulation.run_until(tuesday)
    assert simulation.starts() == [(at("2026-03-02T09:00Z"), "open@2026-03-02T09:00Z", 1)]
    assert simulation.clock.now() == tuesday


def test_the_script_decides_about_each_attempt() -> None:
    def script(run: Run, attempt: Attempt) -> Act:
        if run.label == "never":
            return Act(lasts=timedelta(), ending=not_started("no account"))
        return Act(lasts=attempt.number * HOUR, ending=killed(11))

    simulation = Simulation(
        entries_of("0 13 * * * name=never root x\n0 13 * * * name=dies retry=1,1h root x\n"),
        start=NOON,
        script=script,
    )
    simulation.run_until(NOON + 6 * HOUR)
    assert [report.text for report in simulation.reports("attempt-ended")] == [
        "never@2026-03-02T13:00Z: attempt 1 not-started: no account (table:1)",
        "dies@2026-03-02T13:00Z: attempt 1 signaled: signal 11 after 1h (table:2)",
        "dies@2026-03-02T13:00Z: attempt 2 signaled: signal 11 after 2h (table:2)",
    ]
    assert [at for at, _, number in simulation.starts() if number == 2] == [NOON + 3 * HOUR]


@pytest.mark.parametrize(
    ("obeys_after", "signal", "seconds"), [(0, 15, 60), (10, 15, 70), (11, 9, 70)]
)
def test_an_attempt_that_is_told_to_end_obeys_or_is_killed(
    obeys_after: int, signal: int, seconds: int
) -> None:
    act = Act(lasts=HOUR, obeys_after=timedelta(seconds=obeys_after))
    simulation = Simulation(
        entries_of("0 13 * * * timeout=1m grace=10s root x\n"),
        start=NOON,
        script=lambda _run, _attempt: act,
    )
    simulation.run_until(NOON + 2 * HOUR)
    (report,) = simulation.reports("attempt-ended")
    minutes = f"1m {seconds - 60}s" if seconds > 60 else "1m"
    assert f"timed-out: signal {signal} after {minutes}" in report.text


def test_an_attempt_that_ends_during_its_grace_ends_as_it_does() -> None:
    act = Act(lasts=timedelta(seconds=63), ending=exited(4), obeys_after=HOUR)
    simulation = Simulation(
        entries_of("0 13 * * * timeout=1m grace=10s root x\n"),
        start=NOON,
        script=lambda _run, _attempt: act,
    )
    simulation.run_until(NOON + 2 * HOUR)
    (report,) = simulation.reports("attempt-ended")
    assert "timed-out: exit status 4 after 1m 3s" in report.text
