"""Ends whole trees of processes: TERM, a grace, then KILL until nothing is left."""

from __future__ import annotations

import signal
import time

from cronjob.host.processes import send_signal, still_live

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cronjob.host.processes import Process

KILL_SECONDS = 5.0  #: how long a tree is killed again and again before what is left is named
WALK_SECONDS = 0.003  #: pause between two walks while killing


class Sweep:
    """Ends processes: TERM, a grace, then KILL and look again until none is left."""

    def __init__(
        self,
        members: Callable[[], list[Process]],
        done: Callable[[], None],
        grace: float,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        self.members = members
        self.done = done
        self.kill = kill  #: SIGKILL to all of them at once, as far as that is possible
        self.due = time.monotonic() + max(grace, 0.0)  #: when to look again at the latest
        self.limit: float | None = None  #: monotonic end of killing, once that has begun
        self.known: list[Process] = []

    def begin(self, told: Collection[int] = ()) -> None:
        """TERM to all but the pids that were `told` before: some take a second one for haste."""
        self.known = self.members()
        if self.due > time.monotonic():
            for process in self.known:
                if process.pid not in told:
                    send_signal(process, signal.SIGTERM)

    def hasten(self, grace: float) -> None:
        """Another wish to end: the shorter grace counts."""
        if self.limit is None:
            self.due = min(self.due, time.monotonic() + max(grace, 0.0))

    def step(self) -> bool:
        """Go on as far as the time allows; True when it is over."""
        now = time.monotonic()
        if now < self.due and any(map(still_live, self.known)):
            return False  # a whole walk at every reaped child would be dear
        self.known = self.members()
        if not self.known or (self.limit is not None and now >= self.limit):
            return True
        if self.limit is None:
            if now < self.due:
                return False
            self.limit = now + KILL_SECONDS
        self.kill()
        for process in self.known:
            send_signal(process, signal.SIGKILL)
        # Quickly at first; what takes longer sits in the kernel.
        self.due = now + max(WALK_SECONDS, (now - self.limit + KILL_SECONDS) / 10)
        return False
