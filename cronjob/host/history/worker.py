"""A thread that does one thing after another, for what may block: a loop hears how each ended."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """One thread; it waits without a timer, and does not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Do this after all that was wanted before; what it returns or raises.

        It is left undone if nobody waits for it any more when it has its turn.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def worked() -> None:
            if future.cancelled():
                return
            try:
                result = work()
            except BaseException as error:
                self._settle(future, partial(future.set_exception, error))
            else:
                self._settle(future, partial(future.set_result, result))

        self._wanted.put(worked)
        return future

    def stop(self) -> None:
        """End the thread once it has done what was wanted."""
        self._wanted.put(None)

    def _settle(self, future: "asyncio.Future[T]", how: Callable[[], None]) -> None:
        def settle() -> None:
            if not future.done():  # it is when it was cancelled: nobody waits any more
                how()

        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(settle)

    def _work(self) -> None:
        while (worked := self._wanted.get()) is not None:
            worked()
