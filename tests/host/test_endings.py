"""The ends that one pass of the loop hears are one step of the engine."""

import asyncio

from cronjob.core.attempt import Ending
from cronjob.core.events import AttemptEnded
from cronjob.core.output import Kept
from cronjob.host.clock import SystemClock
from cronjob.host.endings import Endings
from tests.host.recording import in_a_loop

A, B = "a@2026-03-02T09:00Z/1", "b@2026-03-02T09:00Z/2"
SILENT, LOUD = Kept(), Kept(head=b"loud\n")


class Engine:
    """What it is stepped with; `stumbles` over several ends at once."""

    def __init__(self, *, stumbles: bool = False) -> None:
        self.steps: list[list[str]] = []
        self.defects: list[str] = []
        self._stumbles = stumbles
        self.endings = Endings(SystemClock(), self._step, self._defect)

    def hear(self, attempt: str, kept: Kept = SILENT) -> None:
        """The attempt has ended."""
        self.endings.hear(attempt, Ending(status=0), kept, None, "")

    def _step(self, *events: AttemptEnded) -> None:
        if self._stumbles and len(events) > 1:
            raise ValueError("two at once")
        assert len({event.moment for event in events}) == 1
        self.steps.append([event.run for event in events])

    def _defect(self, what: str, error: BaseException) -> None:
        self.defects.append(f"{what}: {error}")


@in_a_loop
async def test_what_one_pass_hears_is_one_step_at_its_end() -> None:
    engine = Engine()
    engine.hear(A)
    engine.hear(B)
    assert engine.steps == []
    await asyncio.sleep(0)
    assert engine.steps == [["a@2026-03-02T09:00Z", "b@2026-03-02T09:00Z"]]
    engine.hear(A)
    await asyncio.sleep(0)
    assert engine.steps[1:] == [["a@2026-03-02T09:00Z"]]


@in_a_loop
async def test_whoever_steps_the_engine_for_something_else_tells_them_first() -> None:
    engine = Engine()
    engine.hear(A)
    engine.endings.tell()
    await asyncio.sleep(0)
    assert engine.steps == [["a@2026-03-02T09:00Z"]]


@in_a_loop
async def test_one_that_fails_costs_no_other() -> None:
    engine = Engine(stumbles=True)
    engine.hear(A)
    engine.hear(B)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.steps == [["a@2026-03-02T09:00Z"], ["b@2026-03-02T09:00Z"]]
    assert engine.defects == ["cannot take the ends of attempts together: two at once"]


@in_a_loop
async def test_what_they_printed_is_taken_once() -> None:
    engine = Engine()
    engine.hear(A, LOUD)
    engine.hear(B)
    assert engine.endings.outputs() == {A: LOUD}
    assert engine.endings.outputs() == {}
