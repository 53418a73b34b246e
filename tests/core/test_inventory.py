"""A history that is told of everything again knows as much as the one that was lost."""

from datetime import datetime, timedelta

import pytest

from cronjob.core.attempt import Attempt
from cronjob.core.found import Unfinished
from cronjob.core.inventory import inventory
from cronjob.core.run import Run
from cronjob.testing import Act, MemoryHistory, Simulation, entries_of, exited

START = datetime.fromisoformat("2026-03-02T08:59:30Z")
TABLE = """
0 9 * * * name=retried priority=1 retry=3,10m..10m root x
0 9 * * * name=going root x
0 9 * * * name=queued priority=-1 root x
@monthly name=idle root x
"""
ACTS = {
    "retried": Act(timedelta(seconds=1), exited(3)),
    "going": Act(timedelta(hours=9)),
    "queued": Act(timedelta(seconds=5)),
}


def act(run: Run, _: Attempt) -> Act:
    return ACTS[run.label]


@pytest.mark.parametrize("seconds", [0, 30, 31, 32, 700])
def test_what_is_told_again_is_what_was_told(seconds: int) -> None:
    """Before anything is due, while one runs, waits for its retry, waits for slots."""
    told, again = MemoryHistory(), MemoryHistory()
    simulation = Simulation(entries_of(TABLE), start=START, slots=1, script=act, store=told.record)
    simulation.run_until(START + timedelta(seconds=seconds))
    assert again.record(inventory(simulation.state)) == ()
    left, found = told.left(), again.left()
    assert found.progress == left.progress
    assert sorted(map(without_retry, found.unfinished)) == sorted(
        map(without_retry, left.unfinished)
    )
    # A retry whose delay is over waits for slots: at once is when it comes.
    assert simulation.state.seen is not None
    planned = {one.key: one.retry_at for one in left.unfinished}
    for one in found.unfinished:
        before = planned[one.key]
        assert one.retry_at == (before and max(before, simulation.state.seen.now))


def without_retry(one: Unfinished) -> Unfinished:
    return one._replace(retry_at=None)
