"""Fire times that were missed: which are made up for, in what order, and that each has one fate."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.catchup import MOST, MadeUp, Terms, made_up
from cronjob.core.fields import CatchUp
from cronjob.core.gates import Readings
from cronjob.core.missed import Absence, Missed
from cronjob.core.run import Run, RunState
from cronjob.core.schedule import Schedule
from cronjob.testing import Act, Simulation, entries_of, exited
from tests.core.lives import Life

at = datetime.fromisoformat
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SOON = timedelta(seconds=30)  # from one daemon to the next, where nothing is late
FIRST = at("2026-03-02T00:00Z")


def at_ten(day: int) -> datetime:
    return at(f"2026-03-{day:02}T10:00Z")


# -- one interval --------------------------------------------------------------------------------


def hourly(
    mode: str, *, within: timedelta | None = None, done: Iterable[int] = (), started: bool = False
) -> MadeUp:
    """What becomes of the fire times of an hourly schedule that were missed until half past ten."""
    until = at("2026-03-02T10:30Z")
    absence = Absence(FIRST, until, "asleep")
    recorded = frozenset(FIRST + hour * HOUR for hour in done)
    terms = Terms(CatchUp(mode), within, FIRST, recorded)
    schedule = Schedule.parse("0 * * * *", zone="UTC")
    return made_up(schedule, ("a",), terms, absence, until, until, started=started)


@pytest.mark.parametrize(
    ("fate", "starts", "missed"),
    [
        (hourly("none"), [], (1, 10, 10, "asleep")),
        (hourly("latest"), [10], (1, 9, 9, "asleep; catchup=latest runs once")),
        (hourly("latest", started=True), [], (1, 10, 10, "asleep; catchup=latest runs once")),
        (hourly("latest", done=[10]), [], (1, 9, 9, "asleep; catchup=latest runs once")),
        (hourly("latest", done=[1, 9]), [10], (2, 8, 7, "asleep; catchup=latest runs once")),
        (hourly("latest", within=30 * MINUTE), [10], (1, 9, 9, "asleep; catchup=latest runs once")),
        (
            hourly("latest", within=29 * MINUTE),
            [],
            (1, 10, 10, "asleep; older than catchup-within, 29 minutes"),
        ),
        (hourly("all"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None),
        (hourly("all", started=True), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None),
        (hourly("all", done=[3, 10]), [1, 2, 4, 5, 6, 7, 8, 9], None),
        (hourly("all", done=range(1, 11)), [], None),
        (
            hourly("all", within=150 * MINUTE),
            [8, 9, 10],
            (1, 7, 7, "asleep; older than catchup-within, 2 hours 30 minutes"),
        ),
        (
            hourly("all", within=150 * MINUTE, done=[7, 9]),
            [8, 10],
            (1, 6, 6, "asleep; older than catchup-within, 2 hours 30 minutes"),
        ),
    ],
)
def test_the_field_decides_what_is_made_up_for_and_the_rest_is_missed(
    fate: MadeUp, starts: list[int], missed: tuple[int, int, int, str] | None
) -> None:
    assert [fire.at.hour for fire in fate.starts] == starts
    row = fate.missed
    found = (row.first.hour, row.last.hour, row.count, row.why) if row else None
    assert found == missed


def test_of_more_than_a_hundred_the_newest_hundred_are_made_up_for() -> None:
    until = FIRST + 3650 * DAY
    schedule = Schedule.parse("* * * * *", zone="Europe/Berlin")
    terms = Terms(CatchUp.ALL, None, FIRST)
    fate = made_up(schedule, ("a",), terms, Absence(FIRST, until, "x"), until, until, started=False)
    assert fate.capped
    assert [fire.at for fire in fate.starts] == [until - n * MINUTE for n in range(MOST)][::-1]
    assert fate.missed == Missed(
        ("a",),
        FIRST + MINUTE,
        until - MOST * MINUTE,
        3650 * 1440 - MOST,
        "x; catchup=all makes up for the newest 100",
    )


@pytest.mark.parametrize("columns", ["30 2 29 2 *", "0 0 1 1 *", "*/7 1-3 * 3,10 0", "0 0 30 2 *"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia", "Africa/Cairo"])
@pytest.mark.parametrize("years", [1, 100])
def test_the_newest_are_the_end_of_what_a_walk_finds(columns: str, zone: str, years: int) -> None:
    schedule = Schedule.parse(columns, zone=zone)
    since, until = at("2000-05-01T10:17Z"), at("2000-05-01T10:17Z") + years * 365 * DAY
    walked = schedule.between(since, until)
    absence = Absence(since, until, "x")
    for count in (1, 2, MOST):
        assert absence.newest(schedule, count, since, until) == walked[-count:]


# -- a daemon ------------------------------------------------------------------------------------


def starts(simulation: Simulation) -> list[str]:
    """When which fire time started, as days and times of March 2026."""
    return [
        f"{when:%d %H:%M} {key.partition('@')[2][8:16]}" for when, key, _ in simulation.starts()
    ]


def down(text: str, pause: timedelta = 5 * DAY, **given: object) -> Life:
    """A daemon after another one died at ten on the 2nd, and nothing ran for the pause."""
    life = Life(text, start=at_ten(2))
    life.wake()
    return life.after(text, pause, **given)


def test_after_a_downtime_the_latest_runs_once_and_the_others_are_missed() -> None:
    life = down("0 9 * * * name=a catchup=latest root x\n0 9 * * * name=b root x\n")
    assert starts(life) == ["07 10:00 07T09:00"]
    assert [(row.labels, row.count) for row in life.history.missed] == [(("a",), 4), (("b",), 5)]
    (report,) = life.reports("caught-up")
    assert report.text == (
        "1 missed fire time of 1 entry is made up for, "
        "from 2026-03-07 09:00:00Z to 2026-03-07 09:00:00Z"
    )


def test_all_are_made_up_for_one_at_a_time_the_oldest_first() -> None:
    life = down("0 9 * * * name=a catchup=all root x\n", script=lambda *_: Act(lasts=HOUR))
    assert starts(life) == ["07 10:00 03T09:00"]
    waiting = [run for run in life.state.runs.values() if not run.attempts]
    assert {run.state for run in waiting} == {RunState.HELD}
    assert {run.wait.what for run in waiting if run.wait} == {
        "an earlier fire time to be made up for"
    }
    life.run_until(at_ten(8))
    assert starts(life) == [
        *("07 10:00 03T09:00", "07 11:00 04T09:00", "07 12:00 05T09:00"),
        *("07 13:00 06T09:00", "07 14:00 07T09:00", "08 09:00 08T09:00"),
    ]
    assert not life.history.missed
    assert not life.reports("run-waiting")


def test_the_next_waits_for_the_whole_ladder_of_the_one_before() -> None:
    def second_try(_run: Run, attempt: Attempt) -> Act:
        return Act(ending=exited(attempt.number == 1))

    text = "0 9 * * * name=a catchup=all retry=1,10m retry-until=1d root x\n"
    life = down(text, 2 * DAY, script=second_try)
    life.run_until(at_ten(4) + HOUR)
    assert starts(life) == [
        *("04 10:00 03T09:00", "04 10:10 03T09:00"),
        *("04 10:10 04T09:00", "04 10:20 04T09:00"),
    ]


def test_the_cap_is_said_and_what_lies_beyond_it_is_missed() -> None:
    life = down("* * * * * name=a catchup=all root x\n", DAY)
    assert sum(run.caught_up for run in life.state.runs.values()) == MOST
    (row,) = life.history.missed
    assert row.count == 1440 - MOST - 1  # the last minute is not late
    (report,) = life.reports("caught-up")
    assert report.text.endswith("no more than the newest 100 of an entry are: a missed more")


def test_they_do_not_crowd_out_what_is_due_now() -> None:
    life = down(
        "0 * * * * name=a catchup=all root x\n",
        30 * HOUR + MINUTE,
        script=lambda *_: Act(lasts=None),
    )
    life.run_until(life.clock.now() + 2 * HOUR)
    regular = [run for run in life.state.runs.values() if not run.caught_up]
    assert len(life.state.runs) == 32
    assert {run.state for run in regular} == {RunState.RUNNING}
    assert not life.reports("run-skipped")


OVERLAPS = "0,30 * * * * name=a overlap={} catchup=all catchup-within=95m root x\n"


@pytest.mark.parametrize(
    ("overlap", "started", "reasons"),
    [
        ("allow", "14:00>14:00 14:00>12:30 14:20>13:00 14:30>14:30 14:40>13:30 15:00>15:00", []),
        (
            "skip",
            "14:00>14:00 14:20>12:30 14:40>13:00 15:00>13:30",
            ["an earlier run is going"] * 2,
        ),
        ("queue", "14:00>14:00 14:20>12:30 14:40>13:00 15:00>13:30", ["superseded"]),
        (
            "replace",
            "14:00>14:00 14:20>12:30 14:30>13:00 14:30>14:30 14:50>13:30 15:00>15:00",
            ["replaced by a@2026-03-02T14:30Z", "replaced by a@2026-03-02T15:00Z"],
        ),
    ],
)
def test_what_is_due_now_goes_first_and_overlap_decides_about_what_comes_later(
    overlap: str, started: str, reasons: list[str]
) -> None:
    text = OVERLAPS.format(overlap)
    life = down(text, 4 * HOUR + SOON, script=lambda *_: Act(lasts=20 * MINUTE))
    life.run_until(at("2026-03-02T15:05Z"))
    assert [f"{s[3:8]}>{s[-5:]}" for s in starts(life)] == started.split()
    ended = [why for _, outcome, why in life.finished() if outcome in ("skipped", "cancelled")]
    assert ended == reasons


def test_a_deadline_holds_for_what_is_made_up_for_too() -> None:
    life = down("0 9 * * * name=a catchup=all deadline=30h root x\n")
    assert starts(life) == ["07 10:00 06T09:00"]
    missed = [key for key, outcome, _ in life.finished() if outcome == "missed"]
    assert missed == [f"a@2026-03-0{day}T09:00Z" for day in (3, 4, 5)]


def test_at_the_gates_it_neither_supersedes_nor_is_superseded() -> None:
    shut = Readings(9.0, 2**63, {"cpu": 0.0, "memory": 0.0, "io": 0.0}, mains=True)
    text = "0 * * * * name=a catchup=all when=load<4 root x\n"
    life = down(text, 3 * HOUR + SOON, gauges=lambda _life: shut)
    life.run_until(at("2026-03-02T14:30Z"))
    (skipped,) = [key for key, outcome, _ in life.finished() if outcome == "skipped"]
    assert skipped == "a@2026-03-02T13:00Z"  # by 14:00, as ever
    assert [(key[-6:], run.state) for key, run in life.state.runs.items()] == [
        ("11:00Z", RunState.GATED),
        ("12:00Z", RunState.HELD),
        ("14:00Z", RunState.GATED),
    ]


def test_however_many_wait_already_it_is_made_up_for() -> None:
    text = "*/5 * * * * name=a catchup=all root x\n"
    simulation = Simulation(
        entries_of(text), start=at_ten(2), slots=1, script=lambda *_: Act(lasts=None)
    )
    simulation.run_until(at_ten(2) + 56 * MINUTE)
    assert len(simulation.state.runs) == 11  # one goes, ten wait
    simulation.jump_wall(HOUR)
    made_up_for = [run for run in simulation.state.runs.values() if run.caught_up]
    assert len(made_up_for) == 12
    simulation.run_until(at_ten(2) + 2 * HOUR)  # and no more of the others wait than before
    assert len(simulation.state.runs) == 11 + 12


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (61, ["10:01:01 10:00"]),
        (185, ["10:03:05 10:02"]),
        (5 * 3600, ["15:00:00 15:00"]),
        (7 * 3600 - 1, ["16:59:59 16:58"]),
    ],
)
def test_after_a_step_or_a_suspend_the_field_and_not_the_band_decides(
    by: int, expected: list[str]
) -> None:
    text = "*/2 * * * * name=a catchup=latest root x\n"
    simulation = Simulation(entries_of(text), start=at("2026-03-02T09:59:59Z"))
    simulation.clock.advance(timedelta(seconds=1))
    simulation.jump_wall(timedelta(seconds=by))
    found = [f"{when:%H:%M:%S} {key[-6:-1]}" for when, key, _ in simulation.starts()]
    assert found == expected


def test_what_is_less_than_a_minute_late_is_not_made_up_for_but_on_time() -> None:
    text = "* * * * * name=a catchup=all root x\n"
    simulation = Simulation(entries_of(text), start=at_ten(2) - SECOND)
    simulation.jump_wall(timedelta(seconds=120.9))  # after 10:00
    late = {key[-6:-1]: run.caught_up for key, run in simulation.state.runs.items()}
    assert late == {"10:00": True, "10:01": False}


def test_nobody_makes_up_for_fire_times_before_the_schedule_was_in_force() -> None:
    text = "0 9 * * * name=a catchup=all root x\n0 9 * * * name=b catchup=all root x\n"
    life = down(text, since={"a": at_ten(4)})  # nobody knows of b
    assert list(life.state.runs) == [
        "a@2026-03-05T09:00Z",
        "a@2026-03-06T09:00Z",
        "a@2026-03-07T09:00Z",
    ]
    assert not life.history.missed


def test_a_fire_time_of_the_last_minute_is_not_that_of_an_entry_which_is_new() -> None:
    text = "0 10 * * * name=old root x\n0 10 * * * name=new root x\n"
    life = Life(text, start=at_ten(2) - SOON)
    life = life.after(text, MINUTE, since={"old": FIRST})
    assert [key for _, key, _ in life.starts()] == ["old@2026-03-02T10:00Z"]


DOUBT = "the history could not be written then, so they may have run"


def test_what_may_have_run_while_the_history_was_away_does_not_run_again() -> None:
    text = "0 9 * * * name=a catchup=all root x\n0 10 * * * name=b root x\n"
    life = Life(text, start=at_ten(2))
    left = life.history.left(uncertain_since=at_ten(4) - MINUTE)
    start = at_ten(7) + SOON
    since = dict.fromkeys("ab", at_ten(2))
    store = life.history.record
    simulation = Simulation(entries_of(text), start=start, left=left, since=since, store=store)
    simulation.run_until(start + MINUTE)
    assert starts(simulation) == ["07 10:00 03T09:00", "07 10:00 04T09:00"]
    rows = [(row.labels, row.first, row.last, row.why) for row in life.history.missed]
    assert rows == [
        (("b",), at_ten(3), at_ten(3), "no daemon was running"),
        (("a",), at_ten(5) - HOUR, at_ten(7) - HOUR, DOUBT),
        (("b",), at_ten(4), at_ten(7), DOUBT),  # the last one is only seconds late
    ]


def test_a_daemon_that_dies_while_it_makes_up_goes_on_where_it_was() -> None:
    text = "0 9 * * * name=a catchup=all root x\n"
    life = down(text, script=lambda *_: Act(lasts=HOUR))
    life.run_until(life.clock.now() + 90 * MINUTE)  # the second one is going
    life = life.after(text, SOON)
    life.run_until(at_ten(8))
    outcomes = [str(life.history.runs[key].outcome) for key in sorted(life.history.runs)]
    assert outcomes == ["succeeded", "lost", "succeeded", "succeeded", "succeeded", "succeeded"]
    assert not life.history.missed


def test_what_the_clock_comes_to_again_is_missed_and_made_up_for_anew() -> None:
    text = "*/30 * * * * name=a catchup=all root x\n"
    life = Life(text, start=at_ten(2) - 59 * MINUTE)
    life.run_until(at_ten(2))
    life.jump_wall(-HOUR)
    life = life.after(text, 35 * MINUTE)
    assert [key for _, key, _ in life.starts()] == ["a@2026-03-02T09:30Z#2"]


@pytest.mark.parametrize(
    ("pause", "started"), [(20, []), (65, ["10:30"]), (100, ["10:30", "11:00"])]
)
def test_after_a_step_back_and_a_restart_a_fixed_schedule_repeats_nothing(
    pause: int, started: list[str]
) -> None:
    text = "0,30 8-12 * * * name=fix catchup=all root x\n"
    life = Life(text, start=at_ten(2) - 59 * MINUTE)
    life.run_until(at_ten(2))
    life.jump_wall(-30 * MINUTE)
    life = life.after(text, pause * MINUTE)
    life.run_until(life.clock.now() + MINUTE)
    found = [key[-6:-1] for _, key, _ in life.starts()]
    assert found == started
    life.run_until(at("2026-03-02T12:10Z"))
    assert sorted(run.fire.strftime("%H:%M") for run in life.history.runs.values()) == [
        *("09:30", "10:00", "10:30", "11:00", "11:30", "12:00"),
    ]


def test_a_daemon_that_dies_in_a_burst_has_missed_only_what_had_not_begun() -> None:
    text = "".join(f"0 10 * * * name=e{number} root x\n" for number in range(5))
    life = Life(text, start=at_ten(2) - MINUTE, slots=1, batch=2)
    life.crosses = 1
    assert not life.survives(lambda life: life.run_until(at_ten(2)))
    begun = set(life.history.runs)
    assert len(begun) == 2
    life = life.after(text, HOUR)
    (row,) = life.history.missed
    assert {f"{label}@2026-03-02T10:00Z" for label in row.labels}.isdisjoint(begun)
    assert len(row.labels) == 3
