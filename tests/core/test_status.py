"""What a daemon shows of itself."""

from datetime import UTC, datetime, timedelta

from cronjob.core.events import Moment
from cronjob.core.request import Asker
from cronjob.core.state import State
from cronjob.core.status import ROWS, UPCOMING, Status, status
from cronjob.testing import Act, Simulation, entries_of, exited

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROOT = Asker("root", everything=True)
ANN = Asker("ann", everything=False)


def _shown(table: str, asker: Asker = ROOT, *, slots: int = 2, after: float = 90) -> Status:
    """The status so many seconds after noon; every attempt takes an hour."""
    hour = Act(timedelta(hours=1), exited(0))
    simulation = Simulation(
        entries_of(table), start=NOON - timedelta(seconds=1), slots=slots, script=lambda *_: hour
    )
    simulation.run_until(NOON + timedelta(seconds=after))
    return status(simulation.state, simulation.clock.moment(), asker)


def test_what_runs_is_told_with_its_time_and_what_waits_with_its_reason() -> None:
    shown = _shown("0 12 * * * name=a slots=2 root x\n1 12 * * * name=b ann y\n")
    (a,), (b,) = shown.running, shown.waiting
    assert (a.run, a.state, a.seconds, a.attempt, a.slots) == (
        "a@2026-11-21T12:00Z",
        "running",
        90,
        1,
        2,
    )
    assert (a.since, a.reason) == (NOON, "")
    assert (b.run, b.state, b.seconds, b.attempt, b.pid) == (
        "b@2026-11-21T12:01Z",
        "ready",
        30,
        None,
        None,
    )
    assert b.reason == "waits for a slot"
    assert (shown.slots, shown.slots_used, shown.entries) == (2, 2, 2)


def test_who_stands_in_line_is_told_how_many_are_ahead() -> None:
    lines = "".join(
        f"{minute} 12 * * * name=m{minute} {priority} root x\n"
        for minute, priority in (
            (0, ""),
            (1, ""),
            (2, ""),
            (3, "priority=1"),
        )
    )
    shown = _shown(lines, slots=1, after=240)
    assert {row.entry: row.ahead for row in shown.waiting} == {"m3": 0, "m1": 1, "m2": 2}
    assert [row.ahead for row in shown.running] == [None]


def test_who_waits_for_an_earlier_run_stands_in_no_line() -> None:
    (held,) = _shown("*/1 12 * * * name=a overlap=queue root x\n").waiting
    assert (held.ahead, held.retry_at) == (None, None)


def test_a_retry_that_waits_is_told_with_its_time() -> None:
    failed = Act(timedelta(seconds=10), exited(1))
    simulation = Simulation(
        entries_of("0 12 * * * name=a retry=1,5m root x\n"),
        start=NOON - timedelta(seconds=1),
        slots=1,
        script=lambda *_: failed,
    )
    simulation.run_until(NOON + timedelta(seconds=70))
    (row,) = status(simulation.state, simulation.clock.moment(), ROOT).waiting
    assert (row.attempt, row.retry_at) == (1, NOON + timedelta(seconds=10, minutes=5))


def test_a_user_sees_own_runs_and_entries_and_the_whole_pool() -> None:
    shown = _shown("0 12 * * * name=a slots=2 root x\n1 12 * * * name=b ann y\n", ANN)
    assert (shown.running, [row.entry for row in shown.waiting]) == ((), ["b"])
    assert (shown.running_count, shown.waiting_count, shown.entries) == (0, 1, 1)
    assert [one.entry for one in shown.upcoming] == ["b"]
    assert (shown.slots, shown.slots_used) == (2, 2)


def test_the_next_fire_times_come_in_their_order_and_not_all_of_them() -> None:
    lines = [f"{(minute * 37) % 60} 13 * * * name=m{minute} root x\n" for minute in range(30)]
    shown = _shown("".join(lines))
    times = [one.at for one in shown.upcoming]
    assert len(times) == UPCOMING
    assert times == sorted(times)
    assert times[0] == NOON + timedelta(hours=1)


def test_what_runs_longest_comes_first_and_no_more_rows_than_a_thousand() -> None:
    many = "".join(f"1 12 * * * name=m{number} root x\n" for number in range(ROWS + 7))
    shown = _shown("0 12 * * * name=old slots=0 root x\n" + many, slots=2 * ROWS + 20)
    assert shown.running[0].entry == "old"
    assert (len(shown.running), shown.running_count) == (ROWS, ROWS + 8)


def test_a_state_without_anything_has_a_status() -> None:
    shown = status(State(slots=4), Moment(NOON, 0.0), ROOT)
    assert (shown.running, shown.waiting, shown.upcoming, shown.slots) == ((), (), (), 4)


def test_a_user_owns_what_runs_as_that_user_and_root_owns_all() -> None:
    entry = entries_of("@daily name=a ann true\n")["a"]
    assert [
        Asker(*who).owns(entry) for who in (("ann", False), ("bob", False), ("root", True))
    ] == [
        True,
        False,
        True,
    ]
