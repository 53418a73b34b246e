"""Wraps the stream socket between the daemon and its guardian: messages and descriptors."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections import deque

TYPE_CHECKING = False  # typing itself is not worth its memory in the guardian
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    Message = dict[str, Any]

INT = struct.Struct("i")  #: a descriptor as SCM_RIGHTS carries it
MOST_MESSAGES = 64  #: in one frame
MOST_DESCRIPTORS = 240  #: in one frame; the kernel's own limit is 253 (SCM_MAX_FD)


class Channel:
    """JSON messages, each with its descriptors, over a stream socket; never blocks.

    A frame is four bytes of length (big-endian) and a list of messages in JSON and ASCII, so that
    surrogates, which stand for raw bytes, pass. Descriptors travel with the first byte of their
    frame; each message says in `fds` how many of them are its own.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.socket = stream
        self._inbox = bytearray()
        self._bundles: deque[list[int]] = deque()  # one per frame that carries descriptors
        self._queue: deque[tuple[Message, Sequence[int]]] = deque()
        self._frame: memoryview | None = None  # what is on its way, and its descriptors
        self._carried: Sequence[int] = ()

    @property
    def unsent(self) -> bool:
        """Whether something waits for its frame, or for room in the socket."""
        return self._frame is not None or bool(self._queue)

    def queue(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Keep `message` for the next flush; `descriptors` are closed once they are sent."""
        if descriptors:
            message["fds"] = len(descriptors)
        self._queue.append((message, descriptors))

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Queue `message` and send what fits."""
        self.queue(message, descriptors)
        self.flush()

    def flush(self) -> None:
        """Send what fits. A broken socket drops the rest: its end is seen by reading."""
        while self.unsent:
            if self._frame is None:
                self._pack()
            assert self._frame is not None
            try:
                sent = socket.send_fds(self.socket, [self._frame], list(self._carried))
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ETOOMANYREFS):
                    self._drop()
                return
            close_all(self._carried)
            self._carried = ()
            rest = self._frame[sent:]
            self._frame = rest if rest else None

    def _pack(self) -> None:
        """Make one frame of what is queued."""
        messages: list[Message] = []
        carried: list[int] = []
        while self._queue and len(messages) < MOST_MESSAGES:
            if carried and len(carried) + len(self._queue[0][1]) > MOST_DESCRIPTORS:
                break
            message, descriptors = self._queue.popleft()
            messages.append(message)
            carried += descriptors
        body = json.dumps(messages).encode("ascii")
        self._frame, self._carried = memoryview(len(body).to_bytes(4, "big") + body), carried

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Read once: the complete messages with their descriptors.

        EOFError at the end, BlockingIOError when there is nothing to read. The kernel never mixes
        the descriptors of two frames in one read. Fewer descriptors than `fds` says mean that
        this process ran out of them.
        """
        room = socket.CMSG_SPACE((MOST_DESCRIPTORS + 8) * INT.size)
        try:  # not socket.recv_fds: it ignores its flags, so that every command would get these
            data, ancillary, flags, _ = self.socket.recvmsg(1 << 16, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            raise
        except OSError as error:
            raise EOFError from error
        descriptors = [number for _, _, raw in ancillary for (number,) in INT.iter_unpack(raw)]
        if descriptors or flags & socket.MSG_CTRUNC:
            self._bundles.append(descriptors)
        if not data:
            raise EOFError
        self._inbox += data
        return [found for body in self._bodies() for found in self._unpack(body)]

    def _bodies(self) -> Iterator[bytes]:
        while len(self._inbox) >= 4:
            end = 4 + int.from_bytes(self._inbox[:4], "big")
            if len(self._inbox) < end:
                return
            body = bytes(self._inbox[4:end])
            del self._inbox[:end]
            yield body

    def _unpack(self, body: bytes) -> list[tuple[Message, list[int]]]:
        try:
            messages = json.loads(body)
            counts = [message.get("fds", 0) for message in messages]
        except (ValueError, AttributeError, TypeError):
            return []
        bundle = self._bundles.popleft() if any(counts) and self._bundles else []
        found = []
        for message, count in zip(messages, counts, strict=True):
            found.append((message, bundle[:count]))
            bundle = bundle[count:]
        return found

    def _drop(self) -> None:
        close_all(self._carried)
        self._frame, self._carried = None, ()
        while self._queue:
            close_all(self._queue.popleft()[1])

    def close(self) -> None:
        """Close the socket and every descriptor that still waits."""
        self._drop()
        while self._bundles:
            close_all(self._bundles.popleft())
        self.socket.close()


def close_all(descriptors: Iterable[int]) -> None:
    """Close each of `descriptors`."""
    for descriptor in descriptors:
        os.close(descriptor)


def encoded(text: str) -> bytes:
    """`text` as the bytes it came from, whatever the locale."""
    return text.encode("utf-8", "surrogateescape")
