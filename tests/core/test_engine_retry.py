"""The ladder of attempts of one run, as the engine climbs it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.run import Run
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)


def failing_until(number: int) -> Callable[[Run, Attempt], Act]:
    """A script in which every attempt takes a second and fails, up to the one of that number."""
    return lambda _run, attempt: Act(lasts=SECOND, ending=exited(attempt.number < number))


def endless(_run: Run, _attempt: Attempt) -> Act:
    return Act(lasts=None)


def starts_of(simulation: Simulation, label: str) -> list[str]:
    return [f"{started:%H:%M:%S}/{number}" for started, _, number in simulation.starts(label)]


def test_two_failures_and_a_success_are_three_attempts_of_one_run() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=flaky retry=3,30s root true\n"),
        start=START,
        script=failing_until(3),
    )
    simulation.run_until(NINE + timedelta(hours=1))
    key = "flaky@2026-03-02T09:00Z"
    assert simulation.starts() == [
        (NINE, key, 1),
        (NINE + 31 * SECOND, key, 2),
        (NINE + 92 * SECOND, key, 3),
    ]
    assert [report.event for report in simulation.reports()] == [
        *("attempt-started", "attempt-ended", "retry-planned"),
        *("attempt-started", "attempt-ended", "retry-planned"),
        *("attempt-started", "attempt-ended"),
    ]
    assert not simulation.state.runs
    told = [report.text.partition("Z: ")[2] for report in simulation.reports("retry-planned")]
    assert told == ["retry 1 of 3 in 30s, at 09:00:31Z", "retry 2 of 3 in 1m, at 09:01:32Z"]


def test_an_exhausted_run_is_given_up_and_the_next_fire_time_is_untouched() -> None:
    simulation = Simulation(
        entries_of("0 * * * * name=broken retry=1,30s root true\n"),
        start=START,
        script=failing_until(99),
    )
    simulation.run_until(NINE + timedelta(minutes=30))
    assert starts_of(simulation, "broken") == ["09:00:00/1", "09:00:31/2"]
    (report,) = simulation.reports("gave-up")
    assert "retries are exhausted, gave up after 2 attempts" in report.text
    assert simulation.state.timetable.next_at == NINE + timedelta(hours=1)
    simulation.run_until(NINE + timedelta(hours=1))
    assert starts_of(simulation, "broken")[2:] == ["10:00:00/1"]


@pytest.mark.parametrize(
    ("chance", "second"), [(0.0, "09:00:28/2"), (0.5, "09:00:31/2"), (0.99999, "09:00:33/2")]
)
def test_chance_spreads_the_delay(chance: float, second: str) -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=flaky retry=1,30s root true\n"),
        start=START,
        script=failing_until(2),
        chance=chance,
    )
    simulation.run_until(NINE + timedelta(minutes=1))
    assert starts_of(simulation, "flaky")[1] == second


@pytest.mark.parametrize(
    ("delay", "attempts", "reason"),
    [
        ("4m58s", ["09:00:00/1", "09:04:59/2"], None),
        ("4m59s", ["09:00:00/1"], "the next fire time comes first"),
        ("6m", ["09:00:00/1"], "the next fire time comes first"),
    ],
)
def test_a_retry_starts_before_the_next_fire_time_or_not_at_all(
    delay: str, attempts: list[str], reason: str | None
) -> None:
    simulation = Simulation(
        entries_of(f"0,5 9 * * * name=flaky retry=1,{delay} root true\n"),
        start=START,
        script=failing_until(2),
    )
    simulation.run_until(NINE + timedelta(minutes=5) - SECOND)
    assert starts_of(simulation, "flaky") == attempts
    assert [reason in report.text for report in simulation.reports("gave-up") if reason] == (
        [True] if reason else []
    )


@pytest.mark.parametrize("slots", [0, 1])
def test_a_suspend_beyond_the_next_fire_time_supersedes_a_planned_retry(slots: int) -> None:
    simulation = Simulation(
        entries_of(f"0,5 9 * * * name=flaky slots={slots} retry=1,1m root true\n"),
        start=START,
        script=failing_until(2),
    )
    simulation.run_until(NINE + 10 * SECOND)
    simulation.clock.jump_wall(timedelta(minutes=6))  # asleep: only the wall clock goes on
    simulation.clock.advance(timedelta(minutes=1))
    simulation.wake()
    assert [key for _, key, _ in simulation.starts()] == [
        "flaky@2026-03-02T09:00Z",
        "flaky@2026-03-02T09:05Z",
    ]
    assert [report.text.partition(":")[2] for report in simulation.reports("gave-up")] == [
        "00Z: no further retry: the next fire time comes first, gave up after 1 attempt, "
        "the last one failed: exit status 1 (table:1)"
    ]


def test_a_retry_that_waits_for_slots_too_long_is_superseded_and_holds_nobody_up() -> None:
    simulation = Simulation(
        entries_of(
            "0,5 9 * * * name=flaky retry=1,1m slots=2 priority=1 root true\n"
            "1 9 * * * name=long slots=1 priority=2 root true\n"
            "2 9 * * * name=narrow slots=1 root true\n"
        ),
        start=START,
        slots=2,
        script=endless,
    )
    simulation.run_until(NINE)
    simulation.finish("flaky@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + timedelta(minutes=4))  # one slot is kept for the retry
    assert [key.partition("@")[0] for _, key, _ in simulation.starts()] == ["flaky", "long"]
    assert len(simulation.reports("run-waiting")) == 2
    simulation.reload(entries_of("1 9 * * * name=long root x\n2 9 * * * name=narrow root x\n"))
    assert starts_of(simulation, "narrow") == ["09:04:00/1"]


def test_a_waiting_retry_whose_time_is_over_leaves_the_line() -> None:
    simulation = Simulation(
        entries_of(
            "0 9 * * * name=flaky retry=1,1m retry-until=2m slots=2 priority=1 root true\n"
            "1 9 * * * name=long slots=1 priority=2 root true\n"
            "2 9 * * * name=narrow slots=1 root true\n"
        ),
        start=START,
        slots=2,
        script=endless,
    )
    simulation.run_until(NINE)
    simulation.finish("flaky@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + timedelta(minutes=2))
    assert starts_of(simulation, "narrow") == []
    simulation.clock.advance(SECOND)
    simulation.wake()
    assert starts_of(simulation, "narrow") == ["09:02:01/1"]
    (report,) = simulation.reports("gave-up")
    assert "retry-until is over" in report.text
    assert "flaky@2026-03-02T09:00Z" not in simulation.state.runs


def test_a_retry_releases_its_slots_while_it_backs_off() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=flaky retry=1,1m root true\n0 9 * * * name=b root true\n"),
        start=START,
        slots=1,
        script=failing_until(2),
    )
    simulation.run_until(NINE + timedelta(minutes=2))
    assert starts_of(simulation, "b") == ["09:00:01/1"]
    assert starts_of(simulation, "flaky") == ["09:00:00/1", "09:01:01/2"]


def test_each_attempt_has_its_own_timeout() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=slow timeout=1m retry=1,30s retry-on=timeout root true\n"),
        start=START,
        script=endless,
    )
    simulation.run_until(NINE + timedelta(minutes=10))
    assert starts_of(simulation, "slow") == ["09:00:00/1", "09:01:30/2"]
    ends = [dict(report.fields) for report in simulation.reports("attempt-ended")]
    assert [(e["CRONJOB_ATTEMPT"], e["CRONJOB_OUTCOME"]) for e in ends] == [
        ("1", "timed-out"),
        ("2", "timed-out"),
    ]


def test_an_entry_that_left_the_tables_is_not_tried_again() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=gone retry=3,30s root true\n"), start=START, script=endless
    )
    simulation.run_until(NINE)
    simulation.reload({})
    simulation.finish("gone@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + timedelta(hours=1))
    assert starts_of(simulation, "gone") == ["09:00:00/1"]
    assert not simulation.state.runs
    (report,) = simulation.reports("run-dropped")
    assert report.text == "gone@2026-03-02T09:00Z: dropped: its entry is in no table any more"


def test_a_run_that_needs_no_retry_is_not_dropped_because_its_entry_left() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=gone retry=3 root true\n"), start=START, script=endless
    )
    simulation.run_until(NINE)
    simulation.reload({})
    simulation.finish("gone@2026-03-02T09:00Z", exited())
    assert simulation.reports("run-dropped") == []
    assert not simulation.state.runs


@pytest.mark.parametrize("while_it", ["runs", "backs off"])
def test_a_retry_is_one_of_the_entry_as_it_reads_now(while_it: str) -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=a retry=2,30s root wrong\n"), start=START, script=endless
    )
    simulation.run_until(NINE)
    corrected = entries_of("0,1 9 * * * name=a retry=2,30s root right\n")
    if while_it == "runs":
        simulation.reload(corrected)
    simulation.finish("a@2026-03-02T09:00Z", exited(1))
    if while_it == "backs off":
        simulation.reload(corrected)
    simulation.run_until(NINE + timedelta(seconds=30))
    (run,) = simulation.state.runs.values()
    assert (run.entry.command, run.attempt.number) == ("right", 2)
    assert run.retry_before == NINE + timedelta(minutes=1)


@pytest.mark.parametrize("while_it", ["runs", "backs off"])
def test_a_ladder_is_as_long_as_the_entry_now_says(while_it: str) -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=a retry=9,30s root true\n"), start=START, script=endless
    )
    simulation.run_until(NINE)
    if while_it == "backs off":
        simulation.finish("a@2026-03-02T09:00Z", exited(1))
    simulation.reload(entries_of("0 9 * * * name=a root true\n"))
    if while_it == "runs":
        simulation.finish("a@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + timedelta(minutes=10))
    assert starts_of(simulation, "a") == ["09:00:00/1"]
    assert not simulation.state.runs


def test_the_longest_ladder_is_climbed_to_its_end() -> None:
    simulation = Simulation(
        entries_of("@reboot name=boot retry=1000,1m..1d root true\n"),
        start=START,
        script=failing_until(9999),
        reboot=True,
    )
    simulation.run_until(START + timedelta(days=1100))
    assert len(simulation.starts()) == 1001
    assert "gave up after 1001 attempts" in simulation.reports("gave-up")[0].text
