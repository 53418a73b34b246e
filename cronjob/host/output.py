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
QUIET_SECONDS = 0.02  #: a command that ends sooner is read once, at its end

Follower = Callable[[bytes], None]


class Output:
    """What one attempt prints: one pipe for both streams, so that their order is that of writing.

    `log` decides what the teller gets: all of it as it comes, or what was kept once the attempt
    has failed, or nothing.  Followers get the bytes as they come, whatever `log` is; the list is
    the caller's, who may change it.
    """

    def __init__(
        self, teller: LineTeller, log: Tell, followers: list[Follower], *, uid: int, gid: int
    ) -> None:
        self._teller = teller if log is Tell.ALWAYS else None
        self._on_failure = teller if log is Tell.FAILURE else None
        self._followers = followers
        self._keeper: Keeper | None = Keeper()  #: None after the end
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
        if self._keeper is not None:
            self._keeper.add(data)
        if self._teller is not None:
            self._teller.add(data)
        for follower in tuple(self._followers):
            follower(data)
        return True

    def tell(self, now: float) -> bool:
        """Tell some of what has been read; whether complete lines are left."""
        if self._teller is None or self._teller.advance(now, LINES_A_TURN):
            return self._teller is not None
        if self._keeper is None and not self.open:
            self._teller.finish(now)  # what a background process said last
        return False

    def finish(self, failed: bool, now: float) -> Kept:
        """The attempt is over: what it said until now is told before this returns.

        A background process may hold the pipe open for longer; it is heard, but not kept.
        """
        reads = 0
        while self.open and reads < DRAIN_READS and self.read():
            reads += 1
        kept = self._keeper.kept() if self._keeper is not None else Kept()
        self._keeper = None
        if self._on_failure is not None and failed:
            self._teller = self._on_failure
            for line in kept.lines():
                self._teller.add(line + b"\n")
        if self._teller is not None:
            self._teller.finish(now)
        return kept


class Listener:
    """Reads all outputs in turns, so that no flood delays what else is due.

    They are in an epoll of their own, which is itself watched by the loop: to add a pipe there
    costs a seventh of `add_reader`, and the kernel hands out those that are readable in turn.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._fresh: list[Output] = []  #: not in the epoll yet: most commands are quick
        self._outputs: dict[int, Output] = {}  #: in the epoll, by descriptor
        self._behind: dict[Output, None] = {}  #: read, but not told yet
        self._loop.add_reader(self._epoll, self._turn)

    def listen(self, output: Output) -> None:
        """Read this one too from now on, as long as it is open."""
        if not self._fresh:
            self._loop.call_later(QUIET_SECONDS, self._take_in)
        self._fresh.append(output)

    def finish(self, output: Output, failed: bool) -> Kept:
        """Its attempt is over; what is told of it is told before this returns."""
        descriptor = output.descriptor
        kept = output.finish(failed, self._loop.time())
        if output.open:
            self.listen(output)
        else:
            self._outputs.pop(descriptor, None)
        return kept

    def _take_in(self) -> None:
        fresh, self._fresh = self._fresh, []
        for output in fresh:
            if output.open and self._outputs.get(output.descriptor) is not output:
                try:
                    self._epoll.register(output.descriptor, select.EPOLLIN)
                except OSError:  # no memory for it: soon again
                    self.listen(output)
                else:
                    self._outputs[output.descriptor] = output

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
