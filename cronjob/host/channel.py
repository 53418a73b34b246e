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
    from collections.abc import Iterable, Sequence
    from typing import Any

    Message = dict[str, Any]

INT = struct.Struct("i")  #: a descriptor as SCM_RIGHTS carries it


class Channel:
    """JSON messages, each with its descriptors, over a stream socket; never blocks.

    A frame is four bytes of length (big-endian) and JSON in ASCII, so that surrogates, which
    stand for raw bytes, pass. Descriptors travel with the first byte of their frame.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.socket = stream
        self._inbox = bytearray()
        self._bundles: deque[list[int]] = deque()  # one per message that carries descriptors
        self._outbox: deque[tuple[memoryview, Sequence[int]]] = deque()

    @property
    def unsent(self) -> bool:
        """Whether something waits for room in the socket."""
        return bool(self._outbox)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Queue `message` and send what fits; `descriptors` are closed once they are sent."""
        body = json.dumps(message | {"fds": len(descriptors)} if descriptors else message)
        frame = len(body).to_bytes(4, "big") + body.encode("ascii")
        self._outbox.append((memoryview(frame), descriptors))
        self.flush()

    def flush(self) -> None:
        """Send what fits. A broken socket drops the rest: its end is seen by reading."""
        while self._outbox:
            frame, descriptors = self._outbox[0]
            try:
                sent = socket.send_fds(self.socket, [frame], list(descriptors))
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ETOOMANYREFS):
                    self._drop()
                return
            self._outbox.popleft()
            close_all(descriptors)
            if sent < len(frame):
                self._outbox.appendleft((frame[sent:], ()))

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Read once: the complete messages with their descriptors.

        EOFError at the end, BlockingIOError when there is nothing to read. The kernel never mixes
        the descriptors of two messages in one read. A bundle shorter than `fds` says means that
        this process ran out of descriptors.
        """
        room = socket.CMSG_SPACE(8 * 4)
        try:  # not socket.recv_fds: it ignores its flags, so that every job would get these
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
        return self._complete()

    def _complete(self) -> list[tuple[Message, list[int]]]:
        messages = []
        while len(self._inbox) >= 4:
            end = 4 + int.from_bytes(self._inbox[:4], "big")
            if len(self._inbox) < end:
                break
            body = bytes(self._inbox[4:end])
            del self._inbox[:end]
            try:
                message = json.loads(body)
                carries = message.get("fds", 0)
            except (ValueError, AttributeError):
                continue
            bundle = self._bundles.popleft() if carries and self._bundles else []
            messages.append((message, bundle))
        return messages

    def _drop(self) -> None:
        while self._outbox:
            close_all(self._outbox.popleft()[1])

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
