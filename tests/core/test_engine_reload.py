"""Reload: what new tables change for runs that wait, back off or are going."""

from datetime import datetime, timedelta

from cronjob.core.attempt import Attempt
from cronjob.core.events import EndAttempt
from cronjob.core.run import Run
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def endless(_run: Run, _attempt: Attempt) -> Act:
    return Act(lasts=None, obeys_after=timedelta(seconds=3))


def at_nine(text: str, *, slots: int = 16) -> Simulation:
    simulation = Simulation(entries_of(text), start=START, slots=slots, script=endless)
    simulation.run_until(NINE)
    return simulation


def starts(simulation: Simulation) -> list[tuple[str, str]]:
    return [(f"{started:%H:%M:%S}", key) for started, key, _ in simulation.starts()]


def graces(simulation: Simulation) -> list[float]:
    return [effect.grace for _, effect in simulation.timeline if isinstance(effect, EndAttempt)]


def test_unchanged_entries_keep_their_next_fire_time_over_a_reload() -> None:
    text = "0 * * * * name=a root x\n"
    simulation = at_nine(text)
    simulation.clock.advance(timedelta(hours=1, minutes=2))  # 10:00 is due and not taken yet
    simulation.reload(entries_of(f"{text}1 10 * * * name=new root x\n"))
    assert starts(simulation) == [
        ("09:00:00", "a@2026-03-02T09:00Z"),
        ("10:02:00", "a@2026-03-02T10:00Z"),
    ]


def test_what_is_due_before_a_reload_starts_by_the_old_tables() -> None:
    simulation = at_nine("1 9 * * * name=gone root x\n")
    simulation.clock.advance(MINUTE)
    simulation.reload({})
    assert starts(simulation) == [("09:01:00", "gone@2026-03-02T09:01Z")]


def test_waiting_runs_of_entries_that_left_are_dropped_and_running_ones_go_on() -> None:
    simulation = at_nine(
        "0 9 * * * name=runs root x\n0 9 * * * name=waits root x\n"
        "0 9 * * * name=later jitter=30m root x\n0 9 * * * name=stays root x\n",
        slots=1,
    )
    simulation.reload(entries_of("0 9 * * * name=stays root x\n"))
    assert sorted(
        report.text.partition("@")[0] for report in simulation.reports("run-dropped")
    ) == [
        "later",
        "waits",
    ]
    assert sorted(simulation.state.runs) == ["runs@2026-03-02T09:00Z", "stays@2026-03-02T09:00Z"]
    assert graces(simulation) == []
    simulation.finish("runs@2026-03-02T09:00Z", exited())
    assert [key.partition("@")[0] for _, key in starts(simulation)] == ["runs", "stays"]


def test_a_waiting_run_starts_as_its_entry_reads_now() -> None:
    simulation = at_nine("0 9 * * * name=a root x\n0 9 * * * name=b root wrong\n", slots=1)
    simulation.reload(entries_of("0 9 * * * name=b root right\n"))
    simulation.finish("a@2026-03-02T09:00Z", exited())
    (run,) = simulation.state.runs.values()
    assert (run.label, run.entry.command, run.attempt.number) == ("b", "right", 1)


def test_a_run_that_no_longer_fits_the_pool_blocks_nobody() -> None:
    simulation = at_nine(
        "0 9 * * * name=a slots=4 root x\n0 9 * * * name=b slots=8 root x\n", slots=8
    )
    simulation.reload(
        entries_of("0 9 * * * name=a slots=4 root x\n0 9 * * * name=b slots=3 root x\n"), slots=4
    )
    simulation.finish("a@2026-03-02T09:00Z", exited())
    assert [key for _, key, _ in simulation.starts("b")] == ["b@2026-03-02T09:00Z"]
    assert simulation.state.slots_used == 3


def test_a_waiting_run_is_dropped_for_the_reason_for_which_its_entry_is_gone() -> None:
    text = "0 9 * * * name=a slots=4 root x\n0 9 * * * name=b slots=3 root x\n"
    simulation = at_nine(text + "0 9 * * * name=c root x\n", slots=4)
    simulation.reload(entries_of(text), slots=2)
    assert [report.text.rpartition(": ")[2] for report in simulation.reports("run-dropped")] == [
        "its entry is refused now",
        "its entry is in no table any more",
    ]


def test_an_attempt_keeps_the_slots_and_the_grace_it_started_with() -> None:
    simulation = at_nine("0 9 * * * name=a slots=3 grace=1s root x\n", slots=4)
    simulation.reload(entries_of("0 9 * * * name=a slots=1 grace=9s root x\n"))
    assert simulation.state.slots_used == 3
    simulation.stop()
    assert graces(simulation) == [1.0]
    simulation.run_until(NINE + MINUTE)
    assert simulation.state.slots_used == 0


def test_the_first_in_line_starts_when_its_entry_asks_for_fewer_slots_now() -> None:
    text = "0 9 * * * name=full root x\n0 9 * * * name=wide slots={} root x\n"
    simulation = at_nine(text.format(2), slots=2)
    assert len(simulation.starts("wide")) == 0
    simulation.reload(entries_of(text.format(1)))
    assert len(simulation.starts("wide")) == 1
