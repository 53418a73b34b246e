"""When the tables are read again: after a change, on request, while something is unsettled."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator

from cronjob.host.loading import Loader

UNSETTLED_EVERY = 60.0  #: seconds until a look at what no change of a file will tell
COLLECT_EVERY = (50_000, 20, 20)  #: objects made, and rounds; runs make hardly any cycles


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """The garbage collector stays away, and from what there is at the end for good.

    Tables are many objects that live long and form no cycles. To go through them stops everything
    else, also when they are read in a thread: 0.7 s with 100,000 entries.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECT_EVERY)
        gc.enable()


class Reloads:
    """One loading at a time; what is wanted meanwhile follows it.

    `begun` is called before everything is read anew, `take_over` after something has changed,
    `over` after each loading, `defect(what, error)` with an error of ours.  Nothing is loaded any
    more once `stopping` says so.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        begun: Callable[[], None],
        take_over: Callable[[], None],
        over: Callable[[], None],
        stopping: Callable[[], bool],
        defect: Callable[[str, BaseException], None],
    ) -> None:
        self._loader = loader
        self._begun, self._take_over, self._over = begun, take_over, over
        self._stopping = stopping
        self._defect = defect
        self._loading: asyncio.Task[None] | None = None
        self._wanted = False
        self._anew = False  #: nothing is to be taken from an earlier loading
        self._later: asyncio.TimerHandle | None = None

    async def first(self, take_over: Callable[[], None]) -> None:
        """Load for the first time."""
        self._loading = asyncio.current_task()
        with uncollected():
            await self._loader.load()
            take_over()
        self._loading = None
        self._look_later()
        if self._wanted:
            self.want(anew=self._anew)

    def want(self, *, anew: bool = False) -> None:
        """Load after the loading that is going on, if there is one."""
        self._wanted = True
        self._anew |= anew
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())

    def close(self) -> None:
        """Look at nothing any more."""
        self._loader.close()
        if self._later is not None:
            self._later.cancel()

    async def _load(self) -> None:
        while self._wanted and not self._stopping():
            anew, self._anew, self._wanted = self._anew, False, False
            if anew:
                self._begun()
            try:
                with uncollected():
                    changed = await self._loader.load(again=anew)
                    if self._stopping():
                        break  # the service manager has been told so, and nothing is to start
                    if changed or anew:
                        self._take_over()
            except Exception as error:  # what is in effect goes on
                self._defect("cannot load the tables", error)
                self._loader.unsettled = True
            self._over()
        self._loading = None
        self._look_later()

    def _look_later(self) -> None:
        """Look again while there is something that nobody will tell."""
        if self._later is not None:
            self._later.cancel()
        if self._loader.unsettled:
            self._later = asyncio.get_running_loop().call_later(UNSETTLED_EVERY, self.want)
