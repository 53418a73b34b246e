"""A reload that calls an entry otherwise: what waits and what is going of it goes on."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.found import Left
from cronjob.core.record import Progress
from cronjob.core.run import Run, RunState
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)
OLD = "old@2026-03-02T09:00Z"
RENAMED = {"old": "new"}


def fails_at_first(_run: Run, attempt: Attempt) -> Act:
    """What is tried again goes on until somebody ends it."""
    return Act(timedelta(), exited(1)) if attempt.number == 1 else Act(lasts=None)


def endless(_run: Run, _attempt: Attempt) -> Act:
    return Act(lasts=None)


def renamed(
    line: str,
    others: str = "",
    *,
    slots: int = 16,
    retries: bool = False,
    names: dict[str, str] | None = None,
) -> Simulation:
    """Some time after nine: the entry of `line` was called `old`, and is called `new` now."""
    script = fails_at_first if retries else endless
    before = entries_of(line.replace("NAME", "old") + others)
    simulation = Simulation(before, start=START, slots=slots, script=script)
    simulation.run_until(NINE)
    simulation.reload(entries_of(line.replace("NAME", "new") + others), renamed=names or RENAMED)
    return simulation


def starts(simulation: Simulation) -> list[tuple[str, str, int]]:
    return [(f"{when:%H:%M}", key, number) for when, key, number in simulation.starts()]


def reasons(simulation: Simulation, event: str) -> list[str]:
    return [report.text.partition(": ")[2] for report in simulation.reports(event)]


def test_a_retry_that_waits_comes_at_its_time() -> None:
    simulation = renamed("0 9 * * * name=NAME retry=1,10m root x\n", retries=True)
    simulation.run_until(NINE + 20 * MINUTE)
    # The delay varies by a tenth; the simulation draws its middle.
    assert starts(simulation) == [("09:00", OLD, 1), ("09:10", OLD, 2)]
    assert simulation.state.runs[OLD].label == "new"


def test_a_retry_reads_its_entry_as_it_is_now() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=old retry=1,10m timeout=1m root x\n"),
        start=START,
        script=fails_at_first,
    )
    simulation.run_until(NINE)
    simulation.reload(
        entries_of("0 9 * * * name=new retry=1,10m timeout=2m root x\n"), renamed=RENAMED
    )
    simulation.run_until(NINE + 13 * MINUTE)
    (ended,) = reasons(simulation, "attempt-ended")[1:]
    assert ended.startswith("attempt 2 timed-out")
    assert "after 120" in ended or "after 2m" in ended


@pytest.mark.parametrize(
    ("overlap", "at_ten"),
    [
        ("skip", []),
        ("queue", []),
        ("allow", ["new@2026-03-02T10:00Z"]),
        ("replace", ["new@2026-03-02T10:00Z"]),
    ],
)
def test_what_is_going_under_the_old_name_is_an_earlier_run(
    overlap: str, at_ten: list[str]
) -> None:
    simulation = renamed(f"0 * * * * name=NAME overlap={overlap} root x\n")
    simulation.run_until(NINE + 61 * MINUTE)
    assert [key for _, key, _ in simulation.starts()][1:] == at_ten
    assert (OLD in simulation.state.runs) == (overlap != "replace")


def test_a_run_that_waits_for_an_earlier_one_goes_on_when_that_has_ended() -> None:
    line = "0 9,10 * * * name=NAME overlap=queue root x\n"
    simulation = Simulation(
        entries_of(line.replace("NAME", "old")), start=START, slots=16, script=endless
    )
    simulation.run_until(NINE + 60 * MINUTE)
    held = simulation.state.runs["old@2026-03-02T10:00Z"]
    assert held.state is RunState.HELD
    simulation.reload(entries_of(line.replace("NAME", "new")), renamed=RENAMED)
    simulation.finish(OLD, exited())
    assert [key for _, key, _ in simulation.starts()] == [OLD, held.key]


def test_a_run_that_waits_for_a_slot_keeps_its_place() -> None:
    others = "0 9 * * * name=other root x\n0 9 * * * name=third root x\n"
    simulation = Simulation(
        entries_of("0 9 * * * name=a root x\n0 9 * * * name=old root x\n" + others),
        start=START,
        slots=1,
        script=endless,
    )
    simulation.run_until(NINE)
    simulation.reload(
        entries_of("0 9 * * * name=a root x\n" + others + "0 9 * * * name=new root x\n"),
        renamed=RENAMED,
    )
    simulation.finish("a@2026-03-02T09:00Z", exited())
    assert [key for _, key, _ in simulation.starts()] == ["a@2026-03-02T09:00Z", OLD]


def test_the_share_of_the_pool_holds_over_a_rename() -> None:
    """Of four slots an entry holds two; what is set aside starts when one of these is free."""
    line = "*/10 * * * * name=NAME root x\n"
    simulation = Simulation(
        entries_of(line.replace("NAME", "old")), start=START, slots=4, script=endless
    )
    simulation.run_until(NINE + 20 * MINUTE)
    assert len(simulation.starts()) == 2
    simulation.reload(entries_of(line.replace("NAME", "new")), renamed=RENAMED)
    assert simulation.state.group_slots == {"new": 2}
    assert list(simulation.state.aside) == ["new"]
    simulation.run_until(NINE + 30 * MINUTE)
    assert len(simulation.starts()) == 2
    simulation.finish(OLD, exited())
    assert [key for _, key, _ in simulation.starts()][2:] == ["old@2026-03-02T09:20Z"]
    simulation.finish("old@2026-03-02T09:10Z", exited())
    assert [key for _, key, _ in simulation.starts()][3:] == ["new@2026-03-02T09:30Z"]


def test_two_that_swap_their_names_keep_their_own_runs() -> None:
    """The label of one is what the other was called before."""
    text = "0 9 * * * name={} retry=1,10m root x\n0 9 * * * name={} retry=1,20m root y\n"
    simulation = Simulation(
        entries_of(text.format("a", "b")), start=START, slots=16, script=fails_at_first
    )
    simulation.run_until(NINE)
    simulation.reload(entries_of(text.format("b", "a")), renamed={"a": "b", "b": "a"})
    commands = {run.key: run.entry.command for run in simulation.state.runs.values()}
    assert commands == {"a@2026-03-02T09:00Z": "x", "b@2026-03-02T09:00Z": "y"}
    labels = {run.key: run.label for run in simulation.state.runs.values()}
    assert labels == {"a@2026-03-02T09:00Z": "b", "b@2026-03-02T09:00Z": "a"}


def test_a_new_entry_that_takes_the_name_has_nothing_to_do_with_the_run() -> None:
    other = "5 9 * * * name=old overlap=skip root other\n"
    simulation = Simulation(
        entries_of("0 9 * * * name=old retry=1,10m root x\n"), start=START, script=fails_at_first
    )
    simulation.run_until(NINE)
    simulation.reload(
        entries_of("0 9 * * * name=new retry=1,10m root x\n" + other), renamed=RENAMED
    )
    simulation.run_until(NINE + 20 * MINUTE)
    assert starts(simulation)[1:] == [("09:05", "old@2026-03-02T09:05Z", 1), ("09:10", OLD, 2)]


def test_what_was_due_before_the_rename_is_not_due_again() -> None:
    line = "* * * * * name=NAME root x\n"
    simulation = Simulation(entries_of(line.replace("NAME", "old")), start=START, script=endless)
    simulation.run_until(NINE)
    simulation.clock.advance(MINUTE)  # 09:01 is due, and not taken yet
    simulation.reload(entries_of(line.replace("NAME", "new")), renamed=RENAMED)
    simulation.run_until(NINE + 2 * MINUTE)
    assert [key.partition("T")[0][:3] + key[-6:] for _, key, _ in simulation.starts()][1:] == [
        "old09:01Z",
        "new09:02Z",
    ]


def test_a_rename_with_unfinished_runs_is_said() -> None:
    simulation = renamed("0 9 * * * name=NAME root x\n")
    assert [report.text for report in simulation.reports("entry-renamed")] == [
        "new: it was called old; 1 run of it goes on"
    ]
    simulation.finish(OLD, exited())
    simulation.reload(entries_of("0 9 * * * name=third root x\n"), renamed={"new": "third"})
    assert len(simulation.reports("entry-renamed")) == 1
    assert simulation.state.slots_used == 0
    assert simulation.state.group_slots == {}


def test_a_renamed_entry_that_no_longer_fits_the_pool_drops_what_waits() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=old retry=1,10m slots=2 root x\n"),
        start=START,
        slots=4,
        script=fails_at_first,
    )
    simulation.run_until(NINE)
    table = entries_of("0 9 * * * name=new retry=1,10m slots=2 root x\n")
    simulation.reload(table, slots=1, renamed=RENAMED)
    assert reasons(simulation, "run-dropped") == ["dropped: its entry is refused now"]


def test_a_name_that_was_free_again_may_still_have_a_run() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=new root gone\n0 9 * * * name=old root x\n"),
        start=START,
        slots=4,
        script=endless,
    )
    simulation.run_until(NINE)
    simulation.reload(entries_of("0 9 * * * name=old root x\n"))
    simulation.reload(entries_of("0 9 * * * name=new root x\n"), renamed=RENAMED)
    both = {OLD, "new@2026-03-02T09:00Z"}
    assert simulation.state.group_slots == {"new": 2}
    assert {*simulation.state.of_label["new"]} == both
    for key in both:
        simulation.finish(key, exited())
    assert (simulation.state.group_slots, dict(simulation.state.of_label)) == ({}, {})


def test_that_many_runs_of_an_entry_wait_is_not_said_again_under_its_new_name() -> None:
    line = "* * * * * name=NAME overlap=allow root x\n"
    simulation = Simulation(
        entries_of(line.replace("NAME", "old")), start=START, slots=1, script=endless
    )
    simulation.run_until(NINE + 12 * MINUTE)
    assert len(simulation.reports("run-skipped")) == 1
    simulation.reload(entries_of(line.replace("NAME", "new")), renamed=RENAMED)
    simulation.run_until(NINE + 15 * MINUTE)
    assert len(simulation.reports("run-skipped")) == 1


def test_a_fire_time_of_which_the_daemon_before_had_a_record_has_it_under_the_new_name() -> None:
    line = "0 9 * * * name=NAME root x\n"
    simulation = Simulation(
        entries_of(line.replace("NAME", "old")),
        start=START,
        left=Left(progress=Progress(START), recorded=frozenset({OLD})),
        since={"old": START - MINUTE},
    )
    simulation.reload(entries_of(line.replace("NAME", "new")), renamed=RENAMED)
    simulation.run_until(NINE + MINUTE)
    assert starts(simulation) == []
