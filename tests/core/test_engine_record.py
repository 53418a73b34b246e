"""What a step has stored, and what waits for that."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Ending
from cronjob.core.config import Hooks
from cronjob.core.engine import step
from cronjob.core.events import (
    Announce,
    AttemptStarted,
    ClaimRefused,
    Effect,
    Finished,
    Launch,
    Loaded,
    Moment,
    Record,
    Woken,
)
from cronjob.core.found import Left
from cronjob.core.record import Begun, Change, Ended, Launching, Over, Planned, Progress, Started
from cronjob.core.run import Run
from cronjob.core.state import State
from cronjob.testing import Act, MemoryHistory, Simulation, entries_of, exited
from tests.core.lives import Life

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
A = "a@2026-03-02T09:00Z"


def at_nine(text: str, *, slots: int = 4) -> tuple[State, tuple[Effect, ...]]:
    state, _ = step(State(slots=slots), Loaded(moment=Moment(START, 0.0), entries=entries_of(text)))
    return step(state, Woken(Moment(NINE, 60.0)))


def changes(effects: tuple[Effect, ...]) -> list[Change]:
    """What is recorded of runs and fire times; progress and plans are left out."""
    found = [change for one in effects if isinstance(one, Record) for change in one.changes]
    return [change for change in found if not isinstance(change, (Progress, Planned))]


def words(effects: tuple[Effect, ...]) -> list[str]:
    return [type(change).__name__ for change in changes(effects)]


def life(text: str, **given: object) -> Life:
    """A daemon at nine, whose attempts last until a test ends them."""
    daemon = Life(text, start=START, script=lambda _run, _attempt: Act(lasts=None), **given)  # type: ignore[arg-type] # as named
    daemon.run_until(NINE)
    return daemon


# -- record before you act -----------------------------------------------------------------------


def test_a_run_is_claimed_and_its_attempt_recorded_before_it_is_launched() -> None:
    _, effects = at_nine("0 9 * * * name=a root x\n")
    assert [type(effect) for effect in effects[:2]] == [Record, Launch]
    begun, launching = changes(effects)
    assert isinstance(begun, Begun)
    assert (begun.run.key, begun.at, begun.run.pass_number) == (A, NINE, 1)
    assert isinstance(launching, Launching)
    assert (launching.run.key, launching.attempt.number) == (A, 1)


def test_a_step_has_one_record_and_it_comes_first() -> None:
    state, effects = at_nine("0 9 * * * root x\n" * 50)
    for _ in range(2):
        assert [number for number, one in enumerate(effects) if isinstance(one, Record)] == [0]
        state, effects = step(state, Woken(Moment(NINE, 60.0)))


def test_the_start_of_a_process_is_noted_and_nothing_waits_for_that() -> None:
    state, _ = at_nine("0 9 * * * name=a root x\n")
    _, effects = step(state, AttemptStarted(Moment(NINE + SECOND, 61.0), A, 4711))
    assert effects[0] == Record((Started(A, 1, 4711),), urgent=False)


@pytest.mark.parametrize(
    ("text", "ending", "recorded"),
    [
        ("name=a root x", exited(0), ["Ended", "Over"]),
        ("name=a root x", exited(1), ["Ended", "Over"]),
        ("name=a retry=1,30s root x", exited(1), ["Ended"]),
        ("name=a retry=1,3d root x", exited(1), ["Ended", "Over"]),
    ],
)
def test_the_end_of_an_attempt_is_recorded_with_what_follows(
    text: str, ending: Ending, recorded: list[str]
) -> None:
    daemon = life(f"0 9 * * * {text}\n")
    daemon.timeline.clear()
    daemon.finish(A, ending)
    assert words(tuple(effect for _, effect in daemon.timeline)) == recorded


def test_a_planned_retry_is_recorded_with_its_time() -> None:
    daemon = life("0 9 * * * name=a retry=1,30s root x\n")
    daemon.timeline.clear()
    daemon.finish(A, exited(1))
    (end,) = changes(tuple(effect for _, effect in daemon.timeline))
    assert isinstance(end, Ended)
    assert (end.run, end.attempt.code, end.at) == (A, 1, NINE)
    assert end.retry_at == NINE + 30 * SECOND
    wait = daemon.state.runs[A].wait
    assert wait is not None
    assert wait.what == "attempt 2 at 09:00:30Z"


# -- every run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("* * * * * name=a overlap=skip root x\n", ["", "skipped"]),
        ("* * * * * name=a slots=2 deadline=30s root x\n", ["", "missed"]),
        ("* * * * * name=a overlap=replace grace=1s root x\n", ["cancelled", ""]),
    ],
)
def test_a_run_that_never_starts_has_its_record_too(text: str, outcomes: list[str]) -> None:
    daemon = life(text, slots=2)
    daemon.run_until(NINE + MINUTE + 40 * SECOND)
    runs = daemon.history.runs.values()
    assert [str(run.outcome or "") for run in runs] == outcomes


def test_what_is_too_much_to_wait_has_its_record_too() -> None:
    daemon = life("* * * * * name=a root x\n", slots=1)
    daemon.run_until(NINE + 15 * MINUTE)
    told = [run.outcome for run in daemon.history.runs.values()]
    assert told == [None] * 11 + ["skipped"] * 5


def test_runs_that_are_asked_for_have_fire_times_of_their_own() -> None:
    daemon = life("0 3 * * * name=a root x\n")
    keys = [daemon.ask_for("a") for _ in range(3)]
    runs = [daemon.history.runs[key] for key in keys]
    assert [run.pass_number for run in runs] == [0, 0, 0]
    assert len({run.fire for run in runs}) == 3


def test_what_is_asked_for_while_it_stops_is_recorded_as_cancelled() -> None:
    daemon = life("0 9 * * * name=a root x\n")
    daemon.stop()
    key = daemon.ask_for("a")
    assert daemon.history.runs[key].outcome == "cancelled"


def test_exhausted_retries_are_an_outcome_of_their_own() -> None:
    daemon = life("0 9 * * * name=a retry=1,1s root x\n0 9 * * * name=b root x\n")
    daemon.finish(A, exited(75))
    daemon.run_until(NINE + 2 * SECOND)
    daemon.finish(A, exited(75))
    daemon.finish(A.replace("a@", "b@"), exited(75))
    assert [(key, outcome) for key, outcome, _ in daemon.finished()] == [
        (A, "gave-up"),
        (A.replace("a@", "b@"), "failed"),
    ]
    assert len(daemon.reports("gave-up")) == 1


# -- notices -------------------------------------------------------------------------------------


def test_the_notices_of_a_run_are_recorded_with_its_end_and_told() -> None:
    entries = entries_of("0 9 * * * name=a root x\n")
    daemon = Simulation(
        entries,
        start=START,
        hooks=Hooks(on_failure="page"),
        script=lambda _run, _attempt: Act(SECOND, Ending(status=256, printed=7)),
    )
    daemon.run_until(NINE + MINUTE)
    (told,) = [effect.notices for _, effect in daemon.timeline if isinstance(effect, Finished)]
    (over,) = [
        change
        for _, effect in daemon.timeline
        if isinstance(effect, Record)
        for change in effect.changes
        if isinstance(change, Over)
    ]
    assert over.notices == told
    assert [(notice.kind, notice.target) for notice in told] == [
        ("mail", ""),
        ("on-failure", "page"),
    ]


# -- progress ------------------------------------------------------------------------------------


def test_the_marks_stay_where_they_are_while_a_burst_lasts() -> None:
    text = "".join(f"0 9 * * * name=e{number} root x\n" for number in range(9))
    daemon = Life(text, start=START, batch=2, slots=1, script=lambda _run, _attempt: Act())
    planned = []
    daemon.run_until(NINE)
    for _, effect in daemon.timeline:
        if isinstance(effect, Record) and effect.urgent:
            begun = sum(isinstance(change, Begun) for change in effect.changes)
            progress = [change.planned for change in effect.changes if isinstance(change, Progress)]
            planned.append((begun, progress))
    assert planned == [(0, [START]), *[(2, [])] * 4, (1, [NINE])]


def test_an_idle_daemon_records_nothing() -> None:
    daemon = Life("0 9 * * * name=a root x\n", start=START - timedelta(hours=9))
    daemon.run_until(START)
    assert len(daemon.timeline) == 1


def test_a_stop_marks_the_idle_time_as_dealt_with() -> None:
    daemon = Life("0 9 * * * name=a root x\n", start=START - timedelta(hours=9))
    daemon.run_until(START)
    daemon.stop()
    assert daemon.history.left() == Left(progress=Progress(START), stopped=START)


def test_a_step_back_is_recorded_at_once() -> None:
    daemon = life("0-59 * * * * name=a slots=0 root x\n")
    daemon.jump_wall(-30 * MINUTE)
    assert daemon.history.progress == Progress(NINE - 30 * MINUTE, NINE, 2, NINE)


def test_missed_fire_times_are_recorded_as_they_are_told() -> None:
    daemon = Life("* * * * * name=a root x\n", start=START)
    daemon.jump_wall(timedelta(hours=5))
    told = [effect.missed for _, effect in daemon.timeline if isinstance(effect, Announce)]
    ((row,),) = [rows for rows in told if rows]
    assert daemon.history.missed == [row]
    assert row.count == 300


# -- claims --------------------------------------------------------------------------------------


def test_a_run_that_was_recorded_before_does_not_start_and_keeps_its_record() -> None:
    history = MemoryHistory()
    first = Life("0 9 * * * name=a root x\n", start=START, history=history)
    first.run_until(NINE + MINUTE)
    history.progress = None  # as if somebody had put an older file in its place, but for this run
    before = history.runs[A]
    entries = entries_of("0 9 * * * name=a slots=4 root x\n")
    second = Simulation(entries, start=START, slots=4, store=history.record)
    second.run_until(NINE + MINUTE)
    assert second.starts() == []
    assert second.finished() == [(A, "skipped", "it has been recorded before")]
    assert (second.state.slots_used, len(second.state.runs)) == (0, 0)
    assert history.runs[A] is before
    assert before.outcome == "succeeded"


def test_a_refused_claim_of_a_run_that_is_not_known_changes_nothing() -> None:
    state, _ = at_nine("0 9 * * * name=a root x\n")
    after, effects = step(state, ClaimRefused(Moment(NINE, 60.0), ("b@2026-03-02T09:00Z",)))
    assert effects == ()
    assert list(after.runs) == [A]


def test_a_run_knows_its_pass() -> None:
    daemon = life("*/30 * * * * name=a slots=0 root x\n")
    daemon.jump_wall(-10 * MINUTE)
    daemon.run_until(NINE)
    runs: list[Run] = list(daemon.state.runs.values())
    assert [(run.key, run.pass_number) for run in runs] == [(A, 1), (f"{A}#2", 2)]


# -- plans ---------------------------------------------------------------------------------------


def test_the_next_fire_time_of_each_schedule_is_noted() -> None:
    daemon = Life(
        "0 9 * * * name=a root x\n0 9 * * * name=b root x\n30 2 * * * tz=Europe/Paris root x\n",
        start=START,
    )
    nine, night = "0 9 * * * UTC", "30 2 * * * Europe/Paris"
    assert daemon.history.planned == {nine: NINE, night: at("2026-03-03T01:30Z")}
    daemon.run_until(NINE)
    assert daemon.history.planned[nine] == NINE + timedelta(days=1)
    daemon.jump_wall(timedelta(days=2))
    assert daemon.history.planned[nine] == NINE + timedelta(days=3)
    daemon.jump_wall(-timedelta(days=5))
    assert daemon.history.planned[nine] == NINE - timedelta(days=2)


def test_a_schedule_that_never_fires_again_is_noted_so() -> None:
    daemon = Life("0 0 30 2 * root x\n", start=START)
    assert daemon.history.planned == {"0 0 30 2 * UTC": None}
