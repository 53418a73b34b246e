"""Very many runs are due at once: the first ones start before the others begin."""

from datetime import datetime, timedelta
from itertools import groupby
from random import Random  # noqa: TID251 # seeded: a test may draw

import pytest

from cronjob.core import firing
from cronjob.core.attempt import Attempt
from cronjob.core.engine import step
from cronjob.core.events import (
    Announce,
    AttemptEnded,
    AttemptStarted,
    Effect,
    Event,
    Finished,
    KillRequested,
    Launch,
    Loaded,
    Moment,
    OfferToken,
    Record,
    RunRequested,
    Stopped,
    StopRequested,
    WakeAt,
    Woken,
)
from cronjob.core.record import Progress
from cronjob.core.request import Asker
from cronjob.core.run import Run, RunState, manual_key
from cronjob.core.state import State
from cronjob.core.status import status
from cronjob.testing import Act, Simulation, entries_of, exited
from tests.core.test_engine_invariants import ENDINGS, TABLES, loaded
from tests.core.test_engine_invariants import START as FIRST

at = datetime.fromisoformat
START = Moment(at("2026-03-02T08:59Z"), 40.0)
NINE = Moment(at("2026-03-02T09:00Z"), 100.0)
MINUTE = timedelta(minutes=1)
BATCH = 32
HUNDRED = "".join(f"0 9 * * * name=e{number} root x\n" for number in range(100))


def later(seconds: float, step_by: timedelta = timedelta()) -> Moment:
    """So long after nine, by a clock that was set meanwhile."""
    return Moment(NINE.now + timedelta(seconds=seconds) + step_by, NINE.monotonic + seconds)


def at_nine(text: str, *, slots: int = 4) -> tuple[State, tuple[Effect, ...]]:
    """The state and the effects of the step that finds what is due at nine."""
    state, _ = step(State(slots=slots), Loaded(moment=START, entries=entries_of(text)))
    return step(state, Woken(NINE))


def labels(effects: tuple[Effect, ...]) -> list[str]:
    """Of the launches, in order."""
    return [effect.run.label for effect in effects if isinstance(effect, Launch)]


def drained(state: State) -> tuple[State, list[str]]:
    """The state after everything has begun and ended, and the labels in order of their launches."""
    order, going = list[str](), [run.key for run in state.runs.values() if run.attempts]
    seconds = 0.0
    while going or state.hurried:
        seconds += 0.001
        moment = later(seconds)
        event: Event = Woken(moment) if state.hurried else AttemptEnded(moment, going[0], exited())
        del going[: not isinstance(event, Woken)]
        state, effects = step(state, event)
        order += labels(effects)
        going += [effect.run.key for effect in effects if isinstance(effect, Launch)]
    return state, order


def progress(effects: tuple[Effect, ...]) -> list[Progress]:
    records = [effect for effect in effects if isinstance(effect, Record)]
    return [change for one in records for change in one.changes if isinstance(change, Progress)]


@pytest.mark.parametrize(("slots", "begun"), [(1, BATCH), (4, BATCH), (20, 40), (60, 100)])
def test_a_step_begins_two_runs_for_each_slot_or_a_batch(slots: int, begun: int) -> None:
    state, effects = at_nine(HUNDRED, slots=slots)
    assert labels(effects) == [f"e{number}" for number in range(slots if slots <= 50 else 60)]
    assert (len(state.runs), len(state.burst)) == (begun, 100 - begun)


def test_the_rest_begins_at_once_and_the_marks_follow_it() -> None:
    state, effects = at_nine(HUNDRED)
    assert progress(effects) == []
    assert effects[-1] == WakeAt(at("2026-03-03T09:00Z"), NINE.monotonic)
    for begun in (64, 96, 100):
        state, effects = step(state, Woken(later(begun / 1000)))
        assert len(state.runs) == begun
        assert [one.planned for one in progress(effects)] == ([later(0.1).now] * (begun == 100))
    assert effects[-1] == WakeAt(at("2026-03-03T09:00Z"), state.full_due)


def test_runs_start_in_the_order_of_the_table_over_all_batches() -> None:
    state, effects = at_nine(HUNDRED)
    state, order = drained(state)
    assert labels(effects) + order == [f"e{number}" for number in range(100)]
    assert not state.runs


def test_many_schedules_are_a_burst_too_and_each_goes_on_at_its_next_fire_time() -> None:
    text = "".join(f"0 9-{9 + n % 12},{n // 12} * * * name=e{n} root x\n" for n in range(100))
    before, _ = step(State(slots=4), Loaded(moment=START, entries=entries_of(text)))
    state, effects = step(before, Woken(NINE))
    assert len(state.timetable.lifted) == 100 - BATCH
    state, order = drained(state)
    assert labels(effects) + order == [f"e{number}" for number in range(100)]
    assert state.timetable.nodes == before.timetable.take(NINE.now)[0].nodes


def test_the_highest_priority_starts_first_wherever_it_stands() -> None:
    text = (
        HUNDRED + "0 9 * * * name=last priority=7 root x\n0 9 * * * name=mean priority=-1 root x\n"
    )
    state, effects = at_nine(text.replace("name=e0 ", "name=e0 priority=-2 "))
    _, order = drained(state)
    order = labels(effects) + order
    assert (order[:2], order[-3:]) == (["last", "e1"], ["e99", "mean", "e0"])


def test_what_is_due_a_minute_later_begins_after_the_burst() -> None:
    state, _ = at_nine(HUNDRED + "1 9 * * * name=later root x\n")
    state, _ = step(state, Woken(later(60)))
    assert [label for _, label in state.burst][-1] == "later"


def test_an_end_between_two_batches_starts_who_is_first_in_line() -> None:
    state, _ = at_nine(HUNDRED)
    key = next(run.key for run in state.runs.values() if run.label == "e0")
    state, effects = step(state, AttemptEnded(later(0.001), key, exited()))
    assert labels(effects) == ["e4"]
    assert len(state.burst) == 100 - BATCH


def test_a_stop_hands_over_what_has_not_begun_as_waiting() -> None:
    state, _ = at_nine(HUNDRED.replace("name=e99 ", "name=e99 slots=0 "))
    state, effects = step(state, StopRequested(later(0.001)))
    assert "4 attempts, 96 runs not begun" in str(effects)
    state, effects = step(state, Woken(later(0.002)))
    assert not labels(effects)
    assert state.awake.monotonic is None
    running = [run.key for run in state.runs.values() if run.state is RunState.RUNNING]
    for key in running:
        state, effects = step(state, AttemptEnded(later(0.003), key, exited()))
    assert effects[-1] == Stopped(())
    assert sorted(state.runs) == sorted(f"e{n}@2026-03-02T09:00Z" for n in range(4, 100))


def test_a_reload_finds_the_burst_begun_by_the_tables_that_made_it_due() -> None:
    state, _ = at_nine(HUNDRED)
    rest = "".join(HUNDRED.splitlines(keepends=True)[:90])
    state, effects = step(state, Loaded(moment=later(0.001), entries=entries_of(rest)))
    dropped = [effect.run.label for effect in effects if isinstance(effect, Finished)]
    assert sorted(dropped) == [f"e{number}" for number in range(90, 100)]
    assert (len(state.runs), state.burst) == (90, ())


@pytest.mark.parametrize("by", [timedelta(minutes=-30), timedelta(hours=-5), timedelta(minutes=30)])
def test_a_step_of_the_clock_changes_nothing_for_what_was_due_before(by: timedelta) -> None:
    text = HUNDRED.replace("root x", "deadline=10s root x")
    state, _ = at_nine(text)
    state, effects = step(state, Woken(later(0.5, by)))
    assert sorted(state.runs) == sorted(f"e{n}@2026-03-02T09:00Z" for n in range(100))
    assert not [effect for effect in effects if isinstance(effect, Finished)]
    assert {run.deadline for run in state.runs.values()} == {NINE.monotonic + 10}


def test_a_run_that_is_asked_for_comes_after_the_burst_and_a_kill_finds_it_begun() -> None:
    state, _ = at_nine(HUNDRED)
    key = manual_key("e99", later(0.001).now, state.runs)
    state, _ = step(state, RunRequested(later(0.001), key, "e99"))
    assert state.burst == ()
    assert state.ready[-1][3] == key
    state, _ = at_nine(HUNDRED)
    state, effects = step(state, KillRequested(later(0.001), ("e99@2026-03-02T09:00Z",), "root"))
    assert [effect.why for effect in effects if isinstance(effect, Finished)] == ["killed by root"]


def test_no_token_is_offered_while_a_burst_has_not_begun() -> None:
    idle = "".join(f"0 9 * * * name=e{number} slots=0 root x\n" for number in range(40))
    state, _ = at_nine("0 9 * * * name=make slots=auto root x\n" + idle, slots=8)
    started = AttemptStarted(later(0.001), "make@2026-03-02T09:00Z", 7)
    state, effects = step(state, started)
    assert not [effect for effect in effects if isinstance(effect, OfferToken)]
    state, effects = step(state, Woken(later(0.002)))
    assert [effect for effect in effects if isinstance(effect, OfferToken)]


def test_a_status_counts_what_has_not_begun() -> None:
    state, _ = at_nine(HUNDRED)
    assert status(state, NINE, Asker("root", everything=True)).waiting_count == 96
    assert status(state, NINE, Asker("ann", everything=False)).waiting_count == 0


def test_a_simulation_does_not_see_the_batches() -> None:
    simulation = Simulation(entries_of(HUNDRED), start=START.now, slots=30, batch=1)
    simulation.run_until(NINE.now)
    assert [at for at, _, _ in simulation.starts()] == [NINE.now] * 30
    assert len(simulation.reports("run-waiting")) == 70


# -- batches change nothing ----------------------------------------------------------------------


#: Without the priority that other tables take away: whoever is in line keeps the turn it had by it.
LOADS = tuple(loaded(text.replace(" priority=1", "")) for text in TABLES)


def a_day(seed: int, batch: int) -> list[tuple[datetime, list[str]]]:
    """What is launched and what is over, when; the tables, the clock and attempts go by `seed`."""
    chance = Random(seed)

    def script(run: Run, attempt: Attempt) -> Act:
        own = Random(f"{seed}/{run.key}/{attempt.number}")
        return Act(timedelta(seconds=own.choice([1, 20, 90, 300])), own.choice(ENDINGS))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firing, "_EACH_SLOT", 0)
        simulation = Simulation(
            LOADS[0], start=FIRST, slots=chance.randint(3, 6), script=script, batch=batch
        )
        for _ in range(12):
            what, seconds = chance.random(), timedelta(seconds=chance.randint(1, 300))
            if what < 0.6:
                simulation.run_until(simulation.clock.now() + seconds)
            elif what < 0.8:
                simulation.jump_wall(chance.choice([-30, -1, 1, 30]) * seconds)
            elif what < 0.9:
                simulation.reload(chance.choice(LOADS), chance.randint(3, 6))
            elif simulation.state.entries:
                simulation.ask_for(chance.choice(sorted(simulation.state.entries)))
    told = [
        (at, f"{type(effect).__name__} {effect.run.key} {getattr(effect, 'outcome', '')}")
        for at, effect in simulation.timeline
        if isinstance(effect, Launch | Finished)
    ]
    return [
        (at, sorted(text for _, text in each)) for at, each in groupby(told, lambda row: row[0])
    ]


@pytest.mark.parametrize("seed", range(40))
def test_the_same_starts_and_ends_at_the_same_instants_in_batches_of_one(seed: int) -> None:
    """Of a day; a batch is seen only where a retry is given up between two of them."""
    assert a_day(seed, batch=1) == a_day(seed, batch=1_000_000)


# -- several events of one moment ----------------------------------------------------------------


def test_several_ends_in_one_step_are_the_same_as_one_after_the_other() -> None:
    state, _ = at_nine(HUNDRED.replace("root x", "retry=1,1m root x"))
    ends = [
        AttemptEnded(later(0.001), f"e{number}@2026-03-02T09:00Z", exited(number), pid=number + 7)
        for number in range(3)
    ]
    together, effects = step(state, *ends)
    apart, told = state, list[Effect]()
    for end in ends:
        apart, more = step(apart, end)
        told += more
    assert without_turns(together) == without_turns(apart)
    assert sorted(labels(effects)) == sorted(labels(tuple(told))) == ["e4", "e5", "e6"]


def without_turns(state: State) -> dict[str, Run]:
    return {key: run._replace(turn=0) for key, run in state.runs.items()}


def test_a_start_that_is_told_with_its_end_is_announced_before_it() -> None:
    state, _ = at_nine("0 9 * * * name=short root x\n")
    end = AttemptEnded(later(0.2), "short@2026-03-02T09:00Z", exited(), pid=77, note="no home")
    state, effects = step(state, end)
    told = [effect.report.text for effect in effects if isinstance(effect, Announce)]
    assert "started, pid 77" in told[0]
    assert "no home" in told[0]
    assert "succeeded" in told[1]
    finished = next(effect for effect in effects if isinstance(effect, Finished))
    assert finished.run.attempt.pid == 77


def test_a_start_that_was_told_already_is_not_told_again() -> None:
    state, _ = at_nine("0 9 * * * name=short root x\n")
    key = "short@2026-03-02T09:00Z"
    state, _ = step(state, AttemptStarted(later(0.1), key, 77))
    _, effects = step(state, AttemptEnded(later(0.2), key, exited(), pid=77))
    assert str(effects).count("attempt-started") == 0
