"""Nobody gets the whole pool: shares, bounds on what waits, and a pool that is stuck."""

from dataclasses import replace
from datetime import datetime, timedelta
from time import process_time

from cronjob.core.entry import Entry
from cronjob.testing import Act, Simulation, entries_of, exited

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)


def of_user_tables(text: str) -> dict[str, Entry]:
    """The entries of a table, as if each stood in the user table of its account."""
    return {label: replace(e, personal=True) for label, e in entries_of(text).items()}


def at_nine(entries: dict[str, Entry], *, slots: int) -> Simulation:
    simulation = Simulation(
        entries, start=NINE - MINUTE, slots=slots, script=lambda _run, _attempt: Act(lasts=None)
    )
    simulation.run_until(NINE)
    return simulation


def started(simulation: Simulation) -> list[str]:
    return [key.partition("@")[0] for _, key, _ in simulation.starts()]


def many(count: int, user: str = "ann", prefix: str = "e") -> str:
    return "".join(f"0 9 * * * name={prefix}{n} {user} x\n" for n in range(count))


def test_an_entry_holds_at_most_half_of_the_pool() -> None:
    simulation = at_nine(entries_of("* * * * * name=a root x\n"), slots=5)
    simulation.run_until(NINE + 4 * MINUTE)
    assert started(simulation) == ["a", "a"]
    assert simulation.state.slots_used == 2


def test_user_tables_of_one_account_hold_at_most_half_of_the_pool_and_block_nobody() -> None:
    entries = of_user_tables(many(6) + many(2, "bob", "b")) | entries_of(many(2, "ann", "system"))
    simulation = at_nine(entries, slots=8)
    assert sorted(started(simulation)) == [
        *("b0", "b1", "e0", "e1", "e2", "e3", "system0", "system1")
    ]


def test_one_run_may_always_start_when_its_group_holds_nothing() -> None:
    simulation = at_nine(of_user_tables("0 9 * * * name=wide slots=3 ann x\n" + many(1)), slots=4)
    assert started(simulation) == ["wide"]
    simulation.finish("wide@2026-03-02T09:00Z", exited())
    assert started(simulation) == ["wide", "e0"]


def test_whoever_its_share_holds_back_starts_in_order_when_there_is_room() -> None:
    simulation = at_nine(of_user_tables(many(5)), slots=4)
    assert started(simulation) == ["e0", "e1"]
    for n in range(3):
        simulation.finish(f"e{n}@2026-03-02T09:00Z", exited())
    assert started(simulation) == ["e0", "e1", "e2", "e3", "e4"]


def test_a_share_that_holds_a_run_back_is_named_in_the_log() -> None:
    simulation = at_nine(of_user_tables(many(3)), slots=4)
    simulation.run_until(NINE + 3 * MINUTE)
    (waits,) = simulation.reports("run-waiting")
    assert waits.text == (
        "e2@2026-03-02T09:00Z: waits for its account's share of the slots: 2 of 2 are taken"
    )
    simulation.finish("e0@2026-03-02T09:00Z", exited())
    assert "waited 3m for its account's share of the slots" in (
        simulation.reports("attempt-started")[-1].text
    )


def test_a_run_of_two_full_groups_starts_when_both_have_room() -> None:
    text = "0,1,2 9 * * * name=a ann x\n0,1 9 * * * name=b ann x\n"
    simulation = at_nine(of_user_tables(text), slots=4)
    simulation.run_until(NINE + 2 * MINUTE)
    assert started(simulation) == ["a", "b"]
    simulation.finish("b@2026-03-02T09:00Z", exited())
    assert started(simulation) == ["a", "b", "a"]
    simulation.finish("a@2026-03-02T09:00Z", exited())
    simulation.finish("a@2026-03-02T09:01Z", exited())
    assert sorted(started(simulation)) == ["a", "a", "a", "b", "b"]


def test_a_larger_pool_has_larger_shares() -> None:
    entries = of_user_tables(many(8))
    simulation = at_nine(entries, slots=4)
    simulation.reload(entries, 8)
    assert started(simulation) == ["e0", "e1", "e2", "e3"]


def test_ten_thousand_runs_that_a_share_holds_back_do_not_slow_down_each_step() -> None:
    simulation = at_nine(of_user_tables(many(10_000)) | entries_of(many(1, "root", "o")), slots=8)
    begun = process_time()
    for n in range(100):
        simulation.finish(f"e{n}@2026-03-02T09:00Z", exited())
    assert started(simulation).count("o0") == 1
    assert len(simulation.starts()) == 105
    assert (process_time() - begun) / 100 < 0.005  # a look at each of them takes longer


def test_at_most_ten_runs_of_an_entry_wait_and_the_next_is_skipped_with_one_word() -> None:
    text = "0 9 * * * name=full slots=4 root x\n* * * * * name=a root x\n"
    simulation = at_nine(entries_of(text), slots=4)
    simulation.run_until(NINE + 15 * MINUTE)
    assert len([run for run in simulation.state.runs.values() if run.label == "a"]) == 10
    skipped = simulation.finished("a")
    assert {(outcome, why) for _, outcome, why in skipped} == {
        ("skipped", "10 runs of its entry wait already")
    }
    (report,) = simulation.reports("run-skipped")
    assert "no more is said until one of them starts" in report.text
    simulation.finish("full@2026-03-02T09:00Z", exited())
    simulation.run_until(NINE + 30 * MINUTE)
    assert len(simulation.reports("run-skipped")) == 2


def test_a_pool_that_is_full_for_five_minutes_is_an_error_once() -> None:
    text = "0 9 * * * name=a root x\n0 9 * * * name=b root x\n"
    simulation = at_nine(entries_of(text), slots=1)
    simulation.run_until(NINE + 5 * MINUTE - timedelta(seconds=1))
    assert simulation.reports("pool-full") == []
    simulation.run_until(NINE + 60 * MINUTE)
    (report,) = simulation.reports("pool-full")
    assert report.text == (
        "no attempt has ended for 5m: 1 of 1 slots are taken, 1 run waiting; "
        "a@2026-03-02T09:00Z runs longest, since 2026-03-02 09:00:00Z"
    )
    assert report.priority == 3


def test_a_full_pool_in_which_attempts_end_is_no_error() -> None:
    text = "".join(f"0 9 * * * name=e{n} root x\n" for n in range(9))
    simulation = Simulation(
        entries_of(text),
        start=NINE - MINUTE,
        slots=1,
        script=lambda _run, _attempt: Act(lasts=timedelta(minutes=4)),
    )
    simulation.run_until(NINE + 60 * MINUTE)
    assert len(simulation.starts()) == 9
    assert simulation.reports("pool-full") == []


def test_a_full_pool_for_which_nobody_waits_is_no_error() -> None:
    simulation = at_nine(entries_of("0 9 * * * name=a slots=2 root x\n"), slots=2)
    simulation.run_until(NINE + 60 * MINUTE)
    assert simulation.reports("pool-full") == []
