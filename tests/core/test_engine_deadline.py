"""Runs that could not begin in time, and what counts as success."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.events import Finished
from cronjob.core.gates import Readings
from cronjob.core.simulation import CALM
from cronjob.testing import Act, Simulation, entries_of, exited, not_started

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)
FULL = "0 9 * * * name=full root x\n"


def at_nine(text: str, *, slots: int = 16, readings: Readings = CALM) -> Simulation:
    simulation = Simulation(
        entries_of(text, host="h"),
        start=NINE - MINUTE,
        slots=slots,
        script=lambda _run, _attempt: Act(lasts=None),
        gauges=lambda _simulation: readings,
    )
    simulation.run_until(NINE)
    return simulation


def missed(simulation: Simulation) -> list[tuple[float, str]]:
    """Seconds after nine, and which entry."""
    return [
        ((when - NINE).total_seconds(), effect.run.label)
        for when, effect in simulation.timeline
        if isinstance(effect, Finished) and effect.outcome == "missed"
    ]


@pytest.mark.parametrize(
    "waits",
    ["", "when=load<1", "when=load<1 overlap=queue"],
)
def test_a_run_that_has_not_begun_by_its_deadline_is_missed(waits: str) -> None:
    text = FULL + f"0 9 * * * name=a deadline=90s {waits} root x\n"
    simulation = at_nine(text, slots=1, readings=Readings(load=5.0))
    simulation.run_until(NINE + 10 * MINUTE)
    assert missed(simulation) == [(90.0, "a")]
    assert simulation.starts("a") == []
    (report,) = simulation.reports("run-missed")
    held = "load<1" if waits else "a slot"
    assert report.text == (
        "a@2026-03-02T09:00Z: missed: it could not start within 1m 30s; "
        f"it waited for {held} (table:2)"
    )


def test_one_that_waits_for_an_earlier_run_is_missed_too() -> None:
    simulation = at_nine("0-1 9 * * * name=a overlap=queue deadline=2m root x\n")
    simulation.run_until(NINE + 10 * MINUTE)
    assert missed(simulation) == [(180.0, "a")]
    assert len(simulation.starts()) == 1


def test_a_deadline_counts_from_the_end_of_the_jitter() -> None:
    text = FULL + "0 9 * * * name=a jitter=30m deadline=90s root x\n"
    simulation = at_nine(text, slots=1)
    delay = simulation.state.entries["a"].start_delay.total_seconds()
    simulation.run_until(NINE + 60 * MINUTE)
    ((when, _),) = missed(simulation)
    assert when == pytest.approx(delay + 90, abs=1e-3)


def test_a_daemon_that_wakes_late_misses_what_is_past_its_deadline() -> None:
    text = "1 9 * * * name=a deadline=90s root x\n1 9 * * * name=b deadline=3m root x\n"
    simulation = at_nine(text)
    simulation.clock.advance(3 * MINUTE)
    simulation.wake()
    assert missed(simulation) == [(180.0, "a")]
    assert len(simulation.starts("b")) == 1


def test_a_slot_that_is_freed_too_late_goes_to_the_next() -> None:
    simulation = at_nine(
        FULL + "0 9 * * * name=a deadline=90s root x\n" + "0 9 * * * name=b root x\n", slots=1
    )
    simulation.clock.advance(2 * MINUTE)
    simulation.finish("full@2026-03-02T09:00Z", exited())
    assert missed(simulation) == [(120.0, "a")]
    assert len(simulation.starts("b")) == 1


def test_what_has_begun_may_be_retried_after_its_deadline() -> None:
    simulation = at_nine("0 9 * * * name=a deadline=5s retry=1,1m root x\n")
    simulation.finish("a@2026-03-02T09:00Z", exited(1))
    simulation.run_until(NINE + 2 * MINUTE)
    assert [number for _, _, number in simulation.starts()] == [1, 2]


@pytest.mark.parametrize(
    ("after", "then"), [("deadline=5m", [300.0]), ("", []), ("deadline=90s", [90.0])]
)
def test_a_corrected_deadline_holds_for_what_waits(after: str, then: list[float]) -> None:
    simulation = at_nine(FULL + "0 9 * * * name=a deadline=90s root x\n", slots=1)
    simulation.reload(entries_of(FULL + f"0 9 * * * name=a {after} root x\n", host="h"))
    simulation.run_until(NINE + 10 * MINUTE)
    assert [when for when, _ in missed(simulation)] == then


@pytest.mark.parametrize(
    ("ok", "code", "outcome"),
    [
        ("", 0, "succeeded"),
        ("", 1, "failed"),
        ("ok=0,1", 1, "succeeded"),
        ("ok=0,1", 2, "failed"),
        ("ok=24-26", 0, "failed"),
        ("ok=24-26", 25, "succeeded"),
        ("ok=0,143", 143, "succeeded"),
        ("", 143, "signaled"),
    ],
)
def test_the_entry_says_which_exit_codes_are_success(ok: str, code: int, outcome: str) -> None:
    simulation = at_nine(f"0 9 * * * name=a retry=1,1s {ok} root x\n")
    simulation.finish("a@2026-03-02T09:00Z", exited(code))
    (report,) = simulation.reports("attempt-ended")
    assert dict(report.fields)["CRONJOB_OUTCOME"] == outcome
    assert bool(simulation.finished()) == (outcome == "succeeded")


def test_every_run_that_ends_is_told_once_with_the_outcome_of_its_last_attempt() -> None:
    simulation = at_nine(
        "0 9 * * * name=a retry=1,1s root x\n0 9 * * * name=b root x\n"
        "0 9 * * * name=c retry=2,1m root x\n0 9 * * * name=late jitter=30m root x\n"
    )
    for _ in range(2):
        simulation.finish("a@2026-03-02T09:00Z", exited(1))
        simulation.run_until(simulation.clock.now() + timedelta(seconds=2))
    simulation.finish("b@2026-03-02T09:00Z", not_started())
    simulation.finish("c@2026-03-02T09:00Z", exited(7))
    simulation.reload({})
    assert [(key.partition("@")[0], *rest) for key, *rest in simulation.finished()] == [
        ("a", "gave-up", "retries are exhausted"),
        ("b", "not-started", "no such account"),
        ("c", "failed", "its entry is in no table any more"),
        ("late", "cancelled", "its entry is in no table any more"),
    ]


def test_what_a_stop_leaves_to_the_next_daemon_is_not_over() -> None:
    simulation = at_nine(FULL + "0 9 * * * name=a root x\n", slots=1)
    simulation.stop()
    simulation.finish("full@2026-03-02T09:00Z", exited())
    assert [key for key, _, _ in simulation.finished()] == ["full@2026-03-02T09:00Z"]
