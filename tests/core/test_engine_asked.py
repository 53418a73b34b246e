"""Runs that somebody asks for, and runs that somebody kills."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.events import EndAttempt
from cronjob.core.run import RunState, manual_key
from cronjob.testing import Act, Simulation, entries_of, exited, killed

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)


def daemon(text: str, *, slots: int = 16) -> Simulation:
    simulation = Simulation(
        entries_of(text),
        start=NINE,
        slots=slots,
        script=lambda _run, _attempt: Act(lasts=None, obeys_after=timedelta(hours=1)),
    )
    simulation.run_until(NINE + timedelta(milliseconds=250))
    return simulation


def started(simulation: Simulation) -> list[str]:
    return [key for _, key, _ in simulation.starts()]


def test_a_key_names_the_millisecond_and_is_bumped_until_it_is_free() -> None:
    now = at("2026-11-21T09:30:12.345678Z")
    taken = set[str]()
    for _ in range(3):
        taken.add(manual_key("backup", now, taken))
    assert sorted(taken) == [f"backup@2026-11-21T09:30:12.34{n}Z" for n in (5, 6, 7)]
    assert manual_key("b", at("2026-11-21T09:30Z"), ()) == "b@2026-11-21T09:30:00.000Z"


@pytest.mark.parametrize(
    ("now", "given"),
    [
        ("09:30:12.345678", "12.346"),  # in the same millisecond
        ("09:30:11.999", "12.346"),  # a little before it, since others were bumped already
        ("09:30:12.346", "12.346"),
        ("09:30:12.350", "12.350"),
        ("09:29:12.345", "12.345"),  # the clock has gone back
    ],
)
def test_a_key_is_later_than_the_one_before_which_may_be_known_no_more(
    now: str, given: str
) -> None:
    last = "other@2026-11-21T09:30:12.345Z"
    key = manual_key("b", at(f"2026-11-21T{now}Z"), (), last)
    assert key == f"b@2026-11-21T{now[:5]}:{given}Z"


def test_two_runs_that_are_over_at_once_have_keys_of_their_own() -> None:
    simulation = daemon("* * * * * name=a overlap=skip root x\n")
    simulation.run_until(NINE + MINUTE)
    first, second = simulation.ask_for("a"), simulation.ask_for("a")
    assert first != second
    assert [key for key, _, _ in simulation.finished("a")] == [first, second]


def test_a_run_starts_when_it_is_asked_for_without_jitter_or_deadline() -> None:
    text = "0 3 * * * name=a jitter=1h deadline=1s tz=Asia/Tokyo root x\n"
    simulation = Simulation(entries_of(text, host="h"), start=NINE)
    key = simulation.ask_for("a")
    assert key == "a@2026-03-02T09:00:00.000Z"
    assert simulation.starts() == [(NINE, key, 1)]
    simulation.run_until(NINE + MINUTE)
    assert simulation.finished() == [(key, "succeeded", "")]


def test_its_retries_know_no_next_fire_time() -> None:
    simulation = daemon("* * * * * name=other root x\n1 9 * * * name=a retry=1,90s root x\n")
    key = simulation.ask_for("a")
    simulation.finish(key, exited(1))
    simulation.run_until(NINE + 3 * MINUTE)
    assert [number for _, started, number in simulation.starts("a") if started == key] == [1, 2]


def test_it_waits_for_slots_and_a_forced_one_does_not() -> None:
    simulation = daemon("0 3 * * * name=full root x\n0 3 * * * name=a root x\n", slots=1)
    full = simulation.ask_for("full")
    waits, forced = simulation.ask_for("a"), simulation.ask_for("a", force=True)
    assert started(simulation) == [full, forced]
    assert simulation.state.slots_used == 2
    simulation.finish(full, exited())
    assert waits not in started(simulation)
    simulation.finish(forced, exited())
    assert started(simulation) == [full, forced, waits]


def test_who_asks_for_what_has_gone_is_told_so() -> None:
    simulation = daemon("0 3 * * * name=a root x\n")
    simulation.ask_for("b")
    (report,) = simulation.reports("run-dropped")
    assert report.text == "b: it is not run as asked: it is in no table any more"


def test_what_is_asked_for_while_stopping_or_waits_then_is_cancelled() -> None:
    simulation = daemon("0 3 * * * name=a root x\n", slots=1)
    going, waits = simulation.ask_for("a"), simulation.ask_for("a")
    simulation.stop()
    late = simulation.ask_for("a")
    simulation.finish(going, killed(15))
    assert simulation.finished() == [
        (waits, "cancelled", "the daemon stops"),
        (late, "cancelled", "the daemon stops"),
        (going, "cancelled", "the daemon stops"),
    ]
    assert simulation.stopped is not None
    assert not simulation.state.runs


# -- kill ----------------------------------------------------------------------------------------


def test_a_killed_attempt_has_its_grace_and_no_retry() -> None:
    simulation = daemon("0 3 * * * name=a grace=7s retry=3,1s retry-on=cancelled,signal root x\n")
    key = simulation.ask_for("a")
    simulation.kill(key, by="ann")
    ends = [effect for _, effect in simulation.timeline if isinstance(effect, EndAttempt)]
    assert ends == [EndAttempt(key, 1, 7.0)]
    simulation.finish(key, killed(15))
    simulation.run_until(NINE + MINUTE)
    assert simulation.finished() == [(key, "cancelled", "killed by ann")]
    assert len(simulation.starts()) == 1
    (report,) = simulation.reports("run-killed")
    assert report.text == f"{key}: attempt 1 is ended, killed by ann"


def test_a_run_between_attempts_and_one_that_waits_are_dropped() -> None:
    simulation = daemon("0 3 * * * name=a retry=1,1m root x\n", slots=1)
    first = simulation.ask_for("a")
    simulation.finish(first, exited(3))
    second, third = simulation.ask_for("a"), simulation.ask_for("a")
    simulation.kill(first, third)
    assert simulation.finished() == [
        (first, "failed", "killed by root"),
        (third, "cancelled", "killed by root"),
    ]
    assert started(simulation) == [first, second]
    assert not simulation.state.ready


def test_an_attempt_that_times_out_already_stays_timed_out_and_is_not_retried() -> None:
    simulation = daemon("0 3 * * * name=a timeout=5s grace=9s retry=1,1s root x\n")
    key = simulation.ask_for("a")
    simulation.run_until(NINE + timedelta(seconds=8))
    simulation.kill(key)
    simulation.finish(key, killed(15))
    assert simulation.finished() == [(key, "timed-out", "killed by root")]


def test_to_kill_what_is_over_does_nothing() -> None:
    simulation = daemon("0 3 * * * name=a root x\n")
    key = simulation.ask_for("a")
    simulation.finish(key, exited())
    before = len(simulation.timeline)
    simulation.kill(key, "nobody@x")
    assert len(simulation.timeline) == before


# -- lending -------------------------------------------------------------------------------------

TWO = "0 3 * * * name=a root x\n0 3 * * * name=b root x\n0 3 * * * name=c root x\n"


def test_a_command_that_waits_for_a_run_lends_it_its_slot() -> None:
    simulation = daemon(TWO, slots=1)
    asker = simulation.ask_for("a")
    borrower = simulation.ask_for("b", lender=asker)
    nested = simulation.ask_for("c", lender=borrower)
    assert started(simulation) == [asker, borrower, nested]
    assert simulation.state.slots_used == 1


def test_a_slot_is_lent_once() -> None:
    simulation = daemon(TWO, slots=1)
    asker = simulation.ask_for("a")
    first, second = (simulation.ask_for(label, lender=asker) for label in "bc")
    assert started(simulation) == [asker, first]
    simulation.finish(first, exited())
    assert started(simulation) == [asker, first, second]
    assert simulation.state.slots_used == 1


def test_when_the_lender_ends_first_the_borrower_counts_its_slots_itself() -> None:
    simulation = daemon(TWO, slots=1)
    asker = simulation.ask_for("a")
    borrower = simulation.ask_for("b", lender=asker)
    simulation.finish(asker, exited())
    assert simulation.state.slots_used == 1
    assert simulation.state.runs[borrower].holding.borrowed == 0
    waits = simulation.ask_for("c")
    assert waits not in started(simulation)
    simulation.finish(borrower, exited())
    assert started(simulation)[-1] == waits


def test_a_lender_that_is_over_lends_nothing() -> None:
    simulation = daemon(TWO, slots=1)
    asker, waits = simulation.ask_for("a"), simulation.ask_for("c")
    simulation.finish(asker, exited())
    simulation.ask_for("b", lender=asker)
    assert started(simulation) == [asker, waits]


def test_wide_runs_that_are_waited_for_do_not_wait_for_each_other_for_ever() -> None:
    text = "0 3 * * * name=a root x\n0 3 * * * name=wide slots=2 root x\n"
    simulation = daemon("0 3 * * * name=a2 root x\n" + text, slots=2)
    askers = simulation.ask_for("a"), simulation.ask_for("a2")
    simulation.ask_for("wide")  # nobody waits for this one, and it stands before them
    wide = [simulation.ask_for("wide", lender=asker) for asker in askers]
    assert started(simulation) == [*askers, wide[0]]
    simulation.finish(wide[0], exited())
    assert started(simulation) == [*askers, wide[0]]  # the first to ask goes on, and will end
    simulation.finish(askers[0], exited())
    assert started(simulation) == [*askers, *wide]


@pytest.mark.parametrize("state", [RunState.READY, RunState.BACKING_OFF])
def test_whoever_does_not_run_lends_nothing(state: RunState) -> None:
    simulation = daemon("0 3 * * * name=a retry=1,1m root x\n" + TWO.partition("\n")[2], slots=1)
    asker = simulation.ask_for("a")
    if state is RunState.BACKING_OFF:
        simulation.finish(asker, exited(1))
    else:
        simulation.finish(asker, exited())
        simulation.ask_for("c")
        asker = simulation.ask_for("a")
    taken = simulation.state.slots_used
    simulation.ask_for("b", lender=asker)
    assert simulation.state.runs[asker].state is state
    assert simulation.state.slots_used == (taken or 1)
