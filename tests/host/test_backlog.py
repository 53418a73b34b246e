"""What waits for a history that is away: in order, within bounds, nothing left without an end."""

from collections.abc import Callable, Iterator

import pytest

from cronjob.core.output import Kept
from cronjob.core.record import Begun, Over, Planned, Progress
from cronjob.host.history import backlog
from cronjob.host.history.backlog import Backlog, Shed
from cronjob.host.history.items import run_of
from cronjob.ports import Item, Printed
from tests.host.changes import MINUTE, START, one_run
from tests.host.changes import run_of as first_run


def nobody() -> None:
    """Waits for a record."""


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Sets how much may wait."""

    def set_bounds(items: int, output: int) -> None:
        monkeypatch.setattr(backlog, "MOST_ITEMS", items)
        monkeypatch.setattr(backlog, "MOST_OUTPUT", output)

    return set_bounds


def waiting(records: Backlog) -> Iterator[Item]:
    for recorded in records.waiting:
        yield from recorded.items


def test_records_are_taken_in_order_and_whole() -> None:
    records = Backlog()
    runs = [list[Item](one_run(number)) for number in range(5)]
    for run in runs:
        records.add(run, None)
    taken = [[r.items for r in records.take(most, 0)] for most in (11, 1, 100)]
    assert taken == [runs[:2], runs[2:3], runs[3:]]
    assert not records
    assert records.items == 0


def test_outputs_are_taken_so_many_bytes_at_once() -> None:
    records = Backlog()
    for number in range(5):
        records.add([Printed(f"run-{number}", 1, Kept(b"0123456789"))], None)
    assert [len(records.take(100, most)) for most in (20, 5, 100)] == [2, 1, 2]


def test_within_the_bounds_nothing_is_given_up() -> None:
    records = Backlog()
    for number in range(100):
        records.add(list(one_run(number)), None)
    assert not records.shed()
    assert records.items == 500


def test_the_oldest_outputs_go_before_any_run(bounds: Callable[[int, int], None]) -> None:
    bounds(1000, 100)
    records = Backlog()
    for number in range(12):
        key = first_run(one_run(number)).key
        records.add([*one_run(number), Printed(key, 1, Kept(b"0123456789"))], None)
    assert records.shed() == Shed(outputs=7)
    left = [item.run for item in waiting(records) if isinstance(item, Printed)]
    assert left == [f"plain@2026-03-02T10:{minute:02}Z" for minute in range(7, 12)]
    assert not records.shed()


def test_of_what_is_said_again_and_again_the_latest_stays(
    bounds: Callable[[int, int], None],
) -> None:
    bounds(20, 100)
    records = Backlog()
    for number in range(30):
        at = START + number * MINUTE
        records.add([Progress(at), Planned("a", at)], None)
    assert not records.shed()
    last = START + 29 * MINUTE
    assert list(waiting(records)) == [Progress(last), Planned("a", last)]


def test_of_runs_only_those_go_that_begin_and_end_here(bounds: Callable[[int, int], None]) -> None:
    bounds(20, 100)
    records = Backlog()
    *_, ended, over = one_run(0)  # it began while the history was there
    records.add([ended, over], None)
    records.add([one_run(1)[0]], nobody)  # it goes on
    for number in range(2, 8):
        records.add(list(one_run(number)), None)
    assert records.shed() == Shed(runs=5)
    keys = {run_of(item) for item in waiting(records)}
    assert keys == {f"plain@2026-03-02T10:0{minute}Z" for minute in (0, 1, 7)}
    assert records.items == 8
    begun = {item.run.key for item in waiting(records) if isinstance(item, Begun)}
    over_here = {item.run for item in waiting(records) if isinstance(item, Over)}
    assert begun - over_here == {"plain@2026-03-02T10:01Z"}


def test_who_waits_for_a_record_waits_no_more_once_released() -> None:
    records = Backlog()
    records.add(list(one_run(0)), nobody)
    records.add(list(one_run(1)), None)
    assert list(records.release()) == [nobody]
    assert list(records.release()) == []
    assert records.items == 10
