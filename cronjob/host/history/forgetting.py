"""When it is looked for what is not to be kept, as the daemon's loop has it: when nothing waits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from cronjob.core.config import Retention
from cronjob.core.record import Begun
from cronjob.ports import Item, Printed

RUNS_A_LOOK = 500  #: after so many runs it is looked for what is not to be kept
LEAST_BYTES = 1 << 20  #: or after so much output, or a part of what may be kept, if that is more
PARTS = 16  #: of what may be kept
LOOK_SECONDS = 3600.0  #: or after this time, with the next run
PAUSE = 0.02  #: seconds between two small steps, for others who use the disk


class Forgetting:
    """Counts what comes, and takes small steps while nobody wants anything else.

    `step(retention)` forgets some of what is not to be kept, and says whether there may be more.
    """

    def __init__(self, retention: Retention, step: Callable[[Retention], Awaitable[bool]]) -> None:
        self._retention, self._step = retention, step
        self._wanted = True  #: with the first run: others may have left too much
        self._runs = self._bytes = 0  #: since the latest look
        self._looked = 0.0  #: when that was, in monotonic seconds

    def keep(self, retention: Retention) -> bool:
        """From now on that much is kept; whether that is news."""
        if retention == self._retention:
            return False
        self._retention, self._wanted = retention, True
        return True

    def note(self, items: Iterable[Item]) -> None:
        """These are to be stored."""
        for item in items:
            if isinstance(item, Begun):
                self._runs += 1
            elif isinstance(item, Printed):
                self._bytes += len(item.kept.head) + len(item.kept.tail)

    async def forget(self, wanted: asyncio.Event) -> None:
        """Forget all that is not to be kept, or some until something else is wanted.

        Raises `HistoryError`.
        """
        now = asyncio.get_running_loop().time()
        if not self._is_due(now):
            return
        self._wanted, self._runs, self._bytes, self._looked = False, 0, 0, now
        while not wanted.is_set() and await self._step(self._retention):
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await wanted.wait()
            self._wanted = wanted.is_set()  # the rest follows

    def _is_due(self, now: float) -> bool:
        if self._wanted or self._runs >= RUNS_A_LOOK:
            return True
        if self._bytes >= max(LEAST_BYTES, self._retention.max_size // PARTS):
            return True
        return self._runs > 0 and now - self._looked >= LOOK_SECONDS
