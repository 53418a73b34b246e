"""Starting, waiting for slots, ending: what one daemon does while nothing odd happens."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt, Ending
from cronjob.core.engine import step
from cronjob.core.events import (
    Announce,
    AttemptEnded,
    AttemptStarted,
    EndAttempt,
    Event,
    Launch,
    Loaded,
    Moment,
    Record,
    StopRequested,
    WakeAt,
    Woken,
)
from cronjob.core.found import Left
from cronjob.core.outcome import Outcome
from cronjob.core.record import Progress, Started
from cronjob.core.run import Run
from cronjob.core.state import State
from cronjob.testing import Act, Simulation, entries_of, exited, killed, lost, not_started

at = datetime.fromisoformat
START = at("2026-03-02T08:59Z")
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)


def endless(_run: Run, _attempt: Attempt) -> Act:
    return Act(lasts=None)


def simulated(text: str, *, slots: int = 16, start: datetime = START) -> Simulation:
    """A daemon whose attempts go on until the test ends them."""
    return Simulation(entries_of(text), start=start, slots=slots, script=endless)


def at_nine(text: str, *, slots: int = 16) -> Simulation:
    """The same, just after nine o'clock has struck."""
    simulation = simulated(text, slots=slots)
    simulation.run_until(NINE)
    return simulation


def launched(simulation: Simulation) -> list[str]:
    """The labels of all launches, in order."""
    return [key.partition("@")[0] for _, key, _ in simulation.starts()]


def ended_outcomes(simulation: Simulation) -> list[str]:
    return [
        dict(report.fields)["CRONJOB_OUTCOME"] for report in simulation.reports("attempt-ended")
    ]


def every_event(moment: Moment) -> list[Event]:
    return [
        Loaded(moment=moment, entries=entries_of("0 9 * * * name=new root true\n"), reboot=True),
        Woken(moment),
        AttemptStarted(moment, "going@2026-03-02T09:00Z", 7),
        AttemptEnded(moment, "going@2026-03-02T09:00Z", exited(1), 0.3),
        StopRequested(moment),
    ]


BUSY = (
    "0 9 * * * name=going retry=2 timeout=1h root true\n"
    "0 9 * * * name=second root true\n"
    "*/5 * * * * name=often jitter=3m root true\n"
)


@pytest.mark.parametrize("kind", range(5))
def test_a_step_changes_nothing_that_it_was_given(kind: int) -> None:
    simulation = at_nine(BUSY, slots=1)
    state = simulation.state
    before = repr(state)
    simulation.clock.advance(timedelta(minutes=10))
    event = every_event(simulation.clock.moment())[kind]
    first = step(state, event)
    assert repr(state) == before
    assert step(state, event) == first
    assert first[0] != state


def test_the_first_load_records_where_planning_began() -> None:
    _, effects = step(State(slots=4), Loaded(moment=Moment(START, 5.0), entries={}))
    assert effects == (Record((Progress(START),), urgent=True),)


def test_fire_times_are_recorded_once_and_before_anything_is_launched() -> None:
    simulation = at_nine(
        "0 9 * * * name=again slots=0 retry=1,1m root true\n"
        "1 9 * * * name=due root true\n1 9 * * * tz=Europe/Paris root true\n* * * * * root true\n"
    )
    simulation.finish("again@2026-03-02T09:00Z", exited(1))
    simulation.clock.advance(MINUTE)
    effects = simulation.handle(Woken(simulation.clock.moment()))
    kinds = [type(effect) for effect in effects]
    assert kinds == [Record, Launch, Launch, Launch, WakeAt]
    assert isinstance(effects[0], Record)
    assert effects[0].changes[-1] == Progress(NINE + MINUTE)


def test_a_boot_is_recorded_before_its_entries_are_launched() -> None:
    entries = entries_of("@reboot name=up root true\n0 9 * * * name=nine root true\n")
    since = {"nine": START}
    left = Left(progress=Progress(START))
    loaded = Loaded(moment=Moment(NINE, 0.0), entries=entries, left=left, since=since, reboot=True)
    _, effects = step(State(slots=4), loaded)
    assert [type(effect) for effect in effects] == [Record, Launch, Launch, WakeAt]


def test_nothing_is_recorded_when_nothing_is_due() -> None:
    simulation = simulated("0 9 * * * root true\n")
    assert simulation.handle(Woken(simulation.clock.moment())) == ()


def test_it_wakes_at_the_earliest_of_all() -> None:
    simulation = simulated(
        "0 9 * * * name=a timeout=10m root true\n0 9 * * * name=b timeout=5m root true\n"
        "30 9 * * * root true\n"
    )
    assert simulation.state.awake == WakeAt(NINE, None)
    simulation.run_until(NINE)
    assert simulation.state.awake == WakeAt(at("2026-03-02T09:30Z"), 60.0 + 300.0)
    simulation.finish("b@2026-03-02T09:00Z", exited())  # its timer means nothing any more
    assert simulation.state.awake == WakeAt(at("2026-03-02T09:30Z"), 60.0 + 600.0)
    simulation.finish("a@2026-03-02T09:00Z", exited())
    assert simulation.state.awake == WakeAt(at("2026-03-02T09:30Z"), None)


def test_a_wake_up_is_asked_for_only_when_it_changes() -> None:
    simulation = at_nine("0 9 * * * name=a root true\n")
    assert simulation.handle(Woken(simulation.clock.moment())) == ()


# -- slots ---------------------------------------------------------------------------------------


def test_no_more_run_than_there_are_slots_and_the_next_follows_an_end() -> None:
    simulation = at_nine("".join(f"0 9 * * * name={n} root true\n" for n in "abcd"), slots=2)
    assert launched(simulation) == ["a", "b"]
    simulation.finish("b@2026-03-02T09:00Z", exited())
    assert launched(simulation) == ["a", "b", "c"]
    simulation.finish("a@2026-03-02T09:00Z", killed(11))
    simulation.finish("c@2026-03-02T09:00Z", lost())
    simulation.finish("d@2026-03-02T09:00Z", not_started())
    assert launched(simulation) == ["a", "b", "c", "d"]
    assert simulation.state.slots_used == 0
    assert not simulation.state.runs


def test_priority_comes_first_then_the_time_of_becoming_ready() -> None:
    simulation = at_nine(
        "0 9 * * * name=now root true\n"
        "0 9 * * * name=first root true\n"
        "1 9 * * * name=later root true\n"
        "1 9 * * * name=urgent priority=5 root true\n"
        "0 9 * * * name=idle priority=-1 root true\n",
        slots=1,
    )
    simulation.run_until(NINE + MINUTE)
    for name in ("now@2026-03-02T09:00Z", "urgent@2026-03-02T09:01Z", "first@2026-03-02T09:00Z"):
        simulation.finish(name, exited())
    simulation.finish("later@2026-03-02T09:01Z", exited())
    assert launched(simulation) == ["now", "urgent", "first", "later", "idle"]


def test_freed_slots_are_kept_for_the_first_in_line() -> None:
    simulation = at_nine(
        "0 9 * * * name=a root true\n0 9 * * * name=b root true\n"
        "0 9 * * * name=wide slots=2 root true\n0 9 * * * name=narrow root true\n",
        slots=2,
    )
    simulation.finish("a@2026-03-02T09:00Z", exited())
    assert launched(simulation) == ["a", "b"]  # one slot is free, and `narrow` does not take it
    simulation.finish("b@2026-03-02T09:00Z", exited())
    assert launched(simulation) == ["a", "b", "wide"]
    simulation.finish("wide@2026-03-02T09:00Z", exited())
    assert launched(simulation) == ["a", "b", "wide", "narrow"]


def test_a_run_without_slots_starts_at_once_although_the_pool_is_full() -> None:
    simulation = at_nine(
        "0 9 * * * name=full root true\n0 9 * * * name=waits root true\n"
        "0 9 * * * name=free slots=0 root true\n",
        slots=1,
    )
    assert sorted(launched(simulation)) == ["free", "full"]
    simulation.finish("free@2026-03-02T09:00Z", exited())
    assert simulation.state.slots_used == 1


def test_an_entry_wider_than_the_pool_is_refused_with_its_place() -> None:
    simulation = at_nine(
        "0 9 * * * name=ok root true\n0 9 * * * name=huge slots=9 root x\n", slots=8
    )
    assert launched(simulation) == ["ok"]
    (report,) = simulation.reports("entry-refused")
    assert report.text == "table:2: huge is not run: it wants 9 slots, the pool has 8"


def test_a_wait_is_announced_once_with_its_reason() -> None:
    simulation = at_nine(
        "0 9 * * * name=a root true\n0 9 * * * name=b root true\n"
        "0 9 * * * name=c slots=2 root true\n",
        slots=2,
    )
    simulation.finish("b@2026-03-02T09:00Z", exited())
    for _ in range(3):
        simulation.clock.advance(MINUTE)
        simulation.wake()
    (report,) = simulation.reports("run-waiting")
    assert report.text == ("c@2026-03-02T09:00Z: waits for 2 slots: 2 of 2 are taken, 0 runs ahead")


def test_a_run_that_waited_says_how_long() -> None:
    simulation = at_nine("0 9 * * * name=a root true\n0 9 * * * name=b root true\n", slots=1)
    simulation.run_until(NINE + timedelta(minutes=2, seconds=5))
    simulation.finish("a@2026-03-02T09:00Z", exited())
    first, second = simulation.reports("attempt-started")
    assert "waited" not in first.text
    assert "waited 2m 5s for a slot" in second.text


# -- jitter and timeout --------------------------------------------------------------------------


def test_a_run_with_jitter_starts_that_much_later_and_is_named_after_its_fire_time() -> None:
    entries = entries_of("0 9 * * * name=spread jitter=30m root true\n", host="a")
    delay = entries["spread"].start_delay
    assert timedelta() < delay < timedelta(minutes=30)
    simulation = Simulation(entries, start=START)
    simulation.run_until(NINE + timedelta(hours=1))
    ((started, key, _),) = simulation.starts()
    assert timedelta() <= started - (NINE + delay) <= timedelta(microseconds=1)
    assert key == "spread@2026-03-02T09:00Z"


def test_after_its_timeout_an_attempt_is_ended_with_the_grace_of_its_entry() -> None:
    simulation = at_nine("0 9 * * * name=slow timeout=2m grace=7s root true\n")
    simulation.run_until(NINE + timedelta(minutes=2))
    ends = [e for _, e in simulation.timeline if isinstance(e, EndAttempt)]
    assert ends == [EndAttempt("slow@2026-03-02T09:00Z", 1, 7.0)]
    assert ended_outcomes(simulation) == ["timed-out"]


def test_an_attempt_that_ignores_its_end_is_killed_after_the_grace() -> None:
    stubborn = Act(lasts=None, obeys_after=timedelta(hours=1))
    simulation = Simulation(
        entries_of("0 9 * * * name=slow timeout=2m grace=7s root true\n"),
        start=START,
        script=lambda _run, _attempt: stubborn,
    )
    simulation.run_until(NINE + timedelta(minutes=10))
    (report,) = simulation.reports("attempt-ended")
    assert "timed-out: signal 9 after 2m 7s" in report.text


def test_an_attempt_that_ends_in_time_is_not_ended() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * timeout=2s root true\n"),
        start=START,
        script=lambda _run, _attempt: Act(lasts=timedelta(seconds=1.999)),
    )
    simulation.run_until(NINE + timedelta(minutes=10))
    assert ended_outcomes(simulation) == ["succeeded"]
    assert not [e for _, e in simulation.timeline if isinstance(e, EndAttempt)]


def test_the_timer_of_an_earlier_attempt_does_nothing() -> None:
    simulation = at_nine("0 9 * * * name=slow timeout=60s retry=1,1s root true\n")
    simulation.run_until(NINE + timedelta(seconds=50))
    simulation.finish("slow@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + timedelta(seconds=51))
    assert [number for _, _, number in simulation.starts()] == [1, 2]
    simulation.run_until(NINE + timedelta(seconds=60))
    simulation.wake()
    assert not [e for _, e in simulation.timeline if isinstance(e, EndAttempt)]
    simulation.run_until(NINE + timedelta(seconds=111))
    assert [e for _, e in simulation.timeline if isinstance(e, EndAttempt)] == [
        EndAttempt("slow@2026-03-02T09:00Z", 2, 10.0)
    ]


def test_a_timer_of_a_run_that_is_over_does_nothing_behind_one_that_is_due() -> None:
    simulation = at_nine(
        "0 9 * * * name=a timeout=30s root x\n0 9 * * * name=b timeout=60s root x\n"
    )
    simulation.clock.advance(timedelta(seconds=50))
    simulation.finish("b@2026-03-02T09:00Z", exited())
    simulation.clock.advance(timedelta(seconds=20))
    simulation.wake()
    assert [e.run for _, e in simulation.timeline if isinstance(e, EndAttempt)] == [
        "a@2026-03-02T09:00Z"
    ]


@pytest.mark.parametrize("state", ["unknown", "waiting"])
def test_word_of_an_attempt_that_is_not_going_is_ignored(state: str) -> None:
    simulation = at_nine("0 9 * * * name=a root x\n0 9 * * * name=waiting root x\n", slots=1)
    moment, key = simulation.clock.moment(), f"{state}@2026-03-02T09:00Z"
    assert simulation.handle(AttemptEnded(moment, key, exited())) == ()
    assert simulation.handle(AttemptStarted(moment, key, 1)) == ()


def test_the_journal_hears_of_the_process_of_an_attempt() -> None:
    simulation = at_nine("0 9 * * * name=a root /bin/echo hello\n")
    event = AttemptStarted(
        simulation.clock.moment(), "a@2026-03-02T09:00Z", 4711, "HOME is missing"
    )
    record, effect = simulation.handle(event)
    assert record == Record((Started("a@2026-03-02T09:00Z", 1, 4711),), urgent=False)
    assert isinstance(effect, Announce)
    assert effect.report.text == (
        "a@2026-03-02T09:00Z: attempt 1 started, pid 4711: (root) CMD (/bin/echo hello); "
        "HOME is missing"
    )
    assert simulation.state.runs["a@2026-03-02T09:00Z"].attempt.pid == 4711


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (exited(0), Outcome.SUCCEEDED),
        (exited(3), Outcome.FAILED),
        (killed(9), Outcome.SIGNALED),
        (not_started(), Outcome.NOT_STARTED),
        (lost(), Outcome.LOST),
    ],
)
def test_every_kind_of_ending_frees_the_slots_and_is_told(ending: Ending, outcome: Outcome) -> None:
    simulation = Simulation(
        entries_of("0 9 * * * slots=3 root true\n"),
        start=START,
        script=lambda _run, _attempt: Act(ending=ending),
    )
    simulation.run_until(NINE + MINUTE)
    assert ended_outcomes(simulation) == [outcome]
    assert simulation.state.slots_used == 0


@pytest.mark.parametrize(
    ("ending", "why"), [(exited(1), ""), (not_started("no such account"), "no such account")]
)
def test_a_run_that_is_over_says_why_its_attempt_has_no_status(ending: Ending, why: str) -> None:
    simulation = at_nine("0 9 * * * name=a root true\n")
    simulation.finish("a@2026-03-02T09:00Z", ending)
    assert simulation.finished("a")[0][2] == why


def test_the_run_of_a_launcher_that_died_says_so() -> None:
    simulation = at_nine("0 9 * * * name=a root true\n")
    simulation.finish("a@2026-03-02T09:00Z", lost())
    assert simulation.finished("a") == [("a@2026-03-02T09:00Z", "lost", "the launcher died")]


def test_an_attempt_that_is_ended_before_it_has_a_process_is_cancelled() -> None:
    simulation = at_nine("0 9 * * * name=a retry=3 root true\n")
    simulation.kill("a@2026-03-02T09:00Z")
    simulation.finish("a@2026-03-02T09:00Z", not_started("it was ended before it began"))
    assert simulation.finished("a")[0][1] == "cancelled"
    assert ended_outcomes(simulation) == ["cancelled"]
