"""What a command prints: bytes in, bounded lines out, and a head and a tail that are kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST_LINE = 16 * 1024  #: bytes; a longer line is told in parts
HEAD = 16 * 1024  #: bytes kept of the beginning
TAIL = 48 * 1024  #: bytes kept of the end
WINDOW = 30.0  #: seconds; journald counts by the same, and allows a service 10,000 lines
LINES_A_WINDOW = 4000  #: two windows that touch stay below journald's limit
BYTES_A_WINDOW = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """The beginning and the end of what an attempt printed."""

    head: bytes = b""
    tail: bytes = b""
    left_out: int = 0  #: bytes between the two

    @property
    def size(self) -> int:
        """Bytes of all that was printed."""
        return len(self.head) + self.left_out + len(self.tail)

    def text(self) -> bytes:
        """All lines, each with its end."""
        return b"".join(line + b"\n" for line in self.lines())

    def lines(self) -> Iterator[bytes]:
        """Line by line, with a word on what is left out."""
        if not self.left_out:
            yield from _lines(self.head + self.tail)
            return
        yield from _lines(self.head)
        yield b"... %d bytes left out" % self.left_out
        yield from _lines(self.tail)


def _lines(text: bytes) -> Iterator[bytes]:
    *lines, partial = text.split(b"\n")
    yield from lines
    if partial:
        yield partial


class Keeper:
    """Makes a `Kept` of all that is added; holds a head and at most two tails."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """The next bytes."""
        if (room := HEAD - len(self._head)) > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * TAIL:
            self._shorten()

    def kept(self) -> Kept:
        """What is kept by now."""
        self._shorten()
        return Kept(self._head, bytes(self._tail), self._left_out)

    def _shorten(self) -> None:
        if (beyond := len(self._tail) - TAIL) > 0:
            del self._tail[:beyond]
            self._left_out += beyond


class LineTeller:
    """Cuts what is added into lines and tells them, as many as the journal can take.

    `tell(line)` gets one line; bytes that are not UTF-8 are surrogates in it.
    `dropped(lines, size)` hears, when a window or the output is over, how many lines and bytes
    were beyond the bounds of the window.  Times are monotonic seconds.
    """

    def __init__(self, tell: Callable[[str], None], dropped: Callable[[int, int], None]) -> None:
        self._tell, self._dropped = tell, dropped
        self._pending = b""
        self._window_ends = float("-inf")
        self._lines = self._bytes = 0  #: told in this window
        self._lines_dropped = self._bytes_dropped = 0

    def add(self, data: bytes) -> None:
        """The next bytes, to be told by `advance`."""
        self._pending += data

    def advance(self, now: float, most: int) -> bool:
        """Tell `most` lines or fewer; whether complete ones are left."""
        self._turn_window(now)
        if self._full:
            self._drop_pending()
            return False
        *lines, self._pending = self._pending.split(b"\n", most)
        for line in lines:
            self._tell_line(line)
        if b"\n" in self._pending:
            return True
        while len(self._pending) >= LONGEST_LINE:
            self._tell_part(self._pending[:LONGEST_LINE])
            self._pending = self._pending[LONGEST_LINE:]
        return False

    def finish(self, now: float) -> None:
        """Tell all that is left, a line without its end too."""
        while self.advance(now, LINES_A_WINDOW):
            pass
        if self._pending:
            self._tell_part(self._pending)
            self._pending = b""
        self._tell_dropped()

    @property
    def _full(self) -> bool:
        return self._lines >= LINES_A_WINDOW or self._bytes >= BYTES_A_WINDOW

    def _turn_window(self, now: float) -> None:
        if now >= self._window_ends:
            self._tell_dropped()
            self._lines = self._bytes = 0
            self._window_ends = now + WINDOW

    def _tell_line(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            self._tell_part(line[start : start + LONGEST_LINE])

    def _tell_part(self, part: bytes) -> None:
        if self._full:
            self._lines_dropped += 1
            self._bytes_dropped += len(part)
            return
        self._lines += 1
        self._bytes += len(part)
        self._tell(part.decode("utf-8", "surrogateescape"))

    def _drop_pending(self) -> None:
        """Count the complete lines without looking at each, and keep the beginning of the last."""
        complete, newline, self._pending = self._pending.rpartition(b"\n")
        if newline:
            breaks = complete.count(b"\n")
            self._lines_dropped += breaks + 1
            self._bytes_dropped += len(complete) - breaks
        if len(self._pending) >= LONGEST_LINE:
            self._lines_dropped += 1
            self._bytes_dropped += len(self._pending)
            self._pending = b""

    def _tell_dropped(self) -> None:
        if self._lines_dropped:
            self._dropped(self._lines_dropped, self._bytes_dropped)
            self._lines_dropped = self._bytes_dropped = 0
