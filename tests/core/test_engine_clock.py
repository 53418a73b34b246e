"""Two clocks that disagree: steps of the wall clock, suspends, and time between events."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.events import (
    Announce,
    AttemptEnded,
    AttemptStarted,
    Event,
    Loaded,
    Moment,
    StopRequested,
    WakeAt,
)
from cronjob.core.run import Run
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
START = at("2026-03-02T09:57Z")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
BOTH = "0,30 8-12 * * * name=fixed root x\n*/30 * * * * name=wild root x\n"


def simulated(text: str = BOTH, start: datetime = START) -> Simulation:
    return Simulation(entries_of(text), start=start)


def starts(simulation: Simulation, label: str | None = None) -> list[str]:
    return [
        f"{started:%H:%M} {key.partition('@')[2]}" for started, key, _ in simulation.starts(label)
    ]


def keys_after(simulation: Simulation, count: int) -> list[str]:
    return sorted(key for _, key, _ in simulation.starts()[count:])


# -- back ----------------------------------------------------------------------------------------


def test_after_a_short_step_back_fixed_entries_are_quiet_and_wildcards_run_again() -> None:
    simulation = simulated()
    simulation.run_until(at("2026-03-02T10:05Z"))
    simulation.jump_wall(-HOUR)
    simulation.run_until(at("2026-03-02T10:35Z"))
    assert starts(simulation, "fixed") == ["10:00 2026-03-02T10:00Z", "10:30 2026-03-02T10:30Z"]
    assert starts(simulation, "wild") == [
        "10:00 2026-03-02T10:00Z",
        "09:30 2026-03-02T09:30Z#2",
        "10:00 2026-03-02T10:00Z#2",
        "10:30 2026-03-02T10:30Z",  # what never was is no repetition
    ]


@pytest.mark.parametrize(
    ("step", "fixed"),
    [
        (timedelta(hours=3), []),
        (timedelta(hours=3, seconds=1), ["07:30 2026-03-02T07:30Z#2", "08:00 2026-03-02T08:00Z#2"]),
    ],
)
def test_after_a_step_back_of_more_than_three_hours_all_are_planned_anew(
    step: timedelta, fixed: list[str]
) -> None:
    simulation = simulated("0,30 7-12 * * * name=fixed root x\n")
    simulation.run_until(at("2026-03-02T10:05Z"))
    simulation.jump_wall(-step)
    simulation.run_until(at("2026-03-02T08:00Z"))
    assert starts(simulation)[1:] == fixed


def test_several_short_steps_back_do_not_silence_fixed_entries_beyond_three_hours() -> None:
    simulation = simulated("30 * * * * name=wild root x\n0,30 6-12 * * * name=fixed root x\n")
    simulation.run_until(at("2026-03-02T10:05Z"))
    simulation.jump_wall(-2 * HOUR)
    simulation.jump_wall(-2 * HOUR)
    simulation.run_until(at("2026-03-02T06:30Z"))
    assert starts(simulation, "fixed")[1:] == ["06:30 2026-03-02T06:30Z#3"]


def test_a_mark_that_was_dropped_does_not_count_against_a_later_short_step() -> None:
    simulation = simulated("0,30 5-12 * * * name=fixed root x\n")
    simulation.run_until(at("2026-03-02T10:05Z"))
    simulation.jump_wall(-4 * HOUR)  # the old time was wrong: 6:05
    simulation.run_until(at("2026-03-02T06:35Z"))
    simulation.jump_wall(-HOUR)
    simulation.run_until(at("2026-03-02T07:00Z"))
    assert starts(simulation, "fixed")[1:] == [
        "06:30 2026-03-02T06:30Z#2",
        "07:00 2026-03-02T07:00Z#3",
    ]


def test_what_was_started_in_the_instant_of_a_step_is_a_repetition_afterwards() -> None:
    simulation = Simulation(
        entries_of("0 10 * * * name=a root x\n* * * * * name=wild root x\n"),
        start=START,
        script=lambda _run, _attempt: Act(lasts=None),
    )
    simulation.run_until(at("2026-03-02T10:00Z"))
    simulation.jump_wall(-SECOND)
    simulation.run_until(at("2026-03-02T10:00Z"))
    assert starts(simulation, "wild")[-2:] == [
        "10:00 2026-03-02T10:00Z",
        "10:00 2026-03-02T10:00Z#2",
    ]


def test_each_step_back_is_a_pass_of_its_own() -> None:
    simulation = simulated("*/30 * * * * name=wild root x\n")
    for _ in range(3):
        simulation.run_until(at("2026-03-02T10:01Z"))
        simulation.jump_wall(-5 * MINUTE)
    assert starts(simulation) == [
        "10:00 2026-03-02T10:00Z",
        "10:00 2026-03-02T10:00Z#2",
        "10:00 2026-03-02T10:00Z#3",
    ]


def test_a_step_that_is_made_up_for_at_once_repeats_nothing() -> None:
    simulation = simulated()
    simulation.run_until(at("2026-03-02T10:05Z"))
    simulation.jump_wall(-HOUR)
    simulation.jump_wall(HOUR)
    simulation.run_until(at("2026-03-02T10:29Z"))
    assert len(simulation.starts("fixed")) == 1
    assert [report.text for report in simulation.reports("clock-stepped")] == [
        "the clock went back by 1h",
        "the clock went forward by 1h",
    ]


def moved(simulation: Simulation, by: timedelta) -> Moment:
    simulation.clock.jump_wall(by)
    return simulation.clock.moment()


@pytest.mark.parametrize("kind", ["loaded", "started", "ended", "stop"])
def test_whatever_the_event_a_step_is_seen_once(kind: str) -> None:
    simulation = Simulation(
        entries_of(BOTH), start=START, script=lambda _run, _attempt: Act(lasts=None)
    )
    simulation.run_until(at("2026-03-02T10:05Z"))
    key = "wild@2026-03-02T10:00Z"
    moment = moved(simulation, -HOUR)
    events: dict[str, Event] = {
        "loaded": Loaded(moment=moment, entries=simulation.state.entries),
        "started": AttemptStarted(moment, key, 1),
        "ended": AttemptEnded(moment, key, exited()),
        "stop": StopRequested(moment),
    }
    simulation.handle(events[kind])
    simulation.wake()
    assert len(simulation.reports("clock-stepped")) == 1
    assert simulation.state.passes == 2
    if kind != "stop":
        assert simulation.state.awake.wall == at("2026-03-02T09:30Z")


@pytest.mark.parametrize(
    ("by", "steps"),
    [
        (timedelta(milliseconds=999), 0),
        (-timedelta(milliseconds=999), 0),
        (SECOND, 1),
        (-SECOND, 1),
    ],
)
def test_the_clocks_disagree_from_a_second_on(by: timedelta, steps: int) -> None:
    simulation = simulated()
    simulation.clock.advance(MINUTE)
    simulation.jump_wall(by)
    assert len(simulation.reports("clock-stepped")) == steps


def test_passing_time_is_no_step() -> None:
    simulation = simulated()
    simulation.run_until(START + timedelta(days=2))
    assert simulation.reports("clock-stepped") == []


# -- forward -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "expected", "missed"),
    [
        ("00:02", [], 0),  # nothing was jumped over
        ("00:08", ["fixed@2026-03-02T10:00Z", "wild@2026-03-02T10:00Z"], 0),  # 5 min late
        ("00:09", ["fixed@2026-03-02T10:00Z"], 1),
        ("00:33", ["fixed@2026-03-02T10:30Z", "wild@2026-03-02T10:30Z"], 1),
        ("01:20", ["fixed@2026-03-02T11:00Z"], 1),
        ("03:03", ["fixed@2026-03-02T12:30Z", "wild@2026-03-02T13:00Z"], 1),  # 3 h late
        ("03:04", [], 1),
        ("99:00", [], 1),
    ],
)
def test_a_step_forward_starts_what_its_band_allows(
    by: str, expected: list[str], missed: int
) -> None:
    simulation = simulated()
    hours, minutes = by.split(":")
    simulation.jump_wall(timedelta(hours=int(hours), minutes=int(minutes)))
    assert keys_after(simulation, 0) == expected
    assert len(simulation.reports("missed")) == missed


def test_missed_fire_times_are_one_report_with_first_last_count_and_reason() -> None:
    simulation = simulated(
        "0 * * * * name=a root x\n0 * * * * name=b root x\n5 * * * * name=c root x\n"
    )
    simulation.jump_wall(timedelta(days=30))
    (report,) = simulation.reports("missed")
    assert report.text == (
        "3 entries missed fire times of 2 schedules between 2026-03-02 10:00:00Z and "
        "2026-04-01 09:57:00Z: woken 719h 57m late"
    )
    assert simulation.state.timetable.next_at == at("2026-04-01T10:00Z")
    (rows,) = [e.missed for _, e in simulation.timeline if isinstance(e, Announce) and e.missed]
    assert [(row.labels, row.first, row.last, row.count, row.why) for row in rows] == [
        (
            ("a", "b"),
            at("2026-03-02T10:00Z"),
            at("2026-04-01T09:00Z"),
            720,
            "woken 719h 57m late",
        ),
        (
            ("c",),
            at("2026-03-02T10:05Z"),
            at("2026-04-01T09:05Z"),
            720,
            "woken 719h 57m late",
        ),
    ]


@pytest.mark.parametrize(
    ("by", "fixed", "wild"),
    [
        ("01:33", ("10:00", "11:00", 3), ("10:00", "11:00", 3)),  # 11:30 starts
        ("01:20", ("10:00", "10:30", 2), ("10:00", "11:00", 3)),  # fixed starts once
    ],
)
def test_a_row_of_missed_fire_times_leaves_out_what_starts_late(
    by: str, fixed: tuple[str, str, int], wild: tuple[str, str, int]
) -> None:
    simulation = simulated()
    hours, minutes = by.split(":")
    simulation.jump_wall(timedelta(hours=int(hours), minutes=int(minutes)))
    (rows,) = [e.missed for _, e in simulation.timeline if isinstance(e, Announce) and e.missed]
    found = {row.labels: (f"{row.first:%H:%M}", f"{row.last:%H:%M}", row.count) for row in rows}
    assert found == {("fixed",): fixed, ("wild",): wild}


def test_a_suspend_stops_timeouts_and_delays_but_not_fire_times() -> None:
    text = "58 9 * * * name=slow timeout=10m root x\n0 10 * * * name=due root x\n"
    simulation = Simulation(
        entries_of(text), start=START, script=lambda _run, _attempt: Act(lasts=None)
    )
    simulation.run_until(START + MINUTE)
    simulation.jump_wall(4 * MINUTE)  # asleep: only the wall clock goes on
    assert starts(simulation, "due") == ["10:02 2026-03-02T10:00Z"]
    simulation.run_until(at("2026-03-02T10:11:59Z"))
    assert simulation.reports("attempt-ended") == []
    simulation.run_until(at("2026-03-02T10:12Z"))  # ten minutes of being awake
    assert len(simulation.reports("attempt-ended")) == 1


def test_a_run_in_its_jitter_is_not_touched_by_a_step() -> None:
    entries = entries_of("0 10 * * * name=late jitter=30m root x\n", host="h")
    delay = entries["late"].start_delay
    simulation = Simulation(entries, start=START)
    simulation.run_until(at("2026-03-02T10:00Z"))
    simulation.jump_wall(-HOUR)
    simulation.run_until(at("2026-03-02T09:00Z") + delay + SECOND)
    assert [key for _, key, _ in simulation.starts()] == ["late@2026-03-02T10:00Z"]


def test_two_wake_ups_for_one_fire_time_start_it_once() -> None:
    simulation = simulated("0 10 * * * name=a root x\n")
    simulation.run_until(at("2026-03-02T10:00Z"))
    for _ in range(5):
        simulation.wake()
    assert len(simulation.starts()) == 1
    assert simulation.state.awake == WakeAt(at("2026-03-03T10:00Z"))


def retries_of(_run: Run, attempt: Attempt) -> Act:
    return Act(ending=exited(attempt.number == 1))


def test_a_retry_waits_on_the_clock_that_does_not_step() -> None:
    simulation = Simulation(
        entries_of("0 10 * * * name=flaky retry=1,10m root x\n"), start=START, script=retries_of
    )
    simulation.run_until(at("2026-03-02T10:00:30Z"))
    simulation.jump_wall(-30 * MINUTE)
    simulation.run_until(at("2026-03-02T09:45Z"))
    assert starts(simulation) == ["10:00 2026-03-02T10:00Z", "09:40 2026-03-02T10:00Z"]
