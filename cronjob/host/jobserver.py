"""GNU make's jobserver, brokered: every attempt has a pair of pipes of its own.

A command takes a token by reading a byte from one pipe and gives it back by writing a byte into
the other ("POSIX Jobserver Interaction" of the GNU make manual).  The first pipe never holds more
than one token, the one on offer, so that it is known which attempt took how many, and all of it
is free again when the attempt ends, however it ends.
"""

import asyncio
import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable

from cronjob.errors import LaunchError
from cronjob.ports import TOKEN_DESCRIPTORS

MOST_UNASKED = 4096  #: bytes given back and never taken, until an attempt is not listened to
_TOKEN = b"+"
_CHUNK = 4096  #: bytes read at once from one attempt
_SMALLEST_PIPE = 4096


def makeflags(own: str = "") -> str:
    """`MAKEFLAGS` that leads make to its jobserver, behind those that the table sets (`own`).

    As make itself writes it.  Variables follow a `--`, behind which nothing is an option.
    """
    options, dashes, variables = own.partition(" -- ")
    read_end, write_end = TOKEN_DESCRIPTORS
    return f"{options} -j --jobserver-auth={read_end},{write_end}{dashes}{variables}"


class Broker:
    """Lends tokens to attempts and counts what they take and give back.

    It decides nothing: whoever owns the pool calls `offer` and `withdraw`, for one token at a
    time.  Told by attempt key: `taken(key)`, the offered token is in use; `returned(key, count)`,
    never more than were taken; `withdrawn(key)`, the offered token came back.  A `withdraw` is
    answered by `withdrawn`, or by `taken` when it was too late.  `unruly(key)`, once, when a
    command keeps giving back what it never took.

    Callbacks come from the event loop, never from within a call.
    """

    def __init__(
        self,
        taken: Callable[[str], None],
        returned: Callable[[str, int], None],
        withdrawn: Callable[[str], None],
        unruly: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._taken, self._returned, self._withdrawn = taken, returned, withdrawn
        self._unruly = unruly
        self._pairs: dict[str, _Pair] = {}
        self._early: dict[str, bool] = {}  #: without pipes as yet: whether a token is on offer
        self._watched: dict[int, _Pair] = {}  #: by our descriptors
        self._epoll: select.epoll | None = None  #: while there are pipes

    def open(self, attempt: str, *, uid: int = -1, gid: int = -1) -> tuple[int, int]:
        """Make the pipes; the ends for the command: to read tokens from, and to write them to.

        They belong to this user, since cargo opens `/dev/fd/N` anew.
        Raises `LaunchError` when no descriptor is left.
        """
        try:
            pair = _Pair(attempt, uid, gid)
        except OSError as error:
            raise LaunchError(f"cannot make the pipes of its jobserver: {error.strerror}") from None
        try:
            self._watch(pair)
        except OSError as error:
            self._unwatch(pair)
            pair.close()
            raise LaunchError(f"cannot watch its jobserver: {error.strerror}") from None
        self._pairs[attempt] = pair
        if self._early.get(attempt):
            del self._early[attempt]
            self.offer(attempt)
        return pair.command_ends

    def opened(self, attempt: str) -> None:
        """The launcher has its own copies of the command's ends."""
        if (pair := self._pairs.get(attempt)) is not None:
            pair.close_command_ends()

    def offer(self, attempt: str) -> None:
        """Put a token where the attempt can take it; before `open`, that waits for it."""
        pair = self._pairs.get(attempt)
        if pair is None:
            self._early[attempt] = True
        elif not pair.parked and not pair.park():
            self._soon(pair, self._take)  # it stuffed the pipe itself: let it pay for that

    def withdraw(self, attempt: str) -> None:
        """Take the offered token back, if it has not been taken."""
        pair = self._pairs.get(attempt)
        if pair is None:
            if self._early.get(attempt):
                self._early[attempt] = False
                asyncio.get_running_loop().call_soon(self._withdraw_early, attempt)
        elif pair.parked:
            came_back = pair.unpark()
            self._soon(pair, self._put_back if came_back else self._look)

    def close(self, attempt: str) -> None:
        """The attempt is over, and whatever it took is free: nothing more is told about it."""
        self._early.pop(attempt, None)
        if (pair := self._pairs.pop(attempt, None)) is not None:
            self._unwatch(pair)
            pair.close()

    # -- what attempts do ------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._epoll is None:
            return
        # One at a time: an edge is told once, and an error in a callback must not cost another's.
        for descriptor, _ in self._epoll.poll(0, 1):
            pair = self._watched[descriptor]
            data = self._read_returns(pair) if descriptor == pair.returning else b""
            self._look(pair)  # before what came back is counted: it may be this one
            if data:
                self._give_back(pair, len(data))

    def _read_returns(self, pair: "_Pair") -> bytes:
        try:
            data = os.read(pair.returning, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:  # nobody is left who could write: level-triggered, it would tell so for ever
            self._forget(pair.returning)
        return data

    def _give_back(self, pair: "_Pair", count: int) -> None:
        known = min(count, pair.taken)
        pair.taken -= known
        pair.unasked += count - known
        if known and self._pairs.get(pair.attempt) is pair:
            self._returned(pair.attempt, known)
        if pair.unasked > MOST_UNASKED and self._watched.get(pair.returning) is pair:
            self._forget(pair.returning)
            self._unruly(pair.attempt)

    def _look(self, pair: "_Pair") -> None:
        if pair.parked and pair.is_empty():
            self._take(pair)

    def _take(self, pair: "_Pair") -> None:
        pair.parked = False
        pair.taken += 1
        self._taken(pair.attempt)

    def _put_back(self, pair: "_Pair") -> None:
        self._withdrawn(pair.attempt)

    def _withdraw_early(self, attempt: str) -> None:
        if self._early.get(attempt) is False:
            del self._early[attempt]
            self._withdrawn(attempt)

    def _soon(self, pair: "_Pair", tell: Callable[["_Pair"], None]) -> None:
        asyncio.get_running_loop().call_soon(self._if_open, pair, tell)

    def _if_open(self, pair: "_Pair", tell: Callable[["_Pair"], None]) -> None:
        if self._pairs.get(pair.attempt) is pair:
            tell(pair)

    # -- descriptors -----------------------------------------------------------------------------

    def _watch(self, pair: "_Pair") -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll, self._readable)
        # A command can make its pipe larger, which is then always writable: only edges count.
        edges, levels = select.EPOLLOUT | select.EPOLLET, select.EPOLLIN
        for descriptor, mask in ((pair.offering, edges), (pair.returning, levels)):
            self._epoll.register(descriptor, mask)
            self._watched[descriptor] = pair

    def _unwatch(self, pair: "_Pair") -> None:
        self._forget(pair.offering)
        self._forget(pair.returning)
        if not self._pairs and self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll)
            self._epoll.close()
            self._epoll = None

    def _forget(self, descriptor: int) -> None:
        if self._watched.pop(descriptor, None) is not None and self._epoll is not None:
            self._epoll.unregister(descriptor)


class _Pair:
    """The two pipes of one attempt.

    The command's ends are open for reading and writing both.  A process that outlives its attempt
    then waits for tokens that never come; on an end of file make would spin, and a token that it
    gives back would kill it by SIGPIPE.
    """

    def __init__(self, attempt: str, uid: int, gid: int) -> None:
        """Raises `OSError`, with nothing left open."""
        self.attempt = attempt
        self.parked = False  #: a token is on offer, and not known to be taken
        self.taken = 0  #: tokens that the command holds
        self.unasked = 0  #: bytes that it gave back and never took
        self._ours: list[int] = []
        self._lent: list[int] = []  #: the command's ends, until the launcher has copies of them
        try:
            self._make(uid, gid)
        except OSError:
            self.close()
            raise

    def _make(self, uid: int, gid: int) -> None:
        # In packet mode each token fills a buffer of the pipe, and one buffer is all it has.
        self._unread, self.offering = ends = os.pipe2(os.O_DIRECT | os.O_CLOEXEC | os.O_NONBLOCK)
        self._ours += ends
        fcntl.fcntl(self.offering, fcntl.F_SETPIPE_SZ, _SMALLEST_PIPE)
        self.returning, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ours.append(self.returning)
        try:
            for end in (self._unread, writing):
                self._lent.append(os.open(f"/proc/self/fd/{end}", os.O_RDWR | os.O_CLOEXEC))
        finally:
            os.close(writing)
        if os.geteuid() == 0:
            for end in self._lent:
                os.fchown(end, uid, gid)

    @property
    def command_ends(self) -> tuple[int, int]:
        """To read tokens from, and to write them to."""
        read_end, write_end = self._lent
        return read_end, write_end

    def park(self) -> bool:
        """Put a token into the pipe; False when the command keeps it full."""
        self.unpark()  # what the command may have put there itself
        try:
            os.write(self.offering, _TOKEN)
        except BlockingIOError:
            return False
        self.parked = True
        return True

    def unpark(self) -> bool:
        """Take a token out of the pipe; False when there is none."""
        try:
            os.read(self._unread, _CHUNK)
        except BlockingIOError:
            return False
        self.parked = False
        return True

    def is_empty(self) -> bool:
        """Whether there is no token in the pipe."""
        answer = fcntl.ioctl(self._unread, termios.FIONREAD, struct.pack("i", 0))
        return struct.unpack("i", answer) == (0,)

    def close_command_ends(self) -> None:
        """The launcher has copies of them."""
        while self._lent:
            os.close(self._lent.pop())

    def close(self) -> None:
        """Close what is open."""
        self.close_command_ends()
        while self._ours:
            os.close(self._ours.pop())
