"""Questions to the name service: each in a thread of its own, so that a slow one delays nobody."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

LOOKUP_SECONDS = 5.0  #: a name service that takes longer counts as not answering
KEPT_SECONDS = 5.0  #: for so long an answer serves again, so that a burst asks once

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Lookup(Generic[Key, Answer]):
    """What `find(key)` answers; each key is asked for once at a time, however many want to know."""

    def __init__(self, find: Callable[[Key], Answer]) -> None:
        self._find = find
        self._asked: dict[Key, tuple[float, asyncio.Future[Answer]]] = {}

    def known(self, key: Key) -> Answer | None:
        """The answer that still serves; None when there is none, or `find` raised."""
        since, answer = self._asked.get(key, (0.0, None))
        if answer is None or not answer.done() or answer.exception() is not None:
            return None
        fresh = asyncio.get_running_loop().time() - since <= KEPT_SECONDS
        return answer.result() if fresh else None

    async def get(self, key: Key) -> Answer:
        """The answer.  Raises what `find` raises, and `TimeoutError` after `LOOKUP_SECONDS`."""
        loop = asyncio.get_running_loop()
        since, answer = self._asked.get(key, (0.0, None))
        if answer is None or (answer.done() and loop.time() - since > KEPT_SECONDS):
            answer = loop.create_future()
            self._asked[key] = (loop.time(), answer)
            # A daemon thread: a lookup that hangs for ever must not keep the daemon from ending.
            threading.Thread(target=self._ask, args=(key, loop, answer), daemon=True).start()
        async with asyncio.timeout(LOOKUP_SECONDS):
            return await asyncio.shield(answer)

    def _ask(
        self, key: Key, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Answer]
    ) -> None:
        def fail(error: Exception) -> None:
            answer.set_exception(error)
            answer.exception()  # nobody may be waiting any more

        with suppress(RuntimeError):  # the loop has ended meanwhile
            try:
                found = self._find(key)
            except Exception as error:
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(answer.set_result, found)
