"""Items of one kind together: never what is told of one run in another order."""

from itertools import chain

import pytest

from cronjob.core.record import Begun, Ended, Launching, Over, Progress
from cronjob.host.history.items import grouped, run_of
from cronjob.ports import Item
from tests.host.changes import START, one_run, play


def test_items_of_one_kind_come_together() -> None:
    begun, launching, _, ended, over = one_run(0)
    other = one_run(1)
    found = [(kind, len(items)) for kind, items in grouped([*other[3:], begun, launching])]
    assert found == [(Begun, 1), (Launching, 1), (Ended, 1), (Over, 1)]
    found = [(kind, len(items)) for kind, items in grouped([begun, ended, over, *other])]
    assert [count for _, count in found] == [2, 1, 1, 2, 2]


def test_nothing_passes_what_is_of_no_run() -> None:
    first, second, progress = one_run(0)[0], one_run(1)[0], Progress(START)
    assert [*grouped([first, progress, second])] == [
        *[(Begun, [first]), (Progress, [progress]), (Begun, [second])]
    ]


@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_of_a_run_stays_in_its_order_and_nothing_is_left_out(seed: int) -> None:
    items: list[Item] = [*chain.from_iterable(play(seed, minutes=30))]
    found = [item for _, some in grouped(items) for item in some]
    assert sorted(map(id, found)) == sorted(map(id, items))
    for key in {run_of(item) for item in items}:
        assert [i for i in found if run_of(i) == key] == [i for i in items if run_of(i) == key]
