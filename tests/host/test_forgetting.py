"""When it is looked for what is not to be kept: after runs, after bytes, never in between."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cronjob.core.config import Retention
from cronjob.core.output import Kept
from cronjob.host.history import forgetting
from cronjob.host.history.forgetting import LEAST_BYTES, PARTS, RUNS_A_LOOK, Forgetting
from cronjob.ports import Item, Printed
from tests.host.changes import one_run
from tests.host.recording import FOR_EVER, in_a_loop


class Scene:
    """Steps that are counted; of each look so many as there are left to take."""

    def __init__(self, retention: Retention = FOR_EVER, left: int = 0) -> None:
        self.left, self.steps = left, 0
        self.wanted = asyncio.Event()
        self.forgetting = Forgetting(retention, self._step)

    async def _step(self, _: Retention) -> bool:
        self.steps += 1
        self.left -= 1
        return self.left > 0

    async def looked(self) -> bool:
        """Whether it is looked now."""
        before = self.steps
        await self.forgetting.forget(self.wanted)
        return self.steps > before


def output(size: int) -> Sequence[Item]:
    return [Printed("run", 1, Kept(b"x" * size))]


@in_a_loop
async def test_it_is_looked_with_the_first_run_and_then_after_many() -> None:
    scene = Scene()
    assert await scene.looked()
    assert not await scene.looked()
    scene.forgetting.note([one_run(number)[0] for number in range(RUNS_A_LOOK - 1)])
    assert not await scene.looked()
    scene.forgetting.note(one_run(RUNS_A_LOOK)[:1])
    assert await scene.looked()


@pytest.mark.parametrize(
    ("max_size", "bytes_a_look"), [(1, LEAST_BYTES), (64 << 20, (64 << 20) // PARTS)]
)
@in_a_loop
async def test_it_is_looked_after_a_part_of_what_may_be_kept(
    max_size: int, bytes_a_look: int
) -> None:
    scene = Scene(replace(FOR_EVER, max_size=max_size))
    assert await scene.looked()
    scene.forgetting.note(output(bytes_a_look - 1))
    assert not await scene.looked()
    scene.forgetting.note(output(1))
    assert await scene.looked()


@in_a_loop
async def test_another_bound_is_looked_after_at_once() -> None:
    scene = Scene()
    assert await scene.looked()
    assert not scene.forgetting.keep(FOR_EVER)
    assert not await scene.looked()
    assert scene.forgetting.keep(replace(FOR_EVER, keep_runs=1))
    assert await scene.looked()


@in_a_loop
async def test_steps_are_taken_until_there_is_nothing_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forgetting, "PAUSE", 0.001)
    scene = Scene(left=5)
    assert await scene.looked()
    assert scene.steps == 5


@in_a_loop
async def test_whoever_wants_something_goes_first_and_the_rest_follows() -> None:
    scene = Scene(left=3)
    first = asyncio.ensure_future(scene.looked())
    while not scene.steps:
        await asyncio.sleep(0)
    scene.wanted.set()
    await first
    assert scene.steps == 1
    scene.wanted.clear()
    assert await scene.looked()
    assert scene.left == 0
