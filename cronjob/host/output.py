"""Wraps the pipes that carry what commands print: one for each attempt, read in turns."""

import asyncio
import os
import select
from collections.abc import Callable
from itertools import islice

from cronjob.core.fields import Tell
from cronjob.core.output import Keeper, Kept, LineTeller

CHUNK = 64 * 1024  #: bytes of one read, and of a pipe that nobody made larger
DRAIN_READS = 17  #: a pipe holds 1 MiB at most; who fills it meanwhile is not waited for
READS_A_TURN = 4  #: of all outputs together, before the daemon looks at anything else
LINES_A_TURN = 100  #: told of one output before the next one gets its turn
RETRY_SECONDS = 0.02  #: until an output that found no memory to be watched is tried again

Follower = Callable[[bytes], None]


class Output:
    """What one attempt prints: one pipe for both streams, so that their order is that of writing.

    `log` decides what is told: all of it as it comes, or what was kept once the attempt has
    failed, or nothing; `teller` makes what tells it.  Followers get the bytes as they come,
    whatever `log` is; the list is the caller's, who may change it.
    """

    def __init__(
        self,
        teller: Callable[[], LineTeller],
        log: Tell,
        followers: list[Follower],
        *,
        uid: int,
        gid: int,
    ) -> None:
        self._make_teller = teller
        self._log = log
        self.followers = followers
        self._telling = log is Tell.ALWAYS
        self._over = False  #: the attempt has ended
        # Most commands print nothing: these are made at the first byte.
        self._teller: LineTeller | None = None
        self._keeper: Keeper | None = None
        self.descriptor, self.write_end = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(self.descriptor, False)
            if os.geteuid() == 0:
                os.fchown(self.write_end, uid, gid)  # so that the command may open /dev/stdout
        except OSError:
            os.close(self.descriptor)
            os.close(self.write_end)
            raise

    @property
    def open(self) -> bool:
        """Whether more may be read."""
        return self.descriptor >= 0

    @property
    def used(self) -> bool:
        """Whether anything has been read until the end of the attempt."""
        return self._keeper is not None

    def kept(self) -> Kept:
        """What is kept of what it has printed by now."""
        return self._keeper.kept() if self._keeper is not None else Kept()

    def launched(self) -> None:
        """The launcher has its own copy of the write end; ours would hide the end of file."""
        os.close(self.write_end)

    def read(self) -> bool:
        """Read once; False when there is nothing more, for now or for ever."""
        try:
            data = os.read(self.descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            os.close(self.descriptor)
            self.descriptor = -1
            return False
        if not self._over:
            self._keeper = self._keeper or Keeper()
            self._keeper.add(data)
        if self._telling:
            self._add(data)
        for follower in tuple(self.followers):
            follower(data)
        return True

    def drain(self) -> None:
        """Read what is there."""
        reads = 0
        while self.open and reads < DRAIN_READS and self.read():
            reads += 1

    def tell(self, now: float) -> bool:
        """Tell some of what has been read; whether complete lines are left."""
        if self._teller is None:
            return False
        if self._teller.advance(now, LINES_A_TURN):
            return True
        if self._over and not self.open:
            self._teller.finish(now)  # what a background process said last
        return False

    def finish(self, failed: bool, now: float) -> Kept:
        """The attempt is over: what it said until now is told before this returns.

        A background process may hold the pipe open for longer; it is heard, but not kept.
        """
        self.drain()
        kept = self.kept()
        self._over, self._keeper = True, None
        if failed and self._log is Tell.FAILURE:
            self._telling = True
            for line in kept.lines():
                self._add(line + b"\n")
        if self._teller is not None:
            self._teller.finish(now)
        return kept

    def _add(self, data: bytes) -> None:
        if self._teller is None:
            self._teller = self._make_teller()
        self._teller.add(data)


class Outputs:
    """All outputs that are open, read in turns, so that no flood delays what else is due.

    They are in an epoll of their own, which is itself watched by the loop: to add a pipe there
    costs a seventh of `add_reader`, and the kernel hands out those that are readable in turn.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._outputs: dict[int, Output] = {}  #: in the epoll, by descriptor
        self._behind: dict[Output, None] = {}  #: read, but not told yet
        self._loop.add_reader(self._epoll, self._turn)

    def add(self, output: Output) -> None:
        """Read this one too from now on, as long as it is open."""
        if not output.open or self._outputs.get(output.descriptor) is output:
            return
        try:
            self._epoll.register(output.descriptor, select.EPOLLIN)
        except OSError:  # no memory for it
            self._loop.call_later(RETRY_SECONDS, self.add, output)
        else:
            self._outputs[output.descriptor] = output

    def finish(self, output: Output, failed: bool) -> Kept:
        """Its attempt is over; what is told of it is told before this returns."""
        descriptor = output.descriptor
        kept = output.finish(failed, self._loop.time())
        if output.open:
            self.add(output)
        elif self._outputs.get(descriptor) is output:
            del self._outputs[descriptor]
        return kept

    def _turn(self) -> None:
        idle = not self._behind
        for descriptor, _ in self._epoll.poll(0, READS_A_TURN):
            output = self._outputs[descriptor]
            if output not in self._behind:
                output.read()
                if not output.open:
                    del self._outputs[descriptor]
                self._tell(output)
        if self._behind and idle:
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        for output in list(islice(self._behind, READS_A_TURN)):
            del self._behind[output]
            self._tell(output)
        if self._behind:
            self._loop.call_soon(self._catch_up)

    def _tell(self, output: Output) -> None:
        if output.tell(self._loop.time()):
            self._behind[output] = None  # behind all others that are
