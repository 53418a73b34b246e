"""What becomes of a run when an earlier one of its entry is still going."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.events import EndAttempt
from cronjob.testing import Act, Simulation, entries_of, exited, killed

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)


def busy(fields: str, *, slots: int = 16, minutes: int = 1) -> Simulation:
    """An entry of every minute, `a`, whose attempts go on until the test ends them."""
    simulation = Simulation(
        entries_of(f"* * * * * name=a {fields} root x\n"),
        start=NINE - MINUTE,
        slots=slots,
        script=lambda _run, _attempt: Act(lasts=None, obeys_after=timedelta(seconds=2)),
    )
    simulation.run_until(NINE + (minutes - 1) * MINUTE)
    return simulation


def key(minute: int) -> str:
    return f"a@2026-03-02T09:{minute:02}Z"


def starts(simulation: Simulation) -> list[tuple[str, int]]:
    return [(key.partition("T")[2], number) for _, key, number in simulation.starts()]


def over(simulation: Simulation) -> list[tuple[str, str, str]]:
    return [(key.partition("T")[2], how, why) for key, how, why in simulation.finished()]


def test_allow_lets_both_run() -> None:
    assert starts(busy("overlap=allow", minutes=3)) == [("09:00Z", 1), ("09:01Z", 1), ("09:02Z", 1)]


def test_skip_does_not_begin_while_one_is_going() -> None:
    simulation = busy("overlap=skip", minutes=3)
    simulation.finish(key(0), exited())
    simulation.run_until(NINE + 3 * MINUTE)
    assert starts(simulation) == [("09:00Z", 1), ("09:03Z", 1)]
    assert over(simulation) == [
        ("09:01Z", "skipped", "an earlier run is going"),
        ("09:02Z", "skipped", "an earlier run is going"),
        ("09:00Z", "succeeded", ""),
    ]


def test_a_run_between_two_attempts_is_going() -> None:
    simulation = busy("overlap=skip retry=3,90s retry-until=1h")
    simulation.finish(key(0), exited(1))
    simulation.run_until(NINE + MINUTE)
    assert over(simulation) == [("09:01Z", "skipped", "an earlier run is going")]
    simulation.run_until(NINE + 2 * MINUTE)
    assert starts(simulation) == [("09:00Z", 1), ("09:00Z", 2)]


def test_two_that_wait_for_slots_do_not_both_start_with_skip() -> None:
    other = entries_of(
        "59 8 * * * name=full slots=2 root x\n* * * * * name=a overlap=skip root x\n"
    )
    simulation = Simulation(
        other, start=NINE - 2 * MINUTE, slots=2, script=lambda _run, _attempt: Act(lasts=None)
    )
    simulation.run_until(NINE + MINUTE)
    simulation.finish("full@2026-03-02T08:59Z", exited())
    assert simulation.starts("a") == [(NINE + MINUTE, "a@2026-03-02T08:59Z", 1)]
    assert [(outcome, why) for _, outcome, why in simulation.finished("a")] == [
        ("skipped", "an earlier run is going")
    ] * 2


def test_queue_starts_the_newest_when_the_earlier_one_is_over() -> None:
    simulation = busy("overlap=queue", minutes=4)
    assert starts(simulation) == [("09:00Z", 1)]
    simulation.finish(key(0), exited())
    assert starts(simulation) == [("09:00Z", 1), ("09:03Z", 1)]
    assert over(simulation)[:2] == [
        ("09:01Z", "skipped", "superseded"),
        ("09:02Z", "skipped", "superseded"),
    ]


def test_queue_waits_for_the_last_attempt() -> None:
    simulation = busy("overlap=queue retry=1,70s retry-until=1h")
    simulation.finish(key(0), exited(1))
    simulation.run_until(NINE + MINUTE + timedelta(seconds=30))
    assert starts(simulation) == [("09:00Z", 1), ("09:00Z", 2)]
    simulation.finish(key(0), exited(1))
    assert starts(simulation)[2:] == [("09:01Z", 1)]


def test_a_run_that_waits_for_slots_is_not_superseded_by_a_queued_one() -> None:
    """Or an entry that is often due would never come to its turn."""
    text = "59 8 * * * name=full root x\n* * * * * name=a overlap=queue root x\n"
    simulation = Simulation(
        entries_of(text),
        start=NINE - 2 * MINUTE,
        slots=1,
        script=lambda _run, _attempt: Act(lasts=None),
    )
    simulation.run_until(NINE + 5 * MINUTE)
    simulation.finish("full@2026-03-02T08:59Z", exited())
    simulation.finish("a@2026-03-02T08:59Z", exited())
    assert [key for _, key, _ in simulation.starts("a")] == [
        *("a@2026-03-02T08:59Z", "a@2026-03-02T09:05Z")
    ]


def test_replace_ends_the_earlier_run_and_starts_when_it_is_over() -> None:
    simulation = busy("overlap=replace retry=2,5s retry-on=cancelled,failure grace=7s", minutes=2)
    ends = [effect for _, effect in simulation.timeline if isinstance(effect, EndAttempt)]
    assert ends == [EndAttempt(key(0), 1, 7.0)]
    assert starts(simulation) == [("09:00Z", 1)]
    simulation.run_until(NINE + MINUTE + timedelta(seconds=30))
    assert starts(simulation) == [("09:00Z", 1), ("09:01Z", 1)]
    assert over(simulation) == [("09:00Z", "cancelled", f"replaced by {key(1)}")]
    _, attempt = simulation.reports("attempt-started")
    assert "waited 2s for an earlier run" in attempt.text


def test_replace_cancels_a_ladder() -> None:
    simulation = busy("overlap=replace retry=2,90s retry-until=1h")
    simulation.finish(key(0), exited(1))
    simulation.run_until(NINE + 3 * MINUTE - timedelta(seconds=1))
    assert over(simulation)[0] == ("09:00Z", "failed", f"replaced by {key(1)}")
    assert ("09:01Z", 1) in starts(simulation)
    assert ("09:00Z", 2) not in starts(simulation)


def test_of_those_that_wait_to_replace_the_newest_takes_over_the_place() -> None:
    text = (
        "0 9 * * * name=full root x\n*/2 * * * * name=a overlap=replace root x\n"
        "3 9 * * * name=other root x\n"
    )
    simulation = Simulation(
        entries_of(text), start=NINE - MINUTE, slots=1, script=lambda _r, _a: Act(lasts=None)
    )
    simulation.run_until(NINE + 4 * MINUTE)
    simulation.finish("full@2026-03-02T09:00Z", exited())
    assert [key for _, key, _ in simulation.starts()][1:] == [key(4)]
    assert [why for _, _, why in simulation.finished("a")] == ["superseded"] * 2


def test_an_attempt_that_times_out_already_stays_timed_out_when_it_is_replaced() -> None:
    simulation = busy("overlap=replace timeout=59s grace=9s retry=1,1s retry-on=timeout")
    simulation.script = lambda _run, _attempt: Act(lasts=None)
    simulation.clock.advance(timedelta(seconds=59.5))
    simulation.wake()
    simulation.clock.advance(timedelta(seconds=0.6))
    simulation.wake()
    simulation.finish(key(0), killed(15))
    assert over(simulation) == [("09:00Z", "timed-out", f"replaced by {key(1)}")]


@pytest.mark.parametrize("policy", ["skip", "queue", "replace"])
def test_a_run_that_is_asked_for_obeys_and_a_forced_one_does_not(policy: str) -> None:
    simulation = busy(f"overlap={policy} grace=5s")
    simulation.ask_for("a")
    assert len(simulation.starts()) == 1
    forced = simulation.ask_for("a", force=True)
    assert [key for _, key, _ in simulation.starts()] == [key(0), forced]


def test_a_run_that_would_wait_for_the_one_that_asked_for_it_is_skipped() -> None:
    simulation = busy("overlap=queue")
    asked = simulation.ask_for("a", lender=key(0))
    assert simulation.finished() == [
        (asked, "skipped", "it would wait for the run that asked for it")
    ]


def test_a_table_that_no_longer_asks_for_a_queue_lets_the_waiting_one_start() -> None:
    simulation = busy("overlap=queue", minutes=2)
    simulation.reload(entries_of("* * * * * name=a root x\n"))
    assert starts(simulation) == [("09:00Z", 1), ("09:01Z", 1)]
