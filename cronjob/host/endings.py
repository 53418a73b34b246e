"""The ends of attempts, taken together: what they free is given away once."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from cronjob.core.attempt import Ending, attempt_parts
from cronjob.core.events import AttemptEnded
from cronjob.core.output import Kept
from cronjob.host.clock import SystemClock, chance


class StepAll(Protocol):
    """What steps the engine with several events of the same moment."""

    def __call__(self, *events: AttemptEnded) -> None:
        """Step it once."""


class Endings:
    """Gathers what one pass of the loop hears, and steps the engine with it at its end."""

    def __init__(
        self,
        clock: SystemClock,
        step: StepAll,
        defect: Callable[[str, BaseException], None],
    ) -> None:
        self._clock, self._step, self._defect = clock, step, defect
        self._heard: list[AttemptEnded] = []
        self._kept: dict[str, Kept] = {}  #: what those attempts printed, by attempt

    def hear(self, attempt: str, ending: Ending, kept: Kept, pid: int | None, note: str) -> None:
        """An attempt has ended; `pid` and `note` belong to a start that was not told before."""
        run, _ = attempt_parts(attempt)
        if kept.size:
            self._kept[attempt] = kept
        moment = self._heard[0].moment if self._heard else self._clock.moment()
        self._heard.append(AttemptEnded(moment, run, ending, chance(), pid, note))
        if len(self._heard) == 1:
            asyncio.get_running_loop().call_soon(self.tell)

    def tell(self) -> None:
        """Step the engine with what has been heard, before anything that comes later."""
        heard, self._heard = self._heard, []
        if not heard:
            return
        try:
            self._step(*heard)
        except Exception as error:  # one of them that fails must not cost the others
            self._defect("cannot take the ends of attempts together", error)
            for ending in heard:
                asyncio.get_running_loop().call_soon(self._step, ending)

    def outputs(self) -> dict[str, Kept]:
        """Take what they printed, by attempt; whoever steps the engine has it recorded."""
        kept, self._kept = self._kept, {}
        return kept
