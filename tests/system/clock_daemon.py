"""`cronjob daemon` on clocks that a test sets, without a hand on those of the machine.

clock_daemon.py FOLDER DESCRIPTOR [OPTION...]: as rooted_daemon.py, with the clocks as the pipe
says, in lines of two numbers: seconds that the wall clock, and that the monotonic clock, is ahead
of the machine's.  A line may be written at any time: it is read whenever the daemon reads a clock,
so that all it sees has changed at once, as when the machine's clock is set.
"""

import asyncio
import os
import select
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

from cronjob.cli import _parser
from cronjob.cli.service import run_daemon
from cronjob.core.source import PLACES
from cronjob.host.clock import SystemClock, WallTimer


class OffsetClock(SystemClock):
    """The machine's clocks, and what the pipe `descriptor` says that they are ahead of them."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)
        os.set_inheritable(descriptor, False)
        self.set = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  #: it has been
        self.ahead = timedelta()  #: of the wall clock
        self._monotonic_ahead = 0.0
        self._text = b""

    def now(self) -> datetime:
        """The wall clock as it has been set."""
        self.look()
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """The machine's, and what passed at once."""
        self.look()
        return super().monotonic() + self._monotonic_ahead

    def timer(self) -> WallTimer:
        """A timer that this clock drives."""
        return OffsetTimer(self)

    def look(self) -> None:
        """Read what the pipe says by now."""
        try:
            self._text += os.read(self.descriptor, 4096)
        except BlockingIOError:
            return
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            wall, monotonic = map(float, line.split())
            self.ahead, self._monotonic_ahead = timedelta(seconds=wall), monotonic
            os.eventfd_write(self.set, 1)


class OffsetTimer(WallTimer):
    """The kernel's timer, armed for when the set clock will show the instant.

    It does as the kernel when the clock is set: it becomes readable, or says so when it is armed.
    """

    def __init__(self, clock: OffsetClock) -> None:
        super().__init__()
        self._clock = clock
        self._epoll = select.epoll()
        for descriptor in (super().fileno(), clock.set, clock.descriptor):
            self._epoll.register(descriptor, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when the instant has come or the clock has been set."""
        return self._epoll.fileno()

    def arm(self, at: datetime | None) -> bool:
        """By the set clock."""
        self._clock.look()
        machine_set = super().arm(None if at is None else at - self._clock.ahead)
        return self._was_set() or machine_set

    def acknowledge(self) -> None:
        """Take note of both."""
        super().acknowledge()
        self._clock.look()
        self._was_set()

    def close(self) -> None:
        """Give the descriptors back."""
        self._epoll.close()
        super().close()

    def _was_set(self) -> bool:
        try:
            return os.eventfd_read(self._clock.set) > 0
        except BlockingIOError:
            return False


def follow(clock: SystemClock) -> None:
    """The event loop's own waits go by this monotonic clock too."""

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return clock.monotonic()

    class Policy(asyncio.DefaultEventLoopPolicy):
        _loop_factory: Callable[[], asyncio.AbstractEventLoop] = Loop

    asyncio.set_event_loop_policy(Policy())


if __name__ == "__main__":
    folder, pipe, *options = sys.argv[1:]
    offsets = OffsetClock(int(pipe))
    follow(offsets)
    arguments = _parser().parse_args(["daemon", *options])
    sys.exit(run_daemon(arguments, PLACES.below(folder), offsets))
